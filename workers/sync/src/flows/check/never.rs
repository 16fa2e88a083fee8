//! Conditions of a flow that can never hold, so that it would never run: a field that no event of its trigger has, a word that is no status, or
//! not the one that the trigger stands for.

use serde_json::Value;
use sync_model::decide::rules::Trigger;
use sync_model::suggest::nearest;

use super::super::change::statuses_of;
use super::super::condition::{Asks, Condition};
use super::super::templates::Place;
use super::super::{ANY_TAG, Flow, ORIGIN_CLIENTY, ORIGIN_GHL, On};
use super::of_contact;
use crate::events::{FieldError, STATUSES};

/// What GHL was seen to answer of statuses beside those that it lets clients write.
const READ: [&str; 3] = ["booked", "active", "completed"];
const TASK_STATUSES: [&str; 3] = ["open", "overdue", "completed"];

/// Why the condition can never hold; none where it can.
pub(super) fn holds(flow: &Flow, condition: &Condition) -> Option<FieldError> {
    let on = flow.on.as_ref()?;
    let Place::Path(path) = &condition.place else { return None };
    let (root, rest) = path.split_first()?;
    if root != "event" {
        return None;
    }
    let never = match rest {
        [part] => of_event(on, part, condition),
        [part, field, ..] if ["data", "record", "before"].contains(&part.as_str()) => {
            of_record(on, part, field, condition)
        }
        _ => None,
    };
    never.map(|message| FieldError { field: condition.field.clone(), message })
}

/// What the event itself says, and is the same for each that the trigger waits for.
fn of_event(on: &On, part: &str, condition: &Condition) -> Option<String> {
    let words: Vec<String> = match (part, on) {
        ("type", On::Contact(trigger)) => vec![type_of(trigger).to_owned()],
        ("type", on) => vec![on.event()?.0],
        ("origin", On::Event(_) | On::Changed { .. }) => {
            let refined = matches!(on, On::Event(name) if name == "contact.selected");
            let ghl = (!refined).then(|| ORIGIN_GHL.to_owned());
            std::iter::once(ORIGIN_CLIENTY.to_owned()).chain(ghl).collect()
        }
        ("tag", On::Contact(Trigger::Tagged(tag) | Trigger::Untagged(tag))) if tag != ANY_TAG => vec![tag.clone()],
        _ => return None,
    };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    is_none_of(condition, &words).map(|_| format!("never holds: {{event.{part}}} is {} here", words.join(" or ")))
}

fn type_of(trigger: &Trigger) -> &'static str {
    match trigger {
        Trigger::Created => "contact.created",
        Trigger::Tagged(_) => "contact.tagged",
        Trigger::Untagged(_) => "contact.untagged",
    }
}

fn of_record(on: &On, part: &str, field: &str, condition: &Condition) -> Option<String> {
    let (event, kind) = on.event()?;
    let known = fields_of(kind)?;
    if event == "contact.selected" {
        return Some(format!("{event} only fetches, and of its {part} nothing is kept; {{contact}} is the contact"));
    }
    if !known.iter().any(|name| name == field) {
        let known: Vec<_> = known.iter().map(String::as_str).collect();
        return Some(match nearest(field, known.iter().copied()) {
            Some(meant) => format!("{event} has no field {field}; did you mean {meant}?"),
            None => format!("{event} has no field {field}; known are {}", known.join(", ")),
        });
    }
    if event.ends_with(".deleted") && is_filled(condition) && (part == "data" || kind == "contact") {
        let is_id = field == "contactId" || field == format!("{kind}Id") || field.starts_with("clienty");
        let instead = if kind == "contact" { "" } else { "; {event.record} is the record as it last was" };
        if !is_id {
            return Some(format!("never holds: of what is gone, {{event.{part}}} holds ids alone{instead}"));
        }
    }
    // Before the change it may have read anything.
    let is_now = part != "before";
    let statuses: Vec<&str> = match (kind, field) {
        ("appointment", "status") if is_now && !statuses_of(&event).is_empty() => statuses_of(&event).to_vec(),
        ("appointment", "status") => STATUSES.into_iter().chain(READ).collect(),
        ("task", "status") if is_now && event == "task.completed" => vec!["completed"],
        ("task", "status") => TASK_STATUSES.to_vec(),
        ("task", "completed") if is_now && event == "task.completed" && condition.asks == Asks::Is => {
            return (condition.value == Value::Bool(false))
                .then(|| format!("never holds: the task of {event} is done"));
        }
        _ => return None,
    };
    let word = is_none_of(condition, &statuses)?;
    let meant = nearest(word, statuses.iter().copied());
    let meant = meant.map_or(String::new(), |meant| format!("; did you mean {meant}?"));
    let of = if statuses_of(&event).is_empty() { format!("{kind}s") } else { event.clone() };
    Some(format!("never holds: a status of {of} is one of {}{meant}", statuses.join(", ")))
}

/// Whether it holds only where something is there.
fn is_filled(condition: &Condition) -> bool {
    match condition.asks {
        Asks::Is | Asks::Has | Asks::AtLeast | Asks::AtMost => true,
        Asks::IsSet => condition.value != Value::Bool(false),
        Asks::IsNot | Asks::HasNot => false,
    }
}

/// The first of the words that the condition wants, where it wants none of those that can be; what is filled in when it runs can be anything.
fn is_none_of<'a>(condition: &'a Condition, words: &[&str]) -> Option<&'a str> {
    let wanted: Vec<&str> = match &condition.value {
        Value::String(word) => vec![word],
        Value::Array(words) => words.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let can_be = |word: &&str| word.contains('{') || words.iter().any(|known| known.eq_ignore_ascii_case(word));
    let is_never = condition.asks == Asks::Is && !wanted.iter().any(can_be);
    wanted.first().copied().filter(|_| is_never)
}

/// The fields of an event about a record of that kind; none where it may hold anything.
fn fields_of(kind: &str) -> Option<Vec<String>> {
    let fields: &[&str] = match kind {
        "task" => {
            &["taskId", "clientyTaskId", "contactId", "title", "body", "dueDate", "completed", "status", "assignedTo"]
        }
        "note" => &["noteId", "clientyNoteId", "contactId", "noteText", "userId", "createdAt"],
        "appointment" => &[
            "appointmentId",
            "clientyAppointmentId",
            "contactId",
            "calendarId",
            "title",
            "status",
            "startTime",
            "endTime",
            "address",
            "notes",
            "assignedTo",
            "assignedUserId",
        ],
        "contact" => {
            let more = ["contactId", "clientyContactId", "removeTags"];
            return Some(of_contact().into_iter().chain(more.map(str::to_owned)).collect());
        }
        _ => return None,
    };
    Some(fields.iter().map(|field| (*field).to_owned()).collect())
}
