//! A scan whose job was given up or discarded is in nobody's way, and an import can still be resumed.

use job_engine::Priority;
use serde_json::{Value, json};
use sync_workers::jobs::new_job;
use sync_workers::reconcile_scheduler;
use sync_workers::records::{Decision, JobState, Phase, Purpose, Scan};

use crate::support::test_app::{Setup, TestApp};

/// An import whose token may not see contacts.
async fn given_up(app: &TestApp) -> Scan {
    app.set_scopes(json!(["locations.readonly"])).await;
    let location = app.location().id;
    let scan = app.app.records.begin_scan(&location, Purpose::Import, false, 0).await.unwrap().unwrap();
    push(app, &scan).await;
    app.settle().await;
    let dead = app.jobs_in(JobState::Dead).await;
    assert_eq!(dead.len(), 1, "{dead:?}");
    let reported = dead[0].last_error.as_ref().unwrap();
    assert!(reported.contains("missing scope") && reported.contains("contacts.readonly"), "{reported}");
    assert!(reported.contains("install page"), "{reported}");
    scan
}

async fn push(app: &TestApp, scan: &Scan) {
    app.app.queue.push(&[new_job(&scan.next_job().unwrap(), Priority::Bulk)]).await.unwrap();
}

async fn reconcile(app: &TestApp) -> Scan {
    let (records, location) = (&app.app.records, app.location().id);
    assert!(
        reconcile_scheduler::begin(records, &app.app.queue, &location, Purpose::Reconcile, 0).await.unwrap(),
        "one is in its way"
    );
    app.settle().await;
    records.latest_scan(&location, Purpose::Reconcile).await.unwrap().unwrap()
}

#[tokio::test]
async fn an_import_that_was_given_up_lets_reconciliations_pass_and_goes_on_when_it_is_resumed() {
    let app = TestApp::working(Setup::default()).await;
    let records = &app.app.records;
    let import = given_up(&app).await;
    app.set_scopes(Value::Null).await;
    assert_eq!(reconcile(&app).await.phase, Phase::Done);

    let dead: Vec<_> = app.jobs_in(JobState::Dead).await.into_iter().map(|job| job.id).collect();
    records.revive_jobs(&dead).await.unwrap();
    assert!(records.resume_scan(&import).await.unwrap());
    push(&app, &import).await;
    app.settle().await;
    let ended = records.scan(&import.id).await.unwrap().unwrap();
    assert_eq!((ended.phase, ended.contacts), (Phase::Done, 8));
    app.finish().await;
}

#[tokio::test]
async fn an_import_whose_job_was_discarded_is_resumed_with_a_new_one() {
    let app = TestApp::working(Setup::default()).await;
    let records = &app.app.records;
    let import = given_up(&app).await;
    app.set_scopes(Value::Null).await;
    let dead: Vec<_> = app.jobs_in(JobState::Dead).await.into_iter().map(|job| job.id).collect();
    records.discard_jobs(&dead, &Decision::default()).await.unwrap();
    assert!(records.resume_scan(&import).await.unwrap());
    push(&app, &import).await;
    app.settle().await;
    assert_eq!(records.scan(&import.id).await.unwrap().unwrap().phase, Phase::Done);
    app.finish().await;
}

#[tokio::test]
async fn an_import_that_made_way_does_not_go_on_beside_the_other() {
    let app = TestApp::working(Setup::default()).await;
    let records = &app.app.records;
    let import = given_up(&app).await;
    assert!(records.begin_scan(&import.location_id, Purpose::Verify, false, 0).await.unwrap().is_some());
    assert!(!records.resume_scan(&import).await.unwrap(), "a comparison is under way");
    // What a person retries by hand then does nothing, and is done.
    let dead: Vec<_> = app.jobs_in(JobState::Dead).await.into_iter().map(|job| job.id).collect();
    app.set_scopes(Value::Null).await;
    records.revive_jobs(&dead).await.unwrap();
    let verify = records.latest_scan(&import.location_id, Purpose::Verify).await.unwrap().unwrap();
    for scan in [&import, &verify] {
        push(&app, scan).await;
    }
    app.settle().await;
    assert_eq!(records.scan(&import.id).await.unwrap().unwrap().phase, Phase::Contacts);
    assert_eq!(records.scan(&verify.id).await.unwrap().unwrap().phase, Phase::Done);
    assert!(records.resume_scan(&import).await.unwrap());
    push(&app, &import).await;
    app.settle().await;
    assert_eq!(records.scan(&import.id).await.unwrap().unwrap().phase, Phase::Done);
    app.finish().await;
}
