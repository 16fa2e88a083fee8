//! What a write is about to send, kept before it is sent (law 7): for a create, what to look for;
//! for an update, which edit a value in GHL belongs to.
//!
//! The time of an announcement is GHL's, as far as that is known: it is compared with GHL's dates
//! of creation.

use std::collections::HashSet;

use sync_model::decide::fields::Fields;
use sync_model::job::JobKey;
use sync_model::record::Contact;

use super::contacts::document;
use super::entries::text_of;
use super::merging::column;
use super::sql::sql;
use super::{Entry, Records, RecordsError, Run};

/// How much older than the sending of a create its announcement may be, in ms.
const FRESH_MS: i64 = 2_000;

impl Records {
    /// Keeps what a create is about to send, or forgets it (none) once it is known not to have arrived, while `run` still
    /// holds its ledger rows.
    ///
    /// # Errors
    /// [`RecordsError::LostRun`] when it does not, or the row is gone: nothing may be sent then.
    pub async fn set_intent<E: Entry>(&self, run: &Run, row_id: &str, sent: Option<&E>) -> Result<(), RecordsError> {
        self.announce(sql!("set_intent"), run, row_id, sent.map(text_of)).await
    }

    /// Keeps what a create is about to send, or forgets it (none) once it is known not to have arrived, while `run` still holds its ledger
    /// rows.
    ///
    /// # Errors
    /// [`RecordsError::LostRun`] when it does not, or the row is gone, and [`RecordsError::Raced`] when a producer has said meanwhile that GHL
    /// has the contact: nothing may be sent then.
    pub async fn set_contact_intent(&self, run: &Run, sent: Option<&Contact>) -> Result<(), RecordsError> {
        let record_id = &run.key.record_id;
        match self.announce(sql!("set_contact_intent"), run, record_id, sent.map(document)).await {
            Err(RecordsError::LostRun(key)) => match self.contact_row(&key.location_id, record_id).await? {
                Some(row) if row.base.is_some() => Err(RecordsError::Raced),
                _ => Err(RecordsError::LostRun(key)),
            },
            outcome => outcome,
        }
    }

    /// Keeps what an update of a task, note or appointment is about to ask, or forgets it (nothing) once it is known not to have arrived, while
    /// `run` still holds its ledger rows.
    ///
    /// # Errors
    /// [`RecordsError::LostRun`] when it does not, or the row is gone: nothing may be sent then.
    pub async fn set_asked(&self, run: &Run, row_id: &str, asked: &Fields) -> Result<(), RecordsError> {
        self.ask(sql!("set_asked"), run, row_id, asked).await
    }

    /// Keeps what an update of a contact is about to ask, or forgets it (nothing) once it is known not to have arrived, while `run` still holds
    /// its ledger rows.
    ///
    /// # Errors
    /// [`RecordsError::LostRun`] when it does not, or the row is gone: nothing may be sent then.
    pub async fn set_contact_asked(&self, run: &Run, asked: &Fields) -> Result<(), RecordsError> {
        self.ask(sql!("set_contact_asked"), run, &run.key.record_id, asked).await
    }

    /// Keeps which entries the contact had in GHL before a create is announced, while `run` still holds its ledger rows.
    ///
    /// # Errors
    /// [`RecordsError::LostRun`] when it does not, or the row is gone: nothing may be sent then.
    pub async fn set_seen(&self, run: &Run, row_id: &str, seen: &[&str]) -> Result<(), RecordsError> {
        // A list of texts has no way to fail.
        let text = serde_json::to_string(seen).unwrap_or_default();
        let JobKey { kind, location_id, record_id } = &run.key;
        let _gate = self.gate().await;
        let query = sqlx::query(sql!("set_seen")).bind(text).bind(row_id).bind(kind).bind(location_id).bind(record_id);
        let kept = query.bind(run.epoch).execute(&self.pool).await?;
        if kept.rows_affected() == 0 { Err(RecordsError::LostRun(run.key.clone())) } else { Ok(()) }
    }

    /// The ids that a look before the announcement saw; none where there was no such look.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn seen(&self, row_id: &str) -> Result<Option<HashSet<String>>, RecordsError> {
        let seen: Option<Option<String>> =
            sqlx::query_scalar(sql!("seen")).bind(row_id).fetch_optional(&self.pool).await?;
        let read = |text: String| {
            serde_json::from_str(&text).map_err(|error| RecordsError::corrupt("entries", row_id, &error))
        };
        seen.flatten().map(read).transpose()
    }

    pub(super) async fn ask(
        &self,
        text: &'static str,
        run: &Run,
        row_id: &str,
        asked: &Fields,
    ) -> Result<(), RecordsError> {
        let JobKey { kind, location_id, record_id } = &run.key;
        loop {
            let _gate = self.gate().await?;
            let mut connection = self.pool.acquire().await?;
            // Read with the connection in hand: what waits for it is not sent meanwhile. See `announce` for what was long in writing.
            let at_ms = (!asked.is_empty()).then(|| self.clock.ghl_now_ms());
            let query = sqlx::query(text).bind(column(asked)).bind(row_id).bind(kind).bind(location_id).bind(record_id);
            let kept = query.bind(run.epoch).bind(at_ms).execute(&mut *connection).await?;
            if kept.rows_affected() == 0 {
                return Err(RecordsError::LostRun(run.key.clone()));
            }
            if at_ms.is_none_or(|at_ms| self.clock.ghl_now_ms().saturating_sub(at_ms) <= FRESH_MS) {
                return Ok(());
            }
        }
    }

    /// Writes an intent by the statement `text`. A create whose announcement is older than it looks would count as not arrived while it
    /// still can: so the time is read with the connection in hand, and one that was long in writing is written again.
    async fn announce(
        &self,
        text: &'static str,
        run: &Run,
        row_id: &str,
        intent: Option<String>,
    ) -> Result<(), RecordsError> {
        let JobKey { kind, location_id, record_id } = &run.key;
        loop {
            let _gate = self.gate().await?;
            let mut connection = self.pool.acquire().await?;
            let (began_ms, at_ms) = (self.clock.now_ms(), self.clock.ghl_now_ms());
            let kept = sqlx::query(text)
                .bind(intent.as_deref())
                .bind(intent.as_ref().map(|_| at_ms))
                .bind(row_id)
                .bind(kind)
                .bind(location_id)
                .bind(record_id)
                .bind(run.epoch)
                .execute(&mut *connection)
                .await?;
            if kept.rows_affected() == 0 {
                return Err(RecordsError::LostRun(run.key.clone()));
            }
            if self.clock.now_ms().saturating_sub(began_ms) <= FRESH_MS {
                return Ok(());
            }
        }
    }
}
