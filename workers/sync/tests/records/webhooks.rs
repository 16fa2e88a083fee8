//! Webhooks: each taken once, and what it leads to.

use std::time::Duration;

use jiff::Timestamp;
use sync_model::record::{Appointment, Note};
use sync_workers::records::*;
use sync_workers::retention::{self, Keeping};

use crate::support::*;

promises! {
    a_webhook_is_taken_once_and_its_job_is_in_the_ledger_with_it,
    two_processes_that_take_the_same_webhooks_take_each_once,
    a_late_webhook_leads_to_its_job_and_one_of_a_foreign_location_to_nothing,
    a_run_is_reported_the_webhooks_that_brought_it_about,
    a_deletion_is_believed_unless_something_newer_was_received,
    a_note_or_an_appointment_that_is_known_leads_to_its_contact,
    what_names_its_contact_by_a_record_is_erased_with_it,
    a_task_without_its_contact_is_looked_for,
    a_webhook_is_known_again_for_35_days,
    a_webhook_that_a_person_sends_again_is_looked_at_again,
    what_cannot_be_read_is_kept_apart_and_asked_for_a_few_times,
}

fn webhook(id: &str, work: WebhookWork) -> NewWebhook {
    NewWebhook {
        id: id.to_owned(),
        event_type: "ContactUpdate",
        location_id: Some(LOC.to_owned()),
        needs_connection: true,
        is_late: false,
        body: format!(r#"{{"webhookId":"{id}"}}"#),
        work,
    }
}

fn pull(id: &str, contact_id: &str) -> NewWebhook {
    webhook(id, WebhookWork::Pull { contact_id: contact_id.to_owned() })
}

fn gone(id: &str, contact_id: &str, at: Option<Timestamp>) -> NewWebhook {
    webhook(id, WebhookWork::ContactGone { contact_id: contact_id.to_owned(), at })
}

fn results(outcomes: &[WebhookOutcome]) -> Vec<WebhookResult> {
    outcomes.iter().map(|outcome| outcome.result).collect()
}

async fn open_jobs(db: &Db) -> usize {
    let filter = JobFilter { state: Some(JobState::Waiting), ..JobFilter::default() };
    db.records.list_jobs(&filter, 1000).await.unwrap().len()
}

async fn one(db: &Db, webhook: NewWebhook) -> WebhookOutcome {
    db.records.accept_webhooks(&[webhook]).await.unwrap().remove(0)
}

async fn a_webhook_is_taken_once_and_its_job_is_in_the_ledger_with_it(db: Db) {
    let batch = [pull("w2", "c1"), pull("w1", "c2"), pull("w2", "c1")];
    let outcomes = db.records.accept_webhooks(&batch).await.unwrap();
    assert_eq!(results(&outcomes), [WebhookResult::Accepted, WebhookResult::Accepted, WebhookResult::Duplicate]);
    assert_eq!(outcomes[0].job, Some(pull_key("c1")));
    assert_eq!(outcomes[2].job, None);
    let again = db.records.accept_webhooks(&batch).await.unwrap();
    assert_eq!(results(&again), [WebhookResult::Duplicate; 3]);
    assert_eq!(open_jobs(&db).await, 2);
    let run = db.records.start_run(&pull_key("c1"), 1).await.unwrap().unwrap();
    let job = db.records.job(&run.ids[0]).await.unwrap().unwrap();
    assert_eq!((job.source.as_str(), job.event_type.as_str()), ("webhook", "ContactUpdate"));
}

async fn two_processes_that_take_the_same_webhooks_take_each_once(db: Db) {
    let forward: Vec<_> = (0..60).map(|number| pull(&format!("w{number}"), &format!("c{number}"))).collect();
    let backward: Vec<_> = forward.iter().rev().cloned().collect();
    let (one, other) = tokio::join!(db.records.accept_webhooks(&forward), db.records.accept_webhooks(&backward));
    let taken = [one.unwrap(), other.unwrap()].concat();
    assert_eq!(taken.iter().filter(|outcome| outcome.result == WebhookResult::Accepted).count(), 60);
    assert_eq!(open_jobs(&db).await, 60);
}

async fn a_late_webhook_leads_to_its_job_and_one_of_a_foreign_location_to_nothing(db: Db) {
    let late = NewWebhook { is_late: true, ..pull("w1", "c1") };
    let foreign = NewWebhook { location_id: Some("elsewhere".to_owned()), ..pull("w2", "c1") };
    let install = NewWebhook { needs_connection: false, work: WebhookWork::Nothing, ..foreign.clone() };
    let install = NewWebhook { id: "w3".to_owned(), ..install };
    let nowhere = NewWebhook { location_id: None, ..pull("w4", "c1") };
    let batch = [late, foreign, install, nowhere];
    let outcomes = db.records.accept_webhooks(&batch).await.unwrap();
    let expected = [WebhookResult::Late, WebhookResult::Refused, WebhookResult::Accepted, WebhookResult::Accepted];
    assert_eq!(results(&outcomes), expected);
    assert_eq!((open_jobs(&db).await, outcomes[0].job.clone()), (1, Some(pull_key("c1"))));
    let again = db.records.accept_webhooks(&batch).await.unwrap();
    assert_eq!(results(&again), [WebhookResult::Duplicate; 4], "kept, so known");
}

async fn a_webhook_that_a_person_sends_again_is_looked_at_again(db: Db) {
    db.pull(1, &pulled("c2", &[])).await;
    let batch = [pull("w1", "c1"), gone("w2", "c2", Some(NOW.parse().unwrap())), pull("w3", "c3")];
    db.records.accept_webhooks(&batch[..2]).await.unwrap();
    assert!(db.records.contact_view(LOC, "c2").await.unwrap().is_none(), "the deletion was believed");
    let run = db.records.start_run(&pull_key("c1"), 2).await.unwrap().unwrap();
    db.records.begin(&run).await.unwrap().close_run(&[]).await.unwrap();
    // GHL's own repetition of a delivery whose answer got lost.
    db.clock.set("2026-06-02T11:00:00Z".parse().unwrap());
    assert_eq!(results(&db.records.accept_webhooks(&batch[..2]).await.unwrap()), [WebhookResult::Duplicate; 2]);

    // Here again, as GHL restores a contact.
    db.pull(3, &pulled("c2", &[])).await;
    db.clock.set("2026-06-02T12:00:00Z".parse().unwrap());
    let again = db.records.accept_webhooks(&batch).await.unwrap();
    assert_eq!(results(&again), [WebhookResult::Late, WebhookResult::Late, WebhookResult::Accepted]);
    let jobs: Vec<_> = again.into_iter().map(|outcome| outcome.job).collect();
    assert_eq!(jobs, ["c1", "c2", "c3"].map(|contact| Some(pull_key(contact))));
    assert!(db.records.contact_view(LOC, "c2").await.unwrap().is_some(), "an old deletion is not believed");
    let run = db.records.start_run(&pull_key("c1"), 4).await.unwrap().unwrap();
    let reported = db.records.webhooks_of(&run.ids).await.unwrap();
    assert_eq!((reported.len(), reported[0].is_late), (1, true));
    assert_eq!(results(&db.records.accept_webhooks(&batch).await.unwrap()), [WebhookResult::Duplicate; 3]);
}

async fn a_run_is_reported_the_webhooks_that_brought_it_about(db: Db) {
    one(&db, pull("w1", "c1")).await;
    one(&db, pull("w2", "c2")).await;
    db.clock.set("2026-06-01T12:00:01Z".parse().unwrap());
    one(&db, pull("w3", "c1")).await;
    let run = db.records.start_run(&pull_key("c1"), 1).await.unwrap().unwrap();
    let reported = db.records.webhooks_of(&run.ids).await.unwrap();
    let ids: Vec<_> = reported.iter().map(|webhook| webhook.id.as_str()).collect();
    assert_eq!(ids, ["w1", "w3"]);
    assert_eq!(reported[0].body, r#"{"webhookId":"w1"}"#);
}

async fn a_deletion_is_believed_unless_something_newer_was_received(db: Db) {
    let (before, now): (Timestamp, Timestamp) = ("2026-06-01T11:59:59Z".parse().unwrap(), NOW.parse().unwrap());
    db.pull(1, &pulled("c1", &[("g1", "Call")])).await;
    // It was fetched after this deletion, and was there: GHL has to be asked.
    assert_eq!(one(&db, gone("w1", "c1", Some(before))).await.job, Some(pull_key("c1")));
    assert_eq!(one(&db, gone("w2", "c1", None)).await.job, Some(pull_key("c1")));
    assert!(db.records.contact_view(LOC, "c1").await.unwrap().is_some());
    // A pull that brings it may be under way.
    assert_eq!(one(&db, gone("w3", "unheard", Some(now))).await.job, Some(pull_key("unheard")));

    // Days old: it may be back since.
    let late = NewWebhook { is_late: true, ..gone("w3b", "c1", Some(now)) };
    assert_eq!(one(&db, late).await.job, Some(pull_key("c1")));
    assert!(db.records.contact_view(LOC, "c1").await.unwrap().is_some());

    let outcome = one(&db, gone("w4", "c1", Some(now))).await;
    assert_eq!(outcome, WebhookOutcome { result: WebhookResult::Accepted, job: None, job_id: None });
    assert!(db.records.contact_view(LOC, "c1").await.unwrap().is_none());
    assert_eq!(one(&db, gone("w5", "c1", Some(now))).await.job, None);
}

async fn a_note_or_an_appointment_that_is_known_leads_to_its_contact(db: Db) {
    let note = Note { note_id: Some("n1".to_owned()), contact_id: "c1".to_owned(), ..Note::default() };
    let appointment =
        Appointment { appointment_id: Some("a1".to_owned()), contact_id: "c1".to_owned(), ..Appointment::default() };
    db.pull(1, &Pulled { notes: vec![note], appointments: vec![appointment], ..pulled("c1", &[]) }).await;
    let owner = |id: &str| WebhookWork::PullOwner { note_id: id.to_owned() };
    assert_eq!(one(&db, webhook("w1", owner("n1"))).await.job, Some(pull_key("c1")));
    assert_eq!(one(&db, webhook("w2", owner("unheard"))).await.job, None);
    let of = |id: &str| WebhookWork::FindAppointment { appointment_id: id.to_owned() };
    assert_eq!(one(&db, webhook("w3", of("a1"))).await.job, Some(pull_key("c1")));
    let find = JobKey::new(JobKind::FindAppointment, LOC, "unheard");
    assert_eq!(one(&db, webhook("w4", of("unheard"))).await.job, Some(find));
}

/// Also when the job that it led to was forgotten.
async fn what_names_its_contact_by_a_record_is_erased_with_it(db: Db) {
    let note = Note { note_id: Some("n1".to_owned()), contact_id: "c1".to_owned(), ..Note::default() };
    let appointment =
        Appointment { appointment_id: Some("a1".to_owned()), contact_id: "c1".to_owned(), ..Appointment::default() };
    db.pull(1, &Pulled { notes: vec![note], appointments: vec![appointment], ..pulled("c1", &[]) }).await;
    let works = [
        WebhookWork::PullOwner { note_id: "n1".to_owned() },
        WebhookWork::FindAppointment { appointment_id: "a1".to_owned() },
    ];
    let say = |id: &str, work| NewWebhook { body: r#"{"text":"Secret"}"#.to_owned(), ..webhook(id, work) };
    // One was taken before the note was known, and is sent again.
    let pool = db.pool().await;
    one(&db, say("w0", WebhookWork::Nothing)).await;
    sqlx::query("update webhooks set received_at = 1").execute(&pool).await.unwrap();
    for (id, work) in ["w0", "w1"].into_iter().zip(works) {
        one(&db, say(id, work)).await;
    }
    sqlx::query("delete from jobs").execute(&pool).await.unwrap();
    assert_eq!(db.columns_with("Secret").await, ["webhooks.body"]);
    db.records.erase(LOC, "c1").await.unwrap().unwrap();
    assert_eq!(db.columns_with("Secret").await, [""; 0]);
}

async fn a_task_without_its_contact_is_looked_for(db: Db) {
    let key = JobKey::new(JobKind::FindTask, LOC, "g1");
    for id in ["w1", "w2"] {
        let reported = one(&db, webhook(id, WebhookWork::FindTask { task_id: "g1".to_owned() })).await;
        assert_eq!(reported.job.as_ref(), Some(&key));
    }
    let run = db.records.start_run(&key, 1).await.unwrap().unwrap();
    let mut tx = db.records.begin(&run).await.unwrap();
    tx.empty_webhooks().await.unwrap();
    tx.close_run(&[]).await.unwrap();
    let reported = db.records.webhooks_of(&run.ids).await.unwrap();
    assert_eq!(reported.iter().map(|webhook| webhook.body.as_str()).collect::<Vec<_>>(), ["{}", "{}"]);
}

async fn a_webhook_is_known_again_for_35_days(db: Db) {
    one(&db, pull("w1", "c1")).await;
    one(&db, pull("w2", "c2")).await;
    let start: Timestamp = NOW.parse().unwrap();
    let kept = Duration::from_secs(35 * 24 * 60 * 60);
    db.clock.set(start + kept);
    retention::round(&db.records, &db.clock, Keeping::default()).await.unwrap();
    assert_eq!(one(&db, pull("w1", "c1")).await.result, WebhookResult::Late, "it is known, and sent again");
    db.clock.set(start + kept + Duration::from_millis(1));
    retention::round(&db.records, &db.clock, Keeping::default()).await.unwrap();
    assert_eq!(one(&db, pull("w1", "c1")).await.result, WebhookResult::Duplicate, "days count from the last time");
    assert_eq!(one(&db, pull("w2", "c2")).await.result, WebhookResult::Accepted);
}

async fn what_cannot_be_read_is_kept_apart_and_asked_for_a_few_times(db: Db) {
    let start: Timestamp = NOW.parse().unwrap();
    let mut answers = Vec::new();
    for _ in 0..8 {
        let kept = db.records.keep_unreadable("sha256:x", b"\xff{").await.unwrap();
        answers.push(kept.may_come_again(start));
    }
    assert_eq!(answers, [true, true, true, true, true, true, false, false]);
    let other = db.records.keep_unreadable("sha256:y", b"{").await.unwrap();
    assert_eq!((other.seen, other.first_at), (1, start));
    assert!(!other.may_come_again(start + Duration::from_secs(3 * 24 * 60 * 60)));
}
