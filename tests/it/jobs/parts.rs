//! The parts of a contact are independent: those that came are stored, and those that did not are named.

use clienty_sync::sandbox::{ErrorAnswer, RequestedError, Wording};
use job_engine::Backoff;
use serde_json::{Value, json};
use sync_workers::records::JobState;

use crate::support::test_app::{Setup, TestApp, call};

const PARTS: [(&str, &str); 3] =
    [("tasks", call::LIST_TASKS), ("notes", call::LIST_NOTES), ("appointments", call::LIST_APPOINTMENTS)];

fn missing(view: &Value) -> Vec<&str> {
    view["missing"]
        .as_array()
        .map(|parts| parts.iter().filter_map(|one| one["part"].as_str()).collect())
        .unwrap_or_default()
}

/// The first contact that has something of everything.
fn rich(app: &TestApp) -> String {
    let contacts = app.contacts(&app.location().id);
    let has_all = |id: &&String| PARTS.iter().all(|(list, _)| !app.held(list, id).is_empty());
    contacts.iter().find(has_all).expect("one contact has tasks, notes and appointments").clone()
}

#[tokio::test]
async fn of_an_unknown_contact_the_parts_that_ghl_gives_are_stored_and_the_other_is_named() {
    let refusals = [
        Wording::MissingScope.into(),
        Wording::Wordless401.into(),
        Wording::ForeignLocation.into(),
        ErrorAnswer::Raw { status: 403, body: json!({"message": "Forbidden resource"}) },
        ErrorAnswer::Raw { status: 422, body: json!({"message": ["limit must be a number"]}) },
    ];
    for (refused, operation) in PARTS {
        for answer in &refusals {
            let app = TestApp::working(Setup::default()).await;
            let contact = rich(&app);
            app.sandbox.request_errors(vec![RequestedError::always(operation, answer.clone())]);
            let job = app.tell("contact.selected", &contact, json!({})).await;
            let job = app.ended(&job).await;
            assert_eq!(job.state, JobState::Done, "{refused} {answer:?}: {job:?}");
            let view = app.view(&contact).await.unwrap();
            assert_eq!(missing(&view), [refused], "{answer:?}");
            for (list, _) in PARTS {
                let expected = if list == refused { 0 } else { app.held(list, &contact).len() };
                assert_eq!(view[list].as_array().unwrap().len(), expected, "{refused} {answer:?} {list}");
            }
            app.sandbox.request_errors(Vec::new());
            app.tell("contact.selected", &contact, json!({})).await;
            app.settle().await;
            assert_eq!(app.view(&contact).await.unwrap().get("missing"), None, "{refused}: it was read since");
            app.assert_equal(&contact).await;
            app.finish().await;
        }
    }
}

#[tokio::test]
async fn the_advice_names_the_scope_that_is_missing_and_none_that_is_there() {
    let app = TestApp::working(Setup::default()).await;
    let contact = rich(&app);
    app.sandbox.request_errors(vec![RequestedError::always(call::LIST_APPOINTMENTS, Wording::MissingScope.into())]);
    app.tell("contact.selected", &contact, json!({})).await;
    app.settle().await;
    let reason = app.view(&contact).await.unwrap()["missing"][0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("calendars/events.readonly") && !reason.contains("contacts.readonly"), "{reason}");
    app.finish().await;
}

#[tokio::test]
async fn a_part_that_fails_for_long_keeps_none_of_the_others_back_and_comes_later() {
    let backoff = Backoff { attempts: 3, ..Setup::default().backoff };
    for answer in [Wording::BadGateway, Wording::Cloudflare524, Wording::Empty404] {
        let app = TestApp::working(Setup { backoff, ..Setup::default() }).await;
        let contact = rich(&app);
        app.sandbox.request_errors(vec![RequestedError::always(call::LIST_NOTES, answer.into())]);
        let job = app.tell("contact.selected", &contact, json!({})).await;
        let job = app.ended(&job).await;
        assert_eq!((job.state, job.attempts), (JobState::Dead, 3), "{answer:?}");
        assert!(job.last_error.as_ref().unwrap().contains("the notes of the contact did not come"), "{job:?}");
        let view = app.view(&contact).await.unwrap();
        assert_eq!(
            (missing(&view), view["tasks"].as_array().unwrap().len()),
            (vec!["notes"], app.held("tasks", &contact).len())
        );
        app.sandbox.request_errors(Vec::new());
        app.tell("contact.selected", &contact, json!({})).await;
        app.settle().await;
        app.assert_equal(&contact).await;
        assert_eq!(app.view(&contact).await.unwrap().get("missing"), None);
        app.finish_with_dead(1).await;
    }
}

#[tokio::test]
async fn a_known_contact_keeps_what_is_known_of_a_part_that_does_not_come() {
    let app = TestApp::working(Setup::default()).await;
    let contact = rich(&app);
    app.tell("contact.selected", &contact, json!({})).await;
    app.settle().await;
    let known = app.view(&contact).await.unwrap();
    app.sandbox.request_errors(vec![RequestedError::always(call::GET_CONTACT, Wording::MissingScope.into())]);
    let note = app.by_hand(reqwest::Method::POST, &format!("/contacts/{contact}/notes"), json!({"body": "New"})).await;
    let job = app.tell("contact.selected", &contact, json!({})).await;
    assert_eq!(app.ended(&job).await.state, JobState::Done);
    let view = app.view(&contact).await.unwrap();
    assert_eq!((missing(&view), &view["contact"]), (vec!["contact"], &known["contact"]));
    let id = note["note"]["id"].as_str().unwrap();
    assert!(view["notes"].as_array().unwrap().iter().any(|one| one["noteId"] == id), "{view}");
    app.finish().await;
}
