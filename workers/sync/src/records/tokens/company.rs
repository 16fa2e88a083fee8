//! What an agency's bearer opens, and how often it is used.

use jiff::Timestamp;
use sqlx::Row;

use super::super::ledger::timestamp;
use super::super::sql::sql;
use super::super::{Records, RecordsError};
use super::{CLOCKS_MS, Holder};

impl Records {
    /// Takes the next moment at which a call with the company's token may be sent, `spacing_ms` after the one before. None where that
    /// is more than `most_ms` away.
    ///
    /// # Errors
    /// See [`Records::connect`].
    pub async fn pace_company(
        &self,
        company: &Holder,
        spacing_ms: i64,
        most_ms: i64,
    ) -> Result<Option<Timestamp>, RecordsError> {
        let _gate = self.gate().await?;
        let now = self.clock.now_ms();
        let row = sqlx::query(sql!("pace_company"))
            .bind(now)
            .bind(spacing_ms)
            .bind(company.key())
            .bind(now + most_ms)
            .bind(now + most_ms + spacing_ms + CLOCKS_MS)
            .fetch_optional(&self.pool)
            .await?;
        let after: Option<i64> = row.map(|row| row.try_get("next_call_at")).transpose()?;
        Ok(after.map(|after| timestamp(after - spacing_ms)))
    }

    /// Whether the company's locations were last listed `age_ms` ago or more; if so, this caller is to list them now.
    ///
    /// # Errors
    /// See [`Records::connect`].
    pub async fn is_to_list(&self, company: &Holder, age_ms: i64) -> Result<bool, RecordsError> {
        let _gate = self.gate().await?;
        let now = self.clock.now_ms();
        let done = sqlx::query(sql!("list_company")).bind(now).bind(company.key()).bind(now - age_ms);
        Ok(done.execute(&self.pool).await?.rows_affected() == 1)
    }

    /// Has the company's locations listed at the next renewal. False where the company is not known.
    ///
    /// # Errors
    /// See [`Records::connect`].
    pub async fn relist(&self, company: &Holder) -> Result<bool, RecordsError> {
        let _gate = self.gate().await?;
        let done = sqlx::query(sql!("relist_company")).bind(company.key()).execute(&self.pool).await?;
        Ok(done.rows_affected() == 1)
    }

    /// The locations that a company's install opens.
    ///
    /// # Errors
    /// See [`Records::connect`].
    pub async fn locations_of_company(&self, company_id: &str) -> Result<Vec<String>, RecordsError> {
        Ok(sqlx::query_scalar(sql!("locations_of_company")).bind(company_id).fetch_all(&self.pool).await?)
    }
}
