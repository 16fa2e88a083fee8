//! Edits of tasks, notes and appointments that producers send with their events, and how they meet the stored row.
//!
//! Pure but for the row's reading and writing: which row an edit means, whether it may touch it, and what the document
//! reads afterwards. An edit that cannot be meant is refused with the field at fault.

use serde_json::{Value, json};
use sync_model::decide::echo::Fingerprints;
use sync_model::decide::fields::{Record, differing, fields};
use sync_model::decide::last_edits::{self, LastEdits, but_for_later};
use sync_model::decide::unanswered::Unanswered;
use sync_model::field_mapping::Unwritable;
use uuid::Uuid;

use super::contacts;
use super::entries::{Entry, EntryRow, find_by_clienty_id, find_by_ghl_id, save_edit, text_of};
use super::merging::{self, Edits};
use super::sql::sql;
use super::{RecordsError, Write, conflicts};
use crate::flows::Changed;

use sync_model::change::{Act, EntryChange};
use sync_model::patch::Kept;

pub(super) mod contact;

/// The record that an edit was applied to.
pub(super) struct Applied {
    /// The record id of its jobs.
    pub(super) record_id: String,
    /// The contact that it is or belongs to.
    pub(super) contact_id: Option<String>,
    /// What it changed of a record that was here, where flows may wait for that.
    pub(super) edited: Option<Edited>,
}

/// What an edit changed.
pub(super) struct Edited {
    /// Of which record, which fields.
    pub(super) changed: Changed,
    /// The record as it was.
    pub(super) before: Value,
}

impl Applied {
    /// Applied to nothing but the contact of that id.
    pub(super) fn contact(id: String) -> Self {
        Self { record_id: id.clone(), contact_id: Some(id), edited: None }
    }

    fn entry<E: Entry>(row: EntryRow<E>) -> Self {
        Self { record_id: row.row_id, contact_id: Some(row.contact_id), edited: None }
    }

    /// It reads `after` now, and read `before` until then.
    pub(super) fn edited<R: Record>(mut self, write: &Write, before: &R, after: &R) -> Self {
        if !write.flows.is_empty() {
            let changed = differing(&fields(before), &fields(after), |_| false);
            let changed = Changed::of(R::NAME, &fields(after), changed);
            self.edited = Some(Edited { changed, before: json!(before) });
        }
        self
    }
}

/// Why an edit was not applied.
pub(super) enum Unapplied {
    /// The producer's to mend.
    Refused { field: &'static str, message: String },
    /// The producer's to mend, too: what the mapping does not take.
    Unmapped(Unwritable),
    /// Ours.
    Failed(RecordsError),
}

impl<T: Into<RecordsError>> From<T> for Unapplied {
    fn from(error: T) -> Self {
        Self::Failed(error.into())
    }
}

pub(super) fn refuse<T>(field: &'static str, message: impl Into<String>) -> Result<T, Unapplied> {
    Err(Unapplied::Refused { field, message: message.into() })
}

/// Applies one edit and returns the record that it was applied to.
pub(super) async fn apply<E: Entry>(
    write: &mut Write,
    location_id: &str,
    change: &EntryChange<E>,
) -> Result<Applied, Unapplied> {
    match find(write, location_id, change).await? {
        Some(row) => edit(write, row, change).await,
        None if change.act == Act::Create => create(write, location_id, change).await,
        None => match (&change.clienty_id, &change.ghl_id) {
            (_, Some(_)) => refuse(E::GHL_ID_FIELD, format!("no {} of that id is known", E::KIND)),
            (Some(_), None) => refuse(E::CLIENTY_ID_FIELD, format!("no {} of that id is known", E::KIND)),
            (None, None) => refuse(E::CLIENTY_ID_FIELD, format!("an id is needed to tell which {} is meant", E::KIND)),
        },
    }
}

/// The row that an edit means, by Clienty's id first: it is the producer's own.
async fn find<E: Entry>(
    write: &mut Write,
    location_id: &str,
    change: &EntryChange<E>,
) -> Result<Option<EntryRow<E>>, Unapplied> {
    if let Some(clienty_id) = &change.clienty_id
        && let Some(row) = find_by_clienty_id::<E>(write.conn(), location_id, clienty_id).await?
    {
        let contradicts = |ghl_id: &String| row.ghl_id.as_ref() != Some(ghl_id);
        return match change.ghl_id.as_ref().is_some_and(contradicts) {
            true => refuse(E::GHL_ID_FIELD, format!("the two ids name different {}s", E::KIND)),
            false => Ok(Some(row)),
        };
    }
    let Some(ghl_id) = &change.ghl_id else {
        return Ok(None);
    };
    let row = find_by_ghl_id::<E>(write.conn(), location_id, ghl_id).await?;
    match &row {
        Some(EntryRow { clienty_id: Some(_), .. }) if change.clienty_id.is_some() => {
            refuse(E::CLIENTY_ID_FIELD, format!("the {} has another id of Clienty's already", E::KIND))
        }
        _ => Ok(row),
    }
}

async fn edit<E: Entry>(write: &mut Write, row: EntryRow<E>, change: &EntryChange<E>) -> Result<Applied, Unapplied> {
    if let Some(contact_id) = &change.contact_id
        && contacts::resolve(write.conn(), &row.location_id, contact_id).await? != row.contact_id
    {
        return refuse(
            "contactId",
            format!("the {} belongs to another contact; leave contactId out, or send that one's", E::KIND),
        );
    }
    let deletes = change.act == Act::Delete;
    if row.deleted {
        let field = if change.clienty_id.is_some() { E::CLIENTY_ID_FIELD } else { E::GHL_ID_FIELD };
        return match deletes {
            true => Ok(Applied::entry(row)),
            false => refuse(
                field,
                format!(
                    "the {} was deleted: if GHL has it again, `contact.selected` of its contact brings it back; a new one needs an id of its own",
                    E::KIND
                ),
            ),
        };
    }
    check_kept(&row.doc, E::kept(&change.patch))?;
    let mut doc = row.doc.clone();
    E::apply(&mut doc, &change.patch);
    if let Some(at) = write.occurred_ms {
        let said = std::mem::take(&mut doc);
        doc = but_for_later(&row.doc, &said, &row.last_edits, at);
        let lost = last_edits::lost(&row.doc, &said, &doc, &row.last_edits, at);
        conflicts::keep(write, &row.location_id, &row.contact_id, E::KIND, &row.row_id, &lost).await?;
    }
    // What was wrong before is not this edit's.
    if row.doc.mistake().is_none() {
        check(&doc)?;
    }
    let clienty_id = row.clienty_id.clone().or_else(|| change.clienty_id.clone());
    save_edit(write, &row, &doc, clienty_id.as_deref(), deletes).await?;
    let edits = merging::edited(&row.edits, &row.doc, &doc, write.edited_ms());
    let before = row.doc.clone();
    let row = EntryRow { clienty_id, doc, edits, deleted: deletes, ..row };
    write.report(row.stored(Some(&before)));
    let after = row.doc.clone();
    let applied = Applied::entry(row);
    Ok(if deletes { applied } else { applied.edited(write, &before, &after) })
}

/// An event can't take away what GHL keeps. What was empty before is read so, and may be sent back so.
fn check_kept<R: Record>(doc: &R, kept: &[Kept]) -> Result<(), Unapplied> {
    let held = fields(doc);
    match kept.iter().find(|(name, _)| held.contains_key(*name)) {
        Some((_, place)) => {
            refuse(place, "can't be emptied in GHL, where it can only be changed; leave it out instead")
        }
        None => Ok(()),
    }
}

fn check<E: Entry>(doc: &E) -> Result<(), Unapplied> {
    doc.mistake().map_or(Ok(()), |(field, message)| refuse(field, message))
}

async fn create<E: Entry>(write: &mut Write, location_id: &str, change: &EntryChange<E>) -> Result<Applied, Unapplied> {
    if change.ghl_id.is_some() {
        return refuse(E::GHL_ID_FIELD, format!("no {} of that id is known; GHL gives a new one its id", E::KIND));
    }
    let Some(contact_id) = &change.contact_id else {
        return refuse("contactId", format!("a new {} needs the contact it belongs to", E::KIND));
    };
    let contact_id = &contacts::resolve(write.conn(), location_id, contact_id).await?;
    let contact = contacts::find(write.conn(), location_id, contact_id).await?;
    if contact.is_some_and(|contact| !contact.is_visible()) {
        return refuse("contactId", contact::DELETED);
    }
    let row_id = Uuid::now_v7().to_string();
    let clienty_id = change.clienty_id.clone();
    let mut doc = E::default();
    E::apply(&mut doc, &change.patch);
    if let Some(field) = doc.lacking() {
        return refuse(field, format!("a new {} needs it", E::KIND));
    }
    check(&doc)?;
    let now_ms = write.now_ms;
    sqlx::query(sql!("create_entry"))
        .bind(&row_id)
        .bind(E::KIND)
        .bind(location_id)
        .bind(contact_id)
        .bind(&clienty_id)
        .bind(text_of(&doc))
        .bind(now_ms)
        .execute(write.conn())
        .await?;
    let row = EntryRow {
        row_id,
        location_id: location_id.to_owned(),
        contact_id: contact_id.clone(),
        ghl_id: None,
        clienty_id,
        doc,
        base: None,
        deleted: false,
        edits: Edits::new(),
        fingerprints: Fingerprints::default(),
        sync: None,
        unanswered: Unanswered::default(),
        intent: None,
        intent_at_ms: None,
        revision: 1,
        last_edits: LastEdits::new(),
    };
    write.report(row.stored(None));
    Ok(Applied::entry(row))
}
