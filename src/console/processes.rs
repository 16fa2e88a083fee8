//! The processes that are alive: version, role, heartbeat, flows and master keys, so that one that differs is seen.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::Console;
use super::frame::{Frame, rendered};
use super::show::{Markup, ago, plain};
use super::trouble::Trouble;
use super::visitor::Visitor;
use crate::gateway::Operates;

#[derive(Template)]
#[template(path = "console/processes.html")]
struct Page {
    frame: Frame,
    lead: String,
    rows: Vec<Row>,
}

struct Row {
    role: String,
    place: Markup,
    version: String,
    queue: String,
    flows: String,
    keys: String,
    started: Markup,
    seen: Markup,
}

pub(super) async fn page(visitor: Visitor<Operates>, State(console): State<Console>) -> Result<Response, Trouble> {
    visitor.sees_all()?;
    let sample = console.sample(&visitor.key, visitor.records()).await?;
    let workers = sample.processes.iter().filter(|one| one.role != "gateway").count();
    let lead = match (sample.processes.len(), workers) {
        (0, _) => "No process was seen within half a minute.".to_owned(),
        (all, 0) => format!("{all} alive, and none of them works: start `clienty-sync worker`."),
        (all, workers) => format!(
            "{all} alive, of which {workers} work. One that ends without a word is gone from here after half a minute."
        ),
    };
    let row = |one: &sync_workers::records::Process| Row {
        role: one.role.clone(),
        place: plain(&format!("{} pid {}", one.host, one.pid)),
        version: one.version.clone(),
        queue: one.queue.clone(),
        flows: one.flows.clone(),
        keys: one.master_keys.join(", "),
        started: ago(one.started_at, visitor.now),
        seen: ago(one.seen_at, visitor.now),
    };
    let rows = sample.processes.iter().map(row).collect();
    Ok(rendered(&Page { frame: visitor.frame("/ui/processes", "Processes"), lead, rows }))
}
