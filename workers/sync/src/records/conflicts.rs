//! Fields that both sides edited: kept to look at, and to undo.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::any::AnyRow;
use sync_model::decide::echo::Fingerprints;
use sync_model::decide::fields::{self, Record, fields, with_fields};
use sync_model::decide::merge;
use sync_model::record::{Appointment, Note, Task};
use uuid::Uuid;

use super::change::{Applied, Unapplied, refuse};
use super::contacts::{self, ContactRow};
use super::entries::{self, Entry, EntryRow};
use super::ledger::timestamp;
use super::merging::{self, json as column};
use super::notices::Notice;
use super::sql::sql;
use super::{Page, Records, RecordsError, Write};

/// A conflict as people look at it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptConflict {
    /// UUID v7.
    pub id: String,
    /// GHL's location id.
    pub location_id: String,
    /// The contact it belongs to.
    pub contact_id: String,
    /// `contact`, `task`, `note` or `appointment`.
    pub record: String,
    /// Of the record; the record id of its push jobs.
    #[serde(skip)]
    pub row_id: String,
    /// The field's name within the record.
    pub field: String,
    /// What both agreed on last; null for nothing.
    pub base: Value,
    /// What Clienty made of it.
    pub ours: Value,
    /// What GHL made of it.
    pub theirs: Value,
    /// `clienty` or `ghl`: whose value the record got.
    pub winner: String,
    /// When it was edited here.
    pub ours_at: Option<Timestamp>,
    /// When it was edited in GHL; null where GHL reported no time of it, and Clienty's edit counted as the newer one.
    pub theirs_at: Option<Timestamp>,
    /// When it was found.
    pub found_at: Timestamp,
    /// When a person took it back.
    pub undone_at: Option<Timestamp>,
}

impl Records {
    /// The conflicts of a location, newest first; of one contact where it is named.
    ///
    /// # Errors
    /// [`RecordsError::Cursor`], [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn list_conflicts(
        &self,
        location_id: &str,
        contact_id: Option<&str>,
        cursor: Option<&str>,
        limit: i64,
    ) -> Result<Page<KeptConflict>, RecordsError> {
        if cursor.is_some_and(|cursor| Uuid::parse_str(cursor).is_err()) {
            return Err(RecordsError::Cursor);
        }
        let mut rows = sqlx::query(sql!("list_conflicts"))
            .bind(location_id)
            .bind(cursor)
            .bind(contact_id)
            .bind(limit.saturating_add(1))
            .fetch_all(&self.pool)
            .await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let items = rows.iter().map(conflict_of).collect::<Result<Vec<_>, _>>()?;
        let next_cursor = items.last().filter(|_| more).map(|conflict| conflict.id.clone());
        Ok(Page { items, next_cursor })
    }

    /// One conflict of a location.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn conflict(&self, location_id: &str, id: &str) -> Result<Option<KeptConflict>, RecordsError> {
        let row = sqlx::query(sql!("conflict")).bind(location_id).bind(id).fetch_optional(&self.pool).await?;
        row.as_ref().map(conflict_of).transpose()
    }
}

/// Keeps what a merge of the record of `row_id` had to decide.
pub(super) async fn keep(
    write: &mut Write,
    location_id: &str,
    contact_id: &str,
    record: &str,
    row_id: &str,
    conflicts: &[merge::Conflict],
) -> Result<(), RecordsError> {
    let now_ms = write.now_ms;
    for merge::Conflict { field, base, ours, theirs, winner, ours_at, theirs_at } in conflicts {
        let id = Uuid::now_v7().to_string();
        let about = json!({"record": record, "recordId": row_id, "field": field, "winner": winner.as_str()});
        write.notice(Notice::new("conflict.found", "conflict", &id).at(location_id).of(contact_id).with(about));
        sqlx::query(sql!("insert_conflict"))
            .bind(id)
            .bind(location_id)
            .bind(contact_id)
            .bind(record)
            .bind(row_id)
            .bind(field)
            .bind(column(base))
            .bind(column(ours))
            .bind(column(theirs))
            .bind(winner.as_str())
            .bind(now_ms)
            .bind(*ours_at)
            .bind(theirs_at.map(Timestamp::as_millisecond))
            .execute(write.conn())
            .await?;
    }
    Ok(())
}

/// Gives the record the value that lost, as an edit of now, and returns its row id: the record of the pending push.
pub(super) async fn undo(write: &mut Write, location_id: &str, id: &str) -> Result<Applied, Unapplied> {
    let row = sqlx::query(sql!("conflict")).bind(location_id).bind(id).fetch_optional(write.conn()).await?;
    let Some(conflict) = row.as_ref().map(conflict_of).transpose()? else {
        return refuse("id", "no conflict of that id is known");
    };
    let marked = sqlx::query(sql!("undo_conflict")).bind(write.now_ms).bind(id).execute(write.conn()).await?;
    if marked.rows_affected() == 0 {
        return refuse("id", "the conflict was undone before");
    }
    match conflict.record.as_str() {
        Task::NAME => undo_entry::<Task>(write, &conflict).await?,
        Note::NAME => undo_entry::<Note>(write, &conflict).await?,
        Appointment::NAME => undo_entry::<Appointment>(write, &conflict).await?,
        _ => undo_contact(write, &conflict).await?,
    }
    Ok(Applied { record_id: conflict.row_id, contact_id: Some(conflict.contact_id), edited: None })
}

impl KeptConflict {
    /// `record` with the value that lost, unless the one that won has been edited since. That GHL wrote it in a form of its own, as `prints` know, is
    /// no edit.
    fn taken_back<R: Record>(&self, record: &R, fingerprints: &Fingerprints) -> Result<R, Unapplied> {
        let (won, lost) = if self.winner == "ghl" { (&self.theirs, &self.ours) } else { (&self.ours, &self.theirs) };
        let mut now = fields(record);
        for name in self.names::<R>() {
            let of = |value: &Value| if self.is_of_several::<R>() { value[name].clone() } else { value.clone() };
            if !fingerprints.same(name, &of(won), &fields::value(&now, name)) {
                return refuse("id", "the field was edited since; edit it again instead");
            }
            fields::set(&mut now, name, of(lost));
        }
        let taken_back = with_fields(record, &now);
        match taken_back.mistake().filter(|_| record.mistake().is_none()) {
            Some((_, message)) => refuse("id", format!("what it would give back can't be: {message}")),
            None => Ok(taken_back),
        }
    }

    /// The fields that it is about. Conflicts of earlier versions are about one field each.
    fn names<R: Record>(&self) -> Vec<&str> {
        if self.is_of_several::<R>() { R::TOGETHER.to_vec() } else { vec![&self.field] }
    }

    fn is_of_several<R: Record>(&self) -> bool {
        R::TOGETHER.contains(&self.field.as_str())
            && [&self.base, &self.ours, &self.theirs].iter().any(|one| one.is_object())
    }
}

async fn undo_entry<E: Entry>(write: &mut Write, conflict: &KeptConflict) -> Result<(), Unapplied> {
    let Some(row) = entries::take::<E>(write, &conflict.row_id).await?.filter(|row| !row.deleted) else {
        return refuse("id", format!("the {} is gone", E::KIND));
    };
    let doc = conflict.taken_back(&row.doc, &row.fingerprints)?;
    entries::save_edit(write, &row, &doc, row.clienty_id.as_deref(), false).await?;
    let before = row.doc.clone();
    let edits = merging::edited(&row.edits, &before, &doc, write.now_ms);
    write.report(EntryRow { doc, edits, ..row }.stored(Some(&before)));
    Ok(())
}

async fn undo_contact(write: &mut Write, conflict: &KeptConflict) -> Result<(), Unapplied> {
    let row = contacts::take(write, &conflict.location_id, &conflict.row_id).await?;
    let Some(mut row) = row.filter(ContactRow::is_visible) else { return refuse("id", "the contact is gone") };
    let doc = conflict.taken_back(&row.doc, &row.fingerprints)?;
    row.edits = merging::edited(&row.edits, &row.doc, &doc, write.now_ms);
    let before = std::mem::replace(&mut row.doc, doc);
    contacts::save(write, &row, true).await?;
    write.report(row.stored(Some(&before)));
    Ok(())
}

pub(super) fn conflict_of(row: &AnyRow) -> Result<KeptConflict, RecordsError> {
    let id: String = row.try_get("id")?;
    let value = |column: &str| -> Result<Value, RecordsError> {
        merging::read("conflicts", &id, Some(row.try_get::<String, _>(column)?))
    };
    Ok(KeptConflict {
        location_id: row.try_get("location_id")?,
        contact_id: row.try_get("contact_id")?,
        record: row.try_get("record")?,
        row_id: row.try_get("row_id")?,
        field: row.try_get("field")?,
        base: value("base")?,
        ours: value("ours")?,
        theirs: value("theirs")?,
        winner: row.try_get("winner")?,
        ours_at: row.try_get::<Option<i64>, _>("ours_at")?.map(timestamp),
        theirs_at: row.try_get::<Option<i64>, _>("theirs_at")?.map(timestamp),
        found_at: timestamp(row.try_get("found_at")?),
        undone_at: row.try_get::<Option<i64>, _>("undone_at")?.map(timestamp),
        id,
    })
}
