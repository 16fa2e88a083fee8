//! The first import, by a process of its own that is killed on the way.
//!
//! `CLIENTY_IMPORT_CONTACTS` sets how many contacts; the README's figures are of 10,000 and 100,000.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use clienty_sync::compare;
use clienty_sync::sandbox::{Limits, Sandbox, SandboxConfig};
use jiff::tz::TimeZone;
use job_engine::Priority;
use serde_json::{Value, json};
use sync_workers::jobs::new_job;
use sync_workers::records::{Options, Purpose, Records};

use crate::support::folder::Folder;
use crate::support::installation::MASTER_KEY;
use crate::support::program::{clienty_sync, run};
use crate::support::test_app::{Setup, TestApp, call};

/// Contacts that are compared field by field.
const COMPARED: usize = 200;
/// Bytes that an import may have in memory.
const MEMORY: u64 = 300 * 1024 * 1024;

#[expect(clippy::disallowed_methods, reason = "how much a run tests is no setting of the program")]
fn contacts() -> usize {
    std::env::var("CLIENTY_IMPORT_CONTACTS").ok().and_then(|count| count.parse().ok()).unwrap_or(1000)
}

/// The calls without which the API does not tell it all: contacts 500 at once, tasks 100 at once, and of each contact its
/// notes and its appointments.
fn necessary(contacts: usize, tasks: usize) -> usize {
    contacts.div_ceil(500) + tasks.div_ceil(100) + 2 * contacts
}

/// The most memory that the process has had, in bytes.
fn memory(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_import_goes_on_and_costs_what_it_must() {
    let limits = Limits { burst: 5000, interval: Duration::from_secs(1), daily: 100_000_000, ..Limits::default() };
    let config = SandboxConfig { contacts: contacts(), limits, ..SandboxConfig::default() };
    let sandbox = Sandbox::start(config).await.unwrap();
    let folder = Folder::new("import");
    let location = sandbox.locations().remove(0);
    let (data, url) = (folder.path().join("data").display().to_string(), sandbox.url());
    let settings = [
        ("CLIENTY_DATA_DIR", data.as_str()),
        ("CLIENTY_MASTER_KEYS", MASTER_KEY),
        ("GHL_API_URL", url.as_str()),
        ("GHL_BURST_LIMIT", "5000"),
        ("GHL_BURST_INTERVAL_MS", "1000"),
        ("GHL_DAILY_LIMIT", "100000000"),
        // So long after a kill nothing may be called.
        ("GHL_TIMEOUT_MS", "3000"),
    ];
    let token = folder.path().join("token");
    std::fs::write(&token, &location.token).unwrap();
    let connected =
        run(clienty_sync(&["connect", "--location", &location.id, "--pit-file", token.to_str().unwrap()], &settings));
    assert!(connected.status.success(), "{connected:?}");

    let import = ["import", "--location", &location.id, "--json"];
    let mut first = clienty_sync(&import, &settings).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let calls = || sandbox.stats().locations[&location.id].calls as usize;
    let patience = Instant::now() + Duration::from_secs(60 * contacts().div_ceil(1000) as u64);
    while calls() <= contacts() {
        assert!(Instant::now() < patience, "half of it is not read: {} calls", calls());
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut most = memory(&first);
    first.kill().unwrap();
    first.wait().unwrap();
    let again = run(clienty_sync(&import, &settings));
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("--resume"), "{again:?}");

    let resume = [&import[..], &["--resume"]].concat();
    let mut second = clienty_sync(&resume, &settings).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    while second.try_wait().unwrap().is_none() {
        most = most.max(memory(&second));
        std::thread::sleep(Duration::from_millis(50));
    }
    let ended = second.wait_with_output().unwrap();
    let told: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(ended.status.code(), Some(0), "{told}");
    assert!(most > 0 && most < MEMORY, "{} MB", most >> 20);

    let state = sandbox.state(&location.id).unwrap();
    let held = |list: &str| state[list].as_array().unwrap().len();
    let (read, must) = (calls(), necessary(held("contacts"), held("tasks")));
    eprintln!("{} contacts: {read} calls, {must} necessary, {} MB at most", held("contacts"), most >> 20);
    assert!(read * 100 <= must * 103, "{read} calls where {must} are necessary");
    let stats = sandbox.stats().locations.remove(&location.id).unwrap();
    assert_eq!((stats.throttled, stats.over_sliding), (0, 0));
    for (list, count) in [("tasks", &told["import"]["tasks"]), ("notes", &told["import"]["notes"])] {
        assert!(count.as_u64() >= Some(held(list) as u64), "{list}: {told}");
    }

    let records = Records::open(&format!("sqlite://{data}/clienty.db"), Options::default()).await.unwrap();
    let zone = TimeZone::get(&location.time_zone).unwrap();
    assert_eq!(records.count_shown_contacts(&location.id).await.unwrap(), held("contacts") as i64);
    let mut differing = Vec::new();
    for contact in state["contacts"].as_array().unwrap().iter().step_by(contacts().div_ceil(COMPARED)) {
        let id = contact["id"].as_str().unwrap();
        let view = serde_json::to_value(records.contact_view(&location.id, id).await.unwrap()).unwrap();
        differing.extend(compare::contact(&state, id, &zone, Some(&view)));
    }
    // GHL's lists leave it out.
    differing.retain(|found| found.field != "lastActivity");
    assert_eq!(differing, []);
    sandbox.stop().await;
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
        app.tell("contact.selected", contact, json!({})).await;
        app.settle().await;
        assert_eq!(imported, view(contact).await);
        let told = records.list_changes(Some(&feed.to_string()), 10).await.unwrap().items;
        assert!(told.iter().all(|change| change.record == "contact"), "a pull found something else: {told:?}");
    }
    app.finish().await;
}

/// Imports the first location.
pub(super) async fn import(app: &TestApp) {
    let location = app.location().id;
    let walk = app.app.records.begin_walk(&location, Purpose::Import, false, 0).await.unwrap().unwrap();
    app.app.queue.push(&[new_job(&walk.next_job().unwrap(), Priority::Bulk)]).await.unwrap();
    app.settle().await;
    let walk = app.app.records.walk(&walk.id).await.unwrap().unwrap();
    assert!(walk.finished_at_ms.is_some(), "{walk:?}");
}
