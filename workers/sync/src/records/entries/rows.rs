//! The row of a task, note or appointment in the table: read, kept from others, written.

use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use sync_model::decide::fields::{fields, object};
use sync_model::decide::last_edits;
use sync_model::decide::merge::Side;
use sync_model::decide::unanswered::Unanswered;
use sync_model::record::{Appointment, Note, Task};

use super::super::history::Part;
use super::super::merging::{self, column};
use super::super::sql::sql;
use super::super::{RecordsError, Write};
use super::{Entry, EntryRow};

/// The document as it is stored: without what the columns hold.
pub(in crate::records) fn text_of<E: Entry>(doc: &E) -> String {
    let mut bare = doc.clone();
    bare.set_ids(None, None, String::new());
    // Structs of texts, numbers and times have no way to fail.
    match doc.read_in() {
        None => serde_json::to_string(&bare).unwrap_or_default(),
        Some(zone) => {
            let mut row = object(&bare);
            row.insert(READ_IN.to_owned(), zone.into());
            Value::Object(row).to_string()
        }
    }
}

/// Where a stored document says in which time zone it was read.
const READ_IN: &str = "readIn";

/// A document as [`text_of`] wrote it.
pub(super) fn read_text<E: Entry>(text: &str) -> serde_json::Result<E> {
    if !text.contains(READ_IN) {
        return serde_json::from_str(text);
    }
    let mut value: Value = serde_json::from_str(text)?;
    let zone = value.as_object_mut().and_then(|row| row.remove(READ_IN));
    let mut doc: E = serde_json::from_value(value)?;
    doc.set_read_in(zone.and_then(|zone| zone.as_str().map(str::to_owned)));
    Ok(doc)
}

pub(in crate::records) async fn find_by_clienty_id<E: Entry>(
    connection: &mut AnyConnection,
    location_id: &str,
    clienty_id: &str,
) -> Result<Option<EntryRow<E>>, RecordsError> {
    find(connection, sql!("find_entry_by_clienty_id"), location_id, clienty_id).await
}

pub(in crate::records) async fn find_by_ghl_id<E: Entry>(
    connection: &mut AnyConnection,
    location_id: &str,
    ghl_id: &str,
) -> Result<Option<EntryRow<E>>, RecordsError> {
    find(connection, sql!("find_entry_by_ghl_id"), location_id, ghl_id).await
}

/// Reads a row and keeps it from others until the commit.
pub(in crate::records) async fn take<E: Entry>(
    write: &mut Write,
    row_id: &str,
) -> Result<Option<EntryRow<E>>, RecordsError> {
    let row = sqlx::query(sql!("take_entry")).bind(E::KIND).bind(row_id).fetch_optional(write.conn()).await?;
    row.as_ref().map(row_of).transpose()
}

/// Gives a row the document that an edit made.
pub(in crate::records) async fn save_edit<E: Entry>(
    write: &mut Write,
    row: &EntryRow<E>,
    doc: &E,
    clienty_id: Option<&str>,
    deletes: bool,
) -> Result<(), RecordsError> {
    let (now_ms, at_ms) = (write.now_ms, write.edited_ms());
    let mut last_edits = row.last_edits.clone();
    last_edits::note(&mut last_edits, &fields(&row.doc), &fields(doc), Side::Clienty, |_| at_ms);
    let edited = sqlx::query(sql!("edit_entry"))
        .bind(text_of(doc))
        .bind(clienty_id)
        .bind(i64::from(deletes))
        .bind(now_ms)
        .bind(&row.row_id)
        .bind(row.revision)
        .bind(column(&merging::edited(&row.edits, &row.doc, doc, at_ms)))
        .bind(column(&last_edits))
        .execute(write.conn())
        .await?;
    if edited.rows_affected() == 0 { Err(RecordsError::Raced) } else { Ok(()) }
}

/// What readers saw of these rows until their contact went.
pub(in crate::records) fn parts_of(rows: &[AnyRow]) -> Result<Vec<Part>, RecordsError> {
    let mut parts = Vec::new();
    for row in rows {
        let (record, id): (String, String) = (row.try_get("kind")?, row.try_get("row_id")?);
        if row.try_get::<i64, _>("was_deleted")? != 0 {
            continue;
        }
        let text: String = row.try_get("doc")?;
        let doc = match record.as_str() {
            Task::KIND => read_text::<Task>(&text).map(|doc| fields(&doc)),
            Note::KIND => read_text::<Note>(&text).map(|doc| fields(&doc)),
            _ => read_text::<Appointment>(&text).map(|doc| fields(&doc)),
        };
        let doc = doc.map_err(|error| RecordsError::corrupt("entries", &id, &error))?;
        parts.push(Part { record, id, doc });
    }
    Ok(parts)
}

/// As [`parts_of`], of a contact that is about to go.
pub(in crate::records) async fn shown_parts(
    write: &mut Write,
    location_id: &str,
    contact_id: &str,
) -> Result<Vec<Part>, RecordsError> {
    let query = sqlx::query(sql!("shown_parts_of_contact")).bind(location_id).bind(contact_id);
    parts_of(&query.fetch_all(write.conn()).await?)
}

async fn find<E: Entry>(
    connection: &mut AnyConnection,
    text: &'static str,
    location_id: &str,
    id: &str,
) -> Result<Option<EntryRow<E>>, RecordsError> {
    let row = sqlx::query(text).bind(E::KIND).bind(location_id).bind(id).fetch_optional(connection).await?;
    row.as_ref().map(row_of).transpose()
}

/// The contact's entries of one kind, deleted ones among them, oldest first.
pub(in crate::records) async fn of_contact<E: Entry>(
    connection: &mut AnyConnection,
    location_id: &str,
    contact_id: &str,
) -> Result<Vec<EntryRow<E>>, RecordsError> {
    let rows = sqlx::query(sql!("entries_of_contact"))
        .bind(location_id)
        .bind(contact_id)
        .bind(E::KIND)
        .fetch_all(connection)
        .await?;
    rows.iter().map(row_of).collect()
}

pub(in crate::records) fn row_of<E: Entry>(row: &AnyRow) -> Result<EntryRow<E>, RecordsError> {
    let row_id: String = row.try_get("row_id")?;
    let contact_id: String = row.try_get("contact_id")?;
    let ghl_id: Option<String> = row.try_get("ghl_id")?;
    let clienty_id: Option<String> = row.try_get("clienty_id")?;
    let parse = |text: String| -> Result<E, RecordsError> {
        let mut doc: E = read_text(&text).map_err(|error| RecordsError::corrupt("entries", &row_id, &error))?;
        doc.set_ids(ghl_id.clone(), clienty_id.clone(), contact_id.clone());
        Ok(doc)
    };
    Ok(EntryRow {
        location_id: row.try_get("location_id")?,
        doc: parse(row.try_get("doc")?)?,
        base: row.try_get::<Option<String>, _>("base")?.map(&parse).transpose()?,
        unanswered: Unanswered {
            asked: merging::read("entries", &row_id, row.try_get("asked")?)?,
            at_ms: row.try_get("asked_at")?,
            looks: row.try_get::<Option<i64>, _>("looks")?.unwrap_or_default(),
        },
        intent: row.try_get::<Option<String>, _>("intent")?.map(&parse).transpose()?,
        intent_at_ms: row.try_get("intent_at")?,
        edits: merging::read("entries", &row_id, row.try_get("edits")?)?,
        fingerprints: merging::read("entries", &row_id, row.try_get("prints")?)?,
        sync: merging::read("entries", &row_id, row.try_get("sync")?)?,
        deleted: row.try_get::<i64, _>("deleted")? != 0,
        revision: row.try_get("revision")?,
        last_edits: merging::read("entries", &row_id, row.try_get("last_edits")?)?,
        row_id,
        contact_id,
        ghl_id,
        clienty_id,
    })
}
