//! Dead letters by what they died of: how many, since when, where, an example, what mends it; and each group retried or discarded as one.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use sync_model::ids;
use sync_workers::records::Role;

use super::frame::{Frame, rendered};
use super::jobs::{self, Line};
use super::show::{Markup, ago, grouped, id_link, query_part, segment};
use super::trouble::{Trouble, in_time};
use super::visitor::{Act, Visitor};
use super::{Console, confirm};
use crate::causes::{self, Group, LOOKED_THROUGH};
use crate::gateway::{Operates, Reads};
use crate::steering;

/// Jobs that the page of a group lists.
const ROWS: usize = 20;

#[derive(Template)]
#[template(path = "console/dead.html")]
struct Page {
    frame: Frame,
    lead: String,
    groups: Vec<Shown>,
    location: String,
    may_operate: bool,
}

#[derive(Template)]
#[template(path = "console/dead_group.html")]
struct GroupPage {
    frame: Frame,
    group: Shown,
    error: String,
    lines: Vec<Line>,
    more: usize,
    may_operate: bool,
}

/// A group as the page shows it.
struct Shown {
    to: String,
    count: usize,
    number: String,
    kind: String,
    cause: String,
    remedy: &'static str,
    first: Markup,
    last: Markup,
    locations: Vec<Markup>,
    more_locations: usize,
    sample: Markup,
}

fn location_of(query: &HashMap<String, String>) -> Option<String> {
    query.get("location").map(|text| text.trim().to_owned()).filter(|text| ids::is_id(text))
}

pub(super) async fn page(
    visitor: Visitor<Reads>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Trouble> {
    let location = location_of(&query);
    let found = in_time(causes::groups(visitor.records(), location.as_deref())).await?;
    let count: usize = found.groups.iter().map(|group| group.count).sum();
    let more = if found.is_cut { "The newest " } else { "" };
    let lead = match (count, found.groups.len()) {
        (0, _) => "No job was given up.".to_owned(),
        (1, _) => "1 job stopped for good. Nothing is written for it until somebody decides.".to_owned(),
        (_, 1) => format!(
            "{more}{} jobs stopped for good, for one reason. Nothing is written for them until somebody decides.",
            grouped(count as u64)
        ),
        (_, reasons) => format!(
            "{more}{} jobs stopped for good, for {reasons} reasons. Nothing is written for them until somebody decides.",
            grouped(count as u64)
        ),
    };
    Ok(rendered(&Page {
        lead,
        groups: found.groups.iter().map(|group| shown(group, location.as_deref(), visitor.now)).collect(),
        may_operate: visitor.may(Role::Operator),
        location: location.unwrap_or_default(),
        frame: visitor.frame("/ui/dead", "Dead letters").after(&query),
    }))
}

fn path(group: &str, location: Option<&str>) -> String {
    let query = location.map(|location| format!("?location={}", query_part(location))).unwrap_or_default();
    format!("/ui/dead/{}{query}", segment(group))
}

fn shown(group: &Group, location: Option<&str>, now: Timestamp) -> Shown {
    let place = |id: &String| id_link(id, &format!("/ui/locations/{}", segment(id)));
    Shown {
        to: path(&group.id, location),
        count: group.count,
        number: grouped(group.count as u64),
        kind: group.kind.clone(),
        cause: group.cause.clone(),
        remedy: group.remedy,
        first: ago(group.first_at, now),
        last: ago(group.last_at, now),
        locations: group.location_ids.iter().map(place).collect(),
        more_locations: group.locations.saturating_sub(group.location_ids.len()),
        sample: id_link(&group.sample_job_id, &format!("/ui/jobs/{}", segment(&group.sample_job_id))),
    }
}

/// `GET /ui/dead/{group}`: its newest jobs.
pub(super) async fn group(
    visitor: Visitor<Reads>,
    Path(group): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Trouble> {
    let (records, location) = (visitor.records(), location_of(&query));
    let found = in_time(causes::groups(records, location.as_deref())).await?;
    let found = found.groups.into_iter().find(|one| one.id == group);
    let found = found.ok_or_else(|| Trouble::no_such("group of dead letters"))?;
    let ids = in_time(causes::of_group(records, location.as_deref(), &group)).await?;
    let mut lines = Vec::new();
    for id in ids.iter().take(ROWS) {
        if let Some(job) = in_time(records.job(id)).await? {
            lines.push(jobs::line(&job, visitor.now));
        }
    }
    Ok(rendered(&GroupPage {
        group: shown(&found, location.as_deref(), visitor.now),
        more: ids.len().saturating_sub(ROWS),
        error: found.sample_error,
        may_operate: visitor.may(Role::Operator),
        frame: visitor.frame("/ui/dead", format!("Dead letters: {}", found.cause)).after(&query),
        lines,
    }))
}

/// `POST /ui/dead/{group}`: decides about all of it, if there are as many as the visitor saw.
pub(super) async fn act(
    State(console): State<Console>,
    Path(group): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    act: Act<Operates>,
) -> Result<Response, Trouble> {
    let producer = &act.visitor.producer;
    let location = location_of(&query);
    let what = act.field("act").filter(|what| matches!(*what, "retry" | "discard"));
    let what = what.ok_or_else(|| Trouble::no_such("act"))?.to_owned();
    let ids = in_time(causes::of_group(producer.records(), location.as_deref(), &group)).await?;
    let to = path(&group, location.as_deref());
    if ids.is_empty() {
        return Err(Trouble::moved_on("decided about"));
    }
    match act.expected() {
        Some(expected) if steering::has_moved(ids.len(), expected) => {
            return Ok(confirm::moved(&act.visitor, &to, &what, ids.len(), expected));
        }
        Some(_) if act.field("sure").is_some() => {}
        _ => return Ok(confirm::page(&act.visitor, &to, &what, ids.len())),
    }
    match what.as_str() {
        "retry" => steering::retry(producer, &ids).await?,
        _ => steering::discard(producer.records(), &ids, &act.visitor.decision(act.field("reason"))).await?,
    }
    console.samples.forget();
    let left = if ids.len() >= LOOKED_THROUGH { "&more=1" } else { "" };
    Ok(Redirect::to(&format!("/ui/dead?done={what}&n={}{left}", ids.len())).into_response())
}
