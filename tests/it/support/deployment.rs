//! clienty-sync as it is run, against a sandbox that reports its changes: one process over SQLite, or a gateway and workers over Redis and
//! PostgreSQL.

use std::process::Output;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ghl_sandbox::{Changed, Sandbox, SandboxConfig, SigningKey, WebhookConfig, WebhookFaults, Webhooks};
use serde_json::Value;
use sync_workers::records::{JobFilter, JobState, LedgerEntry, Options, Records};
use tokio::sync::mpsc::UnboundedReceiver;

use super::Patience;
use super::api::Api;
use super::folder::Folder;
use super::installation::{MASTER_KEY, document, started};
use super::postgres::PostgresServer;
use super::program::{Program, clienty_sync, run};
use super::redis::RedisServer;

/// How many processes there are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// `up`.
    OneProcess,
    /// A gateway, and so many workers.
    Workers(usize),
}

/// A running system, every location of its sandbox connected.
pub(crate) struct Deployment {
    pub(crate) sandbox: Sandbox,
    pub(crate) webhooks: Webhooks,
    pub(crate) records: Records,
    /// As a producer and reader sees it.
    pub(crate) api: Api,
    /// Changes of the sandbox, and how many of those so far have a webhook.
    changes: Mutex<(UnboundedReceiver<Changed>, u64)>,
    settings: Vec<(String, String)>,
    programs: Vec<Program>,
    _servers: Option<(RedisServer, PostgresServer)>,
    // Last, so that the database is closed before its folder goes.
    folder: Folder,
}

impl Deployment {
    /// Starts it all. GHL's limit is the sandbox's; `extra` settings are for all programs.
    pub(crate) async fn start(
        shape: Shape,
        sandbox: SandboxConfig,
        faults: WebhookFaults,
        extra: &[(&str, &str)],
    ) -> Self {
        let (seed, limits) = (sandbox.seed, sandbox.limits);
        let sandbox = Sandbox::start(sandbox).await.unwrap();
        let folder = Folder::new("deployment");
        let file = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(file("ghl.pem"), SigningKey::from_seed(seed).public_pem()).unwrap();
        let servers = match shape {
            Shape::OneProcess => None,
            Shape::Workers(_) => Some((RedisServer::start(), PostgresServer::start())),
        };
        let mut settings: Vec<(String, String)> = [
            ("CLIENTY_DATA_DIR", file("data")),
            ("CLIENTY_LISTEN", "127.0.0.1:0".to_owned()),
            ("CLIENTY_METRICS_LISTEN", "127.0.0.1:0".to_owned()),
            ("CLIENTY_MASTER_KEYS", MASTER_KEY.to_owned()),
            ("GHL_API_URL", sandbox.url()),
            ("GHL_BURST_LIMIT", limits.burst.to_string()),
            ("GHL_BURST_INTERVAL_MS", limits.interval.as_millis().to_string()),
            ("GHL_DAILY_LIMIT", limits.daily.to_string()),
            ("GHL_WEBHOOK_ED25519_KEY_FILE", file("ghl.pem")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        if let Some((redis, postgres)) = &servers {
            settings.push(("REDIS_URL".to_owned(), redis.url()));
            settings.push(("DATABASE_URL".to_owned(), postgres.url()));
        }
        settings.extend(extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let named: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();

        let command = |arguments: &[&str]| document(&run(clienty_sync(&[arguments, &["--json"]].concat(), &named)));
        command(&["migrate"]);
        for location in sandbox.locations() {
            std::fs::write(file("token"), &location.token).unwrap();
            command(&["connect", "--location", &location.id, "--pit-file", &file("token"), "--unchecked"]);
        }
        let key = command(&["keys", "create", "--name", "test"])["key"].as_str().unwrap().to_owned();
        let (front, workers) = match shape {
            Shape::OneProcess => ("up", 0),
            Shape::Workers(workers) => ("gateway", workers),
        };
        let (program, reported) = started(&[front], &named, &folder);
        let mut programs = vec![program];
        programs.extend((0..workers).map(|_| started(&["worker"], &named, &folder).0));
        let api = Api::new(reported["url"].as_str().unwrap(), &key);

        let data = servers.as_ref().map_or_else(|| format!("sqlite://{}/clienty.db", file("data")), |(_, it)| it.url());
        let records = Records::open(&data, Options::default()).await.unwrap();
        let url = format!("{}/webhooks/ghl", api.url);
        let retry_interval = Duration::from_millis(200);
        let webhooks = WebhookConfig { faults, retry_interval, ..WebhookConfig::new(url, seed) };
        let changes = Mutex::new((sandbox.changes(), 0));
        let webhooks = Webhooks::send(webhooks, &sandbox).unwrap();
        Self { sandbox, webhooks, records, api, changes, settings, programs, _servers: servers, folder }
    }

    /// Runs a command to its end, beside what runs already.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let settings: Vec<_> = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        run(clienty_sync(arguments, &settings))
    }

    /// Runs a command with `--json` that must end with that code; what it printed.
    pub(crate) fn reported(&self, arguments: &[&str], code: i32) -> Value {
        let ended = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {ended:?}");
        document(&ended)
    }

    /// An edit as a person makes it at one of GHL's screens: no API, no limit. Whether what is edited was still there.
    pub(crate) async fn at_the_terminal(&self, method: &str, path: &str, fields: Value) -> bool {
        let ghl = Api::new(&self.sandbox.url(), "");
        let answer = ghl.request(method, &format!("/_sandbox/locations/{path}"), |request| request.json(&fields)).await;
        let is_gone = answer.text.contains("not found");
        assert!(answer.status < 300 || is_gone, "{method} {path} {fields}: {}", answer.text);
        !is_gone
    }

    /// Waits until GHL has reported all that it will, and nothing is left to do about it.
    pub(crate) async fn until_quiet(&self) {
        let mut patience = Patience::long();
        loop {
            let counts = self.records.job_counts().await.unwrap();
            let is_open = |state: &JobState| !state.is_over();
            let open: i64 = counts.iter().filter(|(state, _)| is_open(state)).map(|(_, count)| count).sum();
            // Asked last: what a job that was just done has changed in GHL is still to be reported.
            let (changes, reported) = (self.changes(), self.webhooks.stats());
            let is_quiet = open == 0 && (reported.changes, reported.pending) == (changes, 0);
            // What was reported while the jobs were counted has led to new ones.
            if is_quiet && counts == self.records.job_counts().await.unwrap() {
                return;
            }
            assert!(patience.lasts_on().await, "never quiet: {reported:?}, {counts:?}\n{}", self.output());
        }
    }

    /// How many changes GHL has, or had, to report.
    fn changes(&self) -> u64 {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        while let Ok(change) = changes.0.try_recv() {
            changes.1 += u64::from(!["TaskUpdate", "ContactMerge"].contains(&change.event));
        }
        changes.1
    }

    /// The jobs that were given up.
    pub(crate) async fn dead(&self) -> Vec<LedgerEntry> {
        let filter = JobFilter { state: Some(JobState::Dead), ..JobFilter::default() };
        self.records.list_jobs(&filter, 1000).await.unwrap()
    }

    /// No call was over the limit, under fixed and under sliding windows.
    pub(crate) fn assert_never_over_the_limit(&self) {
        for (location, stats) in self.sandbox.stats().locations {
            let over = (stats.throttled, stats.over_fixed, stats.over_sliding);
            assert_eq!(over, (0, 0, 0), "{location}: refused, over a fixed, over a sliding window");
        }
    }

    /// What the programs have printed.
    fn output(&self) -> String {
        let logs = ["up", "gateway", "worker"].map(|name| self.folder.path().join(format!("{name}.log")));
        let printed = self.programs.iter().map(Program::output);
        let logged = logs.iter().map(|log| std::fs::read_to_string(log).unwrap_or_default());
        printed.chain(logged).collect::<Vec<_>>().join("\n-- next --\n")
    }
}
