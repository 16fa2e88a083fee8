//! Pools: claim jobs, run them side by side, settle them.
//!
//! Per shard of the queue a pool has one apalis worker. Between that worker and the queue stands a *desk*: claimers put batches of claimed
//! jobs on it, the worker takes them up as it has slots free, and what ended lies there until a claimer hands it in with its next step.
//! So one exchange with the queue settles and claims many jobs at once, and no job is claimed before a slot is free for it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::WorkerBuilder;
use apalis_core::worker::context::WorkerContext;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::job::{Job, SUSPECT};
use crate::outcome::Outcome;
use crate::permit::Permits;
use crate::queue::Queue;

mod alone;
mod apalis_backend;
mod claimer;
mod dispatch;
mod slots;

use alone::Alone;
use apalis_backend::Feed;
use dispatch::Dispatch;
use slots::Slots;

/// Workers that died while they ran a job before it is taken for poison; the last of them ran nothing else (law 11).
pub const MAX_CRASHES: u8 = SUSPECT + 1;

/// Runs jobs. One value serves all of a pool.
pub trait Handler: Send + Sync + 'static {
    /// Runs a job. Every call to the limited server must take one of `permits` first. A panic counts as a failed attempt.
    fn run(&self, job: Job, permits: Permits) -> impl Future<Output = Outcome> + Send;

    /// Puts a poisonous job away with the reason: [`Outcome::Dead`] once that is kept, else [`Outcome::Retry`].
    fn dead_letter(&self, job: Job, reason: &str) -> impl Future<Output = Outcome> + Send;

    /// Is reported every run that ended, before the queue is; `permits` know what it sent and what the server said.
    fn ended(&self, job: &Job, outcome: &Outcome, took: Duration, permits: &Permits);

    /// What a run that panicked comes to.
    fn panicked(&self, job: &Job) -> Outcome;
}

/// How long a hurried stop waits for the queue to learn of what is given back.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// The size of a pool.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// Names its workers in logs.
    pub name: String,
    /// Jobs that run side by side, over all shards.
    pub concurrency: usize,
}

/// A running pool. Dropping it stops nothing: [`Pool::stop`] does.
#[must_use = "a pool runs until it is stopped"]
pub struct Pool {
    stop: watch::Sender<Stop>,
    workers: JoinSet<()>,
    helpers: JoinSet<()>,
}

/// How far the shutdown has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    /// Not asked for.
    No,
    /// Claim nothing more, finish what runs.
    Gently,
    /// Give back what runs.
    Now,
}

/// Asks a pool to give back what it runs instead of finishing it.
#[derive(Debug, Clone)]
pub struct ForceStop(watch::Sender<Stop>);

impl ForceStop {
    /// Gives back at once what runs.
    pub fn now(&self) {
        self.0.send_replace(Stop::Now);
    }
}

impl Pool {
    /// Starts to claim and run jobs of `queue`.
    pub fn start<H: Handler>(queue: &Queue, handler: Arc<H>, config: &PoolConfig) -> Self {
        let stop = watch::Sender::new(Stop::No);
        let (mut workers, mut helpers) = (JoinSet::new(), JoinSet::new());
        let slots = config.concurrency.div_ceil(queue.shards()).max(1);
        let desks: Vec<_> = (0..queue.shards())
            .map(|_| Arc::new(Slots::new(slots, queue.claiming(), queue.limit().call_timeout)))
            .collect();
        let alone = Arc::new(Alone::new(queue, &desks));
        for (shard, desk) in desks.into_iter().enumerate() {
            claimer::start(&mut helpers, queue, shard, &desk);
            let dispatch = Dispatch::new(Arc::clone(&handler), Arc::clone(&desk), Arc::clone(&alone), stop.subscribe());
            let name = format!("{}-{shard}", config.name);
            let worker = WorkerBuilder::new(WorkerContext::new(&name)).backend(Feed::new(desk)).build(dispatch);
            let mut stopping = stop.subscribe();
            let asked = async move {
                // An error means that the pool itself is gone: as good a reason to stop.
                let _ = stopping.wait_for(|stop| *stop > Stop::No).await;
                Ok::<_, std::io::Error>(())
            };
            workers.spawn(async move {
                if let Err(error) = worker.run_until(asked).await {
                    tracing::error!(worker.name = name, %error, "a worker ended early");
                }
            });
        }
        Self { stop, workers, helpers }
    }

    /// A handle that can hurry [`Pool::stop`] from elsewhere, as on a second SIGTERM.
    #[must_use]
    pub fn force_stop(&self) -> ForceStop {
        ForceStop(self.stop.clone())
    }

    /// Claims nothing more, finishes what runs (or gives it back once hurried), reports the queue, and ends. Once hurried it waits for a queue that does not
    /// answer no longer than some seconds: leases end by themselves.
    pub async fn stop(self) {
        self.stop.send_if_modified(|stop| {
            let gently = *stop == Stop::No;
            if gently {
                *stop = Stop::Gently;
            }
            gently
        });
        let Self { stop, mut workers, mut helpers } = self;
        let mut hurried = stop.subscribe();
        let out_of_time = async {
            // The sender is here, so the wait can't fail.
            let _ = hurried.wait_for(|stop| *stop == Stop::Now).await;
            sleep(LAST_WORDS).await;
        };
        let all_ended = async { while workers.join_next().await.is_some() {} };
        tokio::select! {
            () = all_ended => {}
            () = out_of_time => {
                tracing::warn!("not all released jobs were reported to the queue; they run again when their leases end");
            }
        }
        workers.shutdown().await;
        helpers.shutdown().await;
    }
}

#[cfg(test)]
mod tests;
