//! Compares what webhooks report with what is known here: whether anything is new (law 8).

use ghl::WireTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sync_model::decide::absent::Unread;
use sync_model::decide::echo::{EchoDecision, Known, ReportedFields, confirms, judge};
use sync_model::decide::fields::{Fields, difference, fields, value};
use sync_model::decide::same::echoes;
use sync_model::record::Contact;

use super::{JobError, JobRun};
use crate::mapping;
use crate::mapping::contact::reported;
use crate::records::{AnyEntry, ContactRow, Entry, EntryRow, JobKind, StoredWebhook};

/// What an event of a whole contact comes to.
pub(crate) struct OfContact {
    pub(crate) outcome: EchoDecision,
    /// GHL's time of the event.
    pub(super) at: Option<Timestamp>,
    /// It shows the contact as the last agreed state has it.
    pub(super) confirms: bool,
    /// Fields that it shows and no reading has shown before.
    pub(super) shows: Unread,
    /// What a write without an answer asked and it shows.
    pub(super) answers: Fields,
}

pub(super) fn is_of_contact(webhook: &StoredWebhook) -> bool {
    matches!(webhook.event_type.as_str(), "ContactCreate" | "ContactUpdate" | "ContactDndUpdate" | "ContactTagUpdate")
}

/// What an event of the whole contact comes to; none if it does not show all.
pub(crate) fn of_contact(row: &ContactRow, webhook: &StoredWebhook) -> Option<OfContact> {
    let base = row.base.as_ref()?;
    let (asked, held) = (&row.unanswered.asked, fields(base));
    let known = Known { asked, base: Some(&held), base_at: row.base_at(), fingerprints: &row.fingerprints };
    let body = body(webhook);
    if webhook.is_late || body["payloadTooLarge"] == true {
        return None;
    }
    let at = webhook.time();
    let contact = mapping::contact::from_part(read(body)?);
    let reported = reported(&contact, &held)?;
    let shows = row.unread.iter().filter(|name| !contact.absent.has(name)).cloned().collect();
    let outcome = judge(&ReportedFields { fields: &reported, at }, &known);
    let answers = if at.is_some_and(|at| row.is_answered_by(at)) { shown(asked, &reported) } else { Fields::new() };
    Some(OfContact { answers, outcome, at, confirms: confirms(&reported, &held, &row.fingerprints), shows })
}

/// Of what was `asked` that which `reported` shows, as it shows it.
fn shown(asked: &Fields, reported: &Fields) -> Fields {
    let is_visible =
        |(name, reported): &(&String, &Value)| asked.get(*name).is_some_and(|asked| echoes(name, asked, reported));
    reported.iter().filter(is_visible).map(|(name, reported)| (name.clone(), reported.clone())).collect()
}

/// What events show of the contact itself, the newest first: those that say all that they carry of it in time, deletions too, since a contact that is
/// there after all is as they say. What is older than the state that is known counts no more.
pub(crate) fn carried(webhooks: &[StoredWebhook], row: Option<&ContactRow>) -> Vec<Contact> {
    let known_at = row.filter(|row| !row.is_unread()).and_then(ContactRow::base_at);
    let reported = webhooks.iter().filter(|webhook| is_of_contact(webhook) || webhook.event_type == "ContactDelete");
    let mut carried: Vec<_> = reported
        .filter(|webhook| !webhook.is_late)
        .filter_map(|webhook| {
            let body = body(webhook);
            let at = webhook.time().filter(|at| known_at.is_none_or(|known| *at >= known))?;
            Some((at, mapping::contact::from_part(read(body)?)))
        })
        .collect();
    carried.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    carried.into_iter().map(|(_, contact)| contact).collect()
}

/// Whether what an event says to be gone may be taken for gone without a look: one without a time may be of any time.
pub(super) fn is_believed(webhook: &StoredWebhook) -> bool {
    !webhook.is_late && webhook.time().is_some()
}

/// A change may be called a creation: so long after its creation a record is not new.
const NEW: SignedDuration = SignedDuration::from_hours(1);

/// The task, note or appointment that an event says is new; none of another event, nor where its own dates say otherwise.
pub(super) fn made(webhook: &StoredWebhook, contact_id: &str) -> Option<AnyEntry> {
    if !matches!(webhook.event_type.as_str(), "TaskCreate" | "NoteCreate" | "AppointmentCreate") {
        return None;
    }
    let body = body(webhook);
    let record = body.get("appointment").unwrap_or(&body);
    let added = record.get("dateAdded").and_then(WireTime::read).and_then(|at| at.instant_in(&TimeZone::UTC));
    // Captured bodies have the last change as well; then GHL's own time of the event is not needed.
    let changed = record.get("dateUpdated").and_then(WireTime::read).and_then(|at| at.instant_in(&TimeZone::UTC));
    let is_old = added.zip(changed.or(webhook.time())).is_some_and(|(added, at)| at.duration_since(added) > NEW);
    (!is_old).then(|| part(webhook, contact_id, &TimeZone::UTC)).flatten()
}

/// The part that an event is about, of a contact in a location of `zone`; none where it does not say.
pub(super) fn part(webhook: &StoredWebhook, contact_id: &str, zone: &TimeZone) -> Option<AnyEntry> {
    webhook.part(contact_id, zone)
}

/// What an event of a part comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OfPart {
    /// Nothing but what is known: our own write, or what was read since.
    Known,
    /// Nothing but what is known, and what a write without an answer asked of this row.
    Answers {
        /// The job that writes the kind.
        push: JobKind,
        row_id: String,
        shown: Fields,
    },
    /// It shows the part of this row differently from the stored one.
    News { row_id: String },
    /// No row has it, and it may be of a create of ours whose reply is on its way.
    PerhapsOurs,
    /// No row has it, or it does not say what it is about.
    Unknown,
}

pub(super) async fn of_part(job: &JobRun<'_>, contact_id: &str, webhook: &StoredWebhook) -> Result<OfPart, JobError> {
    if webhook.is_late {
        return Ok(OfPart::Unknown);
    }
    let zone = match webhook.event_type.starts_with("Appointment") {
        true => job.environment.time_zones.of(job).await?,
        false => TimeZone::UTC,
    };
    let at = webhook.time();
    match part(webhook, contact_id, &zone) {
        Some(AnyEntry::Task(task)) => compared(job, contact_id, &task, at).await,
        Some(AnyEntry::Note(note)) => compared(job, contact_id, &note, at).await,
        Some(AnyEntry::Appointment(appointment)) => compared(job, contact_id, &appointment, at).await,
        None => Ok(OfPart::Unknown),
    }
}

async fn compared<E: Entry>(
    job: &JobRun<'_>,
    contact_id: &str,
    reported: &E,
    at: Option<Timestamp>,
) -> Result<OfPart, JobError> {
    let records = &job.environment.records;
    let Some(ghl_id) = reported.ghl_id() else { return Ok(OfPart::Unknown) };
    let Some(row) = records.entry_of_ghl::<E>(job.location(), ghl_id).await? else {
        let announced = records.announced::<E>(job.location(), contact_id).await?;
        let is_perhaps_ours = announced.iter().any(|one| reported.could_match(one));
        return Ok(if is_perhaps_ours { OfPart::PerhapsOurs } else { OfPart::Unknown });
    };
    let news = OfPart::News { row_id: row.row_id.clone() };
    let Some(base) = row.base.as_ref().filter(|_| !row.deleted) else { return Ok(news) };
    // What it leaves out is as it was.
    let mut unlike = difference(&fields(base), &fields(&row.read(reported)));
    unlike.retain(|name, reported| !row.fingerprints.same(name, reported, &value(&fields(base), name)));
    let shown = shown(&row.unanswered.asked, &unlike);
    if shown.len() < unlike.len() {
        return Ok(news);
    }
    // GHL's event of an earlier state may read so too.
    let is_after = at.zip(row.unanswered.at_ms).is_some_and(|(at, asked_at)| at.as_millisecond() >= asked_at);
    match is_after && !shown.is_empty() {
        true => Ok(OfPart::Answers { push: E::PUSH, row_id: row.row_id, shown }),
        false => Ok(OfPart::Known),
    }
}

/// Whether a webhook that no pull has handled yet shows something new of the contact.
pub(super) async fn has_news(job: &JobRun<'_>, row: &ContactRow) -> Result<bool, JobError> {
    let unanswered = job.environment.records.unanswered_webhooks(job.location(), &row.contact_id).await?;
    Ok(are_news(row, &unanswered))
}

/// Whether one of the webhooks shows something new of the contact.
pub(crate) fn are_news(row: &ContactRow, unanswered: &[StoredWebhook]) -> bool {
    let is_news = |webhook| of_contact(row, webhook).is_none_or(|reported| reported.outcome != EchoDecision::Echo);
    unanswered.iter().filter(|webhook| is_of_contact(webhook)).any(is_news)
}

/// Whether a webhook that no pull has handled yet shows something new of a task, note or appointment.
pub(super) async fn has_news_of_part<E: Entry>(job: &JobRun<'_>, row: &EntryRow<E>) -> Result<bool, JobError> {
    for webhook in job.environment.records.unanswered_webhooks(job.location(), &row.contact_id).await? {
        let is_of_kind = webhook.event_type.to_lowercase().starts_with(E::KIND);
        let news = OfPart::News { row_id: row.row_id.clone() };
        if is_of_kind && of_part(job, &row.contact_id, &webhook).await? == news {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn body(webhook: &StoredWebhook) -> Value {
    serde_json::from_str(&webhook.body).unwrap_or_default()
}

pub(super) fn read<T: DeserializeOwned>(record: Value) -> Option<T> {
    serde_json::from_value(record).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Whether an event of that type, with these fields and this time, reports a new record.
    fn is_new(event_type: &str, mut record: Value, at: Option<&str>) -> bool {
        record["id"] = json!("r1");
        let mut body = match event_type.starts_with("Appointment") {
            true => json!({ "appointment": record }),
            false => record,
        };
        if let Some(at) = at {
            body["timestamp"] = json!(at);
        }
        let webhook = StoredWebhook {
            id: "w".to_owned(),
            event_type: event_type.to_owned(),
            body: body.to_string(),
            received_at: "2026-03-02T00:00:00Z".parse().unwrap(),
            is_late: false,
        };
        made(&webhook, "c").is_some()
    }

    #[test]
    fn what_was_changed_long_after_its_creation_is_not_new_whatever_its_event_is_called() {
        let (morning, moment, noon) = ("2026-03-01T08:00:00Z", "2026-03-01T08:00:01Z", "2026-03-01T12:00:00Z");
        for event in ["TaskCreate", "NoteCreate", "AppointmentCreate"] {
            let added = json!({"dateAdded": morning});
            assert!(is_new(event, added.clone(), Some(moment)) && is_new(event, added.clone(), None));
            assert!(!is_new(event, added, Some(noon)), "{event}");
            // The time of change is the record's own; the event's may be of its delivery, or missing.
            let changed = json!({"dateAdded": morning, "dateUpdated": noon});
            assert!(!is_new(event, changed.clone(), None) && !is_new(event, changed, Some(moment)), "{event}");
            let delivered_late = json!({"dateAdded": morning, "dateUpdated": moment});
            assert!(is_new(event, delivered_late, Some(noon)), "{event}");
        }
        assert!(!is_new("NoteUpdate", json!({"dateAdded": morning}), Some(moment)));
    }
}
