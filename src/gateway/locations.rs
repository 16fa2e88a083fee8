//! `GET /v1/locations` and `GET /v1/locations/{locationId}`: how each connected location stands.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::allowed::{Allowed, Reads};
use super::path::Ids;
use super::{Gateway, Problem};
use crate::locations::{self, LocationStatus};

/// All that the key sees, by id.
pub(super) async fn list(allowed: Allowed<Reads>, State(gateway): State<Gateway>) -> Result<Json<Value>, Problem> {
    let (records, queue) = (allowed.records(), gateway.producer.queue());
    let all = locations::all(records, &Ok(queue), &gateway.webhooks.clock).await;
    Ok(Json(json!({ "locations": all.map_err(|error| Problem::records(&error))? })))
}

/// One of them.
pub(super) async fn show(
    allowed: Allowed<Reads>,
    State(gateway): State<Gateway>,
    Ids(location): Ids<String>,
) -> Result<Json<LocationStatus>, Problem> {
    let (records, queue) = (allowed.records(), gateway.producer.queue());
    let one = locations::one(records, &Ok(queue), &gateway.webhooks.clock, &location).await;
    one.map_err(|error| Problem::records(&error))?.map(Json).ok_or_else(Problem::unknown_location)
}
