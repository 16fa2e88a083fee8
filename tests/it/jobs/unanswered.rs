//! Owed is never settled without an answer, and a reply is as old as its call: while a write is on its way, or nobody knows what came of it, people
//! on both sides go on.

use std::cell::Cell;

use ghl_sandbox::WebhookFaults;
use reqwest::Method;
use serde_json::{Value, json};
use sync_workers::records::JobState;

use crate::support::postgres::PostgresServer;
use crate::support::test_app::{Setup, TestApp};

/// A contact's field or a note's text, on both sides.
#[derive(Debug, Clone, Copy)]
enum Of {
    City,
    Note,
}

const BOTH: [Of; 2] = [Of::City, Of::Note];

/// An app that knows a contact whose city and note read "A" on both sides.
struct Case {
    app: TestApp,
    contact: String,
    /// GHL's id of the note.
    note: String,
}

impl Case {
    /// Replies that the gate holds are lost after the time of a call.
    async fn with_lost_replies(database_url: Option<String>) -> Self {
        Self::of(Setup { gate: true, database_url, ..Setup::impatient() }).await
    }

    /// Replies that the gate holds are late.
    async fn with_late_replies(database_url: Option<String>) -> Self {
        Self::of(Setup { gate: true, database_url, ..Setup::default() }).await
    }

    async fn of(setup: Setup) -> Self {
        let (app, contact) = TestApp::knowing_one(setup).await;
        app.report("contact.updated", &contact, json!({"city": "A"})).await;
        app.report("note.created", &contact, json!({"clientyNoteId": "n", "noteText": "A"})).await;
        app.settle().await;
        let view = app.view(&contact).await.unwrap();
        let notes = view["notes"].as_array().unwrap();
        let note = notes.iter().find(|note| note["clientyNoteId"] == "n").unwrap();
        let note = note["noteId"].as_str().unwrap().to_owned();
        Self { app, contact, note }
    }

    fn path(&self, of: Of) -> String {
        match of {
            Of::City => format!("/contacts/{}", self.contact),
            Of::Note => format!("/contacts/{}/notes/{}", self.contact, self.note),
        }
    }

    /// Where the push looks.
    fn look(&self, of: Of) -> String {
        match of {
            Of::City => self.path(of),
            Of::Note => format!("/contacts/{}/notes", self.contact),
        }
    }

    /// A producer edits.
    async fn ours(&self, of: Of, text: &str) {
        match of {
            Of::City => self.app.report("contact.updated", &self.contact, json!({"city": text})).await,
            Of::Note => {
                self.app.report("note.updated", &self.contact, json!({"clientyNoteId": "n", "noteText": text})).await
            }
        };
    }

    /// GHL has carried out the write that the gate holds.
    async fn is_written(&self, of: Of) {
        // The first of the contact was its city's at the beginning; the note was created.
        let times = if matches!(of, Of::City) { 2 } else { 1 };
        self.app.gate().answered(Method::PUT, &self.path(of), times).await;
    }

    /// The reply that the gate holds is given up.
    async fn is_lost(&self) {
        self.app
            .wait_until("a run has failed", async || {
                self.app.open_jobs().await.iter().any(|job| job.last_error.is_some())
            })
            .await;
    }

    /// A user of GHL edits at its screen.
    async fn theirs(&self, of: Of, text: &str) {
        match of {
            Of::City => drop(self.app.contact_by_hand(Some(&self.contact), json!({"city": text})).await),
            Of::Note => {
                let location = self.app.location().id;
                let path = format!("/_sandbox/locations/{location}/notes/{}", self.note);
                self.app.by_hand(Method::PUT, &path, json!({"body": text})).await;
            }
        }
    }

    async fn sees(&self, of: Of) -> Value {
        let view = self.app.view(&self.contact).await.unwrap();
        match of {
            Of::City => view["contact"]["city"].clone(),
            Of::Note => {
                let notes = view["notes"].as_array().unwrap();
                notes.iter().find(|note| note["noteId"] == *self.note).unwrap()["noteText"].clone()
            }
        }
    }

    async fn conflicts(&self) -> usize {
        let location = self.app.location().id;
        self.app.app.records.list_conflicts(&location, Some(&self.contact), None, 10).await.unwrap().items.len()
    }

    /// A look by a person, and what follows from it.
    async fn looked_at(&self) {
        let pull = self.app.report("contact.selected", &self.contact, json!({})).await;
        self.app.ended(&pull).await;
    }

    /// Both sides read `text`, and so many conflicts were reported.
    async fn ends(self, of: Of, text: &str, conflicts: usize) {
        self.app.settle().await;
        // GHL's own time of a change is in no webhook, nor does one report every change here.
        self.looked_at().await;
        self.app.settle().await;
        self.app.assert_equal(&self.contact).await;
        assert_eq!((self.sees(of).await, self.conflicts().await), (json!(text), conflicts), "{of:?}");
        self.app.finish().await;
    }
}

async fn who_goes_back_while_a_write_is_unanswered_is_obeyed(database_url: impl Fn() -> Option<String>) {
    for of in BOTH {
        let case = Case::with_lost_replies(database_url()).await;
        let path = case.path(of);
        case.app.gate().hold(Method::PUT, &path);
        case.ours(of, "B").await;
        case.is_written(of).await;
        case.ours(of, "A").await;
        case.is_lost().await;
        case.app.gate().open();
        case.ends(of, "A", 0).await;
    }
}

async fn a_write_that_was_shown_counts_as_agreed_though_its_reply_is_lost(database_url: impl Fn() -> Option<String>) {
    for of in BOTH {
        let case = Case::with_lost_replies(database_url()).await;
        let (_server, _webhooks) = case.app.with_webhooks(WebhookFaults::default()).await;
        let (path, look) = (case.path(of), case.look(of));
        case.app.gate().hold(Method::PUT, &path);
        case.app.gate().hold(Method::GET, &look);
        case.ours(of, "B").await;
        let is_visible = async || {
            let reported = case.app.app.metrics.render().unwrap();
            reported
                .lines()
                .any(|line| line.starts_with("clienty_webhooks_total{result=\"echo\"") && !line.ends_with(" 0"))
        };
        case.app.wait_until("the webhook of the write is heard", is_visible).await;
        case.theirs(of, "C").await;
        case.is_lost().await;
        case.app.gate().open();
        case.ends(of, "C", 0).await;
    }
}

/// Without a webhook nobody can know that the write came to pass before: what GHL's user wrote is not overwritten without a word.
async fn what_was_written_on_top_of_an_unanswered_write_is_a_conflict(database_url: impl Fn() -> Option<String>) {
    for (of, winner) in [(Of::City, "C"), (Of::Note, "B")] {
        let case = Case::with_lost_replies(database_url()).await;
        let (path, look) = (case.path(of), case.look(of));
        case.app.gate().hold(Method::PUT, &path);
        case.app.gate().hold(Method::GET, &look);
        case.ours(of, "B").await;
        case.is_written(of).await;
        case.theirs(of, "C").await;
        case.is_lost().await;
        case.app.gate().open();
        case.ends(of, winner, 1).await;
    }
}

async fn a_late_reply_takes_nothing_back_that_a_webhook_reported_meanwhile(database_url: Option<String>) {
    let case = Case::with_late_replies(database_url).await;
    let (_server, _webhooks) = case.app.with_webhooks(WebhookFaults::default()).await;
    let path = case.path(Of::City);
    case.app.gate().hold(Method::PUT, &path);
    case.app.report("contact.updated", &case.contact, json!({"address1": "Ours 1"})).await;
    case.is_written(Of::City).await;
    case.theirs(Of::City, "C").await;
    let location = case.app.location().id;
    let has_pending_a_look = async || {
        let row = case.app.app.records.find_contact(&location, &case.contact).await.unwrap().unwrap();
        row.unanswered.needs_look()
    };
    case.app.wait_until("the edit in GHL is heard", has_pending_a_look).await;
    case.app.gate().open();
    case.ends(Of::City, "C", 0).await;
}

async fn a_pull_during_a_slow_write_is_no_conflict(database_url: impl Fn() -> Option<String>) {
    for of in BOTH {
        let case = Case::with_late_replies(database_url()).await;
        let path = case.path(of);
        case.app.gate().hold(Method::PUT, &path);
        case.ours(of, "B").await;
        case.is_written(of).await;
        case.theirs(of, "C").await;
        case.looked_at().await;
        case.app.gate().open();
        case.ends(of, "C", 0).await;
    }
}

async fn a_pull_during_a_slow_write_shows_that_it_came_to_pass(database_url: impl Fn() -> Option<String>) {
    for of in BOTH {
        let case = Case::with_lost_replies(database_url()).await;
        let (path, look) = (case.path(of), case.look(of));
        case.app.gate().hold(Method::PUT, &path);
        case.ours(of, "B").await;
        case.is_written(of).await;
        case.looked_at().await;
        case.app.gate().hold(Method::GET, &look);
        case.theirs(of, "C").await;
        case.is_lost().await;
        case.app.gate().open();
        case.ends(of, "C", 0).await;
    }
}

/// Our edit waits, GHL's user makes the same, and the producer goes back: the last word stands, and the conflict reports the other.
async fn who_goes_back_before_anything_was_sent_is_obeyed(database_url: impl Fn() -> Option<String>) {
    for of in BOTH {
        let mut case = Case::with_late_replies(database_url()).await;
        let (_server, _webhooks) = case.app.with_webhooks(WebhookFaults::default()).await;
        case.app.rest().await;
        case.ours(of, "B").await;
        case.theirs(of, "B").await;
        case.app.wait_until("the webhook is there", async || case.app.jobs_in(JobState::Waiting).await.len() > 1).await;
        case.ours(of, "A").await;
        case.app.work();
        case.ends(of, "A", 1).await;
    }
}

async fn what_is_brought_back_while_it_is_deleted_stays(database_url: Option<String>) {
    let case = Case::with_late_replies(database_url).await;
    let path = case.path(Of::City);
    case.app.gate().hold(Method::DELETE, &path);
    case.app.report("contact.deleted", &case.contact, json!({})).await;
    case.app.gate().answered(Method::DELETE, &path, 1).await;
    let location = case.app.location().id;
    let restored = format!("/_sandbox/locations/{location}/contacts/{}/restore", case.contact);
    case.app.by_hand(Method::POST, &restored, json!({})).await;
    case.looked_at().await;
    case.app.gate().open();
    case.app.settle().await;
    assert!(case.app.view(&case.contact).await.is_some(), "nobody has to look once more");
    case.ends(Of::City, "A", 0).await;
}

/// What an older version left apart: GHL did as an update asked, its reply was lost, and the producer went back.
async fn what_was_left_apart_without_a_job_is_found_and_mended(database_url: Option<String>) {
    let case = Case::with_late_replies(database_url).await;
    case.theirs(Of::City, "B").await;
    case.app.sql("update contacts set asked = '{\"city\":\"B\"}'").await;
    let records = &case.app.app.records;
    assert_eq!(records.count_unpushed(100).await.unwrap(), 1);
    let mut looked = sync_workers::records::Looked::default();
    assert_eq!(records.reopen_unpushed(&mut looked, 100).await.unwrap(), 1);
    assert_eq!(records.reopen_unpushed(&mut looked, 100).await.unwrap(), 0, "it has a job now");
    case.app.requeue().await;
    case.ends(Of::City, "A", 0).await;
}

#[tokio::test]
async fn over_sqlite_the_author_is_obeyed() {
    who_goes_back_while_a_write_is_unanswered_is_obeyed(|| None).await;
    who_goes_back_before_anything_was_sent_is_obeyed(|| None).await;
}

#[tokio::test]
async fn over_sqlite_what_was_shown_counts() {
    a_write_that_was_shown_counts_as_agreed_though_its_reply_is_lost(|| None).await;
    a_pull_during_a_slow_write_shows_that_it_came_to_pass(|| None).await;
    what_was_written_on_top_of_an_unanswered_write_is_a_conflict(|| None).await;
}

#[tokio::test]
async fn over_sqlite_a_reply_is_as_old_as_its_call() {
    a_late_reply_takes_nothing_back_that_a_webhook_reported_meanwhile(None).await;
    a_pull_during_a_slow_write_is_no_conflict(|| None).await;
    what_is_brought_back_while_it_is_deleted_stays(None).await;
}

#[tokio::test]
async fn over_sqlite_what_was_left_apart_is_found() {
    what_was_left_apart_without_a_job_is_found_and_mended(None).await;
}

#[tokio::test]
async fn the_same_over_postgres() {
    let server = PostgresServer::start();
    let count = Cell::new(0);
    let each = || {
        count.set(count.get() + 1);
        Some(server.create_database(&format!("unanswered{}", count.get())))
    };
    a_late_reply_takes_nothing_back_that_a_webhook_reported_meanwhile(each()).await;
    what_is_brought_back_while_it_is_deleted_stays(each()).await;
    what_was_left_apart_without_a_job_is_found_and_mended(each()).await;
    who_goes_back_while_a_write_is_unanswered_is_obeyed(each).await;
    who_goes_back_before_anything_was_sent_is_obeyed(each).await;
    a_write_that_was_shown_counts_as_agreed_though_its_reply_is_lost(each).await;
    what_was_written_on_top_of_an_unanswered_write_is_a_conflict(each).await;
    a_pull_during_a_slow_write_is_no_conflict(each).await;
}
