//! The install page, and the routes that give tokens.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Reply;
use crate::api_error::ApiError;
use crate::oauth::{Book, Holder, Login, OauthSettings};
use crate::state::SandboxState;
use crate::version::Version;

const FORM: &str = "application/x-www-form-urlencoded";
/// Locations on a page where none is asked for.
const USUAL_PAGE: usize = 20;

type Words = HashMap<String, String>;

fn book(state: &SandboxState) -> MutexGuard<'_, Book> {
    state.book.lock().unwrap_or_else(PoisonError::into_inner)
}

fn word<'a>(words: &'a Words, name: &str) -> &'a str {
    words.get(name).map_or("", String::as_str)
}

/// `GET /v2/oauth/chooselocation`: the page on which a customer chooses.
pub(super) async fn choose(State(state): State<Arc<SandboxState>>, uri: Uri, Query(asked): Query<Words>) -> Response {
    let missing: Vec<_> = ["response_type", "client_id", "redirect_uri", "scope"]
        .into_iter()
        .filter(|name| word(&asked, name).is_empty())
        .collect();
    if !missing.is_empty() || word(&asked, "client_id") != book(&state).settings.client_id {
        let detail = format!("No such app, or the link lacks {}", missing.join(", "));
        return (StatusCode::BAD_REQUEST, Html(page(&detail, ""))).into_response();
    }
    let query = uri.query().unwrap_or_default().replace('&', "&amp;").replace('"', "&quot;");
    let link =
        |id: &str, name: &str| format!("<li><a href=\"/v2/oauth/approve?on={id}&amp;{query}\">{}</a>", escaped(name));
    let mut links: String = state.locations().iter().map(|place| link(&place.facts.id, &place.facts.name)).collect();
    links += &link("company", "All locations of the agency");
    links += &link("deny", "No, thank you");
    let intro = format!("The app asks for {}. Where may it be installed?", escaped(word(&asked, "scope")));
    Html(page(&intro, &format!("<ul>{links}</ul>"))).into_response()
}

/// `GET /v2/oauth/approve?on=…`: a customer's choice. `on` is a location, `company` or `deny`; `granted` may be less than was asked for.
pub(super) async fn approve(State(state): State<Arc<SandboxState>>, Query(asked): Query<Words>) -> Response {
    let mut book = book(&state);
    let scopes = asked.get("granted").or_else(|| asked.get("scope")).cloned().unwrap_or_default();
    let holder = match word(&asked, "on") {
        "deny" => {
            return back(&asked, &[("error", "access_denied"), ("error_description", "The user denied the install")]);
        }
        "company" => {
            book.installed = state.locations().iter().map(|place| place.facts.id.clone()).collect();
            Holder::Company
        }
        id if state.location(id).is_some() => Holder::Location(id.to_owned()),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let code = book.code(Login { holder, scopes });
    back(&asked, &[("code", &code)])
}

fn back(asked: &Words, told: &[(&str, &str)]) -> Response {
    let state = word(asked, "state");
    let mut told = told.to_vec();
    if !state.is_empty() {
        told.push(("state", state));
    }
    let told: Vec<String> = told.iter().map(|(name, value)| format!("{name}={}", value.replace(' ', "+"))).collect();
    Redirect::to(&format!("{}?{}", word(asked, "redirect_uri"), told.join("&"))).into_response()
}

/// `POST /oauth/token`.
pub(super) async fn token(State(state): State<Arc<SandboxState>>, headers: HeaderMap, body: Bytes) -> Response {
    match form(&headers, &body) {
        Err(error) => error.into_response(),
        Ok(form) => match book(&state).token(&form) {
            Ok(reply) => Json(reply).into_response(),
            Err((status, said)) => (status, Json(said)).into_response(),
        },
    }
}

/// `POST /oauth/locationToken`: a location's token for the agency's.
pub(super) async fn location_token(State(state): State<Arc<SandboxState>>, headers: HeaderMap, body: Bytes) -> Reply {
    let form = form(&headers, &body)?;
    let mut book = book(&state);
    let agency = agency(&book, &headers, "oauth.write")?;
    let location = word(&form, "locationId");
    if word(&form, "companyId") != book.company_id || !book.installed.contains(location) {
        return Err(ApiError::bad_request("The app is not installed on this location"));
    }
    if book.settings.inactive.contains(location) {
        return Err(ApiError::bad_request("Location is not active"));
    }
    book.count("exchanges");
    let with_refresh = book.settings.exchange_refreshes;
    let grant = Login { holder: Holder::Location(location.to_owned()), scopes: agency.scopes };
    Ok(Json(book.issue(grant, with_refresh)))
}

/// `GET /oauth/installedLocations`.
pub(super) async fn installed(
    State(state): State<Arc<SandboxState>>,
    headers: HeaderMap,
    Query(asked): Query<Words>,
) -> Reply {
    let mut book = book(&state);
    agency(&book, &headers, "oauth.readonly")?;
    let app = book.settings.client_id.split('-').next().unwrap_or_default();
    let mut complaints = Vec::new();
    if word(&asked, "companyId") != book.company_id {
        complaints.push("companyId should not be empty".to_owned());
    }
    if word(&asked, "appId") != app {
        complaints.push("appId should not be empty".to_owned());
    }
    if !complaints.is_empty() {
        return Err(ApiError::unprocessable(complaints));
    }
    book.count("lists");
    let number = |name: &str, usual| word(&asked, name).parse().unwrap_or(usual);
    let only_installed = word(&asked, "isInstalled") == "true";
    let places = state.locations().iter().filter(|place| !only_installed || book.installed.contains(&place.facts.id));
    let shown: Vec<Value> = places
        .clone()
        .skip(number("skip", 0))
        .take(number("limit", USUAL_PAGE))
        .map(|place| {
            let is_installed = book.installed.contains(&place.facts.id);
            json!({"_id": place.facts.id, "name": place.facts.name, "address": "1 Sandbox Street", "isInstalled": is_installed})
        })
        .collect();
    Ok(Json(json!({"locations": shown, "count": places.count(), "installToFutureLocations": true})))
}

/// The agency's login, if the bearer is one with the scope.
fn agency(book: &Book, headers: &HeaderMap, scope: &str) -> Result<Login, ApiError> {
    if Version::of(headers, "/oauth/")? == Version::V3 {
        // There these routes have other names.
        return Err(ApiError::unauthorized("version header is invalid"));
    }
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let grant = book.open(bearer.unwrap_or_default())?;
    if grant.holder != Holder::Company || !grant.scopes.split(' ').any(|granted| granted == scope) {
        return Err(ApiError::unauthorized("The token is not authorized for this scope."));
    }
    Ok(grant)
}

fn form(headers: &HeaderMap, body: &[u8]) -> Result<Words, ApiError> {
    let is_form = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.to_str().is_ok_and(|kind| kind.starts_with(FORM)));
    let text = std::str::from_utf8(body).ok().filter(|_| is_form);
    // A form is written as a query is.
    let uri = text.and_then(|text| format!("/?{text}").parse::<Uri>().ok());
    let words = uri.and_then(|uri| Query::<Words>::try_from_uri(&uri).ok());
    words.map(|Query(words)| words).ok_or_else(|| ApiError::unprocessable(vec![format!("the body must be {FORM}")]))
}

fn page(intro: &str, rest: &str) -> String {
    format!("<!doctype html><meta charset=utf-8><title>Install</title><h1>Sandbox</h1><p>{intro}</p>{rest}\n")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Order {
    /// A location, or the company.
    holder: String,
}

/// `GET /_sandbox/oauth`.
pub(super) async fn told(State(state): State<Arc<SandboxState>>) -> Json<Value> {
    Json(book(&state).told())
}

/// `POST /_sandbox/oauth`: how logins behave from now on.
pub(super) async fn set(State(state): State<Arc<SandboxState>>, Json(settings): Json<OauthSettings>) -> StatusCode {
    book(&state).settings = settings;
    StatusCode::NO_CONTENT
}

/// `POST /_sandbox/oauth/expire`: ends access tokens.
pub(super) async fn expire(State(state): State<Arc<SandboxState>>, Json(order): Json<Order>) -> StatusCode {
    book(&state).expire(&order.holder);
    StatusCode::NO_CONTENT
}

/// `POST /_sandbox/oauth/revoke`: ends logins.
pub(super) async fn revoke(State(state): State<Arc<SandboxState>>, Json(order): Json<Order>) -> StatusCode {
    book(&state).revoke(&order.holder);
    StatusCode::NO_CONTENT
}
