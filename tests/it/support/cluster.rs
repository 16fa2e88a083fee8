//! The whole system as it is deployed: one gateway and several workers as processes of their own, over a real Redis and PostgreSQL, against
//! a sandbox.

use std::net::SocketAddr;
use std::time::Duration;

use clienty_sync::compare::{self, Mismatch};
use ghl_sandbox::{Limits, Sandbox, SandboxConfig};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use sync_workers::records::{JobFilter, JobState, LedgerEntry, Options, Records};

use super::Patience;
use super::api::Api;
use super::folder::Folder;
use super::postgres::PostgresServer;
use super::program::{Program, clienty_sync, run};
use super::redis::RedisServer;

/// A tenth of GHL's interval, so that a test needs a tenth of the time.
pub(crate) fn quick(locations: usize, contacts: usize) -> SandboxConfig {
    SandboxConfig {
        locations,
        contacts,
        limits: Limits { interval: Duration::from_secs(1), ..Limits::default() },
        latency: Duration::from_millis(20)..Duration::from_millis(80),
        ..SandboxConfig::default()
    }
}

pub(crate) struct Cluster {
    pub(crate) sandbox: Sandbox,
    pub(crate) redis: RedisServer,
    pub(crate) records: Records,
    pub(crate) workers: Vec<Program>,
    gateway: Option<Program>,
    address: Option<SocketAddr>,
    key: String,
    settings: Vec<(String, String)>,
    http: reqwest::Client,
    pub(crate) postgres: PostgresServer,
    _folder: Folder,
}

impl Cluster {
    /// Starts the servers, connects every location of the sandbox, and starts the gateway. `extra` settings are for all programs.
    pub(crate) async fn start(sandbox: SandboxConfig, extra: &[(&str, &str)]) -> Self {
        Self::start_over(RedisServer::start(), sandbox, extra).await
    }

    /// As [`Cluster::start`], over a Redis with options of its own.
    pub(crate) async fn start_over(redis: RedisServer, sandbox: SandboxConfig, extra: &[(&str, &str)]) -> Self {
        let interval = sandbox.limits.interval.as_millis().to_string();
        let sandbox = Sandbox::start(sandbox).await.unwrap();
        let (postgres, folder) = (PostgresServer::start(), Folder::new("cluster"));
        let mut settings: Vec<(String, String)> = [
            ("DATABASE_URL", postgres.url()),
            ("GHL_API_URL", sandbox.url()),
            ("GHL_BURST_INTERVAL_MS", interval),
            ("CLIENTY_MASTER_KEYS", "k1:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=".to_owned()),
            ("CLIENTY_LISTEN", "127.0.0.1:0".to_owned()),
            ("CLIENTY_METRICS_LISTEN", "127.0.0.1:0".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        settings.extend(redis.settings().into_iter().map(|(name, value)| (name.to_owned(), value)));
        settings.extend(extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));

        let mut cluster = Self {
            records: Records::open(&postgres.url(), Options::default()).await.unwrap(),
            sandbox,
            redis,
            workers: Vec::new(),
            gateway: None,
            address: None,
            key: String::new(),
            settings,
            http: reqwest::Client::new(),
            postgres,
            _folder: folder,
        };
        cluster.command(&["migrate", "--json"]);
        cluster.connect_locations();
        cluster.key =
            cluster.command(&["keys", "create", "--name", "test", "--json"])["key"].as_str().unwrap().to_owned();
        cluster.start_gateway();
        cluster
    }

    fn connect_locations(&self) {
        for location in self.sandbox.locations() {
            let file = self._folder.path().join(&location.id);
            std::fs::write(&file, format!("{}\n", location.token)).unwrap();
            self.command(&[
                "connect",
                "--location",
                &location.id,
                "--pit-file",
                file.to_str().unwrap(),
                "--unchecked",
                "--json",
            ]);
        }
    }

    /// Starts the gateway, or another one in place of a killed one, at another address.
    pub(crate) fn start_gateway(&mut self) {
        let mut gateway = Program::start(clienty_sync(&["gateway"], &self.settings()));
        let line = gateway.wait_for_line("the gateway is up at http://");
        self.address = Some(line.rsplit('/').next().unwrap().parse().unwrap());
        self.gateway = Some(gateway);
    }

    /// `kill -9` of the gateway, whatever it is about to answer.
    pub(crate) fn kill_gateway(&mut self) {
        if let Some(mut gateway) = self.gateway.take() {
            gateway.kill();
        }
    }

    pub(crate) fn start_worker(&mut self) {
        let mut worker = Program::start(clienty_sync(&["worker"], &self.settings()));
        worker.wait_for_line("working; metrics at");
        self.workers.push(worker);
    }

    /// Runs a command to its end and returns the document that it printed.
    pub(crate) fn command(&self, arguments: &[&str]) -> Value {
        let output = run(clienty_sync(arguments, &self.settings()));
        let reported = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?} failed: {reported}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn settings(&self) -> Vec<(&str, &str)> {
        self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// The gateway, as a producer and reader sees it.
    pub(crate) fn api(&self) -> Api {
        Api::new(&format!("http://{}", self.address.unwrap()), &self.key)
    }

    /// Sends events, 500 at once; all must be accepted.
    pub(crate) async fn send(&self, events: &[Value]) {
        for chunk in events.chunks(500) {
            let url = format!("http://{}/v1/events", self.address.unwrap());
            let answer = self.http.post(url).bearer_auth(&self.key).json(&chunk).send().await.unwrap();
            let (status, body) = (answer.status(), answer.text().await.unwrap());
            assert_eq!(status.as_u16(), 202, "{body}");
        }
    }

    /// Sends events, and shows whether they were accepted. If not, nobody knows what became of them: nobody answered, or a failure was reported.
    pub(crate) async fn try_send(&self, events: &[Value]) -> bool {
        let url = format!("http://{}/v1/events", self.address.unwrap());
        let answer = self.http.post(url).bearer_auth(&self.key).json(events).send().await;
        let Ok(answer) = answer else { return false };
        let status = answer.status();
        assert!(!status.is_client_error(), "{status}: {:?}", answer.text().await);
        status.as_u16() == 202
    }

    /// The ids of a location's seeded contacts.
    pub(crate) fn contacts(&self, location: &str) -> Vec<String> {
        let state = self.sandbox.state(location).unwrap();
        state["contacts"].as_array().unwrap().iter().map(|contact| contact["id"].as_str().unwrap().to_owned()).collect()
    }

    /// One `contact.selected` for every contact of the sandbox.
    pub(crate) fn selections(&self) -> Vec<Value> {
        let mut events = Vec::new();
        for location in self.sandbox.locations() {
            let selected = self.contacts(&location.id).into_iter();
            events.extend(
                selected.map(
                    |contact| json!({"type": "contact.selected", "locationId": location.id, "contactId": contact}),
                ),
            );
        }
        events
    }

    /// Restarts PostgreSQL, and looks at it over new connections from then on: those of before are broken off.
    pub(crate) async fn restart_postgres(&mut self) {
        self.postgres.restart();
        self.records = Records::open(&self.postgres.url(), Options::default()).await.unwrap();
    }

    pub(crate) async fn count(&self, state: JobState) -> i64 {
        let counts = self.records.job_counts().await.unwrap();
        counts.into_iter().find(|(of, _)| *of == state).map_or(0, |(_, count)| count)
    }

    pub(crate) async fn jobs(&self, state: JobState) -> Vec<LedgerEntry> {
        let filter = JobFilter { state: Some(state), ..JobFilter::default() };
        self.records.list_jobs(&filter, 10_000).await.unwrap()
    }

    /// Waits until so many jobs are done.
    pub(crate) async fn until_done(&self, count: i64) {
        let mut patience = Patience::long();
        while self.count(JobState::Done).await < count {
            let dead = self.jobs(JobState::Dead).await;
            assert!(dead.is_empty(), "{} are dead: {:?}", dead.len(), dead[0].last_error);
            if !patience.lasts_on().await {
                panic!("{:?}\n{}", self.records.job_counts().await, self.output());
            }
        }
    }

    /// Rows of the ledger that still owe work.
    pub(crate) async fn open(&self) -> i64 {
        let counts = self.records.job_counts().await.unwrap();
        counts.into_iter().filter(|(state, _)| !state.is_over()).map(|(_, n)| n).sum()
    }

    /// Waits until every accepted event is done or dead.
    pub(crate) async fn until_nothing_is_open(&self) {
        let mut patience = Patience::long();
        while self.open().await > 0 {
            if !patience.lasts_on().await {
                panic!("{:?}\n{}", self.records.job_counts().await, self.output());
            }
        }
    }

    /// What the programs have printed.
    pub(crate) fn output(&self) -> String {
        let programs = self.gateway.iter().chain(&self.workers);
        programs.map(Program::output).collect::<Vec<_>>().join("\n-- next program --\n")
    }

    /// Where the records differ from the sandbox.
    pub(crate) async fn mismatches(&self) -> Vec<Mismatch> {
        let mut found = Vec::new();
        for location in self.sandbox.locations() {
            let state = self.sandbox.state(&location.id).unwrap();
            let zone = TimeZone::get(&location.time_zone).unwrap();
            for contact in self.contacts(&location.id) {
                let url = format!("http://{}/v1/locations/{}/contacts/{contact}", self.address.unwrap(), location.id);
                let answer = self.http.get(url).bearer_auth(&self.key).send().await.unwrap();
                let view: Option<Value> = if answer.status().is_success() { answer.json().await.ok() } else { None };
                found.extend(compare::contact(&state, &contact, &zone, view.as_ref()));
            }
        }
        found
    }

    /// No call was over the limit, under fixed and under sliding windows.
    pub(crate) fn assert_never_over_the_limit(&self) {
        for (location, stats) in self.sandbox.stats().locations {
            let over = (stats.throttled, stats.over_fixed, stats.over_sliding);
            assert_eq!(over, (0, 0, 0), "{location}: refused, over a fixed, over a sliding window");
        }
    }
}
