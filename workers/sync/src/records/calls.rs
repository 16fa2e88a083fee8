//! Calls of any operation: what was asked for, whether it was sent, and what GHL answered. All of it is kept with the job's row and
//! goes with it.

use serde_json::{Value, json};
use sqlx::Row;

use super::runs::{Run, Tx, contacts_of, fenced};
use super::sql::sql;
use super::{Records, RecordsError, erase};

/// A call as a run finds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Called {
    /// What was asked for.
    pub data: Value,
    /// An earlier run has sent it, and did not learn what became of it.
    pub sent: bool,
    /// It is about a person whose data was erased since it was accepted.
    pub erased: bool,
}

impl Records {
    /// The call that the run is about.
    ///
    /// # Errors
    /// [`RecordsError::LostRun`] when its row is gone, [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn called(&self, run: &Run) -> Result<Called, RecordsError> {
        let lost = || RecordsError::LostRun(run.key.clone());
        let id = run.ids.first().ok_or_else(lost)?;
        let mut connection = self.pool.acquire().await?;
        let row = sqlx::query(sql!("called")).bind(id).fetch_optional(&mut *connection).await?.ok_or_else(lost)?;
        let (data, contact_id): (String, Option<String>) = (row.try_get("data")?, row.try_get("contact_id")?);
        let sent: Option<i64> = row.try_get("sent_at")?;
        let data: Value = serde_json::from_str(&data).map_err(|error| RecordsError::corrupt("jobs", id, &error))?;
        let about = Vec::from_iter(contact_id);
        let erased =
            data == json!({}) || erase::is_named_erased(&mut connection, &run.key.location_id, &data, &about).await?;
        Ok(Called { data, sent: sent.is_some(), erased })
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
    /// The call is about a person whose data was erased: nothing of what was asked for is kept.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn forget_call(&mut self) -> Result<(), RecordsError> {
        let Self { write, run, .. } = self;
        fenced(sql!("forget_call"), run).execute(write.conn()).await?;
        Ok(())
    }

    /// Keeps GHL's answer with the job: its status, and its body unless that, or the call, is about a person whose data was erased meanwhile.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn store_reply(&mut self, status: u16, body: Value) -> Result<(), RecordsError> {
        let Self { write, run, .. } = self;
        let about = contacts_of(write, run).await?;
        erase::hold_off(write).await?;
        let is_erased = erase::is_named_erased(write.conn(), &run.key.location_id, &body, &about).await?;
        let reply = json!({"status": status, "body": if is_erased { Value::Null } else { body }});
        fenced(sql!("store_reply"), run).bind(reply.to_string()).execute(write.conn()).await?;
        Ok(())
    }
}
