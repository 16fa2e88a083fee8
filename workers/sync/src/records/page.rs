//! What a transaction has read of many contacts at once, and what it has yet to write of them.
//!
//! A scan stores hundreds of contacts in one transaction, and most of them are new or as they are known. So their rows are read together,
//! and what is new or only met again waits here until the commit, where it is written many rows a statement: how many statements a page
//! takes does not grow with its contacts. What reads differently takes a look of its own, since it may have moved since then.
//!
//! So do runs that settle together. They are of many locations, and each has a cause of its own for the feed.
//!
//! The trap: statements of the transaction do not see what waits. Who stores and then reads calls [`flush`] between.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sqlx::Row;
use sqlx::any::AnyRow;
use sync_model::decide::sync_status::Progress;
use uuid::Uuid;

use super::contacts::{self, ContactRow};
use super::entries::{self, AnyEntry, Entry, EntryRow, text_of};
use super::feed::{Cause, ChangeOp, Changed};
use super::flows::happened;
use super::history::field_names;
use super::pull::{self, Snapshot};
use super::sql::{
    CHUNK, Marks, look_up, look_up_pairs, sql, take_batch, take_exactly, with_list_after, with_rows_then,
};
use super::{RecordsError, Write, unanswered};

/// A location, and an id of a contact in it.
type Place = (String, String);

#[derive(Default)]
pub(super) struct Page {
    /// Contacts whose rows were read, whether or not there are any.
    read: HashSet<Place>,
    contacts: HashMap<Place, ContactRow>,
    /// By contact and kind.
    entries: HashMap<(Place, String), Vec<AnyRow>>,
    /// Where a part of a contact is known to be missing, and the time zones of locations, as they were read for runs that settle together.
    beside: Option<Beside>,
    new_contacts: Vec<(ContactRow, Cause)>,
    /// By location, kind and GHL's id: an entry that is shown twice belongs to the contact that showed it last.
    new_entries: BTreeMap<(String, &'static str, String), NewEntry>,
    /// Contacts that were new to this transaction, and that another one has stored meanwhile.
    lost: Vec<Place>,
    /// Contacts that GHL holds as they are known.
    met: BTreeSet<Place>,
    /// Contacts that a scan has seen.
    seen: BTreeSet<Place>,
    scan: Option<String>,
}

struct Beside {
    missing: HashSet<Place>,
    time_zones: HashMap<String, Option<String>>,
}

struct NewEntry {
    /// Made when it was shown, so that readers see what was shown together in its order.
    row_id: Uuid,
    contact_id: String,
    /// When the reading that shows it began, in ms since 1970. None is now.
    as_of_ms: Option<i64>,
    cause: Cause,
    doc: String,
    /// As GHL reported it: an appointment's second hour is in no document.
    theirs: AnyEntry,
}

impl Page {
    /// The contact's row as it was read with the page.
    pub(super) fn contact(&self, location_id: &str, contact_id: &str) -> Option<&ContactRow> {
        self.contacts.get(&place(location_id, contact_id))
    }

    /// Whether the rows of the contact were read.
    pub(super) fn has_read(&self, location_id: &str, contact_id: &str) -> bool {
        self.read.contains(&place(location_id, contact_id))
    }

    /// Whether that showed that there is none.
    pub(super) fn lacks(&self, location_id: &str, contact_id: &str) -> bool {
        let place = place(location_id, contact_id);
        self.read.contains(&place) && !self.contacts.contains_key(&place)
    }

    /// The contact's entries of one kind that were read.
    pub(super) fn entries_of<E: Entry>(
        &self,
        location_id: &str,
        contact_id: &str,
    ) -> Result<Vec<EntryRow<E>>, RecordsError> {
        let rows = self.entries.get(&(place(location_id, contact_id), E::KIND.to_owned()));
        rows.into_iter().flatten().map(entries::row_of).collect()
    }

    /// Whether no part of the contact is known to be missing, as far as that was read.
    pub(super) fn is_whole(&self, location_id: &str, contact_id: &str) -> bool {
        let place = place(location_id, contact_id);
        self.read.contains(&place) && self.beside.as_ref().is_some_and(|beside| !beside.missing.contains(&place))
    }

    /// The time zone of the location, where that was read.
    pub(super) fn zone(&self, location_id: &str) -> Option<Option<String>> {
        self.beside.as_ref()?.time_zones.get(location_id).cloned()
    }

    /// Contacts that another transaction has stored since their rows were read.
    pub(super) fn lost(&self) -> &[Place] {
        &self.lost
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
        for (((_, contact_id), _), rows) in &self.entries {
            let entries = &mut snapshots.entry(contact_id.clone()).or_default().entries;
            for row in rows {
                if row.try_get::<Option<&str>, _>("ghl_id")?.is_some() {
                    entries.insert(row.try_get("row_id")?, row.try_get("revision")?);
                }
            }
        }
        Ok(snapshots)
    }

    pub(super) fn add_contact(&mut self, row: ContactRow, cause: Cause) {
        self.new_contacts.push((row, cause));
    }

    /// An entry of the contact under GHL's id, as a reading shows it that began then.
    pub(super) fn add_entry<E: Entry>(
        &mut self,
        location_id: &str,
        (contact_id, ghl_id, as_of_ms): (&str, &str, Option<i64>),
        theirs: &E,
        cause: Cause,
    ) {
        let theirs = theirs.first_met();
        let (row_id, doc) = (Uuid::now_v7(), text_of(&theirs));
        let new = NewEntry { row_id, contact_id: contact_id.to_owned(), as_of_ms, cause, doc, theirs: theirs.into() };
        self.new_entries.insert((location_id.to_owned(), E::KIND, ghl_id.to_owned()), new);
    }

    /// GHL holds the contact as it is known.
    pub(super) fn meet(&mut self, location_id: &str, contact_id: &str) {
        self.met.insert(place(location_id, contact_id));
    }

    /// The scan has seen the contact.
    pub(super) fn see(&mut self, scan_id: &str, location_id: &str, contact_id: &str) {
        self.scan = Some(scan_id.to_owned());
        self.seen.insert(place(location_id, contact_id));
    }

    fn read_contact(&mut self, row: &AnyRow) -> Result<(), RecordsError> {
        let row = contacts::row_of(row)?;
        self.contacts.insert(place(&row.location_id, &row.contact_id), row);
        Ok(())
    }

    fn read_entry(&mut self, row: AnyRow) -> Result<(), RecordsError> {
        let place = (row.try_get("location_id")?, row.try_get("contact_id")?);
        self.entries.entry((place, row.try_get("kind")?)).or_default().push(row);
        Ok(())
    }
}

fn place(location_id: &str, contact_id: &str) -> Place {
    (location_id.to_owned(), contact_id.to_owned())
}

/// Reads the rows of contacts of any locations, and all that runs ask which settle together.
pub(super) async fn read_beside(write: &mut Write, contacts: &[(&str, &str)]) -> Result<(), RecordsError> {
    for row in look_up_pairs(write.conn(), sql!("contacts_by_pair"), contacts, false).await? {
        write.page.read_contact(&row)?;
    }
    for row in look_up_pairs(write.conn(), sql!("entries_by_pair"), contacts, true).await? {
        write.page.read_entry(row)?;
    }
    let mut beside = Beside { missing: HashSet::new(), time_zones: HashMap::new() };
    for row in look_up_pairs(write.conn(), sql!("missing_parts_by_pair"), contacts, true).await? {
        beside.missing.insert((row.try_get("location_id")?, row.try_get("contact_id")?));
    }
    let locations: BTreeSet<String> = contacts.iter().map(|(location, _)| (*location).to_owned()).collect();
    for row in look_up(write.conn(), sql!("time_zones_of"), &Vec::from_iter(locations)).await? {
        beside.time_zones.insert(row.try_get("location_id")?, row.try_get("time_zone")?);
    }
    write.page.beside = Some(beside);
    write.page.read.extend(contacts.iter().map(|(location, contact)| place(location, contact)));
    Ok(())
}

/// Reads the rows of the contacts and of all that hangs on them.
pub(super) async fn read(write: &mut Write, location_id: &str, contact_ids: &[&str]) -> Result<(), RecordsError> {
    let mut left = contact_ids;
    while !left.is_empty() {
        let batch = take_batch(&mut left, CHUNK);
        for text in [sql!("find_contacts"), sql!("entries_of_contacts")] {
            // Planned again each time: a plan of when the tables were empty would read all of them while an import fills them.
            let mut query = sqlx::query(with_list_after(text, 1, batch.len())).persistent(false).bind(location_id);
            for id in &batch {
                query = query.bind(**id);
            }
            let rows = query.fetch_all(write.conn()).await?;
            for row in rows {
                match text == sql!("find_contacts") {
                    true => write.page.read_contact(&row)?,
                    false => write.page.read_entry(row)?,
                }
            }
        }
        write.page.read.extend(batch.iter().map(|id| place(location_id, id)));
    }
    Ok(())
}

/// Writes what waits.
pub(super) async fn flush(write: &mut Write) -> Result<(), RecordsError> {
    let page = &mut write.page;
    let (new, entries) = (std::mem::take(&mut page.new_contacts), std::mem::take(&mut page.new_entries));
    let (met, mut seen) = (std::mem::take(&mut page.met), std::mem::take(&mut page.seen));
    let scan = page.scan.clone();
    let place_of = |row: &ContactRow| place(&row.location_id, &row.contact_id);
    let seen_by = |row: &ContactRow| scan.clone().filter(|_| seen.contains(&place_of(row)));
    let (new, causes): (Vec<_>, Vec<_>) = new.into_iter().map(|(row, cause)| ((seen_by(&row), row), cause)).unzip();
    let inserted = contacts::insert_all(write, &new).await?;
    for ((_, row), cause) in new.iter().zip(causes) {
        if inserted.contains(&place_of(row)) {
            seen.remove(&place_of(row));
            write.changed.push((row.stored(None), cause));
        } else {
            write.page.lost.push(place_of(row));
        }
    }
    let now_ms = write.now_ms;
    touch(write, met.difference(&seen), Some(now_ms), None).await?;
    touch(write, met.intersection(&seen), Some(now_ms), scan.as_deref()).await?;
    touch(write, seen.difference(&met), None, scan.as_deref()).await?;
    insert_entries(write, entries).await
}

async fn touch(
    write: &mut Write,
    contacts: impl Iterator<Item = &Place>,
    synced_at_ms: Option<i64>,
    scan: Option<&str>,
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
            let mut query = query.bind(synced_at_ms).bind(scan).bind(location_id);
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
    entries: BTreeMap<(String, &'static str, String), NewEntry>,
) -> Result<(), RecordsError> {
    let (now_ms, cause_before) = (write.now_ms, write.cause.clone());
    let entries: Vec<_> = entries.iter().collect();
    let mut left = entries.as_slice();
    while !left.is_empty() {
        let chunk = take_exactly(&mut left);
        let (marks, tail) = (Marks::of(write.conn()), sql!("insert_pulled_entries_tail"));
        let text = with_rows_then(marks, sql!("insert_pulled_entries"), chunk.len(), 9, tail);
        // Of runs that settle together, the oldest reading counts: what it leaves alone is fetched once more.
        let as_of_ms = chunk.iter().filter_map(|(_, new)| new.as_of_ms).min().unwrap_or(now_ms);
        let mut insert = sqlx::query_as(text);
        for ((location_id, kind, ghl_id), NewEntry { row_id, contact_id, doc, .. }) in chunk {
            insert = insert.bind(row_id.to_string()).bind(*kind).bind(location_id).bind(contact_id);
            insert = insert.bind(ghl_id).bind(doc).bind(doc).bind(1_i64).bind(now_ms);
        }
        insert = insert.bind(as_of_ms).bind(now_ms);
        let stored: Vec<(String, String, String, String, i64)> = insert.fetch_all(write.conn()).await?;
        let stored: HashMap<_, _> = stored
            .iter()
            .map(|(location, kind, id, row, revision)| {
                ((location.as_str(), kind.as_str(), id.as_str()), (row, *revision))
            })
            .collect();
        for ((location_id, kind, ghl_id), NewEntry { contact_id, cause, theirs, .. }) in chunk {
            let Some((row_id, revision)) = stored.get(&(location_id.as_str(), *kind, ghl_id.as_str())) else {
                leave_newer(write, location_id, contact_id, ghl_id, theirs).await?;
                continue;
            };
            write.cause = cause.clone();
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
                fields: field_names(theirs),
                sync: Some(Progress::Applied),
                is_new: true,
                was: None,
            });
            happened::entry_met(write, location_id, theirs).await?;
        }
    }
    write.cause = cause_before;
    Ok(())
}

/// GHL showed the entry of a contact, and it is here already. Where it moved to another contact, or was deleted there, since that reading began,
/// the reading is no proof of where it is now: the contact is fetched once more (law 19).
async fn leave_newer(
    write: &mut Write,
    location_id: &str,
    contact_id: &str,
    ghl_id: &str,
    theirs: &AnyEntry,
) -> Result<(), RecordsError> {
    let holder: Option<String> = sqlx::query_scalar(sql!("contact_of_entry"))
        .bind(theirs.kind())
        .bind(location_id)
        .bind(ghl_id)
        .fetch_optional(write.conn())
        .await?;
    if holder.is_some_and(|holder| holder != contact_id) {
        unanswered::fetch_contact(write, location_id, contact_id);
    }
    Ok(())
}
