//! Edits of contacts that producers send with their events.

use super::super::contacts::{self, ContactRow, bare};
use super::super::merging;
use super::super::model::{Contact, is_key, key_of};
use super::super::sql::sql;
use super::super::{RecordsError, Write, unanswered};
use super::{Act, Applied, Unapplied, refuse};
use crate::decide::fields::{self, Fields, fields, with_fields};
use crate::spelling::nearest;

mod ids;

/// Where an event holds Clienty's id of the contact.
pub(in super::super) const CLIENTY_ID: &str = "data.clientyContactId";

/// Where an event holds custom fields.
pub(in super::super) const CUSTOM_FIELDS: &str = "data.customFields";

/// One edit, naming its contact by GHL's id, Clienty's id, or both.
#[derive(Debug, Clone, PartialEq)]
pub struct ContactChange {
    /// What to do.
    pub act: Act,
    /// GHL's id; the producer's own does as well, once it is known.
    pub contact_id: Option<String>,
    /// The producer's own id.
    pub clienty_id: Option<String>,
    /// What to set.
    pub patch: ContactPatch,
}

/// Fields of a contact to set.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ContactPatch {
    /// By name, tags and custom fields among them; null takes one away.
    pub fields: Fields,
    /// All tags, where they are sent as a whole: others go.
    pub tags: Option<Vec<String>>,
}

impl ContactPatch {
    fn apply(&self, contact: &Contact) -> Contact {
        let mut now = fields(contact);
        if let Some(tags) = &self.tags {
            now.retain(|name, _| !name.starts_with("tags."));
            now.extend(tags.iter().map(|tag| (format!("tags.{tag}"), true.into())));
        }
        for (name, value) in &self.fields {
            fields::set(&mut now, name, value.clone());
        }
        with_fields(contact, &now)
    }
}

/// Applies one edit and returns the contact that it was applied to.
pub(in super::super) async fn apply(
    write: &mut Write,
    location_id: &str,
    change: &ContactChange,
) -> Result<Applied, Unapplied> {
    check_keys(write, location_id, &change.patch).await?;
    let deletes = change.act == Act::Delete;
    match (&change.contact_id, &change.clienty_id) {
        (Some(contact_id), clienty_id) => {
            match ids::settle(write, location_id, contact_id, clienty_id.as_deref(), deletes).await? {
                Some(row) => edit(write, row, change).await,
                // GHL may have it though nobody looked at it yet.
                None => meet(write, location_id, contact_id, clienty_id.as_ref(), change).await,
            }
        }
        (None, Some(clienty_id)) => match ids::find(write, location_id, clienty_id).await? {
            Some(row) => edit(write, row, change).await,
            None if change.act == Act::Create => create(write, location_id, clienty_id, change).await,
            None => refuse(CLIENTY_ID, "no contact of that id is known; send contactId beside it if GHL has it"),
        },
        (None, None) => refuse("contactId", "an id is needed to tell which contact is meant"),
    }
}

/// Lets Clienty's id lead to the contact that a producer asks for, and edits nothing.
pub(in super::super) async fn link(
    write: &mut Write,
    location_id: &str,
    change: &ContactChange,
) -> Result<Applied, Unapplied> {
    let (Some(contact_id), Some(clienty_id)) = (&change.contact_id, &change.clienty_id) else {
        return refuse("contactId", "an id is needed to tell which contact is meant");
    };
    let row = match ids::settle(write, location_id, contact_id, Some(clienty_id), false).await? {
        Some(row) => {
            let before = contacts::find(write.conn(), location_id, &row.contact_id).await?;
            if row.is_shown() && before.as_ref() != Some(&row) {
                contacts::save(write, &row, true).await?;
                write.report(row.stored(before.map(|before| before.doc).as_ref()));
            }
            if row.is_shown() && !row.is_settled() {
                // The event's own job reads it; what is left to write has a job as well.
                unanswered::owe_contact(write, &row);
            }
            row
        }
        None => return meet(write, location_id, contact_id, Some(clienty_id), change).await.map(applied_to_contact),
    };
    Ok(applied_to_contact(applied(row)))
}

/// As the job of a fetch names its record.
fn applied_to_contact(Applied { record_id, contact_id }: Applied) -> Applied {
    Applied::contact(contact_id.unwrap_or(record_id))
}

/// A custom field that the location lacks could be written to nowhere. Where its fields were never read, the job finds out.
async fn check_keys(write: &mut Write, location_id: &str, patch: &ContactPatch) -> Result<(), Unapplied> {
    let keys = patch.fields.keys().filter_map(|name| name.strip_prefix("customFields.")).filter(|id| is_key(id));
    let wanted: Vec<&str> = keys.map(key_of).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let query = sqlx::query_as(sql!("custom_field_keys")).bind(location_id);
    let rows: Vec<(String, String)> = query.fetch_all(write.conn()).await?;
    let known: Vec<&str> = rows.iter().map(|(_, key)| key_of(key)).collect();
    if known.is_empty() {
        return Ok(());
    }
    let Some(lacking) = wanted.into_iter().find(|key| !known.contains(key)) else { return Ok(()) };
    let hint = nearest(lacking, known.iter().copied())
        .map_or_else(|| ".".to_owned(), |meant| format!("; did you mean {meant}?"));
    refuse(
        CUSTOM_FIELDS,
        format!(
            "the location has no custom field {lacking}{hint} If it was added in GHL just now, send the event again in a minute"
        ),
    )
}

/// A contact that is not shown can't be edited; each way to go on is named, as nobody else tells the producer.
pub(in super::super) const DELETED: &str = "the contact was deleted: if GHL has it again, `contact.selected` brings it back; to give a \
     clientyContactId to another contact, as to the one that GHL merged this one into, send it beside that one's contactId; a new contact needs a \
     clientyContactId of its own";

async fn edit(write: &mut Write, mut row: ContactRow, change: &ContactChange) -> Result<Applied, Unapplied> {
    let deletes = change.act == Act::Delete;
    if !row.is_shown() {
        let field = if change.contact_id.is_some() { "contactId" } else { CLIENTY_ID };
        return if deletes { Ok(applied(row)) } else { refuse(field, DELETED) };
    }
    let now_ms = write.now_ms;
    let before = row.doc.clone();
    let doc = change.patch.apply(&row.doc);
    row.edits = merging::edited(&row.edits, &row.doc, &doc, now_ms);
    // What is taken away without having been read leaves no difference; that it was asked for must.
    let is_unread = |name: &&String| row.is_unread() || row.unread.contains(name.split('.').next().unwrap_or(name));
    let blind: Vec<_> = change.patch.fields.keys().filter(is_unread).map(|name| (name.clone(), now_ms)).collect();
    row.edits.extend(blind);
    row.doc = Contact { clienty_contact_id: row.clienty_id.clone(), ..doc };
    if deletes {
        row.deleted_at_ms = Some(now_ms);
    }
    contacts::save(write, &row, true).await?;
    write.report(row.stored(Some(&before)));
    Ok(applied(row))
}

/// A row for a contact of GHL's that nobody looked at yet: its base is empty, and it was never synced.
async fn meet(
    write: &mut Write,
    location_id: &str,
    contact_id: &str,
    clienty_id: Option<&String>,
    change: &ContactChange,
) -> Result<Applied, Unapplied> {
    let mut row = bare(location_id, contact_id);
    row.clienty_id = clienty_id.cloned();
    row.doc.clienty_contact_id = clienty_id.cloned();
    row.base = Some(row.doc.clone());
    row.doc = change.patch.apply(&row.doc);
    row.edits = change.patch.fields.keys().map(|name| (name.clone(), write.now_ms)).collect();
    row.deleted_at_ms = (change.act == Act::Delete).then_some(write.now_ms);
    add(write, row).await
}

async fn create(
    write: &mut Write,
    location_id: &str,
    clienty_id: &str,
    change: &ContactChange,
) -> Result<Applied, Unapplied> {
    let mut row = bare(location_id, clienty_id);
    row.clienty_id = Some(clienty_id.to_owned());
    let nobody = Contact { clienty_contact_id: Some(clienty_id.to_owned()), ..row.doc };
    row.doc = change.patch.apply(&nobody);
    let Contact { first_name, last_name, email, phone, company_name, .. } = &row.doc;
    if [first_name, last_name, email, phone, company_name].into_iter().all(Option::is_none) {
        return refuse("data.email", "a new contact needs a name, an e-mail, a phone or a company");
    }
    row.edits = merging::edited(&row.edits, &nobody, &row.doc, write.now_ms);
    add(write, row).await
}

async fn add(write: &mut Write, row: ContactRow) -> Result<Applied, Unapplied> {
    if !contacts::insert(write, &row).await? {
        return Err(Unapplied::Failed(RecordsError::Raced));
    }
    if let Some(clienty_id) = &row.clienty_id {
        ids::lead(write, &row.location_id, clienty_id, &row.contact_id).await?;
    }
    write.report(row.stored(None));
    Ok(applied(row))
}

fn applied(row: ContactRow) -> Applied {
    Applied { record_id: row.row_id, contact_id: Some(row.contact_id) }
}
