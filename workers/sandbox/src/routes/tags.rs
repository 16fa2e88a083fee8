//! `/contacts/{contactId}/tags`: adds or removes some, where an update of the contact replaces all.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde_json::{Value, json};

use super::Reply;
use crate::api_error::ApiError;
use crate::body::Shape::Texts;
use crate::body::{Field, Payload, check, must};
use crate::contact;
use crate::dates;
use crate::state::Caller;

const TAGS: [Field; 1] = [must("tags", Texts)];

pub(super) async fn add(
    Extension(caller): Extension<Caller>,
    Path(contact): Path<String>,
    Payload(body): Payload,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    check(&body, &TAGS)?;
    let tags = change(&caller, &contact, |mut kept| {
        for tag in contact::tags(&body["tags"]) {
            if !kept.contains(&tag) {
                kept.push(tag);
            }
        }
        kept
    })?;
    Ok((StatusCode::CREATED, Json(json!({ "tags": tags }))))
}

/// The documents promise `tags` here and clients met `succeded`: the reply has both.
pub(super) async fn remove(
    Extension(caller): Extension<Caller>,
    Path(contact): Path<String>,
    Payload(body): Payload,
) -> Reply {
    check(&body, &TAGS)?;
    let removed = contact::tags(&body["tags"]);
    let tags = change(&caller, &contact, |mut kept| {
        kept.retain(|tag| !removed.contains(tag));
        kept
    })?;
    Ok(Json(json!({ "tags": tags, "succeded": true })))
}

fn change(caller: &Caller, id: &str, change: impl FnOnce(Vec<String>) -> Vec<String>) -> Result<Vec<String>, ApiError> {
    let mut store = caller.store_holding(id)?;
    let mut kept = store.contacts.get(id).ok_or_else(|| ApiError::no_contact(id))?;
    let tags = change(contact::tags(&kept["tags"]));
    kept["tags"] = json!(tags);
    kept["dateUpdated"] = dates::iso(store.now()).into();
    store.put_contact(&kept);
    Ok(tags)
}
