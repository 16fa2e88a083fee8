//! `/locations/{locationId}` and its custom fields.

use axum::Extension;
use axum::extract::Path;
use serde_json::json;

use super::{Reply, named};
use crate::sandbox::world::Caller;

pub(super) async fn get(Extension(caller): Extension<Caller>, Path(id): Path<String>) -> Reply {
    caller.expect_location(&id)?;
    let location = &caller.location;
    let shown = json!({
        "id": location.facts.id,
        "name": location.facts.name,
        "timezone": location.facts.time_zone,
        "country": location.country,
        "address": "1 Sandbox Street",
        "city": null,
        "state": null,
        "postalCode": "00000",
        "website": null,
        "email": "owner@example.com",
        "phone": null,
        "business": { "name": location.facts.name, "timezone": location.facts.time_zone, "country": location.country },
        "social": {},
        "settings": { "allowDuplicateContact": false, "allowDuplicateOpportunity": false },
    });
    Ok(named("location", shown))
}

pub(super) async fn custom_fields(Extension(caller): Extension<Caller>, Path(id): Path<String>) -> Reply {
    caller.expect_location(&id)?;
    Ok(named("customFields", caller.location.custom_fields.clone()))
}
