//! The history of records in the whole system: an import, GHL's webhooks, a producer's events, flows and merges.
//!
//! After each of many acts, which a seed draws, readers look. Whenever they ask for that moment later, they are informed what they saw; and where nothing was
//! owed that was what GHL held. Each value that is there at the end leads back to something that came from outside.

use std::collections::BTreeSet;

use ghl_sandbox::WebhookFaults;
use jiff::Timestamp;
use job_engine::Priority;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};
use sync_workers::jobs::new_job;
use sync_workers::records::{HistoryQuery, Link, Purpose};

use super::Flowing;
use crate::support::postgres::PostgresServer;
use crate::support::test_app::Setup;

const FLOWS: &[(&str, &str)] = &[
    (
        "relocated",
        "on = \"contact.updated\"\nonly_if.event.data.city.is_set = true\n[[step]]\nevent = \"note.created\"\ndata.noteText = \"lives in {event.data.city}\"\n",
    ),
    (
        "tagged",
        "on = \"contact.tagged=hot\"\n[[step]]\nevent = \"contact.updated\"\ndata.source = \"flow\"\n[[step]]\nevent = \"task.created\"\ndata.title = \"Call\"\ndata.dueDate = \"2030-01-01T00:00:00Z\"\n",
    ),
];
const CONTACTS: usize = 3;
const STEPS: usize = 30;

struct World {
    flowing: Flowing,
    contacts: Vec<String>,
    seen: Vec<(Timestamp, Vec<Value>)>,
}

impl World {
    async fn start(database_url: Option<String>) -> Self {
        // Where GHL wins, GHL is read before it is written.
        let setup = Setup { flows: FLOWS, contacts: CONTACTS, burst: 1000, database_url, ..Setup::default() };
        let flowing = Flowing::start(setup, WebhookFaults { duplicate: 200, ..WebhookFaults::default() }).await;
        let scan =
            flowing.app.app.records.begin_scan(&flowing.location, Purpose::Import, false, 0).await.unwrap().unwrap();
        flowing.app.app.queue.push(&[new_job(&scan.next_job().unwrap(), Priority::Bulk)]).await.unwrap();
        let contacts = flowing.app.contacts(&flowing.location);
        let mut world = Self { flowing, contacts, seen: Vec::new() };
        world.flowing.settle().await;
        world.look().await;
        world
    }

    /// Readers look at all contacts, which are as GHL has them.
    async fn look(&mut self) {
        self.flowing.settle().await;
        let app = &self.flowing.app;
        let mut views = Vec::new();
        for contact in &self.contacts {
            views.push(bare(app.view(contact).await.unwrap_or_default()));
        }
        let mut unlike = app.mismatches(&app.location(), &self.contacts).await;
        // They move by themselves, of which GHL sends no webhook, and have no history.
        unlike.retain(|one| !["lastActivity", "dateUpdated"].contains(&one.field));
        assert_eq!(unlike, []);
        // What happens from now on is of another millisecond.
        let at = app.app.clock.now();
        app.wait_until("time goes on", async || app.app.clock.now_ms() > at.as_millisecond()).await;
        self.seen.push((at, views));
    }

    /// A person edits a record at GHL's screen.
    async fn at_the_terminal(&self, method: Method, kind: &str, id: Option<&str>, fields: Value) {
        let at = id.map_or(String::new(), |id| format!("/{id}"));
        let path = format!("/_sandbox/locations/{}/{kind}{at}", self.flowing.location);
        self.flowing.app.by_hand(method, &path, fields).await;
    }

    async fn act(&self, step: usize, dice: &mut StdRng) {
        let app = &self.flowing.app;
        let contact = &self.contacts[dice.random_range(0..self.contacts.len())];
        let word = format!("word {step}");
        let field = ["city", "address1", "postalCode"][dice.random_range(0..3)];
        let value = if dice.random_range(0..4) == 0 { Value::Null } else { json!(word) };
        match dice.random_range(0..10) {
            0 | 1 => self.at_the_terminal(Method::PUT, "contacts", Some(contact), json!({field: value})).await,
            2 | 3 => {
                app.report("contact.updated", contact, json!({field: value})).await;
            }
            4 => {
                // Both at once: a merge decides.
                self.at_the_terminal(Method::PUT, "contacts", Some(contact), json!({field: "theirs"})).await;
                app.report("contact.updated", contact, json!({field: word})).await;
            }
            5 => {
                app.report("contact.tagged", contact, json!({"tags": ["hot"]})).await;
            }
            6 => {
                app.report("contact.updated", contact, json!({"removeTags": ["hot"]})).await;
            }
            7 => {
                let data =
                    json!({"clientyTaskId": format!("t{step}"), "title": word, "dueDate": "2030-01-01T00:00:00Z"});
                app.report("task.created", contact, data).await;
            }
            8 => {
                let view = app.view(contact).await.unwrap();
                let Some(task) = view["tasks"].as_array().unwrap().iter().find(|task| task["taskId"].is_string())
                else {
                    return;
                };
                match dice.random_range(0..3) {
                    0 => app.report("task.deleted", contact, json!({"taskId": task["taskId"]})).await,
                    _ => app.report("task.updated", contact, json!({"taskId": task["taskId"], "title": word})).await,
                };
            }
            _ => {
                app.report("note.created", contact, json!({"clientyNoteId": format!("n{step}"), "noteText": word}))
                    .await;
            }
        }
    }
}

/// A view without what has no history.
fn bare(mut view: Value) -> Value {
    fn strip(value: &mut Value) {
        if let Some(object) = value.as_object_mut() {
            for name in ["sync", "syncedAt", "missing", "unread", "lastActivity", "dateUpdated", "at"] {
                object.remove(name);
            }
            // Their order means nothing.
            for list in ["tags", "customFields"] {
                if let Some(items) = object.get_mut(list).and_then(Value::as_array_mut) {
                    items.sort_by_key(Value::to_string);
                }
            }
        }
        match value {
            Value::Object(object) => object.values_mut().for_each(strip),
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut view);
    view
}

/// What a chain must hold: something that came from outside.
fn comes_from_outside(chain: &[Link]) -> bool {
    let is_outside = |link: &Link| {
        matches!(
            link,
            Link::Webhook { .. }
                | Link::Event { .. }
                | Link::Reply { .. }
                | Link::Look { .. }
                | Link::List { .. }
                | Link::Flow { .. }
        )
    };
    chain.iter().any(is_outside) && matches!(chain.last(), Some(Link::Actor { .. }))
}

async fn the_past_is_what_was_there_and_every_value_comes_from_outside(database_url: Option<String>, seed: u64) {
    let mut world = World::start(database_url).await;
    let mut dice = StdRng::seed_from_u64(seed);
    for step in 0..STEPS {
        world.act(step, &mut dice).await;
        world.look().await;
    }
    let World { flowing, contacts, seen } = &world;
    let records = &flowing.app.app.records;
    for (at, views) in seen {
        for (contact, view) in contacts.iter().zip(views) {
            let then = records.contact_view_at(&flowing.location, contact, *at).await.unwrap();
            assert_eq!(bare(json!(then)), *view, "seed {seed}: {contact} at {at}");
        }
    }
    let mut steps = BTreeSet::new();
    for contact in contacts {
        let view = flowing.app.view(contact).await.unwrap();
        let lists = ["tasks", "notes", "appointments"].map(|list| view[list].as_array().unwrap().clone());
        for record in lists.iter().flatten().chain([&view["contact"]]) {
            for (field, value) in record.as_object().unwrap() {
                let record_id = record["recordId"].as_str().unwrap();
                let why = records.why(&flowing.location, contact, Some(record_id), field).await.unwrap().unwrap();
                if sync_model::decide::fields::check_name(&format!("{}.{field}", why.record)).is_err()
                    || value.is_null()
                {
                    continue;
                }
                assert!(comes_from_outside(&why.chain), "seed {seed}: {field} of {record_id}: {why:#?}");
                steps.extend(why.chain.iter().map(|link| json!(link)["step"].as_str().unwrap().to_owned()));
            }
        }
        let query = HistoryQuery { limit: 1000, ..HistoryQuery::default() };
        let page = records.history(&flowing.location, contact, &query).await.unwrap().unwrap();
        for item in page.items {
            steps.extend(item.via.map(|via| via.word().to_owned()));
        }
    }
    for step in ["list", "webhook", "event"] {
        assert!(steps.contains(step), "the world has no {step}: {steps:?}");
    }
    let World { flowing, .. } = world;
    flowing.finish().await;
}

#[tokio::test]
async fn the_past_is_what_was_there_and_every_value_comes_from_outside_on_sqlite() {
    for seed in 1..=2 {
        the_past_is_what_was_there_and_every_value_comes_from_outside(None, seed).await;
    }
}

#[tokio::test]
async fn the_past_is_what_was_there_and_every_value_comes_from_outside_on_postgres() {
    let server = PostgresServer::start();
    let url = server.create_database("history");
    the_past_is_what_was_there_and_every_value_comes_from_outside(Some(url), 3).await;
}
