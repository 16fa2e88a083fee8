//! What was done, by whom, newest first.

use std::collections::HashMap;

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use sync_model::ids;
use sync_workers::records::{Action, AuditFilter, AuditRow};

use super::frame::{Frame, rendered};
use super::show::{Markup, ago, dash, id, id_link, plain, query_part, segment, state_as};
use super::trouble::{Trouble, in_time};
use super::visitor::Visitor;
use crate::gateway::Administers;

/// Rows of a page.
const ROWS: i64 = 50;
/// Letters of details that a row shows.
const DETAILS: usize = 160;

#[derive(Template)]
#[template(path = "console/audit.html")]
struct Page {
    frame: Frame,
    actions: Vec<(&'static str, bool)>,
    actor: String,
    location: String,
    rows: Vec<Row>,
    next: Option<String>,
    is_later: bool,
}

struct Row {
    seq: i64,
    at: Markup,
    action: String,
    actor: String,
    target: Markup,
    location: Markup,
    outcome: Markup,
    details: String,
}

pub(super) async fn page(
    visitor: Visitor<Administers>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Trouble> {
    let text = |name: &str| query.get(name).map(|text| text.trim().to_owned()).filter(|text| ids::is_id(text));
    let (action, actor, location, before) = (text("action"), text("actor"), text("location"), text("before"));
    let filter =
        AuditFilter { since: None, action: action.clone(), actor: actor.clone(), location_id: location.clone() };
    let records = visitor.records();
    let page = in_time(records.list_audit(&filter, before.as_deref(), ROWS)).await?;
    in_time(records.note_audit_read()).await?;
    let part = |name: &str, text: &Option<String>| {
        text.as_ref().map(|text| format!("{name}={}&", query_part(text))).unwrap_or_default()
    };
    let filters = [part("action", &action), part("actor", &actor), part("location", &location)].concat();
    Ok(rendered(&Page {
        frame: visitor.frame("/ui/audit", "Audit"),
        actions: Action::ALL.iter().map(|known| (known.as_str(), Some(known.as_str()) == action.as_deref())).collect(),
        actor: actor.unwrap_or_default(),
        location: location.unwrap_or_default(),
        rows: page.items.iter().map(|one| row(one, visitor.now)).collect(),
        next: page.next_cursor.map(|next| format!("/ui/audit?{filters}before={}", query_part(&next))),
        is_later: before.is_some(),
    }))
}

fn row(row: &AuditRow, now: jiff::Timestamp) -> Row {
    let target = match (&row.target, row.action.as_str()) {
        (None, _) => match row.details["jobs"].as_array() {
            Some(jobs) => plain(&format!("{} jobs", jobs.len())),
            None => dash(),
        },
        (Some(target), action) if action.starts_with("jobs.") && target.len() == 36 => {
            id_link(target, &format!("/ui/jobs/{}", segment(target)))
        }
        (Some(target), _) => id(target),
    };
    let location = row.location_id.as_ref();
    let location = location.map_or_else(dash, |one| id_link(one, &format!("/ui/locations/{}", segment(one))));
    let details = if row.details == serde_json::json!({}) { String::new() } else { row.details.to_string() };
    let details = match details.char_indices().nth(DETAILS) {
        Some((end, _)) => format!("{}…", &details[..end]),
        None => details,
    };
    Row {
        seq: row.seq,
        at: ago(row.at, now),
        action: row.action.clone(),
        actor: format!("{}:{}", row.actor_kind, row.actor),
        target,
        location,
        outcome: state_as(if row.outcome == "done" { "done" } else { "failed" }, &row.outcome),
        details,
    }
}
