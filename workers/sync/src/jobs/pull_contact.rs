//! `pull_contact`: a contact with its tasks, notes and appointments, or those parts of it that changed, stored in one transaction.
//!
//! A pull never overwrites what changed here while it ran: it remembers the revisions of before its calls. Of a contact whose data was
//! erased it fetches nothing, nor of one that GHL has yet to get; and where webhooks or sweeps asked for it, it fetches what they leave open.

use jiff::tz::TimeZone;

use super::heard;
use super::{JobError, Task, concerns_lane};
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

/// All that GHL has of a contact, for four calls; none where it has none.
pub(super) async fn fetch(task: &Task<'_>, contact_id: &str, zone: &TimeZone) -> Result<Option<Pulled>, JobError> {
    let parts = parts(task, contact_id, Needs::ALL, zone).await?;
    Ok(parts.and_then(|Parts { contact, tasks, notes, appointments }| {
        Some(Pulled { contact: contact?, tasks: tasks?, notes: notes?, appointments: appointments? })
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
    // Of a contact that was read, a list that is not there is no more than that.
    let gone = |error: &&GhlError| match error {
        GhlError::Gone { what } => !needs.contact && *what == Subject::Contact,
        _ => false,
    };
    if let Err(GhlError::Gone { .. }) = contact {
        return Ok(None);
    }
    if failed.into_iter().flatten().any(|error| gone(&error)) {
        return Ok(None);
    }
    Ok(Some(Parts {
        contact: contact?.map(mapping::contact::from_ghl),
        tasks: tasks?.map(|tasks| tasks.into_iter().map(|one| mapping::task::from_ghl(one, contact_id)).collect()),
        notes: notes?.map(|notes| notes.into_iter().map(|one| mapping::note::from_ghl(one, contact_id)).collect()),
        appointments: appointments?.map(|appointments| {
            appointments.into_iter().map(|one| mapping::appointment::from_ghl(one, contact_id, zone)).collect()
        }),
    }))
}

/// The answer, where it is needed.
async fn only_if<T>(needed: bool, answer: impl Future<Output = Result<T, GhlError>>) -> Result<Option<T>, GhlError> {
    if needed { answer.await.map(Some) } else { Ok(None) }
}
