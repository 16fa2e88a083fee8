//! `GET /v1/jobs`: what was accepted, newest first; `GET /v1/jobs/groups`: what was given up, by its cause; `GET /v1/jobs/{jobId}`: how one stands, and why it is not running.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Query, State};
use jiff::Timestamp;
use serde_json::{Value, json};
use sync_workers::records::{JobFilter, JobState};

use super::allowed::{Allowed, Follows, Reads};
use super::contacts::check_location;
use super::parameters::Parameters;
use super::path::Ids;
use super::{Gateway, Problem};
use crate::{causes, explain};

const DEFAULT_LIMIT: u32 = 50;
const MOST: u32 = 500;

/// `?state&kind&locationId&error&since&limit&cursor`, of the locations that the key sees.
pub(super) async fn list(
    allowed: Allowed<Reads>,
    query: Query<HashMap<String, String>>,
) -> Result<Json<Value>, Problem> {
    let known = ["state", "kind", "locationId", "error", "since", "limit", "cursor"];
    let mut parameters = Parameters::new(query, &known);
    let limit = parameters.number("limit", 1, MOST).unwrap_or(DEFAULT_LIMIT);
    let states = JobState::ALL.map(JobState::as_str).join(", ");
    let filter = JobFilter {
        state: parameters.word("state", JobState::parse, format!("one of {states}")),
        location_id: parameters.id("locationId"),
        kind: parameters.text("kind"),
        error: parameters.text("error"),
        since: parameters.parse::<Timestamp>("since", "a time in RFC 3339, as 2026-03-01T09:00:00Z"),
        before: parameters.cursor(),
    };
    parameters.check()?;
    let records = allowed.records();
    if let Some(location) = &filter.location_id {
        check_location(records, location).await?;
    }
    let jobs = records.list_jobs(&filter, i64::from(limit)).await.map_err(|error| Problem::records(&error))?;
    let next = jobs.last().filter(|_| jobs.len() >= limit as usize).map(|job| &job.id);
    Ok(Json(json!({ "jobs": jobs, "nextCursor": next })))
}

/// `?locationId`: dead letters by what they died of, those first that have the newest.
pub(super) async fn groups(
    allowed: Allowed<Reads>,
    query: Query<HashMap<String, String>>,
) -> Result<Json<Value>, Problem> {
    let mut parameters = Parameters::new(query, &["locationId"]);
    let location = parameters.id("locationId");
    parameters.check()?;
    let records = allowed.records();
    if let Some(location) = &location {
        check_location(records, location).await?;
    }
    let found = causes::groups(records, location.as_deref()).await.map_err(|error| Problem::records(&error))?;
    Ok(Json(json!({ "groups": found.groups, "isCut": found.is_cut })))
}

/// One job.
pub(super) async fn show(
    allowed: Allowed<Follows>,
    State(gateway): State<Gateway>,
    Ids(id): Ids<String>,
) -> Result<Json<Value>, Problem> {
    let records = allowed.records();
    let job = records.job(&id).await.map_err(|error| Problem::records(&error))?;
    let job =
        job.ok_or_else(|| Problem::not_found("there is no such job; ids are in the answer to POST /v1/events"))?;
    let history = records.failed_attempts(&job.id).await.map_err(|error| Problem::records(&error))?;
    let step = records.step_of(&job).await.map_err(|error| Problem::records(&error))?;
    Ok(Json(explain::describe(&job, &history, step.as_ref(), Ok(gateway.producer.queue())).await))
}
