//! What happens in GHL to what is kept here, as events that start flows: an appointment was booked, moved or missed, a task done, a contact
//! changed.
//!
//! A flow begins in the transaction that takes the change in, whichever way it came: by a webhook, a sweep or the reply to a write. A repetition
//! finds it taken in, and begins nothing. What Clienty wrote is no change when GHL shows it. The event reads as a producer's would: `data`
//! holds the ids and the fields that changed, `record` all of the record, and `origin` says `ghl`.
//!
//! That a record is new says only GHL's webhook: what is read for the first time may be years old.

use job_engine::Priority;
use serde_json::{Map, Value, json};

use super::super::contacts::ContactRow;
use super::super::entries::{Entry, EntryRow, find_by_ghl_id};
use super::super::model::Contact;
use super::super::runs::Tx;
use super::super::{RecordsError, Write, page};
use super::Knows;
use super::starting::{Start, start};
use crate::decide::echo::Prints;
use crate::decide::fields::{Fields, Record, fields, value};
use crate::flows::{ORIGIN_GHL, On};

/// Fields that say one thing of a task.
const DONE: [&str; 2] = ["completed", "status"];

struct Happened<'a> {
    event_type: String,
    location_id: &'a str,
    contact_id: &'a str,
    data: Map<String, Value>,
    record: Value,
    /// By which a repetition is known, where nothing else tells it.
    once: Option<String>,
}

/// GHL changed an entry: its row is as it was before, `doc` as readers see it now. `ours` was asked by us.
pub(in crate::records) async fn entry_changed<E: Entry>(
    write: &mut Write,
    row: &EntryRow<E>,
    doc: &E,
    ours: &Fields,
) -> Result<(), RecordsError> {
    if write.flows.is_empty() {
        return Ok(());
    }
    let changed = changed(&row.doc, doc, ours);
    let done =
        E::KIND == "task" && value(&fields(doc), "completed") == true && changed.iter().any(|name| DONE[0] == name);
    if done {
        happened(write, of_entry(row, doc, &changed, "completed")).await?;
    }
    if changed.iter().any(|name| !done || !DONE.contains(&name.as_str())) {
        happened(write, of_entry(row, doc, &changed, "updated")).await?;
    }
    Ok(())
}

/// GHL no longer has an entry.
pub(in crate::records) async fn entry_gone<E: Entry>(write: &mut Write, row: &EntryRow<E>) -> Result<(), RecordsError> {
    happened(write, of_entry(row, &row.doc, &[], "deleted")).await
}

/// GHL changed a contact, which was known as `before`; `ours` was asked by us.
pub(in crate::records) async fn contact_changed(
    write: &mut Write,
    row: &ContactRow,
    before: &Contact,
    ours: &Fields,
) -> Result<(), RecordsError> {
    if write.flows.is_empty() {
        return Ok(());
    }
    let changed = changed(before, &row.doc, ours);
    if changed.is_empty() {
        return Ok(());
    }
    let record = json!(row.doc);
    let event = Happened {
        event_type: "contact.updated".to_owned(),
        location_id: &row.location_id,
        contact_id: &row.contact_id,
        data: told(&record, &changed),
        record,
        once: None,
    };
    happened(write, event).await
}

/// GHL no longer has a contact. Nothing but its id is told: nobody could find the rest when the person's data is to be erased.
pub(in crate::records) async fn contact_gone(
    write: &mut Write,
    location_id: &str,
    contact_id: &str,
) -> Result<(), RecordsError> {
    let event_type = "contact.deleted".to_owned();
    let (data, record) = (Map::new(), Value::Null);
    happened(write, Happened { event_type, location_id, contact_id, data, record, once: None }).await
}

impl Tx {
    /// GHL reported that it created `theirs`. One that Clienty created is no news, and one is created once.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn told_created<E: Entry>(&mut self, theirs: &E) -> Result<(), RecordsError> {
        let Some(ghl_id) = theirs.ghl_id().filter(|_| !self.write.flows.is_empty()) else { return Ok(()) };
        page::flush(&mut self.write).await?;
        let location_id = self.run.key.location_id.clone();
        let row = find_by_ghl_id::<E>(self.write.conn(), &location_id, ghl_id).await?;
        let is_theirs = |row: &EntryRow<E>| !row.deleted && row.clienty_id.is_none() && row.prints == Prints::default();
        let Some(row) = row.filter(is_theirs) else { return Ok(()) };
        let all: Vec<_> = fields(&row.doc).into_keys().collect();
        let event = of_entry(&row, &row.doc, &all, "created");
        let once = Some(format!("{} {ghl_id}", event.event_type));
        happened(&mut self.write, Happened { once, ..event }).await
    }
}

async fn happened(write: &mut Write, event: Happened<'_>) -> Result<(), RecordsError> {
    let Happened { event_type, location_id, contact_id, data, record, once } = event;
    let flows = write.flows.clone();
    let on = On::Event(event_type);
    for flow in flows.iter().filter(|flow| flow.on.as_ref() == Some(&on)) {
        let On::Event(event_type) = &on else { continue };
        let event = json!({
            "type": event_type, "locationId": location_id, "contactId": contact_id, "data": data, "record": record,
            "origin": ORIGIN_GHL,
        });
        let knows = Knows { event, set: flow.set.clone(), answers: Map::new() };
        let by = Start {
            location_id,
            // Of one that is gone no step can say anything.
            contact_id: (event_type != "contact.deleted").then_some(contact_id),
            occasion: once.as_deref(),
            knows,
            priority: Priority::Realtime,
        };
        start(write, flow, &by).await?;
    }
    Ok(())
}

fn of_entry<'a, E: Entry>(row: &'a EntryRow<E>, doc: &E, changed: &[String], verb: &str) -> Happened<'a> {
    let mut doc = doc.clone();
    doc.set_ids(row.ghl_id.clone(), row.clienty_id.clone(), row.contact_id.clone());
    let record = json!(doc);
    let mut data = told(&record, changed);
    for id in [E::GHL_ID_FIELD, E::CLIENTY_ID_FIELD].map(|field| field.trim_start_matches("data.")) {
        data.insert(id.to_owned(), record[id].clone());
    }
    Happened {
        event_type: format!("{}.{verb}", E::KIND),
        location_id: &row.location_id,
        contact_id: &row.contact_id,
        data,
        record,
        once: None,
    }
}

/// The names of the fields that read differently, but for those that we asked for.
fn changed<R: Record>(before: &R, after: &R, ours: &Fields) -> Vec<String> {
    let (before, after) = (fields(before), fields(after));
    // What makes sense only together is answered together.
    let together = R::TOGETHER.iter().any(|name| ours.contains_key(*name));
    let is_ours = |name: &str| ours.contains_key(name) || (together && R::TOGETHER.contains(&name));
    let mut names: Vec<_> = before.keys().chain(after.keys()).filter(|name| !is_ours(name)).cloned().collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| value(&before, name) != value(&after, name));
    names
}

/// The fields of a record of which these changed: of a list, all of it.
fn told(record: &Value, changed: &[String]) -> Map<String, Value> {
    let top = |name: &String| name.split('.').next().unwrap_or_default().to_owned();
    changed.iter().map(top).map(|name| (name.clone(), record[&name].clone())).collect()
}
