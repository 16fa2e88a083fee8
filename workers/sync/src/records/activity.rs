//! When a location was last active: its last done job and its last webhook. For operators, so it
//! need not be exact. And when a run last began at all, which a queue that has lost its state must
//! know.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::ledger::timestamp;
use super::sql::sql;
use super::{Records, RecordsError};

/// What was written less than so long ago, in ms, is not written again.
const EVERY_MS: i64 = 30_000;

/// How often a process marks at most that a run began. A reader of the mark adds as much.
pub(super) const MARK_EVERY_MS: i64 = 1000;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sign {
    /// A job of the location was done.
    Success,
    /// GHL sent a webhook of it.
    Webhook,
    /// An event named a custom field that it is not known to have.
    UnknownField,
}

/// When a location was last active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Activity {
    /// When a job of it was last done.
    pub last_success_at: Option<Timestamp>,
    /// When GHL last sent a webhook of it.
    pub last_webhook_at: Option<Timestamp>,
}

/// When this process last wrote what of which location, in ms since 1970.
#[derive(Debug, Default)]
pub(super) struct Noted(Mutex<HashMap<(String, Sign), i64>>);

impl Noted {
    /// Whether it is time to write again; then it counts as written.
    pub(super) fn is_due(&self, location_id: &str, sign: Sign, now_ms: i64) -> bool {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = noted.entry((location_id.to_owned(), sign)).or_insert(i64::MIN / 2);
        let is_due = now_ms - *last >= EVERY_MS;
        if is_due {
            *last = now_ms;
        }
        is_due
    }
}

/// When this process last marked that a run began, in ms since 1970.
#[derive(Debug, Default)]
pub(super) struct Marked(AtomicI64);

impl Marked {
    /// Whether it is time to mark again; then it counts as marked.
    fn is_due(&self, now_ms: i64) -> bool {
        let marked = self.0.load(Ordering::Relaxed);
        // A clock that was set back marks again: whether the mark of before stays is seen where it is written.
        let is_due = !(marked..marked + MARK_EVERY_MS).contains(&now_ms);
        is_due && self.0.compare_exchange(marked, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl Records {
    /// Marks that a run begins: nothing shows this later, once its row is done.
    pub(super) async fn mark_start(&self, now_ms: i64) -> Result<(), RecordsError> {
        if self.marked.is_due(now_ms) {
            let _gate = self.gate().await?;
            sqlx::query(sql!("mark_start")).bind(now_ms).execute(&self.pool).await?;
        }
        Ok(())
    }

    /// Notes a sign of a location, unless this process noted the same moments ago.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn note_activity(&self, location_id: &str, sign: Sign) -> Result<(), RecordsError> {
        let now_ms = self.clock.now_ms();
        if !self.noted.is_due(location_id, sign, now_ms) {
            return Ok(());
        }
        let at = |of: Sign| (sign == of).then_some(now_ms);
        let _gate = self.gate().await?;
        sqlx::query(sql!("note_activity"))
            .bind(location_id)
            .bind(at(Sign::Success))
            .bind(at(Sign::Webhook))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// When each location was last active; those that were never active are missing.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn activity(&self) -> Result<HashMap<String, Activity>, RecordsError> {
        let rows: Vec<(String, Option<i64>, Option<i64>)> =
            sqlx::query_as(sql!("list_activity")).fetch_all(&self.pool).await?;
        let of = |(id, success, webhook): (String, Option<i64>, Option<i64>)| {
            let [last_success_at, last_webhook_at] = [success, webhook].map(|at| at.map(timestamp));
            (id, Activity { last_success_at, last_webhook_at })
        };
        Ok(rows.into_iter().map(of).collect())
    }
}
