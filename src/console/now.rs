//! What is wrong, newest first, each case with its cause and the button that mends it; or one green line. Then how much waits.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use sync_workers::records::JobState;

use super::alarms::{self, Alarm, Button};
use super::frame::{Frame, rendered};
use super::sample::{COUNTED, Sample};
use super::show::{Markup, ago, counted, grouped, since, span, state_as};
use super::trouble::Trouble;
use super::visitor::Visitor;
use super::{Console, locations, runbook};
use crate::gateway::Reads;

/// Locations that the table holds.
const ROWS: usize = 5;

#[derive(Template)]
#[template(path = "console/now.html")]
struct Page {
    frame: Frame,
    lead: String,
    taken: Markup,
    cases: Vec<Case>,
    figures: Vec<Figure>,
    rows: Vec<locations::Row>,
}

struct Case {
    state: Markup,
    since: Option<Markup>,
    title: String,
    cause: String,
    link: Option<(String, String)>,
    runbook: &'static str,
    anchor: String,
    button: Option<Shown>,
}

/// A button as this visitor may press it.
struct Shown {
    to: String,
    act: &'static str,
    words: &'static str,
    count: Option<String>,
}

struct Figure {
    name: &'static str,
    number: String,
    unit: &'static str,
    note: String,
}

pub(super) async fn page(visitor: Visitor<Reads>, State(console): State<Console>) -> Result<Response, Trouble> {
    let mut frame = visitor.frame("/ui", "Now");
    let sample = console.sample(&visitor.key, visitor.records()).await?;
    let alarms = alarms::of(&sample, frame.is_admin);
    if !alarms.is_empty() {
        frame.title = format!("({}) Now", alarms.len());
    }
    let lead = lead(&alarms, sample.taken_at);
    let cases = alarms.into_iter().map(|alarm| case(alarm, &frame, visitor.now)).collect();
    let mut busiest: Vec<_> = sample.locations.iter().collect();
    busiest.sort_by_key(|location| std::cmp::Reverse(location.waiting));
    Ok(rendered(&Page {
        lead,
        taken: ago(sample.taken_at, visitor.now),
        cases,
        figures: figures(&sample),
        rows: busiest.into_iter().take(ROWS).map(|location| locations::row(location, &sample, visitor.now)).collect(),
        frame,
    }))
}

fn lead(alarms: &[Alarm], now: Timestamp) -> String {
    let newest = alarms.iter().filter_map(|alarm| alarm.since).max();
    let age = newest.map(|newest| format!(", the newest {}", since(newest, now))).unwrap_or_default();
    match alarms.len() {
        0 => "Nothing is wrong. All events that were accepted are done or on their way.".to_owned(),
        1 => format!("One problem{age}. Everything that was accepted is kept."),
        count => format!("{count} problems{age}. Everything that was accepted is kept."),
    }
}

fn case(alarm: Alarm, frame: &Frame, now: Timestamp) -> Case {
    let Alarm { is_bad, since, title, cause, link, runbook, button } = alarm;
    let may = |button: &Button| {
        if button.to.starts_with("/ui/hooks/") { frame.may_administer } else { frame.may_operate }
    };
    let shown =
        |Button { to, act, words, count }| Shown { to, act, words, count: count.map(|count: usize| count.to_string()) };
    Case {
        state: if is_bad { state_as("bad", "Broken") } else { state_as("warn", "At risk") },
        since: since.map(|since| ago(since, now)),
        title,
        cause,
        link,
        runbook,
        anchor: runbook::anchor(runbook),
        button: button.filter(may).map(shown),
    }
}

fn figures(sample: &Sample) -> Vec<Figure> {
    let count = |state| sample.count(state);
    let (waiting, scheduled, running, dead) =
        (count(JobState::Waiting), count(JobState::Scheduled), count(JobState::Running), count(JobState::Dead));
    let (oldest, age) = match sample.oldest {
        None => ("–".to_owned(), "no job waits that could run".to_owned()),
        Some(oldest) => {
            let seconds = sample.taken_at.duration_since(oldest).as_secs().max(0);
            (span(seconds), "since it could have run".to_owned())
        }
    };
    let least = sample.locations.iter().filter_map(|one| Some((one.calls_left?, one))).min_by_key(|(left, _)| *left);
    let (calls, whose) = match least {
        None => ("–".to_owned(), "no location is connected".to_owned()),
        Some((left, one)) => (
            format!("{:.1}", f64::from(left) * 100.0 / f64::from(sample.daily.max(1))),
            format!("{}: {} of {}", alarms::name(one), grouped(u64::from(left)), grouped(u64::from(sample.daily))),
        ),
    };
    let reasons = match sample.dead.groups.len() {
        0 if sample.dead.is_cut => "too many to group within a second".to_owned(),
        0 => "none to decide about".to_owned(),
        1 => "for one reason".to_owned(),
        reasons => format!("for {reasons} reasons"),
    };
    vec![
        Figure {
            name: "Waiting",
            number: counted(waiting, COUNTED),
            unit: "jobs",
            note: format!("{} more are scheduled, {} run", counted(scheduled, COUNTED), counted(running, COUNTED)),
        },
        Figure { name: "Oldest", number: oldest, unit: "", note: age },
        Figure { name: "Dead letters", number: counted(dead, COUNTED), unit: "jobs", note: reasons },
        Figure { name: "Least calls left today", number: calls, unit: "%", note: whose },
    ]
}
