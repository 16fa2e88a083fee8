//! After a lost create, what GHL had before the announcement is not what the create made, however equal it is.

use ghl_sandbox::Faults;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use sync_model::clock::Clock;
use sync_workers::records::JobState;

use crate::support::test_app::{Setup, TestApp, call};

const DUE: &str = "2026-03-01T09:00:00Z";
const LONG_AGO: &str = "2024-05-06T07:08:09.000Z";

/// The next write is lost before GHL has seen it.
fn lose_one(app: &TestApp) {
    app.sandbox.set_faults(Faults { cut: 1000, writes_only: true, at_most: Some(1), ..Faults::default() });
}

/// A kind of entry: its list in the sandbox, its event's data, and the same as GHL holds it.
struct Kind {
    list: &'static str,
    id_field: &'static str,
    event: &'static str,
    data: Value,
    held: Value,
}

fn kinds(app: &TestApp) -> [Kind; 3] {
    let calendar = app.state(&app.location().id)["appointments"][0]["calendarId"].clone();
    [
        Kind {
            list: "notes",
            id_field: "clientyNoteId",
            event: "note",
            data: json!({"noteText": "Called, no answer"}),
            held: json!({"body": "Called, no answer"}),
        },
        Kind {
            list: "tasks",
            id_field: "clientyTaskId",
            event: "task",
            data: json!({"title": "Call again", "dueDate": DUE}),
            held: json!({"title": "Call again", "dueDate": DUE, "completed": false}),
        },
        Kind {
            list: "appointments",
            id_field: "clientyAppointmentId",
            event: "appointment",
            data: json!({"title": "Demo again", "calendarId": calendar, "startTime": "2026-03-02T15:00:00Z"}),
            held: json!({"title": "Demo again", "calendarId": calendar, "startTime": "2026-03-02T15:00:00Z",
                "endTime": "2026-03-02T15:30:00Z", "appointmentStatus": "confirmed"}),
        },
    ]
}

/// Puts an equal entry into GHL at its screen.
async fn put(app: &TestApp, kind: &Kind, contact: &str, added: Option<&str>) -> String {
    let mut held = kind.held.clone();
    held["contactId"] = json!(contact);
    if let Some(added) = added {
        held["dateAdded"] = json!(added);
    }
    let path = format!("/_sandbox/locations/{}/{}", app.location().id, kind.list);
    app.by_hand(Method::POST, &path, held).await["id"].as_str().unwrap().to_owned()
}

fn ids(app: &TestApp, list: &str, contact: &str) -> Vec<String> {
    app.held(list, contact).iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// Announces ours, whose first POST is lost, and deletes it again.
async fn ours_is_made_and_deleted(app: &TestApp, kind: &Kind, contact: &str, older: &str) {
    let before = ids(app, kind.list, contact).len();
    lose_one(app);
    let mut data = kind.data.clone();
    data[kind.id_field] = json!("k1");
    let job = app.report(&format!("{}.created", kind.event), contact, data).await;
    let job = app.ended(&job).await;
    assert_eq!(job.state, JobState::Done, "{}: {job:?}", kind.list);
    assert_eq!(app.sandbox.stats().faults["cut"], 1, "the first POST was lost");
    assert_eq!(ids(app, kind.list, contact).len(), before + 1, "{}: one more than before", kind.list);
    let job = app.report(&format!("{}.deleted", kind.event), contact, json!({ kind.id_field: "k1" })).await;
    assert_eq!(app.ended(&job).await.state, JobState::Done);
    let left = ids(app, kind.list, contact);
    assert!(
        left.len() == before && left.iter().any(|id| id == older),
        "{}: ours was deleted, not the other",
        kind.list
    );
}

#[tokio::test]
async fn of_a_contact_that_is_not_known_here_what_was_there_before_stays_anothers() {
    for number in 0..3 {
        for added in [None, Some(LONG_AGO)] {
            let app = TestApp::working(Setup::impatient()).await;
            let contact = app.contacts(&app.location().id).remove(0);
            let kind = &kinds(&app)[number];
            let older = put(&app, kind, &contact, added).await;
            ours_is_made_and_deleted(&app, kind, &contact, &older).await;
            app.settle().await;
            app.finish().await;
        }
    }
}

#[tokio::test]
async fn of_a_known_contact_what_is_older_than_the_announcement_stays_anothers() {
    for number in 0..3 {
        let (app, contact) = TestApp::knowing_one(Setup::impatient()).await;
        let kind = &kinds(&app)[number];
        // No webhook reported it, and it was made before the announcement: a little, or long.
        let moments_ago = (Clock::system().now() - SignedDuration::from_mins(10)).to_string();
        let added = if number == 0 { LONG_AGO } else { &moments_ago };
        let older = put(&app, kind, &contact, Some(added)).await;
        ours_is_made_and_deleted(&app, kind, &contact, &older).await;
        app.finish().await;
    }
}

#[tokio::test]
async fn of_a_known_contact_nothing_is_looked_at_before_a_create() {
    let (app, contact) = TestApp::knowing_one(Setup::default()).await;
    let lists = [call::LIST_TASKS, call::LIST_NOTES, call::LIST_APPOINTMENTS];
    let calls = || lists.map(|list| app.calls(&app.location().id, list));
    let before = calls();
    for kind in kinds(&app) {
        let mut data = kind.data.clone();
        data[kind.id_field] = json!("k1");
        let job = app.report(&format!("{}.created", kind.event), &contact, data).await;
        assert_eq!(app.ended(&job).await.state, JobState::Done);
    }
    assert_eq!(calls(), before);
    app.finish().await;
}

async fn create(app: &TestApp, data: Value) -> JobState {
    let job = app.send(json!({"type": "contact.created", "locationId": app.location().id, "data": data})).await;
    app.ended(&job).await.state
}

fn contact_of(app: &TestApp, id: &str) -> Value {
    let state = app.state(&app.location().id);
    state["contacts"].as_array().unwrap().iter().find(|held| held["id"] == id).cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_namesake_is_not_adopted_and_nothing_of_him_is_overwritten_or_deleted() {
    let app = TestApp::working(Setup::impatient()).await;
    let namesake = app.contacts(&app.location().id).remove(0);
    let before = contact_of(&app, &namesake);
    let count = app.contacts(&app.location().id).len();
    lose_one(&app);
    let data = json!({"clientyContactId": "k1", "firstName": before["firstName"], "lastName": before["lastName"]});
    assert_eq!(create(&app, data).await, JobState::Done);
    assert_eq!(app.sandbox.stats().faults["cut"], 1);
    assert_eq!(app.contacts(&app.location().id).len(), count + 1);
    let ours = app.view("k1").await.unwrap()["contact"]["id"].as_str().unwrap().to_owned();
    assert_ne!(ours, namesake);
    app.report("contact.updated", "k1", json!({"city": "Elsewhere"})).await;
    app.settle().await;
    app.report("contact.deleted", "k1", json!({})).await;
    app.settle().await;
    assert_eq!(contact_of(&app, &namesake), before);
    assert_eq!(contact_of(&app, &ours), Value::Null);
    app.finish().await;
}

#[tokio::test]
async fn an_older_holder_of_the_e_mail_is_adopted_only_where_ghl_refuses_the_create() {
    for allows in [false, true] {
        let app = TestApp::working(Setup::impatient()).await;
        let location = app.location().id;
        app.sandbox.allow_duplicates(&location, allows);
        let holder = app.contacts(&location).remove(0);
        let before = contact_of(&app, &holder);
        let count = app.contacts(&location).len();
        for lost_after in [false, true] {
            let chance = Faults { writes_only: true, at_most: Some(1), ..Faults::default() };
            app.sandbox.set_faults(match lost_after {
                true => Faults { cut_after: 1000, ..chance },
                false => Faults { cut: 1000, ..chance },
            });
            let data = json!({"clientyContactId": format!("k{lost_after}"), "firstName": "Somebody", "email": before["email"]});
            assert_eq!(create(&app, data).await, JobState::Done, "{allows} {lost_after}");
            if !allows {
                break;
            }
        }
        let more = app.contacts(&location).len() - count;
        assert_eq!(more, if allows { 2 } else { 0 }, "allowed: {allows}");
        if allows {
            assert_eq!(contact_of(&app, &holder), before);
        } else {
            let view = app.view("kfalse").await.unwrap();
            assert_eq!(view["contact"]["id"], holder.as_str());
        }
        app.finish().await;
    }
}
