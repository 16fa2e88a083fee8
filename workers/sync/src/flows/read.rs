//! From a document to a flow: what words there are, and every mistake at once, each with its place.

use std::sync::Arc;

use serde_json::{Map, Value};
use sync_model::ids;

use super::check::check;
use super::scripted::{self, Scripts};
use super::templates::misread;
use super::{Call, Condition, Event, Flow, Http, On, Script, Step, StepAction, Wait};
use crate::events::{ENRICH, FieldError, Fields, kind_of};
use crate::scripts::is_name;

/// Of what places speak that are no step's answer.
pub(super) const ROOTS: [&str; 3] = ["contact", "event", "set"];
/// Words that no step is called by.
const TAKEN: [&str; 2] = ["now", "secret"];
/// Of the names of flows and steps.
const LONGEST_NAME: usize = 40;

impl Flow {
    /// Reads the document of the flow `name`, as a run keeps it.
    ///
    /// # Errors
    /// One [`FieldError`] for each thing that it can't say.
    pub fn read(name: &str, document: &Value) -> Result<Self, Vec<FieldError>> {
        let (flow, mistakes) = read(name, document);
        if mistakes.is_empty() { Ok(flow) } else { Err(mistakes) }
    }

    /// Reads a document that somebody wrote, and holds it against the events, the catalogue and itself.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn checked(name: &str, document: &Value) -> Result<Self, Vec<FieldError>> {
        let (flow, mut mistakes) = read(name, document);
        mistakes.extend(check(&flow));
        if mistakes.is_empty() { Ok(flow) } else { Err(mistakes) }
    }
}

/// What could be read, and every mistake beside it.
fn read(name: &str, document: &Value) -> (Flow, Vec<FieldError>) {
    let mut mistakes = Vec::new();
    if !is_plain(name) {
        let message =
            format!("the file's name names the flow: 1 to {LONGEST_NAME} lower-case letters, digits, - and _");
        mistakes.push(FieldError { field: String::new(), message });
    }
    let empty = Map::new();
    let mut fields = Fields::new(document.as_object().unwrap_or(&empty), "");
    let about = fields.text("about").unwrap_or_default();
    let on = fields.text("on").and_then(|text| On::parse(&text).map_err(|wrong| fields.refuse("on", wrong)).ok());
    let only_if = conditions(&mut fields, "", &mut mistakes);
    let set = fields.object("set").cloned().unwrap_or_default();
    let locations = fields.any("locations").and_then(|listed| {
        let ids = listed.as_array().and_then(|ids| {
            ids.iter().map(|id| id.as_str().filter(|id| ids::is_id(id)).map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        let ids = ids.filter(|ids| !ids.is_empty());
        if ids.is_none() {
            fields.refuse(
                "locations",
                "must be a list of ids of locations, at least one; without it, a flow runs in all",
            );
        }
        ids
    });
    let scripts = scripted::read(fields.object(scripted::FIELD), &mut mistakes);
    let listed = fields.read("step", "steps, each under a line [[step]]", Value::as_array);
    if listed.is_none_or(Vec::is_empty) && !fields.has_mistake("step") {
        fields.refuse("step", "is missing; a flow has at least one, under a line [[step]]");
    }
    let mut steps: Vec<Step> = Vec::new();
    for (index, listed) in listed.into_iter().flatten().enumerate() {
        let path = format!("step[{index}].");
        match listed.as_object() {
            Some(object) => steps.push(step(object, &path, &steps, &scripts, &mut mistakes)),
            None => {
                let message = format!("must be a table, not {}", kind_of(listed));
                mistakes.push(FieldError { field: format!("step[{index}]"), message });
                steps.push(Step { name: None, only_if: Vec::new(), instead_of: None, action: unread() });
            }
        }
    }
    mistakes.extend(fields.finish());
    for (field, value) in document
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(field, _)| !["about", scripted::FIELD].contains(&field.as_str()))
    {
        mistakes.extend(misread(value, field).into_iter().map(|(field, message)| FieldError { field, message }));
    }
    for mistake in &mut mistakes {
        mistake.field.truncate(mistake.field.trim_end_matches('.').len());
    }
    let (name, definition) = (name.to_owned(), scripted::kept(document, &scripts));
    (Flow { name, about, on, only_if, set, steps, locations, version: None, definition }, mistakes)
}

fn step(
    object: &Map<String, Value>,
    path: &str,
    before: &[Step],
    scripts: &Scripts,
    mistakes: &mut Vec<FieldError>,
) -> Step {
    let mut fields = Fields::new(object, path.to_owned());
    let name = fields.text("name");
    if let Some(name) = &name {
        if !is_plain(name) || ROOTS.contains(&name.as_str()) || TAKEN.contains(&name.as_str()) {
            let taken = ROOTS.join(", ");
            fields.refuse(
                "name",
                format!(
                    "must be 1 to {LONGEST_NAME} lower-case letters, digits, - and _, and not {taken}, now or secret"
                ),
            );
        } else if before.iter().any(|step| step.name.as_ref() == Some(name)) {
            fields.refuse("name", "is another step's name too");
        }
    }
    let only_if = conditions(&mut fields, path, mistakes);
    let instead_of = fields.text("else").and_then(|other| {
        let found = before.iter().position(|step| step.name.as_ref() == Some(&other));
        if found.is_none() {
            fields.refuse("else", "must be the name of an earlier step: this one is done if that one is skipped");
        }
        found
    });
    let kinds = ["wait", "event", "call", "enrich", "script", "http"];
    let said: Vec<_> = kinds.into_iter().filter(|kind| fields.has(kind)).collect();
    let action = match said.as_slice() {
        ["wait"] => wait(&mut fields, path, mistakes),
        ["event"] => event(&mut fields),
        ["call"] => call(&mut fields),
        ["enrich"] => enrich(&mut fields),
        ["script"] => script(&mut fields, scripts),
        ["http"] => Http::read(&mut fields).map(StepAction::Http),
        _ => {
            // Only what nobody knows is to be reported beside this.
            for known in [
                "wait",
                "event",
                "call",
                "enrich",
                "script",
                "contactId",
                "data",
                "parameters",
                "body",
                "input",
                "http",
                "headers",
                "method",
                "sign",
                "again",
            ] {
                fields.any(known);
            }
            drop((fields.flag("confirm"), fields.text("version")));
            fields.refuse("", "must say one of wait, event, call, enrich, script or http, and only one of them");
            None
        }
    };
    mistakes.extend(fields.finish());
    Step { name, only_if, instead_of, action: action.unwrap_or_else(unread) }
}

/// Stands for what can't be read, so that the other steps keep their places and are checked all the same.
fn unread() -> StepAction {
    StepAction::Call(Call {
        operation: String::new(),
        version: None,
        parameters: Map::new(),
        body: None,
        confirmed: false,
    })
}

fn wait(fields: &mut Fields<'_>, path: &str, mistakes: &mut Vec<FieldError>) -> Option<StepAction> {
    match Wait::read(fields.any("wait")?, &format!("{path}wait")) {
        Ok(wait) => Some(StepAction::Wait(wait)),
        Err(wrong) => {
            mistakes.extend(wrong);
            None
        }
    }
}

fn event(fields: &mut Fields<'_>) -> Option<StepAction> {
    let event_type = fields.text("event");
    let contact_id = fields.any("contactId").cloned();
    let data = fields.object("data").cloned().unwrap_or_default();
    Some(StepAction::Event(Event { event_type: event_type?, contact_id, data }))
}

/// Another word for the event that looks the run's contact up.
fn enrich(fields: &mut Fields<'_>) -> Option<StepAction> {
    if fields.flag("enrich") == Some(false) {
        fields.refuse("enrich", "must be true; leave the step out instead");
    }
    Some(StepAction::Event(Event { event_type: ENRICH.to_owned(), contact_id: None, data: Map::new() }))
}

fn call(fields: &mut Fields<'_>) -> Option<StepAction> {
    let operation = fields.text("call");
    let version = fields.text("version");
    let parameters = fields.object("parameters").cloned().unwrap_or_default();
    let body = fields.any("body").cloned();
    let confirmed = fields.flag("confirm").unwrap_or(false);
    Some(StepAction::Call(Call { operation: operation?, version, parameters, body, confirmed }))
}

fn script(fields: &mut Fields<'_>, scripts: &Scripts) -> Option<StepAction> {
    let name = fields.text("script");
    let input = fields.object("input").cloned().unwrap_or_default();
    let name = name?;
    match scripts.get(&name) {
        Some(source) => Some(StepAction::Script(Script { source: Arc::clone(source), input })),
        None if !is_name(&name) => {
            fields.refuse("script", "must be the name of a file beside the flow, as score.rhai");
            None
        }
        None => {
            let message = format!("is not there: no file {name} beside the flow, and no [scripts.\"{name}\"] in it");
            fields.refuse("script", message);
            None
        }
    }
}

fn conditions(fields: &mut Fields<'_>, path: &str, mistakes: &mut Vec<FieldError>) -> Vec<Condition> {
    let Some(table) = fields.object("only_if") else { return Vec::new() };
    let mut wrong = Vec::new();
    let read = Condition::read_all(table, "only_if", &mut wrong);
    mistakes
        .extend(wrong.into_iter().map(|mistake| FieldError { field: format!("{path}{}", mistake.field), ..mistake }));
    read
}

fn is_plain(name: &str) -> bool {
    let is_plain =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_' || letter == '-';
    (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(is_plain)
}
