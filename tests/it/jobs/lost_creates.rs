//! Law 7: a create whose answer was lost is never simply sent again.
//!
//! The truth is what the sandbox holds, not how often it was called: a create that never arrived may and must be sent again.

use std::time::Duration;

use ghl_sandbox::Faults;
use jiff::SignedDuration;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sync_model::clock::Clock;
use sync_workers::records::JobState;

use super::contacts::start;
use crate::support::test_app::{Setup, TestApp, call};

const DUE: &str = "2026-03-01T09:00:00Z";

/// What may happen to a create, each for certain and once.
pub(super) fn every_fault() -> Vec<(&'static str, Faults)> {
    let once = Faults { writes_only: true, at_most: Some(1), hang_ms: 2_000, ..Faults::default() };
    vec![
        ("cut after", Faults { cut_after: 1000, ..once.clone() }),
        ("hang after", Faults { hang_after: 1000, ..once.clone() }),
        ("server error after", Faults { server_error_after: 1000, ..once.clone() }),
        ("truncate", Faults { truncate: 1000, ..once.clone() }),
        ("html", Faults { html: 1000, ..once.clone() }),
        ("cut", Faults { cut: 1000, ..once.clone() }),
        ("hang", Faults { hang: 1000, ..once.clone() }),
        ("server error", Faults { server_error: 1000, ..once.clone() }),
        ("throttle", Faults { throttle: 1000, ..once }),
    ]
}

/// Everything at once, until the weather clears.
pub(super) fn storm() -> Faults {
    Faults {
        cut_after: 300,
        server_error_after: 200,
        truncate: 100,
        html: 100,
        cut: 50,
        server_error: 50,
        writes_only: true,
        ..Faults::default()
    }
}

fn new_task(id: &str, title: &str) -> Value {
    json!({"clientyTaskId": id, "title": title, "body": "About <b>the offer</b> & more", "dueDate": DUE})
}

fn new_note(id: &str, text: &str) -> Value {
    json!({"clientyNoteId": id, "noteText": text})
}

fn count(app: &TestApp, list: &str, contact: &str, field: &str, wording: &str) -> usize {
    app.held(list, contact).iter().filter(|record| record[field] == wording).count()
}

#[tokio::test]
async fn a_task_is_created_once_whatever_happens_to_the_create() {
    let (app, contact) = start().await;
    for (number, (name, faults)) in every_fault().into_iter().enumerate() {
        app.sandbox.set_faults(faults);
        let job = app.report("task.created", &contact, new_task(&format!("k{number}"), name)).await;
        let job = app.ended(&job).await;
        assert_eq!(job.state, JobState::Done, "{name}: {job:?}");
        assert_eq!(count(&app, "tasks", &contact, "title", name), 1, "{name}: {job:?}");
    }
    assert_eq!(app.sandbox.stats().faults.len(), every_fault().len(), "each fault has struck");
    app.assert_equal(&contact).await;
    app.finish().await;
}

#[tokio::test]
async fn a_note_is_created_once_whatever_happens_to_the_create() {
    let (app, contact) = start().await;
    for (number, (name, faults)) in every_fault().into_iter().enumerate() {
        app.sandbox.set_faults(faults);
        let job = app.report("note.created", &contact, new_note(&format!("k{number}"), name)).await;
        let job = app.ended(&job).await;
        assert_eq!(job.state, JobState::Done, "{name}: {job:?}");
        assert_eq!(count(&app, "notes", &contact, "body", name), 1, "{name}: {job:?}");
    }
    assert_eq!(app.sandbox.stats().faults.len(), every_fault().len(), "each fault has struck");
    app.assert_equal(&contact).await;
    app.finish().await;
}

#[tokio::test]
async fn thirty_tasks_and_notes_in_a_storm_are_each_created_once_and_none_is_lost() {
    let (app, contact) = start().await;
    let location = app.location().id;
    app.sandbox.set_faults(storm());
    let event = |event_type: &str, data: Value| json!({"type": event_type, "locationId": location, "contactId": contact, "data": data});
    let events: Vec<_> = (0..30)
        .map(|number| match number % 2 {
            0 => event("task.created", new_task(&format!("k{number}"), &format!("Storm {number}"))),
            _ => event("note.created", new_note(&format!("k{number}"), &format!("Storm {number}"))),
        })
        .collect();
    app.send_all(&events).await;
    app.settle().await;
    for number in 0..30 {
        let (list, field) = if number % 2 == 0 { ("tasks", "title") } else { ("notes", "body") };
        assert_eq!(count(&app, list, &contact, field, &format!("Storm {number}")), 1, "{list} {number}");
    }
    let struck: u64 = app.sandbox.stats().faults.values().sum();
    assert!(struck >= 10, "the storm has struck {struck} times");
    app.assert_equal(&contact).await;
    app.finish().await;
}

#[tokio::test]
async fn identical_tasks_and_notes_are_as_many_after_a_storm_as_were_wanted() {
    let (app, contact) = start().await;
    app.sandbox.set_faults(storm());
    for number in 0..6 {
        app.report("task.created", &contact, new_task(&format!("k{number}"), "Twin")).await;
        app.report("note.created", &contact, new_note(&format!("k{number}"), "Twin")).await;
    }
    app.settle().await;
    assert_eq!(count(&app, "tasks", &contact, "title", "Twin"), 6);
    assert_eq!(count(&app, "notes", &contact, "body", "Twin"), 6);
    app.assert_equal(&contact).await;
    app.finish().await;
}

#[tokio::test]
async fn an_edit_that_comes_while_a_create_is_lost_reaches_the_adopted_task() {
    let (app, contact) = start().await;
    app.sandbox.set_faults(Faults { cut_after: 1000, writes_only: true, at_most: Some(1), ..Faults::default() });
    let create = app.report("task.created", &contact, new_task("k1", "Call")).await;
    app.wait_until("the answer is lost", async || app.job(&create).await.last_error.is_some()).await;
    app.report("task.updated", &contact, json!({"clientyTaskId": "k1", "title": "Mail"})).await;
    app.settle().await;
    assert_eq!(count(&app, "tasks", &contact, "title", "Call"), 0);
    assert_eq!(count(&app, "tasks", &contact, "title", "Mail"), 1);
    assert_eq!(app.calls(&app.location().id, call::CREATE_TASK), 1);
    app.assert_equal(&contact).await;
    app.finish().await;
}

#[tokio::test]
async fn a_task_that_is_deleted_while_its_create_is_lost_is_deleted_in_ghl_too() {
    let (app, contact) = start().await;
    app.sandbox.set_faults(Faults { cut_after: 1000, writes_only: true, at_most: Some(1), ..Faults::default() });
    let create = app.report("task.created", &contact, new_task("k1", "Call")).await;
    app.wait_until("the answer is lost", async || app.job(&create).await.last_error.is_some()).await;
    app.report("task.deleted", &contact, json!({"clientyTaskId": "k1"})).await;
    app.settle().await;
    assert_eq!(count(&app, "tasks", &contact, "title", "Call"), 0);
    assert_eq!(app.calls(&app.location().id, call::DELETE_TASK), 1);
    app.assert_equal(&contact).await;
    app.finish().await;
}

#[tokio::test]
async fn a_pull_that_meets_a_lost_task_shows_it_once() {
    let (app, contact) = start().await;
    app.sandbox.set_faults(Faults { cut_after: 1000, writes_only: true, at_most: Some(1), ..Faults::default() });
    let create = app.report("task.created", &contact, new_task("k1", "Call")).await;
    app.wait_until("the answer is lost", async || app.job(&create).await.last_error.is_some()).await;
    let pull = app.report("contact.selected", &contact, json!({})).await;
    assert_eq!(app.ended(&pull).await.state, JobState::Done);
    app.settle().await;
    let view = app.view(&contact).await.unwrap();
    let shown: Vec<_> = view["tasks"].as_array().unwrap().iter().filter(|task| task["title"] == "Call").collect();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0]["clientyTaskId"], "k1");
    app.assert_equal(&contact).await;
    app.finish().await;
}

#[tokio::test]
async fn changes_and_deletions_that_are_struck_by_a_storm_arrive_all_the_same() {
    let (app, contact) = start().await;
    for number in 0..6 {
        app.report("task.created", &contact, new_task(&format!("k{number}"), &format!("Task {number}"))).await;
    }
    app.settle().await;
    app.sandbox.set_faults(storm());
    for number in 0..6 {
        let id = format!("k{number}");
        match number % 3 {
            0 => app.report("task.updated", &contact, json!({"clientyTaskId": id, "title": "Edited"})).await,
            1 => app.report("task.completed", &contact, json!({"clientyTaskId": id})).await,
            _ => app.report("task.deleted", &contact, json!({"clientyTaskId": id})).await,
        };
    }
    app.settle().await;
    assert_eq!(count(&app, "tasks", &contact, "title", "Edited"), 2);
    assert_eq!(
        count(&app, "tasks", &contact, "title", "Task 2") + count(&app, "tasks", &contact, "title", "Task 5"),
        0
    );
    app.assert_equal(&contact).await;
    app.finish().await;
}

/// What the look does not find may arrive while its answer is on its way.
#[tokio::test]
async fn a_look_that_began_before_the_create_could_no_longer_arrive_proves_nothing() {
    let setup = Setup { gate: true, timeout: Duration::from_secs(2), ..Setup::default() };
    let (mut app, contact) = TestApp::knowing_one(setup).await;
    app.rest().await;
    let clock = Clock::fixed(Clock::system().now());
    app.app.clock = clock.clone();
    let path = format!("/contacts/{contact}/notes");
    let location = app.location().id;
    let before = app.calls(&location, call::LIST_NOTES);
    app.gate().answer(Method::POST, &path, StatusCode::BAD_GATEWAY);
    app.gate().hold(Method::GET, &path);
    app.report("note.created", &contact, new_note("k1", "Once")).await;
    app.work();
    app.gate().answered(Method::GET, &path, usize::try_from(before).unwrap() + 1).await;
    clock.set(clock.now() + SignedDuration::from_secs(60));
    app.gate().open();
    app.settle().await;
    let looks = app.calls(&location, call::LIST_NOTES) - before;
    assert!(looks > 1, "it was not looked for once more before it was sent again");
    assert_eq!(count(&app, "notes", &contact, "body", "Once"), 1);
    app.finish().await;
}
