//! A flow held against the events, the catalogue and itself, before any of it runs.
//!
//! What stands at a place is known only when a step runs, so a value with a place in it is taken for right here, whatever its type; what is
//! written out is checked as the gateway checks it.

use ghl::catalog::{Shape, catalog};
use serde_json::{Map, Value, json};
use sync_model::record::Contact;
use sync_model::suggest::nearest;

use super::read::ROOTS;
use super::templates::{Known, Place};
use super::{Flow, On, Step, StepAction, Work, WorkOf};
use crate::events::{FieldError, KNOWN};
use crate::scripts;

mod never;
mod piped;

/// Operations that create or tag contacts, and the event that does the same. GHL would report such a call as of anybody's, and start the
/// flows that wait for it; what an event does is known to be our own.
const EVENTS_INSTEAD: [(&str, &str); 5] = [
    ("create-contact", "contact.created"),
    ("upsert-contact", "contact.created"),
    ("update-contact", "contact.updated"),
    ("update-contacts-tags", "contact.tagged"),
    ("add-tags", "contact.tagged"),
];

/// Steps of one flow.
const MOST_STEPS: usize = 50;

/// Every mistake in what could be read of a flow.
pub(super) fn check(flow: &Flow) -> Vec<FieldError> {
    let mut mistakes = Vec::new();
    if flow.steps.len() > MOST_STEPS {
        let message = format!("holds {} steps; a flow has at most {MOST_STEPS}", flow.steps.len());
        mistakes.push(FieldError { field: "step".to_owned(), message });
    }
    for (field, place) in flow.only_if.iter().flat_map(|condition| condition.places("")) {
        let wrong = unknown(flow, 0, &place).or_else(|| piped::wrong(flow, &place));
        mistakes.extend(wrong.map(|message| FieldError { field, message }));
    }
    mistakes.extend(flow.only_if.iter().filter_map(|condition| never::holds(flow, condition)));
    if flow.on == Some(On::Event("contact.deleted".to_owned())) && flow.needs_contact() {
        let message =
            "is told when the contact is gone: no step can say anything of it but {event.contactId}".to_owned();
        mistakes.push(FieldError { field: "on".to_owned(), message });
    }
    for (index, step) in flow.steps.iter().enumerate() {
        let below = |field: &str| match field {
            "" => format!("step[{index}]"),
            field => format!("step[{index}].{field}"),
        };
        let places = step.places();
        for (field, place) in &places {
            let wrong = unknown(flow, index, place).filter(|_| !is_whole(step, field, place));
            let wrong = wrong.or_else(|| secret(step, field, place)).or_else(|| piped::wrong(flow, place));
            mistakes.extend(wrong.map(|message| FieldError { field: below(field), message }));
        }
        let is_filled = |field: &str| {
            places.iter().any(|(at, _)| {
                field.strip_prefix(at.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            })
        };
        if matches!(&step.action, StepAction::Call(call) if call.operation.is_empty()) {
            continue;
        }
        if let StepAction::Script(script) = &step.action {
            let wrong = scripts::check(&script.source.text).err();
            mistakes.extend(
                wrong.map(|wrong| FieldError { field: below("script"), message: wrong.of(&script.source.name) }),
            );
            continue;
        }
        let wrong = match named(step) {
            Err(mistake) => vec![mistake],
            Ok(()) => tried(flow, index, step),
        };
        let wrong = wrong.into_iter().filter(|mistake| !is_filled(&mistake.field));
        mistakes.extend(wrong.map(|mistake| FieldError { field: below(&mistake.field), ..mistake }));
    }
    mistakes
}

/// Whether what the step names exists, and is for flows to do.
fn named(step: &Step) -> Result<(), FieldError> {
    let refuse = |field: &str, message: String| Err(FieldError { field: field.to_owned(), message });
    match &step.action {
        StepAction::Wait(_) | StepAction::Script(_) | StepAction::Http(_) => Ok(()),
        StepAction::Event(event) if KNOWN.contains(&event.event_type.as_str()) => Ok(()),
        StepAction::Event(event) => {
            let meant = nearest(&event.event_type, KNOWN).map(|meant| format!("did you mean {meant}?"));
            refuse(
                "event",
                format!("is not known; {}", meant.unwrap_or_else(|| format!("known are {}", KNOWN.join(", ")))),
            )
        }
        StepAction::Call(call) => match EVENTS_INSTEAD.iter().find(|(operation, _)| *operation == call.operation) {
            None => Ok(()),
            Some((_, event)) => refuse(
                "call",
                format!(
                    "is not for flows, which its webhook could start again: say event = \"{event}\", which is also merged and sent once"
                ),
            ),
        },
    }
}

/// What the gateway would say of the step, were its places filled.
fn tried(flow: &Flow, index: usize, step: &Step) -> Vec<FieldError> {
    let nothing = Map::new();
    let contact = json!({});
    let known = Known {
        now: jiff::Timestamp::UNIX_EPOCH,
        contact: Some(&contact),
        event: &Value::Null,
        set: &flow.set,
        answers: &nothing,
        is_dry_run: true,
    };
    let of = WorkOf {
        flow: &flow.name,
        run: "run",
        step: index,
        location_id: "L",
        contact_id: Some("C"),
        priority: job_engine::Priority::Realtime,
    };
    let work = step.work(&of, &known).ok().flatten();
    let mistakes = work.map(|work| (of.trigger(&work).err().unwrap_or_default(), work));
    let Some((mistakes, work)) = mistakes else { return Vec::new() };
    let mistakes = mistakes.into_iter().map(|mistake| match (&work, mistake.field.as_str()) {
        (Work::Call(..), "operation") => FieldError { field: "call".to_owned(), ..mistake },
        (Work::Call(..), "confirm") => {
            FieldError { message: format!("{}: confirm = true", mistake.message), ..mistake }
        }
        _ => mistake,
    });
    mistakes.collect()
}

/// A secret goes into a header, as it is, and nowhere else.
fn secret(step: &Step, field: &str, place: &Place) -> Option<String> {
    let Place::Secret(name) = place.bare() else { return None };
    match (&step.action, place) {
        (StepAction::Http(_), Place::Secret(_)) if field.starts_with("headers.") => None,
        (StepAction::Http(_), Place::Piped(_)) if field.starts_with("headers.") => {
            Some(format!("{{secret.{name}}} takes no pipes"))
        }
        _ => Some(format!("{{secret.{name}}} may stand in a header of an HTTP step alone")),
    }
}

/// Whether it stands for all of the contact, the event or the flow's own values, and the step takes such: a script does.
fn is_whole(step: &Step, field: &str, place: &Place) -> bool {
    let takes_all = match &step.action {
        StepAction::Script(_) => field.starts_with("input"),
        StepAction::Http(_) => field.starts_with("body"),
        _ => false,
    };
    takes_all && matches!(place.bare(), Place::Path(path) if path.len() == 1)
}

/// What is wrong with a place in the step at `index`.
fn unknown(flow: &Flow, index: usize, place: &Place) -> Option<String> {
    let Place::Path(path) = place.bare() else { return None };
    let (root, rest) = path.split_first()?;
    let place = path.join(".");
    let none = |known: Vec<&str>| {
        let meant = nearest(rest.first().map_or("", String::as_str), known.iter().copied());
        let meant = meant.map(|meant| format!("did you mean {{{root}.{meant}}}?"));
        let meant = meant.unwrap_or_else(|| format!("known are {}", known.join(", ")));
        Some(format!("{{{place}}} is not known; {meant}"))
    };
    let first = rest.first().map(String::as_str);
    match root.as_str() {
        "contact" => {
            let known = of_contact();
            let known: Vec<_> = known.iter().map(String::as_str).collect();
            if first.is_some_and(|first| known.contains(&first)) { None } else { none(known) }
        }
        "set" => {
            let known: Vec<_> = flow.set.keys().map(String::as_str).collect();
            if first.is_some_and(|first| flow.set.contains_key(first)) { None } else { none(known) }
        }
        "event" => {
            let known = match &flow.on {
                // It could not be read.
                None if flow.on_words().is_some() => return None,
                None => {
                    return Some(format!(
                        "{{{place}}}: only an occasion tells of an event, and this flow has none; use [set]"
                    ));
                }
                Some(On::Contact(_)) => vec!["type", "locationId", "contactId", "tag"],
                Some(On::Webhook(name)) => match catalog().trigger(name).and_then(|trigger| trigger.payload.as_ref()) {
                    Some(Shape::Fields(fields)) => fields.iter().map(|field| field.name.as_str()).collect(),
                    _ => return None,
                },
                Some(On::Event(_) | On::Changed { .. }) => {
                    let before = flow.on.as_ref().is_some_and(On::is_change).then_some("before");
                    let all = ["id", "type", "locationId", "contactId", "data", "record", "origin"];
                    all.into_iter().chain(before).collect()
                }
            };
            if first.is_some_and(|first| known.contains(&first)) { None } else { none(known) }
        }
        step => {
            let at = flow.steps.iter().position(|other| other.name.as_deref() == Some(step));
            match at.map(|at| (at, &flow.steps[at].action)) {
                Some((at, _)) if at >= index => {
                    Some(format!("{{{place}}} is answered by a step that comes no earlier"))
                }
                Some((_, StepAction::Wait(_))) => Some(format!("{{{place}}}: a wait answers nothing")),
                Some(_) => None,
                None => {
                    let earlier = flow.steps.iter().take(index).filter_map(|step| step.name.as_deref());
                    let known: Vec<_> = ROOTS.into_iter().chain(earlier).collect();
                    let meant = nearest(step, known.iter().copied()).map(|meant| format!("did you mean {meant}?"));
                    let meant = meant.unwrap_or_else(|| format!("there are now, in 2d, {}", known.join(", ")));
                    Some(format!("{{{place}}} is not known; {meant}"))
                }
            }
        }
    }
}

/// The fields of a contact as readers see it.
#[must_use]
pub fn of_contact() -> Vec<String> {
    let shown = json!(Contact::default());
    let own = shown.as_object().into_iter().flatten().map(|(name, _)| name.clone());
    own.chain(["clientyContactId", "customFieldsByKey", "fields"].map(str::to_owned)).collect()
}
