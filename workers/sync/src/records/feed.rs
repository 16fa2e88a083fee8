//! The change feed: which records changed, in the order of the commits.
//!
//! An entry says what to read again and holds no document. A transaction collects its entries in memory and numbers
//! them as its last step before the commit, since the lock on the one counter makes all writers queue up from there on.
//!
//! Whatever readers can see is told here, so this is also where a write about a contact is stopped whose data was
//! erased: the lock puts each write before or after the erasure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ledger::timestamp;
use super::sql::{ROWS, sql, take_batch, with_rows_then};
use super::{Page, Records, RecordsError, Write, erase};

/// What happened to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeOp {
    /// It is new or reads differently.
    Stored,
    /// Readers no longer get it.
    Deleted,
    /// The data of this contact was erased, with all that belongs to it; who keeps a copy erases it too.
    Erased,
}

impl ChangeOp {
    const ALL: [Self; 3] = [Self::Stored, Self::Deleted, Self::Erased];

    fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Deleted => "deleted",
            Self::Erased => "erased",
        }
    }
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
    let (last, erasures): (i64, i64) =
        sqlx::query_as(sql!("count_changes")).bind(count).fetch_one(write.conn()).await?;
    if erasures > 0 {
        let told = changed.iter().filter(|change| change.op != ChangeOp::Erased);
        let told: Vec<_> = told.map(|change| (change.location_id.as_str(), change.contact_id.as_str())).collect();
        if let Some((_, contact_id)) = erase::erased_among(write.conn(), &told).await?.into_iter().next() {
            return Err(RecordsError::Erased { contact_id });
        }
    }
    let now_ms = write.now_ms;
    let numbered: Vec<_> = (last - count + 1..=last).zip(&changed).collect();
    let mut left = numbered.as_slice();
    let mut stored = 0;
    while !left.is_empty() {
        let batch = take_batch(&mut left, ROWS);
        let mut insert = sqlx::query(with_rows_then(sql!("insert_changes"), batch.len(), 7, "on conflict do nothing"));
        for (seq, Changed { location_id, contact_id, record, record_id, op }) in batch {
            insert = insert.bind(seq).bind(location_id).bind(contact_id).bind(record).bind(record_id);
            insert = insert.bind(op.as_str()).bind(now_ms);
        }
        stored += insert.execute(write.conn()).await?.rows_affected();
    }
    match u64::try_from(count) == Ok(stored) {
        true => Ok(()),
        // A number was given twice, which the counter's lock rules out.
        false => Err(RecordsError::Raced),
    }
}

impl Records {
    /// The feed after `cursor`, from its beginning, or from its end ([`LATEST`]). The next cursor is always there:
    /// nothing new yet gives the same.
    ///
    /// # Errors
    /// [`RecordsError::Cursor`] for one that this feed did not hand out, [`RecordsError::Pruned`] for one whose
    /// successors are no longer kept, or [`RecordsError::Database`].
    pub async fn list_changes(&self, cursor: Option<&str>, limit: i64) -> Result<Page<ChangeItem>, RecordsError> {
        let (last, pruned) = self.feed_bounds().await?;
        let after = match cursor {
            None => pruned,
            Some(LATEST) => last,
            Some(text) => text.parse().ok().filter(|after| (0..=last).contains(after)).ok_or(RecordsError::Cursor)?,
        };
        let rows: Vec<(i64, String, String, String, String, String, i64)> =
            sqlx::query_as(sql!("list_changes")).bind(after).bind(limit).fetch_all(&self.pool).await?;
        // Asked after reading: what was pruned meanwhile is no gap that a reader would fail to see.
        let (_, pruned) = self.feed_bounds().await?;
        if after < pruned {
            return Err(RecordsError::Pruned);
        }
        let items: Vec<ChangeItem> = rows.into_iter().filter_map(item).collect();
        let last = items.last().map_or(after, |item| item.seq);
        Ok(Page { items, next_cursor: Some(last.to_string()) })
    }

    /// The number of the newest change.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn last_change(&self) -> Result<i64, RecordsError> {
        Ok(self.feed_bounds().await?.0)
    }

    /// Forgets changes from before `before_ms` since 1970, at most `limit` of them; returns how many.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn prune_changes(&self, before_ms: i64, limit: i64) -> Result<u64, RecordsError> {
        let mut write = self.write().await?;
        let (horizon, pruned): (i64, i64) =
            sqlx::query_as(sql!("feed_horizon")).bind(before_ms).fetch_one(write.conn()).await?;
        let horizon = horizon.min(pruned.saturating_add(limit));
        let deleted = sqlx::query(sql!("prune_changes")).bind(horizon).execute(write.conn()).await?.rows_affected();
        // Last, since all writers queue up at this row.
        sqlx::query(sql!("note_pruned")).bind(horizon).execute(write.conn()).await?;
        write.commit().await?;
        Ok(deleted)
    }

    async fn feed_bounds(&self) -> Result<(i64, i64), RecordsError> {
        Ok(sqlx::query_as(sql!("feed_bounds")).fetch_one(&self.pool).await?)
    }
}

/// The cursor behind the newest change: where a reader begins that has just read all records.
pub const LATEST: &str = "latest";

/// None for an operation of a newer version: a reader of this one could do nothing with it.
fn item(row: (i64, String, String, String, String, String, i64)) -> Option<ChangeItem> {
    let (seq, location_id, contact_id, record, record_id, op, changed_at) = row;
    let op = ChangeOp::ALL.into_iter().find(|known| known.as_str() == op)?;
    Some(ChangeItem { seq, location_id, contact_id, record, record_id, op, changed_at: timestamp(changed_at) })
}
