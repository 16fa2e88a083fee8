//! Who refreshes a bearer, and how that ends.

use jiff::Timestamp;
use sqlx::Row;
use sync_model::clean;

use super::super::sql::sql;
use super::super::{Records, RecordsError};
use super::rows::{encoded, key_id};
use super::{CLOCKS_MS, Holder, NewToken, TokenState};

/// How a refresh failed.
#[derive(Debug, Clone)]
pub struct Failed {
    /// What the bearer is from now on.
    pub state: TokenState,
    /// Without anything secret.
    pub reason: String,
    /// No refresh before this.
    pub rest_until: Option<Timestamp>,
    /// Whether the refresh token may have been spent.
    pub unsure: bool,
}

impl Records {
    /// Begins a refresh of that generation; its fence. None if another process refreshes it or has: read again.
    ///
    /// # Errors
    /// See [`Records::connect`].
    pub async fn begin_refresh(
        &self,
        holder: &Holder,
        generation: i64,
        until: Timestamp,
    ) -> Result<Option<i64>, RecordsError> {
        let _gate = self.gate().await?;
        let row = sqlx::query(sql!("begin_refresh"))
            .bind(until.as_millisecond())
            .bind(holder.key())
            .bind(generation)
            .bind(self.clock.now_ms())
            .bind(until.as_millisecond().saturating_add(CLOCKS_MS))
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(|row| row.try_get("fence")).transpose()?)
    }

    /// Puts `new` in the place of `generation`; false where another stands there by now.
    ///
    /// # Errors
    /// See [`Records::connect`].
    pub async fn finish_refresh(
        &self,
        holder: &Holder,
        generation: i64,
        new: &NewToken,
        after_refusal: bool,
    ) -> Result<bool, RecordsError> {
        let _gate = self.gate().await?;
        let done = sqlx::query(sql!("finish_refresh"))
            .bind(new.access.as_ref().map(encoded))
            .bind(new.refresh.as_ref().map(encoded))
            .bind(key_id(new))
            .bind(self.clock.now_ms())
            .bind(new.expires_at.map(Timestamp::as_millisecond))
            .bind(&new.scopes)
            .bind(&new.missing_scopes)
            .bind(i64::from(after_refusal))
            .bind(holder.key())
            .bind(generation)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends a refresh that brought nothing; false where it is no longer the last one, and has no say.
    ///
    /// # Errors
    /// See [`Records::connect`].
    pub async fn fail_refresh(
        &self,
        holder: &Holder,
        generation: i64,
        fence: i64,
        failed: &Failed,
    ) -> Result<bool, RecordsError> {
        let _gate = self.gate().await?;
        let done = sqlx::query(sql!("fail_refresh"))
            .bind(failed.state.as_str())
            .bind(clean::reason(&failed.reason))
            .bind(failed.rest_until.map(Timestamp::as_millisecond))
            .bind(i64::from(failed.unsure))
            .bind(holder.key())
            .bind(generation)
            .bind(fence)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() == 1)
    }
}
