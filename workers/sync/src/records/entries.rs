//! Tasks, notes and appointments: rows that both sides may edit.
//!
//! `doc` is what readers see, `base` the last state agreed with GHL. A row is settled when they are equal; else a push
//! is pending. What GHL holds meets what was edited here in a three-way merge, field by field. The ids and the contact live in columns and are put into the documents on the way out, so that a document
//! that gained an id does not look edited.
//!
//! Before a create is sent, what it sends is kept as the row's intent. As long as the intent is open, the outcome is
//! not known: a retry looks in GHL for an entry of that wording, and a pull that meets one leaves it to the retry. What an update asks is kept as
//! well: where GHL is met to hold it, it counts as agreed, not as an edit of GHL's.

use std::collections::HashSet;

use sync_model::decide::absent::Unread;
use sync_model::decide::echo::Fingerprints;
use sync_model::decide::fields::fields;
use sync_model::decide::last_edits::LastEdits;
use sync_model::decide::refused::Owed;
use sync_model::decide::sync_status::{Facts, SyncStatus};
use sync_model::decide::unanswered::Unanswered;
use sync_model::decide::verify::SyncState;
use sync_model::record::{Note, Task};

use super::feed::{ChangeOp, Changed};
use super::history::Was;
use super::merging::{self, Edits};
use super::sql::sql;
use super::{Records, RecordsError};

pub use self::aside::SetAside;
pub(super) use self::rows::{
    find_by_clienty_id, find_by_ghl_id, of_contact, parts_of, row_of, save_edit, shown_parts, take, text_of,
};
pub use sync_model::entry::{AnyEntry, Entry};

mod answers;
mod aside;
mod rows;

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
    pub fingerprints: Fingerprints,
    /// How the last write ended.
    pub sync: Option<SyncState>,
    /// The write that has no answer yet, and what was met meanwhile.
    pub unanswered: Unanswered,
    /// What a create is about to send, or sent with an unknown outcome.
    pub intent: Option<E>,
    /// When that was written, in ms since 1970.
    pub intent_at_ms: Option<i64>,
    /// Counts its changes.
    pub revision: i64,
    /// When and by whom each field was edited last, as far as that is known.
    pub last_edits: LastEdits,
}

/// A task's row.
pub type TaskRow = EntryRow<Task>;
/// A note's row.
pub type NoteRow = EntryRow<Note>;

impl<E: Entry> EntryRow<E> {
    /// Whether a look that was begun when the row was as `before` shows its newest state.
    pub(super) fn is_looked_at_as(&self, before: &Self) -> bool {
        self.base == before.base && self.unanswered.is_looked_at_as(&before.unanswered, self.doc != before.doc)
    }

    /// Whether GHL has what readers see, but for what it refuses, so that no push is pending.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        match &self.base {
            Some(base) => {
                let is_held = *base == self.doc || self.refusal().is_some();
                !self.deleted && is_held && self.unanswered.is_none() && !self.goes_back()
            }
            None => self.deleted && self.intent.is_none() && !self.unanswered.needs_look(),
        }
    }

    /// Whether a write of GHL's record is on its way, or its outcome is unknown: until its reply is stored, nothing else that is met can be
    /// ordered (law: a reply is as old as its call).
    #[must_use]
    pub fn is_in_flight(&self) -> bool {
        self.base.is_some() && (self.unanswered.is_open() || self.deleted)
    }

    /// Whether a field was edited back to what is agreed: GHL may hold something else by then.
    #[must_use]
    pub fn goes_back(&self) -> bool {
        let Some(base) = self.base.as_ref().filter(|_| !self.edits.is_empty()) else { return false };
        merging::goes_back(&self.edits, &Unread::new(), &fields(&self.doc), &fields(base))
    }

    /// What GHL does not have yet.
    #[must_use]
    pub fn pending(&self) -> Owed {
        Owed::of(self.base.as_ref(), &self.doc, self.sync.as_ref())
    }

    /// Why a push has nothing to do, though GHL does not have what readers see.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let is_whole = !self.deleted && self.intent.is_none() && self.unanswered.is_none();
        is_whole.then(|| self.pending().refusal().map(str::to_owned)).flatten()
    }

    /// What GHL reported of this record, so that it compares with what is kept.
    #[must_use]
    pub fn read(&self, theirs: &E) -> E {
        let mut theirs = self.with_ids_of(theirs);
        theirs.read_like(self.base.as_ref().unwrap_or(&self.doc), Some(&self.fingerprints));
        theirs
    }

    /// `theirs` with the ids of this row.
    #[must_use]
    pub(super) fn with_ids_of(&self, theirs: &E) -> E {
        let mut theirs = theirs.clone();
        theirs.set_ids(self.ghl_id.clone(), self.clienty_id.clone(), self.contact_id.clone());
        theirs
    }

    /// How far GHL has it.
    #[must_use]
    pub fn status(&self) -> SyncStatus {
        SyncStatus::of(&Facts {
            base: self.base.as_ref(),
            doc: &self.doc,
            is_deleted: self.deleted,
            is_unread: false,
            edits: &self.edits,
            last: self.sync.as_ref(),
        })
    }

    /// That it reads as it does now; `before`, where it was there.
    pub(super) fn stored(&self, before: Option<&E>) -> Changed {
        let op = if self.deleted { ChangeOp::Deleted } else { ChangeOp::Stored };
        let is_new = before.is_none() && op == ChangeOp::Stored;
        let (fields, was) = Was::of(op, before, &self.doc);
        Changed { fields, was, is_new, ..self.changed(op) }
    }

    /// What became of it since it was as `before`; none where readers see no difference.
    pub(super) fn answered(&self, before: &Self) -> Option<Changed> {
        let stored = self.stored(Some(&before.doc));
        if before.deleted != self.deleted || !stored.fields.is_empty() {
            return Some(stored.after(!before.deleted));
        }
        let is_same = before.status().state == self.status().state && before.ghl_id == self.ghl_id;
        let op = if self.deleted { ChangeOp::Deleted } else { ChangeOp::Synced };
        (!is_same).then(|| self.changed(op).after(!before.deleted))
    }

    pub(super) fn changed(&self, op: ChangeOp) -> Changed {
        Changed {
            location_id: self.location_id.clone(),
            contact_id: self.contact_id.clone(),
            record: E::KIND,
            record_id: self.row_id.clone(),
            clienty_id: self.clienty_id.clone(),
            ghl_id: self.ghl_id.clone(),
            op,
            fields: Vec::new(),
            sync: Some(self.status().state),
            is_new: false,
            was: (op == ChangeOp::Deleted).then(|| Was::gone(&self.doc)),
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

    /// The creates of one kind under the contact of which GHL has not answered yet, as they were sent.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn announced<E: Entry>(&self, location_id: &str, contact_id: &str) -> Result<Vec<E>, RecordsError> {
        let mut connection = self.pool.acquire().await?;
        let rows = of_contact::<E>(&mut connection, location_id, contact_id).await?;
        Ok(rows.into_iter().filter(|row| row.ghl_id.is_none()).filter_map(|row| row.intent).collect())
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
