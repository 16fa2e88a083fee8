//! What a contact is in: its followers, campaigns and workflows.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde_json::{Value, json};

use super::{Reply, named, succeded};
use crate::api_error::ApiError;
use crate::body::Shape::{Moment, Texts};
use crate::body::{Field, Payload, check, may, must};
use crate::contact::strings;
use crate::dates;
use crate::state::Caller;
use crate::store::Store;

const FOLLOWERS: [Field; 1] = [must("followers", Texts)];
const WORKFLOW: [Field; 1] = [may("eventStartTime", Moment)];

pub(super) async fn follow(
    Extension(caller): Extension<Caller>,
    Path(contact): Path<String>,
    Payload(body): Payload,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    check(&body, &FOLLOWERS)?;
    let wanted = strings(&body["followers"]);
    if let Some(stranger) = wanted.iter().find(|id| !caller.location.users.iter().any(|user| user == *id)) {
        return Err(ApiError::bad_request(format!("User with id {stranger} not found")));
    }
    let mut added = Vec::new();
    let all = change(&caller, &contact, "followers", |kept| {
        added = wanted.iter().filter(|id| !kept.contains(&(**id).to_owned())).map(|id| (*id).to_owned()).collect();
        kept.extend(added.clone());
    })?;
    Ok((StatusCode::CREATED, Json(json!({ "followers": all, "followersAdded": added }))))
}

pub(super) async fn unfollow(
    Extension(caller): Extension<Caller>,
    Path(contact): Path<String>,
    Payload(body): Payload,
) -> Reply {
    check(&body, &FOLLOWERS)?;
    let unwanted = strings(&body["followers"]);
    let mut removed = Vec::new();
    let all = change(&caller, &contact, "followers", |kept| {
        removed = kept.extract_if(.., |id| unwanted.contains(&id.as_str())).collect();
    })?;
    Ok(Json(json!({ "followers": all, "followersRemoved": removed })))
}

pub(super) async fn join_campaign(
    Extension(caller): Extension<Caller>,
    Path((contact, campaign)): Path<(String, String)>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    expect(caller.store().campaigns.get(&campaign), "Campaign", &campaign)?;
    change(&caller, &contact, "campaigns", |kept| join(kept, campaign))?;
    Ok((StatusCode::CREATED, succeded()))
}

pub(super) async fn leave_campaign(
    Extension(caller): Extension<Caller>,
    Path((contact, campaign)): Path<(String, String)>,
) -> Reply {
    change(&caller, &contact, "campaigns", |kept| kept.retain(|id| *id != campaign))?;
    Ok(succeded())
}

pub(super) async fn leave_all_campaigns(Extension(caller): Extension<Caller>, Path(contact): Path<String>) -> Reply {
    change(&caller, &contact, "campaigns", Vec::clear)?;
    Ok(succeded())
}

pub(super) async fn join_workflow(
    Extension(caller): Extension<Caller>,
    Path((contact, workflow)): Path<(String, String)>,
    Payload(body): Payload,
) -> Reply {
    check(&body, &WORKFLOW)?;
    expect(caller.store().workflows.get(&workflow), "Workflow", &workflow)?;
    change(&caller, &contact, "workflows", |kept| join(kept, workflow))?;
    Ok(succeded())
}

pub(super) async fn leave_workflow(
    Extension(caller): Extension<Caller>,
    Path((contact, workflow)): Path<(String, String)>,
    Payload(body): Payload,
) -> Reply {
    check(&body, &WORKFLOW)?;
    expect(caller.store().workflows.get(&workflow), "Workflow", &workflow)?;
    change(&caller, &contact, "workflows", |kept| kept.retain(|id| *id != workflow))?;
    Ok(succeded())
}

pub(super) async fn campaigns(caller: Extension<Caller>, asked: super::AskedLocation) -> Reply {
    things(&caller, &asked, "campaigns", |store| store.campaigns.all())
}

pub(super) async fn workflows(caller: Extension<Caller>, asked: super::AskedLocation) -> Reply {
    things(&caller, &asked, "workflows", |store| store.workflows.all())
}

fn things(caller: &Caller, asked: &super::AskedLocation, part: &str, of: fn(&Store) -> &[Value]) -> Reply {
    caller.expect_named_location(asked.location_id.as_deref())?;
    Ok(named(part, of(&caller.store())))
}

fn expect(found: Option<&Value>, what: &str, id: &str) -> Result<(), ApiError> {
    found.map(|_| ()).ok_or_else(|| ApiError::bad_request(format!("{what} with id {id} not found")))
}

fn join(kept: &mut Vec<String>, id: String) {
    if !kept.contains(&id) {
        kept.push(id);
    }
}

/// Changes a list of ids that a contact has.
fn change(
    caller: &Caller,
    contact: &str,
    field: &str,
    change: impl FnOnce(&mut Vec<String>),
) -> Result<Vec<String>, ApiError> {
    let mut store = caller.store_holding(contact)?;
    let mut kept = store.contacts.get(contact).ok_or_else(|| ApiError::no_contact(contact))?;
    let mut ids: Vec<String> = strings(&kept[field]).into_iter().map(str::to_owned).collect();
    change(&mut ids);
    kept[field] = json!(ids);
    kept["dateUpdated"] = dates::iso(store.now()).into();
    store.put_contact(&kept);
    Ok(ids)
}
