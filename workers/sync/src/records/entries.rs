//! Tasks, notes and appointments: rows that both sides may edit.
//!
//! `doc` is what readers see, `base` the last state agreed with GHL. A row is settled when they are equal; else a push
//! is owed. What GHL holds meets what was edited here in a three-way merge, field by field. The ids and the contact live in columns and are put into the documents on the way out, so that a document
//! that gained an id does not look edited.
//!
//! Before a create is sent, what it sends is kept as the row's intent. As long as the intent is open, the outcome is
//! not known: a retry looks in GHL for an entry of that wording, and a pull that meets one leaves it to the retry.

use std::collections::HashSet;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use uuid::Uuid;

use super::change::{AppointmentPatch, NotePatch, TaskPatch};
use super::conflicts;
use super::feed::{ChangeOp, Changed};
use super::job::JobKey;
use super::ledger::timestamp;
use super::merging::{self, Edits, Taken, Written, column};
use super::model::{Appointment, Note, SecondHour, Task};
use super::runs::Tx;
use super::sql::sql;
use super::{Records, RecordsError, Run, Write};
use crate::decide::echo::Prints;
use crate::decide::fields::{Fields, Record, difference, fields};
use crate::decide::same::same_text;
use crate::decide::verify::SyncState;

/// What tasks, notes and appointments have in common.
pub trait Entry: Record + PartialEq + Default + Send + Sync + Unpin + 'static {
    /// The word for it in rows and messages.
    const KIND: &'static str;
    /// Where an event holds GHL's id of it.
    const GHL_ID_FIELD: &'static str;
    /// Where an event holds Clienty's id of it.
    const CLIENTY_ID_FIELD: &'static str;
    /// Fields to set.
    type Patch: Clone + PartialEq + std::fmt::Debug + Send + Sync;

    /// GHL's id.
    fn ghl_id(&self) -> Option<&str>;
    /// Puts the ids and the contact in.
    fn set_ids(&mut self, ghl_id: Option<String>, clienty_id: Option<String>, contact_id: String);
    /// Whether this, as GHL tells it, may be what the create of `announced` made, in whatever form GHL keeps it. A pull leaves such an entry
    /// to the push that looks for it: with a row of its own, the push would take it for another's, and create it again.
    fn may_be(&self, announced: &Self) -> bool;
    /// The event's field without which there can be no new one, where it is missing.
    fn lacking(&self) -> Option<&'static str>;
    /// Sets the fields of `patch`.
    fn apply(&mut self, patch: &Self::Patch);
    /// An event's field, and why what it makes of the record can't be.
    fn mistake(&self) -> Option<(&'static str, &'static str)> {
        None
    }
    /// Takes from `known`, as the record is known here, what GHL's words leave open. `prints` tells what was ever written; none stands for
    /// the reply to a write of `known` itself.
    fn read_like(&mut self, _known: &Self, _prints: Option<&Prints>) {}
}

impl Entry for Task {
    const KIND: &'static str = "task";
    const GHL_ID_FIELD: &'static str = "data.taskId";
    const CLIENTY_ID_FIELD: &'static str = "data.clientyTaskId";
    type Patch = TaskPatch;

    fn ghl_id(&self) -> Option<&str> {
        self.task_id.as_deref()
    }

    fn set_ids(&mut self, ghl_id: Option<String>, clienty_id: Option<String>, contact_id: String) {
        (self.task_id, self.clienty_task_id, self.contact_id) = (ghl_id, clienty_id, contact_id);
    }

    fn may_be(&self, announced: &Self) -> bool {
        same_text(&announced.title, &self.title)
    }

    fn lacking(&self) -> Option<&'static str> {
        self.title.trim().is_empty().then_some("data.title")
    }

    fn apply(&mut self, patch: &TaskPatch) {
        patch.apply(self);
    }
}

impl Entry for Note {
    const KIND: &'static str = "note";
    const GHL_ID_FIELD: &'static str = "data.noteId";
    const CLIENTY_ID_FIELD: &'static str = "data.clientyNoteId";
    type Patch = NotePatch;

    fn ghl_id(&self) -> Option<&str> {
        self.note_id.as_deref()
    }

    fn set_ids(&mut self, ghl_id: Option<String>, clienty_id: Option<String>, contact_id: String) {
        (self.note_id, self.clienty_note_id, self.contact_id) = (ghl_id, clienty_id, contact_id);
    }

    fn may_be(&self, announced: &Self) -> bool {
        same_text(&announced.note_text, &self.note_text)
    }

    fn lacking(&self) -> Option<&'static str> {
        self.note_text.trim().is_empty().then_some("data.noteText")
    }

    fn apply(&mut self, patch: &NotePatch) {
        patch.apply(self);
    }
}

impl Entry for Appointment {
    const KIND: &'static str = "appointment";
    const GHL_ID_FIELD: &'static str = "data.appointmentId";
    const CLIENTY_ID_FIELD: &'static str = "data.clientyAppointmentId";
    type Patch = AppointmentPatch;

    fn ghl_id(&self) -> Option<&str> {
        self.appointment_id.as_deref()
    }

    fn set_ids(&mut self, ghl_id: Option<String>, clienty_id: Option<String>, contact_id: String) {
        (self.appointment_id, self.clienty_appointment_id, self.contact_id) = (ghl_id, clienty_id, contact_id);
    }

    fn may_be(&self, announced: &Self) -> bool {
        [self.start_time, self.second_hour.start_time].contains(&announced.start_time)
    }

    fn lacking(&self) -> Option<&'static str> {
        match self {
            Self { calendar_id: None, .. } => Some("data.calendarId"),
            Self { start_time: None, .. } => Some("data.startTime"),
            _ => None,
        }
    }

    fn apply(&mut self, patch: &AppointmentPatch) {
        patch.apply(self);
    }

    fn mistake(&self) -> Option<(&'static str, &'static str)> {
        let ends_early = self.start_time.zip(self.end_time).is_some_and(|(start, end)| end <= start);
        ends_early.then_some(("data.endTime", "it must be after startTime"))
    }

    /// Two things are left open. An hour that the wall shows twice: where one of its meanings is what we know, nothing has changed. And notes,
    /// which are written as the description; the list of a contact's appointments and the replies to writes leave that out, so where
    /// nothing is told of what we wrote, it stands.
    fn read_like(&mut self, known: &Self, prints: Option<&Prints>) {
        let SecondHour { start_time, end_time } = std::mem::take(&mut self.second_hour);
        if start_time.is_some() && start_time == known.start_time {
            self.start_time = start_time;
        }
        if end_time.is_some() && end_time == known.end_time {
            self.end_time = end_time;
        }
        if self.notes.is_none() && prints.is_none_or(|prints| prints.has("notes")) {
            self.notes.clone_from(&known.notes);
        }
    }
}

/// A task, note or appointment as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryRow<E> {
    /// UUID v7; the record id of push jobs.
    pub row_id: String,
    /// GHL's location id.
    pub location_id: String,
    /// The contact it belongs to.
    pub contact_id: String,
    /// GHL's id; none until it was created there.
    pub ghl_id: Option<String>,
    /// The producer's own id.
    pub clienty_id: Option<String>,
    /// As readers see it.
    pub doc: E,
    /// The last state agreed with GHL; none while there is none there.
    pub base: Option<E>,
    /// Whether readers no longer see it.
    pub deleted: bool,
    /// When each field that GHL does not have yet was edited here.
    pub edits: Edits,
    /// What was written to GHL.
    pub prints: Prints,
    /// How the last write ended.
    pub sync: Option<SyncState>,
    /// What a create is about to send, or sent with an unknown outcome.
    pub intent: Option<E>,
    /// When that was written, in ms since 1970.
    pub intent_at_ms: Option<i64>,
    /// Counts its changes.
    pub revision: i64,
}

/// A task's row.
pub type TaskRow = EntryRow<Task>;
/// A note's row.
pub type NoteRow = EntryRow<Note>;

impl<E: Entry> EntryRow<E> {
    /// Whether GHL has what readers see, so that no push is owed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        match &self.base {
            Some(base) => !self.deleted && *base == self.doc,
            None => self.deleted && self.intent.is_none(),
        }
    }

    /// What GHL told of this record, so that it compares with what is kept.
    #[must_use]
    pub(super) fn read(&self, theirs: &E) -> E {
        let mut theirs = self.with_ids_of(theirs);
        theirs.read_like(self.base.as_ref().unwrap_or(&self.doc), Some(&self.prints));
        theirs
    }

    /// `theirs` with the ids of this row.
    #[must_use]
    pub(super) fn with_ids_of(&self, theirs: &E) -> E {
        let mut theirs = theirs.clone();
        theirs.set_ids(self.ghl_id.clone(), self.clienty_id.clone(), self.contact_id.clone());
        theirs
    }

    pub(super) fn changed(&self, op: ChangeOp) -> Changed {
        let record_id = self.ghl_id.as_ref().or(self.clienty_id.as_ref()).unwrap_or(&self.row_id);
        Changed {
            location_id: self.location_id.clone(),
            contact_id: self.contact_id.clone(),
            record: E::KIND,
            record_id: record_id.clone(),
            op,
        }
    }
}

impl Records {
    /// The task, note or appointment of that row id: `records.entry::<Task>(row_id)`.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn entry<E: Entry>(&self, row_id: &str) -> Result<Option<EntryRow<E>>, RecordsError> {
        let row = sqlx::query(sql!("entry")).bind(E::KIND).bind(row_id).fetch_optional(&self.pool).await?;
        row.as_ref().map(row_of).transpose()
    }

    /// The task or note that GHL knows by that id, deleted ones among them: `records.entry_of_ghl::<Task>(location_id, ghl_id)`.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn entry_of_ghl<E: Entry>(
        &self,
        location_id: &str,
        ghl_id: &str,
    ) -> Result<Option<EntryRow<E>>, RecordsError> {
        find_by_ghl_id(&mut *self.pool.acquire().await?, location_id, ghl_id).await
    }

    /// Keeps what a create is about to send, or forgets it (none) once it is known not to have arrived, while `run` still
    /// holds its ledger rows.
    ///
    /// # Errors
    /// [`RecordsError::LostRun`] when it does not, or the row is gone: nothing may be sent then.
    pub async fn set_intent<E: Entry>(&self, run: &Run, row_id: &str, sent: Option<&E>) -> Result<(), RecordsError> {
        self.announce(sql!("set_intent"), run, row_id, sent.map(text_of)).await
    }

    /// Writes an intent by the statement `text`. A create whose announcement is older than it looks would be given up for not arrived while it
    /// still can: so the time is read with the connection in hand, and one that was long in writing is written anew.
    pub(super) async fn announce(
        &self,
        text: &'static str,
        run: &Run,
        row_id: &str,
        intent: Option<String>,
    ) -> Result<(), RecordsError> {
        let JobKey { kind, location_id, record_id } = &run.key;
        loop {
            let _gate = self.gate().await;
            let mut connection = self.pool.acquire().await?;
            let at_ms = self.clock.now_ms();
            let kept = sqlx::query(text)
                .bind(intent.as_deref())
                .bind(intent.as_ref().map(|_| at_ms))
                .bind(row_id)
                .bind(kind)
                .bind(location_id)
                .bind(record_id)
                .bind(run.epoch)
                .execute(&mut *connection)
                .await?;
            if kept.rows_affected() == 0 {
                return Err(RecordsError::LostRun(run.key.clone()));
            }
            if self.clock.now_ms().saturating_sub(at_ms) <= FRESH_MS {
                return Ok(());
            }
        }
    }

    /// Keeps with the row that GHL refused to write it, and why.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn refuse_entry(&self, row_id: &str, state: &SyncState) -> Result<(), RecordsError> {
        let _gate = self.gate().await;
        let text = serde_json::to_string(state).ok();
        sqlx::query(sql!("refuse_entry")).bind(text).bind(row_id).execute(&self.pool).await?;
        Ok(())
    }

    /// GHL's ids of the contact's entries of one kind that have a row here: what a retry that looks for its own must not
    /// adopt.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn linked_ids<E: Entry>(
        &self,
        location_id: &str,
        contact_id: &str,
    ) -> Result<HashSet<String>, RecordsError> {
        let ids: Vec<String> = sqlx::query_scalar(sql!("linked_ids"))
            .bind(location_id)
            .bind(contact_id)
            .bind(E::KIND)
            .fetch_all(&self.pool)
            .await?;
        Ok(ids.into_iter().collect())
    }
}

impl Tx {
    /// GHL has `row` under `ghl_id` and answered with `base` to what was sent. Readers see the answer, unless the row was edited since
    /// it was read: then the edit stays and its own job will push it. Closes the intent.
    ///
    /// How it ended, and whether nothing more is owed.
    ///
    /// A pull may have met the new entry first and made a row of its own; that one is removed.
    ///
    /// # Errors
    /// [`RecordsError::Conflict`] when a producer already gave that other row an id; [`RecordsError::Database`].
    pub async fn pushed<E: Entry>(
        &mut self,
        row: &EntryRow<E>,
        ghl_id: &str,
        base: &E,
    ) -> Result<(SyncState, bool), RecordsError> {
        let asked = difference(&row.base.as_ref().map(fields).unwrap_or_default(), &fields(&row.doc));
        self.link(row, ghl_id, base, row.base.as_ref(), &asked, &asked).await
    }

    /// GHL has `row` under `ghl_id` since an earlier run, which never heard so: its create sent the row's intent. Where readers see
    /// something else by now, a push is owed. Closes the intent.
    ///
    /// # Errors
    /// See [`Tx::pushed`].
    pub async fn adopted<E: Entry>(
        &mut self,
        row: &EntryRow<E>,
        ghl_id: &str,
        base: &E,
    ) -> Result<(SyncState, bool), RecordsError> {
        // Nothing was asked by this run; what GHL holds otherwise than the intent was edited there since.
        let sent = row.intent.as_ref().map(fields).unwrap_or_default();
        self.link(row, ghl_id, base, row.intent.as_ref(), &Fields::new(), &sent).await
    }

    /// `asked` was written where GHL held `before`, and it holds `base` now. `sent` was written by this run or the one before.
    async fn link<E: Entry>(
        &mut self,
        row: &EntryRow<E>,
        ghl_id: &str,
        base: &E,
        before: Option<&E>,
        asked: &Fields,
        sent: &Fields,
    ) -> Result<(SyncState, bool), RecordsError> {
        let other = find_by_ghl_id::<E>(self.write.conn(), &row.location_id, ghl_id).await?;
        let mut is_gone = false;
        if let Some(other) = other.filter(|other| other.row_id != row.row_id) {
            // GHL told of its deletion before we heard that it was made.
            is_gone = other.deleted && other.base.is_none();
            if other.clienty_id.is_some() {
                return Err(RecordsError::Conflict {
                    row_id: row.row_id.clone(),
                    other_row_id: other.row_id,
                    ghl_id: ghl_id.to_owned(),
                });
            }
            sqlx::query(sql!("delete_entry")).bind(other.row_id).execute(self.write.conn()).await?;
        }
        let Written { agreed, unapplied, got } = merging::written(before, asked, base);
        let now_ms = self.write.now_ms;
        let state = SyncState::written(unapplied, timestamp(now_ms));
        let Some(mut now) = take::<E>(&mut self.write, &row.row_id).await? else { return Ok((state, true)) };
        let policies = self.write.policies.clone();
        let Taken { doc, edits, conflicts } = merging::take_in(&policies, &agreed, &now.doc, base, &now.edits, None);
        conflicts::keep(&mut self.write, &now.location_id, &now.contact_id, E::KIND, &now.row_id, &conflicts).await?;
        now.prints.remember(sent, &got);
        sqlx::query(sql!("entry_pushed"))
            .bind(ghl_id)
            .bind(text_of(base))
            .bind(&row.row_id)
            .bind(text_of(&doc))
            .bind(now_ms)
            .bind(column(&edits))
            .bind(column(&now.prints))
            .bind(serde_json::to_string(&state).ok())
            .execute(self.write.conn())
            .await?;
        let mut linked = EntryRow { ghl_id: Some(ghl_id.to_owned()), doc, ..now };
        linked.base = Some(linked.with_ids_of(base));
        linked.doc = linked.with_ids_of(&linked.doc);
        if is_gone {
            self.removed(&linked).await?;
            return Ok((state, true));
        }
        self.write.changed.push(linked.changed(if linked.deleted { ChangeOp::Deleted } else { ChangeOp::Stored }));
        Ok((state, linked.is_settled()))
    }

    /// GHL no longer has `row`: readers do not see it either, and nothing is owed.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn removed<E: Entry>(&mut self, row: &EntryRow<E>) -> Result<(), RecordsError> {
        let now_ms = self.write.now_ms;
        sqlx::query(sql!("entry_removed")).bind(now_ms).bind(&row.row_id).execute(self.write.conn()).await?;
        if !row.deleted {
            self.write.changed.push(row.changed(ChangeOp::Deleted));
        }
        Ok(())
    }
}

impl Tx {
    /// GHL told that it deleted `theirs`, which is of the contact: readers do not see it any more. One that was never known here leaves a mark,
    /// so that no older list brings it. An edit that GHL has not seen is the push's to decide: it will be told that it came too late.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn told_gone<E: Entry>(&mut self, contact_id: &str, theirs: &E) -> Result<(), RecordsError> {
        let Some(ghl_id) = theirs.ghl_id() else { return Ok(()) };
        let location_id = self.run.key.location_id.clone();
        match find_by_ghl_id::<E>(self.write.conn(), &location_id, ghl_id).await? {
            Some(row) if row.is_settled() && !row.deleted => self.removed(&row).await,
            Some(_) => Ok(()),
            None => {
                let now_ms = self.write.now_ms;
                sqlx::query(sql!("insert_gone_entry"))
                    .bind(Uuid::now_v7().to_string())
                    .bind(E::KIND)
                    .bind(location_id)
                    .bind(contact_id)
                    .bind(ghl_id)
                    .bind(text_of(theirs))
                    .bind(now_ms)
                    .execute(self.write.conn())
                    .await?;
                Ok(())
            }
        }
    }
}

/// How much older than the sending of a create its announcement may be, in ms.
const FRESH_MS: i64 = 2_000;

/// The document as it is stored: without what the columns hold.
pub(super) fn text_of<E: Entry>(doc: &E) -> String {
    let mut bare = doc.clone();
    bare.set_ids(None, None, String::new());
    // Structs of texts, numbers and times have no way to fail.
    serde_json::to_string(&bare).unwrap_or_default()
}

pub(super) async fn find_by_clienty_id<E: Entry>(
    connection: &mut AnyConnection,
    location_id: &str,
    clienty_id: &str,
) -> Result<Option<EntryRow<E>>, RecordsError> {
    find(connection, sql!("find_entry_by_clienty_id"), location_id, clienty_id).await
}

pub(super) async fn find_by_ghl_id<E: Entry>(
    connection: &mut AnyConnection,
    location_id: &str,
    ghl_id: &str,
) -> Result<Option<EntryRow<E>>, RecordsError> {
    find(connection, sql!("find_entry_by_ghl_id"), location_id, ghl_id).await
}

/// Reads a row and keeps it from others until the commit.
pub(super) async fn take<E: Entry>(write: &mut Write, row_id: &str) -> Result<Option<EntryRow<E>>, RecordsError> {
    let row = sqlx::query(sql!("take_entry")).bind(E::KIND).bind(row_id).fetch_optional(write.conn()).await?;
    row.as_ref().map(row_of).transpose()
}

/// Gives a row the document that an edit made.
pub(super) async fn save_edit<E: Entry>(
    write: &mut Write,
    row: &EntryRow<E>,
    doc: &E,
    clienty_id: Option<&str>,
    deletes: bool,
) -> Result<(), RecordsError> {
    let now_ms = write.now_ms;
    let edited = sqlx::query(sql!("edit_entry"))
        .bind(text_of(doc))
        .bind(clienty_id)
        .bind(i64::from(deletes))
        .bind(now_ms)
        .bind(&row.row_id)
        .bind(row.revision)
        .bind(column(&merging::edited(&row.edits, &row.doc, doc, now_ms)))
        .execute(write.conn())
        .await?;
    if edited.rows_affected() == 0 { Err(RecordsError::Raced) } else { Ok(()) }
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
pub(super) async fn of_contact<E: Entry>(
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

fn row_of<E: Entry>(row: &AnyRow) -> Result<EntryRow<E>, RecordsError> {
    let row_id: String = row.try_get("row_id")?;
    let contact_id: String = row.try_get("contact_id")?;
    let ghl_id: Option<String> = row.try_get("ghl_id")?;
    let clienty_id: Option<String> = row.try_get("clienty_id")?;
    let parse = |text: String| -> Result<E, RecordsError> {
        let mut doc: E =
            serde_json::from_str(&text).map_err(|error| RecordsError::corrupt("entries", &row_id, &error))?;
        doc.set_ids(ghl_id.clone(), clienty_id.clone(), contact_id.clone());
        Ok(doc)
    };
    Ok(EntryRow {
        location_id: row.try_get("location_id")?,
        doc: parse(row.try_get("doc")?)?,
        base: row.try_get::<Option<String>, _>("base")?.map(&parse).transpose()?,
        intent: row.try_get::<Option<String>, _>("intent")?.map(&parse).transpose()?,
        intent_at_ms: row.try_get("intent_at")?,
        edits: merging::read("entries", &row_id, row.try_get("edits")?)?,
        prints: merging::read("entries", &row_id, row.try_get("prints")?)?,
        sync: merging::read("entries", &row_id, row.try_get("sync")?)?,
        deleted: row.try_get::<i64, _>("deleted")? != 0,
        revision: row.try_get("revision")?,
        row_id,
        contact_id,
        ghl_id,
        clienty_id,
    })
}
