//! What webhooks look like, as in GHL's published samples.

use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::Changed;
use crate::dates;

/// GHL sends no larger body, in bytes.
const LARGEST: usize = 256 * 1024;

/// The fields of a contact that its events show; `dateUpdated` is not among them.
const CONTACT: [&str; 23] = [
    "address1",
    "city",
    "state",
    "companyName",
    "country",
    "source",
    "dateAdded",
    "dateOfBirth",
    "dnd",
    "email",
    "name",
    "firstName",
    "lastName",
    "phone",
    "postalCode",
    "tags",
    "website",
    "attachments",
    "assignedTo",
    "customFields",
    "id",
    // In no published sample, but in webhooks that were captured in March 2026.
    "timezone",
    "dndSettings",
];
const TASK: [&str; 7] = ["id", "assignedTo", "body", "contactId", "title", "dateAdded", "dueDate"];
/// What GHL was seen to leave of it.
const BARE_TASK: [&str; 5] = ["id", "assignedTo", "title", "dateAdded", "dueDate"];
const NOTE: [&str; 4] = ["id", "body", "contactId", "dateAdded"];
const APPOINTMENT: [&str; 15] = [
    "id",
    "address",
    "title",
    "calendarId",
    "contactId",
    "groupId",
    "appointmentStatus",
    "assignedUserId",
    "users",
    "notes",
    "source",
    "startTime",
    "endTime",
    "dateAdded",
    "dateUpdated",
];

/// The webhook of a change; none where GHL has none: an edited task, merged contacts.
pub(super) fn of(change: &Changed, bare_task: bool, late_hours: u16) -> Option<Value> {
    let Changed { event, location, contact, id, record } = change;
    let mut body = match *event {
        "TaskUpdate" | "ContactMerge" => return None,
        "ContactDndUpdate" => shown(record, &CONTACT),
        event if event.starts_with("Contact") => shown(record, &CONTACT[..CONTACT.len() - 1]),
        event if event.starts_with("Task") && bare_task => shown(record, &BARE_TASK),
        event if event.starts_with("Task") => shown(record, &TASK),
        event if event.starts_with("Note") => shown(record, &NOTE),
        event if event.starts_with("Appointment") => {
            Map::from_iter([("appointment".to_owned(), Value::Object(shown(record, &APPOINTMENT)))])
        }
        _ => return None,
    };
    body.extend(envelope(event, location, late_hours));
    let body = Value::Object(body);
    if body.to_string().len() <= LARGEST {
        return Some(body);
    }
    let mut ids = envelope(event, location, late_hours);
    ids.extend([
        ("id".to_owned(), json!(id)),
        ("contactId".to_owned(), json!(contact)),
        ("payloadTooLarge".to_owned(), json!(true)),
    ]);
    Some(Value::Object(ids))
}

fn envelope(event: &str, location: &str, late_hours: u16) -> Map<String, Value> {
    let at = dates::now() - SignedDuration::from_hours(late_hours.into());
    Map::from_iter([
        ("type".to_owned(), json!(event)),
        ("locationId".to_owned(), json!(location)),
        ("timestamp".to_owned(), json!(dates::iso(at))),
        ("webhookId".to_owned(), json!(Uuid::new_v4().to_string())),
    ])
}

fn shown(record: &Value, fields: &[&str]) -> Map<String, Value> {
    let there = fields.iter().filter(|field| !record[**field].is_null());
    there.map(|field| ((*field).to_owned(), record[*field].clone())).collect()
}
