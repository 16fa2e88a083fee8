//! `doctor`: what is wrong with a deployment, and how to mend it.

use serde_json::{Value, json};

use crate::support::installation::{Installation, document};
use crate::support::postgres::PostgresServer;
use crate::support::program::{clienty_sync, run};
use crate::support::redis::RedisServer;

/// The named check.
fn check<'a>(told: &'a Value, name: &str) -> &'a Value {
    let checks = told["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no check {name}: {told}"))
}

#[tokio::test]
async fn a_healthy_deployment_gets_no_remedy() {
    let redis = RedisServer::start_with(&["--appendonly", "yes", "--maxmemory-policy", "noeviction"]);
    let postgres = PostgresServer::start();
    let installation = Installation::new(&[("REDIS_URL", &redis.url()), ("DATABASE_URL", &postgres.url())]).await;
    let told = installation.json(&["doctor"]);
    assert_eq!(told["ok"], true, "{told}");
    let names = [
        "settings",
        "master keys",
        "oauth app",
        "database",
        "schema",
        "tokens",
        "redis version",
        "redis eviction",
        "redis persistence",
        "redis clock",
        "ghl",
    ];
    for name in names {
        assert_eq!(
            (&check(&told, name)["state"], &check(&told, name)["remedy"]),
            (&json!("ok"), &json!(null)),
            "{told}"
        );
    }
    assert_eq!(told["checks"].as_array().unwrap().len(), names.len());
    assert!(check(&told, "database")["found"].as_str().unwrap().contains("PostgreSQL"));
}

#[tokio::test]
async fn a_redis_that_would_lose_jobs_is_told() {
    let redis = RedisServer::start_with(&["--save", "", "--appendonly", "no", "--maxmemory-policy", "allkeys-lru"]);
    let installation = Installation::new(&[("REDIS_URL", &redis.url())]).await;
    let ended = installation.run(&["doctor", "--json"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let told = document(&ended);
    let eviction = check(&told, "redis eviction");
    assert_eq!((&eviction["state"], &eviction["found"]), (&json!("failed"), &json!("allkeys-lru")));
    assert!(eviction["remedy"].as_str().unwrap().contains("noeviction"));
    assert_eq!(check(&told, "redis persistence")["state"], "warning");
    assert!(check(&told, "redis persistence")["remedy"].as_str().unwrap().contains("appendonly yes"));
}

#[tokio::test]
async fn tokens_that_these_master_keys_cannot_open_are_told() {
    let installation = Installation::new(&[]).await;
    let other = "other:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";
    let mut settings = installation.settings();
    settings.push(("CLIENTY_MASTER_KEYS", other));
    let ended = run(clienty_sync(&["doctor", "--json"], &settings));
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let told = document(&ended);
    assert_eq!(check(&told, "tokens")["state"], "failed");
    assert!(check(&told, "tokens")["remedy"].as_str().unwrap().contains("CLIENTY_MASTER_KEYS"));
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
    let told = document(&ended);
    assert_eq!(told["ok"], false);
    for (name, remedy) in [
        ("master keys", "CLIENTY_MASTER_KEYS"),
        ("database", "DATABASE_URL"),
        ("redis", "REDIS_URL"),
        ("ghl", "GHL_API_URL"),
    ] {
        assert_eq!(check(&told, name)["state"], "failed", "{told}");
        assert!(check(&told, name)["remedy"].as_str().unwrap().contains(remedy), "{told}");
    }
    assert!(!told.to_string().contains("hunter2"), "{told}");

    let plain = run(clienty_sync(&["doctor"], &settings));
    assert_eq!(plain.status.code(), Some(1));
    let text = String::from_utf8(plain.stdout).unwrap();
    assert!(text.contains("FAILED   ghl: ") && text.contains("\n         -> check GHL_API_URL"), "{text}");
}
