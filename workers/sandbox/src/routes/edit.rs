//! `/_sandbox/locations/{locationId}/…`: edits records as a user of GHL does, at a screen and not through the API.
//!
//! Nothing is checked that the API would check: duplicates, unknown fields and broken values go in as they are sent.
//! Listeners learn of each edit, as they do of a call's.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{calendars, contacts};
use crate::api_error::ApiError;
use crate::contact::{self, text};
use crate::dates;
use crate::state::{Location, SandboxState};
use crate::store::{Kind, Store};

type Edited = Result<Json<Value>, ApiError>;
type Fields = Json<Map<String, Value>>;

pub(super) async fn add_contact(
    State(state): State<Arc<SandboxState>>,
    Path(location): Path<String>,
    Json(fields): Fields,
) -> Edited {
    let location = find(&state, &location)?;
    let mut store = location.store();
    let contact = contacts::blank(&mut store, &location.facts.id);
    Ok(Json(write_contact(&mut store, contact, fields)))
}

pub(super) async fn change_contact(
    State(state): State<Arc<SandboxState>>,
    Path((location, id)): Path<(String, String)>,
    Json(fields): Fields,
) -> Edited {
    let mut store = find(&state, &location)?.store();
    let mut contact = store.contacts.get(&id).ok_or_else(|| ApiError::no_contact(&id))?;
    contact["dateUpdated"] = dates::iso(store.now()).into();
    Ok(Json(write_contact(&mut store, contact, fields)))
}

pub(super) async fn remove_contact(
    State(state): State<Arc<SandboxState>>,
    Path((location, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let removed = find(&state, &location)?.store().remove_contact(&id);
    if removed { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::no_contact(&id)) }
}

/// A deleted contact is there again, with all that hung on it.
pub(super) async fn restore_contact(
    State(state): State<Arc<SandboxState>>,
    Path((location, id)): Path<(String, String)>,
) -> Edited {
    find(&state, &location)?.store().restore_contact(&id).map(Json).ok_or_else(|| ApiError::no_contact(&id))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Merge {
    into: String,
}

/// One contact becomes part of another: what hung on it hangs on the other, which gets the tags, and the fields that it
/// lacked. No webhook reports it.
pub(super) async fn merge_contact(
    State(state): State<Arc<SandboxState>>,
    Path((location, id)): Path<(String, String)>,
    Json(merge): Json<Merge>,
) -> Edited {
    let mut store = find(&state, &location)?.store();
    let get = |id: &str| store.contacts.get(id).ok_or_else(|| ApiError::no_contact(id));
    let (gone, mut heir) = (get(&id)?, get(&merge.into)?);
    if id == merge.into {
        return Err(ApiError::bad_request("a contact cannot be merged into itself"));
    }
    let tags = [contact::tags(&heir["tags"]), contact::tags(&gone["tags"])].concat();
    heir["tags"] = contact::tags(&tags.into()).into();
    for (field, value) in gone.as_object().into_iter().flatten() {
        if heir[field].is_null() || heir[field] == "" {
            heir[field] = value.clone();
        }
    }
    heir["dateUpdated"] = dates::iso(store.now()).into();
    contact::derive(&mut heir);
    store.merge_contact(&id, &heir);
    Ok(Json(heir))
}

pub(super) async fn add_record(
    kind: Kind,
    State(state): State<Arc<SandboxState>>,
    Path(location): Path<String>,
    Json(fields): Fields,
) -> Edited {
    let location = find(&state, &location)?;
    let mut store = location.store();
    let contact = fields.get("contactId").and_then(Value::as_str).unwrap_or_default();
    if !store.contacts.has(contact) {
        return Err(ApiError::no_contact(contact));
    }
    let record = serde_json::json!({ "id": store.new_id(), "dateAdded": dates::iso(store.now()) });
    Ok(Json(write_record(&mut store, kind, record, &fields)))
}

pub(super) async fn change_record(
    kind: Kind,
    State(state): State<Arc<SandboxState>>,
    Path((location, id)): Path<(String, String)>,
    Json(fields): Fields,
) -> Edited {
    let mut store = find(&state, &location)?.store();
    let record = store.collection(kind).find(&id).ok_or_else(|| kind.missing(&id))?;
    if fields.get("contactId").is_some_and(|contact| *contact != record["contactId"]) {
        return Err(ApiError::bad_request(
            "contactId cannot be changed: delete the record and add it to the other contact",
        ));
    }
    Ok(Json(write_record(&mut store, kind, record, &fields)))
}

pub(super) async fn remove_record(
    kind: Kind,
    State(state): State<Arc<SandboxState>>,
    Path((location, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let mut store = find(&state, &location)?.store();
    let record = store.collection(kind).find(&id).ok_or_else(|| kind.missing(&id))?;
    store.remove(kind, text(&record, "contactId"), &id);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scopes {
    /// Null lifts every restriction.
    scopes: Option<BTreeSet<String>>,
}

/// What the location's Private Integration Token may do from now on.
pub(super) async fn set_scopes(
    State(state): State<Arc<SandboxState>>,
    Path(location): Path<String>,
    Json(Scopes { scopes }): Json<Scopes>,
) -> Result<StatusCode, ApiError> {
    find(&state, &location)?.set_scopes(scopes);
    Ok(StatusCode::NO_CONTENT)
}

fn find<'a>(state: &'a SandboxState, location: &str) -> Result<&'a Arc<Location>, ApiError> {
    state.location(location).ok_or_else(|| ApiError::not_found(format!("Location with id {location} not found")))
}

fn write_contact(store: &mut Store, mut contact: Value, fields: Map<String, Value>) -> Value {
    for (field, value) in fields.into_iter().filter(|(field, _)| !["id", "locationId"].contains(&field.as_str())) {
        contact[field] = value;
    }
    contact::derive(&mut contact);
    store.put_contact(&contact);
    contact
}

fn write_record(store: &mut Store, kind: Kind, mut record: Value, fields: &Map<String, Value>) -> Value {
    let id = record["id"].take();
    calendars::apply(&mut record, fields);
    record["id"] = id;
    if kind == Kind::Appointment {
        record["dateUpdated"] = dates::iso(store.now()).into();
    }
    store.put(kind, &record);
    record
}
