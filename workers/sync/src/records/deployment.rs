//! What is true of the deployment as a whole: its id, and who counts calls in memory.

use uuid::Uuid;

use super::{Records, RecordsError};

/// Names the lock of [`Records::hold_alone`] among all of a database: the first bytes of "clienty-sync".
const ALONE: i64 = i64::from_be_bytes(*b"clienty-");

impl Records {
    /// Whether no other process holds these records for itself, as one does that has the queue in its memory. Held until this process ends, or its
    /// connection to PostgreSQL does. Of SQLite there are files to be locked instead, so nothing is held.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn hold_alone(&self) -> Result<bool, RecordsError> {
        if self.sqlite {
            return Ok(true);
        }
        let mut connection = self.pool.acquire().await?;
        let query = sqlx::query_scalar("select case when pg_try_advisory_lock($1) then 1 else 0 end").bind(ALONE);
        let held: i32 = query.fetch_one(&mut *connection).await?;
        let is_held = held == 1;
        if is_held {
            // Never given back, and so held as long as this value or a clone of it lives.
            *self.alone.lock().await = Some(connection.detach());
        }
        Ok(is_held)
    }

    /// The id of this deployment, made at the first question: it reports a queue in Redis whose it is.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn deployment_id(&self) -> Result<String, RecordsError> {
        let mut write = self.write().await?;
        // PostgreSQL lets two processes ask at once: the second one finds what the first has written.
        sqlx::query("insert into deployment (name, value) values ('id', $1) on conflict (name) do nothing")
            .bind(Uuid::new_v4().to_string())
            .execute(write.conn())
            .await?;
        let id = sqlx::query_scalar("select value from deployment where name = 'id'").fetch_one(write.conn()).await?;
        write.commit().await?;
        Ok(id)
    }

    /// The id, where it was asked for before.
    ///
    /// # Errors
    /// [`RecordsError::Database`], also where the schema is of an earlier version.
    pub async fn known_deployment_id(&self) -> Result<Option<String>, RecordsError> {
        Ok(sqlx::query_scalar("select value from deployment where name = 'id'").fetch_optional(&self.pool).await?)
    }

    /// Makes `holder` the process whose count of calls is the last one; returns the one before.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn take_over_limiter(&self, holder: &str) -> Result<Option<String>, RecordsError> {
        let mut write = self.write().await?;
        // Locks the row: of two processes, one is the one before the other.
        sqlx::query("update deployment set value = value where name = 'limiter'").execute(write.conn()).await?;
        let before: Option<String> = sqlx::query_scalar("select value from deployment where name = 'limiter'")
            .fetch_optional(write.conn())
            .await?;
        sqlx::query(
            "insert into deployment (name, value) values ('limiter', $1)
             on conflict (name) do update set value = excluded.value",
        )
        .bind(holder)
        .execute(write.conn())
        .await?;
        write.commit().await?;
        Ok(before)
    }
}
