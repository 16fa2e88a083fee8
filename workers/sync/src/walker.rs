//! Sweeps: from time to time, walks that find what no event told of.
//!
//! Contacts and tasks cost a call for hundreds of them, and are looked through often. Notes and appointments cost two calls a contact, and
//! are spread over half of their period. Both are of bulk priority, so they take of the day's calls only what others leave.

use std::time::Duration;

use job_engine::{Priority, Queue};
use tokio::time::sleep;

use crate::clock::Clock;
use crate::jobs;
use crate::records::{Purpose, Records, RecordsError};

/// How often sweeps are looked for that are due.
const ROUND: Duration = Duration::from_secs(60);
/// Contacts whose notes and appointments one run reads, about.
const BATCH: i64 = 10;

/// How often each part is swept; none for never.
#[derive(Debug, Clone, Copy)]
pub struct Periods {
    /// Contacts and tasks.
    pub sweep: Option<Duration>,
    /// Notes and appointments.
    pub details: Option<Duration>,
}

/// Begins sweeps until it is aborted. Processes that do so at once begin each sweep once.
pub async fn run(records: Records, queue: Queue, clock: Clock, periods: Periods) {
    loop {
        if let Err(error) = round(&records, &queue, &clock, periods).await {
            tracing::warn!(%error, "sweeps that may be due were not begun; the next round does");
        }
        sleep(ROUND).await;
    }
}

/// Begins every sweep that is due.
///
/// # Errors
/// [`RecordsError`]; what was begun before goes on.
pub async fn round(records: &Records, queue: &Queue, clock: &Clock, periods: Periods) -> Result<(), RecordsError> {
    let longest = periods.sweep.max(periods.details);
    if let Some(longest) = longest {
        records.fail_walks(clock.now_ms().saturating_sub(millis(longest * 2))).await?;
    }
    for connection in records.list_connections().await? {
        let location = &connection.location_id;
        for (purpose, period) in [(Purpose::Sweep, periods.sweep), (Purpose::Details, periods.details)] {
            let Some(period) = period else { continue };
            let latest = records.latest_walk(location, purpose).await?;
            let since = latest.map_or(connection.created_at.as_millisecond(), |walk| walk.started_at_ms);
            if clock.now_ms().saturating_sub(since) < millis(period) {
                continue;
            }
            let batches = records.count_shown_contacts(location).await? / BATCH + 1;
            let pause_ms = if purpose == Purpose::Details { millis(period) / 2 / batches } else { 0 };
            begin(records, queue, location, purpose, pause_ms).await?;
        }
    }
    Ok(())
}

/// Begins a sweep of a location, unless one is under way; returns whether.
///
/// # Errors
/// [`RecordsError`].
pub async fn begin(
    records: &Records,
    queue: &Queue,
    location_id: &str,
    purpose: Purpose,
    pause_ms: i64,
) -> Result<bool, RecordsError> {
    let known_only = keeps_to_known(records, location_id, purpose).await?;
    let Some(walk) = records.begin_walk(location_id, purpose, known_only, pause_ms).await? else { return Ok(false) };
    let jobs: Vec<_> = walk.next_job().iter().map(|key| jobs::new_job(key, Priority::Bulk)).collect();
    if let Err(error) = queue.push(&jobs).await {
        tracing::warn!(%error, "a sweep was begun, but the queue was not told; the sweeper will");
    }
    Ok(true)
}

/// Whether a walk passes over contacts that are not kept here: who never imported wants those that were asked for, and no others.
///
/// # Errors
/// [`RecordsError`].
pub async fn keeps_to_known(records: &Records, location_id: &str, purpose: Purpose) -> Result<bool, RecordsError> {
    match purpose {
        Purpose::Import | Purpose::Verify => Ok(false),
        Purpose::Sweep | Purpose::Details => Ok(records.latest_walk(location_id, Purpose::Import).await?.is_none()),
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
