//! The messages of a hook, sent and unsent, and how to send one again.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use sync_workers::hooks::read_message_id;

use super::{acting, problem, seen};
use crate::gateway::allowed::{Administers, Allowed, Reads};
use crate::gateway::parameters::Parameters;
use crate::gateway::path::Ids;
use crate::gateway::{Gateway, Problem};

const DEFAULT_LIMIT: u32 = 50;
const MOST: u32 = 500;
const STATES: [&str; 4] = ["open", "sent", "failed", "dropped"];

/// `?state&limit&cursor`: newest first, one for each change.
pub(in crate::gateway) async fn deliveries(
    allowed: Allowed<Reads>,
    State(gateway): State<Gateway>,
    Ids(id): Ids<String>,
    query: Query<HashMap<String, String>>,
) -> Result<Json<Value>, Problem> {
    let mut parameters = Parameters::new(query, &["state", "limit", "cursor"]);
    let limit = parameters.number("limit", 1, MOST).unwrap_or(DEFAULT_LIMIT);
    let (state, cursor) = (parameters.text("state"), parameters.text("cursor"));
    if state.as_deref().is_some_and(|state| !STATES.contains(&state)) {
        return Err(Problem::parameter("state", format!("must be one of {}", STATES.join(", "))));
    }
    let hook = seen(allowed.records(), &id).await?;
    let page = allowed.records().list_deliveries(&id, state.as_deref(), cursor.as_deref(), i64::from(limit)).await;
    let page = parameters.page(page, "the nextCursor of an earlier page", Problem::records)?;
    let deliveries = gateway.hooks.explained(&hook, &page.items).await;
    Ok(Json(json!({ "deliveries": deliveries, "nextCursor": page.next_cursor })))
}

/// 202: the message is sent again, whatever became of it, with the record as it is now.
pub(in crate::gateway) async fn resend(
    allowed: Allowed<Administers>,
    State(gateway): State<Gateway>,
    Ids((id, delivery)): Ids<(String, String)>,
) -> Result<StatusCode, Problem> {
    seen(allowed.records(), &id).await?;
    let unknown =
        || Problem::not_found("there is no delivery with this id; GET /v1/hooks/{hookId}/deliveries lists all");
    let (_, message) = read_message_id(&delivery).filter(|(hook, _)| *hook == id).ok_or_else(unknown)?;
    match acting(&gateway, &allowed).resend(&id, message).await.map_err(|error| problem(&error))? {
        true => Ok(StatusCode::ACCEPTED),
        false => Err(unknown()),
    }
}
