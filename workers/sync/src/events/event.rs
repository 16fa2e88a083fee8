//! Events that producers send: `{"id"?, "type", "locationId", "contactId"?, "data"?}`.

use jiff::{SignedDuration, Timestamp};
use job_engine::Priority;
use serde_json::{Map, Value};
use sync_model::change::{Act, AppointmentChange, Change, ContactChange, ContactPatch, NoteChange, TaskChange};
use sync_model::job::JobKind;
use sync_model::patch::{AppointmentPatch, Kept, NotePatch, TaskPatch};
use uuid::Uuid;

use sync_model::json_fields::{FieldError, Fields, kind_of, nuls};

use super::{IncomingEvent, NewEvent, contact};

/// The name of this source in the ledger and in metrics.
pub const SOURCE: &str = "api";

/// The event types that this version handles.
pub const KNOWN: [&str; 16] = [
    "contact.selected",
    "contact.created",
    "contact.updated",
    "contact.deleted",
    "contact.tagged",
    "contact.enrich",
    "task.created",
    "task.updated",
    "task.completed",
    "task.deleted",
    "note.created",
    "note.updated",
    "note.deleted",
    "appointment.created",
    "appointment.updated",
    "appointment.deleted",
];

/// Looks a contact up elsewhere.
pub const ENRICH: &str = "contact.enrich";

/// What GHL lets a client write of an appointment's statuses.
pub const STATUSES: [&str; 6] = ["new", "confirmed", "cancelled", "showed", "noshow", "invalid"];
/// What its replies use beside them: who read one may send it back, and it means the status that GHL takes for it.
const STATUSES_READ: [&str; 4] = ["booked", "active", "completed", "rescheduled"];
/// How a task reads.
const TASK_STATUSES: [&str; 3] = ["open", "overdue", "completed"];

/// Translates one event without a time of arrival, so that it may have occurred at any time.
///
/// # Errors
/// See [`translate_at`].
pub fn translate(event: &Value) -> Result<IncomingEvent, Vec<FieldError>> {
    translate_at(event, None)
}

/// So far ahead of ours the producer's clock may be.
const AHEAD: SignedDuration = SignedDuration::from_mins(1);
/// So late an event may come: what is older has been reconciled long since.
const LATEST: SignedDuration = SignedDuration::from_hours(30 * 24);

/// When the event occurred, within bounds.
fn occurred_at(fields: &mut Fields<'_>, now: Option<Timestamp>) -> Option<Timestamp> {
    let at = fields.time("occurredAt")?;
    let age = now.map(|now| now.duration_since(at)).unwrap_or_default();
    if age < -AHEAD {
        fields.refuse("occurredAt", "is in the future");
    } else if age > LATEST {
        fields.refuse("occurredAt", "is more than 30 days ago; leave it out if the event is to count from now");
    }
    Some(at)
}

/// Translates one event that came at `now`, or names every field that is wrong.
///
/// # Errors
/// One [`FieldError`] a mistake.
pub fn translate_at(event: &Value, now: Option<Timestamp>) -> Result<IncomingEvent, Vec<FieldError>> {
    let Some(object) = event.as_object() else {
        let message = format!("an event is an object, not {}", kind_of(event));
        return Err(vec![FieldError { field: String::new(), message }]);
    };
    let mut fields = Fields::new(object, "");
    let id = fields.id("id");
    let event_type = fields.required_text("type");
    let location_id = fields.required_id("locationId");
    let contact_id = fields.id("contactId");
    let occurred_at = occurred_at(&mut fields, now);
    let empty = Map::new();
    let data = fields.object("data").unwrap_or(&empty);
    let mut inner = Fields::new(data, "data.");
    let contact_id = if event_type.starts_with("contact.") { contact_id } else { contact_of(contact_id, &mut inner) };
    let work = work(&event_type, id.as_deref(), contact_id.as_deref(), &mut fields, &mut inner);
    let mut errors = fields.finish();
    // An event that fetches edits nothing: what it says besides would be lost without a word.
    let fetches = matches!(work, Some((JobKind::PullContact | JobKind::EnrichContact, ..)) | None)
        && event_type.starts_with("contact.");
    if fetches {
        let does = if event_type == ENRICH { "looks the contact up" } else { "with a contactId fetches the contact" };
        inner.refuse_others(format!("is not read: {event_type} {does}; send it with contact.updated"));
    }
    errors.extend(inner.finish());
    let nuls: Vec<_> =
        nuls(event, "").into_iter().filter(|nul| errors.iter().all(|error| error.field != nul.field)).collect();
    errors.extend(nuls);
    match work {
        Some((kind, priority, change)) if errors.is_empty() => {
            let data = Value::Object(if fetches { Map::new() } else { data.clone() });
            let source = SOURCE.to_owned();
            let event = NewEvent { id, source, occurred_at, event_type, location_id, contact_id, data };
            Ok(IncomingEvent { event, kind, priority, change })
        }
        _ => Err(errors),
    }
}

/// The contact of a task, note or appointment: beside the data, or within it as readers get it.
fn contact_of(beside: Option<String>, data: &mut Fields<'_>) -> Option<String> {
    let within = data.id("contactId");
    if beside.as_ref().zip(within.as_ref()).is_some_and(|(beside, within)| beside != within) {
        data.refuse("contactId", "is another than the event's contactId");
    }
    beside.or(within)
}

/// What an event of this type asks for; nothing where its fields do not say.
fn work(
    event_type: &str,
    event_id: Option<&str>,
    contact_id: Option<&str>,
    fields: &mut Fields<'_>,
    data: &mut Fields<'_>,
) -> Option<(JobKind, Priority, Change)> {
    match event_type {
        "contact.selected" => {
            // A user opens the contact now.
            let record_id = required(contact_id, fields)?;
            Some((JobKind::PullContact, Priority::Interactive, Change::None { record_id }))
        }
        "contact.created" if contact_id.is_some() => {
            let record_id = required(contact_id, fields)?;
            // GHL has it, and from now on Clienty's id leads to it as well.
            let change = match data.id("clientyContactId") {
                None => Change::None { record_id },
                clienty_id => Change::Contact(ContactChange {
                    act: Act::Edit,
                    contact_id: Some(record_id),
                    clienty_id,
                    patch: ContactPatch::default(),
                }),
            };
            Some((JobKind::PullContact, Priority::Realtime, change))
        }
        ENRICH => {
            let record_id = required(contact_id, fields)?;
            Some((JobKind::EnrichContact, Priority::Realtime, Change::None { record_id }))
        }
        "contact.created" | "contact.updated" | "contact.deleted" | "contact.tagged" => {
            let change = contact(event_type, event_id, contact_id, fields, data);
            Some((JobKind::PushContact, Priority::Realtime, Change::Contact(change)))
        }
        "task.created" | "task.updated" | "task.completed" | "task.deleted" => {
            let change = task(event_type, contact_id, fields, data);
            Some((JobKind::PushTask, Priority::Realtime, Change::Task(change)))
        }
        "note.created" | "note.updated" | "note.deleted" => {
            let change = note(event_type, contact_id, fields, data);
            Some((JobKind::PushNote, Priority::Realtime, Change::Note(change)))
        }
        "appointment.created" | "appointment.updated" | "appointment.deleted" => {
            let change = appointment(event_type, contact_id, fields, data);
            Some((JobKind::PushAppointment, Priority::Realtime, Change::Appointment(change)))
        }
        "" => None,
        _ => {
            fields.refuse("type", format!("is not known; known are {}", KNOWN.join(", ")));
            None
        }
    }
}

fn contact(
    event_type: &str,
    event_id: Option<&str>,
    contact_id: Option<&str>,
    fields: &mut Fields<'_>,
    data: &mut Fields<'_>,
) -> ContactChange {
    let act = act(event_type);
    let mut clienty_id = data.id("clientyContactId");
    if act == Act::Create && clienty_id.is_none() {
        // The event's own id keeps a repetition from making a second one as well.
        clienty_id = Some(event_id.map_or_else(|| Uuid::new_v4().to_string(), str::to_owned));
    } else if act != Act::Create && contact_id.is_none() && clienty_id.is_none() && !fields.has_mistake("contactId") {
        fields.refuse("contactId", "is missing; send it or data.clientyContactId");
    }
    let patch = match act {
        Act::Delete => ContactPatch::default(),
        Act::Edit if event_type == "contact.tagged" => contact::tagged(data),
        Act::Create | Act::Edit => contact::patch(data),
    };
    ContactChange { act, contact_id: contact_id.map(str::to_owned), clienty_id, patch }
}

fn task(event_type: &str, contact_id: Option<&str>, fields: &mut Fields<'_>, data: &mut Fields<'_>) -> TaskChange {
    let act = act(event_type);
    let create = act == Act::Create;
    let clienty_id = data.id("clientyTaskId");
    let ghl_id = data.id("taskId");
    if create {
        required(contact_id, fields);
        if clienty_id.is_none() {
            data.refuse("clientyTaskId", "is missing; without it a repeated event would create the task twice");
        }
    } else if clienty_id.is_none() && ghl_id.is_none() {
        data.refuse("taskId", "is missing; send taskId or clientyTaskId");
    }
    let (title, due_date) = if create {
        (Some(data.required_text("title")), Some(data.required_time("dueDate")))
    } else {
        (data.set_text("title"), data.time("dueDate"))
    };
    let completed = data.flag("completed");
    data.refuse_null("completed", "must be true or false");
    // As it is read: what is not completed is open, overdue or not.
    data.refuse_null("status", "must be open, overdue or completed");
    let status = data.read("status", "open, overdue or completed", |value| {
        value.as_str().filter(|text| TASK_STATUSES.contains(text)).map(|text| text == "completed")
    });
    if status.zip(completed).is_some_and(|(status, completed)| status != completed) {
        data.refuse("status", "contradicts completed; send one of the two");
    }
    let patch = TaskPatch {
        title,
        body: cleared(data, "body"),
        due_date: due_date.map(Some),
        completed: completed.or((event_type == "task.completed").then_some(true)).or(status),
        assigned_to: cleared_id(data, "assignedTo"),
        // GHL can change them, and take none of them away.
        kept: nulls_of(data, &[("dueDate", "data.dueDate"), ("assignedTo", "data.assignedTo")]),
    };
    TaskChange { act, clienty_id, ghl_id, contact_id: contact_id.map(str::to_owned), patch }
}

fn note(event_type: &str, contact_id: Option<&str>, fields: &mut Fields<'_>, data: &mut Fields<'_>) -> NoteChange {
    let act = act(event_type);
    let create = act == Act::Create;
    let clienty_id = data.id("clientyNoteId");
    let ghl_id = data.id("noteId");
    if create {
        required(contact_id, fields);
        if clienty_id.is_none() {
            data.refuse("clientyNoteId", "is missing; without it a repeated event would create the note twice");
        }
    } else if clienty_id.is_none() && ghl_id.is_none() {
        data.refuse("noteId", "is missing; send noteId or clientyNoteId");
    }
    let note_text = if create { Some(data.required_text("noteText")) } else { data.set_text("noteText") };
    let patch = NotePatch {
        note_text,
        user_id: cleared_id(data, "userId"),
        kept: nulls_of(data, &[("userId", "data.userId")]),
    };
    NoteChange { act, clienty_id, ghl_id, contact_id: contact_id.map(str::to_owned), patch }
}

fn appointment(
    event_type: &str,
    contact_id: Option<&str>,
    fields: &mut Fields<'_>,
    data: &mut Fields<'_>,
) -> AppointmentChange {
    let act = act(event_type);
    let create = act == Act::Create;
    let clienty_id = data.id("clientyAppointmentId");
    let ghl_id = data.id("appointmentId");
    if create {
        required(contact_id, fields);
        if clienty_id.is_none() {
            let why = "is missing; without it a repeated event would create the appointment twice";
            data.refuse("clientyAppointmentId", why);
        }
    } else if clienty_id.is_none() && ghl_id.is_none() {
        data.refuse("appointmentId", "is missing; send appointmentId or clientyAppointmentId");
    }
    let (calendar_id, start_time) = if create {
        (Some(data.required_id("calendarId")), Some(data.required_time("startTime")))
    } else {
        (data.id("calendarId"), data.time("startTime"))
    };
    let end_time = data.time("endTime");
    if start_time.zip(end_time).is_some_and(|(start, end)| end <= start) && !data.has_mistake("startTime") {
        data.refuse("endTime", "must be after startTime");
    }
    // Its name with tasks, and its name in the record.
    let users = ["assignedTo", "assignedUserId"].map(|name| cleared_id(data, name));
    if let [Some(one), Some(other)] = &users
        && one != other
    {
        data.refuse("assignedUserId", "must be what assignedTo is; send one of them");
    }
    let patch = AppointmentPatch {
        calendar_id,
        title: cleared(data, "title"),
        status: status(data),
        start_time,
        end_time,
        address: cleared(data, "address"),
        notes: cleared(data, "notes"),
        assigned_user_id: users.into_iter().flatten().next(),
        // GHL can change them, and take none of them away.
        kept: nulls_of(data, &APPOINTMENT_KEPT),
    };
    AppointmentChange { act, clienty_id, ghl_id, contact_id: contact_id.map(str::to_owned), patch }
}

fn status(data: &mut Fields<'_>) -> Option<String> {
    let expected = format!("one of {}", STATUSES.join(", "));
    let known = |text: &&str| STATUSES.contains(text) || STATUSES_READ.contains(text);
    data.read("status", &expected, |value| value.as_str().filter(known)).map(str::to_owned)
}

fn act(event_type: &str) -> Act {
    match event_type.rsplit('.').next() {
        Some("created") => Act::Create,
        Some("deleted") => Act::Delete,
        _ => Act::Edit,
    }
}

/// A text that null clears, as does one of white space alone, and absence leaves alone.
fn cleared(data: &mut Fields<'_>, name: &'static str) -> Option<Option<String>> {
    let text = data.loose_text(name).filter(|text| !text.trim().is_empty());
    if data.is_nothing(name) { Some(None) } else { text.map(Some) }
}

/// Those of the fields that the event would take away.
fn nulls_of(data: &Fields<'_>, names: &[Kept]) -> Vec<Kept> {
    names.iter().copied().filter(|(_, place)| data.is_nothing(place.trim_start_matches("data."))).collect()
}

const APPOINTMENT_KEPT: [Kept; 6] = [
    ("calendarId", "data.calendarId"),
    ("status", "data.status"),
    ("startTime", "data.startTime"),
    ("endTime", "data.endTime"),
    ("assignedUserId", "data.assignedTo"),
    ("assignedUserId", "data.assignedUserId"),
];

/// As [`cleared`], for an id.
fn cleared_id(data: &mut Fields<'_>, name: &'static str) -> Option<Option<String>> {
    if data.is_nothing(name) {
        return cleared(data, name);
    }
    data.id(name).map(Some)
}

fn required(contact_id: Option<&str>, fields: &mut Fields<'_>) -> Option<String> {
    if contact_id.is_none() && !fields.has_mistake("contactId") {
        fields.refuse("contactId", "is missing");
    }
    contact_id.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(event: Value) -> Vec<String> {
        translate(&event).expect_err("refused").into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn a_selected_contact_is_pulled_at_once() {
        let event = json!({"id": "e1", "type": "contact.selected", "locationId": "L", "contactId": "C"});
        let trigger = translate(&event).unwrap();
        assert_eq!((trigger.kind, trigger.priority), (JobKind::PullContact, Priority::Interactive));
        assert!(matches!(trigger.change, Change::None { record_id } if record_id == "C"));
    }

    #[test]
    fn a_contact_is_looked_up_by_an_event_that_says_nothing_else() {
        let event = |data: Value| json!({"type": ENRICH, "locationId": "L", "contactId": "C", "data": data});
        let trigger = translate(&event(json!({}))).unwrap();
        assert_eq!(trigger.kind, JobKind::EnrichContact);
        assert!(matches!(trigger.change, Change::None { record_id } if record_id == "C"));
        assert_eq!(faults(event(json!({"website": "x"}))), ["data.website"]);
        assert_eq!(faults(json!({"type": ENRICH, "locationId": "L"})), ["contactId"]);
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let event =
            json!({"type": "task.created", "locationId": 7, "data": {"title": "", "dueDate": "soon", "titel": "x"}});
        assert_eq!(
            faults(event),
            ["locationId", "contactId", "data.clientyTaskId", "data.title", "data.dueDate", "data.titel"]
        );
        assert_eq!(faults(json!({})), ["type", "locationId"]);
        assert_eq!(faults(json!({"type": "contact.seen", "locationId": "L"})), ["type"]);
        assert_eq!(faults(json!({"type": "contact.selected", "locationId": "L", "contactId": 5})), ["contactId"]);
        assert_eq!(faults(json!([1])), [""]);
    }

    #[test]
    fn a_completed_task_needs_no_data_but_its_id() {
        let event = json!({"type": "task.completed", "locationId": "L", "data": {"taskId": "T"}});
        let Change::Task(change) = translate(&event).unwrap().change else { panic!("a task") };
        assert_eq!((change.patch.completed, change.patch.title), (Some(true), None));
    }

    #[test]
    fn a_record_can_be_sent_back_as_it_was_read() {
        let (at, sync) = ("2026-03-01T09:00:00Z", json!({"state": "applied", "fields": []}));
        let task = json!({"taskId": "t", "clientyTaskId": "k", "contactId": "C", "title": "Call", "body": null, "dueDate": at,
            "completed": false, "assignedTo": null, "status": "overdue", "recordId": "r", "sync": sync, "unread": ["city"]});
        let note = json!({"noteId": "n", "contactId": "C", "noteText": "Hi", "userId": "u", "recordId": "r", "sync": sync, "unread": ["city"]});
        let appointment = json!({"appointmentId": "a", "contactId": "C", "calendarId": "cal", "title": "Demo", "status": "booked",
            "startTime": at, "endTime": "2026-03-01T10:00:00Z", "address": null, "notes": null, "assignedUserId": "u",
            "recordId": "r", "sync": sync, "unread": ["city"]});
        let contact = json!({"clientyContactId": "k", "name": "Ada Byron", "firstName": "Ada", "lastName": "Byron", "email": null,
            "tags": ["vip"], "customFields": [{"id": "f", "value": 1}], "customFieldsByKey": {"size": 1}, "recordId": "r", "sync": sync, "unread": ["city"]});
        let records = [("task", task), ("note", note), ("appointment", appointment), ("contact", contact)];
        for (kind, data) in records {
            let event = json!({"type": format!("{kind}.updated"), "locationId": "L", "contactId": "C", "data": data});
            assert!(translate(&event).is_ok(), "{kind}: {:?}", translate(&event));
        }
        for status in STATUSES.iter().chain(&STATUSES_READ) {
            let data = json!({"appointmentId": "a", "status": status});
            let event = json!({"type": "appointment.updated", "locationId": "L", "data": data});
            assert!(translate(&event).is_ok(), "{status}");
        }
        let status = |status: &str, completed: Value| {
            let mut data = json!({"taskId": "t", "status": status});
            if !completed.is_null() {
                data["completed"] = completed;
            }
            translate(&json!({"type": "task.updated", "locationId": "L", "data": data}))
        };
        for (word, completed) in [("open", false), ("overdue", false), ("completed", true)] {
            let Change::Task(change) = status(word, Value::Null).unwrap().change else { panic!("a task") };
            assert_eq!(change.patch.completed, Some(completed), "{word}");
            assert!(status(word, json!(!completed)).is_err(), "{word} contradicts");
        }
        for name in ["dateAdded", "dateUpdated", "lastActivity"] {
            let event = json!({"type": "contact.updated", "locationId": "L", "contactId": "C", "data": {name: at}});
            assert!(translate(&event).unwrap_err()[0].message.contains("set by GHL alone"), "{name}");
        }
    }

    #[test]
    fn null_clears_a_field_and_absence_leaves_it() {
        let event = json!({"type": "task.updated", "locationId": "L", "data": {"taskId": "T", "body": null}});
        let Change::Task(change) = translate(&event).unwrap().change else { panic!("a task") };
        assert_eq!((change.patch.body, change.patch.assigned_to), (Some(None), None));
    }

    /// Each field of each record, emptied in each way: it is taken away or refused, and never passed over without a word.
    #[test]
    fn what_empties_a_field_takes_it_away_or_is_refused() {
        let contact = [
            "name",
            "firstName",
            "lastName",
            "email",
            "phone",
            "companyName",
            "address1",
            "city",
            "state",
            "country",
            "postalCode",
            "website",
            "source",
            "assignedTo",
            "timezone",
            "dateOfBirth",
            "dnd",
            "tags",
        ];
        let appointment = [
            "calendarId",
            "title",
            "status",
            "startTime",
            "endTime",
            "address",
            "notes",
            "assignedTo",
            "assignedUserId",
        ];
        let tables: [(&str, &str, &[&str]); 4] = [
            ("contact.updated", "clientyContactId", &contact),
            ("task.updated", "taskId", &["title", "body", "dueDate", "completed", "status", "assignedTo"]),
            ("note.updated", "noteId", &["noteText", "userId"]),
            ("appointment.updated", "appointmentId", &appointment),
        ];
        for (event_type, id, fields) in tables {
            for (field, empty) in
                fields.iter().flat_map(|field| [json!(null), json!(""), json!(" ")].map(|empty| (field, empty)))
            {
                let data = json!({id: "x", *field: empty});
                let event = json!({"type": event_type, "locationId": "L", "contactId": "C", "data": data});
                let says = match translate(&event).map(|trigger| trigger.change) {
                    Err(errors) => errors.iter().all(|error| error.field == format!("data.{field}")),
                    Ok(Change::Contact(change)) => change.patch != ContactPatch::default(),
                    Ok(Change::Task(change)) => change.patch != TaskPatch::default(),
                    Ok(Change::Note(change)) => change.patch != NotePatch::default(),
                    Ok(Change::Appointment(change)) => change.patch != AppointmentPatch::default(),
                    Ok(other) => panic!("{other:?}"),
                };
                assert!(says, "{event_type}: {field} is {empty:?}");
            }
        }
        let custom = |empty: Value| {
            let data = json!({"customFields": {"size": empty}});
            let event = json!({"type": "contact.updated", "locationId": "L", "contactId": "C", "data": data});
            let Change::Contact(change) = translate(&event).unwrap().change else { panic!("a contact") };
            json!(change.patch.fields)
        };
        for empty in [json!(null), json!(""), json!("  ")] {
            let is_nothing = custom(empty)["customFields.contact.size"].clone();
            assert!(is_nothing.is_null(), "{is_nothing:?}");
        }
        let named = |data: Value| {
            let event = json!({"type": "contact.updated", "locationId": "L", "contactId": "C", "data": data});
            let Change::Contact(change) = translate(&event).unwrap().change else { panic!("a contact") };
            (json!(change.patch.fields), change.patch.tags)
        };
        assert_eq!(named(json!({"name": null})).0, json!({"firstName": null, "lastName": null}));
        assert_eq!(named(json!({"tags": null})).1, Some(vec![]));
    }

    #[test]
    fn an_event_that_fetches_refuses_what_it_does_not_read() {
        for (event_type, data, wrong) in [
            ("contact.selected", json!({"city": "Bonn", "remark": 1}), vec!["data.city", "data.remark"]),
            ("contact.created", json!({"clientyContactId": "k1", "city": "Bonn"}), vec!["data.city"]),
        ] {
            let event = json!({"type": event_type, "locationId": "L", "contactId": "C", "data": data});
            assert_eq!(faults(event), wrong, "{event_type}");
        }
        let linked =
            json!({"type": "contact.created", "locationId": "L", "contactId": "C", "data": {"clientyContactId": "k1"}});
        assert!(translate(&linked).is_ok());
    }

    #[test]
    fn an_event_may_say_when_it_occurred_within_bounds() {
        let now: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
        let said = |at: Value| {
            let event = json!({"type": "contact.updated", "locationId": "L", "contactId": "C", "occurredAt": at, "data": {"city": "B"}});
            translate_at(&event, Some(now)).map(|trigger| trigger.event.occurred_at)
        };
        let at = |text: &str| Some(text.parse().unwrap());
        assert_eq!(said(json!("2026-05-31T12:00:00+02:00")), Ok(at("2026-05-31T10:00:00Z")));
        assert_eq!(said(json!("2026-06-01T12:00:30Z")), Ok(at("2026-06-01T12:00:30Z")), "clocks differ");
        assert_eq!(said(Value::Null), Ok(None));
        for wrong in ["2026-06-01T12:05:00Z", "2026-04-01T00:00:00Z", "yesterday", "2026-06-01T12:00:00"] {
            assert_eq!(said(json!(wrong)).unwrap_err()[0].field, "occurredAt", "{wrong}");
        }
    }

    #[test]
    fn edits_of_a_contact_are_pushed() {
        let event = json!({"type": "contact.updated", "locationId": "L", "contactId": "C", "data": {"city": null}});
        let trigger = translate(&event).unwrap();
        assert_eq!(trigger.kind, JobKind::PushContact);
        let Change::Contact(change) = trigger.change else { panic!("a contact") };
        assert_eq!((change.act, json!(change.patch.fields)), (Act::Edit, json!({"city": null})));

        let tagged = json!({"type": "contact.tagged", "locationId": "L", "contactId": "C", "data": {"tags": ["VIP"], "removeTags": ["New"]}});
        let Change::Contact(change) = translate(&tagged).unwrap().change else { panic!("a contact") };
        assert_eq!(json!(change.patch.fields), json!({"tags.vip": true, "tags.new": null}));
    }

    #[test]
    fn a_contact_that_ghl_lacks_is_created_under_an_id_of_its_own() {
        let created = |id: Value, data: Value| {
            let event = json!({"id": id, "type": "contact.created", "locationId": "L", "data": data});
            let Change::Contact(change) = translate(&event).unwrap().change else { panic!("a contact") };
            (change.act, change.clienty_id.unwrap())
        };
        let named = json!({"clientyContactId": "k1", "email": "a@x.de"});
        assert_eq!(created(json!("e1"), named), (Act::Create, "k1".to_owned()));
        assert_eq!(created(json!("e1"), json!({"email": "a@x.de"})).1, "e1", "else the event's");
    }

    #[test]
    fn an_appointment_names_its_calendar_its_times_and_every_mistake() {
        let event = |event_type: &str, data: Value| json!({"type": event_type, "locationId": "L", "contactId": "C", "data": data});
        let good = json!({
            "clientyAppointmentId": "k1", "calendarId": "cal", "startTime": "2026-03-01T10:00:00+01:00",
            "endTime": "2026-03-01T09:30:00Z", "status": "new", "address": null, "assignedTo": "u1",
        });
        let trigger = translate(&event("appointment.created", good)).unwrap();
        assert_eq!(trigger.kind, JobKind::PushAppointment);
        let Change::Appointment(AppointmentChange { patch, .. }) = trigger.change else { panic!("an appointment") };
        assert_eq!(patch.start_time.unwrap().to_string(), "2026-03-01T09:00:00Z");
        assert_eq!((patch.address, patch.assigned_user_id), (Some(None), Some(Some("u1".to_owned()))));

        let bad = json!({"startTime": "2026-03-01 10:00:00", "endTime": "soon", "status": "bookd", "duration": 5});
        let named = ["clientyAppointmentId", "calendarId", "startTime", "endTime", "status", "duration"];
        assert_eq!(faults(event("appointment.created", bad)), named.map(|name| format!("data.{name}")));
        let early =
            json!({"appointmentId": "A", "startTime": "2026-03-01T10:00:00Z", "endTime": "2026-03-01T10:00:00Z"});
        assert_eq!(faults(event("appointment.updated", early)), ["data.endTime"]);
        assert_eq!(faults(event("appointment.deleted", json!({}))), ["data.appointmentId"]);
    }

    #[test]
    fn an_edit_of_no_contact_or_of_a_field_that_none_has_is_refused() {
        let faults_of =
            |event_type: &str, data: Value| faults(json!({"type": event_type, "locationId": "L", "data": data}));
        assert_eq!(faults_of("contact.deleted", json!({})), ["contactId"]);
        assert_eq!(faults_of("contact.updated", json!({"nick": "x"})), ["contactId", "data.nick"]);
        assert_eq!(faults_of("contact.tagged", json!({"clientyContactId": "k1"})), ["data.tags"]);
        for email in [json!(5), json!("not-an-email"), json!("@x.de"), json!("a b@x.de"), json!("a@host")] {
            assert_eq!(faults_of("contact.created", json!({"email": email})), ["data.email"], "{email}");
        }
    }
}
