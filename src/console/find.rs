//! Where an id leads: to a job, a hook, a location or a contact. Each is looked up by its key; nothing is searched through.

use std::collections::HashMap;

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use sync_model::ids;

use super::Console;
use super::show::{query_part, segment};
use super::trouble::{Trouble, in_time};
use super::visitor::Visitor;
use crate::gateway::Reads;

/// Locations in which a contact is looked up.
const LOCATIONS: usize = 200;

pub(super) async fn page(
    visitor: Visitor<Reads>,
    State(console): State<Console>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Trouble> {
    let text = query.get("q").map(|text| text.trim()).unwrap_or_default();
    let to = |path: String| Ok(Redirect::to(&path).into_response());
    if !ids::is_id(text) {
        return to("/ui".to_owned());
    }
    let records = visitor.records();
    if in_time(records.job(text)).await?.is_some() {
        return to(format!("/ui/jobs/{}", segment(text)));
    }
    if in_time(records.hook(text)).await?.is_some() {
        return to(format!("/ui/hooks/{}", segment(text)));
    }
    let sample = console.sample(&visitor.key, records).await?;
    if sample.locations.iter().any(|one| one.location_id == text) {
        return to(format!("/ui/locations/{}", segment(text)));
    }
    if visitor.key.reads_people {
        for one in sample.locations.iter().take(LOCATIONS) {
            if in_time(records.find_contact(&one.location_id, text)).await?.is_some() {
                return to(format!("/ui/locations/{}/contacts/{}", segment(&one.location_id), segment(text)));
            }
        }
    }
    to(format!("/ui/locations?q={}", query_part(text)))
}
