//! Webhooks that GHL signed and that can't be read: stored separately, so that none is lost without
//! a trace, and in small number.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};

use super::super::ledger::timestamp;
use super::super::sql::sql;
use super::super::{Records, RecordsError};

/// Rows at most; the oldest make way.
const MOST: i64 = 1000;
/// Bytes that are kept of one.
const LONGEST: usize = 64 * 1024;
/// Deliveries after which GHL is no longer asked to send it again: that many it makes of its own accord after a 429.
const DELIVERIES: i64 = 6;
/// And no longer than GHL tries.
const TRIED: SignedDuration = SignedDuration::from_hours(3 * 24);

/// One that came, perhaps again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreadableWebhook {
    /// How often it came so far.
    pub seen: i64,
    /// When it came first.
    pub first_at: Timestamp,
}

impl UnreadableWebhook {
    /// Whether another delivery may help; not for ever.
    #[must_use]
    pub fn may_come_again(&self, now: Timestamp) -> bool {
        self.seen <= DELIVERIES && now.duration_since(self.first_at) < TRIED
    }
}

impl Records {
    /// Keeps one apart, and counts how often it came.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn keep_unreadable(&self, id: &str, body: &[u8]) -> Result<UnreadableWebhook, RecordsError> {
        let mut write = self.write().await?;
        let now_ms = write.now_ms;
        let kept = STANDARD.encode(body.get(..LONGEST).unwrap_or(body));
        let (seen, first_at): (i64, i64) = sqlx::query_as(sql!("keep_unreadable"))
            .bind(id)
            .bind(kept)
            .bind(i64::try_from(body.len()).unwrap_or(i64::MAX))
            .bind(now_ms)
            .fetch_one(write.conn())
            .await?;
        sqlx::query(sql!("bound_unreadable")).bind(MOST).execute(write.conn()).await?;
        write.commit().await?;
        Ok(UnreadableWebhook { seen, first_at: timestamp(first_at) })
    }
}
