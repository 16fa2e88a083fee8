//! Fields that both sides edited: `GET /v1/locations/{locationId}/conflicts`, and a `POST` that takes one back.

use std::collections::HashMap;

use axum::Json;
use axum::extract::Query;
use axum::http::StatusCode;
use job_engine::Priority;
use serde_json::{Value, json};
use sync_workers::events::{IncomingEvent, NewEvent};
use sync_workers::records::{AcceptError, Change, JobKind, KeptConflict};

use super::Problem;
use super::allowed::{Allowed, Decides, ReadsPeople};
use super::contacts::check_location;
use super::parameters::Parameters;
use super::path::Ids;
use crate::triggers;

const DEFAULT_LIMIT: u32 = 50;
const MOST: u32 = 500;

/// `?contactId&limit&cursor`: newest first.
pub(super) async fn list(
    allowed: Allowed<ReadsPeople>,
    Ids(location): Ids<String>,
    query: Query<HashMap<String, String>>,
) -> Result<Json<Value>, Problem> {
    let mut parameters = Parameters::new(query, &["contactId", "limit", "cursor"]);
    let limit = parameters.number("limit", 1, MOST).unwrap_or(DEFAULT_LIMIT);
    let (contact, cursor) = (parameters.id("contactId"), parameters.text("cursor"));
    let records = allowed.records();
    let page = records.list_conflicts(&location, contact.as_deref(), cursor.as_deref(), i64::from(limit)).await;
    let page = parameters.page(page, "the nextCursor of an earlier page", Problem::records)?;
    if page.items.is_empty() {
        check_location(records, &location).await?;
    }
    Ok(Json(json!({ "conflicts": page.items, "nextCursor": page.next_cursor })))
}

/// Gives the field the value that lost, as an edit of now. 202 with the job that writes it to GHL; 409 where that makes no sense any more.
pub(super) async fn undo(
    allowed: Allowed<Decides>,
    Ids((location, id)): Ids<(String, String)>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let found = allowed.records().conflict(&location, &id).await.map_err(|error| Problem::records(&error))?;
    let conflict = found.ok_or_else(|| Problem::not_found("there is no conflict with this id"))?;
    let accepted = allowed.producer.send(&[undo_of(&conflict)]).await.map_err(|error| match error {
        AcceptError::Refused(refusal) | AcceptError::IdReused(refusal) => {
            Problem::new(StatusCode::CONFLICT, "It can't be undone", refusal.message)
        }
        AcceptError::Unmapped { message, .. } => Problem::new(StatusCode::CONFLICT, "It can't be undone", message),
        AcceptError::Records(error) => Problem::records(&error),
    })?;
    let job = accepted.first().map(|accepted| &accepted.job_id);
    Ok((StatusCode::ACCEPTED, Json(json!({ "jobId": job }))))
}

/// The event that gives the field the value that lost.
pub(crate) fn undo_of(conflict: &KeptConflict) -> IncomingEvent {
    let kind = match conflict.record.as_str() {
        "task" => JobKind::PushTask,
        "note" => JobKind::PushNote,
        "appointment" => JobKind::PushAppointment,
        _ => JobKind::PushContact,
    };
    let event = NewEvent {
        id: None,
        occurred_at: None,
        source: triggers::SOURCE.to_owned(),
        event_type: "conflict.undone".to_owned(),
        location_id: conflict.location_id.clone(),
        contact_id: Some(conflict.contact_id.clone()),
        data: json!({}),
    };
    IncomingEvent {
        event,
        kind,
        priority: Priority::Realtime,
        change: Change::Undo { conflict_id: conflict.id.clone() },
    }
}
