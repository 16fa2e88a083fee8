//! `GET /v1/audit?since&action&actor&locationId&limit&cursor`: what was done, by whom, newest first.

use std::collections::HashMap;

use axum::Json;
use axum::extract::Query;
use jiff::Timestamp;
use serde_json::{Value, json};
use sync_workers::records::AuditFilter;

use super::Problem;
use super::allowed::{Administers, Allowed};
use super::contacts::check_location;
use super::parameters::Parameters;

const DEFAULT_LIMIT: u32 = 50;
const MOST: u32 = 500;

/// A key that does not see every location gets what concerns its own.
pub(super) async fn list(
    allowed: Allowed<Administers>,
    query: Query<HashMap<String, String>>,
) -> Result<Json<Value>, Problem> {
    let known = ["since", "action", "actor", "locationId", "limit", "cursor"];
    let mut parameters = Parameters::new(query, &known);
    let limit = parameters.number("limit", 1, MOST).unwrap_or(DEFAULT_LIMIT);
    let cursor = parameters.text("cursor");
    let filter = AuditFilter {
        since: parameters.parse::<Timestamp>("since", "a time in RFC 3339, as 2026-03-01T09:00:00Z"),
        action: parameters.text("action"),
        actor: parameters.text("actor"),
        location_id: parameters.id("locationId"),
    };
    let records = allowed.records();
    if let Some(location) = &filter.location_id {
        check_location(records, location).await?;
    }
    let page = records.list_audit(&filter, cursor.as_deref(), i64::from(limit)).await;
    let page = parameters.page(page, "the nextCursor of an earlier page", Problem::records)?;
    records.note_audit_read().await.map_err(|error| Problem::records(&error))?;
    Ok(Json(json!({ "audit": page.items, "nextCursor": page.next_cursor })))
}
