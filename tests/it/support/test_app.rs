//! The whole of clienty-sync in the test's own process: a sandbox, a database, a queue, and workers once a test asks for them.
//!
//! Every test ends with [`TestApp::finish`], which asserts what holds for all of them: no job is left open, and no call arrived over
//! GHL's limit. Nothing is waited for by a fixed sleep; states are asked for until they are as expected.

use std::time::Duration;

use clienty_sync::app::{App, HookTuning, Tuning, Workers, vault};
use clienty_sync::compare::{self, Mismatch};
use clienty_sync::config::Config;
use clienty_sync::gateway::{Server, ServerLimits, listen};
use clienty_sync::signature::{Algorithm, PublicKeys};
use clienty_sync::triggers;
use ghl_sandbox::{
    Limits, Sandbox, SandboxConfig, SandboxLocation, SearchFields, SigningKey, WebhookConfig, WebhookFaults, Webhooks,
};
use jiff::tz::TimeZone;
use job_engine::{Backoff, Breaker};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sqlx::{AnyConnection, Connection};
use sync_workers::hooks::Schedule;
use sync_workers::records::{Accepted, ConnectionKind, JobFilter, JobState, LedgerEntry};

use super::Patience;
use super::folder::Folder;
use super::gate::Gate;

/// Of the sandbox's webhooks.
pub(crate) const SEED: u64 = 42;

/// The id of the OAuth app in the settings: of its client id, what stands before the dash.
pub(crate) const OUR_APP: &str = "ourapp";

/// Calls of the simulated GHL, by the names under which it counts them.
pub(crate) mod call {
    pub(crate) const GET_CONTACT: &str = "GET /contacts/{contactId}";
    pub(crate) const UPDATE_CONTACT: &str = "PUT /contacts/{contactId}";
    pub(crate) const DELETE_CONTACT: &str = "DELETE /contacts/{contactId}";
    pub(crate) const ADD_TAGS: &str = "POST /contacts/{contactId}/tags";
    pub(crate) const REMOVE_TAGS: &str = "DELETE /contacts/{contactId}/tags";
    pub(crate) const SEARCH_CONTACTS: &str = "POST /contacts/search";
    pub(crate) const GET_TASK: &str = "GET /contacts/{contactId}/tasks/{taskId}";
    pub(crate) const SEARCH_TASKS: &str = "POST /locations/{locationId}/tasks/search";
    pub(crate) const LIST_TASKS: &str = "GET /contacts/{contactId}/tasks";
    pub(crate) const CREATE_TASK: &str = "POST /contacts/{contactId}/tasks";
    pub(crate) const UPDATE_TASK: &str = "PUT /contacts/{contactId}/tasks/{taskId}";
    pub(crate) const COMPLETE_TASK: &str = "PUT /contacts/{contactId}/tasks/{taskId}/completed";
    pub(crate) const DELETE_TASK: &str = "DELETE /contacts/{contactId}/tasks/{taskId}";
    pub(crate) const CREATE_NOTE: &str = "POST /contacts/{contactId}/notes";
    pub(crate) const UPDATE_NOTE: &str = "PUT /contacts/{contactId}/notes/{id}";
    pub(crate) const LIST_NOTES: &str = "GET /contacts/{contactId}/notes";
    pub(crate) const LIST_APPOINTMENTS: &str = "GET /contacts/{contactId}/appointments";
    pub(crate) const CREATE_APPOINTMENT: &str = "POST /calendars/events/appointments";
    pub(crate) const UPDATE_APPOINTMENT: &str = "PUT /calendars/events/appointments/{eventId}";
    pub(crate) const DELETE_EVENT: &str = "DELETE /calendars/events/{eventId}";
    pub(crate) const DELETE_NOTE: &str = "DELETE /contacts/{contactId}/notes/{id}";
}

/// What a test wants otherwise than most do.
pub(crate) struct Setup {
    pub(crate) locations: usize,
    pub(crate) contacts: usize,
    /// How long one call may take. Generous, so that a slow machine alone makes no call fail.
    pub(crate) timeout: Duration,
    /// GHL's window.
    pub(crate) interval: Duration,
    /// Calls in one window.
    pub(crate) burst: u32,
    pub(crate) backoff: Backoff,
    pub(crate) broken_hold: Duration,
    /// Instead of SQLite.
    pub(crate) database_url: Option<String>,
    /// Instead of the queue in memory.
    pub(crate) redis_url: Option<String>,
    /// Whether a [`Gate`] stands before the sandbox.
    pub(crate) gate: bool,
    /// Beyond those that every test needs.
    pub(crate) settings: &'static [(&'static str, &'static str)],
    /// Flows by name.
    pub(crate) flows: &'static [(&'static str, &'static str)],
    /// Which fields GHL's search shows.
    pub(crate) search_fields: SearchFields,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            locations: 1,
            contacts: 8,
            timeout: Duration::from_secs(20),
            interval: Duration::from_secs(1),
            burst: 100,
            backoff: Backoff { first: Duration::from_millis(20), most: Duration::from_millis(200), attempts: 30 },
            broken_hold: Duration::from_secs(1),
            database_url: None,
            redis_url: None,
            gate: false,
            settings: &[],
            flows: &[],
            search_fields: SearchFields::default(),
        }
    }
}

impl Setup {
    /// For lost answers: what may still arrive is waited for only briefly.
    pub(crate) fn impatient() -> Self {
        Self { timeout: Duration::from_millis(500), ..Self::default() }
    }
}

/// A running system.
pub(crate) struct TestApp {
    pub(crate) sandbox: Sandbox,
    pub(crate) app: App,
    gate: Option<Gate>,
    workers: Option<Workers>,
    http: reqwest::Client,
    is_finished: bool,
    // Last, so that the database is closed before its folder goes.
    _folder: Folder,
}

impl TestApp {
    /// Everything is up and every location connected; nothing works yet.
    pub(crate) async fn idle(setup: Setup) -> Self {
        let Setup {
            locations,
            contacts,
            timeout,
            interval,
            burst,
            backoff,
            broken_hold,
            database_url,
            redis_url,
            gate,
            settings: more,
            flows,
            search_fields,
        } = setup;
        let limits = Limits { interval, burst, ..Limits::default() };
        let sandbox = SandboxConfig { locations, contacts, limits, search_fields, ..SandboxConfig::default() };
        let sandbox = Sandbox::start(sandbox).await.unwrap();
        let gate = if gate { Some(Gate::before(sandbox.url()).await) } else { None };
        let folder = Folder::new("jobs");
        let dir = folder.path().join("flows");
        std::fs::create_dir_all(&dir).unwrap();
        for (name, text) in flows {
            // Beside a flow stand its scripts.
            let file = if name.contains('.') { (*name).to_owned() } else { format!("{name}.toml") };
            std::fs::write(dir.join(file), text).unwrap();
        }
        let mut settings = vec![
            ("CLIENTY_FLOWS_DIR", dir.display().to_string()),
            ("CLIENTY_DATA_DIR", folder.path().display().to_string()),
            ("CLIENTY_MASTER_KEYS", "k1:c2l4dGVlbiBieXRlcyB0d2ljZSBpcyAzMiBieXRlcyE=".to_owned()),
            ("GHL_API_URL", gate.as_ref().map_or_else(|| sandbox.url(), Gate::url)),
            ("GHL_BURST_INTERVAL_MS", interval.as_millis().to_string()),
            ("GHL_BURST_LIMIT", burst.to_string()),
            ("GHL_TIMEOUT_MS", timeout.as_millis().to_string()),
            ("GHL_CLIENT_ID", format!("{OUR_APP}-client")),
            ("GHL_CLIENT_SECRET", "secret-of-the-app".to_owned()),
            ("GHL_REDIRECT_URI", "https://sync.example.com/oauth/callback".to_owned()),
        ];
        settings.extend(database_url.map(|url| ("DATABASE_URL", url)));
        settings.extend(redis_url.map(|url| ("REDIS_URL", url)));
        settings.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value));
        let breaker = Breaker { probe_after: Duration::from_millis(200), ..Breaker::default() };
        let hooks = HookTuning { burst: 1000, breaker, schedule: Schedule::in_haste(100), ..HookTuning::default() };
        let script_host = Some(env!("CARGO_BIN_EXE_clienty-sync"));
        let tuning = Tuning { backoff, breaker, broken_hold, hooks, script_host };
        let mut config = Config::load(None, settings).unwrap();
        config.load_flows().unwrap();
        let key = SigningKey::from_seed(SEED).public_pem();
        config.ghl.webhook_keys.ed25519 = PublicKeys::from_pem(Algorithm::Ed25519, &key).unwrap();
        let app = App::open_tuned(config, tuning).await.unwrap();
        let http = reqwest::Client::new();
        let this = Self { sandbox, app, gate, workers: None, http, is_finished: false, _folder: folder };
        for location in this.sandbox.locations() {
            this.connect(&location.id, &location.token).await;
        }
        this
    }

    /// Everything is up and works.
    pub(crate) async fn working(setup: Setup) -> Self {
        let mut app = Self::idle(setup).await;
        app.work();
        app
    }

    /// Everything is up and works, and the first contact of the first location is known.
    pub(crate) async fn knowing_one(setup: Setup) -> (Self, String) {
        let app = Self::working(setup).await;
        let contact = app.contacts(&app.location().id).remove(0);
        app.report("contact.selected", &contact, json!({})).await;
        app.settle().await;
        (app, contact)
    }

    /// Starts the workers.
    pub(crate) fn work(&mut self) {
        assert!(self.workers.is_none(), "they work already");
        self.workers = Some(self.app.start_workers().unwrap());
    }

    /// Lets the workers finish what they run, and no more.
    pub(crate) async fn rest(&mut self) {
        self.workers.take().expect("they work").stop().await;
    }

    /// Lets the sandbox report its changes, over HTTP and to a gateway that is this application's.
    pub(crate) async fn with_webhooks(&self, faults: WebhookFaults) -> (Server, Webhooks) {
        let listener = listen("127.0.0.1:0".parse().unwrap(), "none").await.unwrap();
        let server =
            Server::start(listener, self.app.gateway().routes(), ServerLimits::of(&self.app.config.gateway)).unwrap();
        let url = format!("http://{}/webhooks/ghl", server.address);
        let retry_interval = Duration::from_millis(100);
        let config = WebhookConfig { faults, retry_interval, ..WebhookConfig::new(url, SEED) };
        (server, Webhooks::send(config, &self.sandbox).unwrap())
    }

    /// Stores a Private Integration Token for a location.
    pub(crate) async fn connect(&self, location_id: &str, token: &str) {
        let sealed = vault(&self.app.config).unwrap().seal(&SecretString::from(token), location_id).unwrap();
        self.app.records.save_connection(location_id, ConnectionKind::Pit, &sealed, None, None).await.unwrap();
    }

    pub(crate) fn gate(&self) -> &Gate {
        self.gate.as_ref().expect("the setup asked for a gate")
    }

    pub(crate) fn gate_mut(&mut self) -> &mut Gate {
        self.gate.as_mut().expect("the setup asked for a gate")
    }

    /// The first location.
    pub(crate) fn location(&self) -> SandboxLocation {
        self.sandbox.locations().remove(0)
    }

    pub(crate) fn state(&self, location_id: &str) -> Value {
        self.sandbox.state(location_id).unwrap()
    }

    /// The ids of a location's contacts in the sandbox.
    pub(crate) fn contacts(&self, location_id: &str) -> Vec<String> {
        let state = self.state(location_id);
        let contacts = state["contacts"].as_array().unwrap().iter();
        contacts.map(|contact| contact["id"].as_str().unwrap().to_owned()).collect()
    }

    /// What the sandbox holds of a contact: `tasks` or `notes`.
    pub(crate) fn held(&self, list: &str, contact_id: &str) -> Vec<Value> {
        let state = self.state(&self.location().id);
        let records = state[list].as_array().unwrap().iter();
        records.filter(|record| record["contactId"] == contact_id).cloned().collect()
    }

    /// How often a location was called so.
    pub(crate) fn calls(&self, location_id: &str, operation: &str) -> u64 {
        self.sandbox.stats().locations[location_id].operations.get(operation).copied().unwrap_or(0)
    }

    /// How often a location was called at all.
    pub(crate) fn all_calls(&self, location_id: &str) -> u64 {
        self.sandbox.stats().locations[location_id].calls
    }

    /// Sends events as a producer does: all or none.
    pub(crate) async fn send_all(&self, events: &[Value]) -> Vec<Accepted> {
        let triggers: Vec<_> = events.iter().map(|event| triggers::translate(event).unwrap()).collect();
        self.app.producer().send(&triggers).await.unwrap()
    }

    /// Sends one event and returns the id of its job.
    pub(crate) async fn send(&self, event: Value) -> String {
        self.send_all(&[event]).await.remove(0).job_id
    }

    /// Sends an event about a contact of the first location.
    pub(crate) async fn report(&self, event_type: &str, contact_id: &str, data: Value) -> String {
        let location = self.location().id;
        self.send(json!({"type": event_type, "locationId": location, "contactId": contact_id, "data": data})).await
    }

    /// Calls the sandbox as a person who works in GHL.
    pub(crate) async fn by_hand(&self, method: Method, path: &str, body: Value) -> Value {
        let request = self.http.request(method, format!("{}{path}", self.sandbox.url()));
        let request = request.bearer_auth(self.location().token).header("version", "2021-07-28");
        let reply = request.json(&body).send().await.unwrap();
        assert!(reply.status().is_success(), "{path}: {}", reply.status());
        reply.json().await.unwrap()
    }

    /// Edits a contact of the first location at GHL's screen, or makes one; its id.
    pub(crate) async fn contact_by_hand(&self, contact: Option<&str>, fields: Value) -> String {
        let contacts = format!("/_sandbox/locations/{}/contacts", self.location().id);
        let edited = match contact {
            Some(id) => self.by_hand(Method::PUT, &format!("{contacts}/{id}"), fields).await,
            None => self.by_hand(Method::POST, &contacts, fields).await,
        };
        edited["id"].as_str().unwrap().to_owned()
    }

    /// Deletes a record at GHL's screen.
    pub(crate) async fn remove_by_hand(&self, path: &str) {
        let reply = self.http.delete(format!("{}{path}", self.sandbox.url())).send().await.unwrap();
        assert!(reply.status().is_success(), "{path}: {}", reply.status());
    }

    /// What the first location's token may do; null for everything.
    pub(crate) async fn set_scopes(&self, scopes: Value) {
        let url = format!("{}/_sandbox/locations/{}/scopes", self.sandbox.url(), self.location().id);
        let answer = self.http.post(url).json(&json!({ "scopes": scopes })).send().await;
        assert!(answer.unwrap().status().is_success());
    }

    /// The unified view of a contact of the first location.
    pub(crate) async fn view(&self, contact_id: &str) -> Option<Value> {
        let view = self.app.records.contact_view(&self.location().id, contact_id).await.unwrap();
        view.map(|view| serde_json::to_value(view).unwrap())
    }

    /// Where records and sandbox differ, over those of the contacts.
    pub(crate) async fn mismatches(&self, location: &SandboxLocation, contacts: &[String]) -> Vec<Mismatch> {
        let state = self.state(&location.id);
        let zone = TimeZone::get(&location.time_zone).unwrap();
        let mut found = Vec::new();
        for contact in contacts {
            let view = self.app.records.contact_view(&location.id, contact).await.unwrap();
            let view = view.map(|view| serde_json::to_value(view).unwrap());
            found.extend(compare::contact(&state, contact, &zone, view.as_ref()));
        }
        found
    }

    /// Asserts that the records of a contact of the first location equal the sandbox.
    pub(crate) async fn assert_equal(&self, contact_id: &str) {
        assert_eq!(self.mismatches(&self.location(), &[contact_id.to_owned()]).await, []);
    }

    pub(crate) async fn job(&self, id: &str) -> LedgerEntry {
        self.app.records.job(id).await.unwrap().unwrap()
    }

    pub(crate) async fn jobs_in(&self, state: JobState) -> Vec<LedgerEntry> {
        let filter = JobFilter { state: Some(state), ..JobFilter::default() };
        // A test may cut connections to the database, and this one's with them.
        for _ in 0..100 {
            match self.app.records.list_jobs(&filter, 1000).await {
                Err(error) if error.is_passing() => tokio::time::sleep(Duration::from_millis(50)).await,
                listed => return listed.unwrap(),
            }
        }
        panic!("the database is away for good")
    }

    /// Does to the database what no code of ours does.
    pub(crate) async fn sql(&self, statement: &'static str) {
        let url = self.app.config.database_url();
        let mut connection = AnyConnection::connect(url.expose_secret()).await.unwrap();
        sqlx::query(statement).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// What a question that counts comes to.
    pub(crate) async fn count(&self, question: &'static str) -> i64 {
        let url = self.app.config.database_url();
        let mut connection = AnyConnection::connect(url.expose_secret()).await.unwrap();
        let count = sqlx::query_scalar(question).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        count
    }

    pub(crate) async fn open_jobs(&self) -> Vec<LedgerEntry> {
        let mut open = self.jobs_in(JobState::Waiting).await;
        open.extend(self.jobs_in(JobState::Scheduled).await);
        open.extend(self.jobs_in(JobState::Running).await);
        open
    }

    /// Asks until the answer is yes.
    pub(crate) async fn wait_until(&self, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
        let mut patience = Patience::usual();
        while !is_so().await {
            if !patience.lasts_on().await {
                let (open, faults) = (self.open_jobs().await, self.sandbox.stats().faults);
                panic!("waited in vain until {what}; faults {faults:?}; open {open:#?}");
            }
        }
    }

    /// Waits until no job is open.
    pub(crate) async fn settle(&self) {
        // One question: of several, each about one state, a job on its way from one to the next could escape all.
        let open = [JobState::Waiting, JobState::Scheduled, JobState::Running];
        self.wait_until("no job is open", async || {
            let counts = self.app.records.job_counts().await.unwrap();
            counts.iter().all(|(state, count)| *count == 0 || !open.contains(state))
        })
        .await;
    }

    /// Reports the queue all that the ledger owes, as the requeuer does once a queue has lost what it knew; how much.
    pub(crate) async fn requeue(&self) -> usize {
        let App { records, queue, clock, .. } = &self.app;
        sync_workers::requeuer::reconcile(records, queue, clock, Duration::ZERO, Duration::ZERO).await.unwrap()
    }

    /// Waits until a job is no longer open, and returns it.
    pub(crate) async fn ended(&self, id: &str) -> LedgerEntry {
        self.wait_until("the job ends", async || self.job(id).await.finished_at.is_some()).await;
        self.job(id).await
    }

    /// Ends a test in which every job was done.
    pub(crate) async fn finish(self) {
        self.finish_with_dead(0).await;
    }

    /// Ends a test in which so many jobs died.
    pub(crate) async fn finish_with_dead(self, dead: usize) {
        self.settle().await;
        let dead_lettered = self.jobs_in(JobState::Dead).await;
        assert_eq!(dead_lettered.len(), dead, "{dead_lettered:#?}");
        self.finish_with_any_dead().await;
    }

    /// Ends a test that has looked at its dead jobs itself.
    pub(crate) async fn finish_with_any_dead(mut self) {
        self.settle().await;
        assert_eq!(self.app.records.count_unpushed(1000).await.unwrap(), 0, "what differs from GHL has a job");
        if let Some(workers) = self.workers.take() {
            workers.stop().await;
        }
        for (location, stats) in self.sandbox.stats().locations {
            assert_eq!((stats.over_fixed, stats.over_sliding, stats.throttled), (0, 0, 0), "{location} over its limit");
        }
        self.app.records.close().await;
        self.is_finished = true;
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        assert!(
            self.is_finished || std::thread::panicking(),
            "a test ends with `finish`, which checks what all promise"
        );
    }
}
