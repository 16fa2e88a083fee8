//! What listeners learn of.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::{Bench, answer};
use crate::SandboxConfig;

#[tokio::test]
async fn every_change_is_told_once_in_order_and_with_the_record() {
    let bench = Bench::plain().await;
    let mut changes = bench.sandbox.changes();
    let new = json!({ "locationId": bench.location, "name": "Ada King" });
    let (_, body) = bench.send(Method::POST, "/contacts/", new).await;
    let id = body["contact"]["id"].as_str().unwrap();
    let path = format!("/contacts/{id}");
    bench.send(Method::PUT, &path, json!({ "tags": ["VIP"] })).await;
    bench.send(Method::PUT, &path, json!({ "tags": ["VIP"], "dnd": true, "city": "Rome" })).await;
    bench.send(Method::PUT, &path, json!({ "city": "Rome" })).await;
    bench.send(Method::PUT, &path, json!({ "unheardOf": true })).await;
    let due = json!({ "title": "Call", "dueDate": "2026-10-25T11:00:00Z", "completed": false });
    let (_, body) = bench.send(Method::POST, &format!("{path}/tasks"), due).await;
    let task = format!("{path}/tasks/{}", body["task"]["id"].as_str().unwrap());
    bench.send(Method::PUT, &task, json!({ "title": "Call twice" })).await;
    bench.send(Method::PUT, &format!("{task}/completed"), json!({ "completed": true })).await;
    answer(bench.call(Method::DELETE, &task).send().await.unwrap()).await;
    answer(bench.call(Method::DELETE, &path).send().await.unwrap()).await;

    let mut heard = Vec::new();
    while let Ok(change) = changes.try_recv() {
        assert_eq!((change.location.as_str(), change.contact.as_str()), (bench.location.as_str(), id));
        assert_eq!(change.record["id"], change.id);
        heard.push(change.event);
    }
    let expected = [
        "ContactCreate",
        "ContactTagUpdate",
        "ContactDndUpdate",
        "ContactUpdate",
        "ContactUpdate",
        "TaskCreate",
        "TaskUpdate",
        "TaskComplete",
        "TaskDelete",
        "ContactDelete",
    ];
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn with_a_lag_the_search_shows_what_was_and_a_read_by_id_what_is() {
    let search_lag = Duration::from_secs(3600);
    let bench = Bench::start(SandboxConfig { search_lag, ..SandboxConfig::default() }).await;
    let id = bench.contact();
    let search = json!({ "locationId": bench.location, "pageLimit": 500 });
    let (_, before) = bench.send(Method::POST, "/contacts/search", search.clone()).await;
    bench.send(Method::PUT, &format!("/contacts/{id}"), json!({ "city": "Rome" })).await;
    bench.send(Method::POST, "/contacts/", json!({ "locationId": bench.location, "name": "Ada King" })).await;
    assert_eq!(bench.get(&format!("/contacts/{id}")).await.1["contact"]["city"], "Rome");
    let (_, after) = bench.send(Method::POST, "/contacts/search", search).await;
    assert_eq!(after["contacts"], before["contacts"]);
    assert_eq!(bench.state()["contacts"].as_array().unwrap().len(), 26);
}
