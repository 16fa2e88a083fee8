//! A contact's row in the table: read, kept from others, written.

use std::collections::{BTreeMap, HashSet};

use sqlx::Row;
use sqlx::any::AnyRow;
use sync_model::decide::absent::Unread;
use sync_model::decide::echo::Fingerprints;
use sync_model::decide::last_edits::LastEdits;
use sync_model::decide::merge::Side;
use sync_model::decide::same::Habits;
use sync_model::decide::unanswered::Unanswered;
use sync_model::record::Contact;

use super::super::ledger::timestamp;
use super::super::merging::{self, column};
use super::super::sql::{Marks, ROWS, sql, take_batch, take_exactly, with_rows_then};
use super::super::{RecordsError, Write};
use super::ContactRow;

/// A row without content.
pub(in crate::records) fn bare(location_id: &str, contact_id: &str) -> ContactRow {
    ContactRow {
        row_id: contact_id.to_owned(),
        location_id: location_id.to_owned(),
        contact_id: contact_id.to_owned(),
        clienty_id: None,
        doc: Contact { id: contact_id.to_owned(), ..Contact::default() },
        base: None,
        edits: BTreeMap::new(),
        fingerprints: Fingerprints::default(),
        sync: None,
        unanswered: Unanswered::default(),
        intent: None,
        intent_at_ms: None,
        deleted_at_ms: None,
        synced_at_ms: 0,
        revision: 1,
        received_at: None,
        unread: Unread::new(),
        created_by: None,
        last_edits: LastEdits::new(),
    }
}

/// The id under which the contact is kept that is known as `id`.
pub(in crate::records) async fn resolve(
    connection: &mut sqlx::AnyConnection,
    location_id: &str,
    id: &str,
) -> Result<String, RecordsError> {
    let known: Option<String> =
        sqlx::query_scalar(sql!("contact_alias")).bind(location_id).bind(id).fetch_optional(connection).await?;
    Ok(known.unwrap_or_else(|| id.to_owned()))
}

pub(in crate::records) async fn save_alias(
    write: &mut Write,
    location_id: &str,
    alias: &str,
    contact_id: &str,
) -> Result<(), RecordsError> {
    sqlx::query(sql!("save_alias")).bind(location_id).bind(alias).bind(contact_id).execute(write.conn()).await?;
    Ok(())
}

pub(in crate::records) async fn find(
    connection: &mut sqlx::AnyConnection,
    location_id: &str,
    contact_id: &str,
) -> Result<Option<ContactRow>, RecordsError> {
    let row = sqlx::query(sql!("find_contact")).bind(location_id).bind(contact_id).fetch_optional(connection).await?;
    row.as_ref().map(row_of).transpose()
}

/// The row that is known by the id, whichever of its ids that is. One that gets GHL's id between the two looks is looked for once more.
pub(in crate::records) async fn find_by_any_id(
    connection: &mut sqlx::AnyConnection,
    location_id: &str,
    id: &str,
) -> Result<Option<ContactRow>, RecordsError> {
    let known = resolve(connection, location_id, id).await?;
    if let Some(row) = find(connection, location_id, &known).await? {
        return Ok(Some(row));
    }
    match resolve(connection, location_id, id).await? {
        now if now != known => find(connection, location_id, &now).await,
        _ => Ok(None),
    }
}

/// As [`find`], and keeps the row from others until the commit.
pub(in crate::records) async fn lock(
    write: &mut Write,
    location_id: &str,
    contact_id: &str,
) -> Result<Option<ContactRow>, RecordsError> {
    // PostgreSQL plans it again each time: see `look_up_pairs`.
    let row = sqlx::query(sql!("lock_contact"))
        .persistent(write.sqlite)
        .bind(location_id)
        .bind(contact_id)
        .fetch_optional(write.conn())
        .await?;
    row.as_ref().map(row_of).transpose()
}

/// Reads a row to change it, and keeps it from others until the commit.
pub(in crate::records) async fn take(
    write: &mut Write,
    location_id: &str,
    row_id: &str,
) -> Result<Option<ContactRow>, RecordsError> {
    let row = sqlx::query(sql!("take_contact")).bind(location_id).bind(row_id).fetch_optional(write.conn()).await?;
    row.as_ref().map(row_of).transpose()
}

/// Whether the row is new.
pub(in crate::records) async fn insert(write: &mut Write, row: &ContactRow) -> Result<bool, RecordsError> {
    Ok(!insert_all(write, &[(None, row.clone())]).await?.is_empty())
}

/// Inserts rows, each with the scan that has seen it; the locations and contact ids of those that are new.
pub(in crate::records) async fn insert_all(
    write: &mut Write,
    rows: &[(Option<String>, ContactRow)],
) -> Result<HashSet<(String, String)>, RecordsError> {
    let now_ms = write.now_ms;
    let mut new = HashSet::new();
    let marks = Marks::of(write.conn());
    let mut left = rows;
    while !left.is_empty() {
        // A statement costs PostgreSQL more than a few rows that are passed twice, and SQLite less.
        let batch = match marks {
            Marks::Numbered => take_batch(&mut left, ROWS),
            Marks::Plain => take_exactly(&mut left).iter().collect(),
        };
        let text = with_rows_then(marks, sql!("insert_contacts"), batch.len(), 19, sql!("insert_contacts_tail"));
        let mut query = sqlx::query_as(text);
        for (seen_scan, row) in batch {
            query = query
                .bind(&row.location_id)
                .bind(&row.contact_id)
                .bind(&row.row_id)
                .bind(&row.clienty_id)
                .bind(document(&row.doc))
                .bind(row.base.as_ref().map(document))
                .bind(column(&row.edits))
                .bind(column(&row.fingerprints))
                .bind(column(&row.sync))
                .bind(search_text(&row.doc))
                .bind(updated_ms(&row.doc, now_ms))
                .bind(row.synced_at_ms)
                .bind(now_ms)
                .bind(1_i64)
                .bind(row.deleted_at_ms)
                .bind(seen_scan)
                .bind(column(&row.unread))
                .bind(row.created_by.map(Side::as_str))
                .bind(column(&row.last_edits));
        }
        new.extend(query.fetch_all(write.conn()).await?);
    }
    Ok(new)
}

/// Writes a row that was read at `row.revision`. `shows`: readers see a difference.
pub(in crate::records) async fn save(write: &mut Write, row: &ContactRow, shows: bool) -> Result<(), RecordsError> {
    let now_ms = write.now_ms;
    let saved = sqlx::query(sql!("save_contact"))
        .bind(&row.location_id)
        .bind(&row.row_id)
        .bind(row.revision)
        .bind(&row.contact_id)
        .bind(&row.clienty_id)
        .bind(document(&row.doc))
        .bind(row.base.as_ref().map(document))
        .bind(column(&row.edits))
        .bind(column(&row.fingerprints))
        .bind(column(&row.sync))
        .bind(search_text(&row.doc))
        .bind(updated_ms(&row.doc, now_ms))
        .bind(row.synced_at_ms)
        .bind(i64::from(shows))
        .bind(now_ms)
        .bind(row.deleted_at_ms)
        .bind(row.intent.as_ref().map(document))
        .bind(row.intent_at_ms)
        .bind(column(&row.unanswered.asked))
        .bind(column(&row.unread))
        .bind(row.unanswered.at_ms)
        .bind(row.unanswered.looks)
        .bind(row.created_by.map(Side::as_str))
        .bind(column(&row.last_edits))
        .execute(write.conn())
        .await?;
    if saved.rows_affected() == 0 { Err(RecordsError::Raced) } else { Ok(()) }
}

fn updated_ms(contact: &Contact, now_ms: i64) -> i64 {
    contact.date_updated.or(contact.date_added).map_or(now_ms, |at| at.as_millisecond())
}

pub(in crate::records) fn document(contact: &Contact) -> String {
    // A struct of texts, numbers and times has no way to fail.
    serde_json::to_string(contact).unwrap_or_default()
}

/// What a query is looked for in. PostgreSQL keeps no NUL in a text.
fn search_text(contact: &Contact) -> String {
    let parts = [&contact.name, &contact.email, &contact.phone];
    let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    parts.join(" ").to_lowercase().replace('\0', "")
}

pub(in crate::records) fn row_of(row: &AnyRow) -> Result<ContactRow, RecordsError> {
    let row_id: String = row.try_get("row_id")?;
    let contact_id: String = row.try_get("contact_id")?;
    let clienty_id: Option<String> = row.try_get("clienty_id")?;
    let parse = |text: String| -> Result<Contact, RecordsError> {
        let doc: Contact =
            serde_json::from_str(&text).map_err(|error| RecordsError::corrupt("contacts", &row_id, &error))?;
        Ok(Contact { id: contact_id.clone(), clienty_contact_id: clienty_id.clone(), ..doc })
    };
    let (country, kinds): (Option<String>, Option<String>) = (row.try_get("country")?, row.try_get("field_kinds")?);
    let habits = Habits::of(country.as_deref(), kinds.as_deref());
    Ok(ContactRow {
        location_id: row.try_get("location_id")?,
        doc: parse(row.try_get("doc")?)?,
        base: row.try_get::<Option<String>, _>("base")?.map(&parse).transpose()?,
        edits: merging::read("contacts", &row_id, row.try_get("edits")?)?,
        fingerprints: merging::read::<Fingerprints>("contacts", &row_id, row.try_get("prints")?)?.in_location(habits),
        sync: merging::read("contacts", &row_id, row.try_get("sync")?)?,
        unanswered: Unanswered {
            asked: merging::read("contacts", &row_id, row.try_get("asked")?)?,
            at_ms: row.try_get("asked_at")?,
            looks: row.try_get::<Option<i64>, _>("looks")?.unwrap_or_default(),
        },
        intent: row.try_get::<Option<String>, _>("intent")?.map(&parse).transpose()?,
        intent_at_ms: row.try_get("intent_at")?,
        deleted_at_ms: row.try_get("deleted_at")?,
        synced_at_ms: row.try_get("synced_at")?,
        revision: row.try_get("revision")?,
        received_at: row.try_get::<Option<i64>, _>("heard_at")?.map(timestamp),
        unread: merging::read("contacts", &row_id, row.try_get("unread")?)?,
        created_by: row.try_get::<Option<String>, _>("created_by")?.as_deref().and_then(Side::parse),
        last_edits: merging::read("contacts", &row_id, row.try_get("last_edits")?)?,
        row_id,
        contact_id,
        clienty_id,
    })
}
