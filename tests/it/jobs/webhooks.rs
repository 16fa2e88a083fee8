//! What is changed in GHL arrives here by GHL's webhooks, however they travel.

use clienty_sync::sandbox::{WebhookFaults, Webhooks};
use reqwest::Method;
use serde_json::json;

use crate::support::postgres::PostgresServer;
use crate::support::test_app::{Setup, TestApp};

async fn until_told(app: &TestApp, webhooks: &Webhooks) {
    app.wait_until("all webhooks are delivered", async || webhooks.stats().pending == 0).await;
}

/// Edits contacts, tasks and notes in GHL, some contacts again and again, and deletes one at last.
async fn edit_everything(app: &TestApp, contacts: &[String]) {
    for round in 0..3 {
        for contact in contacts {
            let path = format!("/contacts/{contact}");
            app.by_hand(Method::PUT, &path, json!({"city": format!("City {round}")})).await;
            let note = app.by_hand(Method::POST, &format!("{path}/notes"), json!({"body": "Written in GHL"})).await;
            if round == 1 {
                let id = note["note"]["id"].as_str().unwrap();
                app.by_hand(Method::PUT, &format!("{path}/notes/{id}"), json!({"body": "Written again"})).await;
                let due = json!({"title": "Made in GHL", "dueDate": "2035-01-01T09:00:00Z", "completed": false});
                app.by_hand(Method::POST, &format!("{path}/tasks"), due).await;
            }
        }
    }
    app.by_hand(Method::DELETE, &format!("/contacts/{}", contacts[0]), json!({})).await;
}

async fn everything_arrives(setup: Setup, faults: WebhookFaults) {
    let app = TestApp::working(setup).await;
    let (server, webhooks) = app.with_webhooks(faults).await;
    let location = app.location();
    let contacts = app.contacts(&location.id);
    edit_everything(&app, &contacts).await;
    // GHL may be slow to tell of the last change; what is told is there.
    until_told(&app, &webhooks).await;
    app.settle().await;
    assert_eq!(app.mismatches(&location, &contacts).await, []);
    assert_eq!(app.view(&contacts[0]).await, None);
    let stats = webhooks.stats();
    assert_eq!((stats.given_up, stats.lost), (0, 0), "{stats:?}");
    server.stop().await;
    app.finish().await;
}

fn storm() -> WebhookFaults {
    WebhookFaults { duplicate: 300, delay: 500, delay_ms: 800, ..WebhookFaults::default() }
}

#[tokio::test]
async fn whatever_is_edited_in_ghl_arrives_without_any_event_of_clientys() {
    everything_arrives(Setup::default(), WebhookFaults::default()).await;
}

#[tokio::test]
async fn webhooks_that_come_twice_and_in_any_order_end_in_what_ghl_has() {
    everything_arrives(Setup::default(), storm()).await;
}

#[tokio::test]
async fn webhooks_that_come_twice_and_in_any_order_end_in_what_ghl_has_over_postgres() {
    let server = PostgresServer::start();
    everything_arrives(Setup { database_url: Some(server.url()), ..Setup::default() }, storm()).await;
}

#[tokio::test]
async fn a_forged_webhook_changes_nothing() {
    let app = TestApp::working(Setup::default()).await;
    let (server, webhooks) = app.with_webhooks(WebhookFaults { bad_signature: 1000, ..WebhookFaults::default() }).await;
    let contact = app.contacts(&app.location().id).remove(0);
    app.by_hand(Method::PUT, &format!("/contacts/{contact}"), json!({"city": "Rome"})).await;
    app.wait_until("it is answered", async || webhooks.stats().answers.contains_key(&401)).await;
    app.settle().await;
    assert_eq!(app.view(&contact).await, None);
    server.stop().await;
    app.finish().await;
}
