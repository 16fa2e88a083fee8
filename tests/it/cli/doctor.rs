//! `doctor`: what is wrong with a deployment, and how to mend it.

use serde_json::{Value, json};

use crate::support::ghl_signer::GhlSigner;
use crate::support::installation::{Installation, document};
use crate::support::postgres::PostgresServer;
use crate::support::program::{Program, clienty_sync, run};
use crate::support::redis::RedisServer;
use crate::support::{wait_until, wait_until_async};

/// Of a location whose token GHL refuses.
const REFUSED: &str = "GHL does not authorize the call";

/// The named check.
fn check<'a>(reported: &'a Value, name: &str) -> &'a Value {
    let checks = reported["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no check {name}: {reported}"))
}

#[tokio::test]
async fn a_healthy_deployment_gets_no_remedy() {
    let redis = RedisServer::start_with(&["--appendonly", "yes", "--maxmemory-policy", "noeviction"]);
    let postgres = PostgresServer::start();
    let signer = GhlSigner::new();
    let keys = signer.settings();
    let (queue, database) = (redis.url(), postgres.url());
    let mut settings = vec![("REDIS_URL", queue.as_str()), ("DATABASE_URL", database.as_str())];
    settings.extend(keys.iter().map(|(name, value)| (*name, value.as_str())));
    let installation = Installation::new(&settings).await;
    let names = [
        "settings",
        "master keys",
        "flows",
        "oauth app",
        "database",
        "schema",
        "tokens",
        "redis version",
        "redis eviction",
        "redis persistence",
        "redis clock",
        "redis queue",
        "api keys",
        "ledger",
        "records",
        "locations",
        "processes",
        "agreement",
        "dead letters",
        "oldest job",
        "webhooks",
        "ghl",
    ];
    let (_gateway, api) = installation.serve("gateway");
    let (_worker, _) = installation.start(&["worker"]);
    let hook = json!({"type": "ContactUpdate", "locationId": installation.location, "id": installation.contacts[0]});
    let body = hook.to_string();
    let signature = signer.ghl(body.as_bytes());
    let sent = api.request("POST", "/webhooks/ghl", |request| request.header("x-ghl-signature", signature).body(body));
    assert_eq!(sent.await.status, 200);
    let reported = installation.json(&["doctor"]);
    assert_eq!(reported["ok"], true, "{reported}");
    for name in names {
        assert_eq!(
            (&check(&reported, name)["state"], &check(&reported, name)["remedy"]),
            (&json!("ok"), &json!(null)),
            "{reported}"
        );
    }
    assert_eq!(reported["checks"].as_array().unwrap().len(), names.len());
    assert!(check(&reported, "database")["found"].as_str().unwrap().contains("PostgreSQL"));
}

#[tokio::test]
async fn a_redis_that_would_lose_jobs_is_reported() {
    let redis = RedisServer::start_with(&["--save", "", "--appendonly", "no", "--maxmemory-policy", "allkeys-lru"]);
    let installation = Installation::new(&[("REDIS_URL", &redis.url())]).await;
    let ended = installation.run(&["doctor", "--json"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let reported = document(&ended);
    let eviction = check(&reported, "redis eviction");
    assert_eq!((&eviction["state"], &eviction["found"]), (&json!("failed"), &json!("allkeys-lru")));
    assert!(eviction["remedy"].as_str().unwrap().contains("noeviction"));
    assert_eq!(check(&reported, "redis persistence")["state"], "warning");
    assert!(check(&reported, "redis persistence")["remedy"].as_str().unwrap().contains("appendonly yes"));
}

#[tokio::test]
async fn locations_that_rest_are_named_with_what_ends_it() {
    let redis = RedisServer::start_with(&["--appendonly", "yes", "--maxmemory-policy", "noeviction"]);
    let installation = Installation::new(&[("REDIS_URL", &redis.url())]).await;
    let location = installation.location.as_str();
    let reported =
        |installation: &Installation| check(&document(&installation.run(&["doctor", "--json"])), "locations").clone();
    installation.json(&["jobs", "pause", location]);
    let paused = reported(&installation);
    assert_eq!(paused["state"], "warning", "{paused}");
    assert!(paused["found"].as_str().unwrap().contains(&format!("paused: {location}")), "{paused}");
    assert!(paused["remedy"].as_str().unwrap().contains("clienty-sync jobs resume"), "{paused}");
    installation.json(&["jobs", "resume", location]);
    assert_eq!(reported(&installation)["state"], "ok");

    let _program = refused_by_ghl(&installation).await;
    wait_until(
        "its circuit is open",
        || reported(&installation)["state"] != "ok",
        || reported(&installation).to_string(),
    );
    let broken = reported(&installation);
    let found = broken["found"].as_str().unwrap();
    assert_eq!(broken["state"], "failed", "{broken}");
    assert!(found.contains("circuit open") && found.contains(location) && found.contains(REFUSED), "{broken}");
    assert!(broken["remedy"].as_str().unwrap().contains("clienty-sync connect --location"), "{broken}");
    assert_eq!(installation.run(&["doctor"]).status.code(), Some(1));
    // What nobody wants connected is nothing to mend.
    installation.json(&["disconnect", "--location", location]);
    assert_eq!(reported(&installation)["state"], "ok");
}

#[tokio::test]
async fn a_queue_in_memory_is_known_by_the_jobs_that_failed_and_wait() {
    let installation = Installation::new(&[]).await;
    let _program = refused_by_ghl(&installation).await;
    let reported = document(&installation.run(&["doctor", "--json"]));
    let waiting = check(&reported, "locations");
    let found = waiting["found"].as_str().unwrap();
    assert!(found.contains(&installation.location) && found.contains(REFUSED), "{waiting}");
    assert_eq!(waiting["state"], "warning", "{waiting}");
}

/// Gives the location a token that GHL refuses, and lets a job meet that.
async fn refused_by_ghl(installation: &Installation) -> Program {
    let (location, contact) = (&installation.location, &installation.contacts[0]);
    let file = installation.data_folder().with_file_name("revoked.txt");
    std::fs::write(&file, "pit-that-was-revoked\n").unwrap();
    installation.json(&["connect", "--location", location, "--pit-file", file.to_str().unwrap(), "--unchecked"]);
    let (program, api) = installation.serve("up");
    let event = json!({"type": "contact.selected", "locationId": location, "contactId": contact});
    let id = api.accepted(&event).await[0]["jobId"].as_str().unwrap().to_owned();
    let failed = async || !api.get(&format!("/v1/jobs/{id}")).await.json()["lastError"].is_null();
    wait_until_async("GHL has refused the token", failed).await;
    program
}

#[tokio::test]
async fn tokens_that_these_master_keys_cannot_open_are_reported() {
    let installation = Installation::new(&[]).await;
    let other = "other:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";
    let mut settings = installation.settings();
    settings.push(("CLIENTY_MASTER_KEYS", other));
    let ended = run(clienty_sync(&["doctor", "--json"], &settings));
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let reported = document(&ended);
    assert_eq!(check(&reported, "tokens")["state"], "failed");
    assert!(check(&reported, "tokens")["remedy"].as_str().unwrap().contains("CLIENTY_MASTER_KEYS"));
}

#[test]
fn with_everything_down_each_part_has_its_remedy() {
    let settings = [
        ("DATABASE_URL", "postgres://nobody:hunter2@127.0.0.1:1/none"),
        ("REDIS_URL", "redis://:hunter2@127.0.0.1:1"),
        ("GHL_API_URL", "http://127.0.0.1:1"),
    ];
    let ended = run(clienty_sync(&["doctor", "--json"], &settings));
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let reported = document(&ended);
    assert_eq!(reported["ok"], false);
    for (name, remedy) in [
        ("master keys", "CLIENTY_MASTER_KEYS"),
        ("database", "DATABASE_URL"),
        ("redis", "REDIS_URL"),
        ("ghl", "GHL_API_URL"),
    ] {
        assert_eq!(check(&reported, name)["state"], "failed", "{reported}");
        assert!(check(&reported, name)["remedy"].as_str().unwrap().contains(remedy), "{reported}");
    }
    assert!(!reported.to_string().contains("hunter2"), "{reported}");

    let plain = run(clienty_sync(&["doctor"], &settings));
    assert_eq!(plain.status.code(), Some(1));
    let text = String::from_utf8(plain.stdout).unwrap();
    assert!(
        text.contains("FAILED   ghl: ")
            && text.contains("\n         -> nothing listens")
            && text.contains("GHL_API_URL"),
        "{text}"
    );
    for (name, cause) in [("database", "refused"), ("redis", "refused"), ("ghl", "refused")] {
        let found = check(&reported, name)["found"].as_str().unwrap().to_lowercase();
        assert!(found.contains(cause), "{name} names the real cause: {reported}");
        assert!(check(&reported, name)["remedy"].as_str().unwrap().contains("nothing listens"), "{reported}");
    }
}
