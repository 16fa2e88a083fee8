//! Law 8: a webhook that shows our own write changes nothing and costs no call; what a person edited beside it is not swallowed.

use clienty_sync::triggers::webhook::Webhook;
use serde_json::{Value, json};
use sync_model::clock::Clock;
use sync_workers::jobs;

use super::contacts::start;
use crate::support::test_app::TestApp;

/// GHL's event about a contact as it is, with `edited` as well.
async fn webhook(app: &TestApp, contact: &str, id: &str, edited: Value) {
    let location = app.location().id;
    let state = app.state(&location);
    let mut body = state["contacts"].as_array().unwrap().iter().find(|held| held["id"] == contact).unwrap().clone();
    for (name, value) in edited.as_object().unwrap() {
        body[name] = value.clone();
    }
    // What the documents show: strings that are there though empty, and no date of change.
    for name in ["companyName", "dateOfBirth", "website", "assignedTo", "source", "dnd"] {
        if body.get(name).is_none() {
            body[name] = Value::Null;
        }
    }
    body.as_object_mut().unwrap().remove("dateUpdated");
    body["type"] = json!("ContactUpdate");
    body["webhookId"] = json!(id);
    let now = Clock::system().now();
    body["timestamp"] = json!(now);
    let taken = Webhook::read(body.to_string().as_bytes()).unwrap().accepted(now);
    let outcome = app.app.records.accept_webhooks(&[taken]).await.unwrap().remove(0);
    let key = outcome.job.expect("it asks for a pull");
    app.app.queue.push(&[jobs::new_job(&key, job_engine::Priority::Realtime)]).await.unwrap();
    app.settle().await;
}

#[tokio::test]
async fn an_own_write_that_comes_back_costs_no_call_and_changes_nothing() {
    let (app, contact) = start().await;
    app.report("contact.updated", &contact, json!({"city": "Bonn", "email": "New@Example.com"})).await;
    app.report("contact.tagged", &contact, json!({"tags": ["ours"]})).await;
    app.settle().await;
    let location = app.location().id;
    let feed = async || app.app.records.list_changes(None, 1000).await.unwrap().items.len();
    let before = (app.all_calls(&location), feed().await);
    for id in ["w1", "w2"] {
        webhook(&app, &contact, id, json!({})).await;
    }
    assert_eq!((app.all_calls(&location), feed().await), before);
    let reported = app.app.metrics.render().unwrap();
    assert!(reported.contains("clienty_webhooks_total{result=\"echo\",type=\"ContactUpdate\"} 2\n"), "{reported}");
    app.finish().await;
}

#[tokio::test]
async fn what_a_person_edited_in_the_same_second_is_taken_from_the_event_without_a_call() {
    let (app, contact) = start().await;
    app.report("contact.updated", &contact, json!({"city": "Bonn"})).await;
    app.settle().await;
    let location = app.location().id;
    let calls = app.all_calls(&location);
    webhook(&app, &contact, "w1", json!({"address1": "Theirs 1"})).await;
    assert_eq!(app.all_calls(&location), calls);
    let view = app.view(&contact).await.unwrap();
    assert_eq!((&view["contact"]["city"], &view["contact"]["address1"]), (&json!("Bonn"), &json!("Theirs 1")));
    app.finish().await;
}
