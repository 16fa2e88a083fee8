//! `pull_contact`: a contact with its tasks, notes and appointments, stored in one transaction.
//!
//! A pull never overwrites what changed here while it ran: it remembers the revisions of before its calls.

use jiff::tz::TimeZone;

use super::{JobError, Task};
use crate::ghl::{GhlError, UnauthorizedKind};
use crate::mapping;
use crate::records::Pulled;

pub(super) async fn run(task: &Task<'_>) -> Result<(), JobError> {
    let (location, contact_id) = (task.location(), task.record());
    let records = &task.environment.records;
    let ghl = task.ghl();
    let snapshot = records.snapshot(location, contact_id).await?;
    let (zone, contact, tasks, notes, appointments) = tokio::join!(
        zone(task),
        ghl.get_contact(contact_id),
        ghl.list_tasks(contact_id),
        ghl.list_notes(contact_id),
        ghl.list_appointments(contact_id),
    );
    let mut tx = records.begin(&task.run).await?;
    match contact {
        Err(GhlError::Gone { .. }) => tx.mark_contact_gone(contact_id).await?,
        contact => {
            let zone = zone?;
            let pulled = Pulled {
                contact: mapping::contact::from_ghl(contact?),
                tasks: tasks?.into_iter().map(|task| mapping::task::from_ghl(task, contact_id)).collect(),
                notes: notes?.into_iter().map(|note| mapping::note::from_ghl(note, contact_id)).collect(),
                appointments: appointments?
                    .into_iter()
                    .map(|appointment| mapping::appointment::from_ghl(appointment, contact_id, &zone))
                    .collect(),
            };
            tx.store_pull(&pulled, &snapshot).await?;
        }
    }
    tx.close_run(&[]).await?;
    Ok(())
}

/// The location's time zone, in which GHL tells the times of appointments; asked for once.
async fn zone(task: &Task<'_>) -> Result<TimeZone, JobError> {
    let location = task.location();
    if let Some(name) = &task.connection.time_zone {
        return Ok(mapping::location::zone(name).unwrap_or_else(|error| {
            tracing::warn!(ghl.location = location, %error, "the stored time zone is not known; taking UTC");
            TimeZone::UTC
        }));
    }
    let (zone, name) = match task.ghl().get_location(location).await {
        Ok(found) => match mapping::location::time_zone(&found) {
            Ok(zone) => (zone, found.timezone.unwrap_or_default()),
            Err(error) => {
                tracing::warn!(ghl.location = location, %error, "GHL tells no time zone of the location; taking UTC");
                (TimeZone::UTC, "UTC".to_owned())
            }
        },
        Err(GhlError::Unauthorized { kind: UnauthorizedKind::MissingScope, .. }) => {
            tracing::warn!(
                ghl.location = location,
                "the token lacks the scope locations.readonly, so the time zone of appointments is unknown; taking UTC"
            );
            (TimeZone::UTC, "UTC".to_owned())
        }
        Err(error) => return Err(error.into()),
    };
    task.environment.records.set_time_zone(location, &name).await?;
    Ok(zone)
}
