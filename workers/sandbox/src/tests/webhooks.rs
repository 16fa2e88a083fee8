//! Webhooks, as whoever listens meets them.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Bench, answer};
use crate::webhooks::{SigningKey, WebhookConfig, WebhookFaults, Webhooks};

/// Takes what comes, and remembers it.
#[derive(Clone)]
struct Listener {
    heard: Arc<Mutex<Vec<Delivery>>>,
    url: String,
}

#[derive(Clone)]
struct Delivery {
    body: Bytes,
    headers: HeaderMap,
}

impl Delivery {
    fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn is_signed(&self, seed: u64) -> bool {
        let pem = SigningKey::from_seed(seed).public_pem();
        let der = STANDARD.decode(pem.lines().nth(1).unwrap()).unwrap();
        let signature = STANDARD.decode(self.headers["x-ghl-signature"].to_str().unwrap()).unwrap();
        UnparsedPublicKey::new(&ED25519, &der[12..]).verify(&self.body, &signature).is_ok()
    }
}

impl Listener {
    /// The first `refusals` deliveries are answered with `status`, all others with 200.
    async fn start(status: StatusCode, refusals: usize) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&heard);
        let take = async move |headers: HeaderMap, body: Bytes| {
            let mut taken = taken.lock().unwrap();
            taken.push(Delivery { body, headers });
            if taken.len() <= refusals { status } else { StatusCode::OK }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, Router::new().route("/", post(take))).into_future());
        Self { heard, url }
    }

    fn heard(&self) -> Vec<Delivery> {
        self.heard.lock().unwrap().clone()
    }
}

async fn until_nothing_is_pending(webhooks: &Webhooks, changes: u64) {
    let is_idle = || {
        let stats = webhooks.stats();
        stats.changes >= changes && stats.pending == 0
    };
    tokio::time::timeout(Duration::from_secs(60), async {
        while !is_idle() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{:?}", webhooks.stats()));
}

fn quick(url: &str) -> WebhookConfig {
    WebhookConfig { retry_interval: Duration::from_millis(1), ..WebhookConfig::new(url, 42) }
}

async fn rename(bench: &Bench, city: &str) {
    let path = format!("/contacts/{}", bench.contact());
    let (status, _) = bench.send(Method::PUT, &path, json!({ "city": city })).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn every_change_that_ghl_tells_of_is_told_signed_and_as_in_its_documents() {
    let bench = Bench::plain().await;
    let listener = Listener::start(StatusCode::OK, 0).await;
    let webhooks = Webhooks::send(quick(&listener.url), &bench.sandbox).unwrap();
    let new = json!({ "locationId": bench.location, "name": "Ada King" });
    let (_, body) = bench.send(Method::POST, "/contacts/", new).await;
    let path = format!("/contacts/{}", body["contact"]["id"].as_str().unwrap());
    bench.send(Method::PUT, &path, json!({ "tags": ["VIP"], "dnd": true, "city": "Rome" })).await;
    let due = json!({ "title": "Call", "body": "Soon", "dueDate": "2026-10-25T11:00:00Z", "completed": false });
    let (_, body) = bench.send(Method::POST, &format!("{path}/tasks"), due).await;
    let task = format!("{path}/tasks/{}", body["task"]["id"].as_str().unwrap());
    // Of an edited task GHL reports nothing.
    bench.send(Method::PUT, &task, json!({ "title": "Call twice" })).await;
    bench.send(Method::PUT, &format!("{task}/completed"), json!({ "completed": true })).await;
    answer(bench.call(Method::DELETE, &task).send().await.unwrap()).await;
    let (_, body) = bench.send(Method::POST, &format!("{path}/notes"), json!({ "body": "Hello" })).await;
    let note = format!("{path}/notes/{}", body["note"]["id"].as_str().unwrap());
    bench.send(Method::PUT, &note, json!({ "body": "Hello again" })).await;
    answer(bench.call(Method::DELETE, &note).send().await.unwrap()).await;
    answer(bench.call(Method::DELETE, &path).send().await.unwrap()).await;
    until_nothing_is_pending(&webhooks, 11).await;

    let heard = listener.heard();
    let types: BTreeSet<_> = heard.iter().map(|one| one.event()["type"].as_str().unwrap().to_owned()).collect();
    let expected = [
        "ContactCreate",
        "ContactDelete",
        "ContactDndUpdate",
        "ContactTagUpdate",
        "ContactUpdate",
        "NoteCreate",
        "NoteDelete",
        "NoteUpdate",
        "TaskComplete",
        "TaskCreate",
        "TaskDelete",
    ];
    assert_eq!(types.iter().collect::<Vec<_>>(), expected);
    assert_eq!(heard.len(), 11);
    let ids: BTreeSet<_> = heard.iter().map(|one| one.event()["webhookId"].to_string()).collect();
    assert_eq!(ids.len(), 11);
    for delivery in &heard {
        assert!(delivery.is_signed(42));
        assert_eq!(delivery.event()["locationId"], bench.location);
        assert_fields_are_documented(&delivery.event());
    }
}

/// GHL's documents list the fields of each event; on the wire it adds a time and an id.
fn assert_fields_are_documented(event: &Value) {
    let Some(folder) = std::env::var_os("GHL_DOCS_DIR").map(|docs| PathBuf::from(docs).join("webhooks")) else {
        eprintln!("GHL_DOCS_DIR is not set: the fields were not looked at");
        return;
    };
    let name = event["type"].as_str().unwrap();
    let document: Value = serde_json::from_slice(&fs::read(folder.join(format!("{name}.json"))).unwrap()).unwrap();
    let sample = document["examples"][0].as_object().unwrap();
    for field in event.as_object().unwrap().keys().filter(|field| !["timestamp", "webhookId"].contains(&field.as_str()))
    {
        assert!(sample.contains_key(field), "{name} has no {field}");
    }
}

#[tokio::test]
async fn a_delivery_is_repeated_after_a_429_six_times_and_after_other_refusals_twelve() {
    for (status, retries, refusals, deliveries, given_up) in [
        (StatusCode::TOO_MANY_REQUESTS, 12, 3, 4, 0),
        (StatusCode::TOO_MANY_REQUESTS, 12, 100, 7, 1),
        (StatusCode::INTERNAL_SERVER_ERROR, 12, 100, 13, 1),
        (StatusCode::SERVICE_UNAVAILABLE, 12, 5, 6, 0),
        (StatusCode::UNAUTHORIZED, 12, 100, 13, 1),
        // As it was until the summer of 2026.
        (StatusCode::TOO_MANY_REQUESTS, 0, 100, 7, 1),
        (StatusCode::UNAUTHORIZED, 0, 100, 1, 1),
    ] {
        let bench = Bench::plain().await;
        let listener = Listener::start(status, refusals).await;
        let config = WebhookConfig { retries, ..quick(&listener.url) };
        let webhooks = Webhooks::send(config, &bench.sandbox).unwrap();
        rename(&bench, "Rome").await;
        until_nothing_is_pending(&webhooks, 1).await;
        let heard = listener.heard();
        assert_eq!((heard.len(), webhooks.stats().given_up), (deliveries, given_up), "{status}");
        let ids: BTreeSet<_> = heard.iter().map(|one| one.headers["deliveryId"].clone().as_bytes().to_vec()).collect();
        assert_eq!(ids.len(), 1, "GHL keeps the id of a delivery");
    }
}

#[tokio::test]
async fn what_goes_wrong_goes_wrong_as_often_as_set() {
    let all = |faults: WebhookFaults| async move {
        let bench = Bench::plain().await;
        let listener = Listener::start(StatusCode::OK, 0).await;
        let webhooks = Webhooks::send(WebhookConfig { faults, ..quick(&listener.url) }, &bench.sandbox).unwrap();
        let due = json!({ "title": "Call", "dueDate": "2026-10-25T11:00:00Z", "completed": false });
        bench.send(Method::POST, &format!("/contacts/{}/tasks", bench.contact()), due).await;
        until_nothing_is_pending(&webhooks, 1).await;
        (listener.heard(), webhooks.stats())
    };
    let (heard, stats) = all(WebhookFaults { lose: 1000, ..WebhookFaults::default() }).await;
    assert_eq!((heard.len(), stats.lost), (0, 1));
    let (heard, _) = all(WebhookFaults { duplicate: 1000, delay: 1000, delay_ms: 5, ..WebhookFaults::default() }).await;
    assert_eq!(heard.len(), 2);
    assert_eq!(heard[0].body, heard[1].body);
    let (heard, _) = all(WebhookFaults { bad_signature: 1000, ..WebhookFaults::default() }).await;
    assert!(!heard[0].is_signed(42));
    let (heard, _) = all(WebhookFaults { bare_task: 1000, ..WebhookFaults::default() }).await;
    assert_eq!(heard[0].event()["contactId"], Value::Null);
    assert!(heard[0].event()["id"].is_string());
}

#[tokio::test]
async fn the_same_seed_strikes_the_same_webhooks() {
    let struck = |seed: u64| async move {
        let bench = Bench::plain().await;
        let listener = Listener::start(StatusCode::OK, 0).await;
        let faults = WebhookFaults { lose: 300, duplicate: 300, bad_signature: 300, ..WebhookFaults::default() };
        let config = WebhookConfig { faults, seed, ..quick(&listener.url) };
        let webhooks = Webhooks::send(config, &bench.sandbox).unwrap();
        for number in 0..40 {
            rename(&bench, &format!("City {number}")).await;
        }
        until_nothing_is_pending(&webhooks, 40).await;
        let heard = listener.heard();
        let mut seen: Vec<_> = heard.iter().map(|one| (one.event()["city"].to_string(), one.is_signed(seed))).collect();
        seen.sort();
        seen
    };
    let (one, again, other) = (struck(42).await, struck(42).await, struck(43).await);
    assert_eq!(one, again);
    assert_ne!(one, other);
}
