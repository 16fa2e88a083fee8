//! Which contact the ids of an event mean (law 17): what they name is decided by [`meant`], and carried out here.

use sync_model::decide::fields::Fields;
use sync_model::decide::identity::{Meant, Named, meant};
use sync_model::decide::match_lost_create::{could_match_contact, predates};
use sync_model::record::Contact;

use super::super::super::contacts::{self, ContactRow};
use super::super::super::sql::sql;
use super::super::super::{RecordsError, Write};
use super::super::{Unapplied, refuse};
use super::CLIENTY_ID;

/// The row that is known by the id, whichever of its ids that is.
pub(super) async fn find(write: &mut Write, location_id: &str, id: &str) -> Result<Option<ContactRow>, RecordsError> {
    contacts::find_by_any_id(write.conn(), location_id, id).await
}

/// The row of the contact that both ids mean, to which both lead from now on; none of one that is not known here. Where Clienty's id is new to
/// the row, that is in the row that is returned, and has yet to be saved with it.
pub(super) async fn settle(
    write: &mut Write,
    location_id: &str,
    contact_id: &str,
    clienty_id: Option<&str>,
    deletes: bool,
) -> Result<Option<ContactRow>, Unapplied> {
    let row = find(write, location_id, contact_id).await?;
    let Some(clienty_id) = clienty_id else { return Ok(row) };
    let other = find(write, location_id, clienty_id).await?;
    let is_one = row.as_ref().zip(other.as_ref()).is_some_and(|(row, other)| row.row_id == other.row_id);
    match meant(named(row.as_ref(), None), named(other.as_ref(), row.as_ref()), is_one, deletes) {
        Meant::One => Ok(row.map(|mut row| {
            if row.contact_id != clienty_id {
                row.clienty_id.get_or_insert_with(|| clienty_id.to_owned());
                row.doc.clienty_contact_id.clone_from(&row.clienty_id);
            }
            row
        })),
        Meant::Link => {
            if let Some(left) = other.filter(|other| other.clienty_id.as_deref() == Some(clienty_id)) {
                contacts::save(write, &ContactRow { clienty_id: None, ..left }, false).await?;
            }
            let Some(mut row) = row else { return Ok(None) };
            lead(write, location_id, clienty_id, &row.contact_id).await?;
            row.clienty_id.get_or_insert_with(|| clienty_id.to_owned());
            row.doc.clienty_contact_id.clone_from(&row.clienty_id);
            if !row.is_visible() {
                contacts::save(write, &row, false).await?;
                row.revision += 1;
            }
            Ok(Some(row))
        }
        Meant::Join => {
            let Some(pending) = other else { return Ok(row) };
            let joined = match row {
                Some(row) => both(write, &pending, &row).await?,
                None => under(write, pending, contact_id).await?,
            };
            Ok(Some(joined))
        }
        Meant::InDoubt => refuse(
            CLIENTY_ID,
            "its create is on its way to GHL, and its answer is awaited: send this again once the contact's `sync` is no longer `pending`",
        ),
        Meant::Contradiction => refuse(
            CLIENTY_ID,
            "the two ids name different contacts: send one of them; if GHL merged the contact of this id into the other, `contact.selected` with \
             the id of the one that is gone makes that known, and the id can be moved",
        ),
    }
}

/// `row` is what an id names; `beside` what the other id of the event names.
pub(in super::super::super) fn named(row: Option<&ContactRow>, beside: Option<&ContactRow>) -> Named {
    let Some(row) = row else { return Named::Unknown };
    // What the create in doubt may have made is no other contact.
    let may_be_made = |intent: &Contact| {
        beside.is_some_and(|beside| {
            could_match_contact(intent, &beside.doc) && !predates(beside.doc.date_added, row.intent_at_ms)
        })
    };
    let in_doubt = row.base.is_none() && row.intent.as_ref().is_some_and(|intent| !may_be_made(intent));
    match (row.is_visible(), row.is_pending()) {
        (false, _) => Named::Hidden { in_doubt },
        (true, true) => Named::Pending { in_doubt },
        (true, false) => Named::Known,
    }
}

/// From now on the id leads to the contact; what hung on an id that nobody knew hangs on that.
pub(super) async fn lead(
    write: &mut Write,
    location_id: &str,
    clienty_id: &str,
    contact_id: &str,
) -> Result<(), RecordsError> {
    if clienty_id != contact_id && contacts::find(write.conn(), location_id, clienty_id).await?.is_none() {
        for text in [sql!("move_entries"), sql!("move_conflicts")] {
            sqlx::query(text).bind(contact_id).bind(location_id).bind(clienty_id).execute(write.conn()).await?;
        }
    }
    contacts::save_alias(write, location_id, clienty_id, contact_id).await
}

/// The pending contact is the one that is known from GHL.
async fn both(write: &mut Write, pending: &ContactRow, other: &ContactRow) -> Result<ContactRow, RecordsError> {
    let location_id = &other.location_id;
    let pending = contacts::take(write, location_id, &pending.row_id).await?.ok_or(RecordsError::Raced)?;
    let other = contacts::take(write, location_id, &other.row_id).await?.ok_or(RecordsError::Raced)?;
    // What of them was looked at may have changed before they were taken.
    if !pending.is_pending() || other.base.is_none() || !other.is_visible() {
        return Err(RecordsError::Raced);
    }
    let in_doubt = pending.intent.is_some();
    let joined = contacts::join(write, pending, other, &Fields::new()).await?;
    // What a create in doubt has made may be this very contact.
    let created_by = joined.created_by.filter(|_| !in_doubt);
    Ok(ContactRow { intent: None, intent_at_ms: None, created_by, ..joined })
}

/// GHL has the pending contact under an id of which nothing is known here: what GHL holds of it has yet to be read.
async fn under(write: &mut Write, pending: ContactRow, contact_id: &str) -> Result<ContactRow, RecordsError> {
    let location_id = pending.location_id.clone();
    let row = contacts::take(write, &location_id, &pending.row_id).await?.filter(ContactRow::is_pending);
    let row = row.ok_or(RecordsError::Raced)?;
    contacts::move_to(write, &location_id, &row.contact_id, contact_id).await?;
    Ok(row.under(contact_id))
}
