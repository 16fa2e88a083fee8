//! Records with a pending write and no job for it (law 18).
//!
//! The code that makes a record differ from GHL creates a job in the same transaction, so there
//! should be none. Records that an older version or a bug left are found here: the requeuer opens
//! their jobs, and `doctor` counts them.

use job_engine::Priority;
use sync_model::job::{JobKey, JobKind};
use sync_model::record::{Appointment, Note, Task};

use super::runs::FollowUp;
use super::sql::sql;
use super::{Records, RecordsError};

/// How far the requeuer has looked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looked {
    contact: (String, String),
    entry: String,
}

impl Records {
    /// Looks through the next `limit` contacts and as many entries after `looked` that seem to owe a push, and opens the jobs of those that do.
    /// Starts over after the last. Returns how many were opened.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn reopen_unpushed(&self, looked: &mut Looked, limit: i64) -> Result<usize, RecordsError> {
        let mut keys = self.unpushed(sql!("unpushed_contacts"), &looked.contact, limit).await?;
        looked.contact = keys.last().map(|key| (key.location_id.clone(), key.record_id.clone())).unwrap_or_default();
        let entries = self.unpushed(sql!("unpushed_entries"), &(String::new(), looked.entry.clone()), limit).await?;
        looked.entry = entries.last().map(|key| key.record_id.clone()).unwrap_or_default();
        keys.extend(entries);
        let mut pending = Vec::new();
        for key in keys {
            if let Some(kind) = self.has_pending(&key).await? {
                tracing::warn!(
                    job.kind = key.kind,
                    ghl.location = key.location_id,
                    record = key.record_id,
                    "a record differs from what GHL holds and has no job; its push is opened"
                );
                let JobKey { location_id, record_id, .. } = key;
                pending.push(FollowUp { kind, location_id, record_id, priority: Priority::Bulk });
            }
        }
        let count = pending.len();
        if count > 0 {
            let mut write = self.write().await?;
            write.pending.extend(pending);
            write.commit().await?;
        }
        Ok(count)
    }

    /// How many of the first `limit` records that seem to owe a push and have no job.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn count_unpushed(&self, limit: i64) -> Result<usize, RecordsError> {
        let first = (String::new(), String::new());
        let mut keys = self.unpushed(sql!("unpushed_contacts"), &first, limit).await?;
        keys.extend(self.unpushed(sql!("unpushed_entries"), &first, limit).await?);
        let mut count = 0;
        for key in keys {
            count += usize::from(self.has_pending(&key).await?.is_some());
        }
        Ok(count)
    }

    async fn unpushed(
        &self,
        text: &'static str,
        (location_id, row_id): &(String, String),
        limit: i64,
    ) -> Result<Vec<JobKey>, RecordsError> {
        let rows = sqlx::query_as(text).bind(location_id).bind(row_id).bind(limit).fetch_all(&self.pool);
        let rows: Vec<(String, String, String)> = rows.await?;
        Ok(rows.into_iter().map(|(kind, location_id, record_id)| JobKey { kind, location_id, record_id }).collect())
    }

    /// The job that the record owes, if it owes one. What GHL refused is settled until somebody edits it.
    async fn has_pending(&self, key: &JobKey) -> Result<Option<JobKind>, RecordsError> {
        let JobKey { kind, location_id, record_id } = key;
        let Some(kind) = JobKind::parse(kind) else { return Ok(None) };
        let is_settled = match kind {
            JobKind::PushContact => {
                let row = self.contact_row(location_id, record_id).await?;
                row.is_none_or(|row| row.is_settled() || row.refusal().is_some())
            }
            JobKind::PushTask => self.entry::<Task>(record_id).await?.is_none_or(|row| row.is_settled()),
            JobKind::PushNote => self.entry::<Note>(record_id).await?.is_none_or(|row| row.is_settled()),
            _ => self.entry::<Appointment>(record_id).await?.is_none_or(|row| row.is_settled()),
        };
        Ok((!is_settled).then_some(kind))
    }
}
