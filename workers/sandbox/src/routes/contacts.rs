//! `/contacts/` and `/contacts/{contactId}`

use axum::extract::Path;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Reply, named, succeded};
use crate::api_error::ApiError;
use crate::body::Shape::{Anything, Email, Filled, Flag, Object, Objects, Text, Texts};
use crate::body::{Field, Payload, check, may, must};
use crate::contact;
use crate::dates;
use crate::phone;
use crate::state::Caller;
use crate::store::Store;

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

const ONLY_UPSERT: [Field; 1] = [may("createNewIfDuplicateAllowed", Flag)];
const ONLY_CREATE: [Field; 3] = [must("locationId", Filled), may("gender", Text), may("companyName", Text)];

pub(super) async fn get(Extension(caller): Extension<Caller>, Path(id): Path<String>) -> Reply {
    let store = caller.store_holding(&id)?;
    Ok(named("contact", store.contacts.get(&id)))
}

pub(super) async fn create(
    Extension(caller): Extension<Caller>,
    Payload(body): Payload,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    check(&body, &[UPDATE.as_slice(), &ONLY_CREATE].concat())?;
    caller.expect_location(body["locationId"].as_str().unwrap_or_default())?;
    let mut store = caller.store();
    if let Some((found, field)) = duplicate(&store, &body).filter(|_| !caller.location.allows_duplicates()) {
        return Err(ApiError::duplicate_contact(&found, field));
    }
    Ok((StatusCode::CREATED, named("contact", contact::as_created(&add(&mut store, &caller, &body)))))
}

/// Creates a contact, or updates the one that has the e-mail, or else the phone. Three traps: a phone of yet another
/// contact is not written, gender is dropped without a word, and the primary e-mail is replaced where the phone matched.
pub(super) async fn upsert(Extension(caller): Extension<Caller>, Payload(mut body): Payload) -> Reply {
    check(&body, &[UPDATE.as_slice(), &ONLY_CREATE, &ONLY_UPSERT].concat())?;
    caller.expect_location(body["locationId"].as_str().unwrap_or_default())?;
    body.retain(|field, _| field != "gender" && field != "createNewIfDuplicateAllowed");
    let mut store = caller.store();
    let found = duplicate(&store, &body).map(|(found, _)| found);
    let is_new = found.is_none();
    let contact = match found {
        None => add(&mut store, &caller, &body),
        Some(mut found) => {
            let id = contact::text(&found, "id").to_owned();
            if phone_of(&store, &body).is_some_and(|phone| store.contacts.duplicate(Some(&id), "", &phone).is_some()) {
                body.remove("phone");
            }
            contact::apply(&mut found, &body, &store);
            found["dateUpdated"] = dates::iso(store.now()).into();
            store.put_contact(&found);
            found
        }
    };
    Ok(Json(json!({ "new": is_new, "contact": contact, "traceId": Uuid::new_v4().to_string() })))
}

fn phone_of(store: &Store, body: &Map<String, Value>) -> Option<String> {
    body.get("phone").and_then(Value::as_str).and_then(|raw| phone::e164(raw, store.country))
}

/// The contact that has the e-mail or else the phone already.
fn duplicate(store: &Store, body: &Map<String, Value>) -> Option<(Value, &'static str)> {
    let email = body.get("email").and_then(Value::as_str).unwrap_or_default();
    store.contacts.duplicate(None, email, &phone_of(store, body).unwrap_or_default())
}

fn add(store: &mut Store, caller: &Caller, body: &Map<String, Value>) -> Value {
    let mut created = blank(store, &caller.location.facts.id);
    contact::apply(&mut created, body, store);
    store.put_contact(&created);
    created
}

/// A contact of which nothing is known yet.
pub(super) fn blank(store: &mut Store, location: &str) -> Value {
    let now = dates::iso(store.now());
    json!({
        "id": store.new_id(),
        "locationId": location,
        "type": "lead",
        "country": store.country,
        "tags": [],
        "customFields": [],
        "attachments": [],
        "additionalEmails": [],
        "dateAdded": now,
        "dateUpdated": now,
    })
}

pub(super) async fn update(
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Payload(body): Payload,
) -> Reply {
    let mut store = caller.store_holding(&id)?;
    check(&body, &UPDATE)?;
    let mut updated = store.contacts.get(&id).ok_or_else(|| ApiError::no_contact(&id))?;
    contact::apply(&mut updated, &body, &store);
    let written = |field| if body.contains_key(field) { contact::text(&updated, field) } else { "" };
    let found = store.contacts.duplicate(Some(&id), written("email"), written("phone"));
    if let Some((found, field)) = found.filter(|_| !caller.location.allows_duplicates()) {
        return Err(ApiError::duplicate_contact(&found, field));
    }
    updated["dateUpdated"] = dates::iso(store.now()).into();
    store.put_contact(&updated);
    Ok(Json(json!({ "succeded": true, "contact": updated })))
}

pub(super) async fn delete(Extension(caller): Extension<Caller>, Path(id): Path<String>) -> Reply {
    caller.store_holding(&id)?.remove_contact(&id);
    Ok(succeded())
}
