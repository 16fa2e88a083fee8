//! `/contacts/{contactId}/appointments`: read only, like GHL's.

use axum::Extension;
use axum::extract::Path;

use super::{Reply, named};
use crate::sandbox::appointment;
use crate::sandbox::world::Caller;

pub(super) async fn list(Extension(caller): Extension<Caller>, Path(contact): Path<String>) -> Reply {
    let store = caller.store_holding(&contact)?;
    let zone = &caller.location.zone;
    let events: Vec<_> = store.appointments.of(&contact).map(|event| appointment::on_the_wall(event, zone)).collect();
    Ok(named("events", events))
}
