//! Storing what a pull brought, without losing what happened here while it was on its way.
//!
//! A pull's answer is as old as the call that fetched it. So a [`Snapshot`] of the revisions is taken *before* the
//! first call. What did not move since takes in what GHL holds, field by field; an edit that GHL has not seen stays, or wins or loses as its policy
//! says. What moved (an edit by a producer, a finished push, a newer pull), and what a write is on its way to, can't be ordered: where it
//! reads otherwise, its push looks at GHL first.

use std::collections::{HashMap, HashSet};

use sync_model::decide::fields::{Fields, fields};
use sync_model::decide::last_edits;
use sync_model::decide::match_lost_create::predates;
use sync_model::decide::merge::Side;
use sync_model::record::{Appointment, Contact, Note, Task};

use super::detected_change::{Found, Needs};
use super::entries::{self, Entry, EntryRow, text_of};
use super::feed::{ChangeOp, Changed};
use super::flows::happened;
use super::history::Was;
use super::merging::{self, Taken, column};
use super::runs::Tx;
use super::sql::sql;
use super::{
    ContactRow, Records, RecordsError, Write, conflicts, contacts, context, missing, reported_times, unanswered,
};

/// The revisions of a contact and of all that hangs on it, as they were before a pull's first call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// 0 for a contact that was not there.
    pub(super) contact: i64,
    /// Those that GHL was known to have: an older list shows nothing of one that it got since.
    pub(super) entries: HashMap<String, i64>,
    /// When it was taken, in ms since 1970: what the pull brings is no older. None is now.
    pub(super) taken_ms: Option<i64>,
}

impl Snapshot {
    /// The snapshot of a reading that began then, in ms since 1970.
    #[must_use]
    pub fn of_reading_since(self, began_ms: i64) -> Self {
        Self { taken_ms: Some(began_ms), ..self }
    }

    /// Whether the contact was not there.
    #[must_use]
    pub fn is_of_nobody(&self) -> bool {
        self.contact == 0
    }

    fn has<E>(&self, row: &EntryRow<E>) -> bool {
        self.entries.contains_key(&row.row_id)
    }

    fn still_holds<E>(&self, row: &EntryRow<E>) -> bool {
        self.entries.get(&row.row_id) == Some(&row.revision)
    }
}

/// All that GHL has of one contact.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields of the view")]
pub struct Pulled {
    pub contact: Contact,
    pub tasks: Vec<Task>,
    pub notes: Vec<Note>,
    pub appointments: Vec<Appointment>,
}

/// A part of it; what is none was not read, and stays as it is.
#[derive(Debug, Clone, PartialEq, Default)]
#[expect(missing_docs, reason = "the fields of the view")]
pub struct Parts {
    pub contact: Option<Contact>,
    pub tasks: Option<Vec<Task>>,
    pub notes: Option<Vec<Note>>,
    pub appointments: Option<Vec<Appointment>>,
    /// The lists that hold something which could not be read: what is absent from them may still be there.
    pub unread: Needs,
}

impl Records {
    /// Takes a snapshot; to be called before the first call of a pull.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn snapshot(&self, location_id: &str, contact_id: &str) -> Result<Snapshot, RecordsError> {
        let taken_ms = self.clock.now_ms();
        let contact: Option<i64> = sqlx::query_scalar(sql!("snapshot_contact"))
            .bind(location_id)
            .bind(contact_id)
            .fetch_optional(&self.pool)
            .await?;
        let entries: Vec<(String, i64)> =
            sqlx::query_as(sql!("snapshot_entries")).bind(location_id).bind(contact_id).fetch_all(&self.pool).await?;
        Ok(Snapshot { contact: contact.unwrap_or(0), entries: entries.into_iter().collect(), taken_ms: Some(taken_ms) })
    }
}

impl Tx {
    /// Stores a contact of the run's location with its tasks, notes and appointments.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn store_pull(&mut self, pulled: &Pulled, snapshot: &Snapshot) -> Result<(), RecordsError> {
        let Pulled { contact, tasks, notes, appointments } = pulled;
        let location_id = self.run.key.location_id.clone();
        contacts::store(&mut self.write, &location_id, contact, snapshot.contact).await?;
        self.store_entries(&contact.id, tasks, snapshot, true).await?;
        self.store_entries(&contact.id, notes, snapshot, true).await?;
        self.store_entries(&contact.id, appointments, snapshot, true).await?;
        context::check_zone(&mut self.write, &location_id, &contact.id, appointments).await
    }

    /// As [`Tx::store_pull`], for what a scan read of a contact. Its snapshot is of now: the caller has passed over what moved.
    ///
    /// # Errors
    /// See [`Tx::store_pull`].
    pub async fn store_parts(
        &mut self,
        contact_id: &str,
        parts: &Parts,
        snapshot: &Snapshot,
    ) -> Result<(), RecordsError> {
        let Parts { contact, tasks, notes, appointments, unread } = parts;
        if let Some(contact) = contact {
            let location_id = self.run.key.location_id.clone();
            contacts::store(&mut self.write, &location_id, contact, snapshot.contact).await?;
        }
        if let Some(tasks) = tasks {
            self.store_entries(contact_id, tasks, snapshot, !unread.tasks).await?;
        }
        if let Some(notes) = notes {
            self.store_entries(contact_id, notes, snapshot, !unread.notes).await?;
        }
        if let Some(appointments) = appointments {
            self.store_entries(contact_id, appointments, snapshot, !unread.appointments).await?;
            let location_id = self.run.key.location_id.clone();
            context::check_zone(&mut self.write, &location_id, contact_id, appointments).await?;
        }
        Ok(())
    }

    /// As [`Tx::store_pull`], for one task or note of a contact that is here. Whatever moved since the snapshot, or came here since,
    /// is left alone.
    ///
    /// # Errors
    /// See [`Tx::store_pull`].
    pub async fn store_entry<E: Entry>(
        &mut self,
        contact_id: &str,
        theirs: &E,
        snapshot: &Snapshot,
    ) -> Result<(), RecordsError> {
        let location_id = self.run.key.location_id.clone();
        let rows = entries::of_contact(self.write.conn(), &location_id, contact_id).await?;
        self.take_in(contact_id, &rows, std::slice::from_ref(theirs), snapshot).await
    }

    /// GHL no longer has the task or note: readers do not see it either, unless it moved since the snapshot or has an edit that GHL has
    /// not seen, which is the push's to decide.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn remove_entry<E: Entry>(&mut self, row: &EntryRow<E>, snapshot: &Snapshot) -> Result<(), RecordsError> {
        // The taking itself is a change.
        let Some(mut row) = entries::take::<E>(&mut self.write, &row.row_id).await? else { return Ok(()) };
        row.revision -= 1;
        if row.is_in_flight() && !row.deleted {
            return unanswered::look_at_entry(&mut self.write, &row).await;
        }
        if row.deleted || !snapshot.still_holds(&row) || !row.is_settled() {
            return Ok(());
        }
        self.removed(&row).await
    }

    /// GHL no longer has the contact: readers do not see it either, nor anything that belongs to it.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn mark_contact_gone(&mut self, contact_id: &str) -> Result<(), RecordsError> {
        let location_id = self.run.key.location_id.clone();
        mark_gone(&mut self.write, &location_id, contact_id).await
    }

    /// As [`Tx::mark_contact_gone`], where GHL's word for it is as old as `since_ms` (since 1970). Not where the contact was met in GHL since: that may be
    /// the newer state, so a re-read decides. Whether it is gone.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn contact_is_gone_since(&mut self, contact_id: &str, since_ms: i64) -> Result<bool, RecordsError> {
        let location_id = self.run.key.location_id.clone();
        let row = contacts::lock(&mut self.write, &location_id, contact_id).await?;
        let was_met = row.is_some_and(|row| row.was_met_since(since_ms));
        if !was_met {
            mark_gone(&mut self.write, &location_id, contact_id).await?;
        }
        Ok(!was_met)
    }

    /// GHL does not have what `row` was at the call. Not where it was met there since, which another look orders. Whether it is gone.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn removed_unless_met<E: Entry>(&mut self, row: &EntryRow<E>) -> Result<bool, RecordsError> {
        let Some(now) = entries::take::<E>(&mut self.write, &row.row_id).await? else { return Ok(true) };
        if now.base != row.base || now.unanswered.looks != row.unanswered.looks {
            unanswered::look_at_entry(&mut self.write, &now).await?;
            return Ok(false);
        }
        self.removed(row).await?;
        Ok(true)
    }

    /// `is_whole`: what is not among them is gone.
    async fn store_entries<E: Entry>(
        &mut self,
        contact_id: &str,
        pulled: &[E],
        snapshot: &Snapshot,
        is_whole: bool,
    ) -> Result<(), RecordsError> {
        let location_id = self.run.key.location_id.clone();
        let mut rows = self.write.page.entries_of(&location_id, contact_id)?;
        if !self.write.page.has_read(&location_id, contact_id) || !is_as_known(&rows, pulled) {
            rows = entries::of_contact(self.write.conn(), &location_id, contact_id).await?;
        }
        self.take_in(contact_id, &rows, pulled, snapshot).await?;
        let there: HashSet<&str> = pulled.iter().filter_map(Entry::ghl_id).collect();
        for row in &rows {
            let absent = row.ghl_id.as_deref().is_some_and(|ghl_id| !there.contains(ghl_id));
            if !is_whole || !absent || row.deleted || !snapshot.has(row) {
                continue;
            }
            if !row.is_in_flight() && !row.is_settled() {
                // An edit that GHL has not seen is the push's to decide: GHL will answer that the entry is gone.
            } else if row.is_in_flight() || !snapshot.still_holds(row) {
                unanswered::look_at_entry(&mut self.write, row).await?;
            } else {
                self.removed(row).await?;
                self.write.found.push(Found::stored(E::EVENTS.deleted, contact_id));
            }
        }
        Ok(())
    }

    /// Stores what was read of a contact whose rows are these.
    async fn take_in<E: Entry>(
        &mut self,
        contact_id: &str,
        rows: &[EntryRow<E>],
        pulled: &[E],
        snapshot: &Snapshot,
    ) -> Result<(), RecordsError> {
        let location_id = self.run.key.location_id.clone();
        let linked: HashMap<&str, &EntryRow<E>> =
            rows.iter().filter_map(|row| Some((row.ghl_id.as_deref()?, row))).collect();
        let awaited: Vec<(&E, Option<i64>)> = rows
            .iter()
            .filter(|row| row.ghl_id.is_none())
            .filter_map(|row| Some((row.intent.as_ref()?, row.intent_at_ms)))
            .collect();
        let is_awaited = |theirs: &E| {
            let of = |(announced, at): &(&E, Option<i64>)| {
                theirs.could_match(announced) && !predates(theirs.created_at(), *at)
            };
            awaited.iter().any(of)
        };
        for theirs in pulled {
            let Some(ghl_id) = theirs.ghl_id() else { continue };
            match linked.get(ghl_id) {
                Some(row) if snapshot.still_holds(row) && !row.is_in_flight() => {
                    match restored(&mut self.write, row).await? {
                        Some(row) => arrived(&mut self.write, &row, theirs).await?,
                        None => follow(&mut self.write, row, theirs).await?,
                    }
                }
                Some(row) => unanswered::meet_entry(&mut self.write, row, theirs, snapshot.still_holds(row)).await?,
                // It may be what a create with an unknown outcome made; the push will look and adopt it.
                None if is_awaited(theirs) && self.is_new::<E>(&location_id, ghl_id).await? => {}
                None => {
                    let cause = self.write.cause.clone();
                    let shown = (contact_id, ghl_id, snapshot.taken_ms);
                    self.write.page.add_entry(&location_id, shown, theirs, cause);
                    self.write.found.push(Found::stored(E::EVENTS.created, contact_id));
                }
            }
        }
        Ok(())
    }

    /// Whether no row of any contact has this id of GHL's.
    async fn is_new<E: Entry>(&mut self, location_id: &str, ghl_id: &str) -> Result<bool, RecordsError> {
        Ok(entries::find_by_ghl_id::<E>(self.write.conn(), location_id, ghl_id).await?.is_none())
    }
}

/// A row that came from another contact follows GHL; its pending writes stay pending.
pub(super) async fn moved<E: Entry>(write: &mut Write, row_id: &str, theirs: &E) -> Result<(), RecordsError> {
    match entries::take::<E>(write, row_id).await? {
        Some(row) => arrived(write, &row, theirs).await,
        None => Ok(()),
    }
}

/// The row of what went with its contact with a pending write, with that; none of any other row.
async fn restored<E: Entry>(write: &mut Write, row: &EntryRow<E>) -> Result<Option<EntryRow<E>>, RecordsError> {
    if !row.deleted || row.base.is_some() {
        return Ok(None);
    }
    let row = sqlx::query(sql!("restore_entry")).bind(&row.row_id).fetch_optional(write.conn()).await?;
    row.as_ref().map(entries::row_of).transpose()
}

/// A row that was met again follows GHL, and its pending write is a job.
async fn arrived<E: Entry>(write: &mut Write, row: &EntryRow<E>, theirs: &E) -> Result<(), RecordsError> {
    if !row.deleted {
        write.report(row.stored(None));
    }
    follow(write, row, theirs).await?;
    let Some(row) = entries::take::<E>(write, &row.row_id).await? else { return Ok(()) };
    if !row.is_settled() {
        unanswered::owe_entry(write, &row);
    }
    Ok(())
}

/// Makes a row that did not move since the snapshot follow GHL.
pub(super) async fn follow<E: Entry>(write: &mut Write, row: &EntryRow<E>, theirs: &E) -> Result<(), RecordsError> {
    let theirs = row.read(theirs);
    let is_read_again = row.base.as_ref().and_then(Entry::read_in).zip(theirs.read_in()).is_some_and(|(a, b)| a != b);
    if row.base.as_ref() == Some(&theirs) && !row.goes_back() && !is_read_again {
        return Ok(());
    }
    let (known, mut row) = (row, row.clone());
    let base = row.base.as_mut().filter(|_| is_read_again);
    let again = base.and_then(|base| context::read_again(base, &mut row.doc, &theirs, &row.edits));
    let mut fingerprints = row.fingerprints.clone();
    let Taken { doc, edits, mut conflicts } = match (&row.base, row.deleted) {
        // Deleted here, and GHL does not know yet.
        (Some(_), true) => Taken { doc: row.doc.clone(), edits: row.edits.clone(), conflicts: Vec::new() },
        // It was gone from GHL and is back.
        (None, true) => Taken { doc: theirs.clone(), edits: merging::Edits::new(), conflicts: Vec::new() },
        (base, false) => {
            let base = base
                .as_ref()
                .map(|base| merging::agreed(base, &row.unanswered.asked, &theirs, &mut fingerprints))
                .unwrap_or_default();
            reported_times::take_in_entry(write, &row, &base, &theirs, &row.edits, &fingerprints).await?
        }
    };
    conflicts.extend(again);
    let (row, mut last_edits) = (known, row.last_edits);
    if let Some(base) = row.base.as_ref().filter(|_| !is_read_again) {
        let at = write.now_ms;
        last_edits::note(&mut last_edits, &fields(base), &fields(&theirs), Side::Ghl, |_| at);
    }
    let deleted = row.deleted && row.base.is_some();
    let shows = doc != row.doc || deleted != row.deleted;
    let now_ms = write.now_ms;
    let refreshed = sqlx::query(sql!("refresh_entry"))
        .bind(text_of(&doc))
        .bind(text_of(&theirs))
        .bind(i64::from(deleted))
        .bind(i64::from(shows))
        .bind(now_ms)
        .bind(&row.row_id)
        .bind(row.revision)
        .bind(column(&edits))
        .bind(column(&fingerprints))
        .bind(column(&last_edits))
        .execute(write.conn())
        .await?;
    if refreshed.rows_affected() > 0 {
        conflicts::keep(write, &row.location_id, &row.contact_id, E::KIND, &row.row_id, &conflicts).await?;
        let base = Some(theirs);
        let now = EntryRow { doc, base, deleted, edits, ..row.clone() };
        if !shows && let Some(changed) = now.answered(row) {
            write.report(changed);
        }
        if shows {
            if row.base.is_some() && !row.deleted {
                happened::entry_changed(write, row, &now.doc, &Fields::new()).await?;
            }
            write.report(now.stored(Some(&row.doc)).after(!row.deleted));
            write.found.push(Found::stored(E::EVENTS.updated, &row.contact_id));
        }
    }
    Ok(())
}

/// Whether each of the rows is in what was pulled, as it is known.
fn is_as_known<E: Entry>(rows: &[EntryRow<E>], pulled: &[E]) -> bool {
    let reported: HashMap<&str, &E> = pulled.iter().filter_map(|theirs| Some((theirs.ghl_id()?, theirs))).collect();
    rows.iter().filter_map(|row| Some((row, row.ghl_id.as_deref()?))).all(|(row, ghl_id)| match reported.get(ghl_id) {
        Some(theirs) => row.base.as_ref() == Some(&row.read(theirs)),
        None => row.deleted,
    })
}

/// See [`Tx::mark_contact_gone`].
pub(super) async fn mark_gone(write: &mut Write, location_id: &str, contact_id: &str) -> Result<(), RecordsError> {
    let now_ms = write.now_ms;
    let row = contacts::find(write.conn(), location_id, contact_id).await?;
    if row.as_ref().is_some_and(ContactRow::is_pending) {
        // GHL can't have lost what it is yet to get.
        return Ok(());
    }
    let shown = row.filter(ContactRow::is_visible);
    let marked = sqlx::query(sql!("mark_contact_gone"))
        .bind(now_ms)
        .bind(location_id)
        .bind(contact_id)
        .execute(write.conn())
        .await?;
    let went = sqlx::query(sql!("remove_entries_of_contact"))
        .bind(now_ms)
        .bind(location_id)
        .bind(contact_id)
        .fetch_all(write.conn())
        .await?;
    missing::forget(write, location_id, contact_id).await?;
    if let Some(row) = shown.filter(|_| marked.rows_affected() > 0) {
        happened::contact_gone(write, location_id, contact_id).await?;
        let was = Some(Was::gone(&row.doc).with_parts(entries::parts_of(&went)?));
        write.report(Changed { sync: None, was, ..row.changed(ChangeOp::Deleted) });
    }
    Ok(())
}
