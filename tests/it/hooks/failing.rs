//! Receivers that are down, slow or rude: nothing is lost, the order of each contact is kept, and what is missing can be seen.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{hook, path, send, working};
use crate::support::receiver::{Does, Receiver, accounted, missing_values};
use crate::support::test_app::TestApp;

/// Fetches the contacts, so that what happens to them is an edit.
async fn known(app: &TestApp, count: usize) -> Vec<String> {
    let contacts: Vec<String> = app.contacts(&app.location().id).into_iter().take(count).collect();
    for contact in &contacts {
        app.report("contact.selected", contact, json!({})).await;
    }
    app.settle().await;
    contacts
}

async fn edit(app: &TestApp, contacts: &[String], city: &str) {
    for contact in contacts {
        app.report("contact.updated", contact, json!({ "city": city })).await;
    }
    app.settle().await;
}

/// The newest city that was reported about each contact; and that no contact was reported about something older after something newer.
fn newest(bodies: &[Value]) -> BTreeMap<String, String> {
    let (mut newest, mut last) = (BTreeMap::new(), BTreeMap::new());
    for body in bodies {
        let contact = body["data"]["id"].as_str().unwrap().to_owned();
        let sequence = body["sequence"].as_i64().unwrap();
        let before = last.insert(contact.clone(), sequence).unwrap_or(0);
        assert!(before <= sequence, "{contact} was told of {sequence} after {before}");
        newest.insert(contact, body["data"]["city"].as_str().unwrap_or_default().to_owned());
    }
    newest
}

#[tokio::test]
async fn whatever_a_receiver_does_nothing_is_lost_and_each_contact_is_reported_in_order() {
    let (app, _server, _webhooks, api) = working().await;
    let contacts = known(&app, 4).await;
    let receiver = Receiver::start().await;
    let made = hook(&api, &receiver, &["contact.updated"], json!({"ignoreOwn": false})).await;
    let moods = [
        Does::Answer(500),
        Does::HangUp,
        Does::AskLater(429, 1),
        Does::Take,
        Does::Answer(404),
        Does::AskLater(503, 1),
        Does::Answer(302),
        Does::TakeAndHangUp,
        Does::SayNothing,
    ];
    for (number, does) in moods.into_iter().enumerate() {
        let before = receiver.came().len();
        receiver.does(does);
        edit(&app, &contacts, &format!("city {number}")).await;
        app.wait_until("the receiver was asked", async || receiver.came().len() > before).await;
    }
    receiver.does(Does::Take);
    let is_reported =
        |taken: &[Value]| newest(taken).values().filter(|city| *city == "city 8").count() == contacts.len();
    let taken = receiver.until("all is told", is_reported).await;
    receiver.assert_all_verified();
    assert_eq!(missing_values(&taken), [0; 0]);
    app.wait_until("nothing is open", async || {
        api.get(&format!("{}/deliveries?state=open", path(&made))).await.json()["deliveries"] == json!([])
    })
    .await;
    // Every change of the feed that it was to learn of is accounted for.
    let reported: BTreeSet<i64> = receiver.taken().iter().flat_map(accounted).map(|(seq, _)| seq).collect();
    let kept = api.get(&format!("{}/deliveries?limit=500", path(&made))).await.json();
    let pending: BTreeSet<i64> =
        kept["deliveries"].as_array().unwrap().iter().map(|one| one["sequence"].as_i64().unwrap()).collect();
    assert_eq!(reported, pending);
    let shown = api.get(&path(&made)).await.json();
    assert_eq!((&shown["state"], &shown["failingSince"]), (&json!("active"), &json!(null)), "{shown}");
    app.finish().await;
}

#[tokio::test]
async fn an_endpoint_that_was_down_gets_each_contact_once_with_its_newest_state() {
    let (app, _server, _webhooks, api) = working().await;
    let contacts = known(&app, 6).await;
    let receiver = Receiver::start().await;
    hook(&api, &receiver, &["contact.updated"], json!({"ignoreOwn": false})).await;
    receiver.does(Does::AskLater(503, 5));
    for number in 0..10 {
        edit(&app, &contacts, &format!("city {number}")).await;
    }
    app.wait_until("the receiver was asked", async || !receiver.came().is_empty()).await;
    receiver.does(Does::Take);
    let is_reported =
        |taken: &[Value]| newest(taken).values().filter(|city| *city == "city 9").count() == contacts.len();
    let taken = receiver.until("all is told", is_reported).await;
    assert_eq!(taken.len(), contacts.len(), "{taken:#?}");
    assert_eq!(missing_values(&taken), [0; 0]);
    let changes: usize = taken.iter().map(|body| accounted(body).len()).sum();
    assert!(changes >= 60, "only {changes} changes are accounted for");
    app.finish().await;
}

#[tokio::test]
async fn a_message_is_given_up_after_its_tries_seen_as_a_gap_and_sent_again_on_request() {
    let (app, _server, _webhooks, api) = working().await;
    let contacts = known(&app, 2).await;
    let receiver = Receiver::start().await;
    let made = hook(&api, &receiver, &["contact.updated"], json!({"ignoreOwn": false})).await;
    receiver.does(Does::Take);
    edit(&app, &contacts[..1], "first").await;
    receiver.until("the first edit is told", |taken| !taken.is_empty()).await;
    receiver.does(Does::Answer(500));
    edit(&app, &contacts[..1], "lost").await;
    let failed = format!("{}/deliveries?state=failed", path(&made));
    // Its tries, without the days between them.
    app.wait_until("the message is given up", async || {
        app.sql("update hook_deliveries set attempts = 9, next_at = null where state = 'open' and attempts > 0").await;
        api.get(&failed).await.json()["deliveries"] != json!([])
    })
    .await;
    let tries: BTreeSet<String> =
        receiver.came().into_iter().filter(|came| came.body["data"]["city"] == "lost").map(|came| came.id).collect();
    assert_eq!(tries.len(), 1, "each try has the same id");
    let given_up = api.get(&failed).await.json()["deliveries"][0].clone();
    assert_eq!((&given_up["status"], &given_up["error"]), (&json!(500), &json!("the receiver answered 500")));
    receiver.does(Does::Take);
    edit(&app, &contacts[1..], "third").await;
    let taken = receiver.until("the next edit is told", |taken| newest(taken).len() == 2).await;
    assert_eq!(missing_values(&taken), [given_up["sequence"].as_i64().unwrap()]);
    let resend = format!("{}/deliveries/{}/resend", path(&made), given_up["id"].as_str().unwrap());
    assert_eq!(send(&api, "POST", &resend, json!({})).await.status, 202);
    let taken = receiver.until("it is told after all", |taken| missing_values(taken).is_empty()).await;
    assert_eq!(taken.last().unwrap()["data"]["city"], "lost");
    app.finish().await;
}

#[tokio::test]
async fn a_hook_that_fails_for_days_is_disabled_and_reported_what_it_missed_once_it_is_enabled() {
    let (app, _server, _webhooks, api) = working().await;
    let contacts = known(&app, 2).await;
    let receiver = Receiver::start().await;
    let made = hook(&api, &receiver, &["contact.updated"], json!({"ignoreOwn": false})).await;
    receiver.does(Does::Answer(500));
    edit(&app, &contacts[..1], "first").await;
    app.wait_until("it fails", async || !api.get(&path(&made)).await.json()["failingSince"].is_null()).await;
    app.sql("update hooks set failing_since = failing_since - 120 * 3600 * 1000").await;
    app.sql("update hook_deliveries set next_at = null where state = 'open'").await;
    edit(&app, &contacts[..1], "second").await;
    app.wait_until("it is disabled", async || api.get(&path(&made)).await.json()["state"] == "disabled").await;
    let asked = receiver.came().len();
    edit(&app, &contacts, "missed").await;
    receiver.does(Does::Take);
    assert_eq!(receiver.came().len(), asked, "nobody tells a disabled hook");
    let enabled = send(&api, "POST", &format!("{}/enable", path(&made)), json!({})).await;
    assert_eq!(enabled.json()["state"], "active", "{}", enabled.text);
    let is_reported = |taken: &[Value]| newest(taken).values().filter(|city| *city == "missed").count() == 2;
    let taken = receiver.until("what was missed is told", is_reported).await;
    assert_eq!(missing_values(&taken), [0; 0]);
    let recover = format!("{}/recover", path(&made));
    let recovered = send(&api, "POST", &recover, json!({"since": "2020-01-01T00:00:00Z"})).await;
    assert!(recovered.json()["changes"].as_u64().unwrap() >= 4, "{}", recovered.text);
    send(&api, "POST", &recover, json!({})).await.problem(422);
    app.finish().await;
}

#[tokio::test]
async fn a_receiver_that_wants_no_more_is_reported_no_more() {
    let (app, _server, _webhooks, api) = working().await;
    let contacts = known(&app, 1).await;
    let receiver = Receiver::start().await;
    let made = hook(&api, &receiver, &["*"], json!({"ignoreOwn": false})).await;
    receiver.does(Does::Answer(410));
    edit(&app, &contacts, "first").await;
    app.wait_until("it is disabled", async || api.get(&path(&made)).await.json()["state"] == "disabled").await;
    let shown = api.get(&path(&made)).await.json();
    assert_eq!(shown["disabledWhy"], "the receiver answered 410 Gone");
    edit(&app, &contacts, "second").await;
    assert_eq!(receiver.came().len(), 1);
    app.finish().await;
}
