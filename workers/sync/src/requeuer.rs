//! The requeuer: enqueues what is open in the ledger and missing in the queue (law 1: the database
//! is the truth, the queue is disposable).
//!
//! Pushing is idempotent by key, so an extra round costs time and changes nothing. A queue that
//! lost its state is filled at once; a single lost push waits for the next round.

use std::time::Duration;

use job_engine::Queue;
use sync_model::clock::Clock;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::enqueue;
use crate::jobs::{self, JobMetrics};
use crate::records::{JobState, Looked, OpenJob, Records, RecordsError};

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(30);
/// Rows younger than this are on their way to the queue.
const GRACE: Duration = Duration::from_secs(15);
/// A run older than this may have no worker: a queue that lost its state while no worker was there to see it knows nothing of the run. Where
/// the queue does know of it, the push leads to one more run, which finds no open row and makes no calls.
const SILENT_RUN: Duration = Duration::from_secs(30);
/// Until a failed round after a loss is tried again.
const AGAIN: Duration = Duration::from_secs(2);
const PAGE: i64 = 500;
/// Between two looks for rows of other processes.
const LOOK: Duration = Duration::from_secs(1);
/// How far back a look goes: a row is seen though it took long to be committed, or a look did.
const LOOK_BACK: Duration = Duration::from_secs(4);

/// Requeues until it is aborted.
pub async fn run(records: Records, queue: Queue, clock: Clock, metrics: JobMetrics) {
    let mut losses = JoinSet::new();
    let lost = std::sync::Arc::new(tokio::sync::Notify::new());
    for mut loss in queue.losses() {
        let lost = std::sync::Arc::clone(&lost);
        losses.spawn(async move {
            while loss.changed().await.is_ok() {
                lost.notify_one();
            }
        });
    }
    // What a queue lost while no worker was running is found now, and not when its runs count as silent.
    let mut everything = queue.is_shared();
    metrics.requeued();
    let mut looked = Looked::default();
    loop {
        tokio::select! {
            () = lost.notified() => everything = true,
            () = sleep(if everything { AGAIN } else { ROUND }) => {}
        }
        let (grace, silent) = if everything { (Duration::ZERO, Duration::ZERO) } else { (GRACE, SILENT_RUN) };
        match reconcile(&records, &queue, &clock, grace, silent).await {
            Ok(_) => {
                everything = false;
                metrics.requeued();
            }
            Err(error) => tracing::warn!(error, "a round of the requeuer failed; the next one starts again"),
        }
        match records.reopen_unpushed(&mut looked, PAGE).await {
            Ok(count) => metrics.reopened(count),
            Err(error) => {
                tracing::warn!(%error, "the search for records without a job failed; the next round continues")
            }
        }
    }
}

/// One round: pushes every key with open rows, page by page. A row that can't be queued becomes a dead letter ([`enqueue`]). Returns how many were
/// pushed.
///
/// # Errors
/// The error of the database or the queue, as text.
pub async fn reconcile(
    records: &Records,
    queue: &Queue,
    clock: &Clock,
    grace: Duration,
    silent: Duration,
) -> Result<usize, String> {
    let mut after = None;
    let mut count = 0;
    loop {
        let now = clock.now_ms();
        let page =
            page(records, after.as_ref(), grace, now - millis(silent)).await.map_err(|error| error.to_string())?;
        let Some(last) = page.last() else { return Ok(count) };
        after = Some(last.key.clone());
        let jobs: Vec<_> = page.iter().map(|open| job(open, now)).collect();
        count += enqueue::enqueue(records, queue, jobs).await?;
    }
}

/// Enqueues in a queue in memory what other processes accept, until it is aborted: `clienty-sync catalog call` beside `clienty-sync up` can
/// only write to the ledger.
pub async fn watch(records: Records, queue: Queue, clock: Clock) {
    loop {
        sleep(LOOK).await;
        let now = clock.now_ms();
        let reported = match records.new_jobs(now - millis(LOOK_BACK), PAGE).await {
            Ok(open) => {
                let jobs: Vec<_> = open.iter().map(|open| job(open, now)).collect();
                enqueue::enqueue(&records, &queue, jobs).await.map(drop)
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = reported {
            tracing::warn!(error, "the search for new jobs failed; the next one follows");
        }
    }
}

async fn page(
    records: &Records,
    after: Option<&crate::records::JobKey>,
    grace: Duration,
    running_since: i64,
) -> Result<Vec<OpenJob>, RecordsError> {
    records.open_jobs(after, millis(grace), running_since, PAGE).await
}

fn job(open: &OpenJob, now: i64) -> job_engine::NewJob {
    let mut job = jobs::new_job(&open.key, open.priority);
    job.attempt = u8::try_from(open.attempts).unwrap_or(u8::MAX);
    if open.state == JobState::Scheduled {
        job.delay = Duration::from_millis(u64::try_from(open.due_at_ms - now).unwrap_or(0));
    }
    job
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
