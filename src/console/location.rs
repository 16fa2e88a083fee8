//! One location: whether its jobs run and why not, its calls, its scans, its login; and the buttons that steer it.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use job_engine::{LaneState, LaneView, Limit};
use sync_workers::records::{JobFilter, JobState, Phase, Purpose, Role, Scan};

use super::frame::{Frame, rendered};
use super::jobs::{self, Line};
use super::show::{Markup, ago, ago_or_none, counted, grouped, id, segment, span, state_as};
use super::trouble::{Trouble, in_time};
use super::visitor::{Act, Visitor};
use super::{Console, alarms, locations, sample};
use crate::gateway::{Operates, Reads};
use crate::locations as standing;
use crate::steering::{self, BegunScan, SteerError};

/// Jobs that the page lists.
const JOBS: i64 = 5;

#[derive(Template)]
#[template(path = "console/location.html")]
struct Page {
    frame: Frame,
    path: String,
    name: String,
    state: Markup,
    why: String,
    is_paused: bool,
    is_open: bool,
    is_connected: bool,
    may_operate: bool,
    facts: Vec<(&'static str, Markup)>,
    calls: Calls,
    waiting: String,
    classes: String,
    last_success: Markup,
    dead_count: String,
    scans: Vec<Shown>,
    dead: Vec<Line>,
    jobs_to: String,
    dead_to: String,
    contacts_to: Option<String>,
    conflicts_to: String,
    import_goes_on: bool,
}

/// The calls of the interval and of the day.
struct Calls {
    interval: String,
    burst: u16,
    free: u16,
    out: u16,
    cooling: u16,
    /// Of a bar of 400.
    out_width: u32,
    cooling_width: u32,
    used: u32,
    daily: u32,
    left: String,
    of: String,
}

impl Calls {
    /// A location that the queue does not know has used none.
    fn of(lane: Option<&LaneView>, limit: Limit) -> Self {
        let limit = lane.map_or(limit, |lane| lane.limit);
        let (out, cooling, used) = lane.map_or((0, 0, 0), |lane| (lane.tokens_out, lane.tokens_cooling, lane.day_used));
        let width = |count: u16| u32::from(count) * 400 / u32::from(limit.burst.max(1));
        let used = used.min(limit.daily);
        Self {
            interval: span(i64::try_from(limit.interval.as_secs()).unwrap_or(i64::MAX)),
            burst: limit.burst,
            free: lane.map_or(limit.burst, |lane| lane.tokens_free),
            out,
            cooling,
            out_width: width(out).min(400),
            cooling_width: width(cooling).min(400 - width(out).min(400)),
            used,
            daily: limit.daily,
            left: grouped(u64::from(limit.daily - used)),
            of: grouped(u64::from(limit.daily)),
        }
    }
}

/// A scan as the page shows it.
struct Shown {
    name: &'static str,
    state: Markup,
    /// Percent that is done, where that is known.
    percent: Option<u64>,
    is_running: bool,
    reported: String,
    began: Markup,
}

pub(super) async fn page(
    visitor: Visitor<Reads>,
    State(console): State<Console>,
    Path(location): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Trouble> {
    let (records, queue) = (visitor.records(), console.producer.queue());
    let status = in_time(standing::one(records, &Ok(queue), &console.clock, &location)).await?;
    let status = status.ok_or_else(|| Trouble::no_such("location"))?;
    let lane = queue.lane(&location).await.ok().flatten();
    let mut scans = Vec::new();
    let mut import_goes_on = false;
    for purpose in [Purpose::Import, Purpose::Verify, Purpose::Reconcile, Purpose::Full, Purpose::Details] {
        let Some(scan) = in_time(records.latest_scan(&location, purpose)).await? else { continue };
        import_goes_on |= purpose == Purpose::Import && scan.next_job().is_some();
        let differences = match (purpose, scan.phase) {
            (Purpose::Verify, Phase::Done) => Some(in_time(records.findings(&scan.id)).await?.len()),
            _ => None,
        };
        scans.push(row_of(&scan, differences, visitor.now));
    }
    let filter = JobFilter { state: Some(JobState::Dead), location_id: Some(location.clone()), ..JobFilter::default() };
    let dead = in_time(records.list_jobs(&filter, JOBS + 1)).await?;
    let name = alarms::name(&status);
    let path = format!("/ui/locations/{}", segment(&location));
    let calls = Calls::of(lane.as_ref(), queue.limit());
    let waiting = lane.as_ref().map_or([0; 3], |lane| lane.waiting).map(|count| grouped(u64::from(count)));
    let classes = format!("{} interactive, {} realtime, {} bulk", waiting[0], waiting[1], waiting[2]);
    let held = lane.as_ref().map(|lane| {
        let left = span(i64::try_from(lane.held_for.as_secs()).unwrap_or(i64::MAX).max(1));
        match lane.state {
            LaneState::Ready => "Its jobs run as they come.".to_owned(),
            LaneState::WaitsForTokens => "Its calls of the interval are used; they come back one by one.".to_owned(),
            LaneState::DaySpent => format!("Its calls of the last 24 hours are used; more are free in {left}."),
            LaneState::Paced => {
                format!("Bulk jobs are spread over the rest of the day; the next in {left}. Others run.")
            }
            LaneState::Held => format!("GHL asked to wait, or the queue had lost its state: it goes on in {left}."),
            LaneState::Broken => format!("Calls failed in a row. One job probes it in {left}; nothing is lost."),
            LaneState::Paused => "An operator paused it: its jobs are kept and wait.".to_owned(),
        }
    });
    let held = held
        .or_else(|| (status.state == Some(standing::State::Ready)).then(|| "Its jobs run as they come.".to_owned()));
    let held = match status.state {
        Some(standing::State::NotConnected) => {
            Some("It is not connected: connect it again, and what waits goes on.".to_owned())
        }
        _ => held,
    };
    let said = match (alarms::refusal(&status), status.state) {
        (Some(why), _) => Some(why.to_owned()),
        (None, Some(standing::State::CircuitOpen)) => in_time(sample::last_error(records, &location)).await?,
        (None, _) => None,
    };
    let why = [said.map(|why| format!("{}.", why.trim_end_matches('.'))), held]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ");
    let may_read_people = visitor.key.reads_people;
    let page = Page {
        state: locations::standing(&status),
        is_paused: status.state == Some(standing::State::Paused),
        is_open: status.state == Some(standing::State::CircuitOpen),
        is_connected: status.state != Some(standing::State::NotConnected),
        may_operate: visitor.may(Role::Operator),
        facts: facts(&status, visitor.now),
        dead: dead.iter().take(5).map(|job| jobs::line(job, visitor.now)).collect(),
        jobs_to: format!("/ui/jobs?location={}", segment(&location)),
        dead_to: format!("/ui/dead?location={}", segment(&location)),
        conflicts_to: format!("/ui/conflicts?location={}", segment(&location)),
        contacts_to: may_read_people.then(|| format!("{path}/contacts")),
        frame: visitor.frame("/ui/locations", name.clone()).after(&query),
        name,
        path,
        why,
        calls,
        waiting: grouped(u64::from(status.waiting.unwrap_or(0))),
        classes,
        last_success: ago_or_none(status.last_success_at, visitor.now),
        dead_count: counted(i64::try_from(dead.len()).unwrap_or(i64::MAX), JOBS),
        scans,
        import_goes_on,
    };
    Ok(rendered(&page))
}

fn facts(status: &standing::LocationStatus, now: Timestamp) -> Vec<(&'static str, Markup)> {
    use super::show::plain;

    let mut facts = vec![
        ("Location id", id(&status.location_id)),
        ("Time zone", plain(status.time_zone.as_deref().unwrap_or("not known yet"))),
        ("Connected", ago(status.connected_at, now)),
        ("Last success", ago_or_none(status.last_success_at, now)),
        ("Last webhook", ago_or_none(status.last_webhook_at, now)),
    ];
    if let Some(token) = &status.token {
        let word = if token.state == "active" { "active" } else { "refused" };
        facts.push(("Login", state_as(word, &format!("{} ({})", token.state, status.kind.as_str()))));
        facts.push(("Login since", ago(token.obtained_at, now)));
        if let Some(end) = token.expires_at {
            facts.push(("Token ends", ago(end, now)));
        }
        if let Some(scopes) = &token.scopes {
            facts.push(("Scopes", plain(&scopes.join(" "))));
        }
        if !token.missing_scopes.is_empty() {
            facts.push(("Lacks the scopes", state_as("warn", &token.missing_scopes.join(" "))));
        }
    }
    facts
}

fn row_of(scan: &Scan, differences: Option<usize>, now: Timestamp) -> Shown {
    let name = match scan.purpose {
        Purpose::Import => "Import",
        Purpose::Verify => "Verify",
        Purpose::Reconcile => "Reconcile what changed",
        Purpose::Full => "Reconcile everything",
        Purpose::Details => "Reconcile notes and appointments",
    };
    let is_running = scan.next_job().is_some() && scan.finished_at_ms.is_none();
    let state = match (scan.phase, differences) {
        (Phase::Failed, _) => state_as("failed", "given up"),
        (Phase::Done, Some(0)) => state_as("ok", "equal"),
        (Phase::Done, Some(1)) => state_as("warn", "1 difference"),
        (Phase::Done, Some(count)) => state_as("warn", &format!("{} differences", grouped(count as u64))),
        (Phase::Done, None) => state_as("done", "done"),
        _ if !is_running => state_as("canceled", "made way"),
        _ => state_as("running", "under way"),
    };
    let read = |count: i64| grouped(count.max(0).unsigned_abs());
    let total = scan.total.map(read);
    let of_total = total.as_ref().map(|total| format!(" of {total}")).unwrap_or_default();
    let mut reported = vec![format!("{}{of_total} contacts", read(scan.contacts))];
    if scan.detailed > 0 || scan.phase == Phase::Details {
        reported.push(format!("{} with notes and appointments", read(scan.detailed)));
    }
    reported.push(format!("{} calls", read(scan.calls)));
    if scan.found > 0 {
        reported.push(format!("{} found that no event had reported", read(scan.found)));
    }
    if let Some(left) = is_running.then(|| time_left(scan, now)).flatten() {
        reported.push(format!("about {left} left"));
    }
    let began = scan.finished_at_ms.unwrap_or(scan.started_at_ms);
    Shown {
        name,
        state,
        percent: percent(scan),
        is_running,
        reported: reported.join(" · "),
        began: Timestamp::from_millisecond(began).map_or_else(|_| Markup::default(), |at| ago(at, now)),
    }
}

/// How much of what it has to read it has read: contacts by pages, then, for an import, each contact's notes and appointments.
fn share(scan: &Scan) -> Option<f64> {
    let total = scan.total.filter(|total| *total > 0)? as f64;
    let pages = (scan.contacts as f64 / total).min(1.0);
    let details = (scan.detailed as f64 / total).min(1.0);
    Some(match scan.purpose {
        Purpose::Details => details,
        Purpose::Reconcile | Purpose::Full => pages,
        // Details cost two calls a contact, pages one for hundreds.
        Purpose::Import | Purpose::Verify => 0.05 * pages + 0.95 * details,
    })
}

fn percent(scan: &Scan) -> Option<u64> {
    share(scan).map(|share| (share * 100.0) as u64)
}

/// At the pace so far. The day's quota may make it longer, which the state of the location reports.
fn time_left(scan: &Scan, now: Timestamp) -> Option<String> {
    let share = share(scan).filter(|share| *share > 0.01)?;
    let took = now.as_millisecond().saturating_sub(scan.started_at_ms) as f64 / 1000.0;
    Some(span((took * (1.0 - share) / share) as i64))
}

/// `POST /ui/locations/{location}`: pauses, resumes, or begins a scan.
pub(super) async fn act(
    State(console): State<Console>,
    Path(location): Path<String>,
    act: Act<Operates>,
) -> Result<Response, Trouble> {
    let producer = &act.visitor.producer;
    if in_time(producer.records().connection(&location)).await?.is_none() {
        return Err(Trouble::no_such("location"));
    }
    let done = match act.field("act") {
        Some("pause") => steered(steering::pause(producer, &location, true).await, "pause")?,
        Some("resume") => steered(steering::pause(producer, &location, false).await, "resume")?,
        Some("import") => begun(steering::scan(producer, &location, Purpose::Import).await?)?,
        Some("reconcile") => begun(steering::scan(producer, &location, Purpose::Full).await?)?,
        Some("verify") => begun(steering::scan(producer, &location, Purpose::Verify).await?)?,
        _ => return Err(Trouble::no_such("act")),
    };
    console.samples.forget();
    Ok(Redirect::to(&format!("/ui/locations/{}?done={done}", segment(&location))).into_response())
}

fn begun(scan: BegunScan) -> Result<&'static str, Trouble> {
    match scan {
        BegunScan::Begun(_) => Ok("scan"),
        BegunScan::GoesOn(_) => Ok("goes-on"),
        BegunScan::InTheWay => Ok("in-the-way"),
        BegunScan::NotConnected => Err(Trouble::no_such("connected location")),
    }
}

fn steered(outcome: Result<(), SteerError>, done: &'static str) -> Result<&'static str, Trouble> {
    match outcome {
        Ok(()) => Ok(done),
        Err(SteerError::Records(error)) => Err(error.into()),
        Err(SteerError::Queue(error)) => {
            tracing::error!(%error, "a location was not steered");
            Err(Trouble::no_queue())
        }
    }
}
