//! What a transaction has read of many contacts at once, and what it has yet to write of them.
//!
//! A walk stores hundreds of contacts in one transaction, and most of them are new or as they are known. So their rows are read together,
//! and what is new or only met again waits here until the commit, where it is written many rows a statement: how many statements a page
//! takes does not grow with its contacts. What reads differently takes a look of its own, since it may have moved since then.
//!
//! The trap: statements of the transaction do not see what waits. Who stores and then reads calls [`flush`] between.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sqlx::Row;
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::contacts::{self, ContactRow};
use super::entries::{self, AnyEntry, Entry, EntryRow, text_of};
use super::feed::{ChangeOp, Changed};
use super::pull::{self, Snapshot};
use super::sql::{CHUNK, ROWS, sql, take_batch, with_list_after, with_rows_then};
use super::{RecordsError, Write};
use crate::decide::sync_status::Progress;

#[derive(Default)]
pub(super) struct Page {
    /// Contacts whose rows were read, whether or not there are any.
    read: HashSet<String>,
    contacts: HashMap<String, ContactRow>,
    /// By contact and kind.
    entries: HashMap<(String, String), Vec<AnyRow>>,
    new_contacts: Vec<ContactRow>,
    /// By kind and GHL's id: told twice, an entry belongs to whom it was told of last.
    new_entries: BTreeMap<(&'static str, String), NewEntry>,
    /// Contacts that GHL holds as they are known, by location and id.
    met: BTreeSet<(String, String)>,
    /// Contacts that a walk has seen.
    seen: BTreeSet<(String, String)>,
    walk: Option<String>,
}

struct NewEntry {
    /// Made as it was told, so that readers see what was told together in its order.
    row_id: Uuid,
    location_id: String,
    contact_id: String,
    doc: String,
    /// As GHL told it: an appointment's second hour is in no document.
    theirs: AnyEntry,
}

impl Page {
    /// The contact's row as it was read with the page.
    pub(super) fn contact(&self, contact_id: &str) -> Option<&ContactRow> {
        self.contacts.get(contact_id)
    }

    /// Whether the rows of the contact were read.
    pub(super) fn has_read(&self, contact_id: &str) -> bool {
        self.read.contains(contact_id)
    }

    /// Whether that showed that there is none.
    pub(super) fn lacks(&self, contact_id: &str) -> bool {
        self.has_read(contact_id) && !self.contacts.contains_key(contact_id)
    }

    /// The contact's entries of one kind that were read.
    pub(super) fn entries_of<E: Entry>(&self, contact_id: &str) -> Result<Vec<EntryRow<E>>, RecordsError> {
        let rows = self.entries.get(&(contact_id.to_owned(), E::KIND.to_owned()));
        rows.into_iter().flatten().map(entries::row_of).collect()
    }

    /// The rows that were read.
    pub(super) fn contacts(&self) -> impl Iterator<Item = &ContactRow> {
        self.contacts.values()
    }

    /// The revisions of what was read.
    pub(super) fn snapshots(&self) -> Result<HashMap<String, Snapshot>, RecordsError> {
        let mut snapshots: HashMap<String, Snapshot> = HashMap::new();
        for row in self.contacts.values() {
            snapshots.entry(row.contact_id.clone()).or_default().contact = row.revision;
        }
        for ((contact_id, _), rows) in &self.entries {
            let entries = &mut snapshots.entry(contact_id.clone()).or_default().entries;
            for row in rows {
                entries.insert(row.try_get("row_id")?, row.try_get("revision")?);
            }
        }
        Ok(snapshots)
    }

    pub(super) fn add_contact(&mut self, row: ContactRow) {
        self.new_contacts.push(row);
    }

    pub(super) fn add_entry<E: Entry>(&mut self, location_id: &str, contact_id: &str, ghl_id: &str, theirs: &E) {
        let (location_id, contact_id) = (location_id.to_owned(), contact_id.to_owned());
        let theirs = theirs.first_met();
        let (row_id, doc) = (Uuid::now_v7(), text_of(&theirs));
        let new = NewEntry { row_id, location_id, contact_id, doc, theirs: theirs.into() };
        self.new_entries.insert((E::KIND, ghl_id.to_owned()), new);
    }

    /// GHL holds the contact as it is known.
    pub(super) fn meet(&mut self, location_id: &str, contact_id: &str) {
        self.met.insert((location_id.to_owned(), contact_id.to_owned()));
    }

    /// The walk has seen the contact.
    pub(super) fn see(&mut self, walk_id: &str, location_id: &str, contact_id: &str) {
        self.walk = Some(walk_id.to_owned());
        self.seen.insert((location_id.to_owned(), contact_id.to_owned()));
    }
}

/// Reads the rows of the contacts and of all that hangs on them.
pub(super) async fn read(write: &mut Write, location_id: &str, contact_ids: &[&str]) -> Result<(), RecordsError> {
    let mut left = contact_ids;
    while !left.is_empty() {
        let batch = take_batch(&mut left, CHUNK);
        for text in [sql!("find_contacts"), sql!("entries_of_contacts")] {
            // Planned anew each time: a plan of when the tables were empty would read all of them while an import fills them.
            let mut query = sqlx::query(with_list_after(text, 1, batch.len())).persistent(false).bind(location_id);
            for id in &batch {
                query = query.bind(**id);
            }
            let rows = query.fetch_all(write.conn()).await?;
            for row in rows {
                let contact_id: String = row.try_get("contact_id")?;
                if text == sql!("find_contacts") {
                    write.page.contacts.insert(contact_id, contacts::row_of(&row)?);
                } else {
                    write.page.entries.entry((contact_id, row.try_get("kind")?)).or_default().push(row);
                }
            }
        }
        write.page.read.extend(batch.iter().map(|id| (**id).to_owned()));
    }
    Ok(())
}

/// Writes what waits.
pub(super) async fn flush(write: &mut Write) -> Result<(), RecordsError> {
    let page = &mut write.page;
    let (new, entries) = (std::mem::take(&mut page.new_contacts), std::mem::take(&mut page.new_entries));
    let (met, mut seen) = (std::mem::take(&mut page.met), std::mem::take(&mut page.seen));
    let walk = page.walk.clone();
    let seen_by = |row: &ContactRow| {
        let is_seen = seen.contains(&(row.location_id.clone(), row.contact_id.clone()));
        walk.clone().filter(|_| is_seen)
    };
    let new: Vec<_> = new.into_iter().map(|row| (seen_by(&row), row)).collect();
    let inserted = contacts::insert_all(write, &new).await?;
    for (_, row) in new.iter().filter(|(_, row)| inserted.contains(&row.contact_id)) {
        seen.remove(&(row.location_id.clone(), row.contact_id.clone()));
        write.report(row.stored(None));
    }
    let now_ms = write.now_ms;
    touch(write, met.difference(&seen), Some(now_ms), None).await?;
    touch(write, met.intersection(&seen), Some(now_ms), walk.as_deref()).await?;
    touch(write, seen.difference(&met), None, walk.as_deref()).await?;
    insert_entries(write, entries).await
}

async fn touch(
    write: &mut Write,
    contacts: impl Iterator<Item = &(String, String)>,
    synced_at_ms: Option<i64>,
    walk: Option<&str>,
) -> Result<(), RecordsError> {
    let mut by_location: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (location_id, contact_id) in contacts {
        by_location.entry(location_id).or_default().push(contact_id);
    }
    for (location_id, ids) in by_location {
        let mut left = ids.as_slice();
        while !left.is_empty() {
            let batch = take_batch(&mut left, CHUNK);
            let query = sqlx::query(with_list_after(sql!("touch_contacts"), 3, batch.len())).persistent(false);
            let mut query = query.bind(synced_at_ms).bind(walk).bind(location_id);
            for id in batch {
                query = query.bind(*id);
            }
            query.execute(write.conn()).await?;
        }
    }
    Ok(())
}

async fn insert_entries(
    write: &mut Write,
    entries: BTreeMap<(&'static str, String), NewEntry>,
) -> Result<(), RecordsError> {
    let now_ms = write.now_ms;
    let entries: Vec<_> = entries.iter().collect();
    for chunk in entries.chunks(ROWS) {
        let text = with_rows_then(sql!("insert_pulled_entries"), chunk.len(), 9, sql!("insert_pulled_entries_tail"));
        let mut insert = sqlx::query_as(text).persistent([1, ROWS].contains(&chunk.len()));
        for ((kind, ghl_id), NewEntry { row_id, location_id, contact_id, doc, theirs: _ }) in chunk {
            insert = insert.bind(row_id.to_string()).bind(*kind).bind(location_id).bind(contact_id);
            insert = insert.bind(ghl_id).bind(doc).bind(doc).bind(1_i64).bind(now_ms);
        }
        let stored: Vec<(String, String, String, i64)> = insert.fetch_all(write.conn()).await?;
        let stored: HashMap<_, _> = stored
            .iter()
            .map(|(kind, id, row_id, revision)| ((kind.as_str(), id.as_str()), (row_id, *revision)))
            .collect();
        for ((kind, ghl_id), NewEntry { location_id, contact_id, theirs, .. }) in chunk {
            let Some((row_id, revision)) = stored.get(&(*kind, ghl_id.as_str())) else { continue };
            if *revision > 1 {
                // It came from another contact.
                match theirs {
                    AnyEntry::Task(task) => pull::moved(write, row_id, task).await?,
                    AnyEntry::Note(note) => pull::moved(write, row_id, note).await?,
                    AnyEntry::Appointment(appointment) => pull::moved(write, row_id, appointment).await?,
                }
                continue;
            }
            write.report(Changed {
                location_id: location_id.clone(),
                contact_id: contact_id.clone(),
                record: kind,
                record_id: (*row_id).clone(),
                clienty_id: None,
                ghl_id: Some(ghl_id.clone()),
                op: ChangeOp::Stored,
                fields: theirs.field_names(),
                sync: Some(Progress::Applied),
            });
        }
    }
    Ok(())
}
