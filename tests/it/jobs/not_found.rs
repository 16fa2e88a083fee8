//! A contact is deleted here only by GHL's word about that contact, or by a 404 that a second look agrees with.

use ghl_sandbox::{ErrorAnswer, RequestedError, Wording};
use job_engine::{Backoff, LaneState};
use serde_json::json;
use sync_workers::records::JobState;

use crate::support::test_app::{Setup, TestApp, call};

fn twice() -> Setup {
    let backoff = Backoff { attempts: 2, ..Setup::default().backoff };
    Setup { backoff, ..Setup::default() }
}

fn raw(status: u16, message: &str) -> ErrorAnswer {
    ErrorAnswer::Raw { status, body: json!({"statusCode": status, "message": message}) }
}

/// What says nothing of the contact.
fn about_something_else() -> Vec<ErrorAnswer> {
    let mut answers: Vec<ErrorAnswer> = [
        Wording::LocationNotFound,
        Wording::UserNotFound,
        Wording::NotFound,
        Wording::NoRoute,
        Wording::CannotGet,
        Wording::Empty404,
        Wording::Text404,
        Wording::Html404,
        Wording::VersionSegment,
        Wording::Cloudflare403,
    ]
    .map(ErrorAnswer::from)
    .into();
    answers.extend([
        ErrorAnswer::Raw { status: 404, body: json!(null) },
        ErrorAnswer::Raw { status: 404, body: json!([]) },
        ErrorAnswer::Raw { status: 404, body: json!({"message": {"reason": "Not Found"}}) },
        raw(400, "User with id u1 not found"),
        raw(400, "Contact with id someOtherContact not found"),
        raw(404, "Calendar not found"),
    ]);
    answers
}

#[tokio::test]
async fn a_404_that_is_not_about_the_contact_deletes_nothing() {
    let (app, contact) = TestApp::knowing_one(twice()).await;
    let before = app.view(&contact).await.unwrap();
    let answers = about_something_else();
    let dead = answers.len();
    for answer in answers {
        for (operation, event, data) in [
            (call::GET_CONTACT, "contact.selected", json!({})),
            (call::UPDATE_CONTACT, "contact.updated", json!({"city": "Bonn"})),
        ] {
            app.sandbox.request_errors(vec![RequestedError::always(operation, answer.clone())]);
            let job = app.report(event, &contact, data).await;
            let job = app.ended(&job).await;
            let view = app.view(&contact).await.unwrap_or_else(|| panic!("{operation} {answer:?} deleted it: {job:?}"));
            assert_eq!(view["tasks"], before["tasks"], "{answer:?}");
            app.sandbox.request_errors(Vec::new());
            if operation == call::UPDATE_CONTACT {
                // What waits or was refused is sent, so that the next round has something to send.
                app.report("contact.updated", &contact, json!({"city": "Berlin"})).await;
            }
            app.settle().await;
        }
    }
    let state = app.app.queue.lane(&app.location().id).await.unwrap().map(|lane| lane.state);
    assert_eq!(state, Some(LaneState::Ready), "no answer for one call stops the location");
    app.assert_equal(&contact).await;
    assert!(app.jobs_in(JobState::Dead).await.len() <= 2 * dead);
    app.finish_with_any_dead().await;
}

#[tokio::test]
async fn a_404_without_a_name_is_believed_where_the_search_agrees() {
    for answer in [Wording::Empty404, Wording::NotFound, Wording::NoRoute] {
        let (app, contact) = TestApp::knowing_one(twice()).await;
        app.remove_by_hand(&format!("/_sandbox/locations/{}/contacts/{contact}", app.location().id)).await;
        app.sandbox.request_errors(vec![RequestedError::always(call::GET_CONTACT, answer.into())]);
        let job = app.report("contact.selected", &contact, json!({})).await;
        let job = app.ended(&job).await;
        assert_eq!((job.state, app.view(&contact).await), (JobState::Done, None), "{answer:?}: {job:?}");
        app.finish().await;
    }
}

#[tokio::test]
async fn a_contact_that_ghl_names_as_missing_is_gone_by_one_call() {
    for answer in [Wording::ContactNotFound, Wording::ContactNotFound400] {
        let (app, contact) = TestApp::knowing_one(twice()).await;
        app.sandbox.request_errors(vec![RequestedError::always(call::GET_CONTACT, answer.into())]);
        let job = app.report("contact.selected", &contact, json!({})).await;
        assert_eq!(app.ended(&job).await.state, JobState::Done);
        assert_eq!(app.view(&contact).await, None, "{answer:?}");
        assert_eq!(app.calls(&app.location().id, call::SEARCH_CONTACTS), 0);
        app.finish().await;
    }
}

#[tokio::test]
async fn a_create_that_misses_something_else_takes_no_contact_away() {
    let (app, contact) = TestApp::knowing_one(twice()).await;
    let before = app.view(&contact).await.unwrap();
    let answers = [
        Wording::LocationNotFound.into(),
        raw(400, "The event calendar was not found"),
        raw(400, "Contact owner not found"),
        raw(404, "Contact's assigned user not found"),
        raw(400, "Task assignee not found"),
    ];
    let mut reported = 0;
    for answer in &answers {
        for (event, operation, data) in [
            (
                "note.created",
                call::CREATE_NOTE,
                json!({"clientyNoteId": format!("n{reported}"), "noteText": "Likes tea"}),
            ),
            (
                "task.created",
                call::CREATE_TASK,
                json!({"clientyTaskId": format!("t{reported}"), "title": "Call", "dueDate": "2026-03-01T09:00:00Z"}),
            ),
        ] {
            reported += 1;
            app.sandbox.request_errors(vec![RequestedError::always(operation, answer.clone())]);
            let job = app.report(event, &contact, data).await;
            app.ended(&job).await;
            let view = app.view(&contact).await.unwrap_or_else(|| panic!("{event} {answer:?} deleted the contact"));
            assert_eq!(view["contact"]["email"], before["contact"]["email"]);
        }
    }
    app.sandbox.request_errors(Vec::new());
    app.finish_with_any_dead().await;
}

/// What GHL's list does not show readably is nothing that a push of another entry depends on.
#[tokio::test]
async fn a_note_that_can_not_be_read_blocks_no_other() {
    let app = TestApp::working(Setup::default()).await;
    let contact = app.contacts(&app.location().id).remove(0);
    let body = json!({"notes": [{"id": "ok", "body": "a"}, {"body": "no id"}]});
    app.sandbox.request_errors(vec![RequestedError::always(call::LIST_NOTES, ErrorAnswer::Raw { status: 200, body })]);
    let job = app.report("note.created", &contact, json!({"clientyNoteId": "k1", "noteText": "Likes tea"})).await;
    let job = app.ended(&job).await;
    assert_eq!(job.state, JobState::Done, "{job:?}");
    app.sandbox.request_errors(Vec::new());
    let held = app.held("notes", &contact);
    assert_eq!(
        held.iter().filter(|note| note["body"].as_str().is_some_and(|body| body.contains("Likes tea"))).count(),
        1
    );
    app.finish().await;
}

#[tokio::test]
async fn a_task_is_not_taken_for_deleted_because_of_a_route_or_a_user() {
    for answer in [Wording::NoRoute, Wording::UserNotFound, Wording::Empty404, Wording::LocationNotFound] {
        let (app, contact) = TestApp::knowing_one(twice()).await;
        let task = app
            .report(
                "task.created",
                &contact,
                json!({"clientyTaskId": "k1", "title": "Call", "dueDate": "2026-03-01T09:00:00Z"}),
            )
            .await;
        assert_eq!(app.ended(&task).await.state, JobState::Done);
        let errors = [call::UPDATE_TASK, call::DELETE_TASK].map(|one| RequestedError::always(one, answer.into()));
        app.sandbox.request_errors(errors.into());
        let job = app.report("task.updated", &contact, json!({"clientyTaskId": "k1", "title": "Mail"})).await;
        let job = app.ended(&job).await;
        assert_eq!(job.state, JobState::Dead, "{answer:?}");
        let view = app.view(&contact).await.unwrap();
        assert!(view["tasks"].as_array().unwrap().iter().any(|task| task["title"] == "Mail"), "{answer:?}: {view}");
        let job = app.report("task.deleted", &contact, json!({"clientyTaskId": "k1"})).await;
        assert_eq!(app.ended(&job).await.state, JobState::Dead, "{answer:?}: it is still there");
        app.sandbox.request_errors(Vec::new());
        assert!(app.held("tasks", &contact).iter().any(|task| task["title"] == "Call"));
        app.finish_with_any_dead().await;
    }
}
