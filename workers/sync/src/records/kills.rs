//! Jobs that kill their process (law 11), where one process has the queue in memory and so loses what the queue knew of them.
//!
//! What runs is marked in the ledger. So the next process finds what its predecessor was killed with, counts it, runs what was killed twice
//! alone, and gives up what was killed thrice, the last time alone.

use job_engine::{MAX_CRASHES, Priority};
use sync_model::job::JobKey;

use super::sql::sql;
use super::{Records, RecordsError};

/// Makes a row a dead letter, however old its epoch.
const ANY_EPOCH: i64 = i64::MAX;

/// Killed so often, a job may be what kills.
fn suspect() -> i64 {
    i64::from(MAX_CRASHES) - 1
}

impl Records {
    /// Counts what the process before this one was killed with, and gives up what has killed it often enough. Only for the one process over the
    /// database, before it runs anything.
    ///
    /// # Errors
    /// [`RecordsError::Database`], as for all below.
    pub async fn count_kills(&self) -> Result<(), RecordsError> {
        let mut write = self.write().await?;
        let running: Vec<(String, String, String, i64)> =
            sqlx::query_as(sql!("running_keys")).fetch_all(write.conn()).await?;
        sqlx::query(sql!("count_kills")).execute(write.conn()).await?;
        write.commit().await?;
        if let [(kind, location_id, record_id, kills)] = running.as_slice()
            && *kills >= suspect()
        {
            let key = JobKey { kind: kind.clone(), location_id: location_id.clone(), record_id: record_id.clone() };
            let reason = format!("its process was killed {} times while it ran, the last time alone", kills + 1);
            self.dead_letter_key(&key, ANY_EPOCH, &reason).await?;
            tracing::error!(
                job.kind = key.kind,
                ghl.location = key.location_id,
                "a job that kills its process becomes a dead letter"
            );
        }
        Ok(())
    }

    /// The open jobs that were killed so often that they have to run alone, until they have ended a run.
    ///
    /// # Errors
    /// See [`Records::count_kills`].
    pub async fn suspects(&self) -> Result<Vec<(JobKey, Priority)>, RecordsError> {
        let rows: Vec<(String, String, String, i64)> =
            sqlx::query_as(sql!("suspects")).bind(suspect()).fetch_all(&self.pool).await?;
        let of = |(kind, location_id, record_id, priority): (String, String, String, i64)| {
            let priority = u8::try_from(priority).ok().and_then(Priority::from_number).unwrap_or(Priority::Bulk);
            (JobKey { kind, location_id, record_id }, priority)
        };
        Ok(rows.into_iter().map(of).collect())
    }
}
