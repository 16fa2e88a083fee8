//! `/v1/flows`: the flows that people change, and those of files beside them, which are read here and changed there.
//!
//! What a change says is checked completely before it is kept, and every mistake is answered with its line and column. `ETag` and `If-Match` keep two
//! editors apart.

use std::collections::HashMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sync_workers::records::{NewVersion, NoChange, Records};

use super::Problem;
use super::allowed::{Administers, Allowed, Operates, Reads};
use super::deadline::in_time;
use super::etag::{by_accept, expected, tagged};
use super::json::json_of;
use super::parameters::Parameters;
use super::path::Ids;
use super::toml_body::{self, TOML};
use crate::flows::found::{self, Found, is_file};
use crate::flows::{Mistake, parse, reports};
use crate::triggers::{FieldError, Fields, kind_of};

mod backtest;
mod begin;
mod runs;

pub(super) use backtest::backtest;
pub(super) use begin::run;
pub(super) use runs::{discard, retry, runs, runs_of, show_run, stop};

async fn find(records: &Records, name: &str) -> Result<Found, Problem> {
    found::find(records, name).await.map_err(|error| Problem::records(&error))?.ok_or_else(unknown)
}

/// `GET /v1/flows`: all of them, each with how many runs are under way, and how those before have ended.
pub(super) async fn list(
    allowed: Allowed<Reads>,
    query: Query<HashMap<String, String>>,
) -> Result<Json<Value>, Problem> {
    Parameters::new(query, &[]).check()?;
    let records = allowed.records();
    let counts = records.flow_counts().await.map_err(|error| Problem::records(&error))?;
    let listed = found::all(records).await.map_err(|error| Problem::records(&error))?;
    let listed = listed.iter().map(|found| {
        let mut reported = found.reported();
        reported["runs"] = json!(counts.get(found.name()).cloned().unwrap_or_default());
        reported
    });
    Ok(Json(json!({ "flows": listed.collect::<Vec<_>>() })))
}

/// `GET /v1/flows/{flow}?version`: one of them; its text alone for who accepts TOML and not JSON.
pub(super) async fn show(
    allowed: Allowed<Reads>,
    Ids(name): Ids<String>,
    query: Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut parameters = Parameters::new(query, &["version"]);
    let version = parameters.number("version", 1, u32::MAX);
    parameters.check()?;
    let records = allowed.records();
    let found = find(records, &name).await?;
    let mut reported = found.reported();
    let mut tag = None;
    let mut toml = None;
    if let Found::Kept(kept) = &found {
        tag = Some(kept.tag());
        toml = Some(kept.toml.clone());
    }
    if let Some(version) = version {
        let text = records.flow_version(&name, i64::from(version)).await.map_err(|error| Problem::records(&error))?;
        let text =
            text.ok_or_else(|| Problem::not_found("the flow has no such version; …/versions lists those it has"))?;
        reported["version"] = version.into();
        (tag, toml) = (None, Some(text));
    }
    let wants_toml = toml_body::is_wanted(&headers);
    let response = match (wants_toml, toml) {
        (true, Some(toml)) => ([(header::CONTENT_TYPE, TOML)], toml).into_response(),
        (_, toml) => {
            reported["toml"] = json!(toml);
            reported["definition"] = found.flow().map_or(Value::Null, |flow| flow.definition);
            Json(reported).into_response()
        }
    };
    Ok(by_accept(response, tag.as_deref()))
}

/// `PUT /v1/flows/{flow}`: the text as TOML, or `{toml, enabled?}`. 201 where it is new, 200 where it was there.
pub(super) async fn put(
    allowed: Allowed<Administers>,
    Ids(name): Ids<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let Written { toml, enabled } = Written::read(&headers, &body)?;
    let flow = parse(&name, &toml).map_err(wrong)?;
    let records = allowed.records();
    if is_file(records, &name) {
        let detail = "a file of this deployment has that name, and is changed there; nothing was stored";
        return Err(Problem::new(StatusCode::CONFLICT, "The flow is a file", detail));
    }
    let expected = expected(&headers);
    let put = in_time(records.put_flow(NewVersion { flow: &flow, toml: &toml, enabled }, &expected)).await?;
    let (kept, is_new) = put.map_err(|error| problem(&error))?;
    let tag = kept.tag();
    let mut reported = Found::Kept(kept).reported();
    reported["toml"] = toml.into();
    reported["definition"] = flow.definition;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = (status, Json(reported)).into_response();
    tagged(&mut response, &tag);
    Ok(response)
}

/// `DELETE /v1/flows/{flow}`: 204; its versions and its runs stay.
pub(super) async fn delete(
    allowed: Allowed<Administers>,
    Ids(name): Ids<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let records = allowed.records();
    if is_file(records, &name) {
        let detail = "a file of this deployment holds it, and is deleted there; nothing was done";
        return Err(Problem::new(StatusCode::CONFLICT, "The flow is a file", detail));
    }
    let expected = expected(&headers);
    match in_time(records.delete_flow(&name, &expected)).await?.map_err(|error| problem(&error))? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(unknown()),
    }
}

/// `POST /v1/flows/{flow}/check`: what PUT would say of the text; nothing is kept.
pub(super) async fn check(
    _allowed: Allowed<Reads>,
    Ids(name): Ids<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let Written { toml, .. } = Written::read(&headers, &body)?;
    Ok(Json(match parse(&name, &toml) {
        Ok(flow) => {
            let mut checked = json!({"ok": true, "errors": []});
            if let Some(checked) = checked.as_object_mut() {
                checked.extend(reports::flow(&flow));
            }
            checked
        }
        Err(mistakes) => json!({"ok": false, "errors": mistakes}),
    }))
}

/// `POST /v1/flows/{flow}/enable`: it starts runs from now on.
pub(super) async fn enable(allowed: Allowed<Operates>, Ids(name): Ids<String>) -> Result<Response, Problem> {
    switch(allowed.records(), &name, true, None, false).await
}

/// `POST /v1/flows/{flow}/disable` `{why?, stop?}`: it starts no runs; those under way end as they would, unless they are stopped.
pub(super) async fn disable(
    allowed: Allowed<Operates>,
    Ids(name): Ids<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let (why, stops) = match body.is_empty() {
        true => (None, false),
        false => {
            let body = json_of(&body)?;
            let Some(object) = body.as_object() else { return Err(not_an_object(&body)) };
            let mut fields = Fields::new(object, "");
            let read = (fields.text("why"), fields.flag("stop").unwrap_or(false));
            let errors = fields.finish();
            if !errors.is_empty() {
                return Err(wrong_fields(errors));
            }
            read
        }
    };
    switch(allowed.records(), &name, false, why.as_deref(), stops).await
}

async fn switch(
    records: &Records,
    name: &str,
    enabled: bool,
    why: Option<&str>,
    stops: bool,
) -> Result<Response, Problem> {
    if is_file(records, name) {
        let detail = "a file of this deployment holds it; take the file away, or edit it there";
        return Err(Problem::new(StatusCode::CONFLICT, "The flow is a file", detail));
    }
    let switched = in_time(records.enable_flow(name, enabled, why, stops)).await?;
    let (kept, stopped) = switched.map_err(|error| Problem::records(&error))?.ok_or_else(unknown)?;
    let tag = kept.tag();
    let mut reported = Found::Kept(kept).reported();
    reported["stoppedRuns"] = stopped.into();
    let mut response = Json(reported).into_response();
    tagged(&mut response, &tag);
    Ok(response)
}

/// `GET /v1/flows/{flow}/versions`: the newest first; also of one that was deleted.
pub(super) async fn versions(allowed: Allowed<Reads>, Ids(name): Ids<String>) -> Result<Json<Value>, Problem> {
    let versions = allowed.records().flow_versions(&name).await.map_err(|error| Problem::records(&error))?;
    match versions.is_empty() {
        true => Err(unknown()),
        false => Ok(Json(json!({ "versions": versions }))),
    }
}

/// A flow as a body says it.
struct Written {
    toml: String,
    enabled: Option<bool>,
}

impl Written {
    fn read(headers: &HeaderMap, body: &Bytes) -> Result<Self, Problem> {
        if let Some(toml) = toml_body::plain(headers, body) {
            let toml = toml.map_err(|error| wrong_fields(vec![error]))?;
            return Ok(Self { toml, enabled: None });
        }
        let body = json_of(body)?;
        let Some(object) = body.as_object() else { return Err(not_an_object(&body)) };
        let mut fields = Fields::new(object, "");
        let toml = fields.required_text("toml");
        let enabled = fields.flag("enabled");
        let mut errors = fields.finish();
        let toml = toml_body::bounded(toml).unwrap_or_else(|error| {
            errors.push(error);
            String::new()
        });
        if errors.is_empty() { Ok(Self { toml, enabled }) } else { Err(wrong_fields(errors)) }
    }
}

fn is_wrong(detail: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "The flow is wrong", detail)
}

fn wrong(mistakes: Vec<Mistake>) -> Problem {
    mistakes.into_iter().fold(is_wrong("nothing was stored"), Problem::with_mistake)
}

fn wrong_fields(errors: Vec<FieldError>) -> Problem {
    errors.into_iter().fold(is_wrong("nothing was stored"), |problem, error| problem.with(None, error))
}

fn not_an_object(body: &Value) -> Problem {
    let message = format!("must be an object, not {}", kind_of(body));
    wrong_fields(vec![FieldError { field: String::new(), message }])
}

fn unknown() -> Problem {
    Problem::not_found("no flow of that name is known here; GET /v1/flows lists all")
}

fn problem(error: &NoChange) -> Problem {
    match error {
        NoChange::Otherwise(_) => Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "The flow has changed",
            format!("{error}; read it again, and send the change with its ETag"),
        ),
        NoChange::TooMany => Problem::new(StatusCode::CONFLICT, "Too many flows", error.to_string()),
        NoChange::Taken => Problem::new(StatusCode::CONFLICT, "The name is taken", error.to_string()),
        NoChange::Unconnected | NoChange::Everywhere => {
            wrong_fields(vec![FieldError { field: "locations".to_owned(), message: error.to_string() }])
        }
        NoChange::Secrets => wrong_fields(vec![FieldError { field: "step".to_owned(), message: error.to_string() }]),
        NoChange::Records(error) => Problem::records(error),
    }
}
