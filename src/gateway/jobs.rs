//! `GET /v1/jobs/{jobId}`: how an accepted event stands, and why it is not running.

use axum::Json;
use axum::extract::State;
use job_engine::{LaneState, Queue};
use serde_json::{Value, json};
use sync_workers::records::{Job, JobState};

use super::path::Ids;
use super::{Gateway, Problem};

/// One job.
pub(super) async fn show(State(gateway): State<Gateway>, Ids(id): Ids<String>) -> Result<Json<Value>, Problem> {
    let job = gateway.producer.records().job(&id).await.map_err(|error| Problem::records(&error))?;
    let job = job.ok_or_else(|| Problem::not_found("no such job; ids are in the answer to POST /v1/events"))?;
    Ok(Json(describe(&job, gateway.producer.queue()).await))
}

/// The job in the promised shape. `why` is null where it needs no reason.
pub async fn describe(job: &Job, queue: &Queue) -> Value {
    json!({
        "id": job.id,
        "kind": job.key.kind,
        "locationId": job.key.location_id,
        "recordId": job.key.record_id,
        "eventType": job.event_type,
        "priority": job.priority.as_str(),
        "state": job.state,
        "attempts": job.attempts,
        "lastError": job.last_error,
        "createdAt": job.created_at,
        "dueAt": job.due_at,
        "startedAt": job.started_at,
        "finishedAt": job.finished_at,
        "why": why(job, queue).await,
    })
}

async fn why(job: &Job, queue: &Queue) -> Option<String> {
    match job.state {
        JobState::Running | JobState::Done => None,
        JobState::Dead => Some("it was given up; lastError tells why".to_owned()),
        JobState::Scheduled => Some(match (&job.last_error, job.due_at) {
            (Some(_), Some(due)) => format!("it failed and is tried again at {due}"),
            (None, Some(due)) => format!("it is put off until {due}"),
            (_, None) => "it is put off".to_owned(),
        }),
        JobState::Waiting => Some(match queue.lane(&job.key.location_id).await {
            Err(error) => format!("the queue does not answer ({error}); the job is kept and will run"),
            Ok(None) => "the queue has not heard of it yet; the sweeper tells it".to_owned(),
            Ok(Some(lane)) => match lane.state {
                LaneState::Held => {
                    format!("its location is held for {} ms more: GHL refused", lane.held_for.as_millis())
                }
                LaneState::WaitsForTokens => format!(
                    "its location has used its calls: {} under way, {} still count in GHL's window",
                    lane.tokens_out, lane.tokens_cooling
                ),
                LaneState::Ready => {
                    format!("{} jobs of its location wait for a worker", lane.waiting.iter().sum::<u32>())
                }
            },
        }),
    }
}
