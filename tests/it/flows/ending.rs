//! What holds a run up or ends it from outside: a pause, a disconnected location, an erasure, a deleted contact.

use serde_json::json;
use sync_workers::records::JobState;

use super::Flowing;
use crate::support::test_app::call;

const SLOW: &str = "on = \"contact.tagged=go\"\n[[step]]\nname = \"seen\"\ncall = \"get-contact\"\n[[step]]\nwait = \"1d\"\n[[step]]\nevent = \"note.created\"\ndata.noteText = \"{seen.contact.email}\"\n";

/// Lets what waits go on now.
async fn let_time_pass(flowing: &Flowing) {
    flowing.app.sql("update flow_runs set wait_until = 1 where wait_until is not null").await;
}

#[tokio::test]
async fn a_run_of_an_erased_contact_ends_and_forgets() {
    let flowing = Flowing::calm(&[("slow", SLOW)]).await;
    let contact = flowing.known().await;
    flowing.app.contact_by_hand(Some(&contact), json!({"email": "secret@x.de", "tags": ["go"]})).await;
    let records = &flowing.app.app.records;
    let waits = async || flowing.app.jobs_in(JobState::Scheduled).await.iter().any(|job| job.key.kind == "flow_step");
    flowing.app.wait_until("the run waits", waits).await;
    let job = flowing.app.jobs_in(JobState::Scheduled).await.remove(0);
    let run = flowing.run(&job.key.record_id).await;
    assert!(json!(run.knows).to_string().contains("secret@x.de"), "the test proves nothing: {run:?}");
    let receipt = records.erase(&flowing.location, &contact).await.unwrap().unwrap();
    assert_eq!(receipt.erased["flowRuns"], 1);
    let run = flowing.run(&run.id).await;
    assert_eq!((run.outcome.as_deref(), &run.knows), (Some("erased"), &Default::default()));
    flowing.settle().await;
    assert_eq!(flowing.held("notes", &contact, "body").iter().filter(|note| note.contains("secret")).count(), 0);
    flowing.finish().await;
}

#[tokio::test]
async fn a_run_whose_contact_is_deleted_ends_without_a_dead_letter() {
    let flowing = Flowing::calm(&[("slow", SLOW)]).await;
    let contact = flowing.known().await;
    let id = flowing.begin("slow", Some(&contact)).await;
    flowing.app.wait_until("the run waits", async || flowing.run(&id).await.wait_until_ms.is_some()).await;
    flowing.app.report("contact.deleted", &contact, json!({})).await;
    let_time_pass(&flowing).await;
    flowing.app.sql("update jobs set due_at = 1 where kind = 'flow_step' and finished_at is null").await;
    flowing
        .app
        .wait_until("the run ends", async || {
            flowing.app.requeue().await;
            flowing.run(&id).await.outcome.is_some()
        })
        .await;
    assert_eq!(flowing.run(&id).await.outcome.as_deref(), Some("skipped"));
    flowing.finish().await;
}

#[tokio::test]
async fn a_run_rests_with_its_location_and_goes_on_with_it() {
    const NOTE: &str = "[[step]]\nevent = \"note.created\"\ndata.noteText = \"go\"\n";
    let flowing = Flowing::calm(&[("note", NOTE)]).await;
    let contact = flowing.known().await;
    let (queue, records) = (&flowing.app.app.queue, &flowing.app.app.records);
    let made = flowing.app.calls(&flowing.location, call::CREATE_NOTE);
    queue.pause(&flowing.location).await.unwrap();
    let id = flowing.begin("note", Some(&contact)).await;
    let lane = queue.lane(&flowing.location).await.unwrap().unwrap();
    assert_eq!((lane.state, flowing.run(&id).await.log), (job_engine::LaneState::Paused, vec![]));
    queue.resume(&flowing.location).await.unwrap();
    assert_eq!(flowing.ended(&id).await.outcome.as_deref(), Some("done"));
    flowing.settle().await;

    let token = flowing.app.location().token;
    assert!(records.disconnect(&flowing.location).await.unwrap());
    let id = flowing.begin("note", Some(&contact)).await;
    let is_reported = async || flowing.app.jobs_in(JobState::Waiting).await.iter().any(|job| job.last_error.is_some());
    flowing.app.wait_until("the run waits for a login", is_reported).await;
    assert_eq!(flowing.app.calls(&flowing.location, call::CREATE_NOTE), made + 1);
    flowing.app.connect(&flowing.location, &token).await;
    assert_eq!(flowing.ended(&id).await.outcome.as_deref(), Some("done"));
    flowing.settle().await;
    assert_eq!(flowing.app.calls(&flowing.location, call::CREATE_NOTE), made + 2);
    flowing.finish().await;
}

#[tokio::test]
async fn the_numbers_report_how_runs_ended() {
    const TWO: &[(&str, &str)] = &[
        ("good", "only_if.contact.tags.has_not = \"no\"\n[[step]]\ncall = \"get-contact\"\n"),
        ("bad", "[[step]]\ncall = \"get-task\"\nparameters.taskId = \"none\"\n"),
    ];
    let flowing = Flowing::calm(TWO).await;
    let contact = flowing.known().await;
    let first = flowing.begin("good", Some(&contact)).await;
    flowing.ended(&first).await;
    flowing.app.report("contact.tagged", &contact, json!({"tags": ["no"]})).await;
    flowing.settle().await;
    let second = flowing.begin("good", Some(&contact)).await;
    flowing.ended(&second).await;
    flowing.begin("bad", Some(&contact)).await;
    flowing.settle().await;
    for line in [
        "clienty_flow_runs_total{flow=\"good\",outcome=\"done\"} 1",
        "clienty_flow_runs_total{flow=\"good\",outcome=\"skipped\"} 1",
        "clienty_flow_runs_total{flow=\"bad\",outcome=\"dead\"} 1",
    ] {
        // Counted once the end is committed, which is what was waited for.
        flowing.app.wait_until(line, async || flowing.app.app.metrics.render().unwrap().contains(line)).await;
    }
    flowing.finish_with_dead(1).await;
}
