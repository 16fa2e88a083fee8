//! API keys over HTTP: a key never gets more than its creator has.

use clienty_sync::gateway::{Server, ServerLimits, listen};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sync_workers::records::{KeyPlace, NewKey, Places, Role};

use crate::support::api::{Answer, Api};
use crate::support::test_app::{Setup, TestApp};

async fn serving() -> (TestApp, Server) {
    let app = TestApp::idle(Setup { locations: 2, contacts: 1, ..Setup::default() }).await;
    let listener = listen("127.0.0.1:0".parse().unwrap(), "none").await.unwrap();
    let limits = ServerLimits::of(&app.app.config.gateway);
    let server = Server::start(listener, app.app.gateway().routes(), limits).unwrap();
    (app, server)
}

async fn admin(app: &TestApp, server: &Server, new: NewKey) -> (String, Api) {
    let new = NewKey { roles: vec![Role::Admin], ..new };
    let (key, text) = app.app.records.create_key(&new).await.unwrap();
    (key.id, Api::new(&format!("http://{}", server.address), text.expose_secret()))
}

async fn send(api: &Api, method: &str, path: &str, body: Value) -> Answer {
    api.request(method, path, |request| request.bearer_auth(&api.key).json(&body)).await
}

fn faults(answer: &Answer) -> Vec<String> {
    answer.faults(422).into_iter().map(|(_, field)| field).collect()
}

#[tokio::test]
async fn a_key_is_made_used_rotated_and_revoked() {
    let (app, server) = serving().await;
    let (own, api) = admin(&app, &server, NewKey::of_all("operator")).await;
    let made = send(&api, "POST", "/v1/keys", json!({"name": "shop", "roles": ["reader"], "readsPeople": false})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    assert_eq!((&made["locations"], &made["createdBy"]), (&json!("*"), &json!(format!("key:{own}"))));
    let id = made["id"].as_str().unwrap();
    let first = api.with_key(made["key"].as_str().unwrap());
    assert_eq!(first.get("/v1/me").await.json()["roles"], json!(["reader"]));
    assert_eq!(first.get("/v1/keys").await.status, 403);

    let rotate = json!({"overlapSeconds": 3600, "expiresAt": "2099-01-01T00:00:00Z"});
    let rotated = send(&api, "POST", &format!("/v1/keys/{id}/rotate"), rotate).await.json();
    let second = api.with_key(rotated["key"].as_str().unwrap());
    assert!(first.get("/v1/me").await.json()["secretEndsAt"].is_string());
    assert_eq!(second.get("/v1/me").await.json()["expiresAt"], "2099-01-01T00:00:00Z");
    let listed = api.get("/v1/keys").await;
    assert!(!listed.text.contains("cs_") && listed.json()["keys"].as_array().unwrap().len() == 2, "{}", listed.text);
    for status in [204, 404] {
        assert_eq!(send(&api, "DELETE", &format!("/v1/keys/{id}"), json!({})).await.status, status);
    }
    for gone in [first, second] {
        assert_eq!(gone.get("/v1/me").await.status, 401);
    }
    let audit = api.get("/v1/audit").await.json();
    let acts: Vec<_> = audit["audit"].as_array().unwrap().iter().map(|act| act["action"].as_str().unwrap()).collect();
    assert_eq!(acts[..3], ["key.revoke", "key.rotate", "key.create"]);
    server.stop().await;
    app.finish().await;
}

#[tokio::test]
async fn what_is_no_key_is_refused_field_by_field() {
    let (app, server) = serving().await;
    let (_, api) = admin(&app, &server, NewKey::of_all("operator")).await;
    for (body, fields) in [
        (json!({}), vec!["name"]),
        (json!([]), vec![""]),
        (json!({"name": "x".repeat(201), "role": "admin"}), vec!["name", "role"]),
        (json!({"name": "k", "roles": []}), vec!["roles"]),
        (json!({"name": "k", "roles": ["reader", "owner"], "locations": []}), vec!["roles", "locations"]),
        (json!({"name": "k", "locations": ["*", "l"]}), vec!["locations"]),
        (json!({"name": "k", "locations": ["a\nb"]}), vec!["locations"]),
        (json!({"name": "k", "expiresAt": "2020-01-01T00:00:00Z", "readsPeople": 1}), vec!["readsPeople", "expiresAt"]),
        (json!({"name": "k", "expiresAt": "tomorrow"}), vec!["expiresAt"]),
        (json!({"name": "k", "eventsPerMinute": 0}), vec!["eventsPerMinute"]),
        (json!({"name": "k", "eventsPerMinute": 1.5}), vec!["eventsPerMinute"]),
    ] {
        assert_eq!(faults(&send(&api, "POST", "/v1/keys", body.clone()).await), fields, "{body}");
    }
    assert_eq!(api.get("/v1/keys").await.json()["keys"].as_array().unwrap().len(), 1, "nothing was stored");
    server.stop().await;
    app.finish().await;
}

#[tokio::test]
async fn a_key_gets_nothing_that_its_creator_does_not_have() {
    let (app, server) = serving().await;
    let locations = app.sandbox.locations();
    let (here, there) = (&locations[0].id, &locations[1].id);
    let ends = "2098-01-01T00:00:00Z";
    let narrow = NewKey {
        locations: Places::Listed(vec![KeyPlace::Location(here.clone())]),
        reads_people: false,
        expires_at: Some(ends.parse().unwrap()),
        ..NewKey::of_all("narrow")
    };
    let (own, api) = admin(&app, &server, narrow).await;
    let (wide, all) = admin(&app, &server, NewKey::of_all("wide")).await;
    for (body, field) in [
        (json!({"locations": "*"}), "locations"),
        (json!({"locations": [here, there]}), "locations"),
        (json!({"locations": ["agency:a"]}), "locations"),
        (json!({"readsPeople": true}), "readsPeople"),
        (json!({"expiresAt": "2099-01-01T00:00:00Z"}), "expiresAt"),
    ] {
        let mut body = body;
        body["name"] = "more".into();
        assert_eq!(faults(&send(&api, "POST", "/v1/keys", body.clone()).await), [field], "{body}");
    }
    // What is not said is as the creator has it.
    let made = send(&api, "POST", "/v1/keys", json!({"name": "same", "roles": ["admin"]})).await.json();
    assert_eq!(
        (&made["locations"], &made["readsPeople"], &made["expiresAt"]),
        (&json!([here]), &json!(false), &json!(ends))
    );

    // It sees the keys of its own locations, and gets no secret of one that may do more.
    let of_here = json!({"name": "people", "locations": [here]});
    let people = send(&all, "POST", "/v1/keys", of_here).await.json()["id"].as_str().unwrap().to_owned();
    let ids = |listed: Value| -> Vec<String> {
        let keys = listed["keys"].as_array().unwrap().iter();
        keys.map(|key| key["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(api.get("/v1/keys").await.json()), [&own, made["id"].as_str().unwrap(), &people]);
    for (id, status) in [(&wide, 404), (&people, 403), (&own, 200)] {
        let answer = send(&api, "POST", &format!("/v1/keys/{id}/rotate"), json!({"overlapSeconds": 600})).await;
        assert_eq!(answer.status, status, "{id}: {}", answer.text);
    }
    assert_eq!(send(&api, "DELETE", &format!("/v1/keys/{wide}"), json!({})).await.status, 404);
    assert_eq!(
        send(&api, "DELETE", &format!("/v1/keys/{people}"), json!({})).await.status,
        204,
        "to end is not to get"
    );
    // A secret that was rotated away renews nothing.
    let late = send(&api, "POST", &format!("/v1/keys/{own}/rotate"), json!({})).await;
    assert_eq!(late.status, 403, "{}", late.text);
    for path in ["/v1/settings", "/v1/processes"] {
        assert_eq!((api.get(path).await.status, all.get(path).await.status), (403, 200), "{path}");
    }
    server.stop().await;
    app.finish().await;
}

#[tokio::test]
async fn the_settings_in_force_are_shown_and_secrets_never() {
    let (app, server) = serving().await;
    let (_, api) = admin(&app, &server, NewKey::of_all("operator")).await;
    let shown = api.get("/v1/settings").await;
    let settings = shown.json()["settings"].as_array().unwrap().clone();
    let of = |variable: &str| settings.iter().find(|setting| setting["variable"] == variable).unwrap().clone();
    assert_eq!(settings.len(), app.app.config.shown().len());
    assert_eq!(of("CLIENTY_MASTER_KEYS")["value"], "***");
    assert!(of("CLIENTY_QUEUE_PREFIX")["origin"].is_string(), "{}", shown.text);
    server.stop().await;
    app.finish().await;
}

#[tokio::test]
async fn a_key_sends_as_many_events_in_a_minute_as_it_may_and_no_more() {
    let (mut app, server) = serving().await;
    let (_, api) = admin(&app, &server, NewKey::of_all("operator")).await;
    let few = json!({"name": "few", "roles": ["producer", "admin"], "eventsPerMinute": 3});
    let made = send(&api, "POST", "/v1/keys", few).await.json();
    let few = api.with_key(made["key"].as_str().unwrap());
    assert_eq!(few.get("/v1/me").await.json()["eventsPerMinute"], 3);
    let location = app.location().id;
    let event = |id: &str| json!({"id": id, "type": "contact.selected", "locationId": location, "contactId": id});
    let events = async |ids: &[&str]| {
        let events: Vec<Value> = ids.iter().map(|id| event(id)).collect();
        send(&few, "POST", "/v1/events", json!(events)).await
    };
    // What is refused for another reason costs nothing.
    assert_eq!(send(&few, "POST", "/v1/events", json!([{"type": "contact.selected"}])).await.status, 422);
    assert_eq!(events(&["a", "b"]).await.status, 202);
    let beyond = events(&["c", "d"]).await;
    let problem = beyond.problem(429);
    assert!(problem["type"].as_str().unwrap().ends_with("/too-many-events-in-a-minute"), "{problem}");
    let wait: u64 = beyond.header("retry-after").parse().unwrap();
    assert!((1..=21).contains(&wait), "a third of a minute for one, not {wait} s");
    assert_eq!(events(&["c"]).await.status, 202, "one is left");
    let call = json!({"locationId": location, "parameters": {"contactId": "a"}});
    assert_eq!(send(&few, "POST", "/v1/operations/get-contact", call).await.status, 429);
    assert_eq!(api.get("/v1/me").await.status, 200);
    assert_eq!(app.open_jobs().await.len(), 3, "nothing of what was refused is stored");
    // Who may send few makes no key that may send more.
    for request in [json!({"name": "more", "eventsPerMinute": 4}), json!({"name": "more", "eventsPerMinute": "all"})] {
        assert_eq!(faults(&send(&few, "POST", "/v1/keys", request).await), ["eventsPerMinute"]);
    }
    let same = send(&few, "POST", "/v1/keys", json!({"name": "same"})).await.json();
    assert_eq!(same["eventsPerMinute"], 3);
    server.stop().await;
    app.work();
    app.finish_with_any_dead().await;
}
