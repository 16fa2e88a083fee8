//! The first import, by a process of its own that is killed on the way.
//!
//! `CLIENTY_IMPORT_CONTACTS` sets how many contacts; the figures of docs/PERFORMANCE.md are of 10,000 and 100,000.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clienty_sync::compare;
use ghl_sandbox::SandboxLocation;
use jiff::tz::TimeZone;
use job_engine::Priority;
use serde_json::{Value, json};
use sync_workers::jobs::new_job;
use sync_workers::records::{JobFilter, Options, Purpose, Records};

use crate::support::api::Api;
use crate::support::folder::Folder;
use crate::support::installation::{MASTER_KEY, started};
use crate::support::leash::Leashed;
use crate::support::postgres::PostgresServer;
use crate::support::program::{Program, clienty_sync, run};
use crate::support::test_app::{Setup, TestApp, call};

/// Contacts that are compared field by field.
const COMPARED: usize = 200;
/// Looks in a row that see no further call before an import counts as standing still.
const STANDSTILL: u32 = 3_000;
/// Bytes that an import may have in memory.
const MEMORY: u64 = 300 * 1024 * 1024;

#[expect(clippy::disallowed_methods, reason = "how much a run tests is no setting of the program")]
fn contacts() -> usize {
    std::env::var("CLIENTY_IMPORT_CONTACTS").ok().and_then(|count| count.parse().ok()).unwrap_or(1000)
}

/// The calls without which the API does not report it all: contacts 500 at once, tasks 100 at once, and of each contact its
/// notes and its appointments.
fn necessary(contacts: usize, tasks: usize) -> usize {
    contacts.div_ceil(500) + tasks.div_ceil(100) + 2 * contacts
}

/// The most memory that the process has had, in bytes.
fn memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) * 1024
}

/// A GHL of its own process, whose pace is no limit, and a location of it that is connected.
struct Place {
    ghl: Api,
    location: SandboxLocation,
    settings: Vec<(&'static str, String)>,
    database: String,
    _sandbox: Program,
    folder: Folder,
}

impl Place {
    /// Over that database; none for the embedded one.
    async fn new(database: Option<String>) -> Self {
        let (folder, contacts) = (Folder::new("import"), contacts().to_string());
        let swift = ["--burst-limit", "50000", "--burst-interval-ms", "1000", "--daily-limit", "100000000"];
        let begin = [&["sandbox", "--port", "0", "--contacts", contacts.as_str()][..], &swift].concat();
        let (sandbox, reported) = started(&begin, &[], &folder);
        let ghl = Api::new(reported["url"].as_str().unwrap(), "");
        let location = serde_json::from_value(ghl.get("/_sandbox/locations").await.json()[0].clone()).unwrap();
        let data = folder.path().join("data");
        let database = database.unwrap_or_else(|| format!("sqlite://{}", data.join("clienty.db").display()));
        let settings = vec![
            ("CLIENTY_DATA_DIR", data.display().to_string()),
            ("DATABASE_URL", database.clone()),
            ("CLIENTY_MASTER_KEYS", MASTER_KEY.to_owned()),
            ("GHL_API_URL", ghl.url.clone()),
            ("GHL_BURST_LIMIT", "50000".to_owned()),
            ("GHL_BURST_INTERVAL_MS", "1000".to_owned()),
            ("GHL_DAILY_LIMIT", "100000000".to_owned()),
            // So long after a kill nothing may be called.
            ("GHL_TIMEOUT_MS", "1000".to_owned()),
        ];
        let place = Self { ghl, location, settings, database, _sandbox: sandbox, folder };
        let token = place.folder.path().join("token");
        std::fs::write(&token, &place.location.token).unwrap();
        assert!(run(place.command(&["migrate"])).status.success());
        let connected = run(place.command(&[
            "connect",
            "--location",
            &place.location.id,
            "--pit-file",
            token.to_str().unwrap(),
            "--unchecked",
        ]));
        assert!(connected.status.success(), "{connected:?}");
        place
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let settings: Vec<_> = self.settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        clienty_sync(arguments, &settings)
    }

    fn import(&self, more: &[&str]) -> Command {
        self.command(&[&["import", "--location", &self.location.id, "--json"], more].concat())
    }

    async fn stats(&self) -> Value {
        self.ghl.get("/_sandbox/stats").await.json()["locations"][&self.location.id].take()
    }

    /// Imports until GHL has been called so often, then `kill -9`. The most memory that it had.
    async fn killed_after(&self, calls: u64, more: &[&str]) -> u64 {
        let mut import = self.import(more);
        import.stdout(Stdio::null()).stderr(Stdio::null());
        let mut import = Leashed::start(import, "KILL");
        let (mut called, mut idle) = (0, 0);
        while called < calls {
            let seen = self.stats().await["calls"].as_u64().unwrap();
            idle = if seen > called { 0 } else { idle + 1 };
            called = seen;
            assert!(idle < STANDSTILL, "it called {called} times and no more, {calls} were waited for");
            assert_eq!(import.has_ended(), None, "after {called} calls");
            // The more calls, the longer the answer.
            std::thread::sleep(Duration::from_millis(10 + calls / 100));
        }
        let most = memory(import.id());
        import.end("KILL");
        most
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_import_goes_on_and_costs_what_it_must() {
    killed_twice(&Place::new(None).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_import_over_postgres_goes_on_and_costs_what_it_must() {
    let server = PostgresServer::start();
    killed_twice(&Place::new(Some(server.url())).await).await;
}

async fn killed_twice(place: &Place) {
    // In the midst of the pages of contacts, and half-way through their notes and appointments.
    let mut most = place.killed_after(2, &[]).await;
    let again = run(place.import(&[]));
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("--resume"), "{again:?}");
    most = most.max(place.killed_after(contacts() as u64, &["--resume"]).await);
    const KILLS: usize = 2;

    let began = Instant::now();
    let mut last = place.import(&["--resume"]);
    last.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut last = Leashed::start(last, "KILL");
    while last.has_ended().is_none() {
        most = most.max(memory(last.id()));
        std::thread::sleep(Duration::from_millis(50));
    }
    let reported: Value = serde_json::from_reader(last.stdout().unwrap()).unwrap();
    assert_eq!(last.wait().code(), Some(0), "{reported}");
    assert!(most > 0 && most < MEMORY, "{} MB", most >> 20);

    let state = place.ghl.get(&format!("/_sandbox/locations/{}/state", place.location.id)).await.json();
    let held = |list: &str| state[list].as_array().unwrap().len();
    let stats = place.stats().await;
    let (read, must) = (stats["calls"].as_u64().unwrap() as usize, necessary(held("contacts"), held("tasks")));
    eprintln!(
        "{} contacts: {read} calls, {must} necessary, {} MB at most, the last half in {:?}",
        held("contacts"),
        most >> 20,
        began.elapsed()
    );
    assert_eq!([&stats["throttled"], &stats["overSliding"]], [&json!(0), &json!(0)]);
    // Each kill costs the page that was under way: 500 contacts, or the notes and appointments of 10. So does a call that has no answer in the second
    // that it may take, as on a busy machine: the ledger reports each.
    let records = Records::open(&place.database, Options::default()).await.unwrap();
    let failed = failed_runs(&records).await;
    for (operation, once, page) in [
        ("POST /contacts/search", contacts().div_ceil(500), 1),
        ("GET /contacts/{contactId}/notes", contacts(), 10),
        ("GET /contacts/{contactId}/appointments", contacts(), 10),
    ] {
        let calls = stats["operations"][operation].as_u64().unwrap() as usize;
        // A page of the search that took too long is asked for in halves from then on, and again within its run, which does not fail of it.
        let is_search = page == 1;
        let pages = if is_search { 4 * once } else { once };
        let asks = if is_search || failed > 0 { 2 } else { 1 };
        let most = pages + (KILLS + failed) * page * asks;
        assert!(
            (once..=most).contains(&calls),
            "{operation}: {calls} times, {once} are necessary, {failed} runs failed"
        );
    }
    assert!(read * 100 <= must * 103 + 100 * 20 * failed, "{read} calls where {must} are necessary");
    for (list, count) in [("tasks", &reported["import"]["tasks"]), ("notes", &reported["import"]["notes"])] {
        assert!(count.as_u64() >= Some(held(list) as u64), "{list}: {reported}");
    }

    let (location, zone) = (&place.location.id, TimeZone::get(&place.location.time_zone).unwrap());
    assert_eq!(records.count_shown_contacts(location).await.unwrap(), held("contacts") as i64);
    let mut differing = Vec::new();
    for contact in state["contacts"].as_array().unwrap().iter().step_by(contacts().div_ceil(COMPARED)) {
        let id = contact["id"].as_str().unwrap();
        let view = serde_json::to_value(records.contact_view(location, id).await.unwrap()).unwrap();
        differing.extend(compare::contact(&state, id, &zone, Some(&view)));
    }
    // GHL's lists leave it out.
    differing.retain(|found| found.field != "lastActivity");
    assert_eq!(differing, []);
}

/// Runs of the import that ended with an error, as the ledger reports.
async fn failed_runs(records: &Records) -> usize {
    let mut failed = 0;
    for kind in ["walk_contacts", "walk_details"] {
        let filter = JobFilter { kind: Some(kind.to_owned()), ..JobFilter::default() };
        for job in records.list_jobs(&filter, 1000).await.unwrap() {
            failed += records.failed_attempts(&job.id).await.unwrap().len();
        }
    }
    failed
}

#[tokio::test]
async fn an_import_stores_what_a_pull_stores_and_passes_over_whom_was_erased() {
    let app = TestApp::working(Setup { contacts: 60, burst: 1000, ..Setup::default() }).await;
    let location = app.location();
    let contacts = app.contacts(&location.id);
    let records = &app.app.records;
    records.erase(&location.id, &contacts[0]).await.unwrap();
    import(&app).await;
    assert_eq!(records.view_with_deleted(&location.id, &contacts[0]).await.unwrap(), None);
    assert_eq!(app.calls(&location.id, call::GET_CONTACT), 0, "nothing is fetched one by one");

    let view = async |contact: &str| {
        let mut view = app.view(contact).await.unwrap();
        view["syncedAt"].take();
        view["contact"]["lastActivity"].take();
        view
    };
    for contact in &contacts[1..] {
        let imported = view(contact).await;
        let feed = records.last_change().await.unwrap();
        app.report("contact.selected", contact, json!({})).await;
        app.settle().await;
        assert_eq!(imported, view(contact).await);
        let reported = records.list_changes(Some(&feed.to_string()), 10).await.unwrap().items;
        assert!(reported.iter().all(|change| change.record == "contact"), "a pull found something else: {reported:?}");
    }
    app.finish().await;
}

#[tokio::test]
async fn an_import_spreads_its_calls_so_that_others_find_some_at_every_moment() {
    let app =
        TestApp::working(Setup { contacts: 60, burst: 1000, interval: Duration::from_secs(10), ..Setup::default() })
            .await;
    import(&app).await;
    let scan = app.app.records.latest_scan(&app.location().id, Purpose::Import).await.unwrap().unwrap();
    // Fewer than the limit would hold up.
    assert!((121..700).contains(&scan.calls), "{scan:?}");
    // No run begins before the calls of those before it have had their time: at 100 calls a second, of which it leaves a fifth. A run may round down.
    let least = scan.started_at_ms + scan.calls * 1000 / 80 - scan.calls;
    assert!(scan.next_at_ms >= least, "{scan:?}");
    // A run that came before its time is no failure, and is not shown as one.
    let jobs = app.app.records.list_jobs(&JobFilter::default(), 100).await.unwrap();
    assert!(jobs.len() > 6 && jobs.iter().all(|job| job.last_error.is_none()), "{jobs:?}");
    app.finish().await;
}

/// Imports the first location.
pub(super) async fn import(app: &TestApp) {
    let location = app.location().id;
    let scan = app.app.records.begin_scan(&location, Purpose::Import, false, 0).await.unwrap().unwrap();
    app.app.queue.push(&[new_job(&scan.next_job().unwrap(), Priority::Bulk)]).await.unwrap();
    app.settle().await;
    let scan = app.app.records.scan(&scan.id).await.unwrap().unwrap();
    assert!(scan.finished_at_ms.is_some(), "{scan:?}");
}
