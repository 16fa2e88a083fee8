//! `/v1/hooks`: manages hooks. One route, and a form of it with which programs such as Zapier
//! subscribe.

use std::collections::HashMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sync_workers::hooks::{HookError, Hooks, Made, samples};
use sync_workers::records::hook_event as event;
use sync_workers::records::{Hook, HookKind, NewHook, Places, Records};

use super::allowed::{Administers, Allowed, Reads, ReadsPeople};
use super::deadline::in_time;
use super::json::json_of;
use super::parameters::Parameters;
use super::path::Ids;
use super::{Gateway, Problem};
use crate::triggers::FieldError;

mod acts;
mod deliveries;
mod read;

pub(super) use acts::{disable, enable, recover, rotate, test};
pub(super) use deliveries::{deliveries, resend};

const DEFAULT_LIMIT: u32 = 100;
const MOST: u32 = 500;
const MOST_SAMPLES: u32 = 20;

/// `?limit&cursor`: oldest first.
pub(super) async fn list(
    allowed: Allowed<Reads>,
    query: Query<HashMap<String, String>>,
) -> Result<Json<Value>, Problem> {
    let mut parameters = Parameters::new(query, &["limit", "cursor"]);
    let limit = parameters.number("limit", 1, MOST).unwrap_or(DEFAULT_LIMIT);
    let cursor = parameters.cursor();
    parameters.check()?;
    let hooks = allowed.records().list_hooks(cursor.as_deref(), i64::from(limit) + 1).await;
    let mut hooks = hooks.map_err(|error| Problem::records(&error))?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = hooks.len() > limit;
    hooks.truncate(limit);
    let next_cursor = hooks.last().filter(|_| more).map(|hook| hook.id.clone());
    Ok(Json(json!({ "hooks": hooks, "nextCursor": next_cursor })))
}

/// 201 with the hook; the secret or public key for its receiver is shown only once.
pub(super) async fn create(
    allowed: Allowed<Administers>,
    State(gateway): State<Gateway>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let request = read::request(&json_of(&body)?).map_err(wrong)?;
    see_all(allowed.records(), request.new.locations.as_deref(), request.places).await?;
    let key = &allowed.opened.key.id;
    let new = NewHook { key_id: Some(key.clone()), created_by: format!("key:{key}"), ..request.new };
    let made = acting(&gateway, &allowed).create(new).await.map_err(|error| match error {
        HookError::Address(refused) => {
            wrong(vec![FieldError { field: request.address.to_owned(), message: refused.to_string() }])
        }
        error => problem(&error),
    })?;
    Ok((StatusCode::CREATED, Json(reported(&made))))
}

/// What the body names of the hook changes, with the checks of a new one. It gives the hook nothing that the caller's key does not have.
pub(super) async fn edit(
    allowed: Allowed<Administers>,
    State(gateway): State<Gateway>,
    Ids(id): Ids<String>,
    body: Bytes,
) -> Result<Json<Hook>, Problem> {
    let hook = seen(allowed.records(), &id).await?;
    let edit = read::edit(&json_of(&body)?).map_err(wrong)?;
    see_all(allowed.records(), edit.locations.as_ref().and_then(Option::as_deref), "locations").await?;
    let key = &allowed.opened.key;
    let is_own = hook.key_id.as_ref() == Some(&key.id);
    let beyond = |field: &str, message: &str| {
        Err(wrong(vec![FieldError { field: field.to_owned(), message: message.to_owned() }]))
    };
    if !is_own && edit.locations == Some(None) && key.locations != Places::All {
        return beyond(
            "locations",
            "must be an array: the hook is of another key, and yours does not see every location",
        );
    }
    if !is_own && edit.url.is_some() && hook.reads_people() && !key.reads_people {
        return beyond("url", "can't be changed: the hook sends names and values, and your key reads ids alone");
    }
    let edited = acting(&gateway, &allowed).edit(&id, edit).await.map_err(|error| problem(&error))?;
    edited.map(Json).ok_or_else(unknown)
}

/// 422 unless the caller sees each of the locations; what it does not see is as if it were not connected.
async fn see_all(records: &Records, locations: Option<&[String]>, field: &str) -> Result<(), Problem> {
    for location in locations.into_iter().flatten() {
        if !in_time(records.sees(location)).await?.map_err(|error| Problem::records(&error))? {
            let message = "names a location that is not connected".to_owned();
            return Err(wrong(vec![FieldError { field: field.to_owned(), message }]));
        }
    }
    Ok(())
}

/// One hook.
pub(super) async fn show(allowed: Allowed<Reads>, Ids(id): Ids<String>) -> Result<Json<Hook>, Problem> {
    seen(allowed.records(), &id).await.map(Json)
}

/// The hooks on behalf of the caller, who is the actor in the audit log.
fn acting<A>(gateway: &Gateway, allowed: &Allowed<A>) -> Hooks {
    Hooks { records: allowed.records().clone(), ..gateway.hooks.clone() }
}

/// The hook, if the caller's key sees it.
async fn seen(records: &Records, id: &str) -> Result<Hook, Problem> {
    records.hook(id).await.map_err(|error| Problem::records(&error))?.ok_or_else(unknown)
}

/// 204: the hook and its unsent messages are deleted.
pub(super) async fn delete(allowed: Allowed<Administers>, Ids(id): Ids<String>) -> Result<StatusCode, Problem> {
    seen(allowed.records(), &id).await?;
    match allowed.records().delete_hook(&id).await.map_err(|error| Problem::records(&error))? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(unknown()),
    }
}

/// `?event&locationId&limit`: messages as they would come, of the newest records; a plain array, as programs expect it that set up a flow.
pub(super) async fn sample(
    allowed: Allowed<ReadsPeople>,
    query: Query<HashMap<String, String>>,
) -> Result<Json<Vec<Value>>, Problem> {
    let mut parameters = Parameters::new(query, &["event", "locationId", "limit"]);
    let limit = parameters.number("limit", 1, MOST_SAMPLES).unwrap_or(3);
    let (location, event) = (parameters.id("locationId"), parameters.text("event"));
    parameters.check()?;
    let known = event.as_deref().and_then(event::named);
    let event = known.ok_or_else(|| Problem::parameter("event", format!("must be one of {}", event::names())))?;
    let limit = usize::try_from(limit).unwrap_or(1);
    let samples = samples::newest(allowed.records(), event, location.as_deref(), limit).await;
    samples.map(Json).map_err(|error| Problem::records(&error))
}

/// A hook with what its receiver checks messages by.
fn reported(Made { hook, verifier }: &Made) -> Value {
    let mut reported = json!(hook);
    let name = if verifier.expose_secret().starts_with("whpk_") { "publicKey" } else { "secret" };
    reported[name] = verifier.expose_secret().into();
    reported
}

fn wrong(errors: Vec<FieldError>) -> Problem {
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "The hook is wrong", "nothing was stored");
    errors.into_iter().fold(problem, |problem, error| problem.with(None, error))
}

fn unknown() -> Problem {
    Problem::not_found("there is no hook with this id; GET /v1/hooks lists all")
}

fn problem(error: &HookError) -> Problem {
    match error {
        HookError::Records(error) => super::changes::problem(error),
        HookError::NoHook(full) => Problem::new(StatusCode::CONFLICT, "Too many hooks", full.to_string()),
        HookError::NoMasterKey => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Hooks need a master key", error.to_string())
        }
        HookError::Address(refused) => {
            wrong(vec![FieldError { field: "url".to_owned(), message: refused.to_string() }])
        }
        HookError::Secret(_) => Problem::internal(error),
    }
}

/// Whether a body is the form that programs subscribe with.
fn kind_of(body: &serde_json::Map<String, Value>) -> HookKind {
    if body.contains_key("targetUrl") { HookKind::Rest } else { HookKind::Webhook }
}
