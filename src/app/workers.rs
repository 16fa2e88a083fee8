//! The workers of a process: the pool, that of the hooks, and the chores beside them.

use std::sync::Arc;

use job_engine::{ForceStop, Pool, PoolConfig};
use sync_workers::hooks::Deliverer;
use sync_workers::http_steps::HttpSteps;
use sync_workers::jobs::{CustomFields, Environment, TimeZones, Worker};
use sync_workers::oauth::Oauth;
use sync_workers::scripts::Scripts;
use sync_workers::{flow_guard, hooks, location_watch, reconcile_scheduler, requeuer, retention};
use tokio::task::JoinSet;

use super::{App, AppError};

/// This very file, also when an upgrade has put another one in its place.
const THIS_PROGRAM: &str = "/proc/self/exe";

impl App {
    /// Starts to claim and run jobs, and to requeue.
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
            time_zones: TimeZones::default(),
            fields: CustomFields::default(),
            queue: self.queue.clone(),
            enricher: self.enricher.clone(),
            http_steps: HttpSteps::new(
                self.hooks.door.clone(),
                self.hooks.vault.clone(),
                self.records.clone(),
                self.clock.clone(),
            ),
            scripts: Scripts::new(self.tuning.script_host.unwrap_or(THIS_PROGRAM), self.config.scripts),
            metrics: self.metrics.jobs.clone(),
        };
        let config = PoolConfig { name: "sync".to_owned(), concurrency };
        let worker = Arc::new(Worker::new(environment));
        let pool = Pool::start(&self.queue, Arc::clone(&worker), &config);
        let mut chores = JoinSet::new();
        let reporting = self.hooks.queue.as_ref().map(|queue| {
            let config = PoolConfig { name: "hooks".to_owned(), concurrency: self.config.hooks.concurrency };
            Pool::start(queue, Arc::new(Deliverer::new(self.hooks.clone())), &config)
        });
        chores.spawn(hooks::run(self.hooks.clone()));
        let metrics = self.metrics.jobs.clone();
        chores.spawn(requeuer::run(self.records.clone(), self.queue.clone(), self.clock.clone(), metrics));
        chores.spawn(flow_guard::run(self.records.clone()));
        chores.spawn(location_watch::run(self.records.clone(), self.queue.clone(), self.clock.clone()));
        chores.spawn(retention::run(self.records.clone(), self.clock.clone(), self.config.keeping));
        chores.spawn(reconcile_scheduler::run(
            self.records.clone(),
            self.queue.clone(),
            self.clock.clone(),
            self.config.reconciliations,
        ));
        let tokens = oauth.clone();
        chores.spawn(async move { tokens.reconcile().await });
        Ok(Workers { pool, reporting, worker, chores, oauth })
    }
}

/// A running pool, and what goes on beside it.
pub struct Workers {
    pool: Pool,
    /// The hooks' pool.
    reporting: Option<Pool>,
    worker: Arc<Worker>,
    chores: JoinSet<()>,
    oauth: Oauth,
}

/// Makes [`Workers::stop`] give back what runs.
pub struct ForceStops(Vec<ForceStop>);

impl ForceStops {
    /// Gives back at once what runs.
    pub fn now(&self) {
        self.0.iter().for_each(ForceStop::now);
    }
}

impl Workers {
    /// A handle that makes [`Workers::stop`] give back what runs.
    #[must_use]
    pub fn force_stop(&self) -> ForceStops {
        ForceStops(std::iter::once(&self.pool).chain(&self.reporting).map(Pool::force_stop).collect())
    }

    /// Finishes what runs, or gives it back once the stop is forced.
    pub async fn stop(mut self) {
        self.chores.abort_all();
        // Side by side: a receiver that hangs holds up no job of GHL's.
        let reporting = async {
            if let Some(pool) = self.reporting.take() {
                pool.stop().await;
            }
        };
        tokio::join!(self.pool.stop(), reporting);
        self.worker.give_back().await;
        self.oauth.idle().await;
    }
}
