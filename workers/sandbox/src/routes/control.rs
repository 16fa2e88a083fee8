//! `/_sandbox/…`: what tests and people ask of the sandbox itself. No token, no limit, no faults.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::SearchShape;
use crate::faults::Faults;
use crate::requested::RequestedError;
use crate::state::SandboxState;
use crate::stats::Stats;

pub(super) async fn locations(State(state): State<Arc<SandboxState>>) -> Json<Value> {
    let shown = state.locations().iter().map(|location| {
        let mut shown = json!(location.public());
        shown["contacts"] = location.store().contacts.ids().collect::<Vec<_>>().into();
        shown
    });
    Json(shown.collect())
}

pub(super) async fn state(
    State(state): State<Arc<SandboxState>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, StatusCode> {
    let location = state.location(&id).ok_or(StatusCode::NOT_FOUND)?;
    Ok(Json(location.state()))
}

pub(super) async fn stats(State(state): State<Arc<SandboxState>>) -> Json<Stats> {
    Json(state.stats())
}

pub(super) async fn reset_stats(State(state): State<Arc<SandboxState>>) -> StatusCode {
    state.reset_stats();
    StatusCode::NO_CONTENT
}

pub(super) async fn set_faults(State(state): State<Arc<SandboxState>>, Json(faults): Json<Faults>) -> StatusCode {
    state.set_faults(faults);
    StatusCode::NO_CONTENT
}

pub(super) async fn set_search_shape(
    State(state): State<Arc<SandboxState>>,
    Json(shape): Json<SearchShape>,
) -> StatusCode {
    state.set_search_shape(shape);
    StatusCode::NO_CONTENT
}

/// `POST /_sandbox/errors`: a list of [`RequestedError`]; an empty one ends them.
pub(super) async fn request_errors(
    State(state): State<Arc<SandboxState>>,
    Json(errors): Json<Vec<RequestedError>>,
) -> StatusCode {
    state.request_errors(errors);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenState {
    revoked: bool,
}

/// `POST /_sandbox/locations/{id}/token`: revokes the Private Integration Token of a location, or makes it valid again.
pub(super) async fn set_token(
    State(state): State<Arc<SandboxState>>,
    Path(id): Path<String>,
    Json(TokenState { revoked }): Json<TokenState>,
) -> StatusCode {
    match state.location(&id) {
        Some(location) => {
            location.set_revoked(revoked);
            StatusCode::NO_CONTENT
        }
        None => StatusCode::NOT_FOUND,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Duplicates {
    allowed: bool,
}

/// `POST /_sandbox/locations/{id}/duplicates`: whether two contacts may have one e-mail or phone.
pub(super) async fn allow_duplicates(
    State(state): State<Arc<SandboxState>>,
    Path(id): Path<String>,
    Json(Duplicates { allowed }): Json<Duplicates>,
) -> StatusCode {
    match state.location(&id) {
        Some(location) => {
            location.allow_duplicates(allowed);
            StatusCode::NO_CONTENT
        }
        None => StatusCode::NOT_FOUND,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchLag {
    ms: u64,
}

pub(super) async fn set_search_lag(
    State(state): State<Arc<SandboxState>>,
    Json(SearchLag { ms }): Json<SearchLag>,
) -> StatusCode {
    state.set_search_lag(Duration::from_millis(ms));
    StatusCode::NO_CONTENT
}
