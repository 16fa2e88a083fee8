//! `/contacts/{contactId}/tasks` and below, and the search over all tasks of a location.

use std::collections::BTreeSet;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde_json::{Map, Value, json};

use super::{Reply, named};
use crate::api_error::ApiError;
use crate::body::Shape::{Filled, Flag, Moment, Number, Text, Texts, WholeSecond};
use crate::body::{Field, Payload, check, may, must};
use crate::contact::text;
use crate::dates;
use crate::state::Caller;
use crate::store::Kind;

const CREATE: [Field; 5] = [
    must("title", Filled),
    may("body", Text),
    must("dueDate", Moment),
    must("completed", Flag),
    may("assignedTo", Text),
];

/// An update refuses the milliseconds that a create takes.
const UPDATE: [Field; 5] = [
    may("title", Filled),
    may("body", Text),
    may("dueDate", WholeSecond),
    may("completed", Flag),
    may("assignedTo", Text),
];

const COMPLETE: [Field; 1] = [must("completed", Flag)];

const SEARCH: [Field; 7] = [
    may("contactId", Texts),
    may("completed", Flag),
    may("assignedTo", Texts),
    may("query", Text),
    may("limit", Number),
    may("skip", Number),
    may("businessId", Text),
];

pub(super) async fn create(
    Extension(caller): Extension<Caller>,
    Path(contact): Path<String>,
    Payload(body): Payload,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let mut store = caller.store_holding(&contact)?;
    check(&body, &CREATE)?;
    let mut task = json!({ "id": store.new_id(), "body": null, "assignedTo": null, "contactId": contact });
    apply(&mut task, &body);
    store.put(Kind::Task, &task);
    Ok((StatusCode::CREATED, named("task", task)))
}

pub(super) async fn update(
    Extension(caller): Extension<Caller>,
    Path((contact, id)): Path<(String, String)>,
    Payload(body): Payload,
) -> Reply {
    change(&caller, &contact, &id, &body, &UPDATE)
}

pub(super) async fn complete(
    Extension(caller): Extension<Caller>,
    Path((contact, id)): Path<(String, String)>,
    Payload(body): Payload,
) -> Reply {
    change(&caller, &contact, &id, &body, &COMPLETE)
}

pub(super) async fn search(
    Extension(caller): Extension<Caller>,
    Path(location): Path<String>,
    Payload(body): Payload,
) -> Reply {
    caller.expect_location(&location)?;
    check(&body, &SEARCH)?;
    let query = body.get("query").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let count = |field, default| body.get(field).and_then(Value::as_u64).map_or(default, |n| n as usize);
    let among = |field, value: &Value| {
        body.get(field).and_then(Value::as_array).is_none_or(|list| list.is_empty() || list.contains(value))
    };
    let contacts: BTreeSet<&str> =
        body.get("contactId").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let store = caller.store();
    // Those of a few contacts, in the same order, without a look at all others.
    let all: Box<dyn Iterator<Item = Value>> = match contacts.is_empty() {
        true => Box::new(store.tasks.all()),
        false => Box::new(contacts.into_iter().flat_map(|contact| store.tasks.of(contact))),
    };
    let found: Vec<Value> = all
        .filter(|task| among("assignedTo", &task["assignedTo"]))
        .filter(|task| body.get("completed").is_none_or(|wanted| wanted.is_null() || *wanted == task["completed"]))
        .filter(|task| text(task, "title").to_lowercase().contains(&query))
        .skip(count("skip", 0))
        .take(count("limit", 25))
        .collect();
    Ok(named("tasks", json!(found)))
}

fn change(caller: &Caller, contact: &str, id: &str, body: &Map<String, Value>, fields: &[Field]) -> Reply {
    let mut store = caller.store_holding(contact)?;
    check(body, fields)?;
    let mut task = Kind::Task.find(&store, contact, id)?;
    apply(&mut task, body);
    store.put(Kind::Task, &task);
    Ok(named("task", task))
}

fn apply(task: &mut Value, body: &Map<String, Value>) {
    for (field, value) in body {
        task[field] = match (field.as_str(), value.as_str().and_then(dates::parse)) {
            ("dueDate", Some(due)) => dates::iso(due).into(),
            _ => value.clone(),
        };
    }
}
