//! `POST /v1/events`: one event or an array of up to 1000; all or none.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use sync_workers::records::{AcceptError, Refusal};

use super::allowed::{Allowed, Sends};
use super::auth::StoredBatch;
use super::keys::Key;
use super::{Gateway, Problem, json, request_id};
use crate::triggers::{self, FieldError};

/// The most bytes of one event.
const MOST_BYTES: usize = 64 * 1024;
/// So many events take longer to store than others can wait for without noticing.
const BATCH: usize = 50;

/// Checks every event completely, writes them to the ledger in one transaction, and answers 202.
pub(super) async fn accept(
    allowed: Allowed<Sends>,
    State(gateway): State<Gateway>,
    Extension(key): Extension<Arc<Key>>,
    body: Bytes,
) -> Result<Response, Problem> {
    let texts = json::texts(&body)?;
    // The request has cost one.
    key.charge(texts.list.len() - 1);
    let mut accepted_triggers = Vec::with_capacity(texts.list.len());
    let mut problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "An event is wrong", "nothing was stored");
    for (index, text) in texts.list.iter().enumerate() {
        let place = texts.batch.then_some(index);
        if text.get().len() > MOST_BYTES {
            let message = format!("is {} bytes long; an event has at most {MOST_BYTES}", text.get().len());
            problem = problem.with(place, FieldError { field: String::new(), message });
            continue;
        }
        // One value at a time: of an event, what is stored is kept.
        match triggers::translate_at(&json::value(&body, text)?, Some(gateway.webhooks.clock.now())) {
            Ok(trigger) => accepted_triggers.push(trigger),
            Err(errors) => problem = errors.into_iter().fold(problem, |problem, error| problem.with(place, error)),
        }
    }
    if problem.has_faults() {
        return Err(problem);
    }
    gateway.keys.take_events(&allowed.opened.key, accepted_triggers.len()).map_err(Problem::too_many_events)?;
    let place = |index| texts.batch.then_some(index);
    let accepted = allowed.producer.send(&accepted_triggers).await.map_err(|error| match error {
        AcceptError::Refused(Refusal { index, field, message }) => {
            problem.with(place(index), FieldError { field: field.to_owned(), message })
        }
        AcceptError::IdReused(Refusal { index, field, message }) => {
            Problem::id_reused().with(place(index), FieldError { field: field.to_owned(), message })
        }
        AcceptError::Unmapped { index, field, message } => problem.with(place(index), FieldError { field, message }),
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
    let is_batch = accepted.len() >= BATCH;
    let mut response = (StatusCode::ACCEPTED, axum::Json(json!({ "accepted": accepted }))).into_response();
    if is_batch {
        response.extensions_mut().insert(StoredBatch);
    }
    Ok(response)
}
