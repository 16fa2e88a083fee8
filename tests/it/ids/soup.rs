//! Any text at any door: what is accepted is packed, stored and addressed, on both databases and both queues.

use std::collections::BTreeSet;

use clienty_sync::gateway::{Server, ServerLimits, listen};
use clienty_sync::triggers::operation;
use ghl::catalog::Wish;
use ghl_sandbox::SigningKey;
use job_engine::Priority;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use sync_model::clock::Clock;
use sync_model::ids::is_id;
use sync_workers::jobs::new_job;
use sync_workers::records::{JobState, Knows, NewKey, NewRun};

use crate::support::api::{Answer, Api};
use crate::support::postgres::PostgresServer;
use crate::support::redis::RedisServer;
use crate::support::test_app::{SEED, Setup, TestApp};

/// A step calls GHL with a text that an event brought, which no door has taken for an id.
const BY_EVENT: &str = r#"
on = "note.created"

[[step]]
call = "delete-task"
parameters.taskId = "{event.data.noteText}"
"#;

/// A webhook whose `contactId` is taken as it came.
const BY_WEBHOOK: &str = r#"
on = "OpportunityCreate"

[[step]]
event = "note.created"
data.noteText = "A deal"
"#;

const SOUP: [char; 20] = [
    '.', '.', '\t', '\r', '\n', '/', '\\', '%', '2', 'e', '?', '#', ' ', '\0', '\u{85}', '\u{7f}', 'é', '中', 'a', '~',
];

/// The same texts in every run: short ones of awkward characters, long ones around the bounds, and some that stand for themselves.
fn texts() -> Vec<String> {
    let mut runner = TestRunner::deterministic();
    let short = vec(prop::sample::select(&SOUP[..]), 1..6).prop_map(String::from_iter);
    let long = vec(prop::sample::select(&['a', '-', '中', 'é'][..]), 60..260).prop_map(String::from_iter);
    let mut texts: Vec<String> = (0..24).map(|_| short.new_tree(&mut runner).unwrap().current()).collect();
    texts.extend((0..6).map(|_| long.new_tree(&mut runner).unwrap().current()));
    texts.extend([".\t.", "..", "%2e%2e", "../x", "a/b", "plain"].map(str::to_owned));
    texts.extend([200, 201, 238, 239, 243, 300].map(|length| "x".repeat(length)));
    let distinct: BTreeSet<_> = texts.into_iter().collect();
    distinct.into_iter().collect()
}

struct Doors {
    app: TestApp,
    server: Server,
    api: Api,
    location: String,
    contact: String,
}

impl Doors {
    async fn open(database_url: Option<String>, redis_url: Option<String>) -> Self {
        let flows = &[("by-event", BY_EVENT), ("by-webhook", BY_WEBHOOK)];
        let (app, contact) = TestApp::knowing_one(Setup { database_url, redis_url, flows, ..Setup::default() }).await;
        let listener = listen("127.0.0.1:0".parse().unwrap(), "none").await.unwrap();
        let server =
            Server::start(listener, app.app.gateway().routes(), ServerLimits::of(&app.app.config.gateway)).unwrap();
        let key = app.app.records.create_key(&NewKey::of_all("soup")).await.unwrap().1;
        let api = Api::new(&format!("http://{}", server.address), key.expose_secret());
        let location = app.location().id;
        Self { app, server, api, location, contact }
    }

    async fn event(&self, event: Value) -> Answer {
        self.api.post(event.to_string()).await
    }

    async fn webhook(&self, body: Value) {
        let body = body.to_string();
        let signature = SigningKey::from_seed(SEED).sign(body.as_bytes());
        let send = |request: reqwest::RequestBuilder| request.body(body).header("x-ghl-signature", signature);
        let answer = self.api.request("POST", "/webhooks/ghl", send).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }

    /// Sends the text through every door, once each.
    async fn send(&self, number: usize, text: &str) {
        let Self { location, contact, .. } = self;
        let due = "2030-01-01T00:00:00Z";
        let event = |event_type: &str, contact: &str, data: Value| json!({"type": event_type, "locationId": location, "contactId": contact, "data": data});
        let created = json!({"type": "contact.created", "locationId": location, "data": {"clientyContactId": text, "email": format!("p{number}@x.de")}});
        let named = json!({"id": text, "type": "contact.selected", "locationId": location, "contactId": contact});
        // Of another contact than the one that is created, which GHL may say is gone before the next event comes; both in one batch likewise.
        let other: String = text.chars().rev().collect();
        let met = json!([
            event("contact.selected", &other, json!({})),
            event("contact.updated", &other, json!({"city": "Bonn"}))
        ]);
        let events = [
            if is_id(text) && other == text { named.clone() } else { met },
            created,
            named,
            event("task.created", contact, json!({"clientyTaskId": text, "title": "Soup", "dueDate": due})),
            event("note.created", contact, json!({"clientyNoteId": text, "noteText": "Soup"})),
        ];
        for event in events {
            taken_as_id(text, &event, &self.event(event.clone()).await);
        }
        // Not an id here: whatever is no NUL and says something is taken, and the flow finds out that it is no id.
        let said = event("note.created", contact, json!({"clientyNoteId": format!("said-{number}"), "noteText": text}));
        self.event(said).await;
        for name in ["get-task", "delete-task"] {
            let wanted = json!({"locationId": location, "parameters": {"contactId": contact, "taskId": text}});
            let key = self.api.key.clone();
            let call = |request: reqwest::RequestBuilder| request.bearer_auth(key).json(&wanted);
            taken_as_id(text, &wanted, &self.api.request("POST", &format!("/v1/operations/{name}"), call).await);
        }
        let at = Clock::system().now().to_string();
        self.webhook(json!({"type": "ContactUpdate", "locationId": location, "id": text, "webhookId": format!("u{number}"), "timestamp": at})).await;
        self.webhook(json!({"type": "NoteCreate", "locationId": location, "id": text, "contactId": text, "webhookId": format!("n{number}"), "timestamp": at})).await;
        self.webhook(json!({"type": "OpportunityCreate", "locationId": location, "id": format!("o{number}"), "contactId": text, "webhookId": format!("d{number}"), "timestamp": at})).await;
        self.command(text).await;
    }

    /// What `catalog call` and `flows run` do.
    async fn command(&self, text: &str) {
        let parameters = json!({"locationId": self.location, "tagId": text}).as_object().unwrap().clone();
        let wanted = Wish { location_id: self.location.clone(), parameters, ..Wish::default() };
        match operation::call("delete-tag", wanted, "cli", None) {
            Ok(trigger) => {
                assert!(is_id(text), "{text:?}");
                self.app.app.producer().send(&[trigger]).await.unwrap();
            }
            Err(faults) => assert_eq!((faults[0].field.as_str(), is_id(text)), ("parameters.tagId", false), "{text:?}"),
        }
        let app = &self.app.app;
        let flow = app.config.flows.loaded.iter().find(|flow| flow.name == "by-webhook").unwrap();
        let knows =
            Knows { event: Value::Object(Map::new()), set: flow.set.clone(), answers: Map::new(), ..Knows::default() };
        // The command line asks first.
        if is_id(text) {
            let new = NewRun { flow, location_id: &self.location, contact_id: Some(text), knows };
            if let Some((_, key)) = app.records.start_flow(new).await.unwrap() {
                app.queue.push(&[new_job(&key, Priority::Interactive)]).await.unwrap();
            }
        }
    }

    async fn finish(self) {
        self.server.stop().await;
        self.app.settle().await;
        let dead = self.app.jobs_in(JobState::Dead).await;
        for job in &dead {
            let reason = job.last_error.as_deref().unwrap_or_default();
            let is_said = job.key.kind == "flow_step" && reason.contains("parameters.taskId");
            let is_ghls = reason.contains("GHL") && !reason.contains("can't be sent");
            let of_no_contact = job.key.kind == "flow_step" && reason.contains("contact");
            assert!(is_said || is_ghls || of_no_contact, "{} {:?}: {reason}", job.key.kind, job.key.record_id);
        }
        // No id made of a call the call of another path.
        let called = self.app.sandbox.stats().locations[&self.location].operations.clone();
        let removed: Vec<_> = called.keys().filter(|operation| operation.starts_with("DELETE")).cloned().collect();
        let meant = ["DELETE /contacts/{contactId}/tasks/{taskId}", "DELETE /locations/{locationId}/tags/{tagId}"];
        assert!(removed.iter().all(|operation| meant.contains(&operation.as_str())), "{removed:?}");
        let dead = dead.len();
        self.app.finish_with_dead(dead).await;
    }
}

/// What names something by the text is accepted where the text can be an id, and refused where it can't.
fn taken_as_id(text: &str, sent: &Value, answer: &Answer) {
    assert_eq!(answer.status, if is_id(text) { 202 } else { 422 }, "{sent}: {}", answer.text);
}

async fn any_text_at_any_door(database_url: Option<String>, redis_url: Option<String>) {
    let doors = Doors::open(database_url, redis_url).await;
    let texts = texts();
    assert!(texts.iter().filter(|text| is_id(text)).count() >= 10);
    for (number, text) in texts.iter().enumerate() {
        doors.send(number, text).await;
    }
    doors.finish().await;
}

#[tokio::test]
async fn any_text_at_any_door_on_sqlite_and_the_memory_queue() {
    any_text_at_any_door(None, None).await;
}

#[tokio::test]
async fn any_text_at_any_door_on_sqlite_and_redis() {
    let redis = RedisServer::start();
    any_text_at_any_door(None, Some(redis.url())).await;
}

#[tokio::test]
async fn any_text_at_any_door_on_postgres_and_the_memory_queue() {
    let postgres = PostgresServer::start();
    any_text_at_any_door(Some(postgres.url()), None).await;
}

#[tokio::test]
async fn any_text_at_any_door_on_postgres_and_redis() {
    let (postgres, redis) = (PostgresServer::start(), RedisServer::start());
    any_text_at_any_door(Some(postgres.url()), Some(redis.url())).await;
}
