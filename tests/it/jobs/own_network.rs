//! Our own network says nothing of a job: however long nothing gets out or no answer gets in, no job is given up for it.

use std::time::Duration;

use ghl_sandbox::Faults;
use job_engine::Backoff;
use serde_json::json;
use sync_workers::records::JobState;

use crate::support::test_app::{Setup, TestApp};

const ATTEMPTS: u8 = 3;

fn setup() -> Setup {
    let backoff = Backoff { attempts: ATTEMPTS, ..Setup::default().backoff };
    Setup { backoff, ..Setup::default() }
}

/// How many calls got no answer.
fn unanswered(app: &TestApp) -> u64 {
    let numbers = app.app.metrics.render().unwrap();
    let lines = numbers.lines().filter(|line| line.contains("clienty_ghl_requests_total{"));
    let lines = lines.filter(|line| line.contains("status=\"network\"") || line.contains("status=\"timeout\""));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn a_job_outlasts_any_time_in_which_nothing_gets_out() {
    let mut app = TestApp::idle(Setup { gate: true, ..setup() }).await;
    let contact = app.contacts(&app.location().id).remove(0);
    app.gate_mut().vanish().await;
    let job = app.report("contact.updated", &contact, json!({"city": "Bonn"})).await;
    app.work();
    // A contact that was never read takes one call a run.
    let calls = 2 * u64::from(ATTEMPTS) + 2;
    app.wait_until("more runs than there are attempts have failed", async || {
        unanswered(&app) >= calls || app.job(&job).await.finished_at.is_some()
    })
    .await;
    let waiting = app.job(&job).await;
    assert!(waiting.finished_at.is_none(), "{waiting:?}");
    assert!(waiting.last_error.as_ref().is_some_and(|error| error.contains("no connection to GHL")), "{waiting:?}");

    app.gate_mut().come_back().await;
    let job = app.ended(&job).await;
    assert_eq!((job.state, job.attempts), (JobState::Done, 1), "{job:?}");
    app.finish().await;
}

#[tokio::test]
async fn a_job_outlasts_any_number_of_answers_that_get_lost() {
    let (app, contact) = TestApp::knowing_one(setup()).await;
    for faults in [Faults { cut: 1000, ..Faults::default() }, Faults { cut_after: 1000, ..Faults::default() }] {
        let lost = u64::from(ATTEMPTS) + 3;
        app.sandbox.set_faults(Faults { at_most: Some(lost), ..faults.clone() });
        let job = app.report("contact.updated", &contact, json!({"city": format!("{faults:?}")})).await;
        let job = app.ended(&job).await;
        assert_eq!((job.state, job.attempts), (JobState::Done, 1), "{faults:?}: {job:?}");
    }
    app.assert_equal(&contact).await;
    app.finish().await;
}

/// What cannot be reached is tried by one job of a location, and not by all of them.
#[tokio::test]
async fn where_nothing_gets_out_a_locations_jobs_wait_behind_one_probe() {
    let mut app = TestApp::idle(Setup { contacts: 30, gate: true, ..setup() }).await;
    let contacts = app.contacts(&app.location().id);
    app.gate_mut().vanish().await;
    for contact in &contacts {
        app.report("contact.selected", contact, json!({})).await;
    }
    app.work();
    app.wait_until("the location is broken off", async || {
        let lane = app.app.queue.lane(&app.location().id).await.unwrap();
        lane.is_some_and(|lane| lane.state == job_engine::LaneState::Broken)
    })
    .await;
    assert_eq!(app.jobs_in(JobState::Dead).await, []);
    app.gate_mut().come_back().await;
    app.settle().await;
    assert_eq!(app.jobs_in(JobState::Done).await.len(), contacts.len());
    app.finish().await;
}

/// A page that takes GHL longer than a call may take is asked for in halves, though no attempt was spent.
#[tokio::test]
async fn a_page_that_is_never_answered_in_time_is_asked_for_in_smaller_ones() {
    let setup = Setup { contacts: 12, timeout: Duration::from_millis(500), ..Setup::default() };
    let app = TestApp::working(setup).await;
    let location = app.location().id;
    let shape = ghl_sandbox::SearchShape { unanswered_above: 3, ..Default::default() };
    app.sandbox.set_search_shape(shape);
    let records = &app.app.records;
    records.begin_scan(&location, sync_workers::records::Purpose::Import, false, 0).await.unwrap().unwrap();
    app.requeue().await;
    app.settle().await;
    let mut unlike = app.mismatches(&app.location(), &app.contacts(&location)).await;
    // No search informs it.
    unlike.retain(|one| one.field != "lastActivity");
    assert_eq!(unlike, []);
    app.finish().await;
}
