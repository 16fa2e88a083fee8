//! `connect` asks GHL before it stores; `locations` shows how each location stands.

use serde_json::{Value, json};

use crate::support::installation::{Installation, document};
use crate::support::redis::RedisServer;

#[tokio::test]
async fn a_wrong_token_or_location_is_an_error_and_nothing_is_stored() {
    let installation = Installation::new(&[]).await;
    let file = installation.data_folder().with_file_name("other.txt");
    let connect = |location: &str, token: &str, more: &[&str]| {
        std::fs::write(&file, token).unwrap();
        installation.run(&[&["connect", "--location", location, "--pit-file", file.to_str().unwrap()], more].concat())
    };
    let listed = || {
        let all = installation.json(&["locations", "list"])["locations"].as_array().unwrap().clone();
        all.into_iter().map(|one| one["locationId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let wrong =
        [("nope", installation.token.as_str()), (installation.location.as_str(), "pit-wrong"), ("nope", "pit-wrong")];
    for (location, token) in wrong {
        let ended = connect(location, token, &["--json"]);
        let reported = document(&ended);
        assert_eq!(ended.status.code(), Some(1), "{location}: {reported}");
        let error = reported["error"].as_str().unwrap();
        assert!(error.contains("nothing was stored") && !error.contains(token), "{error}");
        assert_eq!(listed(), std::slice::from_ref(&installation.location));
    }
    assert_eq!(connect("nope", "pit-wrong", &["--unchecked"]).status.code(), Some(0), "for those who must");
    assert_eq!(listed().len(), 2);
    let live = document(&installation.run(&["doctor", "--live", "--json"]));
    let tokens = live["checks"].as_array().unwrap().iter().find(|check| check["name"] == "live tokens").unwrap();
    assert!(tokens["state"] == "failed" && tokens["found"].as_str().unwrap().contains("nope"), "{tokens}");
}

#[tokio::test]
async fn locations_show_state_zone_token_and_the_last_signs_of_life() {
    let redis = RedisServer::start();
    let installation = Installation::new(&[("REDIS_URL", &redis.url())]).await;
    let (_gateway, api) = installation.serve("gateway");
    let (_worker, _) = installation.start(&["worker"]);
    let location = installation.location.as_str();
    api.pulled(location, &installation.contacts[0]).await;
    crate::support::wait_until_async("the success is noted", async || {
        let shown = api.get(&format!("/v1/locations/{location}")).await.json();
        shown["lastSuccessAt"].is_string()
    })
    .await;
    let of_http = api.get(&format!("/v1/locations/{location}")).await.json();
    assert_eq!((&of_http["state"], &of_http["kind"]), (&json!("ready"), &json!("pit")), "{of_http}");
    assert!(of_http["timeZone"].is_string() && of_http["name"].is_string(), "as GHL told at `connect`: {of_http}");
    assert_eq!(of_http["token"]["state"], "active", "{of_http}");
    assert!(
        of_http["token"]["ageSeconds"].is_number() && of_http["callsLeft"].as_u64().unwrap() < 200_000,
        "{of_http}"
    );
    let state = || installation.json(&["locations", "show", location])["state"].clone();
    installation.json(&["jobs", "pause", location]);
    assert_eq!(state(), "paused");
    installation.json(&["jobs", "resume", location]);
    assert_eq!(state(), "ready");
    let text = String::from_utf8(installation.run(&["locations", "list"]).stdout).unwrap();
    assert!(text.contains(location) && text.contains("ready") && text.contains("calls left"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let token = installation.token.as_str();
    assert!(!text.contains(token) && !of_http.to_string().contains(token));
    installation.json(&["disconnect", "--location", location]);
    assert_eq!(state(), "not_connected");
    let all = api.get("/v1/locations").await.json();
    assert_eq!(all["locations"][0]["state"], "not_connected");
    assert_eq!(api.get("/v1/locations/elsewhere").await.problem(404)["errors"][0]["field"], "locationId");
    let unknown = installation.run(&["locations", "show", "elsewhere"]);
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
}

#[tokio::test]
async fn doctor_sees_the_dead_letters_and_that_nobody_works() {
    let redis = RedisServer::start();
    let installation = Installation::new(&[("REDIS_URL", &redis.url())]).await;
    let check = |name: &str| {
        let reported = document(&installation.run(&["doctor", "--json"]));
        let found = reported["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).cloned();
        found.unwrap_or_else(|| panic!("no check {name}: {reported}"))
    };
    let (_gateway, api) = installation.serve("gateway");
    let data = json!({"clientyNoteId": "n1", "noteText": "For nobody"});
    let event = json!({"type": "note.created", "locationId": installation.location, "contactId": "nobodyAtAll00000000", "data": data});
    let id = api.accepted(&event).await[0]["jobId"].as_str().unwrap().to_owned();
    let nobody: Value = check("processes");
    assert_eq!(nobody["state"], "failed", "{nobody}");
    assert!(nobody["found"].as_str().unwrap().contains("no worker is alive"), "{nobody}");
    let (mut worker, _) = installation.start(&["worker"]);
    api.job_in_state(&id, "dead").await;
    let alive = check("processes");
    assert!(alive["state"] == "ok" && alive["found"].as_str().unwrap().contains("worker"), "{alive}");
    let dead = check("dead letters");
    assert!(dead["state"] == "warning" && dead["found"].as_str().unwrap().contains("1 jobs"), "{dead}");
    worker.terminate();
    worker.wait();
    assert!(
        check("processes")["found"].as_str().unwrap().contains("no worker is alive"),
        "it ended in order, and is seen no more"
    );
}
