//! `keys` and `jobs`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::installation::Installation;
use crate::support::redis::RedisServer;
use crate::support::wait_until;

#[tokio::test]
async fn a_key_is_made_listed_rotated_and_revoked() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let opens = async |key: &Value| {
        let answer = api.with_key(key.as_str().unwrap()).get("/v1/jobs/none").await;
        assert!([401, 404].contains(&answer.status), "{}", answer.text);
        answer.status == 404
    };

    let made = installation.json(&["keys", "create", "--name", "crm"]);
    assert_eq!(
        made.as_object().unwrap().keys().collect::<BTreeSet<_>>(),
        ["id", "key", "name"].map(str::to_owned).iter().collect()
    );
    assert_eq!(made["name"], "crm");
    assert!(opens(&made["key"]).await);

    let id = made["id"].as_str().unwrap();
    let rotated = installation.json(&["keys", "rotate", id]);
    assert_eq!(rotated["id"], id);
    assert!(!opens(&made["key"]).await, "the old secret still opens");
    assert!(opens(&rotated["key"]).await);

    let listed = || {
        let list = installation.json(&["keys", "list"]);
        let text = list.to_string();
        assert!(![&made["key"], &rotated["key"]].iter().any(|key| text.contains(key.as_str().unwrap())), "{text}");
        let all = list["keys"].as_array().unwrap().clone();
        all.into_iter().find(|key| key["id"] == id).unwrap()
    };
    assert_eq!((&listed()["name"], &listed()["revokedAt"]), (&json!("crm"), &json!(null)));
    assert_eq!(installation.json(&["keys", "revoke", id]), json!({"id": id, "revoked": true}));
    assert!(!opens(&rotated["key"]).await);
    assert!(listed()["revokedAt"].is_string());
    for again in ["rotate", "revoke"] {
        assert_eq!(installation.run(&["keys", again, id]).status.code(), Some(1), "{again} of a revoked key");
    }
}

#[tokio::test]
async fn jobs_are_counted_listed_and_shown() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let event = json!({"type": "contact.selected", "locationId": installation.location,
        "contactId": installation.contacts[0]});
    let id = api.done(&event).await["id"].as_str().unwrap().to_owned();

    let stats = installation.json(&["jobs", "stats"]);
    assert_eq!(stats, json!({"waiting": 0, "scheduled": 0, "running": 0, "done": 1, "dead": 0, "discarded": 0}));

    let ids = |arguments: &[&str]| {
        let list = installation.json(&[&["jobs", "list"], arguments].concat());
        let jobs = list["jobs"].as_array().unwrap().iter();
        jobs.map(|job| job["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mine: [&[&str]; 4] = [
        &[],
        &["--state", "done"],
        &["--kind", "pull_contact", "--limit", "1"],
        &["--location", &installation.location],
    ];
    for filter in mine {
        assert_eq!(ids(filter), [id.as_str()], "{filter:?}");
    }
    let text = String::from_utf8(installation.run(&["jobs", "list"]).stdout).unwrap();
    let created = installation.json(&["jobs", "show", &id])["createdAt"].as_str().unwrap()[..19].to_owned();
    assert!(text.contains(&id) && text.contains(&created), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");

    let refused = installation.run(&["jobs", "list", "--kind", "pull_contacts"]);
    let reported = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(2) && reported.contains("there are pull_contact, push_task"), "{reported}");
    for act in ["retry", "discard"] {
        let refused = installation.run(&["jobs", act, &id]);
        let reported = String::from_utf8(refused.stderr).unwrap();
        assert!(
            refused.status.code() == Some(1) && reported.contains(&format!("{id} is not a dead job")),
            "{reported}"
        );
    }
    let others: [&[&str]; 3] = [&["--state", "dead"], &["--kind", "push_task"], &["--location", "elsewhere"]];
    for filter in others {
        assert!(ids(filter).is_empty(), "{filter:?}");
    }

    let shown = installation.json(&["jobs", "show", &id]);
    let over_http = api.get(&format!("/v1/jobs/{id}")).await.json();
    assert_eq!(shown, over_http);
    let plain = installation.run(&["jobs", "show", &id]);
    let text = String::from_utf8(plain.stdout).unwrap();
    assert!(text.contains(&format!("id           {id}\n")) && text.contains("state        done"), "{text}");
}

#[tokio::test]
async fn a_kind_is_paused_shown_and_resumed() {
    let redis = RedisServer::start();
    let installation = Installation::new(&[("REDIS_URL", &redis.url())]).await;
    let paused = || installation.json(&["jobs", "stats"])["pausedKinds"].clone();
    assert_eq!(
        installation.json(&["jobs", "pause", "--kind", "push_task"]),
        json!({"kind": "push_task", "paused": true})
    );
    assert_eq!(paused(), json!(["push_task"]));
    let reported = String::from_utf8(installation.run(&["jobs", "stats"]).stdout).unwrap();
    assert!(
        reported.contains("push_task is paused; `clienty-sync jobs resume --kind push_task` resumes it"),
        "{reported}"
    );
    installation.json(&["jobs", "resume", "--kind", "push_task"]);
    assert_eq!(paused(), json!([]));

    let refused = installation.run(&["jobs", "pause", "--kind", "push_tasks"]);
    let reported = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(2) && reported.contains("there are pull_contact, push_task"), "{reported}");
    for wrong in [&["jobs", "pause"][..], &["jobs", "pause", &installation.location, "--kind", "push_task"]] {
        assert_eq!(installation.run(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[tokio::test]
async fn what_steers_a_queue_in_memory_is_reported() {
    let installation = Installation::new(&[]).await;
    for act in ["pause", "resume"] {
        let refused = installation.run(&["jobs", act, &installation.location]);
        let reported = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{reported}");
        assert!(reported.contains("set REDIS_URL for `up`") && reported.contains("stop `up`"), "{reported}");
    }
}

#[tokio::test]
async fn the_locations_that_rest_are_named() {
    let redis = RedisServer::start();
    let installation = Installation::new(&[("REDIS_URL", &redis.url())]).await;
    let location = installation.location.as_str();
    let stats = || installation.json(&["jobs", "stats"]);
    installation.json(&["jobs", "pause", location]);
    assert_eq!((&stats()["pausedLocations"], &stats()["brokenLocations"]), (&json!([location]), &json!([])));
    let reported = String::from_utf8(installation.run(&["jobs", "stats"]).stdout).unwrap();
    assert!(
        reported.contains(&format!("{location} is paused; `clienty-sync jobs resume {location}` resumes it")),
        "{reported}"
    );
    installation.json(&["jobs", "resume", location]);

    let file = installation.data_folder().join("revoked.txt");
    std::fs::write(&file, "pit-that-was-revoked\n").unwrap();
    installation.json(&["connect", "--location", location, "--pit-file", file.to_str().unwrap(), "--unchecked"]);
    let (_program, api) = installation.serve("up");
    let contact = &installation.contacts[0];
    api.post(json!({"type": "contact.selected", "locationId": location, "contactId": contact}).to_string()).await;
    wait_until(
        "the circuit of its location is open",
        || stats()["brokenLocations"] == json!([location]),
        || stats().to_string(),
    );
    assert_eq!(stats()["pausedLocations"], json!([]));
    let reported = String::from_utf8(installation.run(&["jobs", "stats"]).stdout).unwrap();
    assert!(reported.contains(&format!("the circuit of {location} is open after failures")), "{reported}");
}

#[tokio::test]
async fn jobs_are_counted_and_shown_without_redis() {
    let redis = RedisServer::start();
    let mut installation = Installation::new(&[("REDIS_URL", &redis.url())]).await;
    let (program, api) = installation.serve("gateway");
    let event =
        json!({"type": "contact.selected", "locationId": installation.location, "contactId": installation.contacts[0]});
    let accepted = api.post(event.to_string()).await.json();
    let id = accepted["accepted"][0]["jobId"].as_str().unwrap();
    drop(program);
    installation.set("REDIS_URL", "redis://127.0.0.1:1/");

    assert_eq!(installation.json(&["jobs", "stats"])["waiting"], 1);
    let ended = installation.run(&["jobs", "stats"]);
    let reported = String::from_utf8(ended.stderr).unwrap();
    assert!(reported.contains("not known: the queue does not answer"), "{reported}");
    let why = installation.json(&["jobs", "show", id])["why"].clone();
    assert!(why.as_str().unwrap().starts_with("the queue does not answer"), "{why}");
}
