//! The composition root: the only place that builds everything, from the settings.

use std::sync::Arc;
use std::time::Duration;

use job_engine::{Backoff, Breaker, Handover, Queue, QueueError};
use sync_model::clock::Clock;
use sync_workers::enrich::Enricher;
use sync_workers::hooks::Hooks;
use sync_workers::jobs;
use sync_workers::oauth::{self, Oauth};
use sync_workers::presence::Presence;
use sync_workers::records::{self, NewProcess, Records};
use uuid::Uuid;

use crate::config::{Config, ConfigErrors, Ui};
use crate::console::{self, Console, Links};
use crate::flows::watch;
use crate::gateway::{Gateway, Intake, Parts, Webhooks};
use crate::metrics::{Metrics, MetricsError};
use crate::producer::Producer;

use queue::reach;

pub use self::enrich::enricher;
pub use self::hooks::{HookTuning, hooks};
pub use self::parts::{
    client, for_a_person, oauth_app, open_existing_records, open_oauth, open_records, operator, vault,
};
pub use self::queue::{Terms, endpoint, open_queue, remedy};
pub use self::workers::Workers;

mod enrich;
mod hooks;
mod parts;
mod queue;
mod workers;

/// Everything that a process of clienty-sync is made of, open and ready.
pub struct App {
    pub config: Config,
    pub clock: Clock,
    pub records: Records,
    pub queue: Queue,
    pub metrics: Arc<Metrics>,
    /// None without a master key: tokens can neither be sealed nor opened.
    pub oauth: Option<Oauth>,
    /// The hooks, with their own queue.
    pub hooks: Hooks,
    /// Looks contacts up.
    pub enricher: Enricher,
    /// Those that open the console once.
    pub links: Links,
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
    /// How long the circuit of a location stays open after GHL refused its token.
    pub broken_hold: Duration,
    /// How patient hooks are.
    pub hooks: HookTuning,
    /// The program that runs scripts of flows; this one, unless it is said.
    pub script_host: Option<&'static str>,
}

impl Default for Tuning {
    fn default() -> Self {
        let (backoff, breaker) = (Backoff::default(), Breaker::default());
        Self { backoff, breaker, broken_hold: jobs::BROKEN_HOLD, hooks: HookTuning::default(), script_host: None }
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
    #[error("the client for hooks can't be built: {0}")]
    Door(#[source] reqwest::Error),
    #[error("a provider of enrichment is wrong: {0}")]
    Enrich(#[from] ConfigErrors),
    #[error(transparent)]
    Oauth(#[from] oauth::AppError),
    #[error(
        "no master key is set (or two have the same id), so tokens can't be sealed or opened: set CLIENTY_MASTER_KEYS, for instance to \
         \"k1:$(openssl rand -base64 32)\", and keep it safe"
    )]
    NoMasterKey,
    #[error(
        "another process works over these records with the queue in its own memory: stop it first. Several processes over the same records \
         need REDIS_URL, for each would take the whole of GHL's limit for its own"
    )]
    InUse,
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

    /// [`App::open`] for a person who only looks or steers, and whose acts it does: makes no database and changes no schema.
    ///
    /// # Errors
    /// See [`App::open`]; where there is no database, or one of another release.
    pub async fn open_existing(config: Config) -> Result<Self, AppError> {
        // What has this program's schema is not changed by opening it.
        open_existing_records(&config, &Clock::system()).await?.close().await;
        let app = Self::open(config).await?;
        let records = app.records.on_behalf_of(operator(&app.config));
        Ok(Self { records, ..app })
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
                if !records.hold_alone().await? {
                    return Err(AppError::InUse);
                }
                let own = Uuid::new_v4().to_string();
                let before = records.take_over_limiter(&own).await?;
                Some(Handover { file: config.data.dir.join(CALLS), before, own })
            }
            _ => None,
        };
        let hook_queue = hooks::queue(&config, tuning.hooks, deployment.clone())?;
        let terms = Terms { deployment, handover };
        let queue = open_queue(&config, tuning.breaker, &records, &clock, terms).await?;
        let unreached = match reach(&queue).await {
            Err(error) if opening == Opening::ToServe && error.is_passing() => Some(error),
            reached => reached.map(|()| None)?,
        };
        let metrics = Arc::new(Metrics::new(clock.clone())?);
        let ghl = client(&config, &clock, &metrics)?;
        let oauth = open_oauth(&config, &clock, &records, &metrics, &ghl)?;
        let hooks = Hooks {
            queue: Some(hook_queue),
            schedule: tuning.hooks.schedule,
            ..hooks(&config, &records, &clock, &metrics)?
        };
        let enricher = enricher(&config, &metrics)?;
        Ok((
            Self {
                config,
                clock,
                records,
                queue,
                metrics,
                oauth,
                hooks,
                enricher,
                links: Links::default(),
                ghl,
                tuning,
            },
            unreached,
        ))
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
            flows.broken = config.flows.broken.len(),
            flows.hash = config.flows.hash(),
            master_keys = keys.join(","),
            "clienty-sync starts"
        );
        for variable in &config.ignored_variables {
            tracing::warn!(variable, "a variable that begins as settings do is none of them, and is ignored");
        }
        // It ends with the process.
        tokio::spawn(watch::run(config.flows.dir.clone(), self.records.clone()));
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
            hooks: self.hooks.clone(),
            enrichment: Arc::clone(&self.enricher.rules),
            console: Console::new(self.console_parts(), &self.config),
            settings: self.config.shown().into(),
        };
        Gateway::new(parts, settings)
    }

    fn console_parts(&self) -> console::Parts {
        let (hooks, clock, links) = (self.hooks.clone(), self.clock.clone(), self.links.clone());
        console::Parts { producer: self.producer(), hooks, enricher: self.enricher.clone(), clock, links }
    }

    /// The path of a page that opens the console once, for whoever started this process; none where the console is off.
    #[must_use]
    pub fn console_link(&self) -> Option<String> {
        (self.config.gateway.ui != Ui::Off).then(|| format!("/ui/open/{}", self.links.issue()))
    }

    /// Samples for `/metrics` what the database and the queue hold. Drop the future to end it.
    pub fn sampler(&self) -> impl Future<Output = ()> + Send + 'static {
        let (metrics, records, queue) = (Arc::clone(&self.metrics), self.records.clone(), self.queue.clone());
        async move { metrics.watch(records, queue).await }
    }
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

/// How long a process waits for what it runs before it gives it back at a shutdown.
pub const PATIENCE: Duration = Duration::from_secs(30);
