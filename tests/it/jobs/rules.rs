//! Contact events in GHL make tasks, where a rule says so: each once, here and in GHL, however its webhooks travel.

use clienty_sync::gateway::Server;
use ghl_sandbox::{Faults, WebhookFaults, Webhooks};
use reqwest::Method;
use serde_json::json;
use sync_workers::records::{ChangeOp, JobState, LedgerEntry, Origin};

use crate::support::postgres::PostgresServer;
use crate::support::test_app::{Setup, TestApp, call};

const RULES: &[(&str, &str)] = &[
    ("CLIENTY_RULE_WELCOME_ON", "contact.created"),
    ("CLIENTY_RULE_WELCOME_TITLE", "Welcome {firstName}"),
    ("CLIENTY_RULE_VIP_ON", "contact.tagged=VIP"),
    ("CLIENTY_RULE_VIP_TITLE", "Call {firstName}"),
    ("CLIENTY_RULE_VIP_BODY", "Write to {email}"),
    ("CLIENTY_RULE_VIP_DUE_AFTER", "2d"),
];

struct Ruled {
    app: TestApp,
    server: Server,
    webhooks: Webhooks,
    location: String,
}

impl Ruled {
    async fn start(setup: Setup, faults: WebhookFaults) -> Self {
        let app = TestApp::working(setup).await;
        let location = app.location().id;
        let (server, webhooks) = app.with_webhooks(faults).await;
        Self { app, server, webhooks, location }
    }

    async fn settle(&self) {
        self.app.wait_until("all webhooks are delivered", async || self.webhooks.stats().pending == 0).await;
        self.app.settle().await;
        // A rule's task is made as a run ends, and pushed by another one; GHL reports it.
        self.app.wait_until("all webhooks are delivered", async || self.webhooks.stats().pending == 0).await;
        self.app.settle().await;
    }

    /// The titles of the tasks that GHL has for a contact.
    fn titles(&self, contact: &str) -> Vec<String> {
        let mut titles: Vec<_> =
            self.app.held("tasks", contact).iter().map(|task| task["title"].as_str().unwrap().to_owned()).collect();
        titles.sort();
        titles
    }

    async fn finish(self) {
        self.server.stop().await;
        self.app.finish().await;
    }
}

fn storm() -> WebhookFaults {
    WebhookFaults { duplicate: 400, delay: 500, delay_ms: 600, ..WebhookFaults::default() }
}

async fn each_once(setup: Setup) {
    let ruled = Ruled::start(Setup { settings: RULES, contacts: 2, ..setup }, storm()).await;
    let faults = Faults { cut_after: 200, server_error: 100, writes_only: true, ..Faults::default() };
    ruled.app.sandbox.set_faults(faults);
    let mut contacts = Vec::new();
    for n in 0..10 {
        let contact = ruled
            .app
            .contact_by_hand(None, json!({"firstName": format!("Person{n}"), "email": format!("p{n}@x.de")}))
            .await;
        if n % 2 == 0 {
            ruled.app.contact_by_hand(Some(&contact), json!({"tags": ["new", "vip"]})).await;
        }
        ruled.app.contact_by_hand(Some(&contact), json!({"city": "Bonn"})).await;
        contacts.push(contact);
    }
    ruled.settle().await;
    ruled.app.sandbox.set_faults(Faults::default());
    for (n, contact) in contacts.iter().enumerate() {
        let mut expected = vec![format!("Welcome Person{n}")];
        if n % 2 == 0 {
            expected.insert(0, format!("Call Person{n}"));
        }
        assert_eq!(ruled.titles(contact), expected);
        let view = ruled.app.view(contact).await.unwrap();
        assert_eq!(view["tasks"].as_array().unwrap().len(), expected.len(), "{view}");
    }
    let location = ruled.app.location();
    let mut found = ruled.app.mismatches(&location, &contacts).await;
    found.retain(|mismatch| mismatch.field != "dateUpdated");
    assert_eq!(found, []);
    ruled.finish().await;
}

#[tokio::test]
async fn each_event_makes_its_task_once_here_and_in_ghl_however_its_webhooks_travel() {
    each_once(Setup::impatient()).await;
}

#[tokio::test]
async fn each_event_makes_its_task_once_over_postgres() {
    let server = PostgresServer::start();
    each_once(Setup { database_url: Some(server.create_database("rules")), ..Setup::impatient() }).await;
}

#[tokio::test]
async fn a_task_of_a_rule_reads_as_it_says_and_is_in_the_feed() {
    let ruled = Ruled::start(Setup { settings: RULES, ..Setup::default() }, WebhookFaults::default()).await;
    let contact = ruled.app.contacts(&ruled.location).remove(0);
    ruled.app.report("contact.selected", &contact, json!({})).await;
    ruled.app.settle().await;
    ruled.app.contact_by_hand(Some(&contact), json!({"firstName": "Ada", "email": "ada@x.de", "tags": ["vip"]})).await;
    ruled.settle().await;
    let view = ruled.app.view(&contact).await.unwrap();
    let task = view["tasks"].as_array().unwrap().iter().find(|task| task["title"] == "Call Ada").unwrap();
    assert_eq!((&task["body"], &task["status"]), (&json!("Write to ada@x.de"), &json!("open")));
    assert_eq!(task["clientyTaskId"], format!("rule-vip-{contact}"));
    assert_eq!(task["sync"]["state"], "applied");
    let feed = ruled.app.app.records.list_changes(None, 1000).await.unwrap().items;
    let reported = feed.iter().filter(|item| item.clienty_id == Some(format!("rule-vip-{contact}")));
    let reported: Vec<_> = reported.map(|item| (item.record_id.clone(), item.op, item.origin)).collect();
    let (id, flow, ghl) = (reported[0].0.clone(), Some(Origin::Flow), Some(Origin::Ghl));
    assert_eq!(reported, [(id.clone(), ChangeOp::Stored, flow), (id, ChangeOp::Synced, ghl)], "one record, made once");

    // Taken off and put on again, it is another event.
    ruled.app.contact_by_hand(Some(&contact), json!({"tags": []})).await;
    ruled.settle().await;
    ruled.app.contact_by_hand(Some(&contact), json!({"tags": ["vip"]})).await;
    ruled.settle().await;
    assert_eq!(ruled.titles(&contact).iter().filter(|title| *title == "Call Ada").count(), 2);
    ruled.finish().await;
}

#[tokio::test]
async fn what_clienty_creates_or_tags_and_what_a_pull_finds_makes_no_task() {
    let ruled = Ruled::start(Setup { settings: RULES, ..Setup::impatient() }, storm()).await;
    let found = ruled.app.contact_by_hand(None, json!({"firstName": "Found"})).await;
    ruled.settle().await;
    let before = ruled.app.calls(&ruled.location, call::CREATE_TASK);
    assert_eq!((ruled.titles(&found), before), (vec!["Welcome Found".to_owned()], 1));
    // Replies are lost, so that GHL's event often comes before we know that the contact was created.
    ruled.app.sandbox.set_faults(Faults { cut_after: 500, writes_only: true, ..Faults::default() });
    for n in 0..6 {
        let data = json!({"clientyContactId": format!("k{n}"), "firstName": format!("Ours{n}"), "email": format!("ours{n}@x.de"), "tags": ["vip"]});
        ruled.app.send(json!({"type": "contact.created", "locationId": ruled.location, "data": data})).await;
    }
    ruled.app.report("contact.tagged", &found, json!({"tags": ["vip"]})).await;
    ruled.settle().await;
    ruled.app.sandbox.set_faults(Faults::default());
    for contact in ruled.app.contacts(&ruled.location) {
        ruled.app.report("contact.selected", &contact, json!({})).await;
    }
    ruled.settle().await;
    assert_eq!(ruled.app.calls(&ruled.location, call::CREATE_TASK), before);
    ruled.finish().await;
}

#[tokio::test]
async fn ghls_event_of_our_own_create_makes_no_task_though_it_comes_before_the_reply() {
    let setup = Setup { settings: RULES, gate: true, ..Setup::default() };
    let ruled = Ruled::start(setup, WebhookFaults::default()).await;
    let app = &ruled.app;
    app.gate().hold(Method::POST, "/contacts/");
    let data = json!({"clientyContactId": "k1", "firstName": "Ours", "email": "ours@x.de", "tags": ["vip"]});
    app.send(json!({"type": "contact.created", "locationId": ruled.location, "data": data})).await;
    app.gate().answered(Method::POST, "/contacts/", 1).await;
    let pulls = |jobs: Vec<LedgerEntry>| jobs.iter().any(|job| job.key.kind == "pull_contact");
    app.wait_until("the event was looked at", async || {
        pulls(app.jobs_in(JobState::Scheduled).await) || pulls(app.jobs_in(JobState::Done).await)
    })
    .await;
    app.gate().open();
    ruled.settle().await;
    assert_eq!(app.calls(&ruled.location, call::CREATE_TASK), 0);
    let contact = app.app.records.find_contact(&ruled.location, "k1").await.unwrap().unwrap().contact_id;
    assert_eq!(app.view(&contact).await.unwrap()["tasks"], json!([]));
    ruled.finish().await;
}

#[tokio::test]
async fn without_a_rule_nothing_is_made() {
    let ruled = Ruled::start(Setup::default(), WebhookFaults::default()).await;
    let contact = ruled.app.contact_by_hand(None, json!({"firstName": "New", "tags": ["vip"]})).await;
    ruled.settle().await;
    assert_eq!(ruled.titles(&contact), [""; 0]);
    assert_eq!(ruled.app.view(&contact).await.unwrap()["tasks"], json!([]));
    ruled.finish().await;
}
