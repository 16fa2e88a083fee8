//! The one form of a body. GHL was seen to wrap the record (`{"contact":{…}}`, `{"data":{…}}`), to write the ids of the envelope with
//! underscores, and to send an appointment flat or under `appointment`.

use ghl::webhooks::{Event, Recognised};
use serde_json::{Map, Value};

/// What belongs to the delivery and not to the record.
const ENVELOPE: [&str; 8] =
    ["type", "locationId", "timestamp", "webhookId", "versionId", "appId", "companyId", "payloadTooLarge"];
/// Names that were seen in two spellings.
const SPELLINGS: [(&str, &str); 6] = [
    ("location_id", "locationId"),
    ("contact_id", "contactId"),
    ("webhook_id", "webhookId"),
    ("company_id", "companyId"),
    ("app_id", "appId"),
    ("_id", "id"),
];

/// Takes out what is wholly inside `data`: only there does it say what it is. Whether it was.
pub(super) fn open(body: &mut Map<String, Value>) -> bool {
    let is_inside = !body.contains_key("type") && body.get("data").is_some_and(|data| data["type"].is_string());
    is_inside && unwrap(body, "data")
}

/// Brings a body into the one form. Whether it was in another.
pub(super) fn flatten(event: Recognised, body: &mut Map<String, Value>) -> bool {
    let is_of = |names: &[Event]| names.iter().any(|name| event.could_match(*name));
    let is_appointment = is_of(&[Event::AppointmentCreate, Event::AppointmentUpdate, Event::AppointmentDelete]);
    let is_contact = is_of(&[
        Event::ContactCreate,
        Event::ContactUpdate,
        Event::ContactDelete,
        Event::ContactDndUpdate,
        Event::ContactTagUpdate,
    ]);
    let is_task = is_of(&[Event::TaskCreate, Event::TaskComplete, Event::TaskDelete]);
    let is_note = is_of(&[Event::NoteCreate, Event::NoteUpdate, Event::NoteDelete]);
    let mut moved = event != Recognised::Unknown && unwrap(body, "data");
    for (wrapper, _) in [("contact", is_contact), ("task", is_task), ("note", is_note)].iter().filter(|(_, is)| *is) {
        moved |= unwrap(body, wrapper);
    }
    let is_own = is_contact || is_task || is_note || is_appointment;
    // Such names show the shape of the others.
    for (seen, name) in SPELLINGS.into_iter().filter(|(seen, _)| is_own || *seen != "_id") {
        moved |= respell(body, seen, name);
    }
    if is_appointment && !body.contains_key("appointment") {
        let (envelope, record): (Map<_, _>, Map<_, _>) =
            std::mem::take(body).into_iter().partition(|(name, _)| ENVELOPE.contains(&name.as_str()));
        *body = envelope;
        body.insert("appointment".to_owned(), Value::Object(record));
        moved = true;
    }
    if let Some(Value::Object(appointment)) = body.get_mut("appointment").filter(|_| is_appointment) {
        for (seen, name) in [("_id", "id"), ("contact_id", "contactId")] {
            moved |= respell(appointment, seen, name);
        }
    }
    moved
}

/// Puts the members of the object under `wrapper` beside it. What the body says itself stays, but an id: that of the wrapped record is the
/// record's, and the other one the delivery's. Where only the body has one, what is wrapped is something else.
fn unwrap(body: &mut Map<String, Value>, wrapper: &str) -> bool {
    let has_id = |record: &Map<String, Value>| record.contains_key("id") || record.contains_key("_id");
    let is_record = body.get(wrapper).and_then(Value::as_object).map(has_id);
    if is_record.is_none_or(|is_record| body.contains_key("id") && !is_record) {
        return false;
    }
    let Some(Value::Object(inner)) = body.remove(wrapper) else { return false };
    if has_id(&inner) {
        body.remove("id");
    }
    for (name, value) in inner {
        body.entry(name).or_insert(value);
    }
    true
}

fn respell(body: &mut Map<String, Value>, seen: &str, name: &str) -> bool {
    if body.get(name).is_some_and(|value| !value.is_null()) || !body.contains_key(seen) {
        return false;
    }
    let Some(value) = body.remove(seen) else { return false };
    body.insert(name.to_owned(), value);
    true
}
