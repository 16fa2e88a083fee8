//! How a contact's row follows what a pull or a walk read in GHL.

use super::super::conflicts;
use super::super::flows::happened;
use super::super::found::Found;
use super::super::merging::{self, Taken};
use super::super::model::Contact;
use super::super::{RecordsError, Write, occasions};
use super::{ContactRow, bare, lock, save};
use crate::decide::fields::{Fields, Record as _};

/// Stores what was read, unless the row moved since the reading began, at `revision`.
pub(in crate::records) async fn store(
    write: &mut Write,
    location_id: &str,
    theirs: &Contact,
    revision: i64,
) -> Result<(), RecordsError> {
    let kept = write.page.contact(&theirs.id);
    if kept.is_some_and(|row| row.revision == revision && is_as_known(row, &row.with_ids_of(theirs))) {
        write.page.meet(location_id, &theirs.id);
        return Ok(());
    }
    // Whoever writes it now may be about to give it another revision: without the lock this transaction would fail of it.
    let row = if write.page.lacks(&theirs.id) { None } else { lock(write, location_id, &theirs.id).await? };
    match row {
        None if revision == 0 => {
            write.page.add_contact(ContactRow {
                base: Some(theirs.clone()),
                doc: theirs.clone(),
                synced_at_ms: write.now_ms,
                ..bare(location_id, &theirs.id)
            });
            write.found.push(Found::stored("ContactCreate", &theirs.id));
        }
        Some(row) if row.revision == revision => follow(write, row, theirs).await?,
        None | Some(_) => {}
    }
    Ok(())
}

/// Whether GHL is known to hold `theirs`, which has the row's ids.
fn is_as_known(row: &ContactRow, theirs: &Contact) -> bool {
    row.base.as_ref() == Some(theirs) && !row.is_unread()
}

/// Makes a row follow what GHL holds. What was edited here stays owed; what was deleted here stays deleted.
pub(in crate::records) async fn follow(
    write: &mut Write,
    mut row: ContactRow,
    theirs: &Contact,
) -> Result<(), RecordsError> {
    let theirs = row.with_ids_of(theirs);
    let now_ms = write.now_ms;
    if is_as_known(&row, &theirs) {
        write.page.meet(&row.location_id, &row.contact_id);
        return Ok(());
    }
    occasions::tagged(write, &row, &theirs).await?;
    let known = row.clone();
    let before = (row.doc.clone(), row.is_shown());
    if row.is_shown() {
        let policies = write.policies.clone();
        let agreed = row.agreed(&theirs);
        let Taken { doc, edits, conflicts } =
            merging::take_in(&policies, &agreed, &row.doc, &theirs, &row.edits, theirs.date_updated);
        conflicts::keep(write, &row.location_id, &row.contact_id, Contact::NAME, &row.row_id, &conflicts).await?;
        (row.doc, row.edits) = (doc, edits);
    } else if row.base.is_none() {
        // It was gone from GHL and is back.
        (row.doc, row.deleted_at_ms) = (theirs.clone(), None);
    }
    let shows = before != (Contact { date_updated: before.0.date_updated, ..row.doc.clone() }, row.is_shown());
    let is_tagged = row.base.as_ref().is_some_and(|base| base.tags != theirs.tags);
    let was_known = before.1 && row.base.is_some() && !row.is_unread();
    row.base = Some(theirs);
    row.synced_at_ms = now_ms;
    save(write, &row, shows).await?;
    if !shows && let Some(changed) = row.answered(&known) {
        write.report(changed);
    }
    if shows {
        if was_known {
            happened::contact_changed(write, &row, &before.0, &Fields::new()).await?;
        }
        write.report(row.stored(Some(&known.doc)));
        let event = if is_tagged { "ContactTagUpdate" } else { "ContactUpdate" };
        write.found.push(Found::stored(event, &row.contact_id));
    }
    Ok(())
}
