//! Notices: what happened to the system and to no record, such as a job that died. Hooks send them;
//! the change feed does not list them.
//!
//! A notice is written by the transaction of what it is about, so there is neither without the
//! other. It has ids, names and numbers, and never a value of a record: it outlives an erasure.
//!
//! Notices have a counter of their own: the numbers of the feed have no gap. The trap is the order
//! of locks: the counter is a row that all writers of notices wait for, so it is taken last of all,
//! after the feed's counter and the end of the audit.

use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::feed::Cause;
use super::ledger::timestamp;
use super::sql::{Marks, ROWS, sql, with_rows};
use super::{Records, RecordsError, Write};

pub use self::locations::Turn;

mod locations;

/// Notices that are looked through for samples.
const LATELY: i64 = 10_000;

/// Something to report.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    event: String,
    location_id: Option<String>,
    contact_id: Option<String>,
    record: &'static str,
    record_id: String,
    details: Value,
    cause: Cause,
}

impl Notice {
    /// The event of that name, about the thing of that kind and id.
    pub(super) fn new(event: impl Into<String>, record: &'static str, record_id: impl Into<String>) -> Self {
        Self {
            event: event.into(),
            location_id: None,
            contact_id: None,
            record,
            record_id: record_id.into(),
            details: json!({}),
            cause: Cause::default(),
        }
    }

    /// The location that it concerns.
    pub(super) fn at(self, location_id: impl Into<String>) -> Self {
        Self { location_id: Some(location_id.into()), ..self }
    }

    /// The contact that it concerns.
    pub(super) fn of(self, contact_id: impl Into<String>) -> Self {
        Self { contact_id: Some(contact_id.into()), ..self }
    }

    /// More about it: ids, names and numbers.
    pub(super) fn with(self, details: Value) -> Self {
        Self { details, ..self }
    }
}

/// A notice that was written.
#[derive(Debug, Clone, PartialEq)]
pub struct NoticeItem {
    /// Its place among the notices; greater than that of every one committed before.
    pub seq: i64,
    /// The event.
    pub event: String,
    /// GHL's location id; none for what concerns no single location.
    pub location_id: Option<String>,
    /// The contact that it concerns.
    pub contact_id: Option<String>,
    /// What kind of thing it is about.
    pub record: String,
    /// Which one.
    pub record_id: String,
    /// Ids, names and numbers.
    pub details: Value,
    /// When.
    pub at: Timestamp,
}

impl Write {
    /// Has a notice written with the transaction, caused by whatever it is doing now.
    pub(super) fn notice(&mut self, notice: Notice) {
        let cause = self.cause.clone();
        self.notices.push(Notice { cause, ..notice });
    }
}

/// Numbers and stores what the transaction reports, as the very last that it does.
pub(super) async fn append(write: &mut Write) -> Result<(), RecordsError> {
    const HEAD: &str = "insert into notices \
         (seq, event, location_id, contact_id, record, record_id, details, caused_by, key_id, at) values ";
    let notices = std::mem::take(&mut write.notices);
    let Ok(count @ 1..) = i64::try_from(notices.len()) else { return Ok(()) };
    let extend = sqlx::query_scalar("update notice_counter set last = last + $1 returning last").bind(count);
    let last: i64 = extend.fetch_one(write.conn()).await?;
    let (now_ms, mut seq) = (write.now_ms, last - count);
    let marks = Marks::of(write.conn());
    let mut left = notices.as_slice();
    while !left.is_empty() {
        // Whole batches or single rows: a connection prepares each text once.
        let (batch, rest) = left.split_at(if left.len() >= ROWS { ROWS } else { 1 });
        left = rest;
        let mut insert = sqlx::query(with_rows(marks, HEAD, batch.len(), 10));
        for Notice { event, location_id, contact_id, record, record_id, details, cause } in batch {
            seq += 1;
            insert = insert.bind(seq).bind(event).bind(location_id).bind(contact_id).bind(*record).bind(record_id);
            insert = insert.bind(details.to_string()).bind(&cause.job).bind(&cause.key).bind(now_ms);
        }
        insert.execute(write.conn()).await?;
    }
    Ok(())
}

/// Notices after one place and up to another, at most `limit` of them.
pub(super) async fn after(
    write: &mut Write,
    after: i64,
    end: i64,
    limit: i64,
) -> Result<Vec<NoticeItem>, RecordsError> {
    let query = sqlx::query(sql!("list_notices")).bind(after).bind(end).bind(limit);
    query.fetch_all(write.conn()).await?.iter().map(item).collect()
}

impl Records {
    /// The newest notices of an event that the principal sees, newest first.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn newest_notices(
        &self,
        event: &str,
        location_id: Option<&str>,
        limit: i64,
    ) -> Result<Vec<NoticeItem>, RecordsError> {
        let last: i64 = sqlx::query_scalar("select last from notice_counter").fetch_one(&self.pool).await?;
        let query = sqlx::query(sql!("newest_notices")).bind(last - LATELY).bind(event).bind(location_id);
        let rows = query.bind(self.scope()).bind(limit).fetch_all(&self.pool).await?;
        rows.iter().map(item).collect()
    }
}

fn item(row: &AnyRow) -> Result<NoticeItem, RecordsError> {
    let (seq, details): (i64, String) = (row.try_get("seq")?, row.try_get("details")?);
    let details = serde_json::from_str(&details);
    Ok(NoticeItem {
        seq,
        event: row.try_get("event")?,
        location_id: row.try_get("location_id")?,
        contact_id: row.try_get("contact_id")?,
        record: row.try_get("record")?,
        record_id: row.try_get("record_id")?,
        details: details.map_err(|error| RecordsError::corrupt("notices", &seq.to_string(), &error))?,
        at: timestamp(row.try_get("at")?),
    })
}
