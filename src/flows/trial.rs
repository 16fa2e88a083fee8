//! A flow tried out: what each place, pipe and condition makes of a contact that somebody wrote down. Pure: no database, no call, no clock.
//!
//! `flows try` shows all of it, `flows test` holds it against what a file expects. A step reads as in the flow's own file: `event` with `data`,
//! `call` with `parameters` and `body`, `wait`. What GHL would answer is given, or is not known.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use job_engine::Priority;
use serde_json::{Map, Value, json};
use sync_model::suggest::nearest;
use sync_workers::events::{FieldError, Fields, kind_of};
use sync_workers::flows::{
    Condition, Flow, HeaderPart, Known, MissingValue, On, Request, Seen, Step, StepAction, Work, WorkOf, contact_fields,
};
use sync_workers::scripts::{self, Limits};

use super::begin::{Wanted, knows};
use super::reports;

/// The run's id, which the ids of what steps create begin with.
const RUN: &str = "RUN";
/// Where the run takes place, and its contact, unless they are given.
const LOCATION: &str = "location";
const CONTACT: &str = "contact";

/// What a run is given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Given {
    /// The moment it begins.
    pub now: Timestamp,
    /// Where; the first location of the flow, unless it is said.
    pub location_id: Option<String>,
    /// Of the location; UTC unless it is said.
    pub zone: Option<TimeZone>,
    /// The contact as readers see it, or the unified view that holds it.
    pub contact: Option<Value>,
    /// What its trigger says, beside what goes without saying.
    pub event: Map<String, Value>,
    /// Values of the flow's `[set]`.
    pub set: Map<String, Value>,
    /// What steps answer, by name.
    pub answers: Map<String, Value>,
}

/// What a run would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// `done`, `skipped`, `failed`, or `open` where it hangs on an answer that was not given.
    pub outcome: &'static str,
    /// Each condition of the run: `field`, `found`, `holds`.
    pub only_if: Vec<Value>,
    /// Each step: `step`, `state`, `sentence`, `onlyIf`, `places`, what it does, and `error`.
    pub steps: Vec<Value>,
}

impl Given {
    /// Reads the table `given` of a test, whose place is `path`.
    pub fn read(table: &Map<String, Value>, path: &str, mistakes: &mut Vec<FieldError>) -> Self {
        let mut fields = Fields::new(table, format!("{path}."));
        let now = fields.time("now").unwrap_or_default();
        let zone = fields.text("zone");
        let found = zone.as_deref().map(TimeZone::get);
        if matches!(found, Some(Err(_))) {
            fields.refuse("zone", "must be a time zone, as Europe/Berlin");
        }
        let zone = found.and_then(Result::ok);
        let location_id = fields.id("locationId");
        let contact = fields.object("contact").map(|contact| Value::Object(contact.clone()));
        let mut object = |name| fields.object(name).cloned().unwrap_or_default();
        let (event, set, answers) = (object("event"), object("set"), object("answers"));
        mistakes.extend(fields.finish());
        Self { now, zone, location_id, contact, event, set, answers }
    }

    /// The contact alone, with an id.
    fn person(&self) -> Result<Option<Value>, Vec<FieldError>> {
        let Some(given) = &self.contact else { return Ok(None) };
        let refuse = |field: String, message: String| FieldError { field, message };
        let view = given.get("contact").filter(|inner| inner.is_object());
        let Value::Object(members) = view.unwrap_or(given) else {
            return Err(vec![refuse(CONTACT.to_owned(), format!("must be an object, not {}", kind_of(given)))]);
        };
        let known = contact_fields();
        let unknown = members.keys().filter(|name| !known.contains(name) && *name != "sync");
        let mistakes: Vec<_> = unknown
            .map(|name| {
                let meant = nearest(name, known.iter().map(String::as_str));
                let meant = meant.map_or_else(
                    || format!("known are {}", known.join(", ")),
                    |meant| format!("did you mean {meant}?"),
                );
                refuse(format!("contact.{name}"), format!("is no field of a contact; {meant}"))
            })
            .collect();
        let mut members = members.clone();
        members.entry("id").or_insert_with(|| CONTACT.into());
        if mistakes.is_empty() { Ok(Some(Value::Object(members))) } else { Err(mistakes) }
    }
}

/// Goes through the run that would begin with what is given.
///
/// # Errors
/// Every mistake in what is given, by its name: `contact.emial`, `set.callers`, `answers.compnay`.
pub fn run(flow: &Flow, given: &Given, limits: &Limits) -> Result<Trial, Vec<FieldError>> {
    let contact = given.person()?;
    let contact_id = contact.as_ref().and_then(|contact| contact["id"].as_str()).map(str::to_owned);
    let location_id = given.location_id.clone().or_else(|| flow.locations.as_ref()?.first().cloned());
    let location_id = location_id.unwrap_or_else(|| LOCATION.to_owned());
    let mut event = trigger(flow);
    event.extend(given.event.clone());
    let wanted =
        Wanted { location_id: location_id.clone(), contact_id: contact_id.clone(), set: given.set.clone(), event };
    let knows = knows(flow, &wanted).map_err(|mistakes| mistakes.into_iter().map(renamed).collect::<Vec<_>>())?;
    let names: Vec<_> = flow.steps.iter().filter_map(|step| step.name.as_deref()).collect();
    let unknown = given.answers.keys().filter(|name| !names.contains(&name.as_str()));
    let mistakes: Vec<_> = unknown
        .map(|name| {
            let message = format!("is the name of no step; there are {}", names.join(", "));
            FieldError { field: format!("answers.{name}"), message }
        })
        .collect();
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let run = Run { flow, contact, contact_id, location_id, event: knows.event, set: knows.set, limits };
    Ok(run.go(given))
}

/// What its trigger says of itself.
fn trigger(flow: &Flow) -> Map<String, Value> {
    let mut event = Map::new();
    if let Some((name, field)) = flow.on_words().map(|on| on.split_once('=').unwrap_or((on, ""))) {
        event.insert("type".to_owned(), name.into());
        if matches!(flow.on, Some(On::Contact(_))) && !["", "*"].contains(&field) {
            event.insert("tag".to_owned(), field.into());
        }
    }
    event
}

/// The contact is given as a whole, and so is missing as a whole.
fn renamed(mistake: FieldError) -> FieldError {
    let field = if mistake.field == "contactId" { CONTACT.to_owned() } else { mistake.field };
    FieldError { field, ..mistake }
}

struct Run<'a> {
    flow: &'a Flow,
    contact: Option<Value>,
    contact_id: Option<String>,
    location_id: String,
    event: Value,
    set: Map<String, Value>,
    limits: &'a Limits,
}

impl Run<'_> {
    fn go(&self, given: &Given) -> Trial {
        let (mut now, mut answers) = (given.now, Map::new());
        let (holds, only_if) = judged(&self.flow.only_if, &self.known(now, &answers));
        let mut outcome = match holds {
            Some(true) => "done",
            Some(false) => "skipped",
            None => "open",
        };
        let mut steps: Vec<Value> = Vec::new();
        for (index, step) in self.flow.steps.iter().enumerate() {
            let mut shown = match outcome {
                "skipped" | "failed" => json!({"state": "notReached", "sentence": reports::step(self.flow, index)}),
                _ if step.instead_of.is_some_and(|other| steps[other]["state"] == "open") => {
                    json!({"state": "open", "sentence": reports::step(self.flow, index)})
                }
                _ if step.instead_of.is_some_and(|other| steps[other]["state"] == "done") => json!({
                    "state": "skipped", "sentence": reports::step(self.flow, index), "error": "the step in its place is done",
                }),
                _ => self.step(index, step, &self.known(now, &answers)),
            };
            shown["step"] = self.flow.title(index).into();
            let state = shown["state"].as_str().unwrap_or_default();
            match (state, outcome) {
                ("failed", _) => outcome = "failed",
                ("open", "done") => outcome = "open",
                _ => {}
            }
            if let (StepAction::Wait(wait), "done") = (&step.action, state) {
                now = wait.until(now, given.zone.as_ref().unwrap_or(&TimeZone::UTC));
            }
            if let Some(name) = &step.name {
                let given = || given.answers.get(name).cloned();
                let computed = shown.get("answer").cloned();
                let answer = if state == "skipped" { Some(Value::Null) } else { given().or(computed) };
                answers.extend(answer.map(|answer| (name.clone(), answer)));
            }
            steps.push(shown);
        }
        Trial { outcome, only_if, steps }
    }

    fn known<'a>(&'a self, now: Timestamp, answers: &'a Map<String, Value>) -> Known<'a> {
        Known { now, contact: self.contact.as_ref(), event: &self.event, set: &self.set, answers, is_dry_run: true }
    }

    fn step(&self, index: usize, step: &Step, known: &Known<'_>) -> Value {
        let (holds, only_if) = judged(&step.only_if, known);
        let seen = step.look(known);
        let mut shown = json!({"onlyIf": only_if, "places": seen.iter().map(place).collect::<Vec<_>>()});
        let missing_values =
            || seen.iter().filter_map(|seen| seen.value.as_ref().err().map(|missing| (&seen.field, missing)));
        let passed = missing_values().find(|(_, missing)| matches!(missing, MissingValue::PassedOver { .. }));
        let failed = missing_values()
            .find(|(_, missing)| !matches!(missing, MissingValue::PassedOver { .. } | MissingValue::Open));
        let is_open = holds.is_none() || missing_values().any(|(_, missing)| *missing == MissingValue::Open);
        let of = WorkOf {
            flow: &self.flow.name,
            run: RUN,
            step: index,
            location_id: &self.location_id,
            contact_id: self.contact_id.as_deref(),
            priority: Priority::Interactive,
        };
        let work = step.work(&of, known).ok().flatten();
        let mut does = reports::step(self.flow, index);
        match &work {
            Some(Work::Event(event)) => {
                does = reports::event(event["type"].as_str().unwrap_or_default(), &event["data"]);
                shown["event"] = event["type"].clone();
                shown["contactId"] = event["contactId"].clone();
                shown["data"] = event["data"].clone();
            }
            Some(Work::Call(operation, request)) => {
                shown["call"] = operation.as_str().into();
                for part in ["version", "parameters", "body", "confirm"] {
                    shown[part] = request[part].clone();
                }
            }
            Some(Work::Script(name, input)) => {
                shown["script"] = name.as_str().into();
                shown["input"] = json!(input);
            }
            Some(Work::Http(sent)) => {
                if let (Some(shown), Value::Object(sent)) = (shown.as_object_mut(), request(sent)) {
                    shown.extend(sent);
                }
            }
            None => shown["wait"] = self.flow.definition["step"][index]["wait"].clone(),
        }
        let (state, error) = match (holds, passed, failed) {
            (Some(false), ..) => ("skipped", Some("its conditions do not hold".to_owned())),
            (_, Some((field, missing)), _) => ("skipped", Some(format!("{field} {missing}"))),
            (_, _, Some((field, missing))) => ("failed", Some(format!("{field} {missing}"))),
            _ if is_open => ("open", None),
            _ if matches!(step.action, StepAction::Script(_)) => self.script(step, work, &mut shown),
            _ => match work.and_then(|work| of.trigger(&work).err()) {
                Some(mistakes) => {
                    let each = mistakes.iter().map(|mistake| format!("{} {}", mistake.field, mistake.message));
                    ("failed", Some(each.collect::<Vec<_>>().join("; ")))
                }
                None => ("done", None),
            },
        };
        shown["state"] = state.into();
        shown["sentence"] = does.into();
        shown["error"] = error.into();
        if let Some(shown) = shown.as_object_mut() {
            shown.retain(|_, value| !value.is_null());
        }
        shown
    }
}

impl Run<'_> {
    /// What the script makes of its input. It computes and does nothing else, so it runs here as it would in earnest.
    fn script(&self, step: &Step, work: Option<Work>, shown: &mut Value) -> (&'static str, Option<String>) {
        let (StepAction::Script(script), Some(Work::Script(name, input))) = (&step.action, work) else {
            return ("open", None);
        };
        let ran = scripts::run(&script.source.text, &input, self.limits);
        if !ran.printed.is_empty() {
            shown["printed"] = ran.printed.into();
        }
        match ran.answer {
            Ok(answer) => {
                shown["answer"] = answer.into();
                ("done", None)
            }
            Err(failure) => ("failed", Some(failure.of(&name))),
        }
    }
}

/// A request as it would be sent. Of secrets it has the names.
#[must_use]
pub fn request(request: &Request) -> Value {
    let header = |(name, parts): &(String, Vec<HeaderPart>)| {
        let part = |part: &HeaderPart| match part {
            HeaderPart::Text(text) => text.clone(),
            HeaderPart::Secret(name) => format!("{{secret.{name}}}"),
        };
        (name.clone(), parts.iter().map(part).collect::<String>().into())
    };
    let headers: Map<String, Value> = request.headers.iter().map(header).collect();
    json!({"http": request.url, "method": request.method, "headers": headers, "body": request.body, "sign": request.sign})
}

/// Whether all hold, none where that hangs on what is not known; and each as it is shown.
fn judged(conditions: &[Condition], known: &Known<'_>) -> (Option<bool>, Vec<Value>) {
    let mut all = Some(true);
    let mut shown = Vec::new();
    for condition in conditions {
        let holds = condition.holds(known).map_err(|missing| missing.to_string());
        let (seen, places) = condition.look(known);
        all = match (all, &holds) {
            (Some(false), _) | (_, Ok(false)) => Some(false),
            (_, Err(_)) => None,
            (all, Ok(true)) => all,
        };
        shown.push(json!({
            "field": seen.field,
            "found": seen.found,
            "places": places.iter().map(place).collect::<Vec<_>>(),
            "holds": holds.as_ref().ok(),
            "error": holds.as_ref().err(),
        }));
    }
    (all, shown)
}

fn place(seen: &Seen) -> Value {
    let pipes = seen.pipes.iter().map(|(pipe, gives)| json!({"pipe": pipe, "gives": gives}));
    json!({
        "field": seen.field,
        "place": seen.place,
        "found": seen.found,
        "pipes": pipes.collect::<Vec<_>>(),
        "value": seen.value.as_ref().ok().cloned().flatten(),
        "error": seen.value.as_ref().err().map(ToString::to_string),
    })
}
