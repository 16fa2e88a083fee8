//! The reconcile scheduler: starts the scans that find what no webhook reported. The code calls
//! these scans reconciliations.
//!
//! Changed contacts are found by the date of change, with one call if there are none, so this scan
//! runs often. Deletions, merges and edits of tasks have no date: finding them takes a scan of all
//! contacts, with one call for hundreds of contacts and one for a hundred tasks. Notes and
//! appointments cost two calls a contact. The last two scans are spread over half of their period.
//! All are of bulk priority, so they use only the calls of the day that others leave.

use std::time::Duration;

use job_engine::{Priority, Queue};
use sync_model::clock::Clock;
use tokio::time::sleep;

use crate::jobs;
use crate::records::{Connection, Purpose, Records, RecordsError};

/// How often reconciliations are looked for that are due.
const ROUND: Duration = Duration::from_secs(60);
/// Contacts that a page of the search shows.
const PAGE: i64 = 500;
/// Contacts whose notes and appointments one run reads, about.
const BATCH: i64 = 10;

/// How often each part is swept; none for never.
#[derive(Debug, Clone, Copy)]
pub struct Periods {
    /// Contacts that changed.
    pub reconcile: Option<Duration>,
    /// All contacts, with their tasks.
    pub full: Option<Duration>,
    /// Notes and appointments.
    pub details: Option<Duration>,
}

/// Starts due reconciliations until it is aborted. If several processes do so, each reconciliation starts once.
pub async fn run(records: Records, queue: Queue, clock: Clock, periods: Periods) {
    loop {
        if let Err(error) = round(&records, &queue, &clock, periods).await {
            tracing::warn!(%error, "due reconciliations were not started; the next round starts them");
        }
        sleep(ROUND).await;
    }
}

/// Starts every reconciliation that is due.
///
/// # Errors
/// [`RecordsError`]; what was started before continues.
pub async fn round(records: &Records, queue: &Queue, clock: &Clock, periods: Periods) -> Result<(), RecordsError> {
    let all = [
        (Purpose::Reconcile, periods.reconcile, None),
        (Purpose::Full, periods.full, Some(PAGE)),
        (Purpose::Details, periods.details, Some(BATCH)),
    ];
    let longest = all.iter().filter_map(|(_, period, _)| *period).max();
    if let Some(longest) = longest {
        records.fail_scans(clock.now_ms().saturating_sub(millis(longest * 2))).await?;
    }
    for connection in records.list_connections().await?.into_iter().filter(Connection::is_connected) {
        let location = &connection.location_id;
        for (purpose, period, batch) in all {
            let Some(period) = period else { continue };
            let latest = records.latest_scan(location, purpose).await?;
            let since = latest.map_or(connection.created_at.as_millisecond(), |scan| scan.started_at_ms);
            if clock.now_ms().saturating_sub(since) < millis(period) {
                continue;
            }
            let pause_ms = match batch {
                Some(batch) => millis(period) / 2 / (records.count_shown_contacts(location).await? / batch + 1),
                None => 0,
            };
            begin(records, queue, location, purpose, pause_ms).await?;
        }
    }
    Ok(())
}

/// Starts a reconciliation of a location, unless one is in progress; returns whether.
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
    let Some(scan) = records.begin_scan(location_id, purpose, known_only, pause_ms).await? else { return Ok(false) };
    let jobs: Vec<_> = scan.next_job().iter().map(|key| jobs::new_job(key, Priority::Bulk)).collect();
    if let Err(error) = queue.push(&jobs).await {
        tracing::warn!(%error, "a reconciliation was started, but its job was not enqueued; the requeuer enqueues it");
    }
    Ok(true)
}

/// Whether a scan passes over contacts that are not kept here: who never imported wants those that were asked for,
/// or are new, and no others.
///
/// # Errors
/// [`RecordsError`].
pub async fn keeps_to_known(records: &Records, location_id: &str, purpose: Purpose) -> Result<bool, RecordsError> {
    match purpose {
        Purpose::Import | Purpose::Verify => Ok(false),
        Purpose::Reconcile | Purpose::Full | Purpose::Details => {
            Ok(records.latest_scan(location_id, Purpose::Import).await?.is_none())
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
