//! The records, to read: the unified view of a contact, and the list.

use std::collections::HashMap;

use axum::Json;
use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use sync_workers::records::{ListQuery, Receipt, Records};

use super::allowed::{Allowed, ReadsPeople};
use super::parameters::Parameters;
use super::path::Ids;
use super::{Problem, history};

const DEFAULT_LIMIT: u32 = 50;
const MOST: u32 = 500;

/// `GET /v1/locations/{locationId}/contacts/{contactId}?includeDeleted&at`: the contact with its tasks, notes and appointments, as it is or as it was.
pub(super) async fn show(
    allowed: Allowed<ReadsPeople>,
    Ids((location, contact)): Ids<(String, String)>,
    query: Query<HashMap<String, String>>,
) -> Result<Response, Problem> {
    let mut parameters = Parameters::new(query, &["includeDeleted", "at"]);
    let include_deleted = parameters.flag("includeDeleted");
    let at = parameters.parse::<Timestamp>("at", "a time in RFC 3339, as 2026-03-01T09:00:00Z");
    parameters.check()?;
    let records = allowed.records();
    if let Some(at) = at {
        return Ok(Json(history::view_at(records, &location, &contact, at).await?).into_response());
    }
    let view = match include_deleted {
        true => records.view_with_deleted(&location, &contact).await,
        false => records.contact_view(&location, &contact).await,
    };
    if let Some(view) = view.map_err(|error| Problem::records(&error))? {
        return Ok(Json(view).into_response());
    }
    let erasure = records.erasure(&location, &contact).await.map_err(|error| Problem::records(&error))?;
    Err(Problem::not_found(match erasure {
        None => {
            "there is no such contact, or it was deleted; a `contact.selected` event fetches one from GHL".to_owned()
        }
        Some(Receipt { id, erased_at, .. }) => {
            format!(
                "the contact's data was erased at {erased_at}, receipt {id}; a `contact.selected` event fetches it again"
            )
        }
    }))
}

/// `GET /v1/locations/{locationId}/contacts?limit&cursor&query&updatedSince&includeDeleted`.
pub(super) async fn list(
    allowed: Allowed<ReadsPeople>,
    Ids(location): Ids<String>,
    query: Query<HashMap<String, String>>,
) -> Result<Json<Value>, Problem> {
    let mut parameters = Parameters::new(query, &["limit", "cursor", "query", "updatedSince", "includeDeleted"]);
    let query = ListQuery {
        limit: parameters.number("limit", 1, MOST).unwrap_or(DEFAULT_LIMIT),
        cursor: parameters.text("cursor"),
        query: parameters.text("query"),
        updated_since: parameters.parse::<Timestamp>("updatedSince", "a time in RFC 3339, as 2026-03-01T09:00:00Z"),
        include_deleted: parameters.flag("includeDeleted"),
    };
    let records = allowed.records();
    let page = records.list_contacts(&location, &query).await;
    let page = parameters.page(page, "the nextCursor of an earlier page", Problem::records)?;
    if page.items.is_empty() {
        check_location(records, &location).await?;
    }
    Ok(Json(json!({ "contacts": page.items, "nextCursor": page.next_cursor })))
}

/// 404 for a location that the key does not see, or that is neither connected nor has records: a slip of the pen is not to be taken for an empty one.
pub(super) async fn check_location(records: &Records, location: &str) -> Result<(), Problem> {
    if !records.sees(location).await.map_err(|error| Problem::records(&error))? {
        return Err(Problem::unknown_location());
    }
    let connected = records.known_locations(&[location.to_owned()]).await.map_err(|error| Problem::records(&error))?;
    if !connected.is_empty() {
        return Ok(());
    }
    let any = ListQuery { limit: 1, include_deleted: true, ..ListQuery::default() };
    let held = records.list_contacts(location, &any).await.map_err(|error| Problem::records(&error))?;
    if held.items.is_empty() { Err(Problem::unknown_location()) } else { Ok(()) }
}
