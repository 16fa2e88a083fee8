//! A database that takes connections and statements and answers none, as behind a line that went dead.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::installation::Installation;
use crate::support::postgres::PostgresServer;
use crate::support::redis::RedisServer;
use crate::support::wire::Wire;

/// Promised are 2 to 3 s; the rest is for a machine that does other things as well. Without deadlines it was 30 s.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_and_commands_are_answered_soon_and_all_goes_on_afterwards() {
    let (redis, postgres) = (RedisServer::start(), PostgresServer::start());
    let (wire, url) = Wire::before(&postgres.url()).await;
    let installation = Installation::new(&[("REDIS_URL", &redis.url()), ("DATABASE_URL", &url)]).await;
    let (_program, api) = installation.serve("gateway");
    let event = json!({"type": "contact.selected", "locationId": installation.location,
        "contactId": installation.contacts[0]});
    api.accepted(&event).await;

    wire.hang();
    let contacts = format!("/v1/locations/{}/contacts", installation.location);
    for _ in 0..3 {
        let began = Instant::now();
        api.post(event.to_string()).await.problem(503);
        api.get(&contacts).await.problem(503);
        api.get("/v1/changes").await.problem(503);
        let ready = api.request("GET", "/readyz", |request| request).await;
        assert_eq!(
            (ready.status, &ready.json()["status"]),
            (200, &json!("degraded")),
            "no other gateway could do better"
        );
        assert_eq!(api.monitoring("/readyz").await.status, 503);
        assert!(began.elapsed() < 4 * SOON, "{:?}", began.elapsed());
    }
    let began = Instant::now();
    let reported = tokio::task::block_in_place(|| installation.run(&["jobs", "stats"]));
    assert_eq!(reported.status.code(), Some(1), "{reported:?}");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());

    wire.mend();
    crate::support::wait_until_async("events are accepted again", async || {
        api.post(event.to_string()).await.status == 202
    })
    .await;
    assert_eq!(api.get(&contacts).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_locked_sqlite_file_nobody_waits_for_the_others() {
    use sqlx::{Connection, SqliteConnection};
    let redis = RedisServer::start();
    let installation = Installation::new(&[("REDIS_URL", &redis.url())]).await;
    let (_program, api) = installation.serve("gateway");
    let event = json!({"type": "contact.selected", "locationId": installation.location,
        "contactId": installation.contacts[0]});
    api.accepted(&event).await;

    let mut other = SqliteConnection::connect(&installation.database_url()).await.unwrap();
    sqlx::query("begin immediate").execute(&mut other).await.unwrap();
    let began = Instant::now();
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let (api, body) = (api.clone(), event.to_string());
            tokio::spawn(async move { api.post(body).await })
        })
        .collect();
    for waiting in waiting {
        waiting.await.unwrap().problem(503);
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    sqlx::query("rollback").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    crate::support::wait_until_async("events are accepted again", async || {
        api.post(event.to_string()).await.status == 202
    })
    .await;
}
