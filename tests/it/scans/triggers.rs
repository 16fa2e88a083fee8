//! What a reconciliation finds is a trigger like any event: it makes the tasks of rules, once, and is counted and kept as one.

use clienty_sync::gateway::Server;
use clienty_sync::triggers::webhook::Webhook;
use ghl_sandbox::{WebhookFaults, Webhooks};
use reqwest::Method;
use serde_json::{Value, json};
use sync_model::clock::Clock;
use sync_workers::jobs::new_job;
use sync_workers::reconcile_scheduler::begin;
use sync_workers::records::{JobState, LedgerEntry, Phase, Purpose, RECONCILE_SOURCE, Scan};

use super::import::import;
use super::reconciliations::reconcile;
use crate::support::postgres::PostgresServer;
use crate::support::test_app::{Setup, TestApp, call};

const RULES: &[(&str, &str)] = &[
    ("CLIENTY_RULE_WELCOME_ON", "contact.created"),
    ("CLIENTY_RULE_WELCOME_TITLE", "Welcome {firstName}"),
    ("CLIENTY_RULE_VIP_ON", "contact.tagged=VIP"),
    ("CLIENTY_RULE_VIP_TITLE", "Call {firstName}"),
];

/// An app that imported its contacts, has rules, and receives no webhook of GHL's.
struct Deaf {
    app: TestApp,
    server: Server,
    webhooks: Webhooks,
    location: String,
}

impl Deaf {
    async fn start(setup: Setup) -> Self {
        let app = TestApp::working(Setup { settings: RULES, contacts: 4, ..setup }).await;
        let location = app.location().id;
        let (server, webhooks) = app.with_webhooks(WebhookFaults { lose: 1000, ..WebhookFaults::default() }).await;
        import(&app).await;
        Self { app, server, webhooks, location }
    }

    async fn reconcile(&self) {
        reconcile(&self.app, Purpose::Reconcile).await;
        // A rule's task is made as a page ends, and pushed by another run.
        self.app.settle().await;
    }

    /// GHL's webhook of a contact, at last.
    async fn late(&self, id: &str, event_type: &str, contact: &str) {
        let state = self.app.state(&self.location);
        let held = state["contacts"].as_array().unwrap().iter().find(|held| held["id"] == contact);
        let (mut body, now) = (held.unwrap().clone(), Clock::system().now());
        for (name, value) in [("type", json!(event_type)), ("webhookId", json!(id)), ("timestamp", json!(now))] {
            body[name] = value;
        }
        let taken = Webhook::read(body.to_string().as_bytes()).unwrap().accepted(now);
        let outcome = self.app.app.records.accept_webhooks(&[taken]).await.unwrap().remove(0);
        let jobs: Vec<_> = outcome.job.iter().map(|key| new_job(key, job_engine::Priority::Realtime)).collect();
        self.app.app.queue.push(&jobs).await.unwrap();
        self.app.settle().await;
    }

    /// The titles of the tasks that a rule made for a contact, as GHL has them; as readers see them they are the same.
    async fn ruled(&self, contact: &str) -> Vec<String> {
        let titles = |tasks: &[Value]| {
            let titles = tasks.iter().filter_map(|task| task["title"].as_str());
            let mut titles: Vec<_> = titles
                .filter(|title| title.starts_with("Welcome ") || title.starts_with("Call "))
                .map(str::to_owned)
                .collect();
            titles.sort();
            titles
        };
        let held = titles(&self.app.held("tasks", contact));
        let view = self.app.view(contact).await.unwrap();
        assert_eq!(titles(view["tasks"].as_array().unwrap()), held);
        held
    }

    async fn finish(self) {
        assert_eq!(self.webhooks.stats().deliveries, 0, "nothing was told");
        self.server.stop().await;
        self.app.finish().await;
    }
}

async fn once(setup: Setup) {
    let deaf = Deaf::start(setup).await;
    let known = deaf.app.contacts(&deaf.location).remove(0);
    deaf.app.contact_by_hand(Some(&known), json!({"firstName": "Bob", "tags": ["vip"]})).await;
    let new = deaf.app.contact_by_hand(None, json!({"firstName": "Ada", "email": "ada@x.de", "tags": ["vip"]})).await;
    deaf.app.by_hand(Method::POST, &format!("/contacts/{new}/notes"), json!({"body": "Likes tea"})).await;
    deaf.reconcile().await;
    assert_eq!(deaf.ruled(&new).await, ["Call Ada", "Welcome Ada"]);
    assert_eq!(deaf.ruled(&known).await, ["Call Bob"]);

    // What comes late, comes twice or is found again makes no other.
    for (id, event_type) in
        [("w1", "ContactCreate"), ("w1", "ContactCreate"), ("w2", "ContactCreate"), ("w3", "ContactTagUpdate")]
    {
        deaf.late(id, event_type, &new).await;
    }
    deaf.late("w4", "ContactTagUpdate", &known).await;
    deaf.reconcile().await;
    assert_eq!(deaf.ruled(&new).await, ["Call Ada", "Welcome Ada"]);
    assert_eq!(deaf.ruled(&known).await, ["Call Bob"]);
    assert_eq!(deaf.app.calls(&deaf.location, call::CREATE_TASK), 3);
    deaf.finish().await;
}

#[tokio::test]
async fn a_contact_whose_webhook_was_lost_makes_its_task_once() {
    once(Setup::default()).await;
}

#[tokio::test]
async fn a_contact_whose_webhook_was_lost_makes_its_task_once_over_postgres() {
    let server = PostgresServer::start();
    once(Setup { database_url: Some(server.create_database("found")), ..Setup::default() }).await;
}

#[tokio::test]
async fn what_a_reconcile_finds_is_counted_and_kept_in_the_ledger_as_a_trigger() {
    let deaf = Deaf::start(Setup::default()).await;
    let contacts = deaf.app.contacts(&deaf.location);
    let new = deaf.app.contact_by_hand(None, json!({"firstName": "Ada"})).await;
    deaf.app.contact_by_hand(Some(&contacts[0]), json!({"city": "Bonn"})).await;
    deaf.app.contact_by_hand(Some(&contacts[1]), json!({"tags": ["calm"]})).await;
    deaf.app.by_hand(Method::DELETE, &format!("/contacts/{}", contacts[2]), json!({})).await;
    let task = json!({"title": "New", "dueDate": "2026-03-01T09:00:00Z", "completed": false});
    deaf.app.by_hand(Method::POST, &format!("/contacts/{}/tasks", contacts[3]), task).await;
    for purpose in [Purpose::Reconcile, Purpose::Full] {
        reconcile(&deaf.app, purpose).await;
        deaf.app.settle().await;
    }

    let numbers = deaf.app.app.metrics.render().unwrap();
    let reported = [
        ("ContactCreate", &new),
        ("ContactUpdate", &contacts[0]),
        ("ContactTagUpdate", &contacts[1]),
        ("ContactDelete", &contacts[2]),
        ("TaskCreate", &contacts[3]),
    ];
    let done = deaf.app.jobs_in(JobState::Done).await;
    let of_reconciliations: Vec<_> = done.iter().filter(|job| job.source == RECONCILE_SOURCE).collect();
    assert_eq!(of_reconciliations.len(), reported.len(), "{of_reconciliations:#?}");
    for (event, contact) in reported {
        let counter = format!("clienty_events_accepted_total{{source=\"sweep\",type=\"{event}\"}} 1\n");
        assert!(numbers.contains(&counter), "{event}: {numbers}");
        let is_it = |job: &&&LedgerEntry| job.event_type == event && job.key.record_id == *contact;
        assert_eq!(of_reconciliations.iter().filter(is_it).count(), 1, "{event}: {of_reconciliations:#?}");
    }
    let found: i64 =
        [scan(&deaf, Purpose::Reconcile).await, scan(&deaf, Purpose::Full).await].iter().map(|scan| scan.found).sum();
    assert_eq!(found, 5);
    // The new contact's parts, and the one that is gone: what the pages showed was not fetched again.
    let calls = |operation| deaf.app.calls(&deaf.location, operation);
    assert_eq!([calls(call::GET_CONTACT), calls(call::LIST_TASKS)], [1, 1]);
    deaf.finish().await;
}

async fn scan(deaf: &Deaf, purpose: Purpose) -> Scan {
    deaf.app.app.records.latest_scan(&deaf.location, purpose).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_creation_is_found_though_something_else_brought_the_contact() {
    let deaf = Deaf::start(Setup::default()).await;
    let new = deaf.app.contact_by_hand(None, json!({"firstName": "Ada"})).await;
    deaf.app.report("contact.selected", &new, json!({})).await;
    deaf.app.settle().await;
    assert_eq!(deaf.ruled(&new).await, [""; 0]);
    for _ in 0..2 {
        deaf.reconcile().await;
    }
    assert_eq!(deaf.ruled(&new).await, ["Welcome Ada"]);
    deaf.finish().await;
}

#[tokio::test]
async fn who_was_here_before_is_no_news() {
    // Nothing of it was imported, though GHL has it from before.
    let app = TestApp::working(Setup { settings: RULES, contacts: 4, ..Setup::default() }).await;
    let location = app.location().id;
    let old = app.contacts(&location);
    app.report("contact.selected", &old[0], json!({})).await;
    app.settle().await;
    let (terminal, change) = (format!("/_sandbox/locations/{location}/contacts"), json!({"city": "Bonn"}));
    for contact in &old {
        app.by_hand(Method::PUT, &format!("{terminal}/{contact}"), change.clone()).await;
    }
    let new =
        app.by_hand(Method::POST, &terminal, json!({"firstName": "Ada"})).await["id"].as_str().unwrap().to_owned();
    reconcile(&app, Purpose::Reconcile).await;
    app.settle().await;
    assert_eq!(app.view(&old[0]).await.unwrap()["contact"]["city"], "Bonn");
    assert_eq!(app.view(&old[1]).await, None, "nobody asked for it, and it is not new");
    assert_eq!(app.view(&new).await.unwrap()["tasks"][0]["title"], "Welcome Ada", "as its event would have made it");
    assert_eq!(app.calls(&location, call::CREATE_TASK), 1);
    app.finish().await;
}

#[tokio::test]
async fn a_create_of_ours_that_a_reconcile_sees_before_the_reply_is_no_event() {
    for is_pulled in [false, true] {
        ours(is_pulled).await;
    }
}

/// `is_pulled`: something else has fetched the contact before the reconciliation sees it.
async fn ours(is_pulled: bool) {
    let deaf = Deaf::start(Setup { gate: true, ..Setup::default() }).await;
    let app = &deaf.app;
    let before = app.contacts(&deaf.location);
    app.gate().hold(Method::POST, "/contacts/");
    let data = json!({"clientyContactId": "k1", "firstName": "Ours", "email": "ours@x.de", "tags": ["vip"]});
    app.send(json!({"type": "contact.created", "locationId": deaf.location, "data": data})).await;
    app.gate().answered(Method::POST, "/contacts/", 1).await;
    if is_pulled {
        let made = app.contacts(&deaf.location).into_iter().find(|contact| !before.contains(contact)).unwrap();
        let pull = app.report("contact.selected", &made, json!({})).await;
        app.ended(&pull).await;
    }
    assert!(begin(&app.app.records, &app.app.queue, &deaf.location, Purpose::Reconcile, 0).await.unwrap());
    app.wait_until("the sweep has seen it", async || scan(&deaf, Purpose::Reconcile).await.phase == Phase::Done).await;
    assert_eq!(scan(&deaf, Purpose::Reconcile).await.contacts, 1);
    app.gate().open();
    app.settle().await;
    let contact = app.app.records.find_contact(&deaf.location, "k1").await.unwrap().unwrap().contact_id;
    assert_eq!(app.view(&contact).await.unwrap()["tasks"], json!([]));
    assert_eq!(app.calls(&deaf.location, call::CREATE_TASK), 0);
    assert_eq!(app.contacts(&deaf.location).len(), before.len() + 1);
    deaf.finish().await;
}
