//! Every connected location, those in trouble first.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};

use super::frame::{Frame, rendered};
use super::sample::Sample;
use super::show::{Markup, ago_or_none, dash, grouped, id, query_part, segment, state, state_as};
use super::trouble::Trouble;
use super::visitor::Visitor;
use super::{Console, alarms};
use crate::gateway::Reads;
use crate::locations::{LocationStatus, State as Standing};

/// Locations of a page.
const ROWS: usize = 100;
/// A location that is in use sends a webhook more often than this.
const QUIET: SignedDuration = SignedDuration::from_hours(24);

#[derive(Template)]
#[template(path = "console/locations.html")]
struct Page {
    frame: Frame,
    lead: String,
    tabs: Vec<Tab>,
    query: String,
    show: String,
    rows: Vec<Row>,
    /// How many there are that the page does not hold.
    more: usize,
    next: String,
    is_empty: bool,
}

struct Tab {
    to: String,
    name: &'static str,
    count: String,
    is_here: bool,
}

/// A location in a table.
pub(super) struct Row {
    pub(super) path: String,
    pub(super) name: String,
    pub(super) id: Markup,
    pub(super) state: Markup,
    pub(super) why: String,
    pub(super) waiting: Markup,
    pub(super) calls_left: Markup,
    pub(super) left: u32,
    pub(super) daily: u32,
    pub(super) last_success: Markup,
    pub(super) last_webhook: Markup,
}

/// Which locations a tab shows.
const SHOWN: [(&str, &str); 7] = [
    ("", "All"),
    ("trouble", "Need a look"),
    ("circuit_open", "Circuit open"),
    ("throttled", "Throttled"),
    ("paused", "Paused"),
    ("not_connected", "Not connected"),
    ("quiet", "No webhooks"),
];

pub(super) async fn page(
    visitor: Visitor<Reads>,
    State(console): State<Console>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Trouble> {
    let sample = console.sample(&visitor.key, visitor.records()).await?;
    let text = |name: &str| query.get(name).map(|text| text.trim().to_owned()).unwrap_or_default();
    let (words, show) = (text("q"), text("show"));
    let from: usize = text("from").parse().unwrap_or(0);
    let wanted = words.to_lowercase();
    let mut found: Vec<&LocationStatus> = sample
        .locations
        .iter()
        .filter(|one| is_visible(one, &show, &sample))
        .filter(|one| {
            let name = one.name.as_deref().unwrap_or_default().to_lowercase();
            name.contains(&wanted) || one.location_id.to_lowercase().contains(&wanted)
        })
        .collect();
    found.sort_by_key(|one| (rank(one), std::cmp::Reverse(one.waiting), one.location_id.clone()));
    let count = |show: &str| sample.locations.iter().filter(|one| is_visible(one, show, &sample)).count();
    let tabs = SHOWN.into_iter().map(|(word, name)| Tab {
        to: format!("/ui/locations?show={word}"),
        name,
        count: grouped(count(word) as u64),
        is_here: word == show,
    });
    let lead = match (sample.locations.len(), count("trouble")) {
        (0, _) => "No location is connected.".to_owned(),
        (all, 0) => format!("{} known, and none needs a look.", are(all)),
        (all, trouble) => format!(
            "{} known; {} a look.",
            are(all),
            if trouble == 1 { "1 needs".to_owned() } else { format!("{trouble} need") }
        ),
    };
    let rows = found.iter().skip(from).take(ROWS).map(|one| row(one, &sample, visitor.now)).collect();
    Ok(rendered(&Page {
        frame: visitor.frame("/ui/locations", "Locations"),
        lead,
        tabs: tabs.collect(),
        more: found.len().saturating_sub(from + ROWS),
        next: format!("/ui/locations?show={}&q={}&from={}", query_part(&show), query_part(&words), from + ROWS),
        is_empty: sample.locations.is_empty(),
        query: words,
        show,
        rows,
    }))
}

fn are(count: usize) -> String {
    if count == 1 { "1 location is".to_owned() } else { format!("{} locations are", grouped(count as u64)) }
}

fn is_visible(one: &LocationStatus, show: &str, sample: &Sample) -> bool {
    match show {
        "" => true,
        "trouble" => rank(one) < 3,
        "quiet" => {
            let is_late = |last| sample.taken_at.duration_since(last) > QUIET;
            one.state != Some(Standing::NotConnected) && one.last_webhook_at.is_none_or(is_late)
        }
        state => one.state.is_some_and(|own| own.as_str() == state),
    }
}

/// The less, the more it needs somebody.
fn rank(one: &LocationStatus) -> u8 {
    match one.state {
        Some(Standing::CircuitOpen) => 0,
        _ if alarms::refusal(one).is_some() && one.state != Some(Standing::NotConnected) => 0,
        Some(Standing::Throttled) if one.calls_left == Some(0) => 1,
        Some(Standing::Paused) => 2,
        Some(Standing::Throttled) => 3,
        Some(Standing::Ready) | None => 4,
        Some(Standing::NotConnected) => 5,
    }
}

/// A location for a table.
pub(super) fn row(one: &LocationStatus, sample: &Sample, now: Timestamp) -> Row {
    Row {
        path: format!("/ui/locations/{}", segment(&one.location_id)),
        name: alarms::name(one),
        id: id(&one.location_id),
        state: standing(one),
        why: alarms::refusal(one).unwrap_or_default().to_owned(),
        waiting: one.waiting.map_or_else(dash, |count| number(u64::from(count))),
        calls_left: one.calls_left.map_or_else(dash, |left| number(u64::from(left))),
        left: one.calls_left.unwrap_or(0),
        daily: sample.daily,
        last_success: ago_or_none(one.last_success_at, now),
        last_webhook: ago_or_none(one.last_webhook_at, now),
    }
}

/// Its state; another process may be the only one that knows it.
pub(super) fn standing(one: &LocationStatus) -> Markup {
    one.state.map_or_else(|| state_as("off", "not known here"), |own| state(own.as_str()))
}

fn number(number: u64) -> Markup {
    super::show::plain(&grouped(number))
}
