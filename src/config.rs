//! The settings: built-in defaults, then a file, then the environment, which wins.
//!
//! Every wrong setting is reported: [`Config::load`] reads everything, and returns either a
//! complete `Config` or every mistake with its place. To add a setting: a line in
//! `config/default.toml`, a field below, and a line in [`Config::read`], the table of all settings.
//!
//! This is the only file that reads the process environment. Secrets are [`SecretString`]s, and
//! `Debug`, [`Config::show`] and errors print them as `***`.

mod effective;
mod enrich;
mod error;
mod file;
mod gateway;
mod hooks;
mod parse;
mod rules;
mod scripts;
mod source;
mod tls;

#[cfg(test)]
mod tests;

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use job_engine::Tls;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use serde_json::{Value, json};
use sync_model::decide::merge::Policies;
use sync_model::decide::rules::TaskRule;
use sync_workers::flows::{Flow, hash};
use sync_workers::reconcile_scheduler::Periods;
use sync_workers::retention::Keeping;

pub use self::effective::{Origin, Shown};
pub use self::enrich::Enrich;
pub use self::error::{ConfigError, ConfigErrors};
use self::file::ConfigFile;
pub use self::gateway::{Gateway, Installs, Ui};
pub use self::hooks::{Hooks, Outside};
use self::source::{Read, Sources};
use crate::flows::{Broken, Loaded};
use crate::signature::{Algorithm, PublicKeys, WebhookKeys};

/// The defaults, as a commented settings file.
pub const DEFAULTS: &str = include_str!("config/default.toml");

/// The variable in which a shell names its user.
const OPERATOR: &str = "USER";
/// The variable in which a shell or a container runtime names the machine.
const HOST: &str = "HOSTNAME";

/// The settings file that is read when none is named.
const FILE_NAME: &str = "clienty-sync.toml";

/// All settings, checked. What each means stands in `config/default.toml`.
#[derive(Debug, Clone)]
pub struct Config {
    pub gateway: Gateway,
    pub metrics: Metrics,
    pub data: Data,
    /// `[records]`
    pub keeping: Keeping,
    pub merge: Policies,
    /// `[rules]`
    pub rules: Vec<TaskRule>,
    pub flows: Flows,
    /// `[reconciliation]`
    pub reconciliations: Periods,
    pub redis: Redis,
    pub worker: Worker,
    pub hooks: Hooks,
    /// `[scripts]`: what one run of a script may take.
    pub scripts: sync_workers::scripts::Limits,
    pub outside: Outside,
    pub enrich: Enrich,
    pub secrets: Secrets,
    pub ghl: Ghl,
    pub log: Log,
    /// Who runs the program, as the shell says; for what is decided by hand.
    pub operator: Option<String>,
    /// The machine, as the shell says.
    pub host: Option<String>,
    /// Variables that begin as settings do, and are none.
    pub ignored_variables: Vec<String>,
    shown: Vec<Shown>,
}

/// `[metrics]`
#[derive(Debug, Clone)]
pub struct Metrics {
    pub listen: SocketAddr,
}

/// `[data]`
#[derive(Debug, Clone)]
pub struct Data {
    pub dir: PathBuf,
    /// As set; [`Config::database_url`] also knows the default.
    pub database_url: Option<SecretString>,
}

/// `[flows]`
#[derive(Debug, Clone, Default)]
pub struct Flows {
    pub dir: PathBuf,
    /// Empty until [`Config::load_flows`].
    pub loaded: Vec<Flow>,
    /// Files that hold no flow, each with what is wrong; empty until then.
    pub broken: Vec<Broken>,
}

/// `[redis]`
#[derive(Debug, Clone)]
pub struct Redis {
    pub url: Option<SecretString>,
    pub tls: Tls,
    pub prefix: String,
    pub shards: u16,
}

/// `[worker]`
#[derive(Debug, Clone)]
pub struct Worker {
    pub concurrency: usize,
}

/// `[secrets]`
#[derive(Debug, Clone)]
pub struct Secrets {
    /// Newest first; empty where none is set.
    pub master_keys: Vec<MasterKey>,
}

/// A key that seals tokens at rest, and the name under which the database remembers it.
#[derive(Debug, Clone)]
pub struct MasterKey {
    pub id: String,
    pub key: Arc<SecretBox<[u8; 32]>>,
}

impl MasterKey {
    /// A fresh key, for what need not outlive the process.
    #[must_use]
    pub fn random(id: &str) -> Self {
        Self { id: id.to_owned(), key: Arc::new(SecretBox::new(Box::new(rand::random()))) }
    }

    /// Reads one as the setting has it.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse::master_key(text)
    }

    /// As the setting has it, the key in the open.
    #[must_use]
    pub fn written(&self) -> String {
        format!("{}:{}", self.id, STANDARD.encode(self.key.expose_secret()))
    }
}

/// `[ghl]`
#[derive(Debug, Clone)]
pub struct Ghl {
    /// Without a slash at the end.
    pub api_url: String,
    /// Without a slash at the end.
    pub marketplace_url: String,
    pub client_id: Option<String>,
    /// As set; the default is the part of the client id before the dash.
    pub app_version_id: Option<String>,
    pub client_secret: Option<SecretString>,
    pub redirect_uri: Option<String>,
    pub scopes: Vec<String>,
    /// Where no file is set, the keys that GHL publishes.
    pub webhook_keys: WebhookKeys,
    pub burst_limit: u32,
    pub burst_interval: Duration,
    pub daily_limit: u32,
    pub timeout: Duration,
    /// In bytes.
    pub long_list: usize,
}

/// `[log]`
#[derive(Debug, Clone)]
pub struct Log {
    /// Checked to be an `EnvFilter`.
    pub filter: String,
    pub format: LogFormat,
    pub otlp_endpoint: Option<String>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text where standard error is a terminal, else JSON.
    Auto,
    Text,
    Json,
}

impl Flows {
    /// The same in every process that has loaded the same flows.
    #[must_use]
    pub fn hash(&self) -> String {
        hash(&self.loaded)
    }
}

impl Config {
    /// The settings of this process: [`Config::load`] with its environment.
    ///
    /// # Errors
    /// Every mistake in the file and the environment.
    pub fn from_process(file: Option<&Path>) -> Result<Self, ConfigErrors> {
        // A name that is not Unicode is none of ours, and is none of our business.
        let variables = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())));
        Self::load(file, variables)
    }

    /// Reads `file`, or `clienty-sync.toml` in the working directory where that exists, and then `environment`.
    ///
    /// # Errors
    /// Every mistake in the two; a named file that cannot be read.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        let file = match file {
            Some(named) => Some(ConfigFile::open(named)?),
            None if Path::new(FILE_NAME).exists() => Some(ConfigFile::open(Path::new(FILE_NAME))?),
            None => None,
        };
        Self::from_sources(file, environment)
    }

    fn from_sources(
        file: Option<ConfigFile>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        let environment: Vec<(String, String)> = environment.into_iter().collect();
        let variable =
            |wanted: &str| environment.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
        let (operator, host) = (variable(OPERATOR), variable(HOST));
        let mut sources = Sources::new(DEFAULTS, file, environment);
        let mut config = Self::read(&mut sources);
        let Read { shown, ignored_variables } = sources.finish()?;
        (config.shown, config.ignored_variables) = (shown, ignored_variables);
        (config.operator, config.host) = (operator, host);
        Ok(config)
    }

    /// The table of all settings: key in the file, variable in the environment, what a value must be.
    fn read(from: &mut Sources) -> Self {
        use self::parse::*;

        Self {
            gateway: gateway::read(from),
            metrics: Metrics { listen: from.setting("metrics.listen", "CLIENTY_METRICS_LISTEN").required(address) },
            data: Data {
                dir: from.setting("data.dir", "CLIENTY_DATA_DIR").required(path),
                database_url: from.setting("data.database_url", "DATABASE_URL").with_password().optional(database_url),
            },
            keeping: Keeping {
                changes: from.setting("records.keep_changes_days", "CLIENTY_KEEP_CHANGES_DAYS").required(days(1, 3650)),
                history: from.setting("records.keep_history_days", "CLIENTY_KEEP_HISTORY_DAYS").required(days(1, 3650)),
                deleted: from.setting("records.keep_deleted_days", "CLIENTY_KEEP_DELETED_DAYS").required(days(1, 3650)),
                jobs: from.setting("records.keep_jobs_days", "CLIENTY_KEEP_JOBS_DAYS").required(days(1, 3650)),
                dead: from
                    .setting("records.keep_dead_jobs_days", "CLIENTY_KEEP_DEAD_JOBS_DAYS")
                    .required(days(1, 3650)),
                conflicts: from
                    .setting("records.keep_conflicts_days", "CLIENTY_KEEP_CONFLICTS_DAYS")
                    .required(days(1, 3650)),
                event_ids: from
                    .setting("records.keep_event_ids_days", "CLIENTY_KEEP_EVENT_IDS_DAYS")
                    .required(days(1, 3650)),
                webhooks: from
                    .setting("records.keep_webhooks_days", "CLIENTY_KEEP_WEBHOOKS_DAYS")
                    .required(days(1, 3650)),
                audit: from.setting("records.keep_audit_days", "CLIENTY_KEEP_AUDIT_DAYS").required(days(1, 3650)),
            },
            merge: Policies {
                default: from.setting("merge.policy", "CLIENTY_MERGE_POLICY").required(policy),
                fields: from.setting("merge.fields", "CLIENTY_MERGE_FIELDS").list(field_policy).into_iter().collect(),
            },
            rules: rules::read(from),
            flows: Flows { dir: from.setting("flows.dir", "CLIENTY_FLOWS_DIR").required(path), ..Flows::default() },
            reconciliations: Periods {
                reconcile: from.setting("sweep.every_minutes", "CLIENTY_SWEEP_EVERY_MINUTES").required(period(60)),
                full: from.setting("sweep.full_minutes", "CLIENTY_SWEEP_FULL_MINUTES").required(period(60)),
                details: from.setting("sweep.details_hours", "CLIENTY_SWEEP_DETAILS_HOURS").required(period(3600)),
            },
            redis: {
                let url = from.setting("redis.url", "REDIS_URL").with_password().optional(redis_url);
                Redis {
                    tls: tls::read(from, url.as_ref()),
                    url,
                    prefix: from.setting("redis.prefix", "CLIENTY_QUEUE_PREFIX").required(key_prefix),
                    shards: from.setting("redis.shards", "CLIENTY_QUEUE_SHARDS").required(number(1, 256)),
                }
            },
            worker: Worker {
                concurrency: from
                    .setting("worker.concurrency", "CLIENTY_WORKER_CONCURRENCY")
                    .required(number(1, 10_000)),
            },
            scripts: scripts::read(from),
            hooks: hooks::hooks(from),
            outside: hooks::outside(from),
            enrich: enrich::read(from),
            secrets: Secrets {
                master_keys: from.setting("secrets.master_keys", "CLIENTY_MASTER_KEYS").secret().list(master_key),
            },
            ghl: Ghl {
                api_url: from.setting("ghl.api_url", "GHL_API_URL").required(http_url),
                marketplace_url: from.setting("ghl.marketplace_url", "GHL_MARKETPLACE_URL").required(http_url),
                client_id: from.setting("ghl.client_id", "GHL_CLIENT_ID").optional(word),
                client_secret: from.setting("ghl.client_secret", "GHL_CLIENT_SECRET").secret().optional(secret),
                app_version_id: from.setting("ghl.app_version_id", "GHL_APP_VERSION_ID").optional(word),
                redirect_uri: from.setting("ghl.redirect_uri", "GHL_REDIRECT_URI").optional(http_url),
                scopes: from.setting("ghl.scopes", "GHL_SCOPES").list(word),
                webhook_keys: WebhookKeys {
                    takes_rsa: from.setting("ghl.webhook_rsa", "GHL_WEBHOOK_RSA").required(on_or_off),
                    rsa: from
                        .setting("ghl.webhook_rsa_key_file", "GHL_WEBHOOK_RSA_KEY_FILE")
                        .optional(key_file(Algorithm::Rsa))
                        .unwrap_or_else(|| PublicKeys::published(Algorithm::Rsa)),
                    ed25519: from
                        .setting("ghl.webhook_ed25519_key_file", "GHL_WEBHOOK_ED25519_KEY_FILE")
                        .optional(key_file(Algorithm::Ed25519))
                        .unwrap_or_else(|| PublicKeys::published(Algorithm::Ed25519)),
                },
                burst_limit: from.setting("ghl.burst_limit", "GHL_BURST_LIMIT").required(number(10, 60_000)),
                burst_interval: from
                    .setting("ghl.burst_interval_ms", "GHL_BURST_INTERVAL_MS")
                    .required(milliseconds(1, 3_600_000)),
                daily_limit: from.setting("ghl.daily_limit", "GHL_DAILY_LIMIT").required(number(1, 1_000_000_000)),
                timeout: from.setting("ghl.timeout_ms", "GHL_TIMEOUT_MS").required(milliseconds(1, 600_000)),
                long_list: from.setting("ghl.long_list_mib", "GHL_LONG_LIST_MIB").required(mebibytes(8, 4096)),
            },
            log: Log {
                filter: from.setting("log.filter", "RUST_LOG").required(log_filter),
                format: from.setting("log.format", "CLIENTY_LOG_FORMAT").required(log_format),
                otlp_endpoint: from.setting("log.otlp_endpoint", "OTEL_EXPORTER_OTLP_ENDPOINT").optional(http_url),
            },
            operator: None,
            host: None,
            ignored_variables: Vec::new(),
            shown: Vec::new(),
        }
    }

    /// Reads the flows of the folder. A file that is broken takes its own flow out of force, and no other.
    ///
    /// # Errors
    /// A folder that can't be read.
    pub fn load_flows(&mut self) -> Result<(), ConfigErrors> {
        let Loaded { flows, broken } = crate::flows::load(&self.flows.dir)?;
        (self.flows.loaded, self.flows.broken) = (flows, broken);
        Ok(())
    }

    /// Where the records and the ledger are: as set, else SQLite in the data folder.
    #[must_use]
    pub fn database_url(&self) -> SecretString {
        match &self.data.database_url {
            Some(url) => url.clone(),
            None => {
                let file = self.data.dir.join("clienty.db");
                format!("sqlite://{}", file.display()).into()
            }
        }
    }

    /// Folders in which one process at a time works, where the queue is in its memory: that of the data, and that of the SQLite file.
    #[must_use]
    pub fn working_folders(&self) -> Vec<PathBuf> {
        let url = self.database_url();
        let file = url.expose_secret().strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
        let file = file.map(|path| PathBuf::from(path.split('?').next().unwrap_or_default()));
        let folder = file.and_then(|file| file.parent().map(Path::to_owned));
        let folder = folder.map(|folder| if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder });
        let mut folders = vec![self.data.dir.clone()];
        folders.extend(folder);
        folders
    }

    /// Where the records are, for people: no password, no user.
    #[must_use]
    pub fn database_name(&self) -> String {
        let url = self.database_url();
        let url = url.expose_secret();
        match url.strip_prefix("sqlite:") {
            Some(path) => {
                let path = path.strip_prefix("//").unwrap_or(path);
                format!("SQLite {}", path.split('?').next().unwrap_or_default())
            }
            None => format!("PostgreSQL {}", without_user(url)),
        }
    }

    /// Where the queue is, for people: no password, no user.
    #[must_use]
    pub fn queue_name(&self) -> String {
        match &self.redis.url {
            Some(url) => format!("Redis {}", without_user(url.expose_secret())),
            None => "memory of this process".to_owned(),
        }
    }

    /// Whether the records are in a SQLite file, which only one machine can open.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        self.database_url().expose_secret().starts_with("sqlite:")
    }

    /// Whether the queue is in Redis, so that several processes can share it.
    #[must_use]
    pub fn is_distributed(&self) -> bool {
        self.redis.url.is_some()
    }

    /// Whether the setting `key` (`section.name`) was left at its default.
    #[must_use]
    pub fn is_default(&self, key: &str) -> bool {
        self.shown.iter().any(|setting| setting.key == key && setting.origin == Origin::Default)
    }

    /// Each setting with its value, secrets masked, and where the value came from; in the order of the file.
    #[must_use]
    pub fn shown(&self) -> &[Shown] {
        &self.shown
    }

    /// [`Config::shown`] as JSON: `{"settings":[{"key","variable","value","origin"}]}`.
    #[must_use]
    pub fn show(&self) -> Value {
        json!({ "settings": self.shown })
    }

    /// [`Config::shown`] as a settings file, the origin of each value behind it.
    #[must_use]
    pub fn show_toml(&self) -> String {
        effective::as_toml(&self.shown)
    }
}

/// Host, port and name of the database of a URL.
fn without_user(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    rest.rsplit_once('@').map_or(rest, |(_, place)| place).trim_end_matches('/').to_owned()
}
