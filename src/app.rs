//! The composition root: the only place that builds everything, from the settings.

use std::sync::Arc;
use std::time::Duration;

use job_engine::{Backoff, Breaker, Claiming, Endpoint, FirstMeeting, Handover, Hurry, Limit, Namespace};
use job_engine::{Pool, PoolConfig, Queue, QueueError, Trouble};
use secrecy::ExposeSecret;
use sync_workers::clock::Clock;
use sync_workers::ghl;
use sync_workers::jobs::{self, CustomFields, Environment, Worker, Zones};
use sync_workers::oauth::{self, AppConfig, Oauth};
use sync_workers::presence::Presence;
use sync_workers::records::{self, NewProcess, Records};
use sync_workers::retention;
use sync_workers::sweeper;
use sync_workers::vault::{MasterKeys, Vault};
use sync_workers::walker;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::config::Config;
use crate::gateway::{Gateway, Intake, Parts, Webhooks};
use crate::metrics::{Metrics, MetricsError};
use crate::producer::Producer;

/// The part of a location's tokens that imports leave to others: one in so many. Who edits beside an import must find tokens for the
/// edits of several seconds, since what the import has taken comes back only when GHL's interval is over.
const RESERVE: u32 = 5;

/// Everything that a process of clienty-sync is made of, open and ready.
pub struct App {
    pub config: Config,
    pub clock: Clock,
    pub records: Records,
    pub queue: Queue,
    pub metrics: Arc<Metrics>,
    /// None without a master key: tokens can neither be sealed nor opened.
    pub oauth: Option<Oauth>,
    ghl: ghl::Client,
    tuning: Tuning,
}

/// How patient the workers are. The defaults are for GHL; tests have less time.
#[derive(Debug, Clone, Copy)]
pub struct Tuning {
    /// How failed runs are repeated.
    pub backoff: Backoff,
    /// When a location counts as broken by its failures.
    pub breaker: Breaker,
    /// How long a location rests whose token GHL refuses.
    pub broken_hold: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { backoff: Backoff::default(), breaker: Breaker::default(), broken_hold: jobs::BROKEN_HOLD }
    }
}

/// Why it can't be built.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("the database can't be opened: {0}")]
    Records(#[from] records::RecordsError),
    #[error("the queue can't be opened: {source}; {}", remedy(source))]
    Queue {
        #[from]
        source: QueueError,
    },
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    #[error(transparent)]
    Client(#[from] ghl::BuildError),
    #[error(transparent)]
    Oauth(#[from] oauth::AppError),
    #[error(
        "no master key is set (or two have the same id), so tokens can't be sealed or opened: set CLIENTY_MASTER_KEYS, for instance to \
         \"k1:$(openssl rand -base64 32)\", and keep it safe"
    )]
    NoMasterKey,
}

impl App {
    /// Opens the database, brings its schema up to date, and opens the queue.
    ///
    /// # Errors
    /// [`AppError`], which names the setting to look at.
    pub async fn open(config: Config) -> Result<Self, AppError> {
        Self::open_tuned(config, Tuning::default()).await
    }

    /// [`App::open`] for a process that serves also while the queue's Redis is away, and uses it when it comes; none of what was not reached.
    ///
    /// # Errors
    /// See [`App::open`]; a Redis that answers and can't be used is refused.
    pub async fn open_to_serve(config: Config) -> Result<(Self, Option<QueueError>), AppError> {
        Self::open_with(config, Tuning::default(), Opening::ToServe).await
    }

    /// [`App::open`] with another patience.
    ///
    /// # Errors
    /// See [`App::open`].
    pub async fn open_tuned(config: Config, tuning: Tuning) -> Result<Self, AppError> {
        Ok(Self::open_with(config, tuning, Opening::Now).await?.0)
    }

    /// [`App::open`] for the one process over its data folder: with a queue in memory it goes on with the calls that the one before it counted.
    ///
    /// # Errors
    /// See [`App::open`].
    pub async fn open_alone(config: Config) -> Result<Self, AppError> {
        Ok(Self::open_with(config, Tuning::default(), Opening::ToGoOn).await?.0)
    }

    /// [`App::open`] for who only looks or steers: makes no database and changes no schema.
    ///
    /// # Errors
    /// See [`App::open`]; where there is no database, or one of another release.
    pub async fn open_existing(config: Config) -> Result<Self, AppError> {
        // What has this program's schema is not changed by opening it.
        open_existing_records(&config, &Clock::system()).await?.close().await;
        Self::open(config).await
    }

    async fn open_with(
        config: Config,
        tuning: Tuning,
        opening: Opening,
    ) -> Result<(Self, Option<QueueError>), AppError> {
        let clock = Clock::system();
        let records = open_records(&config, &clock).await?;
        let deployment = if config.is_distributed() { Some(records.deployment_id().await?) } else { None };
        let handover = match opening {
            Opening::ToGoOn if !config.is_distributed() => {
                let own = Uuid::new_v4().to_string();
                let before = records.take_over_limiter(&own).await?;
                Some(Handover { file: config.data.dir.join(CALLS), before, own })
            }
            _ => None,
        };
        let terms = Terms { deployment, handover };
        let queue = open_queue(&config, tuning.breaker, &records, &clock, terms).await?;
        let unreached = match reach(&queue).await {
            Err(error) if opening == Opening::ToServe && error.is_passing() => Some(error),
            reached => reached.map(|()| None)?,
        };
        let metrics = Arc::new(Metrics::new(clock.clone())?);
        let ghl = client(&config, &metrics)?;
        let oauth = open_oauth(&config, &clock, &records, &metrics, &ghl)?;
        Ok((Self { config, clock, records, queue, metrics, oauth, ghl, tuning }, unreached))
    }

    /// Logs what this process is and where it works, and keeps its row among the live processes until the value is dropped.
    pub async fn announce(&self, role: &'static str) -> Presence {
        let config = &self.config;
        let keys: Vec<String> = config.secrets.master_keys.iter().map(|key| key.id.clone()).collect();
        let flows: Vec<&str> = config.flows.loaded.iter().map(|flow| flow.name.as_str()).collect();
        tracing::info!(
            role,
            version = env!("CARGO_PKG_VERSION"),
            database = config.database_name(),
            queue = config.queue_name(),
            flows = flows.len(),
            flows.hash = config.flows.hash(),
            master_keys = keys.join(","),
            "clienty-sync starts"
        );
        for variable in &config.ignored_variables {
            tracing::warn!(variable, "a variable that begins as settings do is none of them, and is ignored");
        }
        let process = NewProcess {
            role: role.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: config.host.clone().unwrap_or_default(),
            pid: std::process::id(),
            flows: config.flows.hash(),
            master_keys: keys,
            queue: config.queue_name(),
        };
        Presence::begin(self.records.clone(), process).await
    }

    /// Accepts work.
    #[must_use]
    pub fn producer(&self) -> Producer {
        Producer::new(self.records.clone(), self.queue.clone(), env!("CARGO_PKG_NAME"))
    }

    /// The HTTP side.
    #[must_use]
    pub fn gateway(&self) -> Gateway {
        let settings = &self.config.gateway;
        let (keys, intake) = (self.config.ghl.webhook_keys.clone(), Intake::start(self.producer()));
        let parts = Parts {
            producer: self.producer(),
            metrics: Arc::clone(&self.metrics),
            webhooks: Webhooks::new(keys, self.clock.clone(), intake, settings),
            oauth: self.oauth.clone(),
        };
        Gateway::new(parts, settings)
    }

    /// Samples for `/metrics` what the database and the queue hold. Drop the future to end it.
    pub fn sampler(&self) -> impl Future<Output = ()> + Send + 'static {
        let (metrics, records, queue) = (Arc::clone(&self.metrics), self.records.clone(), self.queue.clone());
        async move { metrics.watch(records, queue).await }
    }

    /// Starts to claim and run jobs, and to sweep.
    ///
    /// # Errors
    /// [`AppError::NoMasterKey`], or a GHL address that is none.
    pub fn start_workers(&self) -> Result<Workers, AppError> {
        self.start_workers_at(self.config.worker.concurrency)
    }

    /// [`App::start_workers`], with one job at a time: whatever kills the process then is known by that.
    ///
    /// # Errors
    /// See [`App::start_workers`].
    pub fn start_one_worker(&self) -> Result<Workers, AppError> {
        self.start_workers_at(1)
    }

    fn start_workers_at(&self, concurrency: usize) -> Result<Workers, AppError> {
        let ghl = &self.config.ghl;
        let oauth = self.oauth.clone().ok_or(AppError::NoMasterKey)?;
        let environment = Environment {
            records: self.records.clone(),
            ghl: self.ghl.clone(),
            oauth: oauth.clone(),
            clock: self.clock.clone(),
            backoff: self.tuning.backoff,
            broken_hold: self.tuning.broken_hold,
            interval: ghl.burst_interval,
            call_timeout: ghl.timeout,
            zones: Zones::default(),
            fields: CustomFields::default(),
            queue: self.queue.clone(),
            metrics: self.metrics.jobs.clone(),
        };
        let config = PoolConfig { name: "sync".to_owned(), concurrency };
        let worker = Arc::new(Worker::new(environment));
        let pool = Pool::start(&self.queue, Arc::clone(&worker), &config);
        let mut chores = JoinSet::new();
        let metrics = self.metrics.jobs.clone();
        chores.spawn(sweeper::run(self.records.clone(), self.queue.clone(), self.clock.clone(), metrics));
        chores.spawn(retention::run(self.records.clone(), self.clock.clone(), self.config.keeping));
        chores.spawn(walker::run(self.records.clone(), self.queue.clone(), self.clock.clone(), self.config.sweeps));
        let tokens = oauth.clone();
        chores.spawn(async move { tokens.sweep().await });
        Ok(Workers { pool, worker, chores, oauth })
    }
}

/// A running pool, and what goes on beside it.
pub struct Workers {
    pool: Pool,
    worker: Arc<Worker>,
    chores: JoinSet<()>,
    oauth: Oauth,
}

impl Workers {
    /// A handle that makes [`Workers::stop`] give back what runs.
    #[must_use]
    pub fn hurry(&self) -> Hurry {
        self.pool.hurry()
    }

    /// Finishes what runs, or gives it back once hurried.
    pub async fn stop(mut self) {
        self.chores.abort_all();
        self.pool.stop().await;
        self.worker.give_back().await;
        self.oauth.idle().await;
    }
}

/// Opens the database and brings its schema up to date.
///
/// # Errors
/// When it can't be reached or migrated.
pub async fn open_records(config: &Config, clock: &Clock) -> Result<Records, records::RecordsError> {
    let options = options(config, clock, records::Options::default());
    let records = Records::open(config.database_url().expose_secret(), options).await?;
    records.migrate().await?;
    Ok(records)
}

/// Opens a database that is there and has this program's schema; changes neither. For a command before which a person sits: a database that does
/// not answer is told soon.
///
/// # Errors
/// When it can't be reached, is not there, or is of another release.
pub async fn open_existing_records(config: &Config, clock: &Clock) -> Result<Records, records::RecordsError> {
    let options = options(config, clock, for_a_person());
    let records = Records::open(config.database_url().expose_secret(), options).await?;
    records.check_schema().await?;
    Ok(records)
}

/// How a database is opened before which a person sits: it must be there, and answer soon.
#[must_use]
pub fn for_a_person() -> records::Options {
    let (connect_timeout, acquire_timeout) = (SOON, SOON);
    records::Options { connect_timeout, acquire_timeout, create: false, ..Default::default() }
}

fn options(config: &Config, clock: &Clock, patience: records::Options) -> records::Options {
    records::Options {
        clock: clock.clone(),
        policies: config.merge.clone(),
        rules: config.rules.clone(),
        flows: config.flows.loaded.clone(),
        remember_event_ids: config.keeping.event_ids,
        ..patience
    }
}

/// How long a person waits for a database that does not answer.
const SOON: Duration = Duration::from_millis(2_500);

/// The vault over the master keys.
///
/// # Errors
/// [`AppError::NoMasterKey`].
pub fn vault(config: &Config) -> Result<Vault, AppError> {
    let keys = config.secrets.master_keys.iter().map(|key| (key.id.clone(), key.key.expose_secret()));
    MasterKeys::new(keys).map(Vault::new).ok_or(AppError::NoMasterKey)
}

/// The client of GHL's API.
///
/// # Errors
/// An address that is none.
pub fn client(config: &Config, metrics: &Metrics) -> Result<ghl::Client, ghl::BuildError> {
    let config = ghl::ClientConfig {
        base_url: config.ghl.api_url.clone(),
        timeout: config.ghl.timeout,
        long_list: config.ghl.long_list,
    };
    ghl::Client::new(&config, metrics.ghl.clone())
}

/// The door to tokens; none without a master key.
///
/// # Errors
/// Addresses in the settings that are none.
pub fn open_oauth(
    config: &Config,
    clock: &Clock,
    records: &Records,
    metrics: &Metrics,
    ghl: &ghl::Client,
) -> Result<Option<Oauth>, oauth::AppError> {
    let Ok(vault) = vault(config) else { return Ok(None) };
    let parts = oauth::Parts {
        records: records.clone(),
        vault,
        clock: clock.clone(),
        metrics: metrics.tokens.clone(),
        ghl: ghl.clone(),
        call_timeout: config.ghl.timeout,
    };
    Oauth::new(parts, oauth_app(&config.ghl).as_ref()).map(Some)
}

/// The OAuth app of the settings, where it is set completely.
#[must_use]
pub fn oauth_app(ghl: &crate::config::Ghl) -> Option<AppConfig> {
    Some(AppConfig {
        client_id: ghl.client_id.clone()?,
        client_secret: ghl.client_secret.clone()?,
        redirect_uri: ghl.redirect_uri.clone()?,
        scopes: ghl.scopes.clone(),
        marketplace_url: ghl.marketplace_url.clone(),
        version_id: ghl.app_version_id.clone(),
    })
}

/// What a process does with a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    /// Needs it at once.
    Now,
    /// Serves without it until it answers.
    ToServe,
    /// Is the only one over its data folder, and has the queue in memory: it goes on with the calls that the process before it counted.
    ToGoOn,
}

/// Where that is in the data folder.
const CALLS: &str = "calls.state";

/// How long a process waits for Redis before it serves without.
const REACH: Duration = Duration::from_secs(3);

async fn reach(queue: &Queue) -> Result<(), QueueError> {
    let silent = || std::io::Error::new(std::io::ErrorKind::TimedOut, format!("Redis gave no answer within {REACH:?}"));
    match tokio::time::timeout(REACH, queue.meet()).await {
        Ok(met) => met,
        Err(_) => Err(QueueError::silent(silent())),
    }
}

/// What a person can do about it.
#[must_use]
pub fn remedy(error: &QueueError) -> &'static str {
    match error.trouble() {
        Some(Trouble::UnknownAuthority) => {
            "its certificate is signed by an authority that is not trusted here: name that in REDIS_CA_FILE"
        }
        Some(Trouble::Expired) => "its certificate is over or not yet valid: renew it, and look at the clocks",
        Some(Trouble::WrongHost) => "its certificate is for other hosts: use a name of the certificate in REDIS_URL",
        Some(Trouble::ClientCertificate) => {
            "the server wants a client certificate that it trusts: look at REDIS_CERT_FILE and REDIS_KEY_FILE"
        }
        Some(Trouble::NoTls) => "the server does not speak TLS at this port: use redis://, or its TLS port",
        Some(Trouble::HungUp) => {
            "the server hung up: where it speaks TLS at this port, REDIS_URL begins with rediss://"
        }
        Some(Trouble::Login) => "look at the user and the password in REDIS_URL",
        Some(Trouble::Permission) => "let the user of REDIS_URL run that command: `ACL SETUSER`",
        Some(Trouble::Unreachable) => "is REDIS_URL right, the server up, and, with rediss://, its port one for TLS?",
        // What is unfit says itself what to do.
        None => "nothing else can mend it",
    }
}

/// The Redis of the settings; none where the queue is in memory.
#[must_use]
pub fn endpoint(config: &Config) -> Option<Endpoint> {
    let url = config.redis.url.as_ref()?.expose_secret().to_owned();
    Some(Endpoint { url, tls: config.redis.tls.clone() })
}

/// Whose queue it is, and with what it goes on.
#[derive(Debug, Default)]
pub struct Terms {
    /// The deployment that a queue in Redis must be of; none to look without a claim.
    pub deployment: Option<String>,
    /// Of a queue in memory.
    pub handover: Option<Handover>,
}

/// The queue of the settings, and nothing else. Redis is asked with the first call.
///
/// # Errors
/// When the database that tells of earlier calls does not answer.
pub async fn open_queue(
    config: &Config,
    breaker: Breaker,
    records: &Records,
    clock: &Clock,
    terms: Terms,
) -> Result<Queue, AppError> {
    let ghl = &config.ghl;
    let limit = Limit {
        burst: u16::try_from(ghl.burst_limit).unwrap_or(60_000),
        interval: ghl.burst_interval,
        call_timeout: ghl.timeout,
        daily: ghl.daily_limit,
        reserve: u16::try_from(ghl.burst_limit / RESERVE).unwrap_or(10_000),
    };
    let claiming = Claiming { breaker, ..Claiming::default() };
    // Whoever called GHL before this queue had any state may have spent the location's tokens (law 2).
    let quiet = limit.interval + limit.call_timeout + claiming.lease;
    let since = records.last_activity_ms().await?.map(|at| clock.now_ms().saturating_sub(at));
    let recent = since.is_some_and(|since| since < i64::try_from(quiet.as_millis()).unwrap_or(i64::MAX));
    let meeting = if recent { FirstMeeting::Spent } else { FirstMeeting::Unspent };
    let shards = usize::from(config.redis.shards);
    let queue = match endpoint(config) {
        Some(endpoint) => {
            let namespace = Namespace { prefix: config.redis.prefix.clone(), deployment: terms.deployment };
            Queue::redis_unmet(&endpoint, &namespace, shards, limit, claiming, meeting)?
        }
        None => match &terms.handover {
            Some(handover) => Queue::memory_after(shards, limit, claiming, meeting, handover),
            None => Queue::memory(shards, limit, claiming, meeting),
        },
    };
    // Fences grow by the store: the queue may have lost its state, or its clock have been set back.
    Ok(queue.above(u64::try_from(records.max_epoch().await?).unwrap_or(0)))
}

/// How long a process waits for what it runs before it gives it back at a shutdown.
pub const PATIENCE: Duration = Duration::from_secs(30);
