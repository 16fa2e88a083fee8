//! `/contacts/{contactId}/notes` and below.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde_json::{Map, Value, json};

use super::{Reply, named};
use crate::api_error::ApiError;
use crate::body::Shape::{Filled, Flag, Text};
use crate::body::{Field, Payload, check, may, must};
use crate::dates;
use crate::state::Caller;
use crate::store::Kind;

const CREATE: [Field; 5] =
    [may("userId", Text), must("body", Filled), may("title", Text), may("color", Text), may("pinned", Flag)];

const UPDATE: [Field; 5] =
    [may("userId", Text), may("body", Filled), may("title", Text), may("color", Text), may("pinned", Flag)];

pub(super) async fn create(
    Extension(caller): Extension<Caller>,
    Path(contact): Path<String>,
    Payload(body): Payload,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let mut store = caller.store_holding(&contact)?;
    check(&body, &CREATE)?;
    expect_user(&caller, &body)?;
    let mut note = json!({
        "id": store.new_id(),
        "userId": null,
        "contactId": contact,
        "dateAdded": dates::iso(store.now()),
    });
    apply(&mut note, &body);
    store.put(Kind::Note, &note);
    Ok((StatusCode::CREATED, named("note", note)))
}

pub(super) async fn update(
    Extension(caller): Extension<Caller>,
    Path((contact, id)): Path<(String, String)>,
    Payload(body): Payload,
) -> Reply {
    let mut store = caller.store_holding(&contact)?;
    check(&body, &UPDATE)?;
    expect_user(&caller, &body)?;
    let mut note = Kind::Note.find(&store, &contact, &id)?;
    apply(&mut note, &body);
    store.put(Kind::Note, &note);
    Ok(named("note", note))
}

fn apply(note: &mut Value, body: &Map<String, Value>) {
    for (field, value) in body {
        note[field] = value.clone();
    }
}

/// A note is written by a user of the location, or by nobody.
fn expect_user(caller: &Caller, body: &Map<String, Value>) -> Result<(), ApiError> {
    match body.get("userId").and_then(Value::as_str) {
        Some(id) if !caller.location.users.iter().any(|user| user == id) => {
            Err(ApiError::bad_request(format!("User with id {id} not found")))
        }
        _ => Ok(()),
    }
}
