//! Forgetting what was deleted long ago: a mark of it serves readers that were away for a while, and nobody forever.

use super::sql::sql;
use super::{Records, RecordsError};

impl Records {
    /// Deletes contacts that were deleted before `before_ms` since 1970, up to `limit`, and as many tasks, notes and appointments; returns
    /// how many. What a push still owes something for stays.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn forget_deleted(&self, before_ms: i64, limit: i64) -> Result<u64, RecordsError> {
        let _gate = self.gate().await;
        let mut forgotten = 0;
        for statement in [sql!("forget_entries"), sql!("forget_contacts")] {
            let deleted = sqlx::query(statement).bind(before_ms).bind(limit).execute(&self.pool).await?;
            forgotten += deleted.rows_affected();
        }
        Ok(forgotten)
    }
}
