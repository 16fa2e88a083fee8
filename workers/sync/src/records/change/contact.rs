//! Edits of contacts that producers send with their events.

use sync_model::change::{Act, CLIENTY_ID, ContactChange, ContactPatch};
use sync_model::decide::fields::{Fields, Record as _, fields};
use sync_model::decide::last_edits::{self, but_for_later};
use sync_model::decide::merge::{Conflict, Side};
use sync_model::field_mapping::Unwritable;
use sync_model::record::{Contact, is_key, key_of};
use sync_model::suggest::nearest;

use super::super::contacts::{self, ContactRow, bare};
use super::super::merging::{self, ALL_TAGS};
use super::super::{RecordsError, Write, conflicts, custom_fields, entries, unanswered};
use super::{Applied, Unapplied, check_kept, refuse};

pub(in super::super) mod ids;

/// Where an event holds custom fields.
pub(in super::super) const CUSTOM_FIELDS: &str = "data.customFields";

/// Where an event holds mapped fields.
pub(in super::super) const MAPPED: &str = "data.fields";

/// Applies one edit and returns the contact that it was applied to.
pub(in super::super) async fn apply(
    write: &mut Write,
    location_id: &str,
    change: &ContactChange,
) -> Result<Applied, Unapplied> {
    let change = &ContactChange { patch: named_by_id(write, location_id, &change.patch).await?, ..change.clone() };
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
            if row.is_visible() && before.as_ref() != Some(&row) {
                contacts::save(write, &row, true).await?;
                write.report(row.stored(before.map(|before| before.doc).as_ref()));
            }
            if row.is_visible() && !row.is_settled() {
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
fn applied_to_contact(Applied { record_id, contact_id, edited: _ }: Applied) -> Applied {
    Applied::contact(contact_id.unwrap_or(record_id))
}

/// The patch with its custom fields named by id. One that the location lacks could be written to nowhere. Where its fields were never read, the job
/// finds out, and keys stay until then.
async fn named_by_id(write: &mut Write, location_id: &str, patch: &ContactPatch) -> Result<ContactPatch, Unapplied> {
    let patch = &mapped(write, location_id, patch)?;
    let key = |name: &str| name.strip_prefix("customFields.").filter(|id| is_key(id)).map(|key| key_of(key).to_owned());
    if !patch.fields.keys().any(|name| key(name).is_some()) {
        return Ok(patch.clone());
    }
    let present = custom_fields::present(write, location_id).await?;
    if present.is_empty() {
        return Ok(patch.clone());
    }
    let mut named = ContactPatch { fields: Fields::new(), ..patch.clone() };
    for (name, value) in &patch.fields {
        let name = match key(name) {
            None => name.clone(),
            Some(key) => match present.get(&key) {
                Some(id) => format!("customFields.{id}"),
                None => return no_field(&key, present.keys().map(String::as_str)),
            },
        };
        if named.fields.insert(name, value.clone()).is_some_and(|other| other != *value) {
            return refuse(CUSTOM_FIELDS, "names one field by its key and by its id, with different values");
        }
    }
    Ok(named)
}

/// The patch with what it says of mapped fields as what GHL gets of them.
fn mapped(write: &Write, location_id: &str, patch: &ContactPatch) -> Result<ContactPatch, Unapplied> {
    if patch.mapped.is_empty() {
        return Ok(patch.clone());
    }
    let mapping = write.mappings.of(location_id);
    let written = mapping.write(&patch.mapped).map_err(Unapplied::Unmapped)?;
    let mut all = ContactPatch { mapped: Fields::new(), ..patch.clone() };
    for (name, value) in written {
        let other = all.fields.insert(name.clone(), value.clone());
        if other.is_some_and(|other| other != value) {
            let field = mapping.fields.iter().find(|field| field.ghl.field() == name);
            let message = "is the same field in GHL as another of this event, with another value".to_owned();
            let name = field.map(|field| field.name.clone()).unwrap_or_default();
            return Err(Unapplied::Unmapped(Unwritable { name, message }));
        }
    }
    Ok(all)
}

fn no_field<'a, T>(lacking: &str, known: impl Iterator<Item = &'a str>) -> Result<T, Unapplied> {
    let hint = nearest(lacking, known).map_or_else(|| ".".to_owned(), |meant| format!("; did you mean {meant}?"));
    refuse(
        CUSTOM_FIELDS,
        format!(
            "the location has no custom field {lacking}{hint} If it was added in GHL just now, send the event again in a minute"
        ),
    )
}

/// A contact that is not shown can't be edited; each way to go on is named, as nobody else reports the producer.
pub(in super::super) const DELETED: &str = "the contact was deleted: if GHL has it again, `contact.selected` brings it back; to give a \
     clientyContactId to another contact, as to the one that GHL merged this one into, send it beside that one's contactId; a new contact needs a \
     clientyContactId of its own";

async fn edit(write: &mut Write, mut row: ContactRow, change: &ContactChange) -> Result<Applied, Unapplied> {
    let deletes = change.act == Act::Delete;
    if !row.is_visible() {
        let field = if change.contact_id.is_some() { "contactId" } else { CLIENTY_ID };
        return if deletes { Ok(applied(row)) } else { refuse(field, DELETED) };
    }
    check_kept(&row.doc, &change.patch.kept)?;
    let now_ms = edited_at(write, &row, change);
    let before = row.doc.clone();
    let late = edited(&mut row, &change.patch, write.occurred_ms, now_ms);
    conflicts::keep(write, &row.location_id, &row.contact_id, Contact::NAME, &row.row_id, &late).await?;
    if deletes {
        row.deleted_at_ms = Some(now_ms);
    }
    contacts::save(write, &row, true).await?;
    report(write, &row, Some(&before)).await?;
    let after = row.doc.clone();
    let applied = applied(row);
    Ok(if deletes { applied } else { applied.edited(write, &before, &after) })
}

/// Applies an edit to a row; what it lost to a later one of GHL's, where it occurred earlier than it came.
pub(in super::super) fn edited(
    row: &mut ContactRow,
    patch: &ContactPatch,
    occurred_ms: Option<i64>,
    now_ms: i64,
) -> Vec<Conflict> {
    let mut doc = patch.apply(&row.doc);
    let mut said = said(patch);
    let mut late = Vec::new();
    if let Some(at) = occurred_ms {
        let whole = std::mem::take(&mut doc);
        doc = but_for_later(&row.doc, &whole, &row.last_edits, at);
        late = last_edits::lost(&row.doc, &whole, &doc, &row.last_edits, at);
        said.retain(|name| row.last_edits.get(name).is_none_or(|edit| edit.at <= at));
    }
    row.edits = merging::edited(&row.edits, &row.doc, &doc, now_ms);
    last_edits::note(&mut row.last_edits, &fields(&row.doc), &fields(&doc), Side::Clienty, |_| now_ms);
    // What is taken away without having been read leaves no difference; that it was asked for must. Of a key
    // nobody knows whether it was read, nor beside one of an id.
    let has_keys = !row.unresolved().is_empty();
    let (now, base) = (fields(&doc), row.base.as_ref().map(fields).unwrap_or_default());
    let is_blind = |name: &&String| {
        let is_keyed = name.strip_prefix("customFields.").is_some_and(|id| has_keys || is_key(id));
        let is_unread = row.is_unread() || row.unread.contains(name.split('.').next().unwrap_or(name));
        is_keyed || (is_unread && !merging::says_again(name, &now, &base))
    };
    let blind: Vec<_> = said.iter().filter(is_blind).map(|name| (name.clone(), now_ms)).collect();
    row.edits.extend(blind);
    row.doc = Contact { clienty_contact_id: row.clienty_id.clone(), ..doc };
    late
}

/// Of one that is deleted with all that readers saw with it: nobody sees that from now on either.
async fn report(write: &mut Write, row: &ContactRow, before: Option<&Contact>) -> Result<(), RecordsError> {
    let mut changed = row.stored(before);
    if !row.is_visible() {
        let parts = entries::shown_parts(write, &row.location_id, &row.contact_id).await?;
        changed.was = changed.was.map(|was| was.with_parts(parts));
    }
    write.report(changed);
    Ok(())
}

/// The names of what the patch says something of; [`ALL_TAGS`] where it says which tags there are.
fn said(patch: &ContactPatch) -> Vec<String> {
    let tags = patch.tags.iter().flat_map(|tags| {
        let each = tags.iter().map(|tag| format!("{ALL_TAGS}.{tag}"));
        each.chain([ALL_TAGS.to_owned()])
    });
    patch.fields.keys().cloned().chain(tags).collect()
}

/// When the edit was made. Custom fields that are named by key and by id can't be kept apart yet: of two edits the later one has the later time.
fn edited_at(write: &Write, row: &ContactRow, change: &ContactChange) -> i64 {
    let is_custom = |name: &str| name.starts_with("customFields.");
    if write.occurred_ms.is_some() || !change.patch.fields.keys().any(|name| is_custom(name)) {
        return write.edited_ms();
    }
    let earlier = row.edits.iter().filter(|(name, _)| is_custom(name)).map(|(_, at)| at.saturating_add(1)).max();
    earlier.unwrap_or(write.now_ms).max(write.now_ms)
}

/// A row for a contact of GHL's that nobody looked at yet: its base is empty, and it was never synced.
async fn meet(
    write: &mut Write,
    location_id: &str,
    contact_id: &str,
    clienty_id: Option<&String>,
    change: &ContactChange,
) -> Result<Applied, Unapplied> {
    if let Some((_, place)) = change.patch.kept.first() {
        return refuse(place, "can't be emptied in GHL, where it can only be changed; leave it out instead");
    }
    let mut row = blind(bare(location_id, contact_id), clienty_id, &change.patch, write.edited_ms());
    row.deleted_at_ms = (change.act == Act::Delete).then_some(write.now_ms);
    add(write, row).await
}

/// `row`, a bare one of a contact of GHL's that nobody looked at, with what an edit of it says.
pub(in super::super) fn blind(
    mut row: ContactRow,
    clienty_id: Option<&String>,
    patch: &ContactPatch,
    at_ms: i64,
) -> ContactRow {
    row.clienty_id = clienty_id.cloned();
    row.doc.clienty_contact_id = clienty_id.cloned();
    row.base = Some(row.doc.clone());
    row.doc = patch.apply(&row.doc);
    row.edits = said(patch).into_iter().map(|name| (name, at_ms)).collect();
    last_edits::note(&mut row.last_edits, &Fields::new(), &fields(&row.doc), Side::Clienty, |_| at_ms);
    row.created_by = Some(Side::Ghl);
    row
}

async fn create(
    write: &mut Write,
    location_id: &str,
    clienty_id: &str,
    change: &ContactChange,
) -> Result<Applied, Unapplied> {
    let row = new(bare(location_id, clienty_id), &change.patch, write.edited_ms());
    let Contact { first_name, last_name, email, phone, company_name, .. } = &row.doc;
    if [first_name, last_name, email, phone, company_name].into_iter().all(Option::is_none) {
        return refuse("data.email", "a new contact needs a name, an e-mail, a phone or a company");
    }
    add(write, row).await
}

/// `row`, a bare one under the id of a producer that has made a contact, with what that says.
pub(in super::super) fn new(mut row: ContactRow, patch: &ContactPatch, at_ms: i64) -> ContactRow {
    row.clienty_id = Some(row.contact_id.clone());
    let nobody = Contact { clienty_contact_id: row.clienty_id.clone(), ..row.doc };
    row.doc = patch.apply(&nobody);
    row.edits = merging::edited(&row.edits, &nobody, &row.doc, at_ms);
    last_edits::note(&mut row.last_edits, &Fields::new(), &fields(&row.doc), Side::Clienty, |_| at_ms);
    row
}

async fn add(write: &mut Write, row: ContactRow) -> Result<Applied, Unapplied> {
    if !contacts::insert(write, &row).await? {
        return Err(Unapplied::Failed(RecordsError::Raced));
    }
    if let Some(clienty_id) = &row.clienty_id {
        ids::lead(write, &row.location_id, clienty_id, &row.contact_id).await?;
    }
    report(write, &row, None).await?;
    Ok(applied(row))
}

fn applied(row: ContactRow) -> Applied {
    Applied { record_id: row.row_id, contact_id: Some(row.contact_id), edited: None }
}
