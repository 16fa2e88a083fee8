//! `GET /v1/jobs/{jobId}`: how an accepted event stands, and why it is not running.

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use super::allowed::{Allowed, Follows};
use super::path::Ids;
use super::{Gateway, Problem};
use crate::explain;

/// One job.
pub(super) async fn show(
    allowed: Allowed<Follows>,
    State(gateway): State<Gateway>,
    Ids(id): Ids<String>,
) -> Result<Json<Value>, Problem> {
    let records = allowed.records();
    let job = records.job(&id).await.map_err(|error| Problem::records(&error))?;
    let job = job.ok_or_else(|| Problem::not_found("no such job; ids are in the answer to POST /v1/events"))?;
    let history = records.failed_attempts(&job.id).await.map_err(|error| Problem::records(&error))?;
    let step = records.step_of(&job).await.map_err(|error| Problem::records(&error))?;
    Ok(Json(explain::describe(&job, &history, step.as_ref(), Ok(gateway.producer.queue())).await))
}
