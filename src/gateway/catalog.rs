//! `GET /v1/catalog?kind&area&search`, `GET /v1/catalog/{name}`: the actions and triggers of GHL, with the JSON Schema of each.

use std::collections::HashMap;

use axum::Json;
use axum::extract::Query;
use ghl::catalog::catalog as complete;
use serde_json::Value;

use super::Problem;
use super::allowed::{Allowed, Anyone};
use super::parameters::Parameters;
use super::path::Ids;
use crate::catalog::{self, Filter, Kind};
use crate::triggers::operation::unknown;

pub(super) async fn list(
    _allowed: Allowed<Anyone>,
    query: Query<HashMap<String, String>>,
) -> Result<Json<Value>, Problem> {
    let mut parameters = Parameters::new(query, &["kind", "area", "search"]);
    let kind = parameters.word("kind", Kind::parse, "action or trigger");
    let areas = complete().areas();
    let expected = format!("one of {}", areas.join(", "));
    let area = parameters.word("area", |area| areas.contains(&area).then(|| area.to_owned()), expected);
    let filter = Filter { kind, area, search: parameters.text("search").unwrap_or_default() };
    parameters.check()?;
    let found = filter.find().ok_or_else(|| Problem::not_found("there is no such area"))?;
    Ok(Json(found.document()))
}

pub(super) async fn show(_allowed: Allowed<Anyone>, Ids(name): Ids<String>) -> Result<Json<Value>, Problem> {
    catalog::entry(&name).map(Json).ok_or_else(|| Problem::not_found(format!("{name} {}", unknown(&name))))
}
