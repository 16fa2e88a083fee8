//! `pull_contact`: a contact with its tasks, notes and appointments, stored in one transaction.
//!
//! A pull never overwrites what changed here while it ran: it remembers the revisions of before its calls. Of a contact whose data was
//! erased it fetches nothing, nor of one that GHL has yet to get; and where webhooks asked for it, what they say may do.

use jiff::tz::TimeZone;

use super::{JobError, Task, concerns_lane, echo};
use crate::ghl::GhlError;
use crate::mapping;
use crate::records::Pulled;

/// Sent side by side.
const CALLS: u32 = 4;

pub(super) async fn run(task: &Task<'_>) -> Result<(), JobError> {
    let (location, contact_id) = (task.location(), task.record());
    let records = &task.environment.records;
    if records.erasure(location, contact_id).await?.is_some() {
        return Ok(records.begin(&task.run).await?.close_run(&[]).await?);
    }
    if records.is_pending(location, contact_id).await? || echo::suffices(task).await? {
        return Ok(records.begin(&task.run).await?.close_run(&[]).await?);
    }
    let zone = task.environment.zones.of(task).await?;
    if task.permits.left() < CALLS {
        return Err(JobError::OneMoreRun);
    }
    let snapshot = records.snapshot(location, contact_id).await?;
    let fetched = fetch(task, contact_id, &zone).await?;
    let mut tx = records.begin(&task.run).await?;
    match fetched {
        None => tx.mark_contact_gone(contact_id).await?,
        Some(pulled) => tx.store_pull(&pulled, &snapshot).await?,
    }
    tx.close_run(&[]).await?;
    Ok(())
}

/// All that GHL has of a contact; none where it has none. Spends [`CALLS`].
pub(super) async fn fetch(task: &Task<'_>, contact_id: &str, zone: &TimeZone) -> Result<Option<Pulled>, JobError> {
    let ghl = task.ghl();
    let (contact, tasks, notes, appointments) = tokio::join!(
        ghl.get_contact(contact_id),
        ghl.list_tasks(contact_id),
        ghl.list_notes(contact_id),
        ghl.list_appointments(contact_id),
    );
    let failed = [contact.as_ref().err(), tasks.as_ref().err(), notes.as_ref().err(), appointments.as_ref().err()];
    if let Some(error) = failed.into_iter().flatten().find(|error| concerns_lane(error)) {
        return Err(error.clone().into());
    }
    match contact {
        Err(GhlError::Gone { .. }) => Ok(None),
        contact => Ok(Some(Pulled {
            contact: mapping::contact::from_ghl(contact?),
            tasks: tasks?.into_iter().map(|task| mapping::task::from_ghl(task, contact_id)).collect(),
            notes: notes?.into_iter().map(|note| mapping::note::from_ghl(note, contact_id)).collect(),
            appointments: appointments?
                .into_iter()
                .map(|appointment| mapping::appointment::from_ghl(appointment, contact_id, zone))
                .collect(),
        })),
    }
}
