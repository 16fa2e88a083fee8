//! Tasks and notes of a producer get into GHL, with the fewest calls.

use reqwest::Method;
use serde_json::{Value, json};
use sync_model::decide::sync_status::Progress;
use sync_workers::records::JobState;

use crate::support::test_app::{Setup, TestApp, call};

const DUE: &str = "2026-03-01T09:00:00Z";

/// An app whose first contact is known and has a task and a note of ours, both in GHL.
struct Synced {
    app: TestApp,
    location: String,
    contact: String,
}

impl Synced {
    async fn start() -> Self {
        let (app, contact) = TestApp::knowing_one(Setup::default()).await;
        let location = app.location().id;
        let task = json!({"clientyTaskId": "k1", "title": "Call", "body": "About the offer", "dueDate": DUE});
        app.report("task.created", &contact, task).await;
        app.report("note.created", &contact, json!({"clientyNoteId": "k1", "noteText": "Likes tea"})).await;
        app.settle().await;
        Self { app, location, contact }
    }

    /// Sends the events while nobody works, then lets the workers do it all; the calls that it took, creates aside.
    async fn after(&mut self, events: &[(&str, Value)]) -> Vec<(String, u64)> {
        self.app.rest().await;
        let before = self.app.sandbox.stats();
        for (event_type, data) in events {
            self.app.report(event_type, &self.contact, data.clone()).await;
        }
        self.app.work();
        self.app.settle().await;
        let after = self.app.sandbox.stats();
        let before = &before.locations[&self.location].operations;
        let grown = after.locations[&self.location].operations.iter().filter_map(|(operation, count)| {
            let more = count - before.get(operation).copied().unwrap_or(0);
            (more > 0).then(|| (operation.clone(), more))
        });
        grown.collect()
    }

    /// Our record as readers see it.
    async fn ours(&self, list: &str, id: &str) -> Option<Value> {
        let view = self.app.view(&self.contact).await.unwrap();
        view[list].as_array().unwrap().iter().find(|record| record[id] == "k1").cloned()
    }

    /// The same record as GHL has it.
    async fn theirs(&self, list: &str, ghl_id: &str) -> Option<Value> {
        self.app.held(list, &self.contact).into_iter().find(|record| record["id"] == ghl_id)
    }

    async fn finish(self) {
        self.app.assert_equal(&self.contact).await;
        self.app.finish().await;
    }
}

fn once(operation: &str) -> Vec<(String, u64)> {
    vec![(operation.to_owned(), 1)]
}

fn id_of(record: &Value, field: &str) -> String {
    record[field].as_str().unwrap_or_else(|| panic!("no {field} in {record}")).to_owned()
}

#[tokio::test]
async fn a_created_task_costs_one_call_and_then_has_both_ids() {
    let synced = Synced::start().await;
    assert_eq!(synced.app.calls(&synced.location, call::CREATE_TASK), 1);
    assert_eq!(synced.app.calls(&synced.location, call::LIST_TASKS), 1, "the pull's alone");
    let ours = synced.ours("tasks", "clientyTaskId").await.unwrap();
    let theirs = synced.theirs("tasks", &id_of(&ours, "taskId")).await.unwrap();
    assert_eq!((&theirs["title"], &theirs["body"]), (&json!("Call"), &json!("About the offer")));
    assert_eq!((&ours["dueDate"], &ours["completed"]), (&json!(DUE), &json!(false)));
    synced.finish().await;
}

#[tokio::test]
async fn a_created_note_costs_one_call_and_then_has_both_ids() {
    let synced = Synced::start().await;
    assert_eq!(synced.app.calls(&synced.location, call::CREATE_NOTE), 1);
    let ours = synced.ours("notes", "clientyNoteId").await.unwrap();
    let theirs = synced.theirs("notes", &id_of(&ours, "noteId")).await.unwrap();
    assert_eq!((&theirs["body"], &ours["noteText"]), (&json!("Likes tea"), &json!("Likes tea")));
    synced.finish().await;
}

#[tokio::test]
async fn ten_edits_of_a_task_that_waits_are_one_call_and_the_last_one_counts() {
    let mut synced = Synced::start().await;
    let edits: Vec<_> = (1..=10)
        .map(|number| ("task.updated", json!({"clientyTaskId": "k1", "title": format!("Call {number}")})))
        .collect();
    assert_eq!(synced.after(&edits).await, once(call::UPDATE_TASK));
    assert_eq!(synced.ours("tasks", "clientyTaskId").await.unwrap()["title"], "Call 10");
    synced.finish().await;
}

#[tokio::test]
async fn a_create_and_ten_edits_that_wait_are_one_call() {
    let mut synced = Synced::start().await;
    let mut events = vec![("task.created", json!({"clientyTaskId": "k2", "title": "New", "dueDate": DUE}))];
    events.extend((1..=10).map(|n| ("task.updated", json!({"clientyTaskId": "k2", "title": format!("New {n}")}))));
    assert_eq!(synced.after(&events).await, once(call::CREATE_TASK));
    assert!(synced.app.held("tasks", &synced.contact).iter().any(|task| task["title"] == "New 10"));
    synced.finish().await;
}

#[tokio::test]
async fn a_completed_task_is_completed_by_the_call_made_for_it() {
    let mut synced = Synced::start().await;
    let events = [("task.completed", json!({"clientyTaskId": "k1"}))];
    assert_eq!(synced.after(&events).await, once(call::COMPLETE_TASK));
    let ours = synced.ours("tasks", "clientyTaskId").await.unwrap();
    assert_eq!((&ours["completed"], &ours["status"]), (&json!(true), &json!("completed")));
    synced.finish().await;
}

#[tokio::test]
async fn a_task_that_is_edited_and_completed_is_updated_by_one_call() {
    let mut synced = Synced::start().await;
    let events = [
        ("task.updated", json!({"clientyTaskId": "k1", "body": "Done on the phone"})),
        ("task.completed", json!({"clientyTaskId": "k1"})),
    ];
    assert_eq!(synced.after(&events).await, once(call::UPDATE_TASK));
    assert_eq!(synced.ours("tasks", "clientyTaskId").await.unwrap()["completed"], true);
    synced.finish().await;
}

#[tokio::test]
async fn an_update_of_a_task_sends_nothing_but_what_changed() {
    let mut synced = Synced::start().await;
    let ours = synced.ours("tasks", "clientyTaskId").await.unwrap();
    let id = id_of(&ours, "taskId");
    // Nobody has reported this one; a whole task sent over it would undo it.
    let path = format!("/contacts/{}/tasks/{id}", synced.contact);
    synced.app.by_hand(Method::PUT, &path, json!({"title": "Renamed in GHL"})).await;
    let events = [("task.updated", json!({"taskId": id, "dueDate": "2026-04-01T10:30:15.250Z"}))];
    assert_eq!(synced.after(&events).await, once(call::UPDATE_TASK));
    let theirs = synced.theirs("tasks", &id).await.unwrap();
    assert_eq!(theirs["title"], "Renamed in GHL");
    assert_eq!(theirs["dueDate"], "2026-04-01T10:30:15.000Z");
    synced.finish().await;
}

#[tokio::test]
async fn an_edit_that_changes_nothing_costs_no_call() {
    let mut synced = Synced::start().await;
    let events = [
        ("task.updated", json!({"clientyTaskId": "k1", "title": "Call", "dueDate": DUE})),
        ("note.updated", json!({"clientyNoteId": "k1", "noteText": "Likes tea"})),
    ];
    assert_eq!(synced.after(&events).await, []);
    synced.finish().await;
}

/// Somebody in GHL may have made the same edit meanwhile.
#[tokio::test]
async fn an_edit_that_is_taken_back_while_it_waits_costs_one_look() {
    let mut synced = Synced::start().await;
    let events = [
        ("task.updated", json!({"clientyTaskId": "k1", "title": "Mail"})),
        ("task.updated", json!({"clientyTaskId": "k1", "title": "Call"})),
    ];
    assert_eq!(synced.after(&events).await, once(call::LIST_TASKS));
    synced.finish().await;
}

#[tokio::test]
async fn a_deleted_task_is_deleted_by_one_call() {
    let mut synced = Synced::start().await;
    let id = id_of(&synced.ours("tasks", "clientyTaskId").await.unwrap(), "taskId");
    let events = [
        ("task.updated", json!({"clientyTaskId": "k1", "title": "No longer of interest"})),
        ("task.deleted", json!({"clientyTaskId": "k1"})),
    ];
    assert_eq!(synced.after(&events).await, once(call::DELETE_TASK));
    assert_eq!(synced.theirs("tasks", &id).await, None);
    assert_eq!(synced.ours("tasks", "clientyTaskId").await, None);
    synced.finish().await;
}

#[tokio::test]
async fn a_task_that_is_created_and_deleted_while_it_waits_costs_no_call() {
    let mut synced = Synced::start().await;
    let events = [
        ("task.created", json!({"clientyTaskId": "k2", "title": "Never mind", "dueDate": DUE})),
        ("task.deleted", json!({"clientyTaskId": "k2"})),
    ];
    assert_eq!(synced.after(&events).await, []);
    synced.finish().await;
}

#[tokio::test]
async fn an_updated_note_is_updated_by_one_call() {
    let mut synced = Synced::start().await;
    let events = [
        ("note.updated", json!({"clientyNoteId": "k1", "noteText": "Likes coffee"})),
        ("note.updated", json!({"clientyNoteId": "k1", "noteText": "Likes mate"})),
    ];
    assert_eq!(synced.after(&events).await, once(call::UPDATE_NOTE));
    let ours = synced.ours("notes", "clientyNoteId").await.unwrap();
    assert_eq!(synced.theirs("notes", &id_of(&ours, "noteId")).await.unwrap()["body"], "Likes mate");
    synced.finish().await;
}

#[tokio::test]
async fn a_deleted_note_is_deleted_by_one_call() {
    let mut synced = Synced::start().await;
    let id = id_of(&synced.ours("notes", "clientyNoteId").await.unwrap(), "noteId");
    let events = [("note.deleted", json!({"clientyNoteId": "k1"}))];
    assert_eq!(synced.after(&events).await, once(call::DELETE_NOTE));
    assert_eq!(synced.theirs("notes", &id).await, None);
    synced.finish().await;
}

#[tokio::test]
async fn a_task_that_was_deleted_in_ghl_stays_deleted_whatever_is_edited_here() {
    let mut synced = Synced::start().await;
    let id = id_of(&synced.ours("tasks", "clientyTaskId").await.unwrap(), "taskId");
    synced.app.by_hand(Method::DELETE, &format!("/contacts/{}/tasks/{id}", synced.contact), json!({})).await;
    let events = [("task.updated", json!({"clientyTaskId": "k1", "title": "Too late"}))];
    assert_eq!(synced.after(&events).await, once(call::UPDATE_TASK));
    assert_eq!(synced.ours("tasks", "clientyTaskId").await, None);
    synced.finish().await;
}

#[tokio::test]
async fn a_task_of_a_contact_that_is_gone_takes_the_contact_with_it() {
    let mut synced = Synced::start().await;
    synced.app.by_hand(Method::DELETE, &format!("/contacts/{}", synced.contact), json!({})).await;
    let events = [("task.created", json!({"clientyTaskId": "k2", "title": "For nobody", "dueDate": DUE}))];
    assert_eq!(synced.after(&events).await, once(call::CREATE_TASK));
    assert_eq!(synced.app.view(&synced.contact).await, None);
    let dead = synced.app.jobs_in(JobState::Dead).await;
    assert_eq!((dead.len(), dead[0].outcome), (1, Some(Progress::Refused)), "the task is nowhere, and the job says so");
    assert!(dead[0].last_error.as_ref().unwrap().contains("no such contact"), "{dead:?}");
    synced.app.finish_with_dead(1).await;
}

#[tokio::test]
async fn a_task_that_began_in_ghl_can_be_edited_by_its_id_there() {
    let mut synced = Synced::start().await;
    let path = format!("/contacts/{}/tasks", synced.contact);
    let made = json!({"title": "Made in GHL", "dueDate": DUE, "completed": false});
    let made = synced.app.by_hand(Method::POST, &path, made).await;
    synced.app.report("contact.selected", &synced.contact, json!({})).await;
    synced.app.settle().await;
    let id = id_of(&made["task"], "id");
    let events = [("task.updated", json!({"taskId": id, "title": "Edited here"}))];
    assert_eq!(synced.after(&events).await, once(call::UPDATE_TASK));
    assert_eq!(synced.theirs("tasks", &id).await.unwrap()["title"], "Edited here");
    synced.finish().await;
}

#[tokio::test]
async fn two_identical_tasks_on_purpose_are_two_tasks() {
    let mut synced = Synced::start().await;
    let before = synced.app.held("tasks", &synced.contact).len();
    let twin = |id: &str| ("task.created", json!({"clientyTaskId": id, "title": "Twin", "dueDate": DUE}));
    assert_eq!(synced.after(&[twin("k2"), twin("k3")]).await, vec![(call::CREATE_TASK.to_owned(), 2)]);
    assert_eq!(synced.app.held("tasks", &synced.contact).len(), before + 2);
    synced.finish().await;
}

#[tokio::test]
async fn an_edit_that_comes_while_a_push_runs_gets_a_run_of_its_own() {
    let (app, contact) = TestApp::knowing_one(Setup { gate: true, ..Setup::default() }).await;
    let path = format!("/contacts/{contact}/tasks");
    app.gate().hold(Method::POST, &path);
    let create =
        app.report("task.created", &contact, json!({"clientyTaskId": "k1", "title": "Call", "dueDate": DUE})).await;
    app.gate().answered(Method::POST, &path, 1).await;
    app.report("task.updated", &contact, json!({"clientyTaskId": "k1", "title": "Mail"})).await;
    assert_eq!(app.job(&create).await.state, JobState::Running);
    app.gate().open();
    app.settle().await;
    assert_eq!(app.calls(&app.location().id, call::CREATE_TASK), 1);
    assert_eq!(app.calls(&app.location().id, call::UPDATE_TASK), 1);
    assert!(app.held("tasks", &contact).iter().any(|task| task["title"] == "Mail"));
    app.assert_equal(&contact).await;
    app.finish().await;
}
