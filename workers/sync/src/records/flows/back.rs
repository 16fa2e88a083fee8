//! What happened lately, the newest first, for who asks what a flow would have done.

use serde_json::Value;
use sqlx::Row as _;

use super::super::feed::{ChangeOp, Origin};
use super::super::history::Via;
use super::super::sql::sql;
use super::super::{Records, RecordsError};

/// A change of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct PastChange {
    /// Its place in the feed.
    pub seq: i64,
    /// GHL's location id.
    pub location_id: String,
    /// The contact whose view shows it.
    pub contact_id: String,
    /// `contact`, `task`, `note` or `appointment`.
    pub record: String,
    /// What happened.
    pub op: ChangeOp,
    /// When, in ms since 1970.
    pub at_ms: i64,
    /// Who changed it.
    pub origin: Option<Origin>,
    /// The names of the fields.
    pub fields: Vec<String>,
    /// Whether the record was not known before.
    pub is_new: bool,
    /// How it came about.
    pub via: Option<Via>,
}

/// A webhook that was taken in.
#[derive(Debug, Clone, PartialEq)]
pub struct PastWebhook {
    /// GHL's location id.
    pub location_id: String,
    /// What it says.
    pub body: Value,
    /// When, in ms since 1970.
    pub at_ms: i64,
}

impl Records {
    /// The changes before a place of the feed, the newest first; all if it is none.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn changes_back(&self, before: Option<i64>, limit: i64) -> Result<Vec<PastChange>, RecordsError> {
        let query = sqlx::query(sql!("changes_back")).bind(before.unwrap_or(i64::MAX)).bind(self.scope()).bind(limit);
        let rows = query.fetch_all(&self.pool).await?;
        let mut changes = Vec::with_capacity(rows.len());
        for row in &rows {
            let text = |column: &str| row.try_get::<Option<String>, _>(column);
            let fields = text("fields")?;
            changes.push(PastChange {
                seq: row.try_get("seq")?,
                location_id: row.try_get("location_id")?,
                contact_id: row.try_get("contact_id")?,
                record: row.try_get("record")?,
                // One of a later release is none that starts a flow here.
                op: text("op")?.and_then(|op| ChangeOp::parse(&op)).unwrap_or(ChangeOp::Synced),
                at_ms: row.try_get("changed_at")?,
                origin: text("origin")?.and_then(|origin| Origin::parse(&origin)),
                fields: fields.and_then(|fields| serde_json::from_str(&fields).ok()).unwrap_or_default(),
                is_new: row.try_get::<Option<i64>, _>("is_new")? == Some(1),
                via: text("via")?.and_then(|via| Via::parse(&via)),
            });
        }
        Ok(changes)
    }

    /// The webhooks of a type that were taken in, the newest first.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn webhooks_back(
        &self,
        event: &str,
        since_ms: i64,
        limit: i64,
    ) -> Result<Vec<PastWebhook>, RecordsError> {
        let query = sqlx::query(sql!("webhooks_back")).bind(event).bind(since_ms).bind(self.scope()).bind(limit);
        let rows = query.fetch_all(&self.pool).await?;
        let webhook = |row: &sqlx::any::AnyRow| {
            let body: String = row.try_get("body")?;
            Ok(PastWebhook {
                location_id: row.try_get("location_id")?,
                body: serde_json::from_str(&body).unwrap_or_default(),
                at_ms: row.try_get("received_at")?,
            })
        };
        rows.iter().map(webhook).collect()
    }
}
