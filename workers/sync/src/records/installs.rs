//! OAuth installs that have come back. One that was only begun costs no row: its state carries a signature.

use super::sql::sql;
use super::{Records, RecordsError};

impl Records {
    /// Marks the nonce of an install as spent until `expires_at_ms`, after which its state is refused for its age. False if it was
    /// spent before: of several callers, one gets true.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn spend_install(&self, nonce: &str, expires_at_ms: i64) -> Result<bool, RecordsError> {
        let mut write = self.write().await?;
        let now = write.now_ms;
        sqlx::query(sql!("forget_installs")).bind(now).execute(write.conn()).await?;
        let spent = sqlx::query(sql!("spend_install")).bind(nonce).bind(expires_at_ms).execute(write.conn()).await?;
        write.commit().await?;
        Ok(spent.rows_affected() == 1)
    }

    /// Whether the nonce is spent.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn is_install_spent(&self, nonce: &str) -> Result<bool, RecordsError> {
        let found: Option<i64> =
            sqlx::query_scalar(sql!("spent_install")).bind(nonce).fetch_optional(&self.pool).await?;
        Ok(found.is_some())
    }
}
