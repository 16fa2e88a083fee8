//! What readers get: one contact with everything that belongs to it, or a page of contacts.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sync_model::decide::absent::Unread;
use sync_model::decide::fields::names;
use sync_model::decide::sync_status::SyncStatus;
use sync_model::record::{Appointment, Contact, Note, Task, TaskStatus};

use super::custom_fields::{Naming, show_keys};
use super::entries::{self, Entry};
use super::ledger::timestamp;
use super::missing::MissingPart;
use super::sql::sql;
use super::{ContactRow, Enrichment, Records, RecordsError, contacts, context, enrichments, missing};

/// A record as readers get it. A deleted one, which they get only where they ask for it, reads as it last did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown<T> {
    /// The record.
    #[serde(flatten)]
    pub record: T,
    /// When it was deleted, on either side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// The same for as long as the record lives; the change feed names it so.
    pub record_id: String,
    /// How far GHL has it.
    pub sync: SyncStatus,
    /// Fields of a contact whose value GHL has not shown yet.
    #[serde(default, skip_serializing_if = "Unread::is_empty")]
    pub unread: Unread,
}

/// A contact with its tasks, notes and appointments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContactView {
    /// The contact.
    pub contact: Shown<Contact>,
    /// In the order in which they became known here.
    pub tasks: Vec<Shown<TaskView>>,
    /// In the order in which they became known here.
    pub notes: Vec<Shown<Note>>,
    /// By start time.
    pub appointments: Vec<Shown<Appointment>>,
    /// When GHL's answer was last stored; none where GHL has yet to get the contact.
    pub synced_at: Option<Timestamp>,
    /// The parts that GHL did not give when they were last asked for: what stands above of them may be old or empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingPart>,
    /// Fields of the contact that read as enrichment filled them, and where each value came from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enrichment: Vec<Enrichment>,
}

/// A task and whether it still waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskView {
    /// The task.
    #[serde(flatten)]
    pub task: Task,
    /// As of the moment of reading.
    pub status: TaskStatus,
}

/// Which contacts to list.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Contacts of one page at most; at least 1.
    pub limit: u32,
    /// Where the page before ended.
    pub cursor: Option<String>,
    /// Looked for in name, e-mail and phone, ignoring case.
    pub query: Option<String>,
    /// Only those whose `dateUpdated` is not before.
    pub updated_since: Option<Timestamp>,
    /// Deleted ones as well.
    pub include_deleted: bool,
}

/// A page, and where the next one begins.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// What it holds.
    pub items: Vec<T>,
    /// None after the last page.
    pub next_cursor: Option<String>,
}

impl Records {
    /// The unified view of a contact; none where it is unknown or gone.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn contact_view(&self, location_id: &str, contact_id: &str) -> Result<Option<ContactView>, RecordsError> {
        self.view(location_id, contact_id, false).await
    }

    /// As [`Records::contact_view`], with what was deleted; none where the contact is unknown.
    ///
    /// # Errors
    /// See [`Records::contact_view`].
    pub async fn view_with_deleted(
        &self,
        location_id: &str,
        contact_id: &str,
    ) -> Result<Option<ContactView>, RecordsError> {
        self.view(location_id, contact_id, true).await
    }

    async fn view(
        &self,
        location_id: &str,
        contact_id: &str,
        deleted: bool,
    ) -> Result<Option<ContactView>, RecordsError> {
        let mut connection = self.pool.acquire().await?;
        let contact = match contacts::find_by_any_id(&mut connection, location_id, contact_id).await? {
            Some(contact) => Some(contact).filter(|contact| deleted || contact.is_visible()),
            // The parts of a contact that was not fetched yet are shown all the same.
            None => hangs_on(&mut connection, location_id, contact_id).await?,
        };
        let Some(contact) = contact else { return Ok(None) };
        let contact_id = &contact.contact_id.clone();
        let mut gone: HashMap<String, i64> = HashMap::new();
        if deleted {
            let rows: Vec<(String, i64)> = sqlx::query_as(sql!("deleted_entries"))
                .bind(location_id)
                .bind(contact_id)
                .fetch_all(&mut *connection)
                .await?;
            gone.extend(rows);
        }
        let zone = context::time_zone_of(&mut connection, location_id).await?;
        let zone = zone.as_deref();
        let tasks: Vec<Shown<Task>> =
            shown_entries(entries::of_contact(&mut connection, location_id, contact_id).await?, &gone, zone);
        let notes = shown_entries(entries::of_contact(&mut connection, location_id, contact_id).await?, &gone, zone);
        let mut appointments: Vec<Shown<Appointment>> =
            shown_entries(entries::of_contact(&mut connection, location_id, contact_id).await?, &gone, zone);
        appointments.sort_by(|Shown { record: a, .. }, Shown { record: b, .. }| {
            (a.start_time, &a.appointment_id).cmp(&(b.start_time, &b.appointment_id))
        });
        let missing = missing::of_contact(&mut connection, location_id, contact_id).await?;
        let enriched = enrichments::of_contact(&mut connection, location_id, contact_id).await?;
        drop(connection);
        let naming = self.naming(location_id).await?;
        let enrichment = enrichments::in_force(&contact, enriched, &naming.keys);
        let now = self.clock.now();
        let with_status = |Shown { record: task, deleted_at, record_id, sync, unread }: Shown<Task>| Shown {
            record: TaskView { status: task.status(now), task },
            deleted_at,
            record_id,
            sync,
            unread,
        };
        let synced_at = contact.synced_at_ms;
        Ok(Some(ContactView {
            contact: contact_of(contact, &naming, &missing),
            tasks: tasks.into_iter().map(with_status).collect(),
            notes,
            appointments,
            synced_at: (synced_at > 0).then(|| timestamp(synced_at)),
            missing,
            enrichment,
        }))
    }

    /// The contacts of a location, by id. The id never changes, so a contact that was there all along is on exactly one
    /// page, whatever is written between two of them.
    ///
    /// # Errors
    /// [`RecordsError::Cursor`], [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn list_contacts(
        &self,
        location_id: &str,
        query: &ListQuery,
    ) -> Result<Page<Shown<Contact>>, RecordsError> {
        let ListQuery { limit, cursor, query, updated_since, include_deleted } = query;
        let limit = usize::try_from((*limit).max(1)).unwrap_or(usize::MAX);
        let after = cursor.as_deref().map(decode_cursor).transpose()?.unwrap_or_default();
        let rows = sqlx::query(sql!("list_contacts"))
            .bind(location_id)
            .bind(after)
            .bind(query.as_deref().map(pattern))
            .bind(updated_since.map(Timestamp::as_millisecond))
            // One more than requested shows whether there is a next page.
            .bind(i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1)
            .bind(i64::from(*include_deleted))
            .fetch_all(&self.pool)
            .await?;
        let more = rows.len() > limit;
        let rows = rows.iter().take(limit).map(contacts::row_of).collect::<Result<Vec<_>, _>>()?;
        let next_cursor = rows.last().filter(|_| more).map(|row| URL_SAFE_NO_PAD.encode(&row.contact_id));
        let naming = self.naming(location_id).await?;
        let missing = self.missing_of(location_id, &rows).await?;
        let of = |row: ContactRow| {
            let missing = missing.get(&row.contact_id).map(Vec::as_slice).unwrap_or_default();
            contact_of(row, &naming, missing)
        };
        Ok(Page { items: rows.into_iter().map(of).collect(), next_cursor })
    }
}

impl Records {
    /// The missing parts of these contacts. Most locations miss nothing, which one query shows.
    async fn missing_of(
        &self,
        location_id: &str,
        rows: &[ContactRow],
    ) -> Result<HashMap<String, Vec<MissingPart>>, RecordsError> {
        let mut connection = self.pool.acquire().await?;
        let mut missing = HashMap::new();
        if missing::has_any(&mut connection, location_id).await? {
            for row in rows {
                let parts = missing::of_contact(&mut connection, location_id, &row.contact_id).await?;
                missing.insert(row.contact_id.clone(), parts);
            }
        }
        Ok(missing)
    }
}

/// A contact of which nothing is known but that something hangs on it; none where nothing does.
async fn hangs_on(
    connection: &mut sqlx::AnyConnection,
    location_id: &str,
    contact_id: &str,
) -> Result<Option<ContactRow>, RecordsError> {
    let query = sqlx::query_scalar(sql!("count_entries_of_contact")).bind(location_id).bind(contact_id);
    let there: i64 = query.fetch_one(connection).await?;
    let row = contacts::bare(location_id, contact_id);
    let (base, unread) = (Some(row.doc.clone()), names::<Contact>().into_iter().collect());
    // It has no pending write, and nothing was read.
    Ok((there > 0).then_some(ContactRow { base, unread, synced_at_ms: UNFETCHED_MS, ..row }))
}

/// When a contact was synced that was never fetched: not before 1970, nor at any other time.
const UNFETCHED_MS: i64 = -1;

/// The entries that are there, and those that went at one of the times in `gone`, by row id; `zone` is the location's.
fn shown_entries<E: Entry>(
    rows: Vec<entries::EntryRow<E>>,
    gone: &HashMap<String, i64>,
    zone: Option<&str>,
) -> Vec<Shown<E>> {
    rows.into_iter().filter_map(|row| shown_entry(row, gone, zone)).collect()
}

/// One of [`shown_entries`].
pub(super) fn shown_entry<E: Entry>(
    row: entries::EntryRow<E>,
    gone: &HashMap<String, i64>,
    zone: Option<&str>,
) -> Option<Shown<E>> {
    let deleted_at = gone.get(&row.row_id).copied();
    let is_there = !row.deleted || deleted_at.is_some();
    let deleted_at = deleted_at.filter(|_| row.deleted).map(timestamp);
    let (sync, mut unread) = (row.status(), context::unread_since(row.base.as_ref(), zone));
    let (record_id, mut record) = (row.row_id, row.doc);
    unread.append(&mut record.take_unread());
    is_there.then(|| Shown { sync, record_id, unread, record, deleted_at })
}

fn decode_cursor(cursor: &str) -> Result<String, RecordsError> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| RecordsError::Cursor)?;
    let id = String::from_utf8(bytes).map_err(|_| RecordsError::Cursor)?;
    if id.contains('\0') { Err(RecordsError::Cursor) } else { Ok(id) }
}

/// The `like` pattern for a text that occurs anywhere; what `like` would read as a wildcard is escaped.
fn pattern(query: &str) -> String {
    let mut pattern = String::from("%");
    for letter in query.trim().to_lowercase().chars().filter(|letter| *letter != '\0') {
        if matches!(letter, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

pub(super) fn contact_of(row: ContactRow, naming: &Naming, missing: &[MissingPart]) -> Shown<Contact> {
    let (mut sync, deleted_at) = (row.status(), row.deleted_at_ms.map(timestamp));
    let ContactRow { row_id: record_id, doc: mut record, unread, .. } = row;
    show_keys(&mut record, naming);
    sync.missing = missing.iter().map(|missing| missing.part).collect();
    Shown { record, deleted_at, record_id, sync, unread }
}
