//! What a sweep finds is a trigger like any event: it makes the tasks of rules, once, and is counted and kept as one.

use clienty_sync::gateway::Server;
use clienty_sync::sandbox::{WebhookFaults, Webhooks};
use clienty_sync::triggers::webhook::Webhook;
use reqwest::Method;
use serde_json::{Value, json};
use sync_workers::clock::Clock;
use sync_workers::jobs::new_job;
use sync_workers::records::Purpose;

use super::import::import;
use super::sweeps::sweep;
use crate::support::postgres::PostgresServer;
use crate::support::test_app::{Setup, TestApp, call};

const RULES: &[(&str, &str)] = &[
    ("CLIENTY_RULE_WELCOME_ON", "contact.created"),
    ("CLIENTY_RULE_WELCOME_TITLE", "Welcome {firstName}"),
    ("CLIENTY_RULE_VIP_ON", "contact.tagged=VIP"),
    ("CLIENTY_RULE_VIP_TITLE", "Call {firstName}"),
];

/// An app that imported its contacts, has rules, and hears no webhook of GHL's.
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

    /// A person edits a contact at GHL's screen, or makes one.
    async fn in_ghl(&self, contact: Option<&str>, fields: Value) -> String {
        let contacts = format!("/_sandbox/locations/{}/contacts", self.location);
        let edited = match contact {
            Some(id) => self.app.by_hand(Method::PUT, &format!("{contacts}/{id}"), fields).await,
            None => self.app.by_hand(Method::POST, &contacts, fields).await,
        };
        edited["id"].as_str().unwrap().to_owned()
    }

    async fn sweep(&self) {
        sweep(&self.app, Purpose::Sweep).await;
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
        let taken = Webhook::read(body.to_string().as_bytes()).accepted(now);
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
    deaf.in_ghl(Some(&known), json!({"firstName": "Bob", "tags": ["vip"]})).await;
    let new = deaf.in_ghl(None, json!({"firstName": "Ada", "email": "ada@x.de", "tags": ["vip"]})).await;
    deaf.app.by_hand(Method::POST, &format!("/contacts/{new}/notes"), json!({"body": "Likes tea"})).await;
    deaf.sweep().await;
    assert_eq!(deaf.ruled(&new).await, ["Call Ada", "Welcome Ada"]);
    assert_eq!(deaf.ruled(&known).await, ["Call Bob"]);

    // What comes late, comes twice or is found again makes no other.
    for (id, event_type) in
        [("w1", "ContactCreate"), ("w1", "ContactCreate"), ("w2", "ContactCreate"), ("w3", "ContactTagUpdate")]
    {
        deaf.late(id, event_type, &new).await;
    }
    deaf.late("w4", "ContactTagUpdate", &known).await;
    deaf.sweep().await;
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
