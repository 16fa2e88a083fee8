//! What is changed in GHL arrives here by GHL's webhooks, however they travel.

use std::collections::HashSet;

use clienty_sync::app::vault;
use clienty_sync::gateway::{Server, ServerLimits, listen};
use ghl_sandbox::{SigningKey, WebhookFaults, Webhooks};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::json;
use sync_model::clock::Clock;
use sync_workers::records::{Holder, NewToken};

use crate::support::postgres::PostgresServer;
use crate::support::test_app::{OUR_APP, SEED, Setup, TestApp};

async fn until_reported(app: &TestApp, webhooks: &Webhooks) {
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
    // The person's calls count for GHL's limit too, and nobody paces them: there is room for all.
    let app = TestApp::working(Setup { burst: 1000, ..setup }).await;
    let (server, webhooks) = app.with_webhooks(faults).await;
    let location = app.location();
    let contacts = app.contacts(&location.id);
    edit_everything(&app, &contacts).await;
    // GHL may be slow to report the last change; what is reported is there.
    until_reported(&app, &webhooks).await;
    app.settle().await;
    let mut differing = app.mismatches(&location, &contacts).await;
    // Webhooks leave it out.
    differing.retain(|mismatch| mismatch.field != "dateUpdated");
    assert_eq!(differing, []);
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

/// A gateway that GHL reports installs by an agency.
struct Agency {
    app: TestApp,
    server: Server,
}

impl Agency {
    /// Its login is known, and GHL is not asked for anything.
    async fn known() -> Self {
        let app = TestApp::idle(Setup::default()).await;
        let agency = Holder::Company("K".to_owned());
        let sealed = vault(&app.app.config).unwrap().seal(&SecretString::from("token"), "K").unwrap();
        let expires_at = Some(Clock::system().now() + SignedDuration::from_hours(24));
        let (scopes, missing_scopes) = (Some("contacts.readonly".to_owned()), String::new());
        let token = NewToken { access: Some(sealed), refresh: None, expires_at, scopes, missing_scopes };
        app.app.records.connect_company("K", &token).await.unwrap();
        assert!(app.app.records.token(&agency).await.unwrap().is_some());
        let listener = listen("127.0.0.1:0".parse().unwrap(), "none").await.unwrap();
        let server =
            Server::start(listener, app.app.gateway().routes(), ServerLimits::of(&app.app.config.gateway)).unwrap();
        Self { app, server }
    }

    /// Sends an event of the app `of`, signed; the status of the answer.
    async fn reports(&self, event: &str, of: &str, location: Option<&str>, at: Timestamp) -> u16 {
        let mut body = json!({"type": event, "appId": of, "companyId": "K", "timestamp": at});
        if let Some(location) = location {
            body["locationId"] = json!(location);
        }
        let body = body.to_string();
        let signature = SigningKey::from_seed(SEED).sign(body.as_bytes());
        let url = format!("http://{}/webhooks/ghl", self.server.address);
        let request = reqwest::Client::new().post(url).header("x-ghl-signature", signature).body(body);
        request.send().await.unwrap().status().as_u16()
    }

    /// Which of `one` and `two` are connected.
    async fn connected(&self) -> HashSet<String> {
        self.app.app.records.known_locations(&["one".to_owned(), "two".to_owned()]).await.unwrap()
    }
}

fn set(names: &[&str]) -> HashSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn an_agencys_installs_connect_locations_and_their_end_forgets_the_logins() {
    let agency = Agency::known().await;
    let now = || Clock::system().now();
    let long_ago = now() - SignedDuration::from_hours(3);
    assert_eq!(agency.reports("INSTALL", "anothers-app", Some("one"), now()).await, 200);
    assert_eq!(agency.connected().await, set(&[]), "another app's connects nothing");

    // GHL repeats for days: the agency's token opens the location, or GHL says that it does not.
    assert_eq!(agency.reports("INSTALL", OUR_APP, Some("one"), long_ago).await, 200);
    assert_eq!(agency.reports("INSTALL", OUR_APP, Some("two"), now()).await, 200);
    assert_eq!(agency.connected().await, set(&["one", "two"]));

    let before = now() - SignedDuration::from_mins(5);
    assert_eq!(agency.reports("UNINSTALL", OUR_APP, Some("one"), before).await, 200);
    assert_eq!(agency.connected().await, set(&["one", "two"]), "it is of an install before");
    assert_eq!(agency.reports("UNINSTALL", OUR_APP, Some("one"), now()).await, 200);
    assert_eq!(agency.connected().await, set(&["two"]));

    assert_eq!(agency.reports("UNINSTALL", OUR_APP, None, now()).await, 200);
    assert_eq!(agency.connected().await, set(&[]));
    assert!(agency.app.app.records.token(&Holder::Company("K".to_owned())).await.unwrap().is_none());
    agency.server.stop().await;
    agency.app.finish().await;
}
