//! Calls of any operation: what was asked for, whether it was sent, and what GHL answered. All of it is kept with the job's row and
//! goes with it.

use serde_json::Value;
use sqlx::Row;

use super::runs::{Run, Tx, fenced};
use super::sql::sql;
use super::{Records, RecordsError};

/// A call as a run finds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Called {
    /// What was asked for.
    pub data: Value,
    /// An earlier run has sent it, and did not learn what became of it.
    pub sent: bool,
}

impl Records {
    /// The call that the run is about.
    ///
    /// # Errors
    /// [`RecordsError::LostRun`] when its row is gone, [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn called(&self, run: &Run) -> Result<Called, RecordsError> {
        let lost = || RecordsError::LostRun(run.key.clone());
        let id = run.ids.first().ok_or_else(lost)?;
        let row = sqlx::query(sql!("called")).bind(id).fetch_optional(&self.pool).await?.ok_or_else(lost)?;
        let data: String = row.try_get("data")?;
        let sent: Option<i64> = row.try_get("sent_at")?;
        let data = serde_json::from_str(&data).map_err(|error| RecordsError::corrupt("jobs", id, &error))?;
        Ok(Called { data, sent: sent.is_some() })
    }

    /// Notes that the call is sent now, or that an attempt to send it is known to have done nothing.
    ///
    /// # Errors
    /// [`RecordsError::LostRun`] when another run has taken over: then nothing may be sent; [`RecordsError::Database`].
    pub async fn mark_sent(&self, run: &Run, sent: bool) -> Result<(), RecordsError> {
        let mut write = self.write().await?;
        let at = sent.then_some(write.now_ms);
        let marked = fenced(sql!("mark_sent"), run).bind(at).execute(write.conn()).await?;
        run.held_all(marked.rows_affected())?;
        write.commit().await
    }

    /// What GHL answered to the call of the job `id`; none while it has not, or where the job calls nothing.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn reply(&self, id: &str) -> Result<Option<Value>, RecordsError> {
        let reply: Option<Option<String>> =
            sqlx::query_scalar(sql!("reply")).bind(id).fetch_optional(&self.pool).await?;
        let read =
            |text: String| serde_json::from_str(&text).map_err(|error| RecordsError::corrupt("jobs", id, &error));
        reply.flatten().map(read).transpose()
    }
}

impl Tx {
    /// Keeps GHL's answer with the job.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn store_reply(&mut self, reply: &Value) -> Result<(), RecordsError> {
        let Self { write, run, .. } = self;
        fenced(sql!("store_reply"), run).bind(reply.to_string()).execute(write.conn()).await?;
        Ok(())
    }
}
