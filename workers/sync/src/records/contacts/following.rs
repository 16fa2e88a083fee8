//! How a contact's row follows what a pull or a walk read in GHL.

use super::super::conflicts;
use super::super::feed::ChangeOp;
use super::super::found::Found;
use super::super::merging::{self, Taken};
use super::super::model::Contact;
use super::super::sql::sql;
use super::super::{RecordsError, Write, rules};
use super::{ContactRow, bare, find, insert, save};
use crate::decide::fields::Record as _;

/// Stores what a pull brought, unless the row moved since the pull began, at `revision`. Whether it was stored.
pub(in crate::records) async fn store(
    write: &mut Write,
    location_id: &str,
    theirs: &Contact,
    revision: i64,
) -> Result<bool, RecordsError> {
    match find(write.conn(), location_id, &theirs.id).await? {
        None if revision == 0 => {
            let row = ContactRow {
                base: Some(theirs.clone()),
                doc: theirs.clone(),
                synced_at_ms: write.now_ms,
                ..bare(location_id, &theirs.id)
            };
            let is_new = insert(write, &row).await?;
            if is_new {
                write.changed.push(row.changed(ChangeOp::Stored));
                write.found.push(Found::stored("ContactCreate", &row.contact_id));
            }
            Ok(is_new)
        }
        Some(row) if row.revision == revision => {
            follow(write, row, theirs).await?;
            Ok(true)
        }
        None | Some(_) => Ok(false),
    }
}

/// Makes a row follow what GHL holds. What was edited here stays owed; what was deleted here stays deleted.
pub(in crate::records) async fn follow(
    write: &mut Write,
    mut row: ContactRow,
    theirs: &Contact,
) -> Result<(), RecordsError> {
    let theirs = row.with_ids_of(theirs);
    let now_ms = write.now_ms;
    if row.base.as_ref() == Some(&theirs) && !row.is_unread() {
        sqlx::query(sql!("touch_contact"))
            .bind(now_ms)
            .bind(&row.location_id)
            .bind(&row.row_id)
            .execute(write.conn())
            .await?;
        return Ok(());
    }
    rules::tagged(write, &row, &theirs).await?;
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
    row.base = Some(theirs);
    row.synced_at_ms = now_ms;
    save(write, &row, shows).await?;
    if shows {
        write.changed.push(row.changed(ChangeOp::Stored));
        let event = if is_tagged { "ContactTagUpdate" } else { "ContactUpdate" };
        write.found.push(Found::stored(event, &row.contact_id));
    }
    Ok(())
}
