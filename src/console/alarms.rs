//! What is wrong, from a sample: each case with its cause in a sentence, the section of the runbook, and the button that mends it.

use std::cmp::Reverse;

use jiff::{SignedDuration, Timestamp};
use sync_workers::records::{HookState, JobState};

use super::sample::Sample;
use super::show::{counted, grouped, segment, since, span};
use crate::causes::Group;
use crate::locations::{LocationStatus, State};

/// A job that could run and did not for so long means that nobody works.
const LATE: SignedDuration = SignedDuration::from_mins(5);
/// A location that is in use sends a webhook more often than this.
const QUIET: SignedDuration = SignedDuration::from_hours(24);
/// Cases of one sort that are reported one by one.
const EACH: usize = 5;
/// A location that has less than one part in so many of its day left is in need.
const LITTLE: u32 = 20;

/// Something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alarm {
    pub(super) is_bad: bool,
    /// Since when, as far as that is known.
    pub(super) since: Option<Timestamp>,
    pub(super) title: String,
    /// Why, and what becomes of it by itself.
    pub(super) cause: String,
    /// Where to look: address and words.
    pub(super) link: Option<(String, String)>,
    /// A section of the runbook.
    pub(super) runbook: &'static str,
    pub(super) button: Option<Button>,
}

/// A form of one button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Button {
    pub(super) to: String,
    /// What it asks for.
    pub(super) act: &'static str,
    pub(super) words: &'static str,
    /// How many it is about; stands in the button.
    pub(super) count: Option<usize>,
}

impl Alarm {
    fn new(is_bad: bool, title: impl Into<String>, cause: impl Into<String>, runbook: &'static str) -> Self {
        Self { is_bad, since: None, title: title.into(), cause: cause.into(), link: None, runbook, button: None }
    }

    fn since(self, since: Option<Timestamp>) -> Self {
        Self { since, ..self }
    }

    fn link(self, to: impl Into<String>, words: impl Into<String>) -> Self {
        Self { link: Some((to.into(), words.into())), ..self }
    }

    fn button(self, to: String, act: &'static str, words: &'static str) -> Self {
        Self { button: Some(Button { to, act, words, count: None }), ..self }
    }
}

/// All that is wrong: what is broken before what is at risk, and the newest first.
pub(super) fn of(sample: &Sample, is_admin: bool) -> Vec<Alarm> {
    let mut alarms = parts(sample);
    alarms.extend(locations(sample));
    alarms.extend(dead(sample));
    alarms.extend(hooks(sample));
    if is_admin && sample.ending_keys > 0 {
        let title = format!("{} API keys end within 14 days", sample.ending_keys);
        let cause =
            "Whoever uses one is refused from then on. A rotated key has a new secret and the old one for a while.";
        alarms.push(Alarm::new(false, title, cause, "ClientyApiKeyEnds").link("/ui/keys", "Keys"));
    }
    alarms.sort_by_key(|alarm| Reverse((alarm.is_bad, alarm.since)));
    alarms
}

/// The processes and what they stand on.
fn parts(sample: &Sample) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    let now = sample.taken_at;
    let open =
        [JobState::Waiting, JobState::Scheduled, JobState::Running].map(|state| sample.count(state)).iter().sum();
    if let Some(error) = &sample.queue_error {
        let cause = format!("{error}. What is accepted is kept in the database, and runs once the queue answers.");
        alarms.push(Alarm::new(true, "The queue does not answer", cause, "ClientyQueueDown"));
    }
    if open > 0 && !sample.processes.iter().any(|one| one.role != "gateway") {
        let title = format!("No worker is alive, and {} jobs are open", counted(open, super::sample::COUNTED));
        let cause = "Nothing runs until a worker starts: `clienty-sync worker`, or `clienty-sync up`. Nothing is lost meanwhile.";
        alarms.push(Alarm::new(true, title, cause, "ClientyNoWorker").link("/ui/processes", "Processes"));
    }
    if let Some(oldest) = sample.oldest.filter(|oldest| now.duration_since(*oldest) > LATE) {
        let title = format!("A job could have run {}", since(oldest, now));
        let cause = "Its location has used its calls, or workers are too few; the job's page says which.";
        let alarm = Alarm::new(false, title, cause, "ClientyOldestJobWaits").since(Some(oldest));
        alarms.push(alarm.link("/ui/jobs?state=waiting", "Waiting jobs"));
    }
    if let Some(differing) = differing(sample) {
        let cause = "The same event is treated in different ways, depending on who takes it. Restart the processes with the same release, settings and flows.";
        alarms.push(Alarm::new(false, differing, cause, "Upgrade").link("/ui/processes", "Processes"));
    }
    alarms
}

fn differing(sample: &Sample) -> Option<String> {
    let first = sample.processes.first()?;
    let differ = |is_other: &dyn Fn(&sync_workers::records::Process) -> bool| sample.processes.iter().any(is_other);
    let what = [
        ("version", differ(&|one| one.version != first.version)),
        ("flows", differ(&|one| one.flows != first.flows)),
        ("master keys", differ(&|one| one.master_keys != first.master_keys)),
        ("queue", differ(&|one| one.queue != first.queue)),
    ];
    let what: Vec<_> = what.into_iter().filter(|(_, differs)| *differs).map(|(what, _)| what).collect();
    (!what.is_empty()).then(|| format!("The live processes differ in {}", what.join(" and ")))
}

fn locations(sample: &Sample) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    let of = |is_so: &dyn Fn(&&LocationStatus) -> bool| sample.locations.iter().filter(is_so).collect::<Vec<_>>();
    let broken = of(&|one| one.state == Some(State::CircuitOpen));
    for location in broken.iter().take(EACH) {
        let path = path(location);
        let said = refusal(location).or_else(|| sample.failures.get(&location.location_id).map(String::as_str));
        let title = match said {
            Some(why) if refusal(location).is_some() || why.contains("not authorize") => {
                format!("GHL refuses the token of {}", name(location))
            }
            _ => format!("The calls of {} fail", name(location)),
        };
        let why = said.unwrap_or("Calls failed in a row").trim_end_matches('.');
        let cause = format!(
            "{why}. Its circuit is open: {} wait and none is lost. One job probes it now and then.",
            jobs(location.waiting)
        );
        let alarm = Alarm::new(true, title, cause, "ClientyLocationsCircuitOpen").since(location.last_success_at);
        alarms.push(alarm.link(path.clone(), name(location)).button(path, "resume", "Probe now"));
    }
    let unusable =
        of(&|one| !matches!(one.state, Some(State::CircuitOpen | State::NotConnected)) && refusal(one).is_some());
    for location in unusable.iter().take(EACH) {
        let title = format!("The login of {} is of no use", name(location));
        let cause = format!("{}. Connect the location again.", refusal(location).unwrap_or_default());
        alarms.push(
            Alarm::new(true, title, cause, "\"The token can't be refreshed\"").link(path(location), name(location)),
        );
    }
    let paused = of(&|one| one.state == Some(State::Paused));
    for location in paused.iter().take(EACH) {
        let title = format!("{} is paused", name(location));
        let cause = format!("An operator paused it: {} wait until it is resumed.", jobs(location.waiting));
        let alarm = Alarm::new(false, title, cause, "Stop for maintenance");
        alarms.push(alarm.link(path(location), name(location)).button(path(location), "resume", "Resume"));
    }
    let needy = of(&|one| {
        one.state != Some(State::NotConnected) && one.calls_left.is_some_and(|left| left < sample.daily / LITTLE)
    });
    for location in needy.iter().take(EACH) {
        let left = location.calls_left.unwrap_or(0);
        let share = f64::from(left) * 100.0 / f64::from(sample.daily.max(1));
        let title = format!("{} has {share:.1} % of its calls of today left", name(location));
        let cause = format!(
            "After {} more calls its jobs wait until calls leave the last 24 hours. {} wait now.",
            grouped(u64::from(left)),
            jobs(location.waiting)
        );
        alarms.push(Alarm::new(left == 0, title, cause, "ClientyDailyQuotaLow").link(path(location), name(location)));
    }
    let quiet = of(&|one| {
        let last = one.last_webhook_at;
        one.state != Some(State::NotConnected) && last.is_some_and(|last| sample.taken_at.duration_since(last) > QUIET)
    });
    if let Some(latest) = quiet.iter().filter_map(|one| one.last_webhook_at).max() {
        let title = match quiet[..] {
            [one] => format!(
                "GHL has sent no webhook of {} for {}",
                name(one),
                span(sample.taken_at.duration_since(latest).as_secs())
            ),
            _ => format!("GHL has sent no webhook of {} locations for a day", quiet.len()),
        };
        let cause = "See that the marketplace app sends its webhooks to this gateway. Reconciliation finds the changes until then, only later.";
        let link = match quiet[..] {
            [one] => (path(one), name(one)),
            _ => ("/ui/locations?show=quiet".to_owned(), "These locations".to_owned()),
        };
        alarms
            .push(Alarm::new(false, title, cause, "ClientyWebhooksUnsigned").since(Some(latest)).link(link.0, link.1));
    }
    for (sort, what, query) in [
        (&broken, "circuits are open", "circuit_open"),
        (&paused, "locations are paused", "paused"),
        (&needy, "locations have few calls left", "trouble"),
    ] {
        if sort.len() > EACH {
            let title = format!("{} more {what}", sort.len() - EACH);
            let cause = "Many at once mostly have one cause: look at the first few.";
            alarms.push(
                Alarm::new(false, title, cause, "First").link(format!("/ui/locations?show={query}"), "These locations"),
            );
        }
    }
    alarms
}

fn dead(sample: &Sample) -> Vec<Alarm> {
    let now = sample.taken_at;
    let alarm = |group: &Group| {
        let is_new = now.duration_since(group.last_at) < SignedDuration::from_hours(1);
        let count = grouped(group.count as u64);
        let title = match group.count {
            1 => format!("1 {} job is a dead letter", group.kind),
            _ => format!("{count} {} jobs are dead letters for one reason", group.kind),
        };
        let cause = format!("{}. {}", group.cause.trim_end_matches('.'), group.remedy);
        let path = format!("/ui/dead/{}", group.id);
        let alarm = Alarm::new(is_new, title, cause, "ClientyDeadJobsGrow").since(Some(group.last_at));
        let button = Button { to: path.clone(), act: "retry", words: "Retry", count: Some(group.count) };
        Alarm { button: Some(button), ..alarm.link(path, "Look at the group") }
    };
    let mut alarms: Vec<_> = sample.dead.groups.iter().take(EACH).map(alarm).collect();
    let more = sample.dead.groups.len().saturating_sub(EACH);
    if more > 0 {
        let title = format!("Dead letters have {more} more reasons");
        alarms
            .push(Alarm::new(false, title, "They are older.", "ClientyDeadJobsWait").link("/ui/dead", "Dead letters"));
    }
    alarms
}

fn hooks(sample: &Sample) -> Vec<Alarm> {
    let failing = sample.hooks.iter().filter_map(|hook| {
        let host = hook.url.split('/').nth(2).unwrap_or(&hook.url);
        let path = format!("/ui/hooks/{}", segment(&hook.id));
        let why = hook.disabled_why.as_deref().filter(|why| *why != "by request");
        if let (HookState::Disabled, Some(why)) = (hook.state, why) {
            let title = format!("The hook to {host} was disabled");
            let cause = format!("{why}. It is told of nothing more. Once its receiver is well, enable it: it is told what it missed.");
            let alarm = Alarm::new(true, title, cause, "ClientyHookFails").since(hook.disabled_at);
            return Some(alarm.link(path.clone(), "The hook").button(path, "enable", "Enable"));
        }
        let since = hook.failing_since.filter(|_| hook.state == HookState::Active)?;
        let title = format!("Deliveries to {host} fail");
        let cause = "Its receiver refuses them or does not answer. They are kept and tried again; after five days without one success the hook is disabled.";
        Some(Alarm::new(false, title, cause, "ClientyHookFails").since(Some(since)).link(path, "The hook"))
    });
    failing.take(EACH).collect()
}

fn path(location: &LocationStatus) -> String {
    format!("/ui/locations/{}", segment(&location.location_id))
}

/// As people call it.
pub(super) fn name(location: &LocationStatus) -> String {
    location.name.clone().unwrap_or_else(|| location.location_id.clone())
}

/// Why its login is of no use; none where it is.
pub(super) fn refusal(location: &LocationStatus) -> Option<&str> {
    let token = location.token.as_ref()?;
    match token.state {
        "active" => None,
        "expired" => Some("Its token has expired, and nothing refreshes it"),
        _ => Some(token.reason.as_deref().unwrap_or("GHL has withdrawn its token")),
    }
}

fn jobs(waiting: Option<u32>) -> String {
    match waiting {
        None => "its jobs".to_owned(),
        Some(1) => "1 job".to_owned(),
        Some(count) => format!("{} jobs", grouped(u64::from(count))),
    }
}
