//! What can be done with a hook: another secret, a pause, a trial, and what it missed.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use jiff::Timestamp;
use serde_json::{Map, Value};
use sync_workers::hooks::{OVERLAP, Recovered, Trial};
use sync_workers::records::Hook;
use sync_workers::records::hook_event as event;

use super::{acting, problem, reported, seen, unknown, wrong};
use crate::gateway::allowed::{Administers, Allowed};
use crate::gateway::json::json_of;
use crate::gateway::path::Ids;
use crate::gateway::{Gateway, Problem};
use crate::triggers::{FieldError, Fields};

/// For how long two secrets may sign, in seconds.
const LONGEST_OVERLAP: u64 = 30 * 24 * 3600;

/// `{overlapSeconds?}`: a new secret, shown only once; the one before signs beside it for a day, or as long as requested.
pub(in crate::gateway) async fn rotate(
    allowed: Allowed<Administers>,
    State(gateway): State<Gateway>,
    Ids(id): Ids<String>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    seen(allowed.records(), &id).await?;
    let object = object(&body)?;
    let mut fields = Fields::new(&object, "");
    let seconds = fields.whole("overlapSeconds", 0..=LONGEST_OVERLAP);
    finish(fields)?;
    let overlap = seconds.map_or(OVERLAP, Duration::from_secs);
    let made = acting(&gateway, &allowed).rotate(&id, overlap).await.map_err(|error| problem(&error))?;
    made.as_ref().map(|made| Json(reported(made))).ok_or_else(unknown)
}

/// Nothing is sent to the hook until it is enabled again.
pub(in crate::gateway) async fn disable(
    allowed: Allowed<Administers>,
    Ids(id): Ids<String>,
) -> Result<Json<Hook>, Problem> {
    seen(allowed.records(), &id).await?;
    let disabled = allowed.records().disable_hook(&id, "by request").await;
    disabled.map_err(|error| Problem::records(&error))?;
    seen(allowed.records(), &id).await.map(Json)
}

/// Sends to the hook again, including what it missed meanwhile.
pub(in crate::gateway) async fn enable(
    allowed: Allowed<Administers>,
    State(gateway): State<Gateway>,
    Ids(id): Ids<String>,
) -> Result<Json<Hook>, Problem> {
    seen(allowed.records(), &id).await?;
    acting(&gateway, &allowed).enable(&id).await.map_err(|error| problem(&error))?.map(Json).ok_or_else(unknown)
}

/// `{event?}`: sends one signed message now, and returns its outcome.
pub(in crate::gateway) async fn test(
    allowed: Allowed<Administers>,
    State(gateway): State<Gateway>,
    Ids(id): Ids<String>,
    body: Bytes,
) -> Result<Json<Trial>, Problem> {
    seen(allowed.records(), &id).await?;
    let object = object(&body)?;
    let mut fields = Fields::new(&object, "");
    let event = fields.text("event");
    if event.as_deref().is_some_and(|event| event::named(event).is_none()) {
        fields.refuse("event", format!("must be one of {}", event::names()));
    }
    finish(fields)?;
    let trial = acting(&gateway, &allowed).try_out(&id, event.as_deref()).await.map_err(|error| problem(&error))?;
    trial.map(Json).ok_or_else(unknown)
}

/// `{since}`: sends again what did not arrive since then.
pub(in crate::gateway) async fn recover(
    allowed: Allowed<Administers>,
    State(gateway): State<Gateway>,
    Ids(id): Ids<String>,
    body: Bytes,
) -> Result<Json<Recovered>, Problem> {
    seen(allowed.records(), &id).await?;
    let object = object(&body)?;
    let mut fields = Fields::new(&object, "");
    let since: Timestamp = fields.required_time("since");
    finish(fields)?;
    let recovered = acting(&gateway, &allowed).recover(&id, since).await.map_err(|error| problem(&error))?;
    recovered.map(Json).ok_or_else(unknown)
}

/// No body is an empty object.
fn object(body: &Bytes) -> Result<Map<String, Value>, Problem> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    match json_of(body)? {
        Value::Object(object) => Ok(object),
        _ => Err(wrong(vec![FieldError { field: String::new(), message: "must be an object".to_owned() }])),
    }
}

fn finish(fields: Fields<'_>) -> Result<(), Problem> {
    let errors = fields.finish();
    if errors.is_empty() { Ok(()) } else { Err(wrong(errors)) }
}
