//! `GET /v1/me`: what the key of a request is and may do. Programs ask it to see whether a key works.

use axum::Json;
use serde_json::{Value, json};

use super::allowed::{Allowed, Anyone};

/// The key, without its secret. `secretEndsAt` is a time where the key was rotated and this secret is the older one.
pub(super) async fn show(allowed: Allowed<Anyone>) -> Json<Value> {
    let key = &allowed.opened.key;
    Json(json!({
        "id": key.id,
        "name": key.name,
        "roles": key.roles,
        "locations": key.locations,
        "readsPeople": key.reads_people,
        "eventsPerMinute": key.events_per_minute,
        "createdAt": key.created_at,
        "expiresAt": key.expires_at,
        "secretEndsAt": allowed.opened.secret_ends_at,
    }))
}
