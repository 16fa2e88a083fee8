//! Tasks and notes: rows that both sides may edit.
//!
//! `doc` is what readers see, `base` the last state agreed with GHL. A row is settled when they are equal; else a push
//! is owed. The ids and the contact live in columns and are put into the documents on the way out, so that a document
//! that gained an id does not look edited.
//!
//! Before a create is sent, what it sends is kept as the row's intent. As long as the intent is open, the outcome is
//! not known: a retry looks in GHL for an entry of that wording, and a pull that meets one leaves it to the retry.

use std::collections::HashSet;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::change::{NotePatch, TaskPatch};
use super::feed::{ChangeOp, Changed};
use super::job::JobKey;
use super::model::{Note, Task};
use super::runs::Tx;
use super::sql::sql;
use super::{Records, RecordsError, Run};

/// What tasks and notes have in common.
pub trait Entry: Serialize + DeserializeOwned + Clone + PartialEq + Default + Send + Sync + Unpin + 'static {
    /// The word for it in rows and messages.
    const KIND: &'static str;
    /// Where an event holds GHL's id of it.
    const GHL_ID_FIELD: &'static str;
    /// Where an event holds Clienty's id of it.
    const CLIENTY_ID_FIELD: &'static str;
    /// Where an event holds its wording.
    const WORDING_FIELD: &'static str;
    /// Fields to set.
    type Patch: Clone + PartialEq + std::fmt::Debug + Send + Sync;

    /// GHL's id.
    fn ghl_id(&self) -> Option<&str>;
    /// Puts the ids and the contact in.
    fn set_ids(&mut self, ghl_id: Option<String>, clienty_id: Option<String>, contact_id: String);
    /// What a person would know it by, where no id is at hand: a task's title, a note's text.
    fn wording(&self) -> &str;
    /// Sets the fields of `patch`.
    fn apply(&mut self, patch: &Self::Patch);
}

impl Entry for Task {
    const KIND: &'static str = "task";
    const GHL_ID_FIELD: &'static str = "data.taskId";
    const CLIENTY_ID_FIELD: &'static str = "data.clientyTaskId";
    const WORDING_FIELD: &'static str = "data.title";
    type Patch = TaskPatch;

    fn ghl_id(&self) -> Option<&str> {
        self.task_id.as_deref()
    }

    fn set_ids(&mut self, ghl_id: Option<String>, clienty_id: Option<String>, contact_id: String) {
        (self.task_id, self.clienty_task_id, self.contact_id) = (ghl_id, clienty_id, contact_id);
    }

    fn wording(&self) -> &str {
        &self.title
    }

    fn apply(&mut self, patch: &TaskPatch) {
        patch.apply(self);
    }
}

impl Entry for Note {
    const KIND: &'static str = "note";
    const GHL_ID_FIELD: &'static str = "data.noteId";
    const CLIENTY_ID_FIELD: &'static str = "data.clientyNoteId";
    const WORDING_FIELD: &'static str = "data.noteText";
    type Patch = NotePatch;

    fn ghl_id(&self) -> Option<&str> {
        self.note_id.as_deref()
    }

    fn set_ids(&mut self, ghl_id: Option<String>, clienty_id: Option<String>, contact_id: String) {
        (self.note_id, self.clienty_note_id, self.contact_id) = (ghl_id, clienty_id, contact_id);
    }

    fn wording(&self) -> &str {
        &self.note_text
    }

    fn apply(&mut self, patch: &NotePatch) {
        patch.apply(self);
    }
}

/// A task or note as it is kept.
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
    /// What a create is about to send, or sent with an unknown outcome.
    pub intent: Option<E>,
    /// When that was written, in ms since 1970.
    pub intent_at_ms: Option<i64>,
    /// Counts the changes of what readers see, and the pushes.
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

    /// `theirs` with the ids of this row, so that the two compare.
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
    /// The task or note of that row id: `records.entry::<Task>(row_id)`.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn entry<E: Entry>(&self, row_id: &str) -> Result<Option<EntryRow<E>>, RecordsError> {
        let row = sqlx::query(sql!("entry")).bind(E::KIND).bind(row_id).fetch_optional(&self.pool).await?;
        row.as_ref().map(row_of).transpose()
    }

    /// Keeps what a create is about to send, or forgets it (none) once it is known not to have arrived, while `run` still
    /// holds its ledger rows.
    ///
    /// # Errors
    /// [`RecordsError::LostRun`] when it does not, or the row is gone: nothing may be sent then.
    pub async fn set_intent<E: Entry>(&self, run: &Run, row_id: &str, sent: Option<&E>) -> Result<(), RecordsError> {
        let JobKey { kind, location_id, record_id } = &run.key;
        let _gate = self.gate().await;
        let kept = sqlx::query(sql!("set_intent"))
            .bind(sent.map(text_of))
            .bind(sent.map(|_| self.clock.now_ms()))
            .bind(row_id)
            .bind(kind)
            .bind(location_id)
            .bind(record_id)
            .bind(run.epoch)
            .execute(&self.pool)
            .await?;
        match kept.rows_affected() {
            0 => Err(RecordsError::LostRun(run.key.clone())),
            _ => Ok(()),
        }
    }

    /// GHL's ids of the contact's tasks or notes that have a row here: what a retry that looks for its own must not
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
    /// GHL has `row` under `ghl_id` and answered with `base`. Readers see the answer, unless the row was edited since
    /// it was read: then the edit stays and its own job will push it. Closes the intent.
    ///
    /// A pull may have met the new entry first and made a row of its own; that one is removed.
    ///
    /// # Errors
    /// [`RecordsError::Conflict`] when a producer already gave that other row an id; [`RecordsError::Database`].
    pub async fn pushed<E: Entry>(&mut self, row: &EntryRow<E>, ghl_id: &str, base: &E) -> Result<(), RecordsError> {
        self.link(row, ghl_id, base, row.revision).await
    }

    /// GHL has `row` under `ghl_id` since an earlier run, which never heard so. What readers see stays: where it differs from
    /// `base`, a push is owed. Closes the intent.
    ///
    /// # Errors
    /// See [`Tx::pushed`].
    pub async fn adopted<E: Entry>(&mut self, row: &EntryRow<E>, ghl_id: &str, base: &E) -> Result<(), RecordsError> {
        self.link(row, ghl_id, base, NO_REVISION).await
    }

    /// Readers see `base` if the row still has the revision `follows`.
    async fn link<E: Entry>(
        &mut self,
        row: &EntryRow<E>,
        ghl_id: &str,
        base: &E,
        follows: i64,
    ) -> Result<(), RecordsError> {
        let other = find_by_ghl_id::<E>(self.write.conn(), &row.location_id, ghl_id).await?;
        if let Some(other) = other.filter(|other| other.row_id != row.row_id) {
            if other.clienty_id.is_some() {
                return Err(RecordsError::Conflict {
                    row_id: row.row_id.clone(),
                    other_row_id: other.row_id,
                    ghl_id: ghl_id.to_owned(),
                });
            }
            sqlx::query(sql!("delete_entry")).bind(other.row_id).execute(self.write.conn()).await?;
        }
        let now_ms = self.write.now_ms;
        sqlx::query(sql!("entry_pushed"))
            .bind(ghl_id)
            .bind(text_of(base))
            .bind(&row.row_id)
            .bind(follows)
            .bind(now_ms)
            .execute(self.write.conn())
            .await?;
        let linked = EntryRow { ghl_id: Some(ghl_id.to_owned()), ..row.clone() };
        self.write.changed.push(linked.changed(if row.deleted { ChangeOp::Deleted } else { ChangeOp::Stored }));
        Ok(())
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

/// Revisions count from 1.
const NO_REVISION: i64 = 0;

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

async fn find<E: Entry>(
    connection: &mut AnyConnection,
    text: &'static str,
    location_id: &str,
    id: &str,
) -> Result<Option<EntryRow<E>>, RecordsError> {
    let row = sqlx::query(text).bind(E::KIND).bind(location_id).bind(id).fetch_optional(connection).await?;
    row.as_ref().map(row_of).transpose()
}

/// The contact's tasks or notes, deleted ones among them, oldest first.
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
        deleted: row.try_get::<i64, _>("deleted")? != 0,
        revision: row.try_get("revision")?,
        row_id,
        contact_id,
        ghl_id,
        clienty_id,
    })
}
