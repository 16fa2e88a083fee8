//! Flows and their runs as people read them: JSON for programs, and a sentence for each step.

use ghl::catalog::catalog;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sync_workers::flows::{Flow, StepAction};
use sync_workers::records::{FlowRun, RunJobs};

/// What a step does, in a few words that go on from "the step": "waits 2d", "creates a task “Call {contact.name}”".
#[must_use]
pub fn step(flow: &Flow, index: usize) -> String {
    match flow.steps.get(index).map(|step| &step.action) {
        Some(StepAction::Wait(wait)) => format!("waits {wait}"),
        Some(StepAction::Event(said)) => event(&said.event_type, &Value::Object(said.data.clone())),
        Some(StepAction::Call(said)) => call(&said.operation),
        Some(StepAction::Script(script)) => runs(&script.source.name),
        Some(StepAction::Http(http)) => requests(http.method, &http.url),
        None => "is at its end".to_owned(),
    }
}

/// What an event does.
#[must_use]
pub fn event(event_type: &str, data: &Value) -> String {
    let named = |field: &str| match data[field].as_str() {
        Some(text) => format!(" “{}”", short(text)),
        None => String::new(),
    };
    let list = |field: &str| match &data[field] {
        Value::Array(items) => {
            let items: Vec<_> =
                items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect();
            Some(items.join(", "))
        }
        Value::String(text) => Some(text.clone()),
        _ => None,
    };
    let fields = || {
        let names: Vec<_> = data.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) }
    };
    match event_type {
        "contact.selected" => "fetches the contact".to_owned(),
        "contact.created" => format!("creates a contact{}", fields()),
        "contact.updated" => format!("edits the contact{}", fields()),
        "contact.deleted" => "deletes the contact".to_owned(),
        "contact.tagged" => {
            let given = list("tags").map(|tags| format!("gives the contact the tags {tags}"));
            let taken = list("removeTags").map(|tags| format!("takes the tags {tags} from the contact"));
            let both: Vec<_> = given.into_iter().chain(taken).collect();
            if both.is_empty() { "changes the contact's tags".to_owned() } else { both.join(" and ") }
        }
        "task.created" => format!("creates a task{}", named("title")),
        "task.updated" => format!("edits a task{}", fields()),
        "task.completed" => "completes a task".to_owned(),
        "task.deleted" => "deletes a task".to_owned(),
        "note.created" => format!("writes a note{}", named("noteText")),
        "note.updated" => format!("edits a note{}", named("noteText")),
        "note.deleted" => "deletes a note".to_owned(),
        "appointment.created" => format!("books an appointment{}", named("title")),
        "appointment.updated" => format!("edits an appointment{}", fields()),
        "appointment.deleted" => "deletes an appointment".to_owned(),
        other => format!("sends the event {other}"),
    }
}

/// What a script does.
#[must_use]
pub fn runs(script: &str) -> String {
    format!("runs the script {script}")
}

/// What an HTTP step does. Of the address only the host is shown: the rest may hold a key of the receiver.
#[must_use]
pub fn requests(method: &str, url: &str) -> String {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    format!("sends a {method} request to {}", host.split(['/', '?', '#']).next().unwrap_or(host))
}

/// What a call does.
#[must_use]
pub fn call(operation: &str) -> String {
    let summary = catalog().operation(operation).map(|found| short(found.does.trim().trim_end_matches('.')));
    match summary.filter(|summary| !summary.is_empty()) {
        Some(summary) => format!("calls {operation} ({summary})"),
        None => format!("calls {operation}"),
    }
}

/// At most so many letters of a text.
const SHORT: usize = 60;

fn short(text: &str) -> String {
    match text.char_indices().nth(SHORT) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// What a flow says of itself.
#[must_use]
pub fn flow(flow: &Flow) -> Map<String, Value> {
    let steps: Vec<_> = (0..flow.steps.len()).map(|index| of_step(flow, index)).collect();
    let reported = json!({
        "about": flow.about,
        "on": flow.on_words(),
        "needsContact": flow.needs_contact(),
        "locations": flow.locations,
        "set": flow.set,
        "steps": steps,
    });
    let Value::Object(reported) = reported else { return Map::new() };
    reported
}

fn of_step(flow: &Flow, index: usize) -> Value {
    let does = match &flow.steps[index].action {
        StepAction::Wait(wait) => json!({"wait": wait.to_string()}),
        StepAction::Event(event) => json!({"event": event.event_type}),
        StepAction::Call(call) => json!({"call": call.operation}),
        StepAction::Http(http) => json!({"http": http.url, "method": http.method}),
        StepAction::Script(script) => json!({"script": script.source.name, "sha256": script.source.sha256()}),
    };
    let mut reported = json!({"step": flow.title(index), "sentence": step(flow, index)});
    if let (Some(reported), Value::Object(does)) = (reported.as_object_mut(), does) {
        reported.extend(does);
    }
    reported
}

/// A run as a list shows it. `jobs` are its own, where they are known.
#[must_use]
pub fn run(run: &FlowRun, jobs: Option<&RunJobs>) -> Value {
    let flow = Flow::read(&run.flow, &run.definition).ok();
    let at = flow.as_ref().filter(|flow| run.outcome.is_none() && run.step < flow.steps.len());
    let dead = jobs.and_then(|jobs| jobs.dead(run.step)).filter(|_| run.outcome.is_none());
    json!({
        "id": run.id,
        "flow": run.flow,
        "version": run.version,
        "locationId": run.location_id,
        "contactId": run.contact_id,
        "outcome": if dead.is_some() { "dead" } else { run.standing() },
        "step": at.map(|flow| flow.title(run.step)),
        "waitsUntil": waits_until(run, flow.as_ref()),
        "startedAt": run.started_at,
        "endedAt": run.ended_at,
        "stoppedBy": run.stopped_by,
        "deadJobId": dead.map(|job| &job.id),
    })
}

/// A run with what became of each step, in sentences. `why` says what it waits for. What scripts printed is for who may read of people.
#[must_use]
pub fn whole_run(run: &FlowRun, jobs: &RunJobs, why: Option<String>, reads_people: bool) -> Value {
    let mut reported = self::run(run, Some(jobs));
    let flow = Flow::read(&run.flow, &run.definition).ok();
    let count = flow.as_ref().map_or(0, |flow| flow.steps.len());
    let steps = (0..count).map(|index| {
        let logged = run.log.iter().find(|logged| logged.step == index);
        let job = jobs.steps.get(&index);
        let state = match logged {
            Some(logged) if logged.done => "done",
            Some(_) => "skipped",
            None if run.outcome.is_some() => "notReached",
            None if index != run.step => "next",
            None if jobs.dead(index).is_some() => "dead",
            None if run.wait_until_ms.is_some() => "waiting",
            None => "underWay",
        };
        let does = flow.as_ref().map(|flow| step(flow, index)).unwrap_or_default();
        let sentence = match state {
            "done" => format!("{does}: done"),
            "skipped" => format!("{does}: skipped, as its conditions did not hold, an earlier answer was missing, or the step in its place was done"),
            "notReached" => format!("{does}: not reached"),
            "dead" => format!("{does}: dead"),
            "waiting" | "underWay" => format!("{does}: under way"),
            _ => format!("{does}: to come"),
        };
        let title = flow.as_ref().map(|flow| flow.title(index));
        let printed = title.as_ref().and_then(|title| run.knows.printed.get(title)).filter(|_| reads_people);
        json!({
            "step": title,
            "printed": printed,
            "state": state,
            "sentence": sentence,
            "at": logged.map(|logged| logged.at),
            "jobId": job.map(|job| &job.id),
        })
    });
    reported["steps"] = steps.collect();
    reported["why"] = why.into();
    let event = &run.knows.event;
    let of_event = |name: &str| event[name].as_str().map(str::to_owned);
    reported["startedBy"] = match run.outcome {
        // What it knew is forgotten.
        Some(_) => Value::Null,
        None => json!({"type": of_event("type"), "origin": of_event("origin"), "tag": of_event("tag")}),
    };
    reported
}

/// Until when a step of that name waits; what else takes time has no such moment.
fn waits_until(run: &FlowRun, flow: Option<&Flow>) -> Option<Timestamp> {
    let step = flow?.steps.get(run.step).filter(|_| run.outcome.is_none())?;
    let is_wait = matches!(step.action, StepAction::Wait(_));
    run.wait_until_ms.filter(|_| is_wait).and_then(|ms| Timestamp::from_millisecond(ms).ok())
}

/// Why a run does not go on; none where it does, or has ended.
#[must_use]
pub fn why(run: &FlowRun, of_job: Option<String>) -> Option<String> {
    if let Some(by) = &run.stopped_by {
        return Some(format!("it was stopped by {by}"));
    }
    if run.outcome.is_some() {
        return None;
    }
    match waits_until(run, Flow::read(&run.flow, &run.definition).ok().as_ref()) {
        Some(until) => Some(format!("its step waits until {until:.0}; it goes on by itself")),
        None => of_job.or_else(|| Some("the job of its step is about to be enqueued".to_owned())),
    }
}
