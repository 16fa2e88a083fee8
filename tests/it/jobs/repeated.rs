//! What a producer says again costs no call, in whatever form GHL keeps it.

use ghl_sandbox::{ErrorAnswer, RequestedError};
use serde_json::json;

use crate::support::test_app::{Setup, TestApp, call};

#[tokio::test]
async fn a_text_that_ghl_keeps_in_a_form_of_its_own_is_sent_once() {
    let (app, contact) = TestApp::knowing_one(Setup::default()).await;
    let location = app.location().id;
    let due = "2026-03-01T09:00:00Z";
    app.report("note.created", &contact, json!({"clientyNoteId": "k1", "noteText": "First"})).await;
    app.report("task.created", &contact, json!({"clientyTaskId": "k1", "title": "T", "body": "First", "dueDate": due}))
        .await;
    app.settle().await;
    let id = |list: &str, field: &str, value: &str| {
        let held = app.held(list, &contact);
        held.iter().find(|held| held[field] == value).unwrap()["id"].clone()
    };
    let note = json!({"id": id("notes", "body", "First"), "body": "<p>Hello</p>", "contactId": contact});
    let task = json!({"id": id("tasks", "title", "T"), "title": "T", "body": "<div>Hello</div>", "dueDate": due,
                      "completed": false, "contactId": contact});
    let answered = |operation: &str, name: &str, record: serde_json::Value| RequestedError {
        carried_out: true,
        ..RequestedError::once(operation, ErrorAnswer::Raw { status: 200, body: json!({ name: record }) })
    };
    app.sandbox
        .request_errors(vec![answered(call::UPDATE_NOTE, "note", note), answered(call::UPDATE_TASK, "task", task)]);
    for _ in 0..3 {
        app.report("note.updated", &contact, json!({"clientyNoteId": "k1", "noteText": "Hello"})).await;
        app.report("task.updated", &contact, json!({"clientyTaskId": "k1", "body": "Hello"})).await;
        app.settle().await;
    }
    let calls = [call::UPDATE_NOTE, call::UPDATE_TASK].map(|operation| app.calls(&location, operation));
    assert_eq!(calls, [1, 1]);
    let sync = app.view(&contact).await.unwrap()["notes"].clone();
    let sync = sync.as_array().unwrap().iter().find(|note| note["clientyNoteId"] == "k1").unwrap()["sync"].clone();
    assert_eq!(sync["state"], "applied", "{sync}");
    // What is new is sent.
    app.report("note.updated", &contact, json!({"clientyNoteId": "k1", "noteText": "Hello again"})).await;
    app.settle().await;
    assert_eq!(app.calls(&location, call::UPDATE_NOTE), 2);
    app.finish().await;
}
