//! Making hooks, changing them, trying them, and the form that programs subscribe with.

use serde_json::{Value, json};
use sync_workers::records::{KeyPlace, NewKey, Places, Role};

use super::{hook, path, send, setup, working};
use crate::support::receiver::{Does, Receiver};
use crate::support::test_app::{Setup, TestApp};

#[tokio::test]
async fn what_is_no_hook_is_refused_field_by_field() {
    let (app, _server, _webhooks, api) = working().await;
    let ok = "http://127.0.0.1:9000/hook";
    for (body, fields) in [
        (json!({}), vec!["url", "events"]),
        (json!({"url": "ftp://example.com", "events": ["*"]}), vec!["url"]),
        (json!({"url": "http://10.0.0.1/", "events": ["*"]}), vec!["url"]),
        (json!({"url": "http://169.254.169.254/latest", "events": ["*"]}), vec!["url"]),
        (json!({"url": "https://user:secret@example.com/", "events": ["*"]}), vec!["url"]),
        (json!({"url": "http://127.0.0.1:22/", "events": ["*"]}), vec!["url"]),
        (json!({"url": ok, "events": []}), vec!["events"]),
        (json!({"url": ok, "events": ["contact.vanished"]}), vec!["events"]),
        (json!({"url": ok, "events": [7], "locations": 7}), vec!["events", "locations"]),
        (json!({"url": ok, "events": ["*"], "signature": "v2"}), vec!["signature"]),
        (json!({"url": ok, "events": ["*"], "ignoreOwn": "yes", "secret": "mine"}), vec!["ignoreOwn", "secret"]),
        (json!({"url": ok, "events": ["*"], "locations": ["a\nb"]}), vec!["locations"]),
        (json!({"targetUrl": ok}), vec!["event"]),
        (json!({"targetUrl": "http://10.0.0.1/", "event": "*"}), vec!["targetUrl"]),
    ] {
        let answer = send(&api, "POST", "/v1/hooks", body.clone()).await;
        let named: Vec<String> = answer.faults(422).into_iter().map(|(_, field)| field).collect();
        assert_eq!(named, fields, "{body}: {}", answer.text);
    }
    assert_eq!(api.get("/v1/hooks").await.json(), json!({"hooks": [], "nextCursor": null}));
    for (method, of) in [("GET", ""), ("DELETE", ""), ("POST", "/rotate"), ("POST", "/test"), ("GET", "/deliveries")] {
        assert_eq!(send(&api, method, &format!("/v1/hooks/hk_none{of}"), json!({})).await.status, 404, "{method} {of}");
    }
    app.finish().await;
}

#[tokio::test]
async fn an_address_of_the_inside_is_refused_where_nothing_is_allowed() {
    let app = TestApp::working(Setup { settings: &[], ..setup() }).await;
    let (server, _webhooks) = app.with_webhooks(Default::default()).await;
    let api = super::api(&app, &server, "key").await;
    for url in ["https://127.0.0.1/", "https://[::ffff:127.0.0.1]/", "https://2130706433/", "http://example.com/"] {
        let answer = send(&api, "POST", "/v1/hooks", json!({"url": url, "events": ["*"]})).await;
        assert_eq!(answer.faults(422), [(None, "url".to_owned())], "{url}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_secret_is_reported_once_and_rotates_with_an_overlap() {
    let (app, _server, _webhooks, api) = working().await;
    let receiver = Receiver::start().await;
    let made = hook(&api, &receiver, &["*"], json!({"description": "for the data team"})).await;
    let shown = api.get(&path(&made)).await;
    assert!(!shown.text.contains("whsec_") && shown.json()["description"] == "for the data team", "{}", shown.text);
    let trial = send(&api, "POST", &format!("{}/test", path(&made)), json!({})).await.json();
    assert_eq!((&trial["taken"], &trial["status"]), (&json!(true), &json!(204)), "{trial}");
    let rotated = send(&api, "POST", &format!("{}/rotate", path(&made)), json!({"overlapSeconds": 3600})).await.json();
    assert_ne!(rotated["secret"], made["secret"]);
    // The receiver knows the old one alone, and then the new one alone.
    send(&api, "POST", &format!("{}/test", path(&made)), json!({"event": "note.created"})).await;
    let reported = receiver.came();
    assert_eq!((reported.len(), reported[1].signature.split(' ').count()), (2, 2));
    assert_eq!((&reported[1].body["type"], &reported[1].body["test"]), (&json!("note.created"), &json!(true)));
    receiver.assert_all_verified();
    let later = Receiver::start().await;
    later.knows(rotated["secret"].as_str().unwrap());
    let ended = send(&api, "POST", &format!("{}/rotate", path(&made)), json!({"overlapSeconds": 0})).await.json();
    receiver.knows(ended["secret"].as_str().unwrap());
    send(&api, "POST", &format!("{}/test", path(&made)), json!({})).await;
    assert_eq!(receiver.came()[2].signature.split(' ').count(), 1);
    receiver.assert_all_verified();
    app.finish().await;
}

#[tokio::test]
async fn a_program_subscribes_sees_samples_receives_and_unsubscribes() {
    let (app, _server, _webhooks, api) = working().await;
    let location = app.location().id;
    let sample = |query: String| {
        let api = api.clone();
        async move { api.get(&format!("/v1/hooks/sample?{query}")).await.json() }
    };
    let documented = sample(format!("event=note.created&locationId={location}")).await;
    assert_eq!((documented[0]["type"].as_str(), documented.as_array().unwrap().len()), (Some("note.created"), 1));
    for contact in app.contacts(&location).iter().take(3) {
        app.report("contact.selected", contact, json!({})).await;
    }
    app.settle().await;
    let samples = sample(format!("event=contact.updated&locationId={location}&limit=2")).await;
    assert_eq!(samples, sample(format!("event=contact.updated&locationId={location}&limit=2")).await, "ids stay");
    assert_eq!(samples.as_array().unwrap().len(), 2);
    assert!(samples[0]["data"]["id"].is_string() && samples[0]["id"] != samples[1]["id"], "{samples}");

    let receiver = Receiver::start().await;
    let body = json!({"targetUrl": receiver.url, "event": "contact.updated", "locationId": location});
    let answer = send(&api, "POST", "/v1/hooks", body.clone()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    receiver.knows(answer.json()["secret"].as_str().unwrap());
    let contact = app.contacts(&location).remove(0);
    app.contact_by_hand(Some(&contact), json!({"city": "Rome"})).await;
    let reported = receiver.until("the edit is told", |taken| !taken.is_empty()).await;
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let shared: Vec<String> = keys(&reported[0]).into_iter().filter(|key| key != "includes").collect();
    assert_eq!(shared, keys(&samples[0]), "a sample has the shape of a message");
    assert_eq!(send(&api, "DELETE", &path(&answer.json()), json!({})).await.status, 204);
    assert_eq!(send(&api, "DELETE", &path(&answer.json()), json!({})).await.status, 404);

    // One that its receiver ends goes, too.
    let made = send(&api, "POST", "/v1/hooks", body).await.json();
    receiver.does(Does::Answer(410));
    app.contact_by_hand(Some(&contact), json!({"city": "Oslo"})).await;
    app.wait_until("the subscription is gone", async || api.get(&path(&made)).await.status == 404).await;
    app.finish().await;
}

#[tokio::test]
async fn a_key_has_fifty_hooks_and_no_more() {
    let (app, _server, _webhooks, api) = working().await;
    let body = json!({"url": "https://example.com/hook", "events": ["*"]});
    for _ in 0..50 {
        assert_eq!(send(&api, "POST", "/v1/hooks", body.clone()).await.status, 201);
    }
    send(&api, "POST", "/v1/hooks", body).await.problem(409);
    let first = api.get("/v1/hooks?limit=30").await.json();
    let rest = api.get(&format!("/v1/hooks?limit=30&cursor={}", first["nextCursor"].as_str().unwrap())).await.json();
    let count = |page: &Value| page["hooks"].as_array().unwrap().len();
    assert_eq!((count(&first), count(&rest), &rest["nextCursor"]), (30, 20, &json!(null)));
    app.finish().await;
}

#[tokio::test]
async fn an_address_that_is_not_allowed_any_more_is_a_failure_of_the_hook_and_is_not_called() {
    let (app, _server, _webhooks, api) = working().await;
    let receiver = Receiver::start().await;
    let made = hook(&api, &receiver, &["contact.*"], json!({})).await;
    // As where the settings allowed another network before.
    app.sql("update hooks set url = 'http://127.0.0.2:9000/'").await;
    let contact = app.contacts(&app.location().id).remove(0);
    app.report("contact.selected", &contact, json!({})).await;
    let open = format!("{}/deliveries?state=open", path(&made));
    app.wait_until("the delivery has failed", async || {
        let open = api.get(&open).await.json();
        open["deliveries"][0]["error"].as_str().is_some_and(|error| error.contains("private network"))
    })
    .await;
    assert!(!api.get(&path(&made)).await.json()["failingSince"].is_null());
    app.finish().await;
}

#[tokio::test]
async fn an_edit_changes_what_it_names_and_unsent_messages_go_to_the_new_address_in_their_order() {
    let (app, _server, _webhooks, api) = working().await;
    let (before, after) = (Receiver::start().await, Receiver::start().await);
    before.does(Does::Answer(500));
    let made = hook(&api, &before, &["*"], json!({"description": "for the data team"})).await;
    after.knows(made["secret"].as_str().unwrap());
    let contact = app.contacts(&app.location().id).remove(0);
    app.report("contact.selected", &contact, json!({})).await;
    app.contact_by_hand(Some(&contact), json!({"city": "Rome"})).await;
    let open = format!("{}/deliveries?state=open", path(&made));
    let opened = || async { api.get(&open).await.json()["deliveries"].as_array().unwrap().clone() };
    app.wait_until("a delivery has failed", async || opened().await.iter().any(|one| one["status"] == 500)).await;
    let waiting = opened().await;

    let edit = json!({"url": after.url, "events": ["contact.*", "note.*"], "locations": [app.location().id], "ignoreOwn": false});
    let edited = send(&api, "PATCH", &path(&made), edit).await;
    assert_eq!(edited.status, 200, "{}", edited.text);
    let edited = edited.json();
    assert_eq!((&edited["url"], &edited["events"]), (&json!(after.url), &json!(["contact.*", "note.*"])));
    assert_eq!((&edited["description"], &edited["failingSince"]), (&made["description"], &json!(null)));
    // The pump looks for unsent messages twice a minute.
    app.wait_until("what waited arrives", async || opened().await.is_empty()).await;
    let reported: Vec<_> =
        after.taken().iter().flat_map(crate::support::receiver::accounted).map(|(seq, _)| seq).collect();
    assert!(
        waiting.iter().all(|one| reported.contains(&one["sequence"].as_i64().unwrap())),
        "{reported:?} of {waiting:?}"
    );
    assert!(reported.is_sorted(), "{reported:?}");
    after.assert_all_verified();

    let cleared =
        send(&api, "PATCH", &path(&made), json!({"locations": null, "fields": "*", "description": null})).await.json();
    assert_eq!((&cleared["locations"], &cleared["description"]), (&json!(null), &json!(null)));
    let audit = api.get("/v1/audit?action=hook.edit").await.json();
    assert_eq!(audit["audit"].as_array().unwrap().len(), 2, "{audit}");
    assert_eq!(audit["audit"][1]["details"]["changed"], json!(["url", "events", "locations", "ignoreOwn"]));
    app.finish().await;
}

#[tokio::test]
async fn an_edit_is_checked_as_a_new_hook_and_gives_nothing_that_its_key_does_not_have() {
    let (app, server, _webhooks, api) = working().await;
    let receiver = Receiver::start().await;
    let here = app.location().id;
    let made = hook(&api, &receiver, &["*"], json!({"locations": [here]})).await;
    let faults = async |api: &crate::support::api::Api, body: Value| {
        let answer = send(api, "PATCH", &path(&made), body.clone()).await;
        let faults = answer.faults(422).into_iter().map(|(_, field)| field).collect::<Vec<_>>();
        assert_eq!(api.get(&path(&made)).await.json()["url"], made["url"], "{body} changed nothing");
        faults
    };
    for (body, fields) in [
        (json!({}), vec![""]),
        (json!([]), vec![""]),
        (json!({"url": "http://10.0.0.1/"}), vec!["url"]),
        (json!({"url": null, "events": []}), vec!["url", "events"]),
        (json!({"events": ["contact.vanished"], "ignoreOwn": "no"}), vec!["events", "ignoreOwn"]),
        (json!({"locations": ["a\nb"]}), vec!["locations"]),
        (json!({"signature": "v1a"}), vec!["signature"]),
    ] {
        assert_eq!(faults(&api, body.clone()).await, fields, "{body}");
    }
    let one = KeyPlace::Location(here.clone());
    let narrow = NewKey { roles: vec![Role::Admin], locations: Places::Listed(vec![one]), ..NewKey::of_all("one") };
    let ids = NewKey { reads_people: false, locations: Places::All, ..narrow.clone() };
    let (narrow, ids) = (super::key(&app, &server, narrow).await, super::key(&app, &server, ids).await);
    assert_eq!(faults(&narrow, json!({"locations": "*"})).await, ["locations"]);
    assert_eq!(faults(&narrow, json!({"locations": ["elsewhere"]})).await, ["locations"]);
    assert_eq!(faults(&ids, json!({"url": "https://example.com/mine"})).await, ["url"]);
    assert_eq!(send(&narrow, "PATCH", &path(&made), json!({"events": ["note.*"]})).await.status, 200);
    assert_eq!(send(&api, "PATCH", "/v1/hooks/hk_none", json!({"events": ["note.*"]})).await.status, 404);
    app.finish().await;
}
