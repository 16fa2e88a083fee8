//! `pull_contact`: a contact with its tasks, notes and appointments, or those parts of it that changed, stored in one transaction.
//!
//! A pull never overwrites what changed here while it ran: it remembers the revisions of before its calls. Of a contact whose data was
//! erased it fetches nothing, nor of one that GHL has yet to get; and where webhooks or sweeps asked for it, it fetches what they leave open.

use jiff::tz::TimeZone;

use super::heard;
use super::{JobError, Task, concerns_lane};
use crate::ghl::model::Listed;
use crate::ghl::{GhlError, Subject};
use crate::mapping;
use crate::records::{Needs, Parts, Pulled};

pub(super) async fn run(task: &Task<'_>) -> Result<(), JobError> {
    let (location, contact_id) = (task.location(), task.record());
    let records = &task.environment.records;
    if records.erasure(location, contact_id).await?.is_some() || records.is_pending(location, contact_id).await? {
        return Ok(records.begin(&task.run).await?.close_run(&[]).await?);
    }
    let heard = heard::hear(task).await?;
    let needs = heard.needs;
    let before = task.permits.left();
    let zone = if needs.appointments { task.environment.zones.of(task).await? } else { TimeZone::UTC };
    // Of a new location, the zone is known to the next run: what its custom fields are called is then asked with the spare call.
    let spare = u32::from(needs.contact && task.permits.left() < before);
    // Sent side by side.
    if task.permits.left() < needs.calls() + spare {
        return Err(JobError::OneMoreRun);
    }
    let snapshot = records.snapshot(location, contact_id).await?;
    let fetched = parts(task, contact_id, needs, &zone).await?;
    if let Some(Parts { contact: Some(contact), .. }) = &fetched {
        task.environment.fields.learn(task, &[contact]).await?;
    }
    if fetched.is_none() && is_mistaken(task).await? {
        return Err(GhlError::Gone { what: Subject::Contact }.into());
    }
    let mut tx = records.begin(&task.run).await?;
    match fetched {
        None => tx.mark_contact_gone(contact_id).await?,
        Some(parts) => {
            tx.store_parts(contact_id, &parts, &snapshot).await?;
            heard.store(&mut tx, contact_id).await?;
        }
    }
    tx.close_run(&[]).await?;
    Ok(())
}

/// A contact that is gone is a deletion, whoever reports it. Only who asks for one that never was here has made a mistake.
async fn is_mistaken(task: &Task<'_>) -> Result<bool, JobError> {
    let records = &task.environment.records;
    let is_known = records.find_contact(task.location(), task.record()).await?.is_some();
    Ok(!is_known && records.is_asked_by_people(&task.run.ids).await?)
}

/// All that GHL has of a contact, for four calls; none where it has none.
pub(super) async fn fetch(
    task: &Task<'_>,
    contact_id: &str,
    zone: &TimeZone,
) -> Result<Option<(Pulled, Needs)>, JobError> {
    let parts = parts(task, contact_id, Needs::ALL, zone).await?;
    Ok(parts.and_then(|Parts { contact, tasks, notes, appointments, unread }| {
        Some((Pulled { contact: contact?, tasks: tasks?, notes: notes?, appointments: appointments? }, unread))
    }))
}

/// The parts that are needed; none where GHL has no such contact.
async fn parts(task: &Task<'_>, contact_id: &str, needs: Needs, zone: &TimeZone) -> Result<Option<Parts>, JobError> {
    let ghl = task.ghl();
    let (contact, tasks, notes, appointments) = tokio::join!(
        only_if(needs.contact, ghl.get_contact(contact_id)),
        only_if(needs.tasks, ghl.list_tasks(contact_id)),
        only_if(needs.notes, ghl.list_notes(contact_id)),
        only_if(needs.appointments, ghl.list_appointments(contact_id)),
    );
    let failed = [contact.as_ref().err(), tasks.as_ref().err(), notes.as_ref().err(), appointments.as_ref().err()];
    if let Some(error) = failed.into_iter().flatten().find(|error| concerns_lane(error)) {
        return Err(error.clone().into());
    }
    if let Err(GhlError::Gone { .. }) = contact {
        return Ok(None);
    }
    let gone = |subject| failed.into_iter().flatten().any(|error| *error == GhlError::Gone { what: subject });
    if gone(Subject::Contact) {
        // Where it was read beside it, it was deleted meanwhile: the next look tells.
        return if needs.contact { Err(JobError::GoneMeanwhile) } else { Ok(None) };
    }
    // A plain 404 of a list may speak of the contact, which was not asked for.
    if gone(Subject::Unsaid)
        && !needs.contact
        && matches!(ghl.get_contact(contact_id).await, Err(GhlError::Gone { .. }))
    {
        return Ok(None);
    }
    let (tasks, notes, appointments) = (tasks?, notes?, appointments?);
    let unread = Needs {
        contact: false,
        tasks: is_partial(tasks.as_ref()),
        notes: is_partial(notes.as_ref()),
        appointments: is_partial(appointments.as_ref()),
    };
    Ok(Some(Parts {
        unread,
        contact: contact?.map(mapping::contact::from_ghl),
        tasks: tasks.map(|tasks| tasks.items.into_iter().map(|one| mapping::task::from_ghl(one, contact_id)).collect()),
        notes: notes.map(|notes| notes.items.into_iter().map(|one| mapping::note::from_ghl(one, contact_id)).collect()),
        appointments: appointments.map(|appointments| {
            appointments.items.into_iter().map(|one| mapping::appointment::from_ghl(one, contact_id, zone)).collect()
        }),
    }))
}

/// Whether a list holds something that could not be read.
pub(super) fn is_partial<T>(list: Option<&Listed<T>>) -> bool {
    list.is_some_and(|list| list.passed_over > 0)
}

/// The answer, where it is needed.
async fn only_if<T>(needed: bool, answer: impl Future<Output = Result<T, GhlError>>) -> Result<Option<T>, GhlError> {
    if needed { answer.await.map(Some) } else { Ok(None) }
}
