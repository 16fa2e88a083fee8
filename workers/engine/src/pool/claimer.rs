//! The exchanges with the queue: claimers that step, one that listens for pushes while it is quiet, and one that keeps leases alive.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::slots::Slots;
use crate::queue::{Queue, QueueError, Step, Stepped, Wait};

/// Two steps under way keep both the server and the worker busy while replies travel.
const STEPS_UNDER_WAY: usize = 2;
/// How long one wait for a push may last: a connection that a proxy has swallowed is known as such only when the answer is overdue.
const LISTEN: Duration = Duration::from_secs(5);
/// How often a wait for a push is ended of which nothing is wanted any more, until it is over.
const HUSH_AGAIN: Duration = Duration::from_millis(20);
/// After an error of the queue, and after many of them.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// Nothing known to be due: look all the same, so that a lost wake-up costs a moment and not a job.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

struct Claimer {
    queue: Queue,
    shard: usize,
    desk: Arc<Slots>,
    /// Until when there is nothing to claim, as far as the last answer knew; none where there may be.
    quiet_until: Mutex<Option<Instant>>,
    /// More can be claimed than the step brought that was asked last.
    more: Notify,
    /// It has become quiet.
    quiet: Notify,
    /// Errors of the queue since its last answer.
    errors: AtomicU32,
}

/// Starts the tasks that serve one desk.
pub(super) fn start(tasks: &mut JoinSet<()>, queue: &Queue, shard: usize, desk: &Arc<Slots>) {
    let claimer = Arc::new(Claimer {
        queue: queue.clone(),
        shard,
        desk: Arc::clone(desk),
        quiet_until: Mutex::default(),
        more: Notify::new(),
        quiet: Notify::new(),
        errors: AtomicU32::new(0),
    });
    for _ in 0..STEPS_UNDER_WAY {
        let claimer = Arc::clone(&claimer);
        tasks.spawn(async move { claimer.claim().await });
    }
    let listener = Arc::clone(&claimer);
    tasks.spawn(async move { listener.listen().await });
    tasks.spawn(async move { claimer.keep_leases().await });
}

impl Claimer {
    async fn claim(&self) {
        loop {
            let quiet = self.quiet_until().is_some_and(|until| Instant::now() < until);
            match self.desk.next_step(quiet) {
                Some(step) => {
                    let stepped = self.queue.step_sharing(self.shard, &step, &self.desk.share(&step)).await;
                    self.answered(step, stepped).await;
                }
                None => self.rest().await,
            }
        }
    }

    /// Steps when a push may have made work, while it is quiet.
    async fn listen(&self) {
        loop {
            let Some(step) = self.quiet_until().and_then(|_| self.desk.listen()) else {
                self.quiet.notified().await;
                continue;
            };
            let stepped = self.queue.listen_sharing(self.shard, &step, &self.desk.share(&step), LISTEN).await;
            self.desk.received();
            self.answered(step, stepped).await;
            // What it brought begins to run first, on this very thread: to wake another one takes as long as a step.
            yield_now().await;
        }
    }

    async fn answered(&self, step: Step, stepped: Result<Stepped, QueueError>) {
        match stepped {
            Ok(stepped) => {
                if self.errors.swap(0, Ordering::SeqCst) > 0 {
                    self.queue.outage().answered(self.shard);
                }
                let (filled, wait) = (step.claim > 0 && stepped.jobs.len() == step.claim, stepped.wait);
                for position in &stepped.late {
                    let job = &step.settlements[*position].job;
                    tracing::info!(job.kind = job.key.kind, "a run ended after its lease had gone to another");
                }
                self.desk.stepped(&step, stepped);
                match wait {
                    _ if filled => self.look_again(None),
                    Wait::More if step.claim > 0 => self.look_again(None),
                    // The step that listens has the room for it, and has been woken.
                    Wait::More if self.desk.is_listening() => self.look_again(Some(LOOK_AGAIN)),
                    Wait::More => {}
                    Wait::For(wait) => self.look_again(Some(wait.clamp(Duration::from_millis(1), LOOK_AGAIN))),
                    Wait::ForPush => self.look_again(Some(LOOK_AGAIN)),
                }
            }
            Err(error) => {
                self.queue.outage().failed(self.shard, &error);
                self.desk.failed(step);
                let doubled = self.errors.fetch_add(1, Ordering::SeqCst).min(8);
                sleep((PAUSE * 2_u32.pow(doubled)).min(LONGEST_PAUSE)).await;
            }
        }
    }

    /// At once, or after so long.
    fn look_again(&self, wait: Option<Duration>) {
        let until = wait.map(|wait| Instant::now() + wait);
        let before = std::mem::replace(&mut *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner), until);
        if until < before {
            // Another claimer sleeps longer. None is less than any.
            self.more.notify_one();
        }
        if until.is_some() {
            self.quiet.notify_one();
        }
    }

    fn quiet_until(&self) -> Option<Instant> {
        *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to do.
    async fn rest(&self) {
        if self.desk.listens_in_vain() {
            if let Err(error) = self.queue.unblock(self.shard).await {
                tracing::debug!(%error, "what listens for pushes could not be ended");
            }
            // It may not have begun to listen yet.
            let _ = timeout(HUSH_AGAIN, self.desk.changed.notified()).await;
            return;
        }
        let Some(until) = self.quiet_until() else {
            // No slot is free: nothing to wait for but that one is.
            self.desk.changed.notified().await;
            return;
        };
        tokio::select! {
            () = self.more.notified() => {}
            () = sleep_until(until) => {}
            () = self.desk.changed.notified() => {}
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
                // Steps find out whether the queue answers. Leases run on until their end.
                Ok(Err(error)) => tracing::debug!(%error, "a heartbeat failed"),
                Err(_) => tracing::warn!("a heartbeat got no answer; leases run on until their end"),
            }
        }
    }
}
