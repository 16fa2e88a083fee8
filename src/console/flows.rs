//! The flows of this process and their newest runs: where each stands, and the job that decides how it goes on.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use sync_model::ids;
use sync_workers::flows::Flow;

use super::Console;
use super::frame::{Frame, rendered};
use super::show::{Markup, ago, id, id_link, query_part, segment, since, state_as};
use super::trouble::{Trouble, in_time};
use super::visitor::Visitor;
use crate::gateway::Reads;

/// Runs of a page.
const ROWS: i64 = 50;

#[derive(Template)]
#[template(path = "console/flows.html")]
struct Page {
    frame: Frame,
    lead: String,
    flows: Vec<Shown>,
    of: String,
    runs: Vec<Run>,
    next: Option<String>,
    is_later: bool,
}

struct Shown {
    to: String,
    name: String,
    about: String,
    on: String,
    steps: usize,
    is_here: bool,
}

struct Run {
    id: Markup,
    flow: String,
    state: Markup,
    step: String,
    location: Markup,
    contact: Option<Markup>,
    job: Option<Markup>,
    reason: String,
    started: Markup,
}

pub(super) async fn page(
    visitor: Visitor<Reads>,
    State(console): State<Console>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Trouble> {
    let records = visitor.records();
    let of = query.get("flow").cloned().unwrap_or_default().replace('\0', "");
    let before = query.get("before").filter(|text| ids::is_id(text));
    let flow = Some(of.as_str()).filter(|flow| !flow.is_empty());
    let runs = in_time(records.flow_run_heads(flow, before.map(String::as_str), ROWS)).await?;
    let dead: HashMap<String, (String, Option<String>)> =
        in_time(records.dead_flow_runs()).await?.into_iter().map(|dead| (dead.run, (dead.job, dead.reason))).collect();
    let is_full = i64::try_from(runs.len()).is_ok_and(|count| count >= ROWS);
    let next = runs
        .last()
        .filter(|_| is_full)
        .map(|run| format!("/ui/flows?flow={}&before={}", query_part(&of), query_part(&run.id)));
    let stuck = runs.iter().filter(|run| run.outcome.is_none() && dead.contains_key(&run.id)).count();
    let count = console.flows.len();
    let lead = match (count, stuck) {
        (0, _) => "No flow is set up.".to_owned(),
        (_, 0) => format!("{} set up, and no run of the newest is stuck.", are(count)),
        (_, stuck) => format!("{} set up; {stuck} of the newest runs are stuck at a dead job.", are(count)),
    };
    let now = visitor.now;
    let run = |run: sync_workers::records::ListedRun| {
        let died = dead.get(&run.id).filter(|_| run.outcome.is_none());
        let state = match (&run.outcome, died, run.waits_until) {
            (Some(outcome), ..) => state_as(if outcome == "done" { "done" } else { "discarded" }, outcome),
            (None, Some(_), _) => state_as("dead", "stuck"),
            (None, None, Some(until)) => state_as("scheduled", &format!("waits, goes on {}", since(until, now))),
            (None, None, None) => state_as("running", "under way"),
        };
        let location = format!("/ui/locations/{}", segment(&run.location_id));
        let contact = |contact: &String| id_link(contact, &format!("{location}/contacts/{}", segment(contact)));
        Run {
            id: id(&run.id),
            step: step(&console.flows, &run.flow, run.step),
            location: id_link(&run.location_id, &location),
            contact: run.contact_id.as_ref().map(contact),
            job: died.map(|(job, _)| id_link(job, &format!("/ui/jobs/{}", segment(job)))),
            reason: died.and_then(|(_, reason)| reason.clone()).unwrap_or_default(),
            started: ago(run.started_at, now),
            flow: run.flow,
            state,
        }
    };
    Ok(rendered(&Page {
        frame: visitor.frame("/ui/flows", "Flows"),
        lead,
        flows: console.flows.iter().map(|flow| shown(flow, &of)).collect(),
        runs: runs.into_iter().map(run).collect(),
        is_later: before.is_some(),
        next,
        of,
    }))
}

fn are(count: usize) -> String {
    if count == 1 { "1 flow is".to_owned() } else { format!("{count} flows are") }
}

fn shown(flow: &Flow, of: &str) -> Shown {
    Shown {
        to: format!("/ui/flows?flow={}", query_part(&flow.name)),
        name: flow.name.clone(),
        about: flow.about.clone(),
        on: flow.on_words().map_or_else(|| "by hand".to_owned(), |on| on.to_string()),
        steps: flow.steps.len(),
        is_here: flow.name == of,
    }
}

/// The step by its name, where the flow is the one of this process.
fn step(flows: &[Flow], flow: &str, step: i64) -> String {
    let place = usize::try_from(step).unwrap_or(0);
    let flow = flows.iter().find(|known| known.name == flow && place < known.steps.len());
    flow.map_or_else(|| format!("step {}", place + 1), |flow| flow.title(place))
}
