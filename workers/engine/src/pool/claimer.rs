//! The exchanges with the queue: claimers that step, one of which listens for pushes when it is idle, and one that keeps leases alive.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::desk::Desk;
use crate::queue::{Queue, QueueError, Wait};

/// Two steps under way keep both the server and the worker busy while replies travel.
const STEPS_UNDER_WAY: usize = 2;
/// How long one blocking wait for a push may last.
const LISTEN: Duration = Duration::from_secs(30);
/// After an error of the queue.
const PAUSE: Duration = Duration::from_millis(500);
/// Nothing known to be due: look all the same, so that a lost wake-up costs a moment and not a job.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

struct Claimer {
    queue: Queue,
    shard: usize,
    desk: Arc<Desk>,
    /// More can be claimed than the step brought that was asked last.
    more: Notify,
    /// Held by the claimer that listens for pushes: the ear is its own for so long.
    ear: Mutex<Ear>,
}

/// A wait for a push that is under way. It outlives whoever waits, since a blocking command can't be taken back.
#[derive(Default)]
struct Ear {
    hears: Option<BoxFuture<'static, Result<(), QueueError>>>,
}

/// Starts the tasks that serve one desk.
pub(super) fn start(tasks: &mut JoinSet<()>, queue: &Queue, shard: usize, desk: &Arc<Desk>) {
    let claimer = Arc::new(Claimer {
        queue: queue.clone(),
        shard,
        desk: Arc::clone(desk),
        more: Notify::new(),
        ear: Mutex::default(),
    });
    for _ in 0..STEPS_UNDER_WAY {
        let claimer = Arc::clone(&claimer);
        tasks.spawn(async move { claimer.claim().await });
    }
    tasks.spawn(async move { claimer.keep_leases().await });
}

impl Claimer {
    async fn claim(&self) {
        let mut quiet_until = None;
        loop {
            let idle = quiet_until.is_some_and(|until| Instant::now() < until);
            let Some(step) = self.desk.next_step(idle) else {
                if self.rest(quiet_until).await {
                    quiet_until = None;
                }
                continue;
            };
            let sent = Instant::now();
            match self.queue.step(self.shard, &step).await {
                Ok(stepped) => {
                    let filled = step.claim > 0 && stepped.jobs.len() == step.claim;
                    if stepped.wait == Wait::More {
                        self.more.notify_one();
                    }
                    quiet_until = match stepped.wait {
                        _ if filled => None,
                        Wait::More if step.claim > 0 => None,
                        Wait::More => quiet_until,
                        Wait::For(wait) => Some(Instant::now() + wait.clamp(Duration::from_millis(1), LOOK_AGAIN)),
                        Wait::ForPush => Some(Instant::now() + LOOK_AGAIN),
                    };
                    for position in &stepped.late {
                        let job = &step.settlements[*position].job;
                        tracing::info!(job.kind = job.key.kind, "a run ended after its lease had gone to another");
                    }
                    self.desk.stepped(&step, stepped, sent);
                }
                Err(error) => {
                    tracing::warn!(%error, "a step of the queue failed; trying again");
                    self.desk.failed(step);
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Waits for something to do; whether there may be work to claim.
    async fn rest(&self, quiet_until: Option<Instant>) -> bool {
        let Some(until) = quiet_until else {
            // No slot is free: nothing to listen for.
            self.desk.changed.notified().await;
            return false;
        };
        tokio::select! {
            () = self.heard() => true,
            () = self.more.notified() => true,
            // Outside the lock: the other claimer may know of nothing that is due so soon.
            () = sleep_until(until) => true,
            () = self.desk.changed.notified() => false,
        }
    }

    /// Waits until a push may have made work. Only one claimer hears; the other one queues up behind it.
    async fn heard(&self) {
        let mut ear = self.ear.lock().await;
        let queue = self.queue.clone();
        let shard = self.shard;
        let hears = ear.hears.get_or_insert_with(|| async move { queue.work_arrived(shard, LISTEN).await }.boxed());
        let heard = hears.await;
        ear.hears = None;
        if let Err(error) = heard {
            tracing::debug!(%error, "listening for work failed; trying again");
            sleep(PAUSE).await;
        }
    }

    async fn keep_leases(&self) {
        let length = self.desk.claiming.lease;
        loop {
            sleep(length / 4).await;
            let leases = self.desk.leases();
            if leases.is_empty() {
                continue;
            }
            let epochs: Vec<_> = leases.iter().map(|(epoch, _)| *epoch).collect();
            let sent = Instant::now();
            match timeout(length / 4, self.queue.heartbeat(self.shard, &epochs)).await {
                Ok(Ok(alive)) => {
                    for ((_, lease), alive) in leases.iter().zip(alive) {
                        if alive { lease.extend(sent, length) } else { lease.revoke() }
                    }
                }
                Ok(Err(error)) => tracing::warn!(%error, "a heartbeat failed; leases run on until their end"),
                Err(_) => tracing::warn!("a heartbeat got no answer; leases run on until their end"),
            }
        }
    }
}
