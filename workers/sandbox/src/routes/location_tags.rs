//! `/locations/{locationId}/tags` and below.

use axum::Extension;
use axum::extract::Path;
use serde_json::{Value, json};

use super::{Reply, named, succeded};
use crate::api_error::ApiError;
use crate::body::Shape::Filled;
use crate::body::{Field, Payload, check, must};
use crate::state::Caller;

const TAG: [Field; 1] = [must("name", Filled)];

pub(super) async fn list(Extension(caller): Extension<Caller>, Path(location): Path<String>) -> Reply {
    caller.expect_location(&location)?;
    Ok(named("tags", caller.store().tags.all()))
}

/// Answers 200, not 201.
pub(super) async fn create(
    Extension(caller): Extension<Caller>,
    Path(location): Path<String>,
    Payload(body): Payload,
) -> Reply {
    caller.expect_location(&location)?;
    check(&body, &TAG)?;
    let mut store = caller.store();
    let name = body["name"].as_str().unwrap_or_default().to_lowercase();
    if store.tags.with("name", &name).is_some() {
        return Err(ApiError::bad_request("The tag name is already exist."));
    }
    let tag = json!({ "id": store.new_id(), "name": name, "locationId": location });
    store.tags.put(tag.clone());
    Ok(named("tag", tag))
}

pub(super) async fn get(Extension(caller): Extension<Caller>, Path((location, id)): Path<(String, String)>) -> Reply {
    caller.expect_location(&location)?;
    Ok(named("tag", find(&caller, &id)?))
}

pub(super) async fn update(
    Extension(caller): Extension<Caller>,
    Path((location, id)): Path<(String, String)>,
    Payload(body): Payload,
) -> Reply {
    caller.expect_location(&location)?;
    check(&body, &TAG)?;
    let mut tag = find(&caller, &id)?;
    tag["name"] = body["name"].as_str().unwrap_or_default().to_lowercase().into();
    caller.store().tags.put(tag.clone());
    Ok(named("tag", tag))
}

pub(super) async fn delete(
    Extension(caller): Extension<Caller>,
    Path((location, id)): Path<(String, String)>,
) -> Reply {
    caller.expect_location(&location)?;
    find(&caller, &id)?;
    caller.store().tags.remove(&id);
    Ok(succeded())
}

fn find(caller: &Caller, id: &str) -> Result<Value, ApiError> {
    caller.store().tags.get(id).cloned().ok_or_else(|| ApiError::bad_request(format!("Tag with id {id} not found")))
}
