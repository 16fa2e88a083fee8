//! A selected contact is fetched with everything that hangs on it.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use job_engine::LaneState;
use reqwest::Method;
use serde_json::{Value, json};
use sync_workers::records::JobState;

use crate::support::test_app::{Setup, TestApp, call};

#[tokio::test]
async fn every_selected_contact_appears_with_everything_in_its_locations_time() {
    let app = TestApp::working(Setup { locations: 3, contacts: 25, ..Setup::default() }).await;
    let locations = app.sandbox.locations();
    let time_zones: BTreeSet<_> = locations.iter().map(|location| &location.time_zone).collect();
    assert_eq!(time_zones.len(), 3);
    for location in &locations {
        let selected = |contact| json!({"type": "contact.selected", "locationId": location.id, "contactId": contact});
        let events: Vec<Value> = app.contacts(&location.id).into_iter().map(selected).collect();
        app.send_all(&events).await;
    }
    app.settle().await;
    for location in &locations {
        let contacts = app.contacts(&location.id);
        assert_eq!(app.mismatches(location, &contacts).await, []);
        let state = app.state(&location.id);
        for list in ["contacts", "tasks", "notes", "appointments"] {
            assert!(!state[list].as_array().unwrap().is_empty(), "a location without {list} shows nothing");
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn a_contact_that_is_selected_ten_times_while_it_waits_is_fetched_once() {
    let mut app = TestApp::idle(Setup::default()).await;
    let location = app.location().id;
    let contact = app.contacts(&location).remove(0);
    for _ in 0..10 {
        app.report("contact.selected", &contact, json!({})).await;
    }
    app.work();
    app.settle().await;
    assert_eq!(app.calls(&location, call::GET_CONTACT), 1);
    assert_eq!(app.jobs_in(JobState::Done).await.len(), 10);
    app.assert_equal(&contact).await;
    app.finish().await;
}

#[tokio::test]
async fn the_next_pull_brings_what_was_changed_made_and_deleted_in_ghl() {
    let app = TestApp::working(Setup::default()).await;
    let contact = contact_with_tasks(&app, 2);
    app.report("contact.selected", &contact, json!({})).await;
    app.settle().await;

    let tasks = app.held("tasks", &contact);
    let (first, second) = (tasks[0]["id"].as_str().unwrap(), tasks[1]["id"].as_str().unwrap());
    app.by_hand(Method::PUT, &format!("/contacts/{contact}/tasks/{first}"), json!({"title": "Renamed in GHL"})).await;
    app.by_hand(Method::DELETE, &format!("/contacts/{contact}/tasks/{second}"), json!({})).await;
    app.by_hand(Method::POST, &format!("/contacts/{contact}/notes"), json!({"body": "Written in GHL"})).await;
    app.by_hand(Method::PUT, &format!("/contacts/{contact}"), json!({"city": "Paderborn"})).await;
    assert_ne!(app.mismatches(&app.location(), std::slice::from_ref(&contact)).await, []);

    app.report("contact.selected", &contact, json!({})).await;
    app.settle().await;
    app.assert_equal(&contact).await;
    app.finish().await;
}

#[tokio::test]
async fn a_contact_that_was_deleted_in_ghl_disappears_in_one_run() {
    let app = TestApp::working(Setup::default()).await;
    let location = app.location().id;
    let contact = contact_with_tasks(&app, 1);
    app.report("contact.selected", &contact, json!({})).await;
    app.settle().await;
    assert!(app.view(&contact).await.is_some());

    app.by_hand(Method::DELETE, &format!("/contacts/{contact}"), json!({})).await;
    let calls = app.calls(&location, call::GET_CONTACT);
    let job = app.report("contact.selected", &contact, json!({})).await;
    let job = app.ended(&job).await;
    assert_eq!((job.state, job.attempts, job.last_error), (JobState::Done, 1, None));
    assert_eq!(app.calls(&location, call::GET_CONTACT), calls + 1);
    assert_eq!(app.view(&contact).await, None);
    app.finish().await;
}

#[tokio::test]
async fn a_contact_that_never_was_is_reported_to_who_asked_for_it() {
    let app = TestApp::working(Setup::default()).await;
    let job = app.report("contact.selected", "nobodyKnowsThisOne00", json!({})).await;
    let job = app.ended(&job).await;
    assert_eq!((job.state, job.last_error.as_deref()), (JobState::Dead, Some("GHL has no such contact")));
    assert_eq!(app.view("nobodyKnowsThisOne00").await, None);
    assert_eq!(app.calls(&app.location().id, call::GET_CONTACT), 1);
    app.finish_with_dead(1).await;
}

#[tokio::test]
async fn a_contact_that_is_back_in_ghl_is_shown_again() {
    let app = TestApp::working(Setup { gate: true, ..Setup::default() }).await;
    let contact = contact_with_tasks(&app, 1);
    app.report("contact.selected", &contact, json!({})).await;
    app.settle().await;
    let gone = r#"{"statusCode":404,"message":"Contact not found"}"#;
    app.gate().say(Method::GET, &format!("/contacts/{contact}"), StatusCode::NOT_FOUND, gone);
    app.report("contact.selected", &contact, json!({})).await;
    app.settle().await;
    assert_eq!(app.view(&contact).await, None);
    app.gate().open();
    app.report("contact.selected", &contact, json!({})).await;
    app.settle().await;
    app.assert_equal(&contact).await;
    app.finish().await;
}

#[tokio::test]
async fn a_pull_does_not_overwrite_an_edit_that_was_made_and_pushed_while_it_ran() {
    let app = TestApp::working(Setup { gate: true, ..Setup::default() }).await;
    let location = app.location().id;
    let contact = contact_with_tasks(&app, 1);
    app.report("contact.selected", &contact, json!({})).await;
    app.settle().await;
    let task = app.held("tasks", &contact)[0]["id"].as_str().unwrap().to_owned();

    // The pull has its list of tasks, and waits for its list of notes.
    app.gate().hold(Method::GET, &format!("/contacts/{contact}/notes"));
    let pull = app.report("contact.selected", &contact, json!({})).await;
    for list in ["tasks", "notes"] {
        app.gate().answered(Method::GET, &format!("/contacts/{contact}/{list}"), 2).await;
    }
    let edit = app.report("task.updated", &contact, json!({"taskId": task, "title": "Edited meanwhile"})).await;
    assert_eq!(app.ended(&edit).await.state, JobState::Done);
    assert_eq!(app.job(&pull).await.state, JobState::Running);
    app.gate().open();
    app.settle().await;

    assert_eq!(app.held("tasks", &contact)[0]["title"], "Edited meanwhile");
    app.assert_equal(&contact).await;
    assert_eq!(app.calls(&location, call::UPDATE_TASK), 1);
    app.finish().await;
}

#[tokio::test]
async fn an_edit_that_waits_outlives_a_pull_and_reaches_ghl() {
    let mut app = TestApp::working(Setup { gate: true, ..Setup::default() }).await;
    let contact = contact_with_tasks(&app, 1);
    app.report("contact.selected", &contact, json!({})).await;
    app.settle().await;
    let task = app.held("tasks", &contact)[0]["id"].as_str().unwrap().to_owned();
    app.rest().await;

    let edit = json!({"taskId": task, "title": "Edited here"});
    app.by_hand(Method::PUT, &format!("/contacts/{contact}/tasks/{task}"), json!({"body": "Changed in GHL"})).await;
    // The pull goes first: a person looks.
    app.report("task.updated", &contact, edit).await;
    app.gate().hold(Method::PUT, &format!("/contacts/{contact}/tasks/{task}"));
    let pull = app.report("contact.selected", &contact, json!({})).await;
    app.work();
    assert_eq!(app.ended(&pull).await.state, JobState::Done);
    assert_eq!(app.view(&contact).await.unwrap()["tasks"][0]["title"], "Edited here");
    app.gate().open();
    app.settle().await;

    assert_eq!(app.held("tasks", &contact)[0]["title"], "Edited here");
    app.report("contact.selected", &contact, json!({})).await;
    app.settle().await;
    app.assert_equal(&contact).await;
    app.finish().await;
}

#[tokio::test]
async fn a_429_among_the_answers_of_a_pull_rests_the_lane_whatever_else_failed() {
    let app = TestApp::working(Setup { gate: true, ..Setup::default() }).await;
    let location = app.location().id;
    let contact = app.contacts(&location).remove(0);
    app.gate().answer(Method::GET, &format!("/contacts/{contact}"), StatusCode::BAD_GATEWAY);
    app.gate().answer(Method::GET, &format!("/contacts/{contact}/notes"), StatusCode::TOO_MANY_REQUESTS);
    let pull = app.report("contact.selected", &contact, json!({})).await;
    app.wait_until("the pull has failed", async || app.job(&pull).await.last_error.is_some()).await;
    let job = app.job(&pull).await;
    assert_eq!((job.state, job.attempts), (JobState::Waiting, 0), "{job:?}");
    app.wait_until("the lane rests", async || {
        let lane = app.app.queue.lane(&location).await.unwrap();
        lane.is_some_and(|lane| lane.state == LaneState::Held)
    })
    .await;
    app.gate().open();
    assert_eq!(app.ended(&pull).await.attempts, 1);
    app.assert_equal(&contact).await;
    app.finish().await;
}

/// A contact of the first location that has at least so many tasks in the sandbox.
fn contact_with_tasks(app: &TestApp, count: usize) -> String {
    let contacts = app.contacts(&app.location().id);
    contacts.into_iter().find(|contact| app.held("tasks", contact).len() >= count).expect("the seed has one")
}
