//! OAuth installs that were begun, and come back once.

use sqlx::Row;

use super::sql::sql;
use super::{Records, RecordsError};

/// An install as it was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// The hash of the cookie that its browser was given; none where the link was printed for a person.
    pub browser: Option<String>,
    /// The scopes that were asked for, blanks between them.
    pub scopes: String,
}

impl Records {
    /// Remembers an install that may come back until `expires_at_ms`, and forgets those that did not in time.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn begin_install(&self, nonce: &str, install: &Install, expires_at_ms: i64) -> Result<(), RecordsError> {
        let mut write = self.write().await?;
        let now = write.now_ms;
        sqlx::query(sql!("forget_installs")).bind(now).execute(write.conn()).await?;
        sqlx::query(sql!("begin_install"))
            .bind(nonce)
            .bind(&install.browser)
            .bind(&install.scopes)
            .bind(expires_at_ms)
            .execute(write.conn())
            .await?;
        write.commit().await
    }

    /// The install of that nonce, which now has come back: asked again, there is none.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn end_install(&self, nonce: &str) -> Result<Option<Install>, RecordsError> {
        let _gate = self.gate().await;
        let now = self.clock.now_ms();
        let row = sqlx::query(sql!("end_install")).bind(nonce).bind(now).fetch_optional(&self.pool).await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Install { browser: row.try_get("browser")?, scopes: row.try_get("scopes")? }))
    }
}
