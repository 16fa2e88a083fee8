//! Which scope a route needs.
//!
//! The documents declare none for bulk changes of contacts and for single tags and fields; GHL wants one all the same.

use axum::http::Method;

/// Routes begin with the first, and their scopes with the second; the first that fits counts.
const AREAS: [(&str, &str); 11] = [
    ("/contacts/", "contacts"),
    ("/locations/{locationId}/tasks", "locations/tasks"),
    ("/locations/{locationId}/tags", "locations/tags"),
    ("/locations/{locationId}/customFields", "locations/customFields"),
    ("/locations/", "locations"),
    ("/calendars/events", "calendars/events"),
    ("/calendars/", "calendars"),
    ("/businesses/", "businesses"),
    ("/campaigns/", "campaigns"),
    ("/workflows/", "workflows"),
    ("/users/", "users"),
];

/// Such as `contacts.readonly`; `None` for a route that is not there.
pub(super) fn needed(method: &Method, route: &str) -> Option<String> {
    let (_, area) = AREAS.iter().find(|(beginning, _)| route.starts_with(beginning))?;
    let reads = method == Method::GET || (method == Method::POST && route.ends_with("/search"));
    Some(format!("{area}.{}", if reads { "readonly" } else { "write" }))
}
