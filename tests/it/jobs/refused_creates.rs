//! A field that GHL names as wrong in a create is left out and shown as refused; the rest is made, once.

use ghl_sandbox::{ErrorAnswer, RequestedError};
use serde_json::{Value, json};
use sync_workers::records::JobState;

use crate::support::test_app::{Setup, TestApp, call};

/// A create that GHL refuses in these words, and the field that they name.
struct Refused {
    event: &'static str,
    data: Value,
    operation: &'static str,
    list: &'static str,
    title: &'static str,
    words: &'static str,
    field: &'static str,
}

fn refused(calendar: &Value) -> Vec<Refused> {
    let task = |field: &str, value: &str| {
        let mut data = json!({"title": "It", "dueDate": "2026-03-01T09:00:00Z"});
        data[field] = json!(value);
        data
    };
    let booking = |field: &str, value: &str| {
        let mut data = json!({"calendarId": calendar, "title": "It", "startTime": "2026-03-02T15:00:00Z",
                              "endTime": "2026-03-02T15:45:00Z"});
        data[field] = json!(value);
        data
    };
    let of = |(event, operation, list, title), data, words, field| Refused {
        event,
        data,
        operation,
        list,
        title,
        words,
        field,
    };
    let a_task = ("task.created", call::CREATE_TASK, "tasks", "title");
    let a_note = ("note.created", call::CREATE_NOTE, "notes", "body");
    let an_appointment = ("appointment.created", call::CREATE_APPOINTMENT, "appointments", "title");
    vec![
        of(a_task, task("assignedTo", "nobody1"), "assignedTo must be a valid user", "assignedTo"),
        of(a_task, task("body", "Long text"), "Body is too long", "body"),
        of(a_note, json!({"noteText": "It", "userId": "nobody1"}), "User with id nobody1 not found", "userId"),
        of(an_appointment, booking("assignedUserId", "nobody1"), "Assigned user is not on the team", "assignedUserId"),
        of(an_appointment, booking("address", "Room 9"), "address is not allowed for this calendar", "address"),
        of(an_appointment, booking("notes", "Bring it"), "description must be a string", "notes"),
    ]
}

#[tokio::test]
async fn the_rest_of_a_create_is_made_and_the_field_that_ghl_names_is_refused() {
    let (app, contact) = TestApp::knowing_one(Setup::impatient()).await;
    let calendar = app.state(&app.location().id)["appointments"][0]["calendarId"].clone();
    for status in [400, 422] {
        for (number, one) in refused(&calendar).into_iter().enumerate() {
            let name = format!("{} {status} {number}", one.field);
            let (mut data, text) = (one.data.clone(), if one.list == "notes" { "noteText" } else { "title" });
            data[text] = json!(name);
            let id = ["clientyTaskId", "clientyNoteId", "clientyAppointmentId"];
            let id = id[["tasks", "notes", "appointments"].iter().position(|list| *list == one.list).unwrap()];
            data[id] = json!(name);
            // The sandbox knows its users itself.
            let is_made = status == 422 && one.field != "userId";
            let body = json!({"statusCode": status, "message": [one.words]});
            app.sandbox.request_errors(vec![RequestedError {
                // It is made all the same, and reported otherwise: what is there is not made again.
                carried_out: is_made,
                ..RequestedError::once(one.operation, ErrorAnswer::Raw { status, body })
            }]);
            let job = app.report(one.event, &contact, data.clone()).await;
            let job = app.ended(&job).await;
            app.settle().await;
            let held = app.held(one.list, &contact);
            let held: Vec<_> = held.iter().filter(|held| held[one.title] == name.as_str()).collect();
            assert_eq!(held.len(), 1, "{name}: {job:?}");
            if is_made {
                assert_eq!(job.state, JobState::Done, "{name}: {job:?}");
                continue;
            }
            assert_eq!(job.state, JobState::Dead, "{name}: {job:?}");
            let view = app.view(&contact).await.unwrap();
            let ours = view[one.list].as_array().unwrap().iter().find(|ours| ours[id] == name.as_str()).unwrap();
            let fields = ours["sync"]["fields"].as_array().unwrap();
            let reported: Vec<_> = fields.iter().map(|field| (&field["field"], &field["state"])).collect();
            assert_eq!(reported, [(&json!(one.field), &json!("refused"))], "{name}: {ours}");
        }
    }
    app.finish_with_any_dead().await;
}
