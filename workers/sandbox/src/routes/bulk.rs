//! Writes to many contacts at once. Each contact is its own success or failure.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Reply;
use crate::api_error::ApiError;
use crate::body::Shape::{Filled, Flag, Text, Texts};
use crate::body::{Field, Payload, check, may, must};
use crate::contact::{self, strings};
use crate::dates;
use crate::state::Caller;

const TAGS: [Field; 4] =
    [must("contacts", Texts), must("tags", Texts), must("locationId", Filled), may("removeAllTags", Flag)];

/// Without a business, the contacts leave theirs.
const BUSINESS: [Field; 3] = [must("locationId", Filled), must("ids", Texts), may("businessId", Text)];

/// `POST /contacts/bulk/tags/update/{type}`, where the type is `add` or `remove`.
pub(super) async fn tags(
    Extension(caller): Extension<Caller>,
    Path(kind): Path<String>,
    Payload(body): Payload,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    check(&body, &TAGS)?;
    caller.expect_location(body["locationId"].as_str().unwrap_or_default())?;
    let adds = match kind.as_str() {
        "add" => true,
        "remove" => false,
        _ => return Err(ApiError::unprocessable(vec!["type must be one of the following values: add, remove".into()])),
    };
    let all = body.get("removeAllTags").and_then(Value::as_bool).unwrap_or(false);
    let sent = contact::tags(&body["tags"]);
    let mut errors = 0;
    let responses: Vec<Value> = strings(&body["contacts"])
        .into_iter()
        .map(|id| {
            let changed = change(&caller, id, |kept| {
                let old = contact::tags(&kept["tags"]);
                let mut new = if all && !adds { Vec::new() } else { old.clone() };
                new.retain(|tag| !sent.contains(tag));
                if adds {
                    new.extend(sent.clone());
                }
                kept["tags"] = json!(new);
                let (added, removed) =
                    if adds { (sent.as_slice(), [].as_slice()) } else { ([].as_slice(), sent.as_slice()) };
                json!({
                    "contactId": id, "message": "Tags updated", "type": "success",
                    "oldTags": old, "tagsAdded": added, "tagsRemoved": removed,
                })
            });
            changed.unwrap_or_else(|| {
                errors += 1;
                json!({ "contactId": id, "message": "contact does not belong to location", "type": "error" })
            })
        })
        .collect();
    let reply = json!({ "succeded": true, "errorCount": errors, "responses": responses, "traceId": trace() });
    Ok((StatusCode::CREATED, Json(reply)))
}

/// Contacts that do not exist are left out of the reply.
pub(super) async fn business(Extension(caller): Extension<Caller>, Payload(body): Payload) -> Reply {
    check(&body, &BUSINESS)?;
    caller.expect_location(body["locationId"].as_str().unwrap_or_default())?;
    let business = business_of(&body);
    if business.as_str().is_some_and(|id| caller.store().businesses.get(id).is_none()) {
        return Err(ApiError::unprocessable(vec!["businessId must be that of a business".to_owned()]));
    }
    let ids: Vec<&str> = strings(&body["ids"])
        .into_iter()
        .filter(|id| change(&caller, id, |kept| kept["businessId"] = business.clone()).is_some())
        .collect();
    Ok(Json(json!({ "success": true, "ids": ids, "traceId": trace() })))
}

fn business_of(body: &Map<String, Value>) -> Value {
    body.get("businessId").filter(|id| *id != "").cloned().unwrap_or_default()
}

fn change<T>(caller: &Caller, id: &str, change: impl FnOnce(&mut Value) -> T) -> Option<T> {
    let mut store = caller.store();
    let mut kept = store.contacts.get(id)?;
    let told = change(&mut kept);
    kept["dateUpdated"] = dates::iso(store.now()).into();
    store.put_contact(&kept);
    Some(told)
}

fn trace() -> String {
    Uuid::new_v4().to_string()
}
