//! `/v1/keys`: makes, rotates and revokes API keys.
//!
//! A key never gets more than its creator has: neither a location, nor a name, nor a longer life. So a key of some locations sees the keys
//! of those locations alone, and no key gives out the secret of one that may do more than itself.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use sync_workers::records::{ApiKey, KeyPlace, NewKey, Opened, Places, Role};

use super::allowed::{Administers, Allowed, forbidden};
use super::json::json_of;
use super::path::Ids;
use super::{Gateway, Problem};
use crate::triggers::{FieldError, Fields, kind_of};

/// Bytes of a name.
const LONGEST_NAME: usize = 200;
/// Locations of one key.
const MOST_PLACES: usize = 1000;
/// Events that a key may be limited to in a minute; beyond it a limit would limit nothing.
pub(crate) const MOST_EVENTS_A_MINUTE: u32 = 10_000_000;
/// For how long two secrets may open one key, in seconds.
const LONGEST_OVERLAP: u64 = 30 * 24 * 3600;

/// `GET /v1/keys`: all that the caller sees, oldest first, ended ones among them.
pub(super) async fn list(allowed: Allowed<Administers>) -> Result<Json<Value>, Problem> {
    let mut keys = Vec::new();
    for key in allowed.records().list_keys().await.map_err(|error| Problem::records(&error))? {
        if is_seen(&allowed, &key).await? {
            keys.push(key);
        }
    }
    Ok(Json(json!({ "keys": keys })))
}

/// `POST /v1/keys`: 201 with the key, whose text is shown only here. What the body does not say is as the caller has it.
pub(super) async fn create(
    allowed: Allowed<Administers>,
    State(gateway): State<Gateway>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let body = json_of(&body)?;
    let Some(object) = body.as_object() else {
        return Err(wrong(vec![at("", format!("a key is an object, not {}", kind_of(&body)))]));
    };
    let own = &allowed.opened.key;
    let mut fields = Fields::new(object, "");
    let name = fields.required_text("name");
    if name.len() > LONGEST_NAME {
        fields.refuse("name", format!("must have at most {LONGEST_NAME} bytes"));
    }
    let new = NewKey {
        roles: roles(&mut fields),
        locations: places(&mut fields).unwrap_or_else(|| own.locations.clone()),
        reads_people: fields.flag("readsPeople").unwrap_or(own.reads_people),
        events_per_minute: events_per_minute(&mut fields, own.events_per_minute),
        expires_at: end(&mut fields, &allowed.opened, gateway.webhooks.clock.now()).or(ends_at(&allowed.opened)),
        name,
    };
    if new.reads_people && !own.reads_people {
        fields.refuse("readsPeople", "must be false: your key reads ids and states alone");
    }
    if !fields.has_mistake("locations") && !is_within(&allowed, &new.locations).await? {
        fields.refuse("locations", "names what your key does not see");
    }
    finish(fields)?;
    let made = allowed.records().create_key(&new).await;
    let (key, text) = made.map_err(|error| Problem::records(&error))?;
    Ok((StatusCode::CREATED, Json(shown_once(&key, text.expose_secret()))))
}

/// `POST /v1/keys/{key}/rotate` `{overlapSeconds?, expiresAt?}`: a new secret, shown only here. The one before ends at once unless the body says later.
pub(super) async fn rotate(
    allowed: Allowed<Administers>,
    State(gateway): State<Gateway>,
    Ids(id): Ids<String>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let key = seen(&allowed, &id).await?;
    let own = ends_at(&allowed.opened);
    let outlives = own.is_some_and(|own| key.expires_at.is_none_or(|end| end > own));
    let sends_more = match (key.events_per_minute, allowed.opened.key.events_per_minute) {
        (_, None) => false,
        (most, Some(own)) => most.is_none_or(|most| most > own),
    };
    if outlives || sends_more || (key.reads_people && !allowed.opened.key.reads_people) {
        let detail = "the key may do more, or lives longer, than the one that asks, which would get its secret";
        return Err(forbidden(detail.to_owned()));
    }
    let object = if body.is_empty() { Value::Object(Map::new()) } else { json_of(&body)? };
    let Some(object) = object.as_object() else {
        return Err(wrong(vec![at("", "must be an object".to_owned())]));
    };
    let mut fields = Fields::new(object, "");
    let seconds = fields.whole("overlapSeconds", 0..=LONGEST_OVERLAP);
    let expires_at = end(&mut fields, &allowed.opened, gateway.webhooks.clock.now());
    finish(fields)?;
    let overlap = Duration::from_secs(seconds.unwrap_or(0));
    let rotated = allowed.records().rotate_key(&id, overlap, expires_at).await;
    let text = rotated.map_err(|error| Problem::records(&error))?.ok_or_else(unknown)?;
    let key = ApiKey { expires_at: expires_at.or(key.expires_at), ..key };
    Ok(Json(shown_once(&key, text.expose_secret())))
}

/// `DELETE /v1/keys/{key}`: 204, and the key opens nothing any more.
pub(super) async fn revoke(allowed: Allowed<Administers>, Ids(id): Ids<String>) -> Result<StatusCode, Problem> {
    seen(&allowed, &id).await?;
    match allowed.records().revoke_key(&id).await.map_err(|error| Problem::records(&error))? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(unknown()),
    }
}

/// The key in force of that id, if the caller sees it.
async fn seen(allowed: &Allowed<Administers>, id: &str) -> Result<ApiKey, Problem> {
    let keys = allowed.records().list_keys().await.map_err(|error| Problem::records(&error))?;
    let key = keys.into_iter().find(|key| key.id == id && key.revoked_at.is_none()).ok_or_else(unknown)?;
    if is_seen(allowed, &key).await? { Ok(key) } else { Err(unknown()) }
}

/// A key sees itself, and those that see nothing beyond its own locations.
async fn is_seen(allowed: &Allowed<Administers>, key: &ApiKey) -> Result<bool, Problem> {
    Ok(key.id == allowed.opened.key.id || is_within(allowed, &key.locations).await?)
}

async fn is_within(allowed: &Allowed<Administers>, places: &Places) -> Result<bool, Problem> {
    let Places::Listed(own) = &allowed.opened.key.locations else { return Ok(true) };
    let Places::Listed(places) = places else { return Ok(false) };
    for place in places {
        let is_seen = match place {
            // An agency may install more: what sees its locations one by one does not see it.
            KeyPlace::Agency(_) => own.contains(place),
            KeyPlace::Location(id) => allowed.records().sees(id).await.map_err(|error| Problem::records(&error))?,
        };
        if !is_seen {
            return Ok(false);
        }
    }
    Ok(true)
}

/// When the caller ends: its key, or its secret, if the key has a newer one.
fn ends_at(Opened { key, secret_ends_at }: &Opened) -> Option<Timestamp> {
    [key.expires_at, *secret_ends_at].into_iter().flatten().min()
}

/// The end that the body names: to come, and not after the caller's.
fn end(fields: &mut Fields<'_>, opened: &Opened, now: Timestamp) -> Option<Timestamp> {
    let end = fields.time("expiresAt")?;
    match ends_at(opened) {
        _ if end <= now => fields.refuse("expiresAt", "must be in the future"),
        Some(own) if end > own => {
            fields.refuse("expiresAt", format!("must not be after {own:.0}, when your own key ends"))
        }
        _ => {}
    }
    Some(end)
}

/// The events of a minute that the body allows, not more than those of the caller.
fn events_per_minute(fields: &mut Fields<'_>, own: Option<u32>) -> Option<u32> {
    let most = own.unwrap_or(MOST_EVENTS_A_MINUTE);
    let given = fields.whole("eventsPerMinute", 1..=u64::from(most));
    given.and_then(|given| u32::try_from(given).ok()).or(own)
}

/// As on the command line: a producer and reader, unless the body says otherwise.
fn roles(fields: &mut Fields<'_>) -> Vec<Role> {
    let Some(given) = fields.any("roles") else { return Role::BEFORE.to_vec() };
    let words = given.as_array().into_iter().flatten();
    let mut roles: Vec<Role> = words.clone().filter_map(|word| word.as_str().and_then(Role::parse)).collect();
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() || roles.len() != words.count() {
        let words = Role::ALL.map(Role::as_str).join(", ");
        fields.refuse("roles", format!("must be an array of at least one of {words}, each once"));
    }
    roles
}

/// `*`, or a list of location ids and `agency:COMPANY_ID`.
fn places(fields: &mut Fields<'_>) -> Option<Places> {
    let given = fields.any("locations")?;
    if given == "*" {
        return Some(Places::All);
    }
    let listed = given.as_array().filter(|listed| (1..=MOST_PLACES).contains(&listed.len()));
    let listed: Option<Vec<&str>> = listed.and_then(|listed| listed.iter().map(Value::as_str).collect());
    let Some(listed) = listed.filter(|listed| !listed.contains(&"*")) else {
        let message = "must be `*`, or an array of 1 to 1000 location ids and agency:COMPANY_ID";
        fields.refuse("locations", message);
        return None;
    };
    match listed.into_iter().map(str::parse).collect::<Result<Vec<KeyPlace>, _>>() {
        Ok(listed) => Some(Places::Listed(listed)),
        Err(bad) => {
            fields.refuse("locations", bad.to_string());
            None
        }
    }
}

fn shown_once(key: &ApiKey, text: &str) -> Value {
    let mut shown = json!(key);
    shown["key"] = text.into();
    shown
}

fn at(field: &str, message: String) -> FieldError {
    FieldError { field: field.to_owned(), message }
}

fn finish(fields: Fields<'_>) -> Result<(), Problem> {
    let errors = fields.finish();
    if errors.is_empty() { Ok(()) } else { Err(wrong(errors)) }
}

fn wrong(errors: Vec<FieldError>) -> Problem {
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "The key is wrong", "nothing was stored");
    errors.into_iter().fold(problem, |problem, error| problem.with(None, error))
}

fn unknown() -> Problem {
    Problem::not_found("no key with this id is in force; GET /v1/keys lists all")
}
