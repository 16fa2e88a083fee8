//! `POST /v1/operations/{name}`: calls any operation of the catalog as a job; `GET /v1/jobs/{jobId}/reply`: what GHL answered.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use ghl::catalog::Wish;
use serde_json::{Value, json};
use sync_workers::records::{AcceptError, JobState, Refusal};

use super::allowed::{Allowed, FollowsPeople, Sends};
use super::json::json_of;
use super::path::Ids;
use super::{Gateway, Problem};
use crate::triggers::{self, FieldError, Fields, kind_of, operation};

/// Checks the call completely, writes it to the ledger, and answers 202.
pub(super) async fn call(
    allowed: Allowed<Sends>,
    State(gateway): State<Gateway>,
    Ids(name): Ids<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let wrong = || Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "The call is wrong", "nothing was stored");
    let refuse = |errors: Vec<FieldError>| errors.into_iter().fold(wrong(), |problem, error| problem.with(None, error));
    let (id, request) = read(&json_of(&body)?).map_err(refuse)?;
    let trigger = operation::call(&name, request, triggers::SOURCE, id).map_err(refuse)?;
    gateway.keys.take_events(&allowed.opened.key, 1).map_err(Problem::too_many_events)?;
    let accepted = allowed.producer.send(std::slice::from_ref(&trigger)).await.map_err(|error| match error {
        AcceptError::Refused(Refusal { field, message, .. }) => {
            refuse(vec![FieldError { field: field.to_owned(), message }])
        }
        AcceptError::IdReused(Refusal { field, message, .. }) => {
            Problem::id_reused().with(None, FieldError { field: field.to_owned(), message })
        }
        AcceptError::Unmapped { field, message, .. } => refuse(vec![FieldError { field, message }]),
        AcceptError::Records(error) => Problem::records(&error),
    })?;
    // One trigger, one answer.
    let Some(accepted) = accepted.into_iter().next() else { return Err(wrong()) };
    if !accepted.duplicate {
        gateway.metrics.jobs.event_accepted(&trigger.event.source, &trigger.event.event_type);
    }
    Ok((StatusCode::ACCEPTED, Json(json!({"jobId": accepted.job_id, "duplicate": accepted.duplicate}))))
}

fn read(body: &Value) -> Result<(Option<String>, Wish), Vec<FieldError>> {
    let Some(object) = body.as_object() else {
        let message = format!("a call is an object, not {}", kind_of(body));
        return Err(vec![FieldError { field: String::new(), message }]);
    };
    let mut fields = Fields::new(object, "");
    let id = fields.id("id");
    let request = Wish {
        location_id: fields.required_id("locationId"),
        version: fields.text("version"),
        parameters: fields.object("parameters").cloned().unwrap_or_default(),
        body: fields.any("body").cloned(),
        confirmed: fields.flag("confirm").unwrap_or(false),
    };
    let errors = fields.finish();
    if errors.is_empty() { Ok((id, request)) } else { Err(errors) }
}

/// GHL's answer to the call of a job that is done.
pub(super) async fn reply(allowed: Allowed<FollowsPeople>, Ids(id): Ids<String>) -> Result<Json<Value>, Problem> {
    let records = allowed.records();
    let job = records.job(&id).await.map_err(|error| Problem::records(&error))?;
    let job = job.ok_or_else(|| {
        Problem::not_found("there is no such job; ids are in the answer to POST /v1/operations/{name}")
    })?;
    let reply = records.reply(&id).await.map_err(|error| Problem::records(&error))?;
    reply.map(Json).ok_or_else(|| {
        let why = match job.state {
            JobState::Done => "the job is done and calls no operation",
            JobState::Discarded => "the job was discarded before it was done",
            JobState::Dead => "the job is a dead letter; GET /v1/jobs/{jobId} has the reason",
            JobState::Waiting | JobState::Scheduled | JobState::Running => "the job is not done yet; try again later",
        };
        Problem::not_found(why)
    })
}
