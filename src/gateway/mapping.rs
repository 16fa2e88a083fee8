//! `/v1/locations/{location}/mapping`: what the fields of contacts are here and in GHL. The location `*` holds for all that have no mapping.
//!
//! A text is checked completely before it is kept, also against the custom fields of the location, and every mistake is answered with its line and
//! column. `ETag` and `If-Match` keep two editors apart.

use std::collections::HashMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sync_model::field_mapping;
use sync_workers::records::{NoMapping, Records, RecordsError};

use super::Problem;
use super::allowed::{Administers, Allowed, Reads, ReadsPeople};
use super::deadline::in_time;
use super::etag::{by_accept, expected, tagged};
use super::json::json_of;
use super::parameters::Parameters;
use super::path::Ids;
use super::toml_body::{self, TOML};
use crate::mapping::{Written, read_for, shown, shown_own};
use crate::toml_text::Mistake;
use crate::triggers::{FieldError, Fields, kind_of};

fn failed(error: RecordsError) -> Problem {
    Problem::records(&error)
}

/// `GET …/mapping?version`: the one in force, the location's own or that of all; its text alone for who accepts TOML and not JSON.
pub(super) async fn show(
    allowed: Allowed<Reads>,
    Ids(location): Ids<String>,
    query: Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut parameters = Parameters::new(query, &["version"]);
    let version = parameters.number("version", 1, u32::MAX);
    parameters.check()?;
    let records = allowed.records();
    check_location(records, &location).await?;
    let held = records.held_mapping(&location).await.map_err(failed)?;
    let mut body = shown(&location, &held);
    let mut tag = Some(held.tag());
    if let Some(version) = version {
        let text = records.mapping_version(&location, i64::from(version)).await.map_err(failed)?;
        let text =
            text.ok_or_else(|| Problem::not_found("the mapping has no such version; …/history lists those it has"))?;
        body = json!({"locationId": location, "version": version, "toml": text});
        tag = None;
    }
    let wants_toml = toml_body::is_wanted(&headers);
    let response = match wants_toml {
        true => ([(header::CONTENT_TYPE, TOML)], body["toml"].as_str().unwrap_or_default().to_owned()).into_response(),
        false => Json(body).into_response(),
    };
    Ok(by_accept(response, tag.as_deref()))
}

/// `PUT …/mapping`: the text as TOML, or `{toml}`. 201 where the location had none of its own, else 200.
pub(super) async fn put(
    allowed: Allowed<Administers>,
    Ids(location): Ids<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let Some(text) = text_of(&headers, &body)? else { return Err(is_wrong("the body is empty; send the text")) };
    let records = allowed.records();
    let Written { toml, document, .. } = read(records, &location, Some(text)).await?.map_err(wrong)?;
    let expected = expected(&headers);
    let put = in_time(records.put_mapping(&location, &toml, &document, &expected)).await?;
    let (kept, is_new) = put.map_err(|error| problem(&error))?;
    let body = shown_own(kept);
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let tag = body["etag"].as_str().unwrap_or_default().to_owned();
    let mut response = (status, Json(body)).into_response();
    tagged(&mut response, &tag);
    Ok(response)
}

/// `DELETE …/mapping`: 204; its versions stay, and the mapping of all locations holds from now on.
pub(super) async fn delete(
    allowed: Allowed<Administers>,
    Ids(location): Ids<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let expected = expected(&headers);
    match in_time(allowed.records().delete_mapping(&location, &expected)).await?.map_err(|error| problem(&error))? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("the location has no mapping of its own")),
    }
}

/// `POST …/mapping/check`: what PUT would say of the text, or of the mapping in force where there is none; nothing is kept.
pub(super) async fn check(
    allowed: Allowed<Reads>,
    Ids(location): Ids<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let text = text_of(&headers, &body)?;
    let records = allowed.records();
    let checked = read(records, &location, text).await?;
    let definitions = records.field_definitions(&location).await.map_err(failed)?;
    Ok(Json(match checked {
        Ok(written) => json!({
            "ok": true, "errors": [], "fields": written.mapping.fields.len(), "knowsFields": !definitions.is_empty(),
        }),
        Err(mistakes) => json!({"ok": false, "errors": mistakes, "knowsFields": !definitions.is_empty()}),
    }))
}

/// `GET …/mapping/suggest`: a mapping of every custom field that the location has.
pub(super) async fn suggest(allowed: Allowed<Reads>, Ids(location): Ids<String>) -> Result<Json<Value>, Problem> {
    let records = allowed.records();
    check_location(records, &location).await?;
    let definitions = records.field_definitions(&location).await.map_err(failed)?;
    if definitions.is_empty() {
        records.look_for_fields(&location).await;
    }
    Ok(Json(json!({"toml": field_mapping::suggest(&definitions), "customFields": definitions})))
}

/// `POST …/mapping/preview`: which contacts would read differently under the text, and which values do not read; nothing is kept.
pub(super) async fn preview(
    allowed: Allowed<ReadsPeople>,
    Ids(location): Ids<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let text = text_of(&headers, &body)?;
    let records = allowed.records();
    let written = read(records, &location, text).await?.map_err(wrong)?;
    let preview = records.preview_mapping(&location, &written.mapping).await.map_err(failed)?;
    Ok(Json(json!(preview)))
}

/// `GET …/mapping/history`: the versions of the location's own mapping, the newest first.
pub(super) async fn history(allowed: Allowed<Reads>, Ids(location): Ids<String>) -> Result<Json<Value>, Problem> {
    let records = allowed.records();
    check_location(records, &location).await?;
    let versions = records.mapping_versions(&location).await.map_err(failed)?;
    Ok(Json(json!({ "versions": versions })))
}

async fn check_location(records: &Records, location: &str) -> Result<(), Problem> {
    let is_known = location == field_mapping::EVERYWHERE
        || records.known_locations(&[location.to_owned()]).await.map_err(failed)?.contains(location);
    if is_known { Ok(()) } else { Err(Problem::unknown_location()) }
}

/// The text of a body; none where the body is empty.
fn text_of(headers: &HeaderMap, body: &Bytes) -> Result<Option<String>, Problem> {
    if let Some(text) = toml_body::plain(headers, body) {
        return text.map(Some).map_err(|error| wrong_fields(vec![error]));
    }
    if body.is_empty() {
        return Ok(None);
    }
    let body = json_of(body)?;
    let Some(object) = body.as_object() else {
        let message = format!("must be an object, not {}", kind_of(&body));
        return Err(wrong_fields(vec![FieldError { field: String::new(), message }]));
    };
    let mut fields = Fields::new(object, "");
    // An empty one maps nothing.
    let text = fields.loose_text("toml");
    if text.is_none() && !fields.has_mistake("toml") {
        fields.refuse("toml", "is missing");
    }
    let mut errors = fields.finish();
    let text = text.and_then(|text| toml_body::bounded(text).map_err(|error| errors.push(error)).ok());
    if errors.is_empty() { Ok(text) } else { Err(wrong_fields(errors)) }
}

/// The text, or that of the mapping in force, with what is wrong with it in the location.
async fn read(
    records: &Records,
    location: &str,
    text: Option<String>,
) -> Result<Result<Written, Vec<Mistake>>, Problem> {
    check_location(records, location).await?;
    let text = match text {
        Some(text) => text,
        None => {
            let held = records.held_mapping(location).await.map_err(failed)?;
            held.kept().map(|kept| kept.toml.clone()).unwrap_or_default()
        }
    };
    read_for(records, location, &text).await.map_err(failed)
}

fn is_wrong(detail: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "The mapping is wrong", detail)
}

fn wrong(mistakes: Vec<Mistake>) -> Problem {
    mistakes.into_iter().fold(is_wrong("nothing was stored"), Problem::with_mistake)
}

fn wrong_fields(errors: Vec<FieldError>) -> Problem {
    errors.into_iter().fold(is_wrong("nothing was stored"), |problem, error| problem.with(None, error))
}

fn problem(error: &NoMapping) -> Problem {
    match error {
        NoMapping::Otherwise(_) => Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "The mapping has changed",
            format!("{error}; read it again, and send the change with its ETag"),
        ),
        NoMapping::Unconnected => Problem::unknown_location(),
        NoMapping::Records(error) => Problem::records(error),
    }
}
