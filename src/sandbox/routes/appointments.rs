//! `/contacts/{contactId}/appointments`: read only, like GHL's.

use axum::Extension;
use axum::extract::Path;

use super::{Reply, named};
use crate::sandbox::world::Caller;

pub(super) async fn list(Extension(caller): Extension<Caller>, Path(contact): Path<String>) -> Reply {
    let store = caller.store_holding(&contact)?;
    Ok(named("events", store.appointments.of(&contact)))
}
