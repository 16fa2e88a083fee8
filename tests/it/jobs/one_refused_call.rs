//! A call that GHL does not authorize stops its location only where GHL refuses another call with the same token, too.

use ghl_sandbox::{RequestedError, Wording};
use job_engine::LaneState;
use serde_json::json;
use sync_workers::records::JobState;

use crate::support::test_app::{Setup, TestApp, call};

const ABOUT_ONE_CALL: [Wording; 5] =
    [Wording::Wordless401, Wording::Unauthorized, Wording::UserTypeMismatch, Wording::AuthClass, Wording::InvalidJwt];

async fn lane(app: &TestApp) -> Option<LaneState> {
    app.app.queue.lane(&app.location().id).await.unwrap().map(|lane| lane.state)
}

#[tokio::test]
async fn one_operation_that_is_refused_fails_its_job_and_lets_the_location_go_on() {
    let (app, contact) = TestApp::knowing_one(Setup::default()).await;
    for (number, wording) in ABOUT_ONE_CALL.into_iter().enumerate() {
        app.sandbox.request_errors(vec![RequestedError::always(call::CREATE_NOTE, wording.into())]);
        let job =
            app.report("note.created", &contact, json!({"clientyNoteId": format!("n{number}"), "noteText": "x"})).await;
        let job = app.ended(&job).await;
        assert_eq!(job.state, JobState::Dead, "{wording:?}: {job:?}");
        let reason = job.last_error.unwrap();
        assert!(reason.contains("GHL accepts other calls with this token"), "{wording:?}: {reason}");
        assert_ne!(lane(&app).await, Some(LaneState::Broken), "{wording:?}");
        app.sandbox.request_errors(Vec::new());
        let other = app.report("contact.updated", &contact, json!({"city": format!("City {number}")})).await;
        assert_eq!(app.ended(&other).await.state, JobState::Done, "{wording:?}");
    }
    app.finish_with_dead(ABOUT_ONE_CALL.len()).await;
}

#[tokio::test]
async fn a_token_that_every_call_is_refused_for_opens_the_circuit_and_buries_nothing() {
    for wording in ABOUT_ONE_CALL {
        let (app, contact) = TestApp::knowing_one(Setup::default()).await;
        app.sandbox.request_errors(vec![RequestedError::always("*", wording.into())]);
        let job = app.report("contact.updated", &contact, json!({"city": "Bonn"})).await;
        app.wait_until("the circuit opens", async || lane(&app).await == Some(LaneState::Broken)).await;
        assert_ne!(app.job(&job).await.state, JobState::Dead, "{wording:?}");
        app.sandbox.request_errors(Vec::new());
        assert_eq!(app.ended(&job).await.state, JobState::Done, "{wording:?}");
        app.assert_equal(&contact).await;
        app.finish().await;
    }
}

#[tokio::test]
async fn a_revoked_private_token_opens_the_circuit_until_it_is_valid_again() {
    let (app, contact) = TestApp::knowing_one(Setup::default()).await;
    let location = app.location().id;
    app.sandbox.set_token_revoked(&location, true);
    let job = app.report("contact.selected", &contact, json!({})).await;
    app.wait_until("the circuit opens", async || lane(&app).await == Some(LaneState::Broken)).await;
    app.sandbox.set_token_revoked(&location, false);
    assert_eq!(app.ended(&job).await.state, JobState::Done);
    app.finish().await;
}
