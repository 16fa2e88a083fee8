//! What readers get: one contact with everything that belongs to it, or a page of contacts.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::custom_fields::show_keys;
use super::entries::{self, Entry};
use super::ledger::timestamp;
use super::model::{Appointment, Contact, Note, Task, TaskStatus};
use super::sql::sql;
use super::{Records, RecordsError, contacts, merging};
use crate::decide::verify::SyncState;

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
    /// How its last write to GHL ended; none for one that was only read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncState>,
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
        let contact_id = &contacts::resolve(&mut connection, location_id, contact_id).await?;
        let contact: Option<(String, i64, Option<i64>, Option<String>)> = sqlx::query_as(sql!("contact"))
            .bind(location_id)
            .bind(contact_id)
            .bind(i64::from(deleted))
            .fetch_optional(&mut *connection)
            .await?;
        let Some((doc, synced_at, deleted_at, sync)) = contact else {
            return Ok(None);
        };
        let mut gone: HashMap<String, i64> = HashMap::new();
        if deleted {
            let rows: Vec<(String, i64)> = sqlx::query_as(sql!("deleted_entries"))
                .bind(location_id)
                .bind(contact_id)
                .fetch_all(&mut *connection)
                .await?;
            gone.extend(rows);
        }
        let tasks: Vec<Shown<Task>> =
            shown_entries(entries::of_contact(&mut connection, location_id, contact_id).await?, &gone);
        let notes = shown_entries(entries::of_contact(&mut connection, location_id, contact_id).await?, &gone);
        let mut appointments: Vec<Shown<Appointment>> =
            shown_entries(entries::of_contact(&mut connection, location_id, contact_id).await?, &gone);
        appointments.sort_by(|Shown { record: a, .. }, Shown { record: b, .. }| {
            (a.start_time, &a.appointment_id).cmp(&(b.start_time, &b.appointment_id))
        });
        drop(connection);
        let keys = self.custom_field_keys(location_id).await?;
        let now = self.clock.now();
        let with_status = |Shown { record: task, deleted_at, sync }: Shown<Task>| Shown {
            record: TaskView { status: task.status(now), task },
            deleted_at,
            sync,
        };
        Ok(Some(ContactView {
            contact: contact_of(contact_id, &doc, deleted_at, sync, &keys)?,
            tasks: tasks.into_iter().map(with_status).collect(),
            notes,
            appointments,
            synced_at: (synced_at > 0).then(|| timestamp(synced_at)),
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
        let mut rows: Vec<(String, String, Option<i64>, Option<String>)> = sqlx::query_as(sql!("list_contacts"))
            .bind(location_id)
            .bind(after)
            .bind(query.as_deref().map(pattern))
            .bind(updated_since.map(Timestamp::as_millisecond))
            // One more than asked for tells whether there is a next page.
            .bind(i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1)
            .bind(i64::from(*include_deleted))
            .fetch_all(&self.pool)
            .await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| more).map(|(id, ..)| URL_SAFE_NO_PAD.encode(id));
        let keys = self.custom_field_keys(location_id).await?;
        let shown = rows.into_iter().map(|(id, doc, deleted_at, sync)| contact_of(&id, &doc, deleted_at, sync, &keys));
        let items = shown.collect::<Result<_, _>>()?;
        Ok(Page { items, next_cursor })
    }
}

fn shown<T>(record: T, deleted_at: Option<i64>) -> Shown<T> {
    Shown { record, deleted_at: deleted_at.map(timestamp), sync: None }
}

/// The entries that are there, and those that went at one of the times in `gone`, by row id.
fn shown_entries<E: Entry>(rows: Vec<entries::EntryRow<E>>, gone: &HashMap<String, i64>) -> Vec<Shown<E>> {
    let of_row = |row: entries::EntryRow<E>| match row.deleted {
        false => Some(Shown { sync: row.sync, ..shown(row.doc, None) }),
        true => gone.get(&row.row_id).map(|at| Shown { sync: row.sync, ..shown(row.doc, Some(*at)) }),
    };
    rows.into_iter().filter_map(of_row).collect()
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

fn contact_of(
    contact_id: &str,
    doc: &str,
    deleted_at: Option<i64>,
    sync: Option<String>,
    keys: &HashMap<String, String>,
) -> Result<Shown<Contact>, RecordsError> {
    let corrupt = |error| RecordsError::corrupt("contacts", contact_id, &error);
    let mut record: Contact = serde_json::from_str(doc).map_err(corrupt)?;
    show_keys(&mut record, keys);
    Ok(Shown { sync: merging::read("contacts", contact_id, sync)?, ..shown(record, deleted_at) })
}
