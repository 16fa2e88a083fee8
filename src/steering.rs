//! What an operator decides about jobs and locations, for the API and the console alike.
//!
//! Each batch is a transaction with its rows of the audit. Done again, an act does what is left of it.

use job_engine::{Priority, QueueError};
use sync_workers::jobs::new_job;
use sync_workers::reconcile_scheduler;
use sync_workers::records::{
    Action, AuditAct, Decision, JobFilter, JobState, LedgerEntry, Purpose, Records, RecordsError, Scan,
};

use crate::producer::Producer;

/// Jobs of one request at most: a mistake is seen before it is large.
pub(crate) const MOST: usize = 10_000;
/// Jobs of one transaction: others wait for it.
const BATCH: usize = 500;
/// The number may have moved by one part in so many since the caller saw it.
const MOVED: usize = 20;

/// Whether so many jobs are meant now that a caller who saw `expected` has to look again.
pub(crate) fn has_moved(count: usize, expected: usize) -> bool {
    count.abs_diff(expected) * MOVED > expected
}

/// The jobs that the filter finds in one of the states.
pub(crate) async fn found(
    records: &Records,
    filter: &JobFilter,
    states: &[JobState],
) -> Result<Vec<String>, RecordsError> {
    let mut jobs: Vec<LedgerEntry> = Vec::new();
    for state in states {
        let filter = JobFilter { state: Some(*state), ..filter.clone() };
        let left = i64::try_from(MOST - jobs.len()).unwrap_or(0);
        jobs.extend(records.list_jobs(&filter, left).await?);
    }
    Ok(jobs.into_iter().map(|job| job.id).collect())
}

/// Dead jobs owe their work again, behind everything else of their locations.
pub(crate) async fn retry(producer: &Producer, ids: &[String]) -> Result<(), RecordsError> {
    for batch in ids.chunks(BATCH) {
        producer.revive(batch).await?;
    }
    Ok(())
}

/// Dead jobs are closed for good, and what they would have written is taken back.
pub(crate) async fn discard(records: &Records, ids: &[String], decision: &Decision) -> Result<(), RecordsError> {
    for batch in ids.chunks(BATCH) {
        records.discard_jobs(batch, decision).await?;
    }
    Ok(())
}

/// Waiting and scheduled jobs are closed without their work being done; those that were.
pub(crate) async fn cancel(
    records: &Records,
    ids: &[String],
    decision: &Decision,
) -> Result<Vec<String>, RecordsError> {
    let mut canceled = Vec::with_capacity(ids.len());
    for batch in ids.chunks(BATCH) {
        canceled.extend(records.cancel_jobs(batch, decision).await?);
    }
    Ok(canceled)
}

/// Waiting and scheduled jobs become due; those that did.
pub(crate) async fn run_now(producer: &Producer, ids: &[String]) -> Result<Vec<String>, RecordsError> {
    let mut due = Vec::with_capacity(ids.len());
    for batch in ids.chunks(BATCH) {
        due.extend(producer.run_now(batch).await?);
    }
    Ok(due)
}

/// Why a location was not steered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SteerError {
    #[error(transparent)]
    Records(#[from] RecordsError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Lets no job of a location run, or ends that; a location whose circuit is open tries again at once.
///
/// The queue and the audit have no transaction in common: the row comes first, and one more shows if nothing came of it.
pub(crate) async fn pause(producer: &Producer, location: &str, pause: bool) -> Result<(), SteerError> {
    let act = AuditAct::new(if pause { Action::JobsPause } else { Action::JobsResume }).at(location);
    producer.records().note_act(act.clone()).await?;
    let queue = producer.queue();
    let steered = if pause { queue.pause(location).await } else { queue.resume(location).await };
    if let Err(error) = steered {
        producer.records().note_act(act.failed()).await?;
        return Err(error.into());
    }
    Ok(())
}

/// What came of the wish to scan a location.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum BegunScan {
    /// It has begun.
    Begun(Scan),
    /// It goes on where it was.
    GoesOn(Scan),
    /// Another one is under way.
    InTheWay,
    /// There is no login to scan with.
    NotConnected,
}

/// Begins a scan of a location. An import that has not come to its end goes on instead, its dead jobs among it.
pub(crate) async fn scan(producer: &Producer, location: &str, purpose: Purpose) -> Result<BegunScan, RecordsError> {
    let records = producer.records();
    if !records.connection(location).await?.is_some_and(|connection| connection.is_connected()) {
        return Ok(BegunScan::NotConnected);
    }
    let scanned = begin_or_go_on(records, location, purpose).await?;
    if let BegunScan::Begun(scan) | BegunScan::GoesOn(scan) = &scanned {
        let details = serde_json::json!({ "purpose": purpose.as_str() });
        records.note_act(AuditAct::new(Action::ScanStart).at(location).on(&scan.id).with(details)).await?;
        let jobs: Vec<_> = scan.next_job().iter().map(|key| new_job(key, Priority::Bulk)).collect();
        if let Err(error) = producer.queue().push(&jobs).await {
            tracing::warn!(%error, "a scan was started, but its job was not enqueued; the requeuer enqueues it");
        }
    }
    Ok(scanned)
}

async fn begin_or_go_on(records: &Records, location: &str, purpose: Purpose) -> Result<BegunScan, RecordsError> {
    if purpose == Purpose::Import {
        let latest = records.latest_scan(location, purpose).await?;
        if let Some(scan) = latest.filter(|scan| scan.next_job().is_some()) {
            records.revive_jobs(&dead_jobs(records, &scan).await?).await?;
            return Ok(if records.resume_scan(&scan).await? { BegunScan::GoesOn(scan) } else { BegunScan::InTheWay });
        }
    }
    let known_only = reconcile_scheduler::keeps_to_known(records, location, purpose).await?;
    if let Some(scan) = records.begin_scan(location, purpose, known_only, 0).await? {
        return Ok(BegunScan::Begun(scan));
    }
    // A reconciliation that takes its time makes way for whoever asks for a scan now.
    if records.set_aside_scans(location, Some(purpose)).await? == 0 {
        return Ok(BegunScan::InTheWay);
    }
    Ok(records.begin_scan(location, purpose, known_only, 0).await?.map_or(BegunScan::InTheWay, BegunScan::Begun))
}

/// The dead jobs of a scan.
async fn dead_jobs(records: &Records, scan: &Scan) -> Result<Vec<String>, RecordsError> {
    let filter = JobFilter {
        state: Some(JobState::Dead),
        location_id: Some(scan.location_id.clone()),
        kind: scan.next_job().map(|key| key.kind),
        ..JobFilter::default()
    };
    let jobs = records.list_jobs(&filter, 100).await?;
    Ok(jobs.into_iter().filter(|job| job.key.record_id == scan.id).map(|job| job.id).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_moved_by_more_than_a_twentieth_is_looked_at_again() {
        for (count, expected, moved) in [
            (100, 100, false),
            (105, 100, false),
            (106, 100, true),
            (95, 100, false),
            (94, 100, true),
            (1, 0, true),
            (0, 0, false),
            (2, 1, true),
        ] {
            assert_eq!(has_moved(count, expected), moved, "{count} instead of {expected}");
        }
    }
}
