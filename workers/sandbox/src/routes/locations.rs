//! `/locations/{locationId}` and its custom fields.

use axum::Extension;
use axum::extract::Path;
use serde_json::{Value, json};

use super::{AskedLocation, Reply, named};
use crate::state::Caller;

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
        "settings": { "allowDuplicateContact": caller.location.allows_duplicates(), "allowDuplicateOpportunity": false },
    });
    Ok(named("location", shown))
}

pub(super) async fn users(Extension(caller): Extension<Caller>, asked: AskedLocation) -> Reply {
    caller.expect_named_location(asked.location_id.as_deref())?;
    let shown: Vec<Value> =
        caller.location.users.iter().zip(1..).map(|(id, number)| user(&caller, id, number)).collect();
    Ok(named("users", shown))
}

fn user(caller: &Caller, id: &str, number: u32) -> Value {
    json!({
        "id": id,
        "name": format!("User {number}"),
        "firstName": "User",
        "lastName": number.to_string(),
        "email": format!("user{number}@example.com"),
        "phone": "",
        "deleted": false,
        "roles": { "type": "account", "role": "user", "locationIds": [caller.location.facts.id] },
    })
}
