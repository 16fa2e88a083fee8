//! `/contacts/{contactId}/appointments`: read only, and without the descriptions that calendars show, like GHL's.

use axum::Extension;
use axum::extract::Path;

use super::{Reply, named};
use crate::appointment;
use crate::state::Caller;

pub(super) async fn list(Extension(caller): Extension<Caller>, Path(contact): Path<String>) -> Reply {
    let store = caller.store_holding(&contact)?;
    let zone = &caller.location.zone;
    let as_listed = |mut event: serde_json::Value| {
        if let Some(fields) = event.as_object_mut() {
            fields.remove("description");
        }
        appointment::to_local_time(event, zone)
    };
    let events: Vec<_> = store.appointments.of(&contact).map(as_listed).collect();
    Ok(named("events", events))
}
