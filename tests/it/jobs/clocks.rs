//! Our clock and GHL's need not agree, and either may be set: no create is made twice for it, and nothing waits for hours.

use ghl_sandbox::Faults;
use jiff::SignedDuration;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::test_app::{Setup, TestApp};

/// Farther apart than the two may be without anybody knowing.
const APART: [i64; 4] = [-180, 180, -3_600, 7_200];

fn lost() -> Faults {
    Faults { cut_after: 1000, writes_only: true, at_most: Some(1), ..Faults::default() }
}

fn count(app: &TestApp, list: &str, field: &str, value: &str) -> usize {
    let state = app.state(&app.location().id);
    state[list].as_array().unwrap().iter().filter(|one| one[field] == value).count()
}

/// The data of a create, the list that holds what it makes, and by which field that is known.
fn creates(app: &TestApp, name: &str) -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let state = app.state(&app.location().id);
    let calendar = &state["appointments"][0]["calendarId"];
    vec![
        ("note.created", json!({"clientyNoteId": name, "noteText": name}), "notes", "body"),
        (
            "task.created",
            json!({"clientyTaskId": name, "title": name, "dueDate": "2026-03-01T09:00:00Z"}),
            "tasks",
            "title",
        ),
        (
            "appointment.created",
            json!({"clientyAppointmentId": name, "calendarId": calendar, "title": name,
                   "startTime": "2026-03-02T15:00:00Z", "endTime": "2026-03-02T15:45:00Z"}),
            "appointments",
            "title",
        ),
        // Without an e-mail or a phone: GHL would take two of them.
        ("contact.created", json!({"clientyContactId": name, "lastName": name}), "contacts", "lastName"),
    ]
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_made_once_however_far_the_clocks_are_apart() {
    let (app, contact) = TestApp::knowing_one(Setup::impatient()).await;
    let location = app.location().id;
    for ahead in APART {
        app.sandbox.set_clock_ahead(SignedDuration::from_secs(ahead));
        // Replies report the time.
        app.report("contact.selected", &contact, json!({})).await;
        app.settle().await;
        for (event_type, data, list, field) in creates(&app, &format!("Apart {ahead}")) {
            let name = format!("Apart {ahead}");
            app.sandbox.set_faults(lost());
            match event_type {
                "contact.created" => {
                    app.send(json!({"type": event_type, "locationId": location, "data": data})).await;
                }
                _ => {
                    app.report(event_type, &contact, data).await;
                }
            }
            app.settle().await;
            assert_eq!(count(&app, list, field, &name), 1, "{event_type}, GHL's clock {ahead} s ahead of ours");
        }
    }
    app.finish().await;
}

/// A write that was announced by a clock that was set back since is waited for as long as any other, not until the clock gets there.
#[tokio::test]
async fn after_the_clock_was_set_back_a_write_that_was_lost_is_sent_again_soon() {
    let setup = Setup { gate: true, ..Setup::impatient() };
    let (mut app, contact) = TestApp::knowing_one(setup).await;
    let location = app.location().id;
    app.report("note.created", &contact, json!({"clientyNoteId": "old", "noteText": "Before"})).await;
    app.settle().await;
    let never = Faults { cut: 1000, writes_only: true, at_most: Some(3), ..Faults::default() };
    let (notes, itself) = (format!("/contacts/{contact}/notes"), format!("/contacts/{contact}"));
    app.gate().answer(Method::GET, &notes, StatusCode::BAD_GATEWAY);
    app.gate().answer(Method::GET, &itself, StatusCode::BAD_GATEWAY);
    app.gate().answer(Method::POST, "/contacts/search", StatusCode::BAD_GATEWAY);
    app.sandbox.set_faults(never);
    let jobs = [
        app.report("note.created", &contact, json!({"clientyNoteId": "new", "noteText": "Once"})).await,
        app.report("note.updated", &contact, json!({"clientyNoteId": "old", "noteText": "Then"})).await,
        app.send(json!({"type": "contact.created", "locationId": location,
                        "data": {"clientyContactId": "k1", "lastName": "Once"}}))
            .await,
    ];
    for job in &jobs {
        app.wait_until("its answer is lost", async || app.job(job).await.last_error.is_some()).await;
    }
    app.rest().await;
    assert_eq!(app.sandbox.stats().faults["cut"], 3);
    app.report("note.updated", &contact, json!({"clientyNoteId": "old", "noteText": "After"})).await;
    app.sql("update entries set intent_at = intent_at + 7200000, asked_at = asked_at + 7200000").await;
    app.sql("update contacts set intent_at = intent_at + 7200000, asked_at = asked_at + 7200000").await;
    app.gate().open();
    app.work();
    app.settle().await;
    assert_eq!((count(&app, "notes", "body", "Once"), count(&app, "notes", "body", "After")), (1, 1));
    assert_eq!(count(&app, "contacts", "lastName", "Once"), 1);
    app.finish().await;
}
