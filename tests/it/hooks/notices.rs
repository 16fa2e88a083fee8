//! Events of the system: what happened to no record is sent as well, in one chain with the changes.

use serde_json::{Value, json};
use sync_workers::records::hook_event as event;
use sync_workers::records::{Action, KeyPlace, NewKey, Places, Purpose, Role};

use super::{hook, key, path, send, setup, working};
use crate::support::receiver::{Receiver, missing_values};
use crate::support::test_app::{Setup, TestApp};

/// Above all places of the feed.
const BEYOND: i64 = 1 << 52;

fn types(taken: &[Value]) -> Vec<&str> {
    taken.iter().map(|body| body["type"].as_str().unwrap()).collect()
}

fn has(taken: &[Value], event: &str) -> bool {
    types(taken).contains(&event)
}

#[tokio::test]
async fn what_happens_to_the_system_is_sent_in_one_chain_with_the_changes_and_the_feed_does_not_list_it() {
    let (app, server, _webhooks, api) = working().await;
    let (all, records) = (Receiver::start().await, Receiver::start().await);
    hook(&api, &all, &["*", "job.died", "audit.*", "location.*"], json!({})).await;
    hook(&api, &records, &["*"], json!({})).await;
    let contact = app.contacts(&app.location().id).remove(0);
    app.report("contact.selected", &contact, json!({})).await;
    all.until("the contact is sent", |taken| has(taken, "contact.created")).await;
    let dead = app.report("contact.selected", "no-contact", json!({})).await;
    all.until("the dead job is sent", |taken| has(taken, "job.died")).await;
    super::api(&app, &server, "third").await;
    app.contact_by_hand(Some(&contact), json!({"city": "Rome"})).await;
    let edited = |taken: &[Value]| has(taken, "audit.key.create") && has(taken, "contact.updated");
    let taken = all.until("the new key and the edit are sent", edited).await;
    all.assert_all_verified();

    assert_eq!(missing_values(&taken), [0; 0], "{:?}", types(&taken));
    let died = taken.iter().find(|body| body["type"] == "job.died").unwrap();
    assert_eq!((&died["recordId"], &died["locationId"]), (&json!(dead), &json!(app.location().id)));
    assert_eq!(died["data"], json!({"kind": "pull_contact", "recordId": dead}));
    let act = taken.iter().find(|body| body["type"] == "audit.key.create").unwrap();
    assert_eq!((&act["locationId"], &act["data"]["action"]), (&json!(null), &json!("key.create")));
    assert!(act["data"]["hash"].is_string() && act["sequence"].as_i64().unwrap() > BEYOND, "{act}");

    // The feed has no number that a notice took, and none of the notices.
    let feed = api.get("/v1/changes").await.json();
    let seqs: Vec<i64> = feed["changes"].as_array().unwrap().iter().map(|item| item["seq"].as_i64().unwrap()).collect();
    assert!(!seqs.is_empty() && seqs.iter().copied().eq(1..=i64::try_from(seqs.len()).unwrap()), "{seqs:?}");
    let reported = records.until("the edit is sent", |taken| has(taken, "contact.updated")).await;
    assert!(types(&reported).iter().all(|name| event::EVENTS.contains(name)), "{:?}", types(&reported));
    let own = |taken: &[Value]| -> Vec<Value> {
        let of_feed = |body: &&Value| body["sequence"].as_i64().unwrap() < BEYOND;
        taken.iter().filter(of_feed).map(|body| body["sequence"].clone()).collect()
    };
    assert_eq!(own(&taken), own(&reported), "both hear of the same changes");
    app.finish_with_dead(1).await;
}

#[tokio::test]
async fn a_circuit_that_opens_and_closes_is_sent_once_and_so_are_logins_and_imports() {
    let (app, _server, _webhooks, api) = working().await;
    let receiver = Receiver::start().await;
    hook(&api, &receiver, &["location.*", "import.done"], json!({})).await;
    let location = app.location();
    app.sandbox.set_token_revoked(&location.id, true);
    let contact = app.contacts(&location.id).remove(0);
    app.report("contact.selected", &contact, json!({})).await;
    receiver.until("the open circuit is sent", |taken| has(taken, "location.broken")).await;
    app.sandbox.set_token_revoked(&location.id, false);
    let taken = receiver.until("the closed one is sent", |taken| has(taken, "location.recovered")).await;
    assert!(taken.last().unwrap()["data"]["brokenSince"].is_string(), "{taken:?}");
    app.settle().await;
    app.connect(&location.id, &location.token).await;
    let scan = app.app.records.begin_scan(&location.id, Purpose::Import, false, 0).await.unwrap().unwrap();
    app.requeue().await;
    let taken = receiver.until("the import is sent", |taken| has(taken, "import.done")).await;
    let done = taken.iter().find(|body| body["type"] == "import.done").unwrap();
    assert_eq!(
        (&done["recordId"], &done["data"]["contacts"]),
        (&json!(scan.id), &json!(app.contacts(&location.id).len()))
    );
    assert!(app.app.records.disconnect(&location.id).await.unwrap());
    let taken = receiver.until("the login is gone", |taken| has(taken, "location.disconnected")).await;
    for name in ["location.broken", "location.recovered", "location.connected", "import.done", "location.disconnected"]
    {
        assert_eq!(types(&taken).iter().filter(|one| **one == name).count(), 1, "{name}: {:?}", types(&taken));
    }
    assert_eq!(missing_values(&taken), [0; 0]);
    app.finish().await;
}

#[tokio::test]
async fn a_key_of_one_location_receives_of_that_alone() {
    let app = TestApp::working(Setup { locations: 2, ..setup() }).await;
    let (server, _webhooks) = app.with_webhooks(Default::default()).await;
    let ids: Vec<String> = app.sandbox.locations().into_iter().map(|location| location.id).collect();
    let one = Places::Listed(vec![KeyPlace::Location(ids[0].clone())]);
    let narrow = NewKey { roles: vec![Role::Admin], locations: one, ..NewKey::of_all("one") };
    let (narrow, wide) = (key(&app, &server, narrow).await, super::api(&app, &server, "all").await);
    let (of_one, of_all) = (Receiver::start().await, Receiver::start().await);
    for (api, receiver) in [(&narrow, &of_one), (&wide, &of_all)] {
        hook(api, receiver, &["job.died", "audit.*"], json!({})).await;
    }
    for id in [&ids[1], &ids[0]] {
        let event = json!({"type": "contact.selected", "locationId": id, "contactId": "no-contact"});
        app.send(event).await;
        app.settle().await;
        of_all.until("it is sent", |taken| taken.iter().any(|body| body["locationId"] == **id)).await;
    }
    let taken = of_one.until("its own is sent", |taken| !taken.is_empty()).await;
    assert!(taken.iter().all(|body| body["locationId"] == ids[0]), "{taken:?}");
    app.finish_with_dead(2).await;
}

#[tokio::test]
async fn a_hook_that_is_disabled_is_sent_to_the_others_and_what_a_hook_missed_is_recovered() {
    let (app, _server, _webhooks, api) = working().await;
    let receiver = Receiver::start().await;
    let watching = hook(&api, &receiver, &["hook.disabled"], json!({})).await;
    let other = hook(&api, &receiver, &["*"], json!({})).await;
    send(&api, "POST", &format!("{}/disable", path(&other)), json!({})).await;
    let taken = receiver.until("it is sent", |taken| has(taken, "hook.disabled")).await;
    assert_eq!((&taken[0]["recordId"], &taken[0]["data"]["why"]), (&other["id"], &json!("by request")));
    // The samples of it are what was, and one is sent to try.
    let sample = api.get("/v1/hooks/sample?event=hook.disabled").await.json();
    assert_eq!((&sample[0]["recordId"], &sample[0]["type"]), (&other["id"], &json!("hook.disabled")));
    let keys = |body: &Value| body.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&sample[0]), keys(&taken[0]), "a sample has the shape of a message");
    let trial = send(&api, "POST", &format!("{}/test", path(&watching)), json!({"event": "audit.key.create"})).await;
    assert_eq!(trial.json()["taken"], true, "{}", trial.text);

    // A second one while the hook itself gets nothing.
    send(&api, "POST", &format!("{}/disable", path(&watching)), json!({})).await;
    let third = hook(&api, &receiver, &["*"], json!({})).await;
    send(&api, "POST", &format!("{}/disable", path(&third)), json!({})).await;
    send(&api, "POST", &format!("{}/enable", path(&watching)), json!({})).await;
    let is_third = |body: &Value| body["recordId"] == third["id"];
    let taken = receiver.until("what it missed is sent", |taken| taken.iter().any(is_third)).await;
    let watched: Vec<Value> = taken.into_iter().filter(|body| body["test"].is_null()).collect();
    assert_eq!(watched.iter().filter(|body| is_third(body)).count(), 1);
    let deliveries = api.get(&format!("{}/deliveries", path(&watching))).await.json();
    assert_eq!(deliveries["deliveries"][0]["event"], "hook.disabled");
    app.finish().await;
}

#[test]
fn the_document_has_every_event() {
    let document: Value = serde_json::from_str(clienty_sync::gateway::OPENAPI).unwrap();
    let of_audit = Action::ALL.iter().map(|action| format!("audit.{}", action.as_str()));
    let named = event::EVENTS.into_iter().chain(event::NOTICES).map(str::to_owned);
    let all: Vec<Value> = named.clone().chain(of_audit).map(Value::from).collect();
    assert_eq!(document["components"]["schemas"]["HookEvent"]["enum"], Value::from(all));
    let mut described: Vec<String> = document["webhooks"].as_object().unwrap().keys().cloned().collect();
    let mut known: Vec<String> = named.chain(["audit.*".to_owned()]).collect();
    described.sort();
    known.sort();
    assert_eq!(described, known);
}
