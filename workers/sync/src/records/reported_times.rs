//! When GHL's side of a field was edited: its webhooks have times and show their fields. They are
//! read if both sides edited a field and the newer edit is to win.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sync_model::decide::absent::Absent;
use sync_model::decide::echo::Fingerprints;
use sync_model::decide::enrichment::OF_A_MACHINE;
use sync_model::decide::fields::{Fields, Record, fields, value};
use sync_model::decide::merge::{Policies, Policy, TheirTimes, first_reported};
use sync_model::record::Contact;
use sync_model::time_zone;

use super::context;
use super::entries::{AnyEntry, Entry, EntryRow};
use super::merging::{self, Edits, Taken};
use super::sql::sql;
use super::webhooks::{StoredWebhook, stored};
use super::{ContactRow, RecordsError, Write, mappings};
use crate::mapping;

/// Webhooks of so long before our edit are looked through as well: what they show is older, and the conflict shows that.
const BEFORE: SignedDuration = SignedDuration::from_hours(1);

/// `ours`, which was made of `base`, together with `theirs` (see [`merging::take_in`]), for the contact of `row`.
pub(super) async fn take_in_contact(
    write: &mut Write,
    row: &ContactRow,
    base: &Fields,
    theirs: &Contact,
    edits: &Edits,
    reported: &TheirTimes,
) -> Result<Taken<Contact>, RecordsError> {
    let carried = |webhook: &StoredWebhook, _: &TimeZone| {
        let contact = mapping::contact::from_part(serde_json::from_value(webhook.contact()?).ok()?);
        Some((fields(&contact), contact.absent))
    };
    let about = About { location_id: &row.location_id, contact_id: &row.contact_id, fingerprints: &row.fingerprints };
    // Boxed: the caller's future stays small for the common case, in which nothing is looked up.
    Box::pin(take_in(write, &about, base, &row.doc, theirs, edits, reported, carried)).await
}

/// As [`take_in_contact`], for a task, note or appointment.
pub(super) async fn take_in_entry<E: Entry>(
    write: &mut Write,
    row: &EntryRow<E>,
    base: &Fields,
    theirs: &E,
    edits: &Edits,
    fingerprints: &Fingerprints,
) -> Result<Taken<E>, RecordsError> {
    let (contact_id, ghl_id) = (row.contact_id.as_str(), theirs.ghl_id().or(row.ghl_id.as_deref()).map(str::to_owned));
    let carried = |webhook: &StoredWebhook, zone: &TimeZone| {
        let (kind, id, said, absent) = match webhook.part(contact_id, zone)? {
            AnyEntry::Task(task) => ("task", task.task_id.clone(), fields(&task), task.absent),
            AnyEntry::Note(note) => ("note", note.note_id.clone(), fields(&note), note.absent),
            AnyEntry::Appointment(one) => ("appointment", one.appointment_id.clone(), fields(&one), one.absent),
        };
        (kind == E::KIND && id == ghl_id).then_some((said, absent))
    };
    let about = About { location_id: &row.location_id, contact_id, fingerprints };
    Box::pin(take_in(write, &about, base, &row.doc, theirs, edits, &TheirTimes::default(), carried)).await
}

struct About<'a> {
    location_id: &'a str,
    contact_id: &'a str,
    fingerprints: &'a Fingerprints,
}

#[expect(clippy::too_many_arguments, reason = "the three states, and what decides between them")]
async fn take_in<R: Record>(
    write: &mut Write,
    about: &About<'_>,
    base: &Fields,
    ours: &R,
    theirs: &R,
    edits: &Edits,
    reported: &TheirTimes,
    carried: impl Fn(&StoredWebhook, &TimeZone) -> Option<(Fields, Absent)>,
) -> Result<Taken<R>, RecordsError> {
    let policies = mappings::policies(write, about.location_id).await?;
    let taken = merging::take_in(&policies, base, ours, theirs, edits, about.fingerprints, reported);
    let Some(since) = undated_since::<R>(&policies, &taken, edits, reported) else { return Ok(taken) };
    let now = fields(theirs);
    let mut said = Vec::new();
    for (at, webhook) in webhooks(write, about, since).await? {
        let zone = zone(write, about.location_id, &webhook).await?;
        let Some((carried, absent)) = carried(&webhook, &zone) else { continue };
        said.push((at, of_edits(edits, &carried, &absent)));
    }
    let mut first = first_reported(&now, said, about.fingerprints);
    first.extend(reported.fields.clone());
    let reported = TheirTimes { fields: first, ..reported.clone() };
    Ok(merging::take_in(&policies, base, ours, theirs, edits, about.fingerprints, &reported))
}

/// Since when webhooks may say when GHL's side of a conflict was edited, where that decides it and is not known.
pub(super) fn undated_since<R: Record>(
    policies: &Policies,
    taken: &Taken<R>,
    edits: &Edits,
    reported: &TheirTimes,
) -> Option<i64> {
    let is_open =
        |field: &str| policies.of_all(R::NAME, &[field]) == Policy::Newest && !reported.fields.contains_key(field);
    // Who made no person's edit has no time to compare.
    let made = edits.values().filter(|at| **at != OF_A_MACHINE);
    made.min().copied().filter(|_| taken.conflicts.iter().any(|one| is_open(&one.field)))
}

/// What a webhook carries of the fields that were edited here, null for what it says not to be there. A list of custom fields may leave some out.
pub(super) fn of_edits(edits: &Edits, said: &Fields, absent: &Absent) -> Fields {
    let is_carried =
        |name: &&String| !absent.has(name) && (!name.starts_with("customFields.") || said.contains_key(name.as_str()));
    edits.keys().filter(is_carried).map(|name| (name.clone(), value(said, name))).collect()
}

async fn zone(write: &mut Write, location_id: &str, webhook: &StoredWebhook) -> Result<TimeZone, RecordsError> {
    if !webhook.event_type.starts_with("Appointment") {
        return Ok(TimeZone::UTC);
    }
    let name = context::time_zone_of(write.conn(), location_id).await?;
    Ok(name.and_then(|name| time_zone::zone(&name).ok()).unwrap_or(TimeZone::UTC))
}

/// The webhooks about the contact and what hangs on it that bear a time, since a while before `since_ms`.
async fn webhooks(
    write: &mut Write,
    about: &About<'_>,
    since_ms: i64,
) -> Result<Vec<(Timestamp, StoredWebhook)>, RecordsError> {
    let since_ms = since_ms.saturating_sub(i64::try_from(BEFORE.as_millis()).unwrap_or(i64::MAX));
    let query = sqlx::query(sql!("webhooks_since")).bind(since_ms).bind(about.location_id).bind(about.contact_id);
    let mut reported = Vec::new();
    for row in query.fetch_all(write.conn()).await? {
        let webhook = stored(&row)?;
        reported.extend(webhook.time().map(|at| (at, webhook)));
    }
    Ok(reported)
}

/// The times of fields of a single event.
pub(super) fn at(news: &Fields, at: Timestamp) -> BTreeMap<String, Timestamp> {
    news.keys().map(|name| (name.clone(), at)).collect()
}
