//! Health, readiness and the numbers.

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::installation::Installation;
use crate::support::ports::free_port;
use crate::support::postgres::PostgresServer;
use crate::support::redis::RedisServer;
use crate::support::wait_until_async;

/// Those of the promised metrics that one event is enough for; `webhooks` looks at its own.
const METRICS: [&str; 12] = [
    "clienty_events_accepted_total",
    "clienty_queue_jobs",
    "clienty_queue_oldest_seconds",
    "clienty_jobs_total",
    "clienty_job_duration_seconds",
    "clienty_job_wait_seconds",
    "clienty_ghl_requests_total",
    "clienty_ghl_request_duration_seconds",
    "clienty_ghl_throttled_total",
    "clienty_locations",
    "clienty_quota_daily_remaining",
    "clienty_dead_jobs",
];

/// What `/readyz` says once it has noticed: a look counts for a second.
async fn once_not_ok(api: &Api) -> Value {
    let reported = async || api.get("/readyz").await.json();
    wait_until_async("/readyz is not ok", async || reported().await["status"] != "ok").await;
    reported().await
}

#[tokio::test]
async fn metrics_are_served_apart_from_the_api_unless_both_have_one_address() {
    let mut installation = Installation::new(&[]).await;
    {
        let (_program, api) = installation.serve("up");
        let problem = api.get("/metrics").await.problem(404);
        assert!(problem["detail"].as_str().unwrap().contains("CLIENTY_METRICS_LISTEN"), "{problem}");
        for path in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(api.monitoring(path).await.status, 200, "{path}");
        }
        assert_eq!(api.monitoring("/v1/changes").await.status, 404);
    }
    let address = format!("127.0.0.1:{}", free_port());
    installation.set("CLIENTY_LISTEN", &address);
    installation.set("CLIENTY_METRICS_LISTEN", &address);
    let (_program, api) = installation.serve("up");
    assert_eq!(api.get("/metrics").await.status, 200);
    assert_eq!(api.monitoring("/metrics").await.status, 200);
}

#[tokio::test]
async fn every_promised_metric_is_counted_and_no_label_holds_an_id() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let event = json!({"id": "event-1", "type": "contact.selected", "locationId": installation.location,
        "contactId": installation.contacts[0]});
    let job = api.done(&event).await;

    // What is so is sampled now and then.
    api.metrics_with("clienty_locations{state=\"ready\"} 1\n").await;
    api.metrics_with("clienty_queue_jobs{state=\"running\"} 0\n").await;
    let answer = api.monitoring("/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("text/plain"), "{:?}", answer.headers);
    for name in METRICS {
        let has_value = answer.text.lines().any(|line| line.starts_with(name));
        assert!(has_value, "{name} has no value:\n{}", answer.text);
    }
    let counted = |line: &str| assert!(answer.text.contains(line), "no {line}:\n{}", answer.text);
    counted("clienty_events_accepted_total{source=\"api\",type=\"contact.selected\"} 1\n");
    counted("clienty_jobs_total{kind=\"pull_contact\",outcome=\"done\"} 1\n");
    counted("clienty_dead_jobs 0\n");
    for state in ["waiting", "scheduled", "running"] {
        counted(&format!("clienty_queue_jobs{{state=\"{state}\"}} 0\n"));
    }
    for id in [&installation.location, &installation.contacts[0], "event-1", job["id"].as_str().unwrap()] {
        assert!(!answer.text.contains(id), "an id in the metrics: {id}");
    }
}

#[tokio::test]
async fn a_gateway_serves_without_redis_and_says_what_is_missing() {
    let mut redis = RedisServer::start();
    let installation = Installation::new(&[("REDIS_URL", &redis.url())]).await;
    let (_program, api) = installation.serve("gateway");
    let ready = api.request("GET", "/readyz", |request| request).await;
    assert_eq!(
        (ready.status, ready.json()),
        (200, json!({"status": "ok", "database": "ok", "schema": "ok", "queue": "ok"}))
    );

    redis.kill();
    let reported = once_not_ok(&api).await;
    assert_eq!((&reported["status"], &reported["database"]), (&json!("degraded"), &json!("ok")));
    assert_ne!(reported["queue"], "ok");
    assert_eq!(api.monitoring("/readyz").await.status, 503);
    // It is alive all the same: to start it anew would mend nothing.
    assert_eq!(api.request("GET", "/healthz", |request| request).await.status, 200);
    assert_eq!(api.monitoring("/metrics").await.status, 200);

    let event = json!({"type": "contact.selected", "locationId": installation.location,
        "contactId": installation.contacts[0]});
    let accepted = api.accepted(&event).await;
    let job = api.job_in_state(accepted[0]["jobId"].as_str().unwrap(), "waiting").await;
    assert!(job["why"].as_str().unwrap().contains("the queue does not answer"), "{job}");

    redis.restart();
    wait_until_async("all is there again", async || {
        api.request("GET", "/readyz", |request| request).await.json()["status"] == "ok"
    })
    .await;
}

#[tokio::test]
async fn a_gateway_answers_without_its_database_and_says_which_part_is_missing() {
    let redis = RedisServer::start();
    let postgres = PostgresServer::start();
    let installation = Installation::new(&[("REDIS_URL", &redis.url()), ("DATABASE_URL", &postgres.url())]).await;
    let (_program, api) = installation.serve("gateway");
    assert_eq!(api.request("GET", "/readyz", |request| request).await.status, 200);
    // What PostgreSQL could not even compare is simply not there.
    api.get("/v1/jobs/a%00b").await.problem(404);
    api.get("/v1/locations/l%00/contacts").await.problem(404);

    drop(postgres);
    let reported = once_not_ok(&api).await;
    assert_eq!((&reported["status"], &reported["queue"]), (&json!("degraded"), &json!("ok")));
    assert_ne!(reported["database"], "ok");
    assert_eq!(api.monitoring("/readyz").await.status, 503);
    assert_eq!(api.request("GET", "/healthz", |request| request).await.status, 200);
}

#[tokio::test]
async fn a_worker_reports_its_health_and_numbers_and_has_no_api() {
    let redis = RedisServer::start();
    let installation = Installation::new(&[("REDIS_URL", &redis.url())]).await;
    let (_program, started) = installation.start(&["worker", "--concurrency", "2"]);
    let metrics = started["metrics"].as_str().unwrap();
    let api = Api::new(metrics.strip_suffix("/metrics").unwrap(), "");
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(api.request("GET", path, |request| request).await.status, 200, "{path}");
    }
    api.get("/v1/jobs/x").await.problem(404);
}
