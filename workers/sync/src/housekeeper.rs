//! Forgets what nobody needs any more, a little at a time: old changes, and the marks of what was deleted.
//!
//! Every process may keep house; they only repeat what another has done.

use std::time::Duration;

use tokio::time::sleep;

use crate::clock::Clock;
use crate::records::{Records, RecordsError, TOUCHES_KEPT};

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(3600);
/// Rows that one statement deletes at most: others wait for it.
const BATCH: i64 = 2000;

/// How long things are kept.
#[derive(Debug, Clone, Copy)]
pub struct Keeping {
    /// Entries of the change feed.
    pub changes: Duration,
    /// Deleted records, to be seen by readers that ask for them.
    pub deleted: Duration,
}

/// Keeps house until it is aborted.
pub async fn run(records: Records, clock: Clock, keeping: Keeping) {
    loop {
        if let Err(error) = round(&records, &clock, keeping).await {
            tracing::warn!(%error, "forgetting broke off; the next round goes on");
        }
        sleep(ROUND).await;
    }
}

/// One round.
///
/// # Errors
/// [`RecordsError::Database`].
pub async fn round(records: &Records, clock: &Clock, keeping: Keeping) -> Result<(), RecordsError> {
    let before = |kept: Duration| clock.now_ms().saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX));
    while records.prune_changes(before(keeping.changes), BATCH).await? > 0 {}
    while records.forget_deleted(before(keeping.deleted), BATCH).await? > 0 {}
    records.forget_touched(before(TOUCHES_KEPT)).await
}
