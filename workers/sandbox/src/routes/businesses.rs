//! `/businesses/` and below, and the contacts of a business. The misspelling of the replies is GHL's.

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Reply, named};
use crate::api_error::ApiError;
use crate::body::Shape::{Email, Filled, Text};
use crate::body::{Field, Payload, check, may, must};
use crate::contact::{as_listed, is_named};
use crate::dates;
use crate::state::Caller;

const COMMON: [Field; 9] = [
    may("phone", Text),
    may("email", Email),
    may("website", Text),
    may("address", Text),
    may("city", Text),
    may("postalCode", Text),
    may("state", Text),
    may("country", Text),
    may("description", Text),
];
const ONLY_CREATE: [Field; 2] = [must("name", Filled), must("locationId", Filled)];
const ONLY_UPDATE: [Field; 1] = [may("name", Filled)];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListQuery {
    location_id: Option<String>,
    limit: Option<usize>,
    skip: Option<usize>,
    query: Option<String>,
}

impl ListQuery {
    fn page<T>(&self, all: impl Iterator<Item = T>) -> Vec<T> {
        all.skip(self.skip.unwrap_or(0)).take(self.limit.unwrap_or(100).min(100)).collect()
    }
}

pub(super) async fn list(Extension(caller): Extension<Caller>, Query(asked): Query<ListQuery>) -> Reply {
    caller.expect_named_location(asked.location_id.as_deref())?;
    Ok(named("businesses", asked.page(caller.store().businesses.all().iter().cloned())))
}

pub(super) async fn create(
    Extension(caller): Extension<Caller>,
    Payload(body): Payload,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    check(&body, &[COMMON.as_slice(), &ONLY_CREATE].concat())?;
    caller.expect_location(body["locationId"].as_str().unwrap_or_default())?;
    let (id, now) = {
        let mut store = caller.store();
        (store.new_id(), store.now())
    };
    let written = write(&caller, json!({ "id": id, "createdAt": dates::iso(now) }), body);
    Ok((StatusCode::CREATED, written))
}

pub(super) async fn get(Extension(caller): Extension<Caller>, Path(id): Path<String>) -> Reply {
    Ok(named("business", find(&caller, &id)?))
}

pub(super) async fn update(
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Payload(body): Payload,
) -> Reply {
    check(&body, &[COMMON.as_slice(), &ONLY_UPDATE].concat())?;
    Ok(write(&caller, find(&caller, &id)?, body))
}

pub(super) async fn delete(Extension(caller): Extension<Caller>, Path(id): Path<String>) -> Reply {
    find(&caller, &id)?;
    caller.store().businesses.remove(&id);
    Ok(named("success", true))
}

/// `GET /contacts/business/{businessId}`
pub(super) async fn contacts(
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(asked): Query<ListQuery>,
) -> Reply {
    caller.expect_named_location(asked.location_id.as_deref())?;
    let wanted = asked.query.as_deref().unwrap_or_default().to_lowercase();
    let store = caller.store();
    let of_it: Vec<Value> = store
        .contacts
        .all()
        .filter(|contact| contact["businessId"] == id.as_str() && is_named(contact, &wanted))
        .map(|contact| as_listed(&contact))
        .collect();
    let count = of_it.len();
    Ok(Json(
        json!({ "contacts": asked.page(of_it.into_iter()), "count": count, "traceId": Uuid::new_v4().to_string() }),
    ))
}

fn write(caller: &Caller, mut business: Value, body: Map<String, Value>) -> Json<Value> {
    for (field, value) in body {
        business[field] = value;
    }
    let mut store = caller.store();
    business["updatedAt"] = dates::iso(store.now()).into();
    store.businesses.put(business.clone());
    Json(json!({ "success": true, "buiseness": business, "traceId": Uuid::new_v4().to_string() }))
}

fn find(caller: &Caller, id: &str) -> Result<Value, ApiError> {
    let found = caller.store().businesses.get(id).cloned();
    found.ok_or_else(|| ApiError::bad_request(format!("Business with id {id} not found")))
}
