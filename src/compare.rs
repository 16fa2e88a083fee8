//! Compares records with the sandbox, field by field, on plain JSON: it shares nothing with the mappings, or both would share a bug.
//!
//! The left side is what `GET /_sandbox/locations/{id}/state` returns, the right side the unified view as a reader gets it.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::Value;

/// A field that is not the same on both sides, or a record that one side lacks (then the field is empty).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// `contact`, `task`, `note` or `appointment`.
    pub record: &'static str,
    /// GHL's id of it.
    pub id: String,
    /// The field's name in the records.
    pub field: &'static str,
}

/// How two values are compared.
#[derive(Clone, Copy)]
enum Form {
    /// Missing, null and empty are the same.
    Text,
    Flag,
    /// An instant, to the millisecond; GHL writes it as ISO text or as epoch ms.
    Instant,
    /// Wall time of the location, without offset.
    Local,
    /// Any JSON; missing, null and an empty list are the same.
    Json,
}

/// A field of the records, and where GHL keeps it: the first of these that holds something.
type Field = (&'static str, &'static [&'static str], Form);

const CONTACT: &[Field] = &[
    ("firstName", &["firstName"], Form::Text),
    ("lastName", &["lastName"], Form::Text),
    ("email", &["email"], Form::Text),
    ("phone", &["phone"], Form::Text),
    ("companyName", &["companyName"], Form::Text),
    ("address1", &["address1"], Form::Text),
    ("city", &["city"], Form::Text),
    ("state", &["state"], Form::Text),
    ("country", &["country"], Form::Text),
    ("postalCode", &["postalCode"], Form::Text),
    ("website", &["website"], Form::Text),
    ("source", &["source"], Form::Text),
    ("assignedTo", &["assignedTo"], Form::Text),
    ("dnd", &["dnd"], Form::Flag),
    ("tags", &["tags"], Form::Json),
    ("customFields", &["customFields"], Form::Json),
    ("lastActivity", &["lastActivity"], Form::Instant),
    ("dateAdded", &["dateAdded"], Form::Instant),
    ("dateUpdated", &["dateUpdated"], Form::Instant),
];

const TASK: &[Field] = &[
    ("contactId", &["contactId"], Form::Text),
    ("title", &["title"], Form::Text),
    ("body", &["body"], Form::Text),
    ("dueDate", &["dueDate"], Form::Instant),
    ("completed", &["completed"], Form::Flag),
    ("assignedTo", &["assignedTo"], Form::Text),
];

const NOTE: &[Field] = &[
    ("contactId", &["contactId"], Form::Text),
    ("noteText", &["body"], Form::Text),
    ("createdAt", &["dateAdded"], Form::Instant),
];

const APPOINTMENT: &[Field] = &[
    ("contactId", &["contactId"], Form::Text),
    ("calendarId", &["calendarId"], Form::Text),
    ("title", &["title"], Form::Text),
    ("status", &["appointmentStatus"], Form::Text),
    ("startTime", &["startTime"], Form::Local),
    ("endTime", &["endTime"], Form::Local),
    ("address", &["address"], Form::Text),
    ("notes", &["description", "notes"], Form::Text),
];

/// What differs for one contact, its own fields and everything that hangs on it. `view` is none where the records lack it.
#[must_use]
pub fn contact(state: &Value, contact_id: &str, zone: &TimeZone, view: Option<&Value>) -> Vec<Mismatch> {
    let Some(theirs) = rows(state, "contacts").find(|row| row["id"] == contact_id) else {
        return view.map(|_| missing("contact", contact_id)).into_iter().collect();
    };
    let Some(view) = view else { return vec![missing("contact", contact_id)] };
    let mut found = fields("contact", contact_id, CONTACT, theirs, &view["contact"], zone);
    if name_of(theirs) != text(&view["contact"]["name"]) {
        found.push(Mismatch { record: "contact", id: contact_id.to_owned(), field: "name" });
    }
    for (record, list, id, table) in [
        ("task", "tasks", "taskId", TASK),
        ("note", "notes", "noteId", NOTE),
        ("appointment", "appointments", "appointmentId", APPOINTMENT),
    ] {
        let theirs: Vec<_> = rows(state, list).filter(|row| row["contactId"] == contact_id).collect();
        let ours: Vec<_> = rows(view, list).collect();
        for their in &theirs {
            let their_id = text(&their["id"]);
            match ours.iter().filter(|our| text(&our[id]) == their_id).collect::<Vec<_>>()[..] {
                [our] => found.extend(fields(record, &their_id, table, their, our, zone)),
                // None, or the same one twice.
                _ => found.push(missing(record, &their_id)),
            }
        }
        let extra = ours.iter().filter(|our| !theirs.iter().any(|their| their["id"] == our[id]));
        found.extend(extra.map(|our| missing(record, &text(&our[id]))));
    }
    found
}

fn rows<'a>(document: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    document[list].as_array().into_iter().flatten()
}

fn missing(record: &'static str, id: &str) -> Mismatch {
    Mismatch { record, id: id.to_owned(), field: "" }
}

fn fields(
    record: &'static str,
    id: &str,
    table: &[Field],
    theirs: &Value,
    ours: &Value,
    zone: &TimeZone,
) -> Vec<Mismatch> {
    let differs = |(our_name, their_names, form): &&Field| {
        let their =
            their_names.iter().map(|name| &theirs[*name]).find(|value| !is_blank(value)).unwrap_or(&Value::Null);
        !same(*form, their, &ours[*our_name], zone)
    };
    table.iter().filter(differs).map(|(field, ..)| Mismatch { record, id: id.to_owned(), field }).collect()
}

fn same(form: Form, theirs: &Value, ours: &Value, zone: &TimeZone) -> bool {
    match form {
        Form::Text => text(theirs) == text(ours),
        Form::Flag => theirs.as_bool().unwrap_or(false) == ours.as_bool().unwrap_or(false),
        Form::Json => match (theirs.as_array(), ours.as_array()) {
            // The order of tags and custom fields means nothing.
            (Some(theirs), Some(ours)) => theirs.len() == ours.len() && theirs.iter().all(|their| ours.contains(their)),
            _ => (is_blank(theirs) && is_blank(ours)) || theirs == ours,
        },
        Form::Instant => instant(theirs) == instant(ours),
        Form::Local => match local(theirs) {
            // The wall shows an hour twice when its clock is put back; either will do.
            Some(wall) => instant(ours).map(|at| zone.to_datetime(at)) == Some(wall),
            None => instant(theirs) == instant(ours),
        },
    }
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value == "" || value.as_array().is_some_and(Vec::is_empty)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn instant(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(ms) => Timestamp::from_millisecond(ms.as_i64()?).ok(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn local(value: &Value) -> Option<DateTime> {
    let text = value.as_str()?;
    // A time with an offset would be read as well, without it.
    if text.parse::<Timestamp>().is_ok() { None } else { text.parse().ok() }
}

/// The name that a reader expects: GHL's own, else first and last name.
fn name_of(contact: &Value) -> String {
    let given = ["name", "contactName"].iter().map(|field| text(&contact[*field])).find(|name| !name.trim().is_empty());
    given.unwrap_or_else(|| {
        let parts = [text(&contact["firstName"]), text(&contact["lastName"])];
        parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state() -> Value {
        json!({
            "contacts": [{"id": "c", "firstName": "Ann", "lastName": "", "email": null, "tags": ["a"], "dateAdded": "2026-01-01T00:00:00Z"}],
            "tasks": [{"id": "t", "contactId": "c", "title": "Call", "dueDate": "2026-01-02T00:00:00.000Z", "completed": false}],
            "notes": [],
            "appointments": [{"id": "a", "contactId": "c", "startTime": "2026-07-01 12:00:00", "appointmentStatus": "confirmed"}],
        })
    }

    fn view() -> Value {
        json!({
            "contact": {"id": "c", "name": "Ann", "firstName": "Ann", "tags": ["a"], "dateAdded": "2026-01-01T00:00:00Z"},
            "tasks": [{"taskId": "t", "contactId": "c", "title": "Call", "dueDate": "2026-01-02T00:00:00Z", "completed": false}],
            "notes": [],
            "appointments": [{"appointmentId": "a", "contactId": "c", "startTime": "2026-07-01T10:00:00Z", "status": "confirmed"}],
        })
    }

    fn differences(view: Option<&Value>) -> Vec<(&'static str, &'static str)> {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        contact(&state(), "c", &zone, view).into_iter().map(|found| (found.record, found.field)).collect()
    }

    #[test]
    fn equal_records_have_no_mismatch() {
        assert_eq!(differences(Some(&view())), []);
    }

    #[test]
    fn each_field_and_each_lacking_record_is_found() {
        let mut changed = view();
        changed["contact"]["tags"] = json!([]);
        changed["contact"]["name"] = json!("Anna");
        changed["tasks"][0]["completed"] = json!(true);
        changed["notes"] = json!([{"noteId": "extra"}]);
        changed["appointments"][0]["startTime"] = json!("2026-07-01T12:00:00Z");
        let expected = [
            ("contact", "tags"),
            ("contact", "name"),
            ("task", "completed"),
            ("note", ""),
            ("appointment", "startTime"),
        ];
        assert_eq!(differences(Some(&changed)), expected);
        assert_eq!(differences(None), [("contact", "")]);
    }

    #[test]
    fn a_record_that_is_there_twice_is_a_mismatch() {
        let mut doubled = view();
        let again = doubled["tasks"][0].clone();
        doubled["tasks"].as_array_mut().unwrap().push(again);
        assert_eq!(differences(Some(&doubled)), [("task", "")]);
    }
}
