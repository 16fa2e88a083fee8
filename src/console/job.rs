//! One job: what became of each attempt, why it does not run, its place in line; and the buttons that decide about it.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use sync_workers::records::{JobState, LedgerEntry, Role};

use super::Console;
use super::frame::{Frame, rendered};
use super::jobs::state_of;
use super::show::{Markup, ago, id, id_link, plain, segment, state_as};
use super::trouble::{Trouble, in_time};
use super::visitor::{Act, Visitor};
use crate::gateway::{Operates, Reads};
use crate::{causes, explain, steering};

#[derive(Template)]
#[template(path = "console/job.html")]
struct Page {
    frame: Frame,
    path: String,
    kind: String,
    state: Markup,
    why: String,
    facts: Vec<(&'static str, Markup)>,
    steps: Vec<Step>,
    buttons: Vec<Button>,
    is_over: bool,
}

/// Something that happened to the job.
struct Step {
    state: Markup,
    at: Markup,
    reported: String,
}

struct Button {
    act: &'static str,
    words: &'static str,
    class: &'static str,
    confirm: Option<(&'static str, &'static str)>,
}

pub(super) async fn page(
    visitor: Visitor<Reads>,
    State(console): State<Console>,
    Path(job): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Trouble> {
    let records = visitor.records();
    let job = in_time(records.job(&job)).await?.ok_or_else(|| Trouble::no_such("job"))?;
    let attempts = in_time(records.failed_attempts(&job.id)).await?;
    let flow = in_time(records.step_of(&job)).await?;
    let why = explain::why(&job, Ok(console.producer.queue())).await;
    let now = visitor.now;
    let mut steps =
        vec![step("waiting", "accepted", job.created_at, now, format!("{} by {}", job.event_type, job.source))];
    steps.extend(attempts.iter().map(|attempt| {
        step("failed", &format!("attempt {} failed", attempt.attempt), attempt.failed_at, now, attempt.error.clone())
    }));
    steps.extend(last_step(&job, now));
    Ok(rendered(&Page {
        path: format!("/ui/jobs/{}", segment(&job.id)),
        state: state_of(&job),
        why: match (job.state, &job.last_error) {
            (JobState::Dead, Some(error)) => format!("{} {}", sentence(error), causes::remedy(error)),
            _ => why.map(|why| sentence(&why)).unwrap_or_default(),
        },
        facts: facts(&job, flow.as_ref(), now),
        buttons: if visitor.may(Role::Operator) { buttons(job.state) } else { Vec::new() },
        frame: visitor.frame("/ui/jobs", format!("{} {}", job.key.kind, job.id)).after(&query),
        is_over: job.state.is_over(),
        kind: job.key.kind,
        steps,
    }))
}

/// Begins as a sentence does and ends so.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

fn step(state: &str, words: &str, at: Timestamp, now: Timestamp, reported: String) -> Step {
    Step { state: state_as(state, words), at: ago(at, now), reported }
}

/// How it stands, as the end of its time line.
fn last_step(job: &LedgerEntry, now: Timestamp) -> Option<Step> {
    let at = job.finished_at.or(job.started_at).unwrap_or(job.created_at);
    Some(match job.state {
        JobState::Running => step("running", "running", job.started_at?, now, String::new()),
        JobState::Scheduled => step("scheduled", "due", job.due_at?, now, "It runs then by itself.".to_owned()),
        JobState::Waiting => return None,
        JobState::Done => step("done", "done", at, now, unapplied(job)),
        JobState::Dead => step("dead", "given up", at, now, job.last_error.clone().unwrap_or_default()),
        JobState::Discarded => {
            let discarded = job.discarded.as_ref()?;
            step("discarded", "discarded", discarded.at, now, format!("by {}: {}", discarded.by, discarded.why))
        }
    })
}

fn unapplied(job: &LedgerEntry) -> String {
    match job.unapplied.as_slice() {
        [] => String::new(),
        fields => format!("GHL holds otherwise than asked: {}", fields.join(", ")),
    }
}

fn facts(
    job: &LedgerEntry,
    flow: Option<&sync_workers::records::StepOf>,
    now: Timestamp,
) -> Vec<(&'static str, Markup)> {
    let location = format!("/ui/locations/{}", segment(&job.key.location_id));
    let mut facts = vec![
        ("Job", id(&job.id)),
        ("Location", id_link(&job.key.location_id, &location)),
        ("Record", record(job)),
        ("Event", plain(&format!("{} from {}", job.event_type, job.source))),
        ("Priority", plain(job.priority.as_str())),
        ("Attempts spent", plain(&job.attempts.to_string())),
        ("Accepted", ago(job.created_at, now)),
    ];
    if let Some(event) = &job.event_id {
        facts.push(("Event id", id(event)));
    }
    if let Some(step) = flow {
        facts.push(("Flow", plain(&format!("{}, {}", step.flow, step.step))));
        facts.push(("Run", id(&step.run_id)));
    }
    facts
}

/// A contact leads to its page.
fn record(job: &LedgerEntry) -> Markup {
    let key = &job.key;
    match key.kind.as_str() {
        "pull_contact" | "push_contact" => {
            let to = format!("/ui/locations/{}/contacts/{}", segment(&key.location_id), segment(&key.record_id));
            id_link(&key.record_id, &to)
        }
        _ => id(&key.record_id),
    }
}

fn buttons(state: JobState) -> Vec<Button> {
    let plain = |act, words, class| Button { act, words, class, confirm: None };
    let asked = |act, words, title, text| Button { act, words, class: "risky", confirm: Some((title, text)) };
    const TAKEN_BACK: &str = "What it would have written is taken back: an edit reads again as GHL holds it, and a record that GHL never took is gone.";
    match state {
        JobState::Dead => {
            vec![plain("retry", "Retry", "main"), asked("discard", "Discard", "Discard this job for good?", TAKEN_BACK)]
        }
        JobState::Waiting | JobState::Scheduled => {
            vec![plain("run-now", "Run now", "main"), asked("cancel", "Cancel", "Cancel this job?", TAKEN_BACK)]
        }
        JobState::Running | JobState::Done | JobState::Discarded => Vec::new(),
    }
}

/// `POST /ui/jobs/{job}`: decides about it, as `POST /v1/jobs/…` does.
pub(super) async fn act(
    State(console): State<Console>,
    Path(job): Path<String>,
    act: Act<Operates>,
) -> Result<Response, Trouble> {
    let producer = &act.visitor.producer;
    let job = in_time(producer.records().job(&job)).await?.ok_or_else(|| Trouble::no_such("job"))?;
    let ids = [job.id.clone()];
    let decision = act.visitor.decision(act.field("reason"));
    let what = act.field("act").unwrap_or_default();
    let fits = match job.state {
        JobState::Dead => matches!(what, "retry" | "discard"),
        JobState::Waiting | JobState::Scheduled => matches!(what, "run-now" | "cancel"),
        JobState::Running | JobState::Done | JobState::Discarded => false,
    };
    if !fits {
        return Err(Trouble::moved_on(job.state.as_str()));
    }
    if matches!(what, "discard" | "cancel") && act.field("sure").is_none() {
        return Ok(super::confirm::page(&act.visitor, &format!("/ui/jobs/{}", segment(&job.id)), what, 1));
    }
    match what {
        "retry" => steering::retry(producer, &ids).await?,
        "discard" => steering::discard(producer.records(), &ids, &decision).await?,
        "run-now" => drop(steering::run_now(producer, &ids).await?),
        _ => drop(steering::cancel(producer.records(), &ids, &decision).await?),
    }
    console.samples.forget();
    Ok(Redirect::to(&format!("/ui/jobs/{}?done={what}", segment(&job.id))).into_response())
}
