//! How a contact's row follows what a pull or a scan read in GHL.

use super::super::conflicts;
use super::super::flows::happened;
use super::super::found::Found;
use super::super::merging::{self, Taken};
use super::super::model::Contact;
use super::super::{RecordsError, Write, occasions, told, unanswered};
use super::{ContactRow, bare, lock, save};
use crate::decide::absent::Unread;
use crate::decide::fields::{Fields, Record as _, fields};
use crate::decide::last_edits;
use crate::decide::merge::{Side, TheirTimes};

/// Stores what was read. A row that moved since the reading began, at `revision`, or to which a write is on its way, is looked at afterwards where
/// it reads otherwise.
pub(in crate::records) async fn store(
    write: &mut Write,
    location_id: &str,
    theirs: &Contact,
    revision: i64,
) -> Result<(), RecordsError> {
    let kept = write.page.contact(location_id, &theirs.id);
    if kept.is_some_and(|row| {
        row.revision == revision && is_as_known(row, theirs) && !row.is_in_flight() && !row.goes_back()
    }) {
        write.page.meet(location_id, &theirs.id);
        return Ok(());
    }
    // Whoever writes it now may be about to give it another revision: without the lock this transaction would fail of it.
    let row =
        if write.page.lacks(location_id, &theirs.id) { None } else { lock(write, location_id, &theirs.id).await? };
    match row {
        None if revision == 0 => {
            let row = bare(location_id, &theirs.id);
            let whole = row.read(theirs);
            let unread = row.unread_after(theirs);
            let synced_at_ms = write.now_ms;
            let created_by = Some(Side::Ghl);
            let base = Some(whole.clone());
            let row = ContactRow { base, doc: whole, synced_at_ms, unread, created_by, ..row };
            write.page.add_contact(row, write.cause.clone());
            write.found.push(Found::stored("ContactCreate", &theirs.id));
        }
        Some(row) if row.revision == revision && !row.is_in_flight() => follow(write, row, theirs).await?,
        Some(row) => {
            write.page.meet(location_id, &theirs.id);
            let is_newer = row.revision == revision;
            unanswered::meet_whole_contact(write, row, theirs, is_newer).await?;
        }
        None => {}
    }
    Ok(())
}

/// Whether GHL is known to hold all that `theirs` shows.
fn is_as_known(row: &ContactRow, theirs: &Contact) -> bool {
    row.base.as_ref() == Some(&row.read(theirs)) && !row.is_unread() && row.unread == row.unread_after(theirs)
}

/// Makes a row follow what GHL holds. What was edited here stays owed; what was deleted here stays deleted.
pub(in crate::records) async fn follow(
    write: &mut Write,
    row: ContactRow,
    theirs: &Contact,
) -> Result<(), RecordsError> {
    if is_as_known(&row, theirs) && !row.goes_back() {
        write.page.meet(&row.location_id, &row.contact_id);
        return Ok(());
    }
    let (theirs, unread) = (row.read(theirs), row.unread_after(theirs));
    let told = TheirTimes { not_before: row.base_at(), not_after: theirs.date_updated, ..TheirTimes::default() };
    Box::pin(follow_to(write, row, theirs, unread, &told)).await
}

/// As [`follow`], to a whole contact with the ids of the row; `unread` is what nobody has read of it, `told` what is known of the times of its edits.
pub(in crate::records) async fn follow_to(
    write: &mut Write,
    mut row: ContactRow,
    theirs: Contact,
    unread: Unread,
    told: &TheirTimes,
) -> Result<(), RecordsError> {
    let now_ms = write.now_ms;
    occasions::tagged(write, &row, &theirs).await?;
    let known = row.clone();
    let before = (row.doc.clone(), row.is_shown());
    if row.is_shown() {
        let agreed = row.agreed(&theirs);
        let Taken { doc, edits, conflicts } =
            told::take_in_contact(write, &row, &agreed, &theirs, &row.edits, told).await?;
        conflicts::keep(write, &row.location_id, &row.contact_id, Contact::NAME, &row.row_id, &conflicts).await?;
        let unmet = merging::unmet(&row.edits, &unread);
        (row.doc, row.edits) = (doc, edits);
        row.edits.extend(unmet);
    } else if row.base.is_none() {
        // It was gone from GHL and is back.
        (row.doc, row.deleted_at_ms) = (theirs.clone(), None);
    }
    let shows = before != (with_times_of(&row.doc, &before.0), row.is_shown());
    let is_tagged = row.base.as_ref().is_some_and(|base| base.tags != theirs.tags);
    let was_known = before.1 && row.base.is_some() && !row.is_unread();
    if let Some(base) = row.base.as_ref().filter(|_| was_known) {
        let at = |name: &str| told.fields.get(name).map_or(now_ms, |at| at.as_millisecond());
        last_edits::note(&mut row.last_edits, &fields(base), &fields(&theirs), Side::Ghl, at);
    }
    (row.base, row.unread) = (Some(theirs), unread);
    row.synced_at_ms = now_ms;
    save(write, &row, shows).await?;
    if !shows && let Some(changed) = row.answered(&known) {
        write.report(changed);
    }
    if shows {
        if was_known {
            happened::contact_changed(write, &row, &before.0, &Fields::new()).await?;
        }
        write.report(row.stored(Some(&known.doc)).after(known.is_shown()));
        let event = if is_tagged { "ContactTagUpdate" } else { "ContactUpdate" };
        write.found.push(Found::stored(event, &row.contact_id));
    }
    Ok(())
}

/// `contact` with what moves without an edit as in `other`: alone it is no change of the feed.
fn with_times_of(contact: &Contact, other: &Contact) -> Contact {
    let Contact { date_updated, last_activity, .. } = other;
    Contact { date_updated: *date_updated, last_activity: *last_activity, ..contact.clone() }
}
