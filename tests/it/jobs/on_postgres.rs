//! The same jobs over PostgreSQL, which orders concurrent transactions by other rules than SQLite.

use clienty_sync::triggers::operation;
use ghl::catalog::Wish;
use ghl_sandbox::Faults;
use reqwest::Method;
use serde_json::{Value, json};
use sync_workers::records::JobState;

use crate::support::postgres::PostgresServer;
use crate::support::test_app::{Setup, TestApp};

const DUE: &str = "2026-03-01T09:00:00Z";

#[tokio::test]
async fn jobs_keep_their_promises_over_postgres() {
    let server = PostgresServer::start();
    contacts_appear_with_everything(server.create_database("pulls")).await;
    creates_in_a_storm_are_made_once(server.create_database("storm")).await;
    edits_and_pulls_at_once_end_equal(server.create_database("races")).await;
    a_gone_contact_disappears(server.create_database("gone")).await;
    an_operation_whose_reply_is_lost_is_called_once(server.create_database("calls")).await;
}

async fn start(database_url: String, setup: Setup) -> TestApp {
    TestApp::working(Setup { database_url: Some(database_url), ..setup }).await
}

async fn contacts_appear_with_everything(database_url: String) {
    let app = start(database_url, Setup { locations: 2, contacts: 25, ..Setup::default() }).await;
    for location in app.sandbox.locations() {
        let contacts = app.contacts(&location.id);
        let selected = |contact| json!({"type": "contact.selected", "locationId": location.id, "contactId": contact});
        app.send_all(&contacts.iter().map(selected).collect::<Vec<Value>>()).await;
        app.settle().await;
        assert_eq!(app.mismatches(&location, &contacts).await, []);
    }
    app.finish().await;
}

async fn creates_in_a_storm_are_made_once(database_url: String) {
    let (app, contact) = TestApp::knowing_one(Setup { database_url: Some(database_url), ..Setup::impatient() }).await;
    app.sandbox.set_faults(Faults { cut_after: 300, server_error_after: 200, writes_only: true, ..Faults::default() });
    // Identical ones, so that two runs may want to adopt the same one.
    for number in 0..8 {
        let id = format!("k{number}");
        app.report("task.created", &contact, json!({"clientyTaskId": id, "title": "Twin", "dueDate": DUE})).await;
        app.report("note.created", &contact, json!({"clientyNoteId": id, "noteText": "Twin"})).await;
    }
    app.settle().await;
    let twins = |list: &str, field: &str| app.held(list, &contact).iter().filter(|one| one[field] == "Twin").count();
    assert_eq!((twins("tasks", "title"), twins("notes", "body")), (8, 8));
    app.assert_equal(&contact).await;
    app.finish().await;
}

async fn edits_and_pulls_at_once_end_equal(database_url: String) {
    let app = start(database_url, Setup::default()).await;
    let contact = app.contacts(&app.location().id).remove(0);
    app.report("contact.selected", &contact, json!({})).await;
    app.report("task.created", &contact, json!({"clientyTaskId": "k1", "title": "Call", "dueDate": DUE})).await;
    for number in 0..20 {
        let edit = json!({"clientyTaskId": "k1", "title": format!("Call {number}")});
        app.report("task.updated", &contact, edit).await;
        app.report("contact.selected", &contact, json!({})).await;
    }
    app.settle().await;
    assert!(app.held("tasks", &contact).iter().any(|task| task["title"] == "Call 19"));
    app.assert_equal(&contact).await;
    app.finish().await;
}

async fn a_gone_contact_disappears(database_url: String) {
    let (app, contact) = TestApp::knowing_one(Setup { database_url: Some(database_url), ..Setup::default() }).await;
    app.by_hand(Method::DELETE, &format!("/contacts/{contact}"), json!({})).await;
    let job = app.report("contact.selected", &contact, json!({})).await;
    assert_eq!(app.ended(&job).await.state, JobState::Done);
    assert_eq!(app.view(&contact).await, None);
    app.finish().await;
}

async fn an_operation_whose_reply_is_lost_is_called_once(database_url: String) {
    let mut app = TestApp::idle(Setup { database_url: Some(database_url), ..Setup::impatient() }).await;
    let location_id = app.location().id;
    let contact = app.contacts(&location_id).remove(0);
    let request = |body| {
        let parameters = json!({"contactId": contact}).as_object().unwrap().clone();
        Wish { location_id: location_id.clone(), parameters, body, ..Wish::default() }
    };
    let task = json!({"title": "Called", "dueDate": DUE, "completed": false});
    let create = operation::call("create-task", request(Some(task)), "test", None).unwrap();
    app.sandbox.set_faults(Faults { cut_after: 1000, writes_only: true, at_most: Some(1), ..Faults::default() });
    let accepted = app.app.producer().send(&[create]).await.unwrap().remove(0);
    let since = app.app.clock.now_ms() - 60_000;
    let waiting = app.app.records.new_jobs(since, 10).await.unwrap();
    assert_eq!(waiting.into_iter().map(|open| open.key).collect::<Vec<_>>(), [accepted.key]);

    app.work();
    let dead = app.ended(&accepted.job_id).await;
    assert_eq!(dead.state, JobState::Dead, "{dead:?}");
    assert_eq!(app.held("tasks", &contact).iter().filter(|task| task["title"] == "Called").count(), 1);
    assert_eq!(app.app.records.new_jobs(since, 10).await.unwrap(), []);

    let read = operation::call("get-contact", request(None), "test", None).unwrap();
    let accepted = app.app.producer().send(&[read]).await.unwrap().remove(0);
    assert_eq!(app.ended(&accepted.job_id).await.state, JobState::Done);
    let reply = app.app.records.reply(&accepted.job_id).await.unwrap().unwrap();
    assert_eq!((&reply["status"], &reply["body"]["contact"]["id"]), (&json!(200), &json!(contact)));
    app.finish_with_dead(1).await;
}
