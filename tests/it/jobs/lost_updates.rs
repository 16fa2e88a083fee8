//! Laws 7 and 8: an update whose answer was lost is our own write still, whatever was edited here since. Met in GHL, it is no edit of GHL's.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::postgres::PostgresServer;
use crate::support::test_app::{Setup, TestApp};

/// GHL wins where both sides edited a field: what is taken for its edit takes ours away.
const GHL_WINS: [(&str, &str); 1] = [("CLIENTY_MERGE_POLICY", "ghl")];

async fn start(database_url: Option<String>) -> (TestApp, String) {
    let setup = Setup { gate: true, settings: &GHL_WINS, database_url, ..Setup::impatient() };
    TestApp::knowing_one(setup).await
}

/// Reports `first`, whose write GHL carries out and nobody receives so, then `second`; a pull sees GHL in between.
async fn edit_twice(app: &TestApp, contact: &str, event: &str, path: &str, first: Value, second: Value) {
    app.gate().hold(Method::PUT, path);
    app.report(event, contact, first).await;
    app.gate().answered(Method::PUT, path, 1).await;
    app.report(event, contact, second).await;
    let pull = app.report("contact.selected", contact, json!({})).await;
    app.ended(&pull).await;
    app.gate().open();
    app.settle().await;
    let location = app.location().id;
    let conflicts = app.app.records.list_conflicts(&location, Some(contact), None, 10).await.unwrap().items;
    assert_eq!(conflicts, [], "only one side edited anything");
    app.assert_equal(contact).await;
}

async fn of_a_contact(database_url: Option<String>) {
    let (app, contact) = start(database_url).await;
    let path = format!("/contacts/{contact}");
    edit_twice(&app, &contact, "contact.updated", &path, json!({"city": "Bonn"}), json!({"city": "Berlin"})).await;
    assert_eq!(app.view(&contact).await.unwrap()["contact"]["city"], "Berlin");
    app.finish().await;
}

async fn of_a_task_and_a_note(database_url: Option<String>) {
    let (app, contact) = start(database_url).await;
    let task = json!({"clientyTaskId": "t", "title": "Call", "dueDate": "2026-03-01T09:00:00Z"});
    app.report("task.created", &contact, task).await;
    app.report("note.created", &contact, json!({"clientyNoteId": "n", "noteText": "Called"})).await;
    app.settle().await;
    for (list, our_id, ghl_id, field) in
        [("tasks", "clientyTaskId", "taskId", "title"), ("notes", "clientyNoteId", "noteId", "noteText")]
    {
        let entry = async || {
            let view = app.view(&contact).await.unwrap();
            view[list].as_array().unwrap().iter().find(|entry| entry[our_id].is_string()).unwrap().clone()
        };
        let before = entry().await;
        let path = format!("/contacts/{contact}/{list}/{}", before[ghl_id].as_str().unwrap());
        let edit = |text: &str| json!({our_id: before[our_id], field: text});
        let event = if list == "tasks" { "task.updated" } else { "note.updated" };
        edit_twice(&app, &contact, event, &path, edit("First"), edit("Second")).await;
        assert_eq!(entry().await[field], "Second");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_contact_edited_after_a_write_that_was_never_answered_keeps_the_edit() {
    of_a_contact(None).await;
}

#[tokio::test]
async fn so_do_a_task_and_a_note() {
    of_a_task_and_a_note(None).await;
}

#[tokio::test]
async fn the_same_over_postgres() {
    let server = PostgresServer::start();
    of_a_contact(Some(server.create_database("contact"))).await;
    of_a_task_and_a_note(Some(server.create_database("entries"))).await;
}
