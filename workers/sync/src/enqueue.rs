//! Enqueues what is open in the ledger, and makes dead letters of the rows that no queue can hold.
//!
//! The entry points reject ids that can't be queued ([`sync_model::ids`]), so such a row is another
//! version's, or was written by hand. It becomes a dead letter with its reason: one bad row must
//! hold up neither the other rows nor the start of a process.

use job_engine::{Key, NewJob, Queue};
use sync_model::ids::{self, BadId};

use crate::records::{JobKey, JobKind, Records};

/// Marks a row as set aside, however old its epoch.
const ANY_EPOCH: i64 = i64::MAX;

/// Enqueues jobs of committed ledger rows, but for those that can't be handled, whose rows are set aside. Returns how many were enqueued.
///
/// # Errors
/// What the queue said, or the database where a row had to be set aside; as text.
pub async fn enqueue(records: &Records, queue: &Queue, jobs: Vec<NewJob>) -> Result<usize, String> {
    let (bad, good): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| fault(&key_of(job)).is_some());
    for job in &bad {
        let key = key_of(job);
        if let Some(reason) = fault(&key) {
            set_aside(records, &key, &reason).await?;
        }
    }
    queue.push(&good).await.map_err(|error| error.to_string())?;
    Ok(good.len())
}

/// Makes the open rows of a key dead letters. Returns how many.
///
/// # Errors
/// What the database said, as text, where the same can succeed later.
pub async fn set_aside(records: &Records, key: &JobKey, reason: &str) -> Result<u64, String> {
    match records.dead_letter_key(key, ANY_EPOCH, reason).await {
        Ok(rows) => {
            tracing::error!(
                job.kind = key.kind,
                rows,
                reason,
                "a job can't be handled and becomes a dead letter; `clienty-sync doctor` names it, `jobs discard` closes it"
            );
            Ok(rows)
        }
        Err(error) if error.is_passing() => Err(error.to_string()),
        Err(error) => {
            tracing::error!(job.kind = key.kind, %error, reason, "a job can't be handled, and its row can't become a dead letter");
            Ok(0)
        }
    }
}

/// Why a job of this key can't be handled by any worker: no queue holds it, or no call can address what it is about. None where it can.
#[must_use]
pub fn fault(key: &JobKey) -> Option<String> {
    let JobKey { kind, location_id, record_id } = key;
    let queued = Key { lane: location_id.clone(), kind: kind.clone(), record: record_id.clone() };
    if let Err(error) = Queue::can_hold(&queued) {
        return Some(format!("it can't be queued: {error}"));
    }
    let bad = |part, id| match ids::check(id) {
        // Earlier releases took longer ids, which the queue holds.
        Ok(()) | Err(BadId::TooLong { .. }) => None,
        Err(bad) => Some(format!("its {part} id {bad}")),
    };
    bad("location", location_id).or_else(|| bad("record", record_id))
}

/// That the kind is another version's; none where this one knows it. Workers that meet such a job give it up themselves.
#[must_use]
pub fn unknown_kind(key: &JobKey) -> Option<String> {
    JobKind::parse(&key.kind).is_none().then(|| "its kind is not known to this version".to_owned())
}

fn key_of(job: &NewJob) -> JobKey {
    let Key { lane, kind, record } = job.key.clone();
    JobKey { kind, location_id: lane, record_id: record }
}
