//! What happens in GHL before Clienty knows the contact there, or while it is about to: each trigger still starts its run, once.

use ghl_sandbox::WebhookFaults;
use reqwest::Method;
use serde_json::json;

use super::Flowing;
use crate::support::test_app::{Setup, TestApp};

const NOTES: &[(&str, &str)] = &[
    ("greet", "on = \"contact.created\"\n[[step]]\nevent = \"note.created\"\ndata.noteText = \"new\"\n"),
    ("vip", "on = \"contact.tagged=vip\"\n[[step]]\nevent = \"note.created\"\ndata.noteText = \"{event.tag}\"\n"),
];

async fn runs(app: &TestApp, flow: &str) -> i64 {
    let counts = app.app.records.flow_counts().await.unwrap();
    counts.get(flow).and_then(|counts| counts.get("done")).copied().unwrap_or(0)
}

#[tokio::test]
async fn who_was_created_in_ghl_is_greeted_though_a_producer_links_its_id_first() {
    let mut flowing = Flowing::calm(NOTES).await;
    flowing.app.rest().await;
    let contact = flowing.app.contact_by_hand(None, json!({"firstName": "Ada", "tags": ["vip"]})).await;
    flowing.app.report("contact.created", &contact, json!({"clientyContactId": "k1"})).await;
    flowing.app.work();
    flowing.settle().await;
    assert_eq!((runs(&flowing.app, "greet").await, runs(&flowing.app, "vip").await), (1, 1));
    // Reported again, it is no other trigger; and what Clienty creates is none.
    flowing.app.contact_by_hand(Some(&contact), json!({"city": "Bonn"})).await;
    let data = json!({"clientyContactId": "k2", "email": "ours@x.de", "tags": ["vip"]});
    flowing.app.send(json!({"type": "contact.created", "locationId": flowing.location, "data": data})).await;
    flowing.settle().await;
    assert_eq!((runs(&flowing.app, "greet").await, runs(&flowing.app, "vip").await), (1, 1));
    flowing.finish().await;
}

/// The reply to our create is lost, and GHL gives a tag to what it made before anybody here knows of it.
#[tokio::test]
async fn a_tag_that_ghl_gives_to_what_a_lost_create_made_is_an_trigger() {
    let setup = Setup { flows: NOTES, gate: true, ..Setup::impatient() };
    let flowing = Flowing::start(setup, WebhookFaults::default()).await;
    let app = &flowing.app;
    let before = app.contacts(&flowing.location);
    app.gate().hold(Method::POST, "/contacts/");
    let data = json!({"clientyContactId": "k1", "firstName": "Nora", "email": "nora@x.de", "tags": ["ours"]});
    app.send(json!({"type": "contact.created", "locationId": flowing.location, "data": data})).await;
    app.gate().answered(Method::POST, "/contacts/", 1).await;
    let made = app.contacts(&flowing.location).into_iter().find(|id| !before.contains(id)).unwrap();
    app.contact_by_hand(Some(&made), json!({"tags": ["ours", "vip"]})).await;
    app.wait_until("a run has failed", async || app.open_jobs().await.iter().any(|job| job.last_error.is_some())).await;
    app.gate().open();
    flowing.settle().await;
    assert_eq!((runs(app, "vip").await, runs(app, "greet").await), (1, 0));
    app.report("contact.selected", &made, json!({})).await;
    flowing.settle().await;
    assert_eq!(runs(app, "vip").await, 1);
    app.assert_equal(&made).await;
    flowing.finish().await;
}

/// No webhook reports the tag; a producer's create is what shows it.
#[tokio::test]
async fn a_tag_that_an_adoption_shows_first_is_an_trigger() {
    let (app, contact) = TestApp::knowing_one(Setup { flows: NOTES, ..Setup::default() }).await;
    let location = app.location().id;
    let state = app.state(&location);
    let known = state["contacts"].as_array().unwrap().iter().find(|one| one["id"] == *contact).unwrap();
    let (email, mut tags) = (known["email"].clone(), known["tags"].as_array().unwrap().clone());
    tags.push(json!("vip"));
    app.contact_by_hand(Some(&contact), json!({ "tags": tags })).await;
    let data = json!({"clientyContactId": "k1", "email": email, "city": "Ulm"});
    app.send(json!({"type": "contact.created", "locationId": location, "data": data})).await;
    app.settle().await;
    assert_eq!((runs(&app, "vip").await, runs(&app, "greet").await), (1, 0));
    app.assert_equal(&contact).await;
    app.finish().await;
}
