//! Keeps the queue of the hooks filled: with each new change at once, and from time to time with
//! all unsent messages (law 1: the queue is disposable).

use std::sync::Arc;
use std::time::Duration;

use job_engine::{NewJob, QueueError};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::{Hooks, job};
use crate::records::RecordsError;

/// Between two looks at the end of the feed: a change waits for half of it.
const LOOK: Duration = Duration::from_millis(100);
/// After a failure.
const AGAIN: Duration = Duration::from_secs(2);
/// Between two rounds over all unsent messages.
const ROUND: Duration = Duration::from_secs(30);
const PAGE: i64 = 500;

/// Runs until it is aborted. Any number of processes may: one at a time looks at a change.
pub async fn run(hooks: Hooks) {
    let lost = Arc::new(Notify::new());
    let mut watching = JoinSet::new();
    for mut loss in hooks.queue.iter().flat_map(|queue| queue.losses()) {
        let lost = Arc::clone(&lost);
        watching.spawn(async move {
            while loss.changed().await.is_ok() {
                lost.notify_one();
            }
        });
    }
    // A queue in memory begins empty.
    let mut next_round = Instant::now();
    loop {
        let turned = match next_round <= Instant::now() {
            true => requeue(&hooks).await.map(|()| next_round = Instant::now() + ROUND),
            false => Ok(()),
        };
        let turned = match turned {
            Ok(()) => turn(&hooks).await,
            Err(error) => Err(error),
        };
        match turned {
            Ok(true) => {}
            Ok(false) => tokio::select! {
                () = sleep(LOOK) => {}
                () = lost.notified() => next_round = Instant::now(),
            },
            Err(error) => {
                tracing::warn!(%error, "messages of hooks were not enqueued; the pump tries again soon");
                // What a turn has written down and not enqueued is found by the next round.
                next_round = Instant::now();
                sleep(AGAIN).await;
            }
        }
    }
}

/// Why messages were not enqueued.
#[derive(Debug, thiserror::Error)]
enum Behind {
    #[error(transparent)]
    Records(#[from] RecordsError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Whether there may be more at once.
async fn turn(hooks: &Hooks) -> Result<bool, Behind> {
    let pumped = hooks.records.pump_hooks().await?;
    let now_ms = hooks.clock.now_ms();
    push(hooks, pumped.jobs.iter().map(|key| job(key, now_ms)).collect()).await?;
    Ok(pumped.more)
}

/// Enqueues all unsent messages. Enqueuing one again changes nothing.
async fn requeue(hooks: &Hooks) -> Result<(), Behind> {
    let mut after = None;
    loop {
        let page = hooks.records.open_hook_jobs(after.as_ref(), PAGE).await?;
        let now_ms = hooks.clock.now_ms();
        push(hooks, page.iter().map(|key| job(key, now_ms)).collect()).await?;
        match page.into_iter().next_back() {
            Some(last) => after = Some(last),
            None => return Ok(()),
        }
    }
}

async fn push(hooks: &Hooks, jobs: Vec<NewJob>) -> Result<(), QueueError> {
    match &hooks.queue {
        Some(queue) if !jobs.is_empty() => queue.push(&jobs).await.map(drop),
        _ => Ok(()),
    }
}
