//! How a contact's row follows what a pull or a scan read in GHL.

use sync_model::decide::absent::Unread;
use sync_model::decide::fields::{Fields, Record as _};
use sync_model::decide::merge::TheirTimes;
use sync_model::record::Contact;

use super::super::conflicts;
use super::super::detected_change::Found;
use super::super::flows::happened;
use super::super::{RecordsError, Write, reported_times, triggers, unanswered};
use super::steps::{Followed, Pull};
use super::{ContactRow, bare, lock, save};

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
        row.revision == revision && row.is_as_known(theirs) && !row.is_in_flight() && !row.goes_back()
    }) {
        write.page.meet(location_id, &theirs.id);
        return Ok(());
    }
    // Whoever writes it now may be about to give it another revision: without the lock this transaction would fail of it.
    let row =
        if write.page.lacks(location_id, &theirs.id) { None } else { lock(write, location_id, &theirs.id).await? };
    match (ContactRow::pull(row.as_ref(), revision), row) {
        (Pull::Meet, _) => {
            let row = bare(location_id, &theirs.id).first_met(theirs, write.now_ms);
            write.page.add_contact(row, write.cause.clone());
            write.found.push(Found::stored("ContactCreate", &theirs.id));
        }
        (Pull::Follow, Some(row)) => follow(write, row, theirs).await?,
        (Pull::Unordered { is_newer }, Some(row)) => {
            write.page.meet(location_id, &theirs.id);
            unanswered::meet_whole_contact(write, row, theirs, is_newer).await?;
        }
        (Pull::Nothing | Pull::Follow | Pull::Unordered { .. }, _) => {}
    }
    Ok(())
}

/// Makes a row follow what GHL holds. What was edited here stays pending; what was deleted here stays deleted.
pub(in crate::records) async fn follow(
    write: &mut Write,
    row: ContactRow,
    theirs: &Contact,
) -> Result<(), RecordsError> {
    if row.is_as_known(theirs) && !row.goes_back() {
        write.page.meet(&row.location_id, &row.contact_id);
        return Ok(());
    }
    let (theirs, unread) = (row.read(theirs), row.unread_after(theirs));
    let reported = row.times_of_reading(&theirs);
    Box::pin(follow_to(write, row, theirs, unread, &reported)).await
}

/// As [`follow`], to a whole contact with the ids of the row; `unread` is what nobody has read of it, `reported` what is known of the times of its edits.
pub(in crate::records) async fn follow_to(
    write: &mut Write,
    mut row: ContactRow,
    theirs: Contact,
    unread: Unread,
    reported: &TheirTimes,
) -> Result<(), RecordsError> {
    triggers::tagged(write, &row, &theirs).await?;
    let known = row.clone();
    let taken = if row.is_visible() {
        let agreed = row.agreed(&theirs);
        Some(reported_times::take_in_contact(write, &row, &agreed, &theirs, &row.edits, reported).await?)
    } else {
        None
    };
    let Followed { row, conflicts, shows, is_tagged, was_known } =
        row.followed(taken, theirs, unread, reported, write.now_ms);
    conflicts::keep(write, &row.location_id, &row.contact_id, Contact::NAME, &row.row_id, &conflicts).await?;
    save(write, &row, shows).await?;
    if !shows && let Some(changed) = row.answered(&known) {
        write.report(changed);
    }
    if shows {
        if was_known {
            happened::contact_changed(write, &row, &known.doc, &Fields::new()).await?;
        }
        write.report(row.stored(Some(&known.doc)).after(known.is_visible()));
        let event = if is_tagged { "ContactTagUpdate" } else { "ContactUpdate" };
        write.found.push(Found::stored(event, &row.contact_id));
    }
    Ok(())
}
