//! What steps do.

use serde_json::json;
use sync_workers::records::{Decision, JobState};

use super::Flowing;
use crate::support::test_app::call;

const COMPANY: &str = r#"
[[step]]
event = "contact.tagged"
data.tags = ["welcomed"]

[[step]]
name = "company"
call = "create-business"
body.name = "Company of {contact.firstName}"

[[step]]
call = "add-remove-contact-from-business"
body.ids = ["{contact.id}"]
body.businessId = "{company.buiseness.id}"

[[step]]
name = "task"
event = "task.created"
data.title = "Call {contact.firstName}"
data.dueDate = "{in 2d}"

[[step]]
event = "note.created"
data.noteText = "The task is {task.taskId}"
"#;

#[tokio::test]
async fn steps_follow_one_another_and_speak_of_what_those_before_answered() {
    let flowing = Flowing::calm(&[("company", COMPANY)]).await;
    let contact = flowing.app.contact_by_hand(None, json!({"firstName": "Ada", "email": "ada@x.de"})).await;
    flowing.settle().await;
    let id = flowing.begin("company", Some(&contact)).await;
    let run = flowing.ended(&id).await;
    flowing.settle().await;
    assert_eq!((run.outcome.as_deref(), run.log.len()), (Some("done"), 5), "{run:?}");
    assert!(run.log.iter().all(|logged| logged.done), "{run:?}");
    assert_eq!(run.knows, Default::default(), "what it knew is forgotten");
    assert_eq!(flowing.tags(&contact), ["welcomed"]);
    let state = flowing.app.state(&flowing.location);
    let business =
        state["businesses"].as_array().unwrap().iter().find(|one| one["name"] == "Company of Ada").unwrap().clone();
    let held = state["contacts"].as_array().unwrap().iter().find(|one| one["id"] == contact).unwrap().clone();
    assert_eq!(held["businessId"], business["id"]);
    let task = flowing.app.held("tasks", &contact).remove(0);
    assert_eq!(
        (task["title"].as_str(), flowing.app.calls(&flowing.location, call::CREATE_TASK)),
        (Some("Call Ada"), 1)
    );
    assert_eq!(flowing.held("notes", &contact, "body"), [format!("The task is {}", task["id"].as_str().unwrap())]);
    flowing.finish().await;
}

const CHOOSY: &str = r#"
[[step]]
name = "company"
call = "create-business"
body.name = "{contact.companyName}"
only_if.contact.companyName.is_set = true

[[step]]
call = "add-remove-contact-from-business"
body.ids = ["{contact.id}"]
body.businessId = "{company.buiseness.id}"

[[step]]
event = "note.created"
data.noteText = "here"
only_if.contact.tags.has_not = "vip"
"#;

#[tokio::test]
async fn a_step_whose_conditions_do_not_hold_is_passed_over_with_what_needs_its_answer() {
    let flowing = Flowing::calm(&[("choosy", CHOOSY)]).await;
    let contact = flowing.app.contact_by_hand(None, json!({"firstName": "Ada", "tags": ["VIP"]})).await;
    flowing.settle().await;
    let id = flowing.begin("choosy", Some(&contact)).await;
    let run = flowing.ended(&id).await;
    assert_eq!(run.log.iter().map(|logged| logged.done).collect::<Vec<_>>(), [false; 3]);
    assert_eq!(flowing.app.held("notes", &contact).len(), 0);
    flowing.finish().await;
}

const DOOMED: &str = r#"
[[step]]
call = "get-task"
parameters.taskId = "{set.task}"

[[step]]
event = "note.created"
data.noteText = "reached"

[set]
task = "none-of-theirs"
"#;

#[tokio::test]
async fn a_step_that_fails_for_good_stops_the_run_until_a_person_decides() {
    let flowing = Flowing::calm(&[("doomed", DOOMED)]).await;
    let contact = flowing.known().await;
    let (first, second) =
        (flowing.begin("doomed", Some(&contact)).await, flowing.begin("doomed", Some(&contact)).await);
    let records = &flowing.app.app.records;
    flowing.app.wait_until("both are dead", async || records.dead_flow_runs().await.unwrap().len() == 2).await;
    let dead = records.dead_flow_runs().await.unwrap();
    assert!(dead.iter().all(|dead| dead.flow == "doomed" && dead.reason.is_some()), "{dead:?}");
    assert_eq!(flowing.reached(&contact), 0);
    let job = flowing.app.job(&dead.iter().find(|dead| dead.run == first).unwrap().job).await;
    let step = records.step_of(&job).await.unwrap().unwrap();
    assert_eq!((step.flow.as_str(), step.step.as_str(), &step.run_id), ("doomed", "step 1", &first));

    // Tried again while its cause is there, it dies again.
    let ids: Vec<_> = dead.iter().map(|dead| dead.job.clone()).collect();
    let of = |run: &str| dead.iter().find(|dead| dead.run == run).unwrap().job.clone();
    let keys = records.revive_jobs(&[of(&first)]).await.unwrap();
    let revived: Vec<_> = keys.iter().map(|key| sync_workers::jobs::new_job(key, job_engine::Priority::Bulk)).collect();
    flowing.app.app.queue.push(&revived).await.unwrap();
    flowing.app.wait_until("it is dead again", async || flowing.app.jobs_in(JobState::Dead).await.len() == 2).await;
    flowing.app.settle().await;
    assert_eq!(records.discard_jobs(&ids, &Decision::default()).await.unwrap(), 2);
    for run in [&first, &second] {
        assert_eq!(flowing.run(run).await.outcome.as_deref(), Some("discarded"));
    }
    assert_eq!(flowing.reached(&contact), 0);
    flowing.finish().await;
}

#[tokio::test]
async fn a_dead_step_that_is_tried_again_goes_on_from_there() {
    const MENDED: &str =
        "[[step]]\ncall = \"get-contact\"\n\n[[step]]\nevent = \"note.created\"\ndata.noteText = \"reached\"\n";
    let flowing = Flowing::calm(&[("mended", MENDED)]).await;
    let contact = flowing.known().await;
    flowing.app.set_scopes(json!(["contacts.write"])).await;
    let id = flowing.begin("mended", Some(&contact)).await;
    let records = &flowing.app.app.records;
    flowing.app.wait_until("it is dead", async || !records.dead_flow_runs().await.unwrap().is_empty()).await;
    flowing.app.set_scopes(json!(null)).await;
    let dead = records.dead_flow_runs().await.unwrap().remove(0);
    let keys = records.revive_jobs(&[dead.job]).await.unwrap();
    let revived: Vec<_> = keys.iter().map(|key| sync_workers::jobs::new_job(key, job_engine::Priority::Bulk)).collect();
    flowing.app.app.queue.push(&revived).await.unwrap();
    assert_eq!(flowing.ended(&id).await.outcome.as_deref(), Some("done"));
    flowing.settle().await;
    assert_eq!(flowing.reached(&contact), 1);
    flowing.finish().await;
}

#[tokio::test]
async fn a_contact_that_a_step_creates_is_in_ghl_before_the_next_one_calls_about_it() {
    const LEAD: &str = r#"
[[step]]
name = "lead"
event = "contact.created"
data.email = "lead@x.de"
data.firstName = "Lead"

[[step]]
event = "note.created"
contactId = "{lead.contactId}"
data.noteText = "a lead"

[[step]]
call = "get-contact"
parameters.contactId = "{lead.contactId}"
"#;
    let flowing = Flowing::calm(&[("lead", LEAD)]).await;
    let id = flowing.begin("lead", None).await;
    assert_eq!(flowing.ended(&id).await.outcome.as_deref(), Some("done"));
    flowing.settle().await;
    let state = flowing.app.state(&flowing.location);
    let lead = state["contacts"].as_array().unwrap().iter().find(|one| one["email"] == "lead@x.de").unwrap().clone();
    assert_eq!(flowing.held("notes", lead["id"].as_str().unwrap(), "body"), ["a lead"]);
    flowing.finish().await;
}

const EITHER: &str = r#"
[[step]]
name = "big"
event = "note.created"
data.noteText = "a company"
only_if.contact.companyName.is_set = true

[[step]]
else = "big"
event = "note.created"
data.noteText = "a person"

[[step]]
name = "office"
wait = { within = "00:00-23:59" }

[[step]]
else = "office"
event = "note.created"
data.noteText = "never"
"#;

#[tokio::test]
async fn a_step_is_done_in_the_place_of_one_that_was_skipped_and_only_then() {
    let flowing = Flowing::calm(&[("either", EITHER)]).await;
    for (fields, wanted) in [
        (json!({"firstName": "Ada", "companyName": "Acme", "email": "a@x.de"}), "a company"),
        (json!({"firstName": "Bea", "email": "b@x.de"}), "a person"),
    ] {
        let contact = flowing.app.contact_by_hand(None, fields).await;
        flowing.settle().await;
        let id = flowing.begin("either", Some(&contact)).await;
        let run = flowing.ended(&id).await;
        flowing.settle().await;
        assert_eq!(run.outcome.as_deref(), Some("done"), "{run:?}");
        assert_eq!(flowing.held("notes", &contact, "body"), [wanted]);
    }
    flowing.finish().await;
}
