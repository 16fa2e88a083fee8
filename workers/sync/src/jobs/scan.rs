//! `scan_contacts`, `scan_details`, `scan_rest`: one page of a scan of a location, at bulk
//! priority. The code calls a scan a scan, and a reconciliation a reconciliation.
//!
//! Contacts come by pages of the search, in the order of (dateUpdated, id): what changes meanwhile
//! moves to the end and is read again. The reconciliation of changed contacts starts where the last
//! scan ended. All other scans read everything, and with each page the tasks of its contacts, so
//! that the list of a contact's tasks is complete and an absent task is known to be gone. Notes and
//! appointments have only the lists of each contact. At the end the scan reads the contacts one by
//! one that no page showed.
//!
//! Why a full scan is still needed: GHL has no date for a deletion, a merged contact or an edited
//! task. A count of contacts would show that some are gone, but not which, and nothing if as many
//! were added; and tasks have to be read in any case.
//!
//! All scans but `verify`, which records the differences, store what they read as a pull does. What
//! a reconciliation finds is a trigger, as an event is ([`Found`]). All spread their calls over
//! time.

use std::time::Duration;

use job_engine::{NewJob, Priority};

use super::{JobError, JobRun, new_job};
use crate::records::{FollowUp, Found, JobKey, JobKind, Phase, RECONCILE_SOURCE, Scan, Tx};

mod contacts;
mod details;
mod rest;

pub(super) async fn run(task: &JobRun<'_>, kind: JobKind) -> Result<(), JobError> {
    let scan = task.environment.records.scan(task.record()).await?;
    let is_this =
        |scan: &Scan| scan.finished_at_ms.is_none() && scan.next_job().is_some_and(|job| job.kind == kind.as_str());
    let Some(scan) = scan.filter(is_this) else {
        // The scan has continued without this job, or made way for another one.
        return Ok(task.environment.records.begin(&task.run).await?.close_run(&[]).await?);
    };
    // The queue's clock is another one, and may be a little ahead.
    if let Ok(wait @ EARLY_MS..) = u64::try_from(scan.next_at_ms - task.environment.clock.now_ms()) {
        return Err(JobError::Deferred { wait: Duration::from_millis(wait) });
    }
    match scan.phase {
        Phase::Contacts => contacts::run(task, scan).await,
        Phase::Details => details::run(task, scan).await,
        Phase::Rest | Phase::Done | Phase::Failed => rest::run(task, scan).await,
    }
}

/// What is due so soon is due.
const EARLY_MS: u64 = 100;
/// The part of a location's calls that a scan takes at most: what it would take beyond that is left to others anyhow.
const SHARE: f64 = 0.8;

/// How long so many calls last at the scan's share of GHL's limit.
///
/// A scan that called as fast as it may would take all tokens of a moment, and they would come back in one moment as well: until then an edit
/// found none. Spread evenly they come back evenly, and others, who go first, find some at every moment.
fn pace(task: &JobRun<'_>, calls: u32) -> i64 {
    let limit = task.environment.queue.limit();
    let interval_ms = limit.interval.as_secs_f64() * 1000.0;
    (f64::from(calls) * interval_ms / (f64::from(limit.burst) * SHARE)) as i64
}

/// What a page leads to.
#[derive(Default)]
struct Outcome {
    /// Triggers, and what the page could not show.
    found: Vec<Found>,
    /// Contacts that have to be fetched for another reason.
    pulls: Vec<String>,
}

/// Stores what the page brought and where the next one begins, and enqueues what follows.
async fn go_on(task: &JobRun<'_>, mut tx: Tx, scan: &mut Scan, outcome: Outcome) -> Result<(), JobError> {
    let Outcome { found, pulls } = outcome;
    scan.calls += i64::from(task.permits.used());
    scan.found += i64::try_from(found.iter().filter(|found| found.triggers()).count()).unwrap_or(0);
    scan.next_at_ms = scan.next_at_ms.max(task.began_ms + pace(task, task.permits.used()));
    tx.save_scan(scan).await?;
    let open = tx.keep_found(&found).await?;
    let follow_up =
        |kind, record_id| FollowUp { kind, location_id: scan.location_id.clone(), record_id, priority: Priority::Bulk };
    let mut follow_ups: Vec<_> = pulls.into_iter().map(|contact| follow_up(JobKind::PullContact, contact)).collect();
    if let Some(kind) = scan.next_job().and_then(|job| JobKind::parse(&job.kind)) {
        follow_ups.push(follow_up(kind, scan.id.clone()));
    }
    tx.close_run(&follow_ups).await?;
    for Found { event, .. } in found.iter().filter(|found| found.triggers()) {
        task.environment.metrics.event_accepted(RECONCILE_SOURCE, event);
    }
    let wait = u64::try_from(scan.next_at_ms - task.environment.clock.now_ms()).unwrap_or(0);
    let job = |key: &JobKey| {
        let delay = if key.record_id == scan.id { Duration::from_millis(wait) } else { Duration::ZERO };
        NewJob { delay, ..new_job(key, Priority::Bulk) }
    };
    let keys = follow_ups.iter().map(FollowUp::key).chain(open);
    let jobs: Vec<_> = keys.map(|key| job(&key)).collect();
    task.report_queue(&jobs).await;
    Ok(())
}
