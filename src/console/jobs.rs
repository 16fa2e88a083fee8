//! What was accepted, newest first. The filters are the address, and a page leads to the next by the last id that it holds.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::Timestamp;
use sync_model::ids;
use sync_workers::records::{JobFilter, JobKind, JobState, LedgerEntry};

use super::Console;
use super::frame::{Frame, rendered};
use super::sample::COUNTED;
use super::show::{Markup, ago, counted, id, id_link, plain, query_part, segment, since, state_as};
use super::trouble::{Trouble, in_time};
use super::visitor::Visitor;
use crate::gateway::Reads;

/// Jobs of a page.
const ROWS: i64 = 50;

#[derive(Template)]
#[template(path = "console/jobs.html")]
struct Page {
    frame: Frame,
    lead: String,
    tabs: Vec<Tab>,
    state: String,
    kinds: Vec<(&'static str, bool)>,
    location: String,
    error: String,
    lines: Vec<Line>,
    is_filtered: bool,
    is_later: bool,
    newest: String,
    next: Option<String>,
    wrong: Option<String>,
}

struct Tab {
    to: String,
    name: &'static str,
    count: Option<String>,
    is_here: bool,
}

/// A job in a table.
pub(super) struct Line {
    pub(super) link: Markup,
    pub(super) kind: String,
    pub(super) state: Markup,
    pub(super) why: String,
    pub(super) location: Markup,
    pub(super) record: Markup,
    pub(super) priority: &'static str,
    pub(super) attempts: i64,
    pub(super) accepted: Markup,
}

const TABS: [(&str, &str); 7] = [
    ("", "All"),
    ("waiting", "Waiting"),
    ("scheduled", "Scheduled"),
    ("running", "Running"),
    ("dead", "Dead"),
    ("done", "Done"),
    ("discarded", "Discarded"),
];

pub(super) async fn page(
    visitor: Visitor<Reads>,
    State(console): State<Console>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Trouble> {
    let sample = console.sample(&visitor.key, visitor.records()).await?;
    let text = |name: &str| query.get(name).map(|text| text.trim().replace('\0', "")).unwrap_or_default();
    let (state, kind, location, error, before) =
        (text("state"), text("kind"), text("location"), text("error"), text("before"));
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let filter = JobFilter {
        state: JobState::parse(&state),
        location_id: some(&location),
        kind: some(&kind),
        error: some(&error),
        since: None,
        before: some(&before).filter(|before| ids::is_id(before)),
    };
    // An index has what is open and what is dead; of what is done, a filter that few rows pass may look at many.
    let (jobs, wrong) = match in_time(visitor.records().list_jobs(&filter, ROWS)).await {
        Ok(jobs) => (jobs, None),
        Err(_) => (Vec::new(), Some("Too many jobs would have to be looked through for this within two seconds. Choose a state, or fewer filters.".to_owned())),
    };
    let address = |state: &str, before: &str| {
        let parts = [("state", state), ("kind", &kind), ("location", &location), ("error", &error), ("before", before)];
        let parts = parts.into_iter().filter(|(_, text)| !text.is_empty());
        let query: Vec<_> = parts.map(|(name, text)| format!("{name}={}", query_part(text))).collect();
        if query.is_empty() { "/ui/jobs".to_owned() } else { format!("/ui/jobs?{}", query.join("&")) }
    };
    let count = |word: &str| {
        let state = JobState::parse(word)?;
        matches!(state, JobState::Waiting | JobState::Scheduled | JobState::Running | JobState::Dead)
            .then(|| counted(sample.count(state), COUNTED))
    };
    let of = |state: JobState| counted(sample.count(state), COUNTED);
    let lead = format!(
        "{} jobs wait, {} are scheduled, {} run, {} are dead letters.",
        of(JobState::Waiting),
        of(JobState::Scheduled),
        of(JobState::Running),
        of(JobState::Dead)
    );
    let is_filtered = [&kind, &location, &error].into_iter().any(|text| !text.is_empty());
    let is_full = i64::try_from(jobs.len()).is_ok_and(|count| count >= ROWS);
    let next = jobs.last().filter(|_| is_full).map(|job| address(&state, &job.id));
    Ok(rendered(&Page {
        frame: visitor.frame("/ui/jobs", "Jobs"),
        lead,
        tabs: TABS
            .map(|(word, name)| Tab { to: address(word, ""), name, count: count(word), is_here: word == state })
            .into(),
        kinds: JobKind::ALL.map(|known| (known.as_str(), known.as_str() == kind)).into(),
        lines: jobs.iter().map(|job| line(job, visitor.now)).collect(),
        is_filtered,
        is_later: !before.is_empty(),
        newest: address(&state, ""),
        next,
        wrong,
        state,
        location,
        error,
    }))
}

/// A job for a table.
pub(super) fn line(job: &LedgerEntry, now: Timestamp) -> Line {
    let path = format!("/ui/jobs/{}", segment(&job.id));
    let location = format!("/ui/locations/{}", segment(&job.key.location_id));
    Line {
        link: id_link(&job.id, &path),
        kind: job.key.kind.clone(),
        state: state_of(job),
        why: why(job, now),
        location: id_link(&job.key.location_id, &location),
        record: match &job.key.record_id {
            record if *record == job.key.location_id => plain("the location itself"),
            record => id(record),
        },
        priority: job.priority.as_str(),
        attempts: job.attempts,
        accepted: ago(job.created_at, now),
    }
}

/// Its state, with what GHL made of it.
pub(super) fn state_of(job: &LedgerEntry) -> Markup {
    match (job.state, job.outcome) {
        (JobState::Done, Some(outcome)) if outcome.as_str() != "applied" => {
            state_as(outcome.as_str(), &format!("done, {}", words(outcome.as_str())))
        }
        (state, _) => state_as(state.as_str(), state.as_str()),
    }
}

fn words(outcome: &str) -> &str {
    match outcome {
        "partlyApplied" => "partly applied",
        other => other,
    }
}

fn why(job: &LedgerEntry, now: Timestamp) -> String {
    if let Some(discarded) = &job.discarded {
        return format!("by {}: {}", discarded.by, discarded.why);
    }
    let error = job.last_error.as_deref().filter(|_| job.state != JobState::Done);
    let due = job.due_at.filter(|_| job.state == JobState::Scheduled).map(|due| since(due, now));
    match (error, due) {
        (Some(error), Some(due)) => format!("{error}; tried again {due}"),
        (Some(error), None) => error.to_owned(),
        (None, Some(due)) => format!("due {due}"),
        (None, None) => String::new(),
    }
}
