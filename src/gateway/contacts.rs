//! The records, to read: the unified view of a contact, and the list.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Query, State};
use jiff::Timestamp;
use serde_json::{Value, json};
use sync_workers::records::{ContactView, ListQuery, RecordsError};

use super::parameters::Parameters;
use super::path::Ids;
use super::{Gateway, Problem};

const DEFAULT_LIMIT: u32 = 50;
const MOST: u32 = 500;

/// `GET /v1/locations/{locationId}/contacts/{contactId}`: the contact with its tasks, notes and appointments.
pub(super) async fn show(
    State(gateway): State<Gateway>,
    Ids((location, contact)): Ids<(String, String)>,
) -> Result<Json<ContactView>, Problem> {
    let view = gateway.producer.records().contact_view(&location, &contact).await;
    let missing = "no such contact here, or it was deleted; a `contact.selected` event fetches one from GHL";
    view.map_err(|error| Problem::records(&error))?.map(Json).ok_or_else(|| Problem::not_found(missing))
}

/// `GET /v1/locations/{locationId}/contacts?limit&cursor&query&updatedSince`.
pub(super) async fn list(
    State(gateway): State<Gateway>,
    Ids(location): Ids<String>,
    query: Query<HashMap<String, String>>,
) -> Result<Json<Value>, Problem> {
    let parameters = Parameters::new(query, &["limit", "cursor", "query", "updatedSince"])?;
    let limit = parameters.parse("limit", format!("a number from 1 to {MOST}"))?.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::parameter("limit", format!("must be a number from 1 to {MOST}")));
    }
    let updated_since: Option<Timestamp> =
        parameters.parse("updatedSince", "a time in RFC 3339, as 2026-03-01T09:00:00Z")?;
    let query = ListQuery { limit, cursor: parameters.text("cursor"), query: parameters.text("query"), updated_since };
    let page = gateway.producer.records().list_contacts(&location, &query).await;
    let page = page.map_err(|error| match error {
        RecordsError::Cursor => Problem::parameter("cursor", "must be the nextCursor of an earlier page"),
        error => Problem::records(&error),
    })?;
    Ok(Json(json!({ "contacts": page.items, "nextCursor": page.next_cursor })))
}
