//! `pull_contact`: a contact with its tasks, notes and appointments, or those parts of it that changed, stored in one transaction.
//!
//! The parts are independent: those that came are stored, and those that did not are kept by name. A part that GHL refuses for good ends no job; for one
//! that may come later the job is tried again.
//!
//! A pull never overwrites what changed here while it ran: it remembers the revisions of before its calls. Of a contact whose data was
//! erased it fetches nothing, nor of one that GHL has yet to get; and where webhooks or reconciliations asked for it, it fetches what they leave open.

use ghl::model::Listed;
use ghl::{Class, Endpoint, GhlError, Subject, UnauthorizedKind, endpoints, scope_advice};
use jiff::tz::TimeZone;

use super::presence::is_contact_gone;
use super::{JobError, JobRun, pull_plan, throttles};
use crate::mapping;
use crate::records::{AtHand, Needs, Part, Parts, Settlement};

pub(super) async fn run(job: &JobRun<'_>) -> Result<(), JobError> {
    let (location, contact_id) = (job.location(), job.record());
    let records = &job.environment.records;
    let at_hand = records.at_hand(&job.run).await?;
    if at_hand.is_erased || is_pending(&at_hand, contact_id) {
        return Ok(records.settle(Settlement::nothing(job.run.clone())).await?);
    }
    let mut received = pull_plan::receive(job, &at_hand).await?;
    let (needs, mut snapshot) = (received.needs, at_hand.snapshot);
    if let Some(reported) = received.reported.contact.take_if(|_| needs.calls() > 0) {
        // Calls may fail; what suffices without them is not lost with them.
        let mut tx = records.begin(&job.run).await?;
        tx.reported_of_contact(&reported).await?;
        tx.keep_open().await?;
        snapshot = records.snapshot(location, contact_id).await?;
    }
    let before = job.permits.left();
    let zone = if needs.appointments { zone_of(job).await? } else { Ok(TimeZone::UTC) };
    // Of a new location, the zone is known to the next run: what its custom fields are called is then asked with the spare call.
    let spare = u32::from(needs.contact && zone.is_ok() && job.permits.left() < before);
    let calls = Needs { appointments: needs.appointments && zone.is_ok(), ..needs }.calls();
    // Sent side by side.
    if job.permits.left() < calls + spare {
        return Err(JobError::NeedsMorePermits);
    }
    let began_ms = job.environment.clock.now_ms();
    let Some(mut fetched) = fetch(job, contact_id, needs, &zone).await? else {
        let is_mistaken = is_mistaken(job).await?;
        let mut tx = records.begin(&job.run).await?;
        if !tx.contact_is_gone_since(contact_id, began_ms).await? {
            tx.keep_open().await?;
            return Err(JobError::NeedsMorePermits);
        }
        if is_mistaken {
            tx.keep_open().await?;
            return Err(GhlError::Gone { what: Subject::Contact }.into());
        }
        return Ok(tx.close_run(&[]).await?);
    };
    if let Some(contact) = &mut fetched.parts.contact {
        // What GHL's reply leaves out and a webhook carries is known by that.
        for carried in &received.carried {
            *contact = contact.supplemented(carried);
        }
        if snapshot.is_of_nobody() && records.is_erased_person(location, contact).await? {
            return Ok(records.settle(Settlement::nothing(job.run.clone())).await?);
        }
        job.environment.fields.learn(job, &[&*contact]).await?;
    } else if needs.contact && !records.find_contact(location, contact_id).await?.is_some_and(|row| row.is_visible()) {
        // Without the contact itself, of one that is not known here, there is nothing that the others belong to.
        return Err(fetched.gravest());
    }
    let (run, came, missing, reported) = (job.run.clone(), fetched.came(), fetched.reasons(), received.reported);
    if needs.calls() > 0 && came.is_empty() {
        let nothing = Settlement { missing, ..Settlement::nothing(run) };
        records.settle_in_part(&nothing).await?;
        return Err(fetched.gravest());
    }
    let again = fetched.to_ask_again();
    let Fetched { parts, missing: refused } = fetched;
    let settlement = Settlement { run, parts, snapshot, reported, came, missing };
    if let Some(error) = again {
        records.settle_in_part(&settlement).await?;
        return Err(error);
    }
    for (part, error) in &refused {
        let part = part.as_str();
        tracing::warn!(ghl.location = location, part, %error, "GHL refuses a part of a contact; the others are stored");
    }
    Ok(records.settle(settlement).await?)
}

/// Whether GHL has yet to get the contact.
fn is_pending(at_hand: &AtHand, contact_id: &str) -> bool {
    at_hand.row.as_ref().is_some_and(|row| row.contact_id == contact_id && row.is_pending())
}

/// A contact that is gone is a deletion, whatever reports it. Only an event for a contact that never was here is a mistake.
async fn is_mistaken(job: &JobRun<'_>) -> Result<bool, JobError> {
    let records = &job.environment.records;
    let row = records.find_contact(job.location(), job.record()).await?;
    // One that a producer has only named was never here either.
    let is_known = row.is_some_and(|row| !row.is_unread());
    Ok(!is_known && records.is_asked_by_people(&job.run.ids).await?)
}

/// The zone in which appointments are read, or why it is not known: that is their matter alone, unless it is the token's.
async fn zone_of(job: &JobRun<'_>) -> Result<Result<TimeZone, GhlError>, JobError> {
    let is_of_this_call = |error: &GhlError| match error {
        GhlError::Unauthorized { kind, .. } => {
            matches!(kind, UnauthorizedKind::Unexplained | UnauthorizedKind::WrongTokenType)
        }
        error => matches!(error.class(), Class::Passing | Class::Permanent) && !throttles(error),
    };
    match job.environment.time_zones.of(job).await {
        Ok(zone) => Ok(Ok(zone)),
        Err(JobError::Ghl(error)) if is_of_this_call(&error) => Ok(Err(error)),
        Err(error) => Err(error),
    }
}

/// What came of a contact, and what did not.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) parts: Parts,
    pub(super) missing: Vec<(Part, GhlError)>,
}

impl Fetched {
    /// The parts that came.
    pub(super) fn came(&self) -> Vec<Part> {
        let Parts { contact, tasks, notes, appointments, unread: _ } = &self.parts;
        let came = [
            (Part::Contact, contact.is_some()),
            (Part::Tasks, tasks.is_some()),
            (Part::Notes, notes.is_some()),
            (Part::Appointments, appointments.is_some()),
        ];
        came.into_iter().filter(|(_, came)| *came).map(|(part, _)| part).collect()
    }

    /// The others, in words.
    pub(super) fn reasons(&self) -> Vec<(Part, String)> {
        self.missing.iter().map(|(part, error)| (*part, error.to_string())).collect()
    }

    /// Why the run is to be repeated: a part may come later, or with a new token.
    pub(super) fn to_ask_again(&self) -> Option<JobError> {
        let expired =
            |error: &GhlError| matches!(error, GhlError::Unauthorized { kind: UnauthorizedKind::TokenRejected, .. });
        if let Some((_, error)) = self.missing.iter().find(|(_, error)| expired(error)) {
            return Some(error.clone().into());
        }
        let passing = self.missing.iter().find(|(_, error)| error.class() == Class::Passing);
        passing.map(|(part, error)| JobError::PartMissing { part: *part, error: error.clone() })
    }

    /// Whether an error may be about the token, and so about all of the location's calls.
    pub(super) fn blames_token(&self) -> bool {
        self.missing.iter().any(|(_, error)| error.class() == Class::Broken)
    }

    /// What the run ends with where nothing came: of several errors the one that says most of the location, then one that may pass.
    pub(super) fn gravest(self) -> JobError {
        let rank = |error: &GhlError| match error.class() {
            Class::Throttling => 0,
            Class::Broken => 1,
            Class::Passing => 2,
            Class::Permanent => 3,
        };
        let gravest = self.missing.into_iter().map(|(_, error)| error).min_by_key(rank);
        gravest.map_or(JobError::NeedsMorePermits, JobError::Ghl)
    }
}

/// The parts that are needed, each by a call; none where GHL has no such contact.
///
/// # Errors
/// What concerns all of the location's calls, and what befell all the parts alike.
pub(super) async fn fetch(
    job: &JobRun<'_>,
    contact_id: &str,
    needs: Needs,
    zone: &Result<TimeZone, GhlError>,
) -> Result<Option<Fetched>, JobError> {
    let ghl = job.ghl();
    let (contact, tasks, notes, appointments) = tokio::join!(
        only_if(needs.contact, ghl.get_contact(contact_id)),
        only_if(needs.tasks, ghl.list_tasks(contact_id)),
        only_if(needs.notes, ghl.list_notes(contact_id)),
        async {
            match zone {
                Ok(_) => only_if(needs.appointments, ghl.list_appointments(contact_id)).await,
                Err(error) if needs.appointments => Err(error.clone()),
                Err(_) => Ok(None),
            }
        },
    );
    let mut missing = Vec::new();
    let contact = came(Part::Contact, contact, &mut missing);
    let tasks = came(Part::Tasks, tasks, &mut missing);
    let notes = came(Part::Notes, notes, &mut missing);
    let appointments = came(Part::Appointments, appointments, &mut missing);
    settled(job, contact_id, needs.contact, contact.is_some(), &missing).await.map(|is_there| {
        let zone = zone.as_ref().ok().cloned().unwrap_or(TimeZone::UTC);
        let unread = Needs {
            contact: false,
            tasks: is_partial(tasks.as_ref()),
            notes: is_partial(notes.as_ref()),
            appointments: is_partial(appointments.as_ref()),
        };
        let parts = Parts {
            unread,
            contact: contact.map(mapping::contact::from_ghl),
            tasks: tasks
                .map(|tasks| tasks.items.into_iter().map(|one| mapping::task::from_ghl(one, contact_id)).collect()),
            notes: notes
                .map(|notes| notes.items.into_iter().map(|one| mapping::note::from_ghl(one, contact_id)).collect()),
            appointments: appointments.map(|list| {
                list.items.into_iter().map(|one| mapping::appointment::from_ghl(one, contact_id, &zone)).collect()
            }),
        };
        let mut fetched = Fetched { parts, missing };
        explain_scopes(job, &mut fetched);
        is_there.then_some(fetched)
    })
}

fn came<T>(part: Part, answer: Result<Option<T>, GhlError>, missing: &mut Vec<(Part, GhlError)>) -> Option<T> {
    answer.unwrap_or_else(|error| {
        missing.push((part, error));
        None
    })
}

/// Whether GHL has the contact, where `missing` allows to go on at all.
async fn settled(
    job: &JobRun<'_>,
    contact_id: &str,
    needs_contact: bool,
    contact_came: bool,
    missing: &[(Part, GhlError)],
) -> Result<bool, JobError> {
    if let Some((_, error)) = missing.iter().find(|(_, error)| throttles(error)) {
        return Err(error.clone().into());
    }
    let is_named = |(_, error): &(Part, GhlError)| *error == GhlError::Gone { what: Subject::Contact };
    if contact_came && missing.iter().any(is_named) {
        // It was read beside the list, so it was deleted meanwhile: the next attempt shows it.
        return Err(JobError::GoneMeanwhile);
    }
    for (part, error) in missing {
        let is_about_contact = *part == Part::Contact || (!needs_contact && !contact_came);
        if is_about_contact && matches!(error, GhlError::Gone { .. } | GhlError::NotFound { .. }) {
            let may_be_gone = *part == Part::Contact || matches!(error, GhlError::Gone { what: Subject::Contact });
            if may_be_gone && is_contact_gone(job, contact_id, error).await? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Names the scope that is really missing: not one by which another part came in the same run.
pub(super) fn explain_scopes(job: &JobRun<'_>, fetched: &mut Fetched) {
    let proven: Vec<&str> = fetched.came().into_iter().flat_map(|part| endpoint(part).scopes).copied().collect();
    for (part, error) in &mut fetched.missing {
        let is_scope = matches!(error, GhlError::Unauthorized { kind: UnauthorizedKind::MissingScope, .. });
        let endpoint = endpoint(*part);
        if is_scope && endpoint.scopes.iter().any(|scope| proven.contains(scope)) {
            *error = scope_advice(endpoint, job.access.scopes.as_ref(), &proven);
        }
    }
}

fn endpoint(part: Part) -> &'static Endpoint {
    match part {
        Part::Contact => &endpoints::GET_CONTACT,
        Part::Tasks => &endpoints::LIST_TASKS,
        Part::Notes => &endpoints::LIST_NOTES,
        Part::Appointments => &endpoints::LIST_APPOINTMENTS,
    }
}

/// Whether a list holds something that could not be read.
pub(super) fn is_partial<T>(list: Option<&Listed<T>>) -> bool {
    list.is_some_and(|list| list.passed_over > 0)
}

/// The answer, where it is needed.
pub(super) async fn only_if<T>(
    needed: bool,
    answer: impl Future<Output = Result<T, GhlError>>,
) -> Result<Option<T>, GhlError> {
    if needed { answer.await.map(Some) } else { Ok(None) }
}
