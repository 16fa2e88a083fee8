//! Commands that listen: addresses that are taken, and ends that are orderly.

use std::net::TcpListener;

use crate::support::api::Api;
use crate::support::folder::Folder;
use crate::support::installation::{Installation, started};
use crate::support::postgres::PostgresServer;
use crate::support::program::{clienty_sync, run};
use crate::support::redis::RedisServer;

#[tokio::test]
async fn an_address_that_is_taken_is_named_with_the_setting_to_change() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let port = taken.local_addr().unwrap().port().to_string();
    let redis = RedisServer::start();
    let settings =
        [("REDIS_URL", redis.url()), ("CLIENTY_LISTEN", address.clone()), ("CLIENTY_METRICS_LISTEN", address.clone())];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let installation = Installation::new(&settings).await;
    let commands: [(&[&str], &str); 5] = [
        (&["up"], "CLIENTY_LISTEN"),
        (&["gateway"], "CLIENTY_LISTEN"),
        (&["demo"], "CLIENTY_LISTEN"),
        (&["worker"], "CLIENTY_METRICS_LISTEN"),
        (&["sandbox", "--port", &port], "--port"),
    ];
    for (command, setting) in commands {
        let ended = installation.run(command);
        assert_eq!(ended.status.code(), Some(1), "{command:?}: {ended:?}");
        let reported = String::from_utf8(ended.stderr).unwrap();
        let reason = reported.lines().find(|line| line.starts_with("clienty-sync: ")).unwrap();
        assert!(
            reason.contains(setting) && reason.contains("in use") && reason.contains(&port),
            "{command:?}: {reason}"
        );
    }
}

#[tokio::test]
async fn the_sandbox_takes_a_free_port_and_reports_its_tokens() {
    let folder = Folder::new("sandbox");
    let (mut program, reported) =
        started(&["sandbox", "--port", "0", "--locations", "2", "--contacts", "3"], &[], &folder);
    let locations = reported["locations"].as_array().unwrap();
    assert_eq!(locations.len(), 2);
    assert!(locations.iter().all(|location| location["id"].is_string() && location["token"].is_string()), "{reported}");
    let known = Api::new(reported["url"].as_str().unwrap(), "").get("/_sandbox/locations").await.json();
    assert_eq!(known[1]["contacts"].as_array().unwrap().len(), 3);
    program.terminate();
    assert_eq!(program.wait().code(), Some(0));
}

#[test]
fn the_sandbox_writes_the_key_that_the_settings_name() {
    let folder = Folder::new("sandbox-key");
    let file = folder.path().join("ghl.pem").display().to_string();
    let settings = [("GHL_WEBHOOK_ED25519_KEY_FILE", file.as_str())];
    let (_program, _) = started(&["sandbox", "--port", "0", "--webhook-key-file", &file], &settings, &folder);
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("-----BEGIN PUBLIC KEY-----"));
    let nowhere = folder.path().join("none/ghl.pem").display().to_string();
    let ended = run(clienty_sync(&["sandbox", "--port", "0", "--webhook-key-file", &nowhere], &[]));
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(String::from_utf8(ended.stderr).unwrap().contains("--webhook-key-file"));
}

#[tokio::test]
async fn a_second_worker_on_one_machine_needs_no_settings() {
    // Where this fails another program has the address, which serves as well.
    let _first = TcpListener::bind("127.0.0.1:9464");
    let redis = RedisServer::start();
    let installation = Installation::new(&[("REDIS_URL", &redis.url()), ("CLIENTY_METRICS_LISTEN", "")]).await;
    let (_worker, reported) = installation.start(&["worker"]);
    let metrics = reported["metrics"].as_str().unwrap();
    assert!(metrics.starts_with("http://127.0.0.1:") && !metrics.contains(":9464/"), "{metrics}");
}

/// Each would take the whole of GHL's limit for its own, and take the other's running jobs for lost.
#[tokio::test]
async fn of_two_processes_with_a_queue_in_memory_the_second_refuses_the_same_records() {
    let postgres = PostgresServer::start();
    let folder = Folder::new("serving");
    let file = format!("sqlite://{}/records.db", folder.path().display());
    for database in [&file, &postgres.url()] {
        let mut installation = Installation::new(&[("DATABASE_URL", database)]).await;
        let (mut first, _) = installation.serve("up");
        let other = Folder::new("serving");
        installation.set("CLIENTY_DATA_DIR", other.path().to_str().unwrap());
        let second = installation.run(&["up"]);
        let reported = String::from_utf8(second.stderr).unwrap();
        assert_eq!(second.status.code(), Some(1), "{database}: {reported}");
        assert!(reported.contains("another process") && reported.contains("REDIS_URL"), "{database}: {reported}");
        first.terminate();
        assert_eq!(first.wait().code(), Some(0));
        let (_next, _) = installation.serve("up");
    }
}

#[tokio::test]
async fn gateway_and_worker_end_well_when_asked() {
    let redis = RedisServer::start();
    let installation = Installation::new(&[("REDIS_URL", &redis.url())]).await;
    for command in ["gateway", "worker"] {
        let (mut program, _) = installation.start(&[command]);
        program.terminate();
        assert_eq!(program.wait().code(), Some(0), "{command}");
    }
}

#[test]
fn apart_they_need_a_redis_and_say_so() {
    for command in ["gateway", "worker"] {
        let ended = run(clienty_sync(&[command], &[]));
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        let reported = String::from_utf8(ended.stderr).unwrap();
        assert!(reported.contains("REDIS_URL is not set") && reported.contains("clienty-sync up"), "{reported}");
    }
}

#[test]
fn a_redis_that_is_down_is_reported_once_with_its_setting() {
    let folder = Folder::new("serving");
    let settings = [
        ("CLIENTY_DATA_DIR", folder.path().to_str().unwrap()),
        ("CLIENTY_LISTEN", "127.0.0.1:0"),
        ("REDIS_URL", "redis://:hunter2@127.0.0.1:1"),
    ];
    assert_eq!(run(clienty_sync(&["migrate"], &settings)).status.code(), Some(0));
    // One that needs the queue at once; gateways and workers wait for it.
    let ended = run(clienty_sync(&["jobs", "pause", "location"], &settings));
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let reported = String::from_utf8(ended.stderr).unwrap();
    assert!(reported.contains("REDIS_URL") && !reported.contains("hunter2"), "{reported}");
    assert_eq!(reported.matches("Connection refused").count(), 1, "{reported}");
}
