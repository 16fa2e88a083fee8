//! Forgetting what changes took away, in small bites. The entry itself goes once the feed does not need it either.

use super::super::sql::sql;
use super::super::{Records, RecordsError};

impl Records {
    /// Forgets the history of before `before_ms` since 1970, at most `limit` changes of it; returns how many.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn forget_history(&self, before_ms: i64, limit: i64) -> Result<u64, RecordsError> {
        let mut write = self.write().await?;
        let (horizon, pruned, forgotten): (i64, i64, i64) =
            sqlx::query_as(sql!("history_horizon")).bind(before_ms).fetch_one(write.conn()).await?;
        let horizon = horizon.min(forgotten.saturating_add(limit));
        if horizon <= forgotten {
            return Ok(0);
        }
        let newest = sqlx::query_scalar(sql!("newest_of_changes")).bind(forgotten).bind(horizon);
        let at_ms: Option<i64> = newest.fetch_one(write.conn()).await?;
        sqlx::query(sql!("prune_changes")).bind(horizon.min(pruned)).execute(write.conn()).await?;
        sqlx::query(sql!("prune_history")).bind(forgotten).bind(horizon).execute(write.conn()).await?;
        // Last, since all writers queue up at this row.
        let note = sqlx::query(sql!("note_forgotten")).bind(horizon).bind(at_ms.unwrap_or_default());
        note.execute(write.conn()).await?;
        write.commit().await?;
        Ok(u64::try_from(horizon - forgotten).unwrap_or_default())
    }
}
