//! What GHL refuses for good holds up no other edit of its record, and a person can send it again or take it back.

use job_engine::Priority;
use reqwest::Method;
use serde_json::{Value, json};
use sync_workers::jobs::new_job;
use sync_workers::records::{Decision, JobState, LedgerEntry};

use crate::support::postgres::PostgresServer;
use crate::support::test_app::{Setup, TestApp, call};

/// What passes for an e-mail here, and not with GHL.
const NO_EMAIL: &str = "ann@home@example.com";

/// An app that knows its first contact.
struct Known {
    app: TestApp,
    location: String,
    contact: String,
}

impl Known {
    async fn start(setup: Setup) -> Self {
        let (app, contact) = TestApp::knowing_one(setup).await;
        let location = app.location().id;
        Self { app, location, contact }
    }

    /// Sends an event about the contact, and returns its job once that has ended.
    async fn report(&self, event_type: &str, data: Value) -> LedgerEntry {
        let job = self.app.report(event_type, &self.contact, data).await;
        self.app.ended(&job).await
    }

    async fn done(&self, event_type: &str, data: Value) {
        let job = self.report(event_type, data).await;
        assert_eq!(job.state, JobState::Done, "{job:?}");
    }

    async fn dead(&self, event_type: &str, data: Value) -> LedgerEntry {
        let job = self.report(event_type, data).await;
        assert_eq!(job.state, JobState::Dead, "{job:?}");
        job
    }

    async fn ours(&self) -> Value {
        self.app.view(&self.contact).await.unwrap()["contact"].clone()
    }

    async fn entry(&self, list: &str, field: &str, value: &str) -> Option<Value> {
        let view = self.app.view(&self.contact).await.unwrap();
        view[list].as_array().unwrap().iter().find(|one| one[field] == value).cloned()
    }

    fn theirs(&self) -> Value {
        let state = self.app.state(&self.location);
        let contacts = state["contacts"].as_array().unwrap();
        contacts.iter().find(|held| held["id"] == self.contact.as_str()).cloned().unwrap()
    }

    fn calls(&self) -> u64 {
        self.app.all_calls(&self.location)
    }

    async fn discard(&self, jobs: &[&LedgerEntry]) {
        let ids: Vec<_> = jobs.iter().map(|job| job.id.clone()).collect();
        assert_eq!(self.app.app.records.discard_jobs(&ids, &Decision::default()).await.unwrap(), ids.len() as u64);
    }

    async fn retry(&self, job: &LedgerEntry) -> LedgerEntry {
        let keys = self.app.app.records.revive_jobs(std::slice::from_ref(&job.id)).await.unwrap();
        let jobs: Vec<_> = keys.iter().map(|key| new_job(key, Priority::Bulk)).collect();
        self.app.app.queue.push(&jobs).await.unwrap();
        self.app.ended(&job.id).await
    }

    /// What the feed reports from here on.
    async fn changes(&self, cursor: &str) -> (Vec<[String; 2]>, String) {
        let page = self.app.app.records.list_changes(Some(cursor), 100).await.unwrap();
        let reported = page.items.iter().map(|item| {
            let op = serde_json::to_value(item.op).unwrap();
            [
                format!("{} {}", item.record, item.ghl_id.as_ref().or(item.clienty_id.as_ref()).unwrap()),
                op.as_str().unwrap().to_owned(),
            ]
        });
        (reported.collect(), page.next_cursor.unwrap())
    }

    async fn equal(&self) {
        self.app.assert_equal(&self.contact).await;
    }
}

fn change(record: &str, id: &str, op: &str) -> [String; 2] {
    [format!("{record} {id}"), op.to_owned()]
}

#[tokio::test]
async fn a_refused_value_holds_up_no_other_edit_and_a_new_one_is_sent() {
    let known = Known::start(Setup::default()).await;
    let email = known.theirs()["email"].clone();
    let first = known.dead("contact.updated", json!({"email": NO_EMAIL})).await;
    assert_eq!(known.app.calls(&known.location, call::UPDATE_CONTACT), 1);
    let sync = known.ours().await["sync"].clone();
    let field = &sync["fields"][0];
    let reported = (&sync["state"], &field["field"], &field["sent"], &field["got"]);
    assert_eq!(reported, (&json!("refused"), &json!("email"), &json!(NO_EMAIL), &email), "{sync}");
    let reason = first.last_error.unwrap();
    assert_eq!((&sync["reason"], &field["refused"]["reason"]), (&json!(reason), &json!(reason)));

    let calls = known.calls();
    let again = known.dead("contact.updated", json!({})).await.last_error.unwrap();
    assert!(again.starts_with(&reason) && again.contains("jobs retry") && again.contains("jobs discard"), "{again}");
    assert_eq!(known.calls(), calls);

    known.done("contact.updated", json!({"city": "Bonn"})).await;
    known.done("contact.tagged", json!({"tags": ["vip"]})).await;
    let theirs = known.theirs();
    assert_eq!((&theirs["city"], &theirs["email"]), (&json!("Bonn"), &email));
    let ours = known.ours().await;
    assert_eq!((&ours["sync"]["state"], &ours["email"]), (&json!("refused"), &json!(NO_EMAIL)));

    known.done("contact.updated", json!({"email": "ann@example.com"})).await;
    assert_eq!(
        (&known.theirs()["email"], &known.ours().await["sync"]["state"]),
        (&json!("ann@example.com"), &json!("applied"))
    );
    known.equal().await;
    known.app.finish_with_dead(2).await;
}

#[tokio::test]
async fn what_came_with_a_value_that_ghl_names_is_written_and_the_job_reports_the_refusal() {
    let known = Known::start(Setup::default()).await;
    let job = known.dead("contact.updated", json!({"email": NO_EMAIL, "city": "Bonn", "tags": ["vip"]})).await;
    assert!(job.last_error.as_ref().unwrap().contains("email must be an email"));
    let theirs = known.theirs();
    assert_eq!((&theirs["city"], &theirs["tags"]), (&json!("Bonn"), &json!(["vip"])));
    let fields = known.ours().await["sync"]["fields"].clone();
    assert_eq!((fields.as_array().unwrap().len(), &fields[0]["field"]), (1, &json!("email")));
    known.discard(&[&job]).await;
    // The replies to tags leave the date of change out.
    known.done("contact.selected", json!({})).await;
    known.equal().await;
    known.app.finish().await;
}

#[tokio::test]
async fn a_retry_sends_what_was_refused_again() {
    let known = Known::start(Setup::default()).await;
    let other = known.app.contacts(&known.location).remove(1);
    let path = format!("/contacts/{other}");
    known.app.by_hand(Method::PUT, &path, json!({"email": "taken@example.com"})).await;
    let job = known.dead("contact.updated", json!({"email": "taken@example.com"})).await;
    assert_eq!(known.retry(&job).await.state, JobState::Dead, "it is still taken");
    known.app.by_hand(Method::PUT, &path, json!({"email": "free@example.com"})).await;
    assert_eq!(known.retry(&job).await.state, JobState::Done);
    assert_eq!(known.theirs()["email"], "taken@example.com");
    known.equal().await;
    known.app.finish().await;
}

#[tokio::test]
async fn discarded_edits_read_as_ghl_holds_them_once_the_last_job_of_the_record_is_decided() {
    discarded_edits(Setup::default()).await;
}

#[tokio::test]
async fn discarded_creates_are_gone_and_their_ids_free() {
    discarded_creates(Setup::default()).await;
}

#[tokio::test]
async fn refusals_are_taken_back_over_postgres() {
    let server = PostgresServer::start();
    let on = |name| Setup { database_url: Some(server.create_database(name)), ..Setup::default() };
    discarded_edits(on("edits")).await;
    discarded_creates(on("creates")).await;
}

async fn discarded_edits(setup: Setup) {
    let known = Known::start(setup).await;
    let ours = known.ours().await;
    let first = known.dead("contact.updated", json!({"email": NO_EMAIL})).await;
    let second = known.dead("contact.updated", json!({})).await;
    let (_, cursor) = known.changes("latest").await;
    known.discard(&[&first]).await;
    assert_eq!(known.ours().await["email"], NO_EMAIL, "another job still asks for it");
    known.discard(&[&second]).await;
    assert_eq!(known.changes(&cursor).await.0, [change("contact", &known.contact, "stored")]);
    assert_eq!(known.ours().await, ours);

    known.done("note.created", json!({"clientyNoteId": "n1", "noteText": "Likes tea"})).await;
    let wrong = known.dead("note.updated", json!({"clientyNoteId": "n1", "userId": "noUserOfThisLocation"})).await;
    known.done("note.updated", json!({"clientyNoteId": "n1", "noteText": "Likes coffee"})).await;
    let note = known.entry("notes", "clientyNoteId", "n1").await.unwrap();
    assert_eq!((&note["sync"]["state"], &note["userId"]), (&json!("refused"), &json!("noUserOfThisLocation")));
    let calls = known.calls();
    let same = known.dead("note.updated", json!({"clientyNoteId": "n1"})).await;
    assert_eq!(known.calls(), calls);
    let (_, cursor) = known.changes("latest").await;
    known.discard(&[&wrong, &same]).await;
    let id = note["noteId"].as_str().unwrap();
    assert_eq!(known.changes(&cursor).await.0, [change("note", id, "stored")]);
    let note = known.entry("notes", "clientyNoteId", "n1").await.unwrap();
    assert_eq!(
        (&note["noteText"], &note["userId"], &note["sync"]["state"]),
        (&json!("Likes coffee"), &Value::Null, &json!("applied"))
    );
    known.equal().await;
    known.done("note.updated", json!({"clientyNoteId": "n1", "noteText": "Likes milk"})).await;
    known.equal().await;
    known.app.finish().await;
}

async fn discarded_creates(setup: Setup) {
    let known = Known::start(setup).await;
    let slot = |calendar: &Value| json!({"clientyAppointmentId": "a1", "calendarId": calendar, "startTime": "2026-03-02T15:00:00Z"});
    let wrong = known.dead("appointment.created", slot(&json!("none"))).await;
    let calls = known.calls();
    let same = known.dead("appointment.updated", json!({"clientyAppointmentId": "a1"})).await;
    assert_eq!(known.calls(), calls);
    let (_, cursor) = known.changes("latest").await;
    known.discard(&[&wrong, &same]).await;
    assert_eq!(known.changes(&cursor).await.0, [change("appointment", "a1", "deleted")]);
    assert_eq!(known.entry("appointments", "clientyAppointmentId", "a1").await, None);
    known.equal().await;
    let calendar = known.app.state(&known.location)["appointments"][0]["calendarId"].clone();
    known.done("appointment.created", slot(&calendar)).await;
    known.equal().await;

    let create = async |email: &str| {
        let data = json!({"clientyContactId": "k1", "email": email});
        known.app.send(json!({"type": "contact.created", "locationId": known.location, "data": data})).await
    };
    let wrong = known.app.ended(&create(NO_EMAIL).await).await;
    assert_eq!(wrong.state, JobState::Dead, "{wrong:?}");
    let task = json!({"clientyTaskId": "t1", "title": "Call", "dueDate": "2026-03-01T09:00:00Z"});
    let task = known.app.report("task.created", "k1", task).await;
    let (_, cursor) = known.changes("latest").await;
    known.discard(&[&wrong]).await;
    assert_eq!(known.changes(&cursor).await.0, [change("task", "t1", "deleted"), change("contact", "k1", "deleted")]);
    assert_eq!(known.app.view("k1").await, None);
    assert_eq!(known.app.ended(&task).await.state, JobState::Done, "there is nothing left to do");
    let made = known.app.ended(&create("ann@example.com").await).await;
    assert_eq!(made.state, JobState::Done, "{made:?}");
    known.app.assert_equal(known.app.view("k1").await.unwrap()["contact"]["id"].as_str().unwrap()).await;
    known.app.finish().await;
}

#[tokio::test]
async fn an_appointment_that_ghl_refuses_to_move_is_edited_otherwise_and_a_deletion_goes_through() {
    let known = Known::start(Setup::default()).await;
    let state = known.app.state(&known.location);
    let appointment =
        state["appointments"].as_array().unwrap().iter().find(|one| one["contactId"] == known.contact.as_str());
    let id = appointment.expect("the first contact has one")["id"].as_str().unwrap().to_owned();
    known.dead("appointment.updated", json!({"appointmentId": id, "calendarId": "none"})).await;
    known.done("appointment.updated", json!({"appointmentId": id, "title": "Demo"})).await;
    assert_eq!(known.app.held("appointments", &known.contact).iter().filter(|one| one["title"] == "Demo").count(), 1);
    known.done("appointment.deleted", json!({"appointmentId": id})).await;
    known.equal().await;
    known.app.finish_with_dead(1).await;
}
