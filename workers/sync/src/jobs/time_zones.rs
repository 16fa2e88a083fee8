//! The time zones of locations: GHL shows the times of appointments in them, without offset.
//!
//! A zone is requested from GHL once and kept with the connection. Many pulls of a new location
//! start at once; one of them requests it, and the others wait, so that each does not spend a call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ghl::{GhlError, UnauthorizedKind};
use jiff::tz::TimeZone;
use sync_model::time_zone;
use tokio::sync::OnceCell;

use super::{JobError, JobRun};

/// The zones that this process has met. Clones share them.
#[derive(Clone, Default)]
pub struct TimeZones {
    by_location: Arc<Mutex<HashMap<String, Arc<OnceCell<TimeZone>>>>>,
}

impl TimeZones {
    /// The zone of the task's location.
    pub(super) async fn of(&self, job: &JobRun<'_>) -> Result<TimeZone, JobError> {
        if let Some(name) = &job.connection.time_zone {
            return Ok(time_zone::zone(name).unwrap_or_else(|error| {
                tracing::warn!(ghl.location = job.location(), %error, "the stored time zone is unknown; using UTC");
                TimeZone::UTC
            }));
        }
        let cell = {
            let mut time_zones = self.by_location.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(time_zones.entry(job.location().to_owned()).or_default())
        };
        cell.get_or_try_init(|| ask(job)).await.cloned()
    }
}

/// The zone that is kept with the connection: GHL reported it before, or a person set it. A reply without one is no reason to forget it.
fn known(job: &JobRun<'_>) -> Option<(TimeZone, String)> {
    let name = job.connection.time_zone.clone()?;
    time_zone::zone(&name).ok().map(|zone| (zone, name))
}

/// Asks GHL and keeps the answer with the connection.
pub(super) async fn ask(job: &JobRun<'_>) -> Result<TimeZone, JobError> {
    let location = job.location();
    let (zone, name) = match job.ghl().get_location(location).await {
        Ok(found) => {
            if let Some(country) = &found.country {
                job.environment.records.set_country(location, country).await?;
            }
            match time_zone::time_zone(found.timezone.as_deref()) {
                Ok(zone) => (zone, found.timezone.unwrap_or_default()),
                Err(error) => known(job).unwrap_or_else(|| {
                    tracing::warn!(ghl.location = location, %error, "GHL reports no time zone for the location; using UTC");
                    (TimeZone::UTC, "UTC".to_owned())
                }),
            }
        }
        Err(GhlError::Unauthorized { kind: UnauthorizedKind::MissingScope, .. }) if known(job).is_some() => {
            known(job).unwrap_or((TimeZone::UTC, "UTC".to_owned()))
        }
        Err(GhlError::Unauthorized { kind: UnauthorizedKind::MissingScope, .. }) => {
            tracing::warn!(
                ghl.location = location,
                "the token lacks the scope locations.readonly, so the time zone of appointments is unknown: using UTC; \
                 `connect --time-zone` sets it"
            );
            (TimeZone::UTC, "UTC".to_owned())
        }
        Err(error) => return Err(error.into()),
    };
    job.environment.records.set_time_zone(location, &name).await?;
    Ok(zone)
}
