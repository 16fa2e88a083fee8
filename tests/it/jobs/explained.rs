//! A job that does not run says why.

use clienty_sync::explain;
use serde_json::json;
use sync_workers::records::JobState;

use crate::support::test_app::{Setup, TestApp};

#[tokio::test]
async fn a_waiting_job_reports_its_place_in_line_and_what_holds_its_location_up() {
    let app = TestApp::working(Setup::default()).await;
    let location = app.location().id;
    app.app.queue.pause(&location).await.unwrap();
    let mut ids = Vec::new();
    for contact in app.contacts(&location).iter().take(3) {
        ids.push(app.report("contact.selected", contact, json!({})).await);
    }
    let why = async |id: &str| explain::why(&app.job(id).await, Ok(&app.app.queue)).await;
    app.wait_until("the queue has them all", async || why(&ids[2]).await.is_some_and(|why| why.contains("number 3")))
        .await;
    let reported = why(&ids[2]).await.unwrap();
    assert!(reported.starts_with("its location is paused; "), "{reported}");
    assert!(reported.contains("(0 more urgent, 3 interactive, itself among them)"), "{reported}");

    app.app.queue.resume(&location).await.unwrap();
    assert_eq!(app.ended(&ids[2]).await.state, JobState::Done);
    assert_eq!(why(&ids[2]).await, None);
    app.finish().await;
}

#[tokio::test]
async fn a_job_of_a_paused_kind_says_so_and_runs_once_that_is_resumed() {
    let app = TestApp::working(Setup::default()).await;
    let contact = app.contacts(&app.location().id).remove(0);
    app.app.queue.pause_kind("pull_contact").await.unwrap();
    let id = app.report("contact.selected", &contact, json!({})).await;
    let why = async || explain::why(&app.job(&id).await, Ok(&app.app.queue)).await;
    app.wait_until("the queue has it", async || why().await.is_some_and(|why| why.contains("paused"))).await;
    assert_eq!(
        why().await.unwrap(),
        "all pull_contact jobs are paused; `clienty-sync jobs resume --kind pull_contact` resumes them"
    );
    app.app.queue.resume_kind("pull_contact").await.unwrap();
    assert_eq!(app.ended(&id).await.attempts, 1);
    app.finish().await;
}
