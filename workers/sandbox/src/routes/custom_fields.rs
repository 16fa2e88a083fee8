//! `/locations/{locationId}/customFields` and below.

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Reply, named, succeded};
use crate::api_error::ApiError;
use crate::body::Shape::{Anything, Filled, Flag, Number, Text, Texts};
use crate::body::{Field, Payload, check, may, must};
use crate::contact::text;
use crate::state::Caller;

const COMMON: [Field; 7] = [
    must("name", Filled),
    may("placeholder", Text),
    may("acceptedFormat", Texts),
    may("isMultipleFile", Flag),
    may("maxNumberOfFiles", Number),
    may("textBoxListOptions", Anything),
    may("position", Number),
];

const ONLY_CREATE: [Field; 2] = [must("dataType", Filled), may("model", Text)];
const ONLY_UPDATE: [Field; 1] = [may("model", Text)];

#[derive(Deserialize)]
pub(super) struct ListQuery {
    model: Option<String>,
}

/// Those of contacts; the sandbox has no opportunities.
pub(super) async fn list(
    Extension(caller): Extension<Caller>,
    Path(location): Path<String>,
    Query(asked): Query<ListQuery>,
) -> Reply {
    caller.expect_location(&location)?;
    let store = caller.store();
    let model = asked.model.as_deref().filter(|model| *model != "all");
    let fields = store.custom_fields.all().iter().filter(|field| model.is_none_or(|model| field["model"] == model));
    Ok(named("customFields", fields.cloned().collect::<Vec<_>>()))
}

/// The key is made of the name, as GHL makes it.
pub(super) async fn create(
    Extension(caller): Extension<Caller>,
    Path(location): Path<String>,
    Payload(body): Payload,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    caller.expect_location(&location)?;
    check(&body, &[COMMON.as_slice(), &ONLY_CREATE].concat())?;
    let mut store = caller.store();
    let name = body["name"].as_str().unwrap_or_default();
    let model = body.get("model").and_then(Value::as_str).unwrap_or("contact");
    let key = format!("{model}.{}", name.to_lowercase().replace(' ', "_"));
    if store.custom_fields.with("fieldKey", &key).is_some() {
        return Err(ApiError::bad_request(format!("{key} already exists")));
    }
    let field = json!({
        "id": store.new_id(),
        "name": name,
        "fieldKey": key,
        "dataType": body["dataType"],
        "model": model,
        "placeholder": body.get("placeholder").and_then(Value::as_str).unwrap_or_default(),
        "position": body.get("position").cloned().unwrap_or(json!(0)),
        "locationId": location,
    });
    store.custom_fields.put(field.clone());
    Ok((StatusCode::CREATED, named("customField", field)))
}

pub(super) async fn get(Extension(caller): Extension<Caller>, Path((location, id)): Path<(String, String)>) -> Reply {
    caller.expect_location(&location)?;
    Ok(named("customField", find(&caller, &id)?))
}

pub(super) async fn update(
    Extension(caller): Extension<Caller>,
    Path((location, id)): Path<(String, String)>,
    Payload(body): Payload,
) -> Reply {
    caller.expect_location(&location)?;
    check(&body, &[COMMON.as_slice(), &ONLY_UPDATE].concat())?;
    let mut field = find(&caller, &id)?;
    for name in ["name", "placeholder", "position"] {
        if let Some(value) = body.get(name) {
            field[name] = value.clone();
        }
    }
    caller.store().custom_fields.put(field.clone());
    Ok(named("customField", field))
}

/// What contacts have in it stays with them, as an id that says nothing any more.
pub(super) async fn delete(
    Extension(caller): Extension<Caller>,
    Path((location, id)): Path<(String, String)>,
) -> Reply {
    caller.expect_location(&location)?;
    let field = find(&caller, &id)?;
    caller.store().custom_fields.remove(text(&field, "id"));
    Ok(succeded())
}

fn find(caller: &Caller, id: &str) -> Result<Value, ApiError> {
    caller
        .store()
        .custom_fields
        .get(id)
        .cloned()
        .ok_or_else(|| ApiError::bad_request(format!("Custom field with id {id} not found")))
}
