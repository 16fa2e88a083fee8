//! What happens in GHL to what is kept here, as events that start flows: an appointment was booked, moved or missed, a task done, a contact
//! changed.
//!
//! A flow begins in the transaction that takes the change in, whichever way it came: by a webhook, a reconciliation, a pull or the reply to a write. A
//! repetition finds it taken in, and begins nothing. What Clienty wrote is no change when GHL shows it. The event reads as a producer's would:
//! `data` holds the ids and the fields that changed, `before` what those read until then, `record` all of the record, and `origin` says `ghl`.
//!
//! That a record is new GHL's webhook says; what is read for the first time may be years old. It is new all the same where GHL made it after
//! all of its location, or its contact, was kept here ([`is_news`]).

use jiff::Timestamp;
use jiff::tz::TimeZone;
use job_engine::Priority;
use serde_json::{Map, Value, json};
use sqlx::Row;
use sync_model::decide::echo::Fingerprints;
use sync_model::decide::fields::{Fields, Record, differing, fields};
use sync_model::record::Contact;
use uuid::Uuid;

use super::super::contacts::{self, ContactRow};
use super::super::entries::{AnyEntry, Entry, EntryRow, find_by_ghl_id};
use super::super::runs::Tx;
use super::super::sql::sql;
use super::super::{RecordsError, Write, page};
use super::Knows;
use super::starting::{Start, start};
use crate::flows::{Changed, ORIGIN_GHL};

/// What is older is no news, however it comes to light: nobody wants to be reported it by a flow.
const NEWS_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// So far GHL's clock may be from ours; and of an appointment it reports the second alone, or the minute.
const CLOCKS_MS: i64 = 2 * 60 * 1000;

struct Happened<'a> {
    changed: Changed,
    location_id: &'a str,
    contact_id: &'a str,
    data: Map<String, Value>,
    before: Map<String, Value>,
    record: Value,
    /// By which a repetition is known, where nothing else shows it.
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
    let changed = Changed::of(E::KIND, &fields(doc), changed(&row.doc, doc, ours));
    if !is_awaited(write, &changed) {
        return Ok(());
    }
    let before = reported(&json!(row.doc), &changed.fields);
    let event = of_entry(row, doc, changed);
    happened(write, Happened { before, ..event }).await
}

/// GHL no longer has an entry.
pub(in crate::records) async fn entry_gone<E: Entry>(write: &mut Write, row: &EntryRow<E>) -> Result<(), RecordsError> {
    let changed = Changed::whole(E::KIND, "deleted");
    if !is_awaited(write, &changed) {
        return Ok(());
    }
    happened(write, of_entry(row, &row.doc, changed)).await
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
    let changed = Changed::of(Contact::NAME, &Fields::new(), changed(before, &row.doc, ours));
    if !is_awaited(write, &changed) {
        return Ok(());
    }
    let record = json!(row.doc);
    let event = Happened {
        location_id: &row.location_id,
        contact_id: &row.contact_id,
        data: reported(&record, &changed.fields),
        before: reported(&json!(before), &changed.fields),
        record,
        changed,
        once: None,
    };
    happened(write, event).await
}

/// GHL no longer has a contact. Nothing but its id is reported: nobody could find the rest when the person's data is to be erased.
pub(in crate::records) async fn contact_gone(
    write: &mut Write,
    location_id: &str,
    contact_id: &str,
) -> Result<(), RecordsError> {
    let (data, before, record) = (Map::new(), Map::new(), Value::Null);
    let changed = Changed::whole(Contact::NAME, "deleted");
    happened(write, Happened { changed, location_id, contact_id, data, before, record, once: None }).await
}

/// An entry was read in GHL and not known here, nor under another contact.
pub(in crate::records) async fn entry_met(
    write: &mut Write,
    location_id: &str,
    theirs: &AnyEntry,
) -> Result<(), RecordsError> {
    if write.flows.is_empty() {
        return Ok(());
    }
    match theirs {
        AnyEntry::Task(task) => met(write, location_id, task).await,
        AnyEntry::Note(note) => met(write, location_id, note).await,
        AnyEntry::Appointment(appointment) => met(write, location_id, appointment).await,
    }
}

async fn met<E: Entry>(write: &mut Write, location_id: &str, theirs: &E) -> Result<(), RecordsError> {
    let created = Changed::whole(E::KIND, "created").and_as_met(&fields(theirs));
    let Some(ghl_id) = theirs.ghl_id().filter(|_| is_awaited(write, &created)) else { return Ok(()) };
    let Some(row) = find_by_ghl_id::<E>(write.conn(), location_id, ghl_id).await? else { return Ok(()) };
    let at_ms = theirs.created_at().map(|at| to_local_time(at, theirs.read_in()).as_millisecond());
    match is_news(write, location_id, &row.contact_id, at_ms).await? {
        true => made(write, &row, ghl_id, created).await,
        false => Ok(()),
    }
}

/// Whether GHL made what was not known here, and that at `at_ms` where it says so, while its contact was kept here or all of its location was.
/// Tasks often have no date: then the whole lists that were read before report, as long as that is not long ago.
async fn is_news(
    write: &mut Write,
    location_id: &str,
    contact_id: &str,
    at_ms: Option<i64>,
) -> Result<bool, RecordsError> {
    let Some(contact) = contacts::find(write.conn(), location_id, contact_id).await? else { return Ok(false) };
    let read = sqlx::query(sql!("location_was_read")).bind(location_id).fetch_one(write.conn()).await?;
    let (first, last): (Option<i64>, Option<i64>) = (read.try_get("first_read")?, read.try_get("last_read")?);
    let recent = write.now_ms.saturating_sub(NEWS_MS);
    let kept_since = kept_since(&contact.row_id).unwrap_or(write.now_ms);
    let since = kept_since.min(first.unwrap_or(i64::MAX)).saturating_sub(CLOCKS_MS).max(recent);
    Ok(match at_ms {
        Some(at) => at > since && at <= write.now_ms.saturating_add(CLOCKS_MS),
        None => {
            let added = contact.doc.date_added.map(|at| at.as_millisecond());
            let is_after = |first: i64| kept_since <= first || added.is_some_and(|added| added > first);
            first.is_some_and(is_after) && last.is_some_and(|last| last > recent)
        }
    })
}

/// When a record was created whose time GHL reports without an offset: as its other times are read, on the wall of the zone, and not as late as it may
/// be ([`Entry::created_at`]).
fn to_local_time(at: Timestamp, zone: Option<&str>) -> Timestamp {
    let zone = zone.and_then(|zone| TimeZone::get(zone).ok());
    let read = zone.and_then(|zone| zone.to_timestamp(TimeZone::UTC.to_datetime(at)).ok());
    read.map_or(at, |read| read.min(at))
}

/// When a row was made, as its id reports.
fn kept_since(row_id: &str) -> Option<i64> {
    let (seconds, nanos) = Uuid::parse_str(row_id).ok()?.get_timestamp()?.to_unix();
    i64::try_from(seconds).ok()?.checked_mul(1000)?.checked_add(i64::from(nanos / 1_000_000))
}

impl Tx {
    /// GHL reported that it created `theirs`. One that Clienty created is no news, and one is created once.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn reported_created<E: Entry>(&mut self, theirs: &E) -> Result<(), RecordsError> {
        let Some(ghl_id) = theirs.ghl_id().filter(|_| !self.write.flows.is_empty()) else { return Ok(()) };
        page::flush(&mut self.write).await?;
        let location_id = self.run.key.location_id.clone();
        let row = find_by_ghl_id::<E>(self.write.conn(), &location_id, ghl_id).await?;
        let is_theirs =
            |row: &EntryRow<E>| !row.deleted && row.clienty_id.is_none() && row.fingerprints == Fingerprints::default();
        let Some(row) = row.filter(is_theirs) else { return Ok(()) };
        let created = Changed::whole(E::KIND, "created");
        // What became of it after it was first met was a change.
        let created = if row.revision == 1 { created.and_as_met(&fields(&row.doc)) } else { created };
        made(&mut self.write, &row, ghl_id, created).await
    }
}

/// GHL made what the row is: once, however often it is reported.
async fn made<E: Entry>(
    write: &mut Write,
    row: &EntryRow<E>,
    ghl_id: &str,
    created: Changed,
) -> Result<(), RecordsError> {
    let all: Vec<_> = fields(&row.doc).into_keys().collect();
    let data = reported(&json!(row.doc), &all);
    let event = of_entry(row, &row.doc, created);
    let data = event.data.clone().into_iter().chain(data).collect();
    happened(write, Happened { once: Some(ghl_id.to_owned()), data, ..event }).await
}

fn is_awaited(write: &Write, changed: &Changed) -> bool {
    write.flows.iter().any(|flow| flow.on.as_ref().is_some_and(|on| on.met_by(changed).is_some()))
}

async fn happened(write: &mut Write, event: Happened<'_>) -> Result<(), RecordsError> {
    let Happened { changed, location_id, contact_id, data, before, record, once } = event;
    let flows = write.flows.clone();
    for flow in flows.iter() {
        let Some(event_type) = flow.on.as_ref().and_then(|on| on.met_by(&changed)) else { continue };
        let mut event = json!({
            "type": event_type, "locationId": location_id, "contactId": contact_id, "data": data, "record": record,
            "origin": ORIGIN_GHL,
        });
        if !before.is_empty() || !changed.fields.is_empty() {
            event["before"] = json!(before);
        }
        let knows = Knows { event, set: flow.set.clone(), answers: Map::new(), ..Knows::default() };
        let trigger = once.as_ref().map(|id| format!("{event_type} {id}"));
        let by = Start {
            location_id,
            // Of one that is gone no step can say anything.
            contact_id: (event_type != "contact.deleted").then_some(contact_id),
            trigger: trigger.as_deref(),
            knows,
            priority: Priority::Realtime,
        };
        start(write, flow, &by).await?;
    }
    Ok(())
}

fn of_entry<'a, E: Entry>(row: &'a EntryRow<E>, doc: &E, changed: Changed) -> Happened<'a> {
    let mut doc = doc.clone();
    doc.set_ids(row.ghl_id.clone(), row.clienty_id.clone(), row.contact_id.clone());
    let record = json!(doc);
    let mut data = reported(&record, &changed.fields);
    for id in [E::GHL_ID_FIELD, E::CLIENTY_ID_FIELD].map(|field| field.trim_start_matches("data.")) {
        data.insert(id.to_owned(), record[id].clone());
    }
    let (location_id, contact_id) = (row.location_id.as_str(), row.contact_id.as_str());
    Happened { changed, location_id, contact_id, data, before: Map::new(), record, once: None }
}

/// The names of the fields that read differently, but for those that we asked for.
fn changed<R: Record>(before: &R, after: &R, ours: &Fields) -> Vec<String> {
    let (before, after) = (fields(before), fields(after));
    // What makes sense only together is answered together.
    let together = R::TOGETHER.iter().any(|name| ours.contains_key(*name));
    let is_ours = |name: &str| ours.contains_key(name) || (together && R::TOGETHER.contains(&name));
    differing(&before, &after, is_ours)
}

/// The fields of a record of which these changed: of a list, all of it.
pub(super) fn reported(record: &Value, changed: &[String]) -> Map<String, Value> {
    let top = |name: &String| name.split('.').next().unwrap_or_default().to_owned();
    changed.iter().map(top).map(|name| (name.clone(), record[&name].clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the wall shows is read as late as it may be first, and then as the wall shows it.
    #[test]
    fn a_time_without_an_offset_is_read_on_the_wall() {
        let real: Timestamp = "2026-03-05T12:00:00Z".parse().unwrap();
        for zone in ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"] {
            let tz = TimeZone::get(zone).unwrap();
            let shown = tz.to_datetime(real);
            let latest = [tz.to_timestamp(shown), TimeZone::UTC.to_timestamp(shown)].map(Result::unwrap);
            let latest = latest.into_iter().max().unwrap();
            assert_eq!(to_local_time(latest, Some(zone)), real, "{zone}");
            assert_eq!(to_local_time(real, None), real);
        }
    }
}
