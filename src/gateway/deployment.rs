//! `GET /v1/settings` and `GET /v1/processes`: what the whole deployment runs with, for keys that see every location.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use sync_workers::presence::SILENT;

use super::allowed::{AdministersAll, Allowed, OperatesAll};
use super::{Gateway, Problem};

/// Each setting of this process: the value in force, secrets masked, and where it came from.
pub(super) async fn settings(_: Allowed<AdministersAll>, State(gateway): State<Gateway>) -> Json<Value> {
    Json(json!({ "settings": gateway.settings.as_ref() }))
}

/// The processes that were seen within half a minute.
pub(super) async fn processes(
    allowed: Allowed<OperatesAll>,
    State(gateway): State<Gateway>,
) -> Result<Json<Value>, Problem> {
    let silent_ms = i64::try_from(SILENT.as_millis()).unwrap_or(i64::MAX);
    let since = gateway.webhooks.clock.now_ms().saturating_sub(silent_ms);
    let processes = allowed.records().list_processes(since).await;
    Ok(Json(json!({ "processes": processes.map_err(|error| Problem::records(&error))? })))
}
