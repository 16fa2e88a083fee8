//! The change feed: in order, without gaps, and worth waiting for.

use std::time::Duration;

use ghl_sandbox::SandboxConfig;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use crate::support::api::Api;
use crate::support::cluster::{Cluster, quick};
use crate::support::installation::Installation;

fn numbers(page: &Value) -> Vec<i64> {
    page["changes"].as_array().unwrap().iter().map(|change| change["seq"].as_i64().unwrap()).collect()
}

/// Reads the feed from its beginning by small pages, until it has reported `contacts` of them.
async fn follow(api: Api, contacts: usize) -> Vec<Value> {
    let (mut path, mut read, mut found) = ("/v1/changes?limit=7&wait=30".to_owned(), Vec::new(), 0);
    while found < contacts {
        let page = api.get(&path).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let page = page.json();
        let changes = page["changes"].as_array().unwrap().clone();
        assert!(!changes.is_empty(), "30 s without a change after {read:?}");
        found += changes.iter().filter(|change| change["record"] == "contact").count();
        read.extend(changes);
        path = format!("/v1/changes?limit=7&wait=30&cursor={}", page["nextCursor"].as_str().unwrap());
    }
    read
}

#[tokio::test]
async fn readers_follow_many_writers_of_other_processes_without_a_gap() {
    let mut cluster = Cluster::start(SandboxConfig { locations: 3, ..quick(3, 20) }, &[]).await;
    let reader = tokio::spawn(follow(cluster.api(), 60));
    let other = tokio::spawn(follow(cluster.api(), 60));
    cluster.start_worker();
    cluster.start_worker();
    cluster.send(&cluster.selections()).await;
    let read = reader.await.unwrap();
    let seen: Vec<i64> = read.iter().map(|change| change["seq"].as_i64().unwrap()).collect();
    assert_eq!(seen, (1..=seen.len() as i64).collect::<Vec<_>>());
    let (ours, others) = (read.len(), other.await.unwrap());
    assert_eq!(read[..ours.min(others.len())], others[..ours.min(others.len())]);
    let mut contacts: Vec<String> =
        cluster.sandbox.locations().iter().flat_map(|at| cluster.contacts(&at.id)).collect();
    let mut reported: Vec<String> = read
        .iter()
        .filter(|change| change["record"] == "contact")
        .map(|change| change["recordId"].as_str().unwrap().to_owned())
        .collect();
    contacts.sort();
    reported.sort();
    assert_eq!(reported, contacts);
}

#[tokio::test]
async fn who_waits_is_reported_when_something_changes_and_when_the_program_ends() {
    let installation = Installation::new(&[]).await;
    let (mut program, api) = installation.serve("up");
    let end = api.get("/v1/changes?cursor=latest").await.json();
    assert_eq!(end, json!({"changes": [], "nextCursor": "0"}));
    assert_eq!(api.get("/v1/changes?wait=1").await.json(), end, "nothing in a second");

    let waiting = {
        let api = api.clone();
        tokio::spawn(async move { api.get("/v1/changes?cursor=0&wait=60").await })
    };
    api.pulled(&installation.location, &installation.contacts[0]).await;
    let reported = waiting.await.unwrap().json();
    assert_eq!(numbers(&reported)[0], 1);
    assert_eq!(reported["changes"][0]["record"], "contact");
    assert_eq!(reported["changes"][0]["op"], "stored");

    let end = api.get("/v1/changes?cursor=latest").await.json();
    let path = format!("/v1/changes?wait=60&cursor={}", end["nextCursor"].as_str().unwrap());
    let waiting = tokio::spawn(async move { api.get(&path).await });
    // It can only be refused once it waits; asked for too early, it would not be answered at all.
    tokio::time::sleep(Duration::from_millis(300)).await;
    program.terminate();
    assert_eq!(waiting.await.unwrap().json(), end);
    assert_eq!(program.wait().code(), Some(0));
}

#[tokio::test]
async fn a_cursor_is_one_of_the_feed_or_a_problem() {
    let installation = Installation::new(&[]).await;
    let (mut program, api) = installation.serve("up");
    api.pulled(&installation.location, &installation.contacts[0]).await;
    let end = api.get("/v1/changes?cursor=latest").await.json()["nextCursor"].as_str().unwrap().to_owned();
    let beyond = format!("cursor={}1", end);
    for (query, field) in [
        (beyond.as_str(), "cursor"),
        ("cursor=-1", "cursor"),
        ("cursor=newest", "cursor"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("wait=61", "wait"),
        ("wait=long", "wait"),
        ("since=1", "since"),
    ] {
        assert_eq!(api.get(&format!("/v1/changes?{query}")).await.faults(400), [(None, field.to_owned())], "{query}");
    }

    program.terminate();
    program.wait();
    // So long ago that the feed need not go back there.
    let mut database = SqliteConnection::connect(&installation.database_url()).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("update changes set changed_at = 0 where seq < {end}")))
        .execute(&mut database)
        .await
        .unwrap();
    database.close().await.unwrap();
    let (_program, api) = installation.serve("up");
    crate::support::wait_until_async("the old changes are forgotten", async || {
        api.get("/v1/changes?cursor=0").await.status == 410
    })
    .await;
    let problem = api.get("/v1/changes?cursor=0").await.problem(410);
    assert!(problem["detail"].as_str().unwrap().contains("latest"), "{problem}");
    let kept = api.get("/v1/changes").await.json();
    assert_eq!((numbers(&kept).len(), kept["nextCursor"].as_str()), (1, Some(end.as_str())));
}
