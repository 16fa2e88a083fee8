//! `/contacts/` and `/contacts/{contactId}`

use axum::extract::Path;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde_json::{Value, json};

use super::{Reply, named, succeded};
use crate::sandbox::body::Shape::{Anything, Email, Filled, Flag, Object, Objects, Text, Texts};
use crate::sandbox::body::{Field, Payload, check, may, must};
use crate::sandbox::contact;
use crate::sandbox::dates;
use crate::sandbox::phone;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::world::Caller;

/// What an update takes; a create takes three more.
const UPDATE: [Field; 20] = [
    may("firstName", Text),
    may("lastName", Text),
    may("name", Text),
    may("email", Email),
    may("phone", Text),
    may("address1", Text),
    may("city", Text),
    may("state", Text),
    may("postalCode", Text),
    may("website", Text),
    may("timezone", Text),
    may("dnd", Flag),
    may("dndSettings", Object),
    may("inboundDndSettings", Object),
    may("tags", Texts),
    may("customFields", Objects),
    may("source", Text),
    may("dateOfBirth", Anything),
    may("country", Text),
    may("assignedTo", Text),
];

const ONLY_CREATE: [Field; 3] = [must("locationId", Filled), may("gender", Text), may("companyName", Text)];

pub(super) async fn get(Extension(caller): Extension<Caller>, Path(id): Path<String>) -> Reply {
    let store = caller.store_holding(&id)?;
    Ok(named("contact", store.contacts.get(&id)))
}

pub(super) async fn create(
    Extension(caller): Extension<Caller>,
    Payload(body): Payload,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    check(&body, &[UPDATE.as_slice(), ONLY_CREATE.as_slice()].concat())?;
    caller.expect_location(body["locationId"].as_str().unwrap_or_default())?;
    let mut store = caller.store();
    let email = body.get("email").and_then(Value::as_str).unwrap_or_default();
    let number = body.get("phone").and_then(Value::as_str).and_then(|raw| phone::e164(raw, caller.location.country));
    if let Some((found, field)) = store.contacts.duplicate(None, email, number.as_deref().unwrap_or_default()) {
        return Err(Refusal::duplicate_contact(&found, field));
    }
    let id = store.new_id();
    let now = dates::iso(dates::now());
    let mut created = json!({
        "id": id,
        "locationId": caller.location.facts.id,
        "type": "lead",
        "country": caller.location.country,
        "tags": [],
        "customFields": [],
        "attachments": [],
        "additionalEmails": [],
        "dateAdded": now,
        "dateUpdated": now,
    });
    contact::apply(&mut created, &body, &caller.location);
    store.put_contact(&created);
    Ok((StatusCode::CREATED, named("contact", contact::as_created(&created))))
}

pub(super) async fn update(
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Payload(body): Payload,
) -> Reply {
    let mut store = caller.store_holding(&id)?;
    check(&body, &UPDATE)?;
    let mut updated = store.contacts.get(&id).ok_or_else(|| Refusal::no_contact(&id))?;
    contact::apply(&mut updated, &body, &caller.location);
    let written = |field| if body.contains_key(field) { contact::text(&updated, field) } else { "" };
    if let Some((found, field)) = store.contacts.duplicate(Some(&id), written("email"), written("phone")) {
        return Err(Refusal::duplicate_contact(&found, field));
    }
    updated["dateUpdated"] = dates::iso(dates::now()).into();
    store.put_contact(&updated);
    Ok(Json(json!({ "succeded": true, "contact": updated })))
}

pub(super) async fn delete(Extension(caller): Extension<Caller>, Path(id): Path<String>) -> Reply {
    caller.store_holding(&id)?.remove_contact(&id);
    Ok(succeded())
}
