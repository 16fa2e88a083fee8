//! The change feed: which records changed, in the order of the commits.
//!
//! An entry says what to read again and holds no document. A transaction collects its entries in memory and numbers
//! them as its last step before the commit, since the lock on the one counter makes all writers queue up from there on.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ledger::timestamp;
use super::sql::{CHUNK, sql, with_rows};
use super::{Page, Records, RecordsError, Write};

/// What happened to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeOp {
    /// It is new or reads differently.
    Stored,
    /// Readers no longer get it.
    Deleted,
}

/// One entry of the feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeItem {
    /// Its place in the feed; greater than that of every entry committed before.
    pub seq: i64,
    /// GHL's location id.
    pub location_id: String,
    /// The contact whose view shows the change.
    pub contact_id: String,
    /// `contact`, `task`, `note` or `appointment`.
    pub record: String,
    /// GHL's id of the record, else Clienty's, else the row's.
    pub record_id: String,
    /// What happened.
    pub op: ChangeOp,
    /// When, by the clock of the process that wrote it: may run backwards where `seq` does not.
    pub changed_at: Timestamp,
}

/// An entry that has no number yet.
pub(super) struct Changed {
    pub(super) location_id: String,
    pub(super) contact_id: String,
    pub(super) record: &'static str,
    pub(super) record_id: String,
    pub(super) op: ChangeOp,
}

/// Numbers and stores what the transaction changed.
pub(super) async fn append(write: &mut Write) -> Result<(), RecordsError> {
    let changed = std::mem::take(&mut write.changed);
    let Ok(count @ 1..) = i64::try_from(changed.len()) else {
        return Ok(());
    };
    let last: i64 = sqlx::query_scalar(sql!("count_changes")).bind(count).fetch_one(write.conn()).await?;
    let now_ms = write.now_ms;
    let mut numbered = (last - count + 1..=last).zip(changed).peekable();
    while numbered.peek().is_some() {
        let chunk: Vec<_> = numbered.by_ref().take(CHUNK).collect();
        let mut insert = sqlx::query(with_rows(sql!("insert_changes"), chunk.len(), 7)).persistent(false);
        for (seq, Changed { location_id, contact_id, record, record_id, op }) in chunk {
            let op = if op == ChangeOp::Stored { "stored" } else { "deleted" };
            insert =
                insert.bind(seq).bind(location_id).bind(contact_id).bind(record).bind(record_id).bind(op).bind(now_ms);
        }
        insert.execute(write.conn()).await?;
    }
    Ok(())
}

impl Records {
    /// The feed after `cursor`, or from its beginning. The next cursor is always there: nothing new yet gives the same.
    ///
    /// # Errors
    /// [`RecordsError::Cursor`] or [`RecordsError::Database`].
    pub async fn list_changes(&self, cursor: Option<&str>, limit: i64) -> Result<Page<ChangeItem>, RecordsError> {
        let after = match cursor {
            None => 0,
            Some(text) => text.parse::<i64>().map_err(|_| RecordsError::Cursor)?,
        };
        let rows: Vec<(i64, String, String, String, String, String, i64)> =
            sqlx::query_as(sql!("list_changes")).bind(after).bind(limit).fetch_all(&self.pool).await?;
        let item =
            |(seq, location_id, contact_id, record, record_id, op, changed_at): (i64, _, _, _, _, String, i64)| {
                let op = if op == "stored" { ChangeOp::Stored } else { ChangeOp::Deleted };
                ChangeItem { seq, location_id, contact_id, record, record_id, op, changed_at: timestamp(changed_at) }
            };
        let items: Vec<ChangeItem> = rows.into_iter().map(item).collect();
        let last = items.last().map_or(after, |item| item.seq);
        Ok(Page { items, next_cursor: Some(last.to_string()) })
    }
}
