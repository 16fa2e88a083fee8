//! Webhooks of tasks that do not report whose task it is: it is found, with the fewest calls.

use std::cell::Cell;

use clienty_sync::gateway::Server;
use clienty_sync::triggers::webhook::Webhook;
use ghl_sandbox::{WebhookFaults, Webhooks};
use job_engine::Priority;
use reqwest::Method;
use serde_json::{Value, json};
use sync_model::clock::Clock;
use sync_workers::jobs;
use sync_workers::records::JobState;

use crate::support::postgres::PostgresServer;
use crate::support::test_app::{Setup, TestApp, call};

const SEARCH_SCOPE: &str = "locations/tasks.readonly";

/// A system that learns of tasks barely, and knows its first contact.
struct Place {
    app: TestApp,
    server: Server,
    webhooks: Webhooks,
    location: String,
    contact: String,
    /// Changes that a person made, each of which is reported.
    changes: Cell<u64>,
}

impl Place {
    async fn new(setup: Setup) -> Self {
        Self::with(setup, WebhookFaults::default()).await
    }

    async fn with(setup: Setup, faults: WebhookFaults) -> Self {
        let (app, contact) = TestApp::knowing_one(setup).await;
        let location = app.location().id;
        let (server, webhooks) = app.with_webhooks(WebhookFaults { bare_task: 1000, ..faults }).await;
        Self { app, server, webhooks, location, contact, changes: Cell::new(0) }
    }

    async fn by_hand(&self, method: Method, path: &str, body: Value) -> Value {
        self.changes.update(|changes| changes + 1);
        self.app.by_hand(method, path, body).await
    }

    /// A person makes a task in GHL; its id.
    async fn made(&self, contact: &str, title: &str) -> String {
        let new = json!({"title": title, "body": "In full", "dueDate": "2035-01-01T09:00:00Z", "completed": false});
        let made = self.by_hand(Method::POST, &format!("/contacts/{contact}/tasks"), new).await;
        made["task"]["id"].as_str().unwrap().to_owned()
    }

    async fn completed(&self, task: &str) {
        let path = format!("/contacts/{}/tasks/{task}/completed", self.contact);
        self.by_hand(Method::PUT, &path, json!({"completed": true})).await;
    }

    async fn deleted(&self, task: &str) {
        self.by_hand(Method::DELETE, &format!("/contacts/{}/tasks/{task}", self.contact), json!({})).await;
    }

    /// The scopes of the location's token from now on.
    async fn grant(&self, scopes: &[&str]) {
        let path = format!("{}/_sandbox/locations/{}/scopes", self.app.sandbox.url(), self.location);
        let set = reqwest::Client::new().post(path).json(&json!({"scopes": scopes})).send().await.unwrap();
        assert!(set.status().is_success(), "{}", set.status());
    }

    /// Waits until all changes are reported.
    async fn reported(&self) {
        self.app
            .wait_until("all is told", async || {
                let stats = self.webhooks.stats();
                stats.pending == 0 && stats.changes >= self.changes.get()
            })
            .await;
    }

    /// Waits until all that was reported is done.
    async fn settle(&self) {
        self.reported().await;
        self.app.settle().await;
    }

    /// The calls that are made from here on; those of the person in GHL are not among them.
    fn calls(&self) -> Calls {
        let of = |operation| self.app.calls(&self.location, operation);
        Calls { searches: of(call::SEARCH_TASKS), reads: of(call::GET_TASK), pulls: of(call::GET_CONTACT) }
    }

    async fn shown(&self, task: &str) -> Option<Value> {
        let view = self.app.view(&self.contact).await.unwrap();
        view["tasks"].as_array().unwrap().iter().find(|shown| shown["taskId"] == task).cloned()
    }

    async fn finish(self) {
        self.server.stop().await;
        self.app.finish().await;
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Calls {
    searches: u64,
    reads: u64,
    pulls: u64,
}

async fn a_task_lives_and_ends(setup: Setup) {
    let place = Place::new(setup).await;
    let before = place.calls();
    let task = place.made(&place.contact, "Made in GHL").await;
    place.settle().await;
    let shown = place.shown(&task).await.unwrap();
    assert_eq!((&shown["title"], &shown["body"]), (&json!("Made in GHL"), &json!("In full")));
    assert_eq!(place.calls(), Calls { searches: before.searches + 1, ..before }, "a search, and nothing else");

    let before = place.calls();
    place.completed(&task).await;
    place.settle().await;
    assert_eq!(place.shown(&task).await.unwrap()["completed"], true);
    assert_eq!(place.calls(), Calls { reads: before.reads + 1, ..before }, "the task, and nothing else");

    let before = place.calls();
    place.deleted(&task).await;
    place.settle().await;
    assert_eq!(place.shown(&task).await, None);
    assert_eq!(place.calls(), before, "a deletion is believed");
    place.app.assert_equal(&place.contact).await;
    place.finish().await;
}

#[tokio::test]
async fn a_task_that_is_reported_barely_is_made_completed_and_deleted_here() {
    a_task_lives_and_ends(Setup::default()).await;
}

#[tokio::test]
async fn a_task_that_is_reported_barely_is_made_completed_and_deleted_here_over_postgres() {
    let server = PostgresServer::start();
    a_task_lives_and_ends(Setup { database_url: Some(server.url()), ..Setup::default() }).await;
}

#[tokio::test]
async fn among_tasks_of_one_title_the_id_decides_however_many_pages_they_fill() {
    let place = Place::new(Setup { burst: 2000, ..Setup::default() }).await;
    let contacts = place.app.contacts(&place.location);
    place.webhooks.set_faults(WebhookFaults { lose: 1000, ..WebhookFaults::default() });
    for number in 0..150 {
        place.made(&contacts[number % contacts.len()], "Call").await;
    }
    place.settle().await;
    place.webhooks.set_faults(WebhookFaults { bare_task: 1000, ..WebhookFaults::default() });
    let before = place.calls();
    let task = place.made(&place.contact, "Call").await;
    place.settle().await;
    assert!(place.shown(&task).await.is_some());
    let searches = place.calls().searches - before.searches;
    assert!((1..=2).contains(&searches), "{searches} pages of 151 tasks");
    place.finish().await;
}

#[tokio::test]
async fn a_task_of_a_contact_that_is_not_here_brings_the_contact() {
    let place = Place::new(Setup::default()).await;
    let stranger = place.app.contacts(&place.location).remove(1);
    let before = place.calls();
    place.made(&stranger, "Made in GHL").await;
    place.settle().await;
    place.app.assert_equal(&stranger).await;
    assert_eq!(place.calls(), Calls { searches: before.searches + 1, pulls: before.pulls + 1, ..before });
    place.finish().await;
}

#[tokio::test]
async fn a_task_that_was_made_from_here_is_reported_in_vain() {
    let place = Place::with(Setup::default(), WebhookFaults { lose: 1000, ..WebhookFaults::default() }).await;
    let new = json!({"clientyTaskId": "k1", "title": "Ours", "dueDate": "2035-01-01T09:00:00Z"});
    place.app.report("task.created", &place.contact, new).await;
    place.settle().await;
    let ours = place.app.held("tasks", &place.contact).into_iter().find(|task| task["title"] == "Ours").unwrap();
    let calls = place.app.all_calls(&place.location);
    let reported = json!({"type": "TaskCreate", "locationId": place.location, "id": ours["id"], "title": "Ours"});
    let reported = Webhook::read(reported.to_string().as_bytes()).unwrap().accepted(Clock::system().now());
    let outcome = place.app.app.records.accept_webhooks(&[reported]).await.unwrap().remove(0);
    let job = jobs::new_job(&outcome.job.unwrap(), Priority::Realtime);
    place.app.app.queue.push(&[job]).await.unwrap();
    place.settle().await;
    assert_eq!(place.app.all_calls(&place.location), calls);
    place.app.assert_equal(&place.contact).await;
    place.finish().await;
}

#[tokio::test]
async fn tasks_that_are_reported_barely_late_twice_and_in_any_order_end_in_what_ghl_has() {
    let faults = WebhookFaults { duplicate: 300, delay: 700, delay_ms: 800, ..WebhookFaults::default() };
    let place = Place::with(Setup { burst: 1000, ..Setup::default() }, faults).await;
    for number in 0..12 {
        let task = place.made(&place.contact, &format!("Task {number}")).await;
        if number % 2 == 0 {
            place.completed(&task).await;
        }
        if number % 3 == 0 {
            place.deleted(&task).await;
        }
    }
    place.settle().await;
    place.app.assert_equal(&place.contact).await;
    place.finish().await;
}

#[tokio::test]
async fn a_task_that_no_search_shows_is_looked_for_three_times_and_no_more() {
    let mut place = Place::new(Setup::default()).await;
    place.app.rest().await;
    let before = place.calls();
    let task = place.made(&place.contact, "Soon gone").await;
    place.reported().await;
    // Of its end nothing is reported.
    place.webhooks.set_faults(WebhookFaults { lose: 1000, ..WebhookFaults::default() });
    place.deleted(&task).await;
    place.app.work();
    place.settle().await;
    assert_eq!(place.shown(&task).await, None);
    assert_eq!(place.calls(), Calls { searches: before.searches + 3, ..before });
    place.finish().await;
}

#[tokio::test]
async fn without_the_scope_to_search_it_is_reported_which_scope_is_lacking() {
    let place = Place::new(Setup::default()).await;
    let granted = ["contacts.readonly", "contacts.write", "locations.readonly", SEARCH_SCOPE];
    place.grant(&granted[..3]).await;
    let task = place.made(&place.contact, "Nobody knows whose").await;
    place.settle().await;
    let dead = place.app.jobs_in(JobState::Dead).await.remove(0);
    assert_eq!((dead.key.kind.as_str(), dead.key.record_id.as_str()), ("find_task", task.as_str()));
    let reported = dead.last_error.unwrap();
    assert!(reported.contains(SEARCH_SCOPE) && reported.contains("jobs retry"), "{reported}");

    // Granted, and repeated by hand.
    place.grant(&granted).await;
    let revived = place.app.app.records.revive_jobs(&[dead.id]).await.unwrap();
    place.app.app.queue.push(&[jobs::new_job(&revived[0], Priority::Interactive)]).await.unwrap();
    place.settle().await;
    assert!(place.shown(&task).await.is_some());
    place.finish().await;
}

#[tokio::test]
async fn nothing_of_a_task_is_kept_whose_contact_was_erased() {
    let place = Place::new(Setup::default()).await;
    place.app.app.records.erase(&place.location, &place.contact).await.unwrap().unwrap();
    place.made(&place.contact, "Divorced since May").await;
    place.settle().await;
    assert_eq!(place.app.view(&place.contact).await, None);
    let jobs = place.app.jobs_in(JobState::Done).await;
    let ids: Vec<_> = jobs.into_iter().filter(|job| job.key.kind == "find_task").map(|job| job.id).collect();
    let kept = place.app.app.records.webhooks_of(&ids).await.unwrap();
    assert_eq!(kept.iter().map(|webhook| webhook.body.as_str()).collect::<Vec<_>>(), ["{}"]);
    place.finish().await;
}
