//! Who is informed of changes over HTTP, and whether it arrives.

use std::collections::HashMap;

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use sync_model::ids;
use sync_workers::records::{Hook, HookState};

use super::frame::{Frame, rendered};
use super::show::{Markup, ago_or_none, id, query_part, segment, state_as};
use super::trouble::{Trouble, in_time};
use super::visitor::Visitor;
use crate::gateway::Reads;

/// Hooks of a page.
const ROWS: usize = 50;

#[derive(Template)]
#[template(path = "console/hooks.html")]
struct Page {
    frame: Frame,
    lead: String,
    rows: Vec<Row>,
    next: Option<String>,
}

struct Row {
    to: String,
    url: String,
    id: Markup,
    state: Markup,
    why: String,
    events: String,
    last_success: Markup,
}

pub(super) async fn page(
    visitor: Visitor<Reads>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Trouble> {
    let after = query.get("after").filter(|text| ids::is_id(text));
    let limit = i64::try_from(ROWS).unwrap_or(i64::MAX) + 1;
    let mut hooks = in_time(visitor.records().list_hooks(after.map(String::as_str), limit)).await?;
    let is_more = hooks.len() > ROWS;
    hooks.truncate(ROWS);
    let failing = hooks.iter().filter(|hook| standing(hook).1 != "told").count();
    let lead = match (hooks.len(), failing) {
        (0, _) => "Nobody is told of changes.".to_owned(),
        (count, 0) => format!("{count} hooks, and each arrives."),
        (count, failing) => format!("{count} hooks, of which {failing} do not arrive."),
    };
    let next = hooks.last().filter(|_| is_more).map(|hook| format!("/ui/hooks?after={}", query_part(&hook.id)));
    let rows = hooks.iter().map(|hook| {
        let (word, words) = standing(hook);
        Row {
            to: format!("/ui/hooks/{}", segment(&hook.id)),
            url: hook.url.clone(),
            id: id(&hook.id),
            state: state_as(word, words),
            why: hook.disabled_why.clone().unwrap_or_default(),
            events: hook.events.texts().join(", "),
            last_success: ago_or_none(hook.last_success_at, visitor.now),
        }
    });
    let rows = rows.collect();
    Ok(rendered(&Page { frame: visitor.frame("/ui/hooks", "Hooks"), lead, rows, next }))
}

/// Whether what it is to hear arrives: as a state, and in words.
pub(super) fn standing(hook: &Hook) -> (&'static str, &'static str) {
    match (hook.state, hook.failing_since) {
        (HookState::Disabled, _) => ("disabled", "disabled"),
        (HookState::Active, Some(_)) => ("failing", "failing"),
        (HookState::Active, None) => ("active", "told"),
    }
}
