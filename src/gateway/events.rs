//! `POST /v1/events`: one event or an array of up to 1000; all or none.

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sync_workers::records::{AcceptError, Refusal};

use super::body::{Unread, whole};
use super::{Gateway, Problem, request_id};
use crate::triggers::{self, FieldError};

/// The largest body that is taken, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;
/// The most events in one request.
const MOST_EVENTS: usize = 1000;

/// Checks every event completely, writes them to the ledger in one transaction, and answers 202.
pub(super) async fn accept(State(gateway): State<Gateway>, body: Body) -> Result<Response, Problem> {
    let events = read(body).await?;
    let mut accepted_triggers = Vec::with_capacity(events.list.len());
    let mut problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "An event is wrong", "nothing was stored");
    let mut wrong = false;
    for (index, event) in events.list.iter().enumerate() {
        match triggers::translate(event) {
            Ok(trigger) => accepted_triggers.push(trigger),
            Err(errors) => {
                wrong = true;
                let place = events.batch.then_some(index);
                problem = errors.into_iter().fold(problem, |problem, error| problem.with(place, error));
            }
        }
    }
    if wrong {
        return Err(problem);
    }
    let accepted = gateway.producer.send(&accepted_triggers).await.map_err(|error| match error {
        AcceptError::Refused(Refusal { index, field, message }) => {
            problem.with(events.batch.then_some(index), FieldError { field: field.to_owned(), message })
        }
        AcceptError::Records(error) => Problem::records(&error),
    })?;
    for (accepted, trigger) in accepted.iter().zip(&accepted_triggers) {
        if !accepted.duplicate {
            gateway.metrics.jobs.event_accepted(&trigger.event.source, &trigger.event.event_type);
        }
    }
    request_id::led_to(&accepted.iter().map(|accepted| &accepted.job_id).collect::<Vec<_>>());
    let accepted: Vec<_> = accepted
        .into_iter()
        .map(|accepted| json!({"id": accepted.event_id, "jobId": accepted.job_id, "duplicate": accepted.duplicate}))
        .collect();
    Ok((StatusCode::ACCEPTED, axum::Json(json!({ "accepted": accepted }))).into_response())
}

struct Events {
    list: Vec<Value>,
    /// An array was sent: faults name the position.
    batch: bool,
}

/// The body of a producer's request, which is JSON.
pub(super) async fn json_of(body: Body) -> Result<Value, Problem> {
    let bytes = whole(body, BODY_LIMIT).await.map_err(|unread| match unread {
        Unread::BrokenOff => Problem::new(StatusCode::BAD_REQUEST, "The body broke off", "send it again"),
        Unread::TooLarge => {
            let detail = format!("at most {BODY_LIMIT} bytes are taken; send less at once");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large", detail)
        }
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let detail = format!("line {}, column {}: {}", error.line(), error.column(), syntax(&error));
        Problem::new(StatusCode::BAD_REQUEST, "The body is no JSON", detail)
    })
}

async fn read(body: Body) -> Result<Events, Problem> {
    match json_of(body).await? {
        Value::Array(list) if list.is_empty() => {
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "No event", "the array is empty"))
        }
        Value::Array(list) if list.len() > MOST_EVENTS => {
            let detail = format!("{} events were sent; at most {MOST_EVENTS} are taken at once", list.len());
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "Too many events", detail))
        }
        Value::Array(list) => Ok(Events { list, batch: true }),
        one => Ok(Events { list: vec![one], batch: false }),
    }
}

/// What is wrong, without the words of serde that may quote the body.
fn syntax(error: &serde_json::Error) -> &'static str {
    if error.is_eof() { "it ends too early" } else { "this is not how JSON goes on" }
}
