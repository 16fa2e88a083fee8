//! What fails is retried, held or buried, by what the failure means.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ghl_sandbox::Faults;
use job_engine::{Backoff, LaneState};
use serde_json::{Value, json};
use sync_workers::records::JobState;
use tracing_subscriber::util::SubscriberInitExt;

use super::privacy::NOBODY;
use crate::support::test_app::{Setup, TestApp, call};

async fn is_held(app: &TestApp, location: &str) -> bool {
    lane_is(app, location, LaneState::Held).await
}

async fn is_broken(app: &TestApp, location: &str) -> bool {
    lane_is(app, location, LaneState::Broken).await
}

async fn lane_is(app: &TestApp, location: &str, state: LaneState) -> bool {
    app.app.queue.lane(location).await.unwrap().is_some_and(|lane| lane.state == state)
}

fn selected(location: &str, contact: &str) -> Value {
    json!({"type": "contact.selected", "locationId": location, "contactId": contact})
}

#[tokio::test]
async fn an_undecodable_answer_is_retried_and_then_buried_with_the_reason() {
    let backoff = Backoff { attempts: 3, ..Setup::default().backoff };
    let app = TestApp::working(Setup { backoff, ..Setup::default() }).await;
    let location = app.location().id;
    let contact = app.contacts(&location).remove(0);
    app.sandbox.set_faults(Faults { truncate: 1000, ..Faults::default() });
    let job = app.report("contact.selected", &contact, json!({})).await;
    let job = app.ended(&job).await;
    assert_eq!((job.state, job.attempts), (JobState::Dead, 3));
    let reason = job.last_error.unwrap();
    assert!(reason.starts_with("failed after 3 attempts: ") && reason.contains("can't be read"), "{reason}");
    assert_eq!(app.view(&contact).await, None);
    app.finish_with_dead(1).await;
}

#[tokio::test]
async fn pages_broken_answers_and_server_errors_pass_once_their_cause_has() {
    for faults in [
        Faults { html: 1000, ..Faults::default() },
        Faults { truncate: 1000, ..Faults::default() },
        Faults { server_error: 1000, ..Faults::default() },
        Faults { cut: 1000, ..Faults::default() },
    ] {
        let app = TestApp::working(Setup::default()).await;
        let contact = app.contacts(&app.location().id).remove(0);
        app.sandbox.set_faults(Faults { at_most: Some(9), ..faults.clone() });
        let job = app.report("contact.selected", &contact, json!({})).await;
        let job = app.ended(&job).await;
        // The ninth fault is in the third run of four or five calls at the earliest, and the last run is whole.
        // An answer that gets lost spends no attempt.
        let has_spent = if faults.cut > 0 { job.attempts == 1 } else { job.attempts >= 3 };
        assert!(job.state == JobState::Done && has_spent, "{faults:?}: {job:?}");
        app.assert_equal(&contact).await;
        app.finish().await;
    }
}

#[tokio::test]
async fn a_429_rests_its_lane_spends_no_attempt_and_holds_up_no_other_location() {
    let interval = Duration::from_secs(5);
    let app = TestApp::working(Setup { locations: 2, interval, ..Setup::default() }).await;
    let [throttled, other] = [0, 1].map(|at| app.sandbox.locations()[at].id.clone());
    app.sandbox.set_faults(Faults { throttle: 1000, ..Faults::default() });
    let contacts = app.contacts(&throttled);
    let events: Vec<_> = contacts.iter().map(|contact| selected(&throttled, contact)).collect();
    let held: Vec<_> = app.send_all(&events).await.into_iter().map(|accepted| accepted.job_id).collect();
    app.wait_until("the lane rests", async || is_held(&app, &throttled).await).await;
    app.wait_until("nothing runs", async || app.jobs_in(JobState::Running).await.is_empty()).await;
    app.sandbox.set_faults(Faults::default());

    let there = app.contacts(&other);
    let events: Vec<_> = there.iter().map(|contact| selected(&other, contact)).collect();
    for accepted in app.send_all(&events).await {
        assert_eq!(app.ended(&accepted.job_id).await.state, JobState::Done);
    }
    for id in &held {
        let job = app.job(id).await;
        assert_eq!((job.state, job.attempts), (JobState::Waiting, 0), "{job:?}");
    }
    assert!(is_held(&app, &throttled).await);

    app.settle().await;
    for id in &held {
        // The one attempt is the run that was done.
        assert_eq!(app.job(id).await.attempts, 1);
    }
    for location in app.sandbox.locations() {
        assert_eq!(app.mismatches(&location, &app.contacts(&location.id)).await, []);
    }
    app.finish().await;
}

#[tokio::test]
async fn now_and_then_a_429_costs_time_and_nothing_else() {
    let app = TestApp::working(Setup { interval: Duration::from_millis(500), ..Setup::default() }).await;
    let location = app.location();
    app.sandbox.set_faults(Faults { throttle: 150, at_most: Some(10), ..Faults::default() });
    let contacts = app.contacts(&location.id);
    let events: Vec<_> = contacts.iter().map(|contact| selected(&location.id, contact)).collect();
    app.send_all(&events).await;
    app.settle().await;
    assert!(app.sandbox.stats().faults["throttle"] > 0);
    assert!(app.jobs_in(JobState::Done).await.iter().all(|job| job.attempts == 1));
    assert_eq!(app.mismatches(&location, &contacts).await, []);
    app.finish().await;
}

#[tokio::test]
async fn a_rejected_token_rests_the_lane_and_buries_nothing_until_the_right_one_comes() {
    let mut app = TestApp::idle(Setup::default()).await;
    let location = app.location();
    app.connect(&location.id, "pit-of-somebody-else").await;
    let contacts = app.contacts(&location.id);
    let events: Vec<_> = contacts.iter().map(|contact| selected(&location.id, contact)).collect();
    let jobs: Vec<_> = app.send_all(&events).await.into_iter().map(|accepted| accepted.job_id).collect();
    app.work();
    app.wait_until("the lane rests", async || is_broken(&app, &location.id).await).await;
    app.wait_until("the reason is kept", async || app.job(&jobs[0]).await.last_error.is_some()).await;
    let reason = app.job(&jobs[0]).await.last_error.unwrap();
    assert!(reason.contains("connect the location again"), "{reason}");
    assert_eq!(app.jobs_in(JobState::Dead).await, []);

    app.connect(&location.id, &location.token).await;
    app.settle().await;
    for id in &jobs {
        let job = app.job(id).await;
        assert_eq!((job.state, job.attempts), (JobState::Done, 1), "{job:?}");
    }
    assert_eq!(app.mismatches(&location, &contacts).await, []);
    app.finish().await;
}

#[tokio::test]
async fn an_event_that_names_a_contact_of_another_location_is_buried_and_holds_up_nobody() {
    let mut app = TestApp::idle(Setup { locations: 2, ..Setup::default() }).await;
    let location = app.location();
    let foreign = app.contacts(&app.sandbox.locations()[1].id).remove(0);
    let contacts = app.contacts(&location.id);
    let pull = app.report("contact.selected", &foreign, json!({})).await;
    let task = json!({"clientyTaskId": "k1", "title": "Call", "dueDate": "2026-03-01T09:00:00Z"});
    let push = app.report("task.created", &foreign, task).await;
    let events: Vec<_> = contacts.iter().map(|contact| selected(&location.id, contact)).collect();
    app.send_all(&events).await;
    app.work();
    for job in [pull, push] {
        let job = app.ended(&job).await;
        assert_eq!((job.state, job.attempts), (JobState::Dead, 1), "{job:?}");
        let reason = job.last_error.unwrap();
        assert!(reason.contains("another location"), "{reason}");
    }
    app.settle().await;
    assert_eq!(app.mismatches(&location, &contacts).await, []);
    app.finish_with_dead(2).await;
}

#[tokio::test]
async fn a_token_of_another_location_rests_the_lane_and_buries_nothing() {
    let mut app = TestApp::idle(Setup { locations: 2, ..Setup::default() }).await;
    let (location, other) = (app.location(), app.sandbox.locations().remove(1));
    app.connect(&location.id, &other.token).await;
    let contacts = app.contacts(&location.id);
    let events: Vec<_> = contacts.iter().map(|contact| selected(&location.id, contact)).collect();
    app.send_all(&events).await;
    app.work();
    app.wait_until("the lane rests", async || is_broken(&app, &location.id).await).await;
    app.connect(&location.id, &location.token).await;
    app.settle().await;
    assert_eq!(app.mismatches(&location, &contacts).await, []);
    app.finish().await;
}

#[tokio::test]
async fn a_job_of_an_unknown_kind_is_buried_with_the_reason() {
    let mut app = TestApp::idle(Setup::default()).await;
    let contact = app.contacts(&app.location().id).remove(0);
    let job = app.report("contact.selected", &contact, json!({})).await;
    app.sql("update jobs set kind = 'pull_company'").await;
    assert_eq!(app.requeue().await, 1);
    app.work();
    let job = app.ended(&job).await;
    assert_eq!((job.state, job.attempts), (JobState::Dead, 1));
    assert_eq!(job.last_error.unwrap(), "the kind pull_company is not known to this version");
    assert_eq!(app.all_calls(&app.location().id), 0);
    app.finish_with_dead(1).await;
}

#[tokio::test]
async fn a_job_whose_record_is_gone_is_done() {
    let mut app = TestApp::idle(Setup::default()).await;
    let contact = app.contacts(&app.location().id).remove(0);
    let data = json!({"clientyTaskId": "k1", "title": "Call", "dueDate": "2026-03-01T09:00:00Z"});
    let task = app.report("task.created", &contact, data).await;
    let note = app.report("note.created", &contact, json!({"clientyNoteId": "k1", "noteText": "Likes tea"})).await;
    app.sql("delete from entries").await;
    app.work();
    for job in [task, note] {
        let job = app.ended(&job).await;
        assert_eq!((job.state, job.attempts, job.last_error), (JobState::Done, 1, None));
    }
    assert_eq!(app.all_calls(&app.location().id), 0);
    app.finish().await;
}

#[tokio::test]
async fn what_ghl_refuses_for_good_is_buried_at_once_with_ghls_words() {
    let app = TestApp::working(Setup::default()).await;
    let contact = app.contacts(&app.location().id).remove(0);
    let note = json!({"clientyNoteId": "k1", "noteText": "Likes tea", "userId": "noUserOfThisLocation"});
    let job = app.report("note.created", &contact, note).await;
    let job = app.ended(&job).await;
    assert_eq!((job.state, job.attempts), (JobState::Dead, 1));
    // Once more without its author, whom GHL names.
    assert_eq!(app.calls(&app.location().id, call::CREATE_NOTE), 2);
    let reason = job.last_error.unwrap();
    assert!(reason.starts_with("GHL refuses the call with 400") && !reason.contains("Likes tea"), "{reason}");
    app.finish_with_dead(1).await;
}

#[tokio::test]
async fn jobs_of_a_burst_far_over_the_limit_keep_to_it() {
    let app = TestApp::working(Setup { contacts: 80, ..Setup::default() }).await;
    let location = app.location();
    let contacts = app.contacts(&location.id);
    let events: Vec<_> = contacts.iter().map(|contact| selected(&location.id, contact)).collect();
    app.send_all(&events).await;
    app.settle().await;
    assert!(app.all_calls(&location.id) > 300);
    assert_eq!(app.mismatches(&location, &contacts).await, []);
    app.finish().await;
}

/// A run that panics has ended: where its process is killed afterwards, it was not killed with that job (law 11).
#[tokio::test]
async fn a_run_that_panicked_is_given_back_and_counts_as_no_kill() {
    const ENDLESS: u32 = 1_000_000;
    LazyLock::force(&NOBODY);
    let armed = Arc::new(AtomicU32::new(0));
    let trap = Arc::clone(&armed);
    // What a run logs of its first call is the place that can be made to panic.
    let spring = move || {
        let left = trap.load(Ordering::SeqCst);
        if left > 0 {
            trap.store(left - 1, Ordering::SeqCst);
            panic!("as asked");
        }
        std::io::sink()
    };
    let _listening =
        tracing_subscriber::fmt().with_env_filter("off,ghl::call=debug").with_writer(spring).finish().set_default();
    let (mut app, contact) = TestApp::knowing_one(Setup::default()).await;
    armed.store(ENDLESS, Ordering::SeqCst);
    let job = app.report("contact.selected", &contact, json!({})).await;
    app.wait_until("it panics twice", async || armed.load(Ordering::SeqCst) <= ENDLESS - 2).await;
    app.rest().await;
    for _ in 0..3 {
        let given_back = app.job(&job).await;
        assert_eq!((given_back.state, given_back.attempts), (JobState::Scheduled, 0), "{given_back:?}");
        assert!(given_back.last_error.as_ref().unwrap().contains("panicked"), "{given_back:?}");
        app.app.records.count_kills().await.unwrap();
        assert_eq!(app.app.records.suspects().await.unwrap(), []);
    }
    armed.store(0, Ordering::SeqCst);
    app.work();
    assert_eq!(app.ended(&job).await.state, JobState::Done);
    app.finish().await;
}
