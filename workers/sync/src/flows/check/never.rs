//! Conditions of a flow that can never hold, so that it would never run: a field that no event of its trigger has, a word that is no status.

use serde_json::Value;

use super::super::condition::{Asks, Condition};
use super::super::places::Place;
use super::super::{Flow, On};
use super::of_contact;
use crate::events::{FieldError, STATUSES};
use crate::spelling::nearest;

/// What GHL was seen to answer of statuses beside those that it lets clients write.
const READ: [&str; 3] = ["booked", "active", "completed"];
const TASK_STATUSES: [&str; 3] = ["open", "overdue", "completed"];

/// Why the condition can never hold; none where it can.
pub(super) fn holds(flow: &Flow, condition: &Condition) -> Option<FieldError> {
    let Some(On::Event(event)) = &flow.on else { return None };
    let Place::Path(path) = &condition.place else { return None };
    let [root, part, field, ..] = path.as_slice() else { return None };
    if root != "event" || !["data", "record"].contains(&part.as_str()) {
        return None;
    }
    let kind = event.split('.').next().unwrap_or_default();
    let known = fields_of(kind)?;
    let refuse = |message: String| Some(FieldError { field: condition.field.clone(), message });
    if event == "contact.selected" {
        return refuse(format!("{event} only fetches, and of its {part} nothing is kept; {{contact}} is the contact"));
    }
    if !known.iter().any(|name| name == field) {
        let known: Vec<_> = known.iter().map(String::as_str).collect();
        return refuse(match nearest(field, known.iter().copied()) {
            Some(meant) => format!("{event} has no field {field}; did you mean {meant}?"),
            None => format!("{event} has no field {field}; known are {}", known.join(", ")),
        });
    }
    let statuses: Vec<&str> = match (kind, field.as_str()) {
        ("appointment", "status") => STATUSES.into_iter().chain(READ).collect(),
        ("task", "status") => TASK_STATUSES.to_vec(),
        _ => return None,
    };
    let words: Vec<&str> = match &condition.value {
        Value::String(word) => vec![word],
        Value::Array(words) => words.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let can_be = |word: &&str| word.contains('{') || statuses.iter().any(|status| status.eq_ignore_ascii_case(word));
    if condition.asks != Asks::Is || words.iter().any(can_be) {
        return None;
    }
    let meant = words.first().and_then(|word| nearest(word, statuses.iter().copied()));
    let meant = meant.map_or(String::new(), |meant| format!("; did you mean {meant}?"));
    refuse(format!("never holds: a status of {kind}s is one of {}{meant}", statuses.join(", ")))
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
