//! Without PostgreSQL, without Redis: what answers, with what, and how soon; which numbers alerts can read; and that nothing accepted is lost.
//!
//! `OUTAGE_SECONDS=300 cargo test --test it outages` lets each last for five minutes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::api::{Answer, Api};
use crate::support::ghl_signer::GhlSigner;
use crate::support::installation::Installation;
use crate::support::postgres::PostgresServer;
use crate::support::program::Program;
use crate::support::redis::RedisServer;
use crate::support::wait_until_async;

/// Promised are 3 s; the rest is for a machine that does other things as well. Without deadlines it was 30 s.
const SOON: Duration = Duration::from_secs(10);

struct Place {
    signer: GhlSigner,
    installation: Installation,
    api: Api,
    /// Where the worker reports its numbers.
    worker: Api,
    _programs: [Program; 2],
}

impl Place {
    async fn over(postgres: &PostgresServer, redis: &RedisServer) -> Self {
        let signer = GhlSigner::new();
        let (database, queue) = (postgres.url(), redis.url());
        let mut settings = vec![("DATABASE_URL", database.as_str()), ("REDIS_URL", queue.as_str())];
        let keys = signer.settings();
        settings.extend(keys.iter().map(|(name, value)| (*name, value.as_str())));
        let installation = Installation::new(&settings).await;
        let (gateway, api) = installation.serve("gateway");
        let (worker, started) = installation.start(&["worker"]);
        let numbers = started["metrics"].as_str().unwrap().strip_suffix("/metrics").unwrap().to_owned();
        Self { signer, api, worker: Api::new(&numbers, ""), installation, _programs: [gateway, worker] }
    }

    fn event(&self, number: usize) -> Value {
        let contacts = &self.installation.contacts;
        json!({"id": format!("e{number}"), "type": "contact.selected", "locationId": self.installation.location,
               "contactId": contacts[number % contacts.len()]})
    }

    async fn webhook(&self, number: usize) -> Answer {
        let body = json!({"type": "ContactUpdate", "locationId": self.installation.location,
            "id": self.installation.contacts[0], "webhookId": format!("w{number}")})
        .to_string();
        let signature = self.signer.ghl(body.as_bytes());
        let shape = |request: reqwest::RequestBuilder| request.header("x-ghl-signature", signature).body(body);
        soon(self.api.request("POST", "/webhooks/ghl", shape)).await
    }

    /// What holds during any outage: the process lives, and its numbers can be read.
    async fn lives(&self, gauge: &str) {
        assert_eq!(soon(self.api.get("/healthz")).await.status, 200);
        self.api.metrics_with(&format!("{gauge} 0\n")).await;
        wait_until_async("the worker's gauge says what is down", async || {
            let numbers = soon(self.worker.get("/metrics")).await;
            assert_eq!(numbers.status, 200);
            numbers.text.contains(&format!("{gauge} 0\n"))
        })
        .await;
    }

    async fn all_done(&self, jobs: &[String]) {
        for job in jobs {
            self.api.job_in_state(job, "done").await;
        }
        let dead = self.installation.json(&["jobs", "list", "--state", "dead"]);
        assert_eq!(dead["jobs"], json!([]), "{dead}");
    }
}

async fn soon<F: Future<Output = Answer>>(answer: F) -> Answer {
    let began = Instant::now();
    let answer = answer.await;
    assert!(began.elapsed() < SOON, "{:?}: {answer:?}", began.elapsed());
    answer
}

/// Until then an outage lasts.
fn end() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "a test's own setting")]
    let seconds = std::env::var("OUTAGE_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(5);
    Instant::now() + Duration::from_secs(seconds)
}

fn job_of(answer: &Answer) -> String {
    answer.json()["accepted"][0]["jobId"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_postgresql_all_is_answered_soon_and_nothing_accepted_is_lost() {
    let (redis, mut postgres) = (RedisServer::start(), PostgresServer::start());
    let place = Place::over(&postgres, &redis).await;
    let mut jobs = Vec::new();
    for number in 0..20 {
        jobs.push(job_of(&place.api.post(place.event(number).to_string()).await));
    }
    postgres.stop();
    let (end, mut number) = (end(), 100);
    while Instant::now() < end {
        soon(place.api.post(place.event(number).to_string())).await.problem(503);
        let answer = place.webhook(number).await;
        assert_eq!(answer.status, 429, "GHL is asked to send it again: {}", answer.text);
        assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
        soon(place.api.get("/v1/changes")).await.problem(503);
        let ready = soon(place.api.get("/readyz")).await;
        assert_eq!((ready.status, &ready.json()["status"]), (200, &json!("degraded")));
        number += 1;
    }
    place.lives("clienty_database_up").await;

    postgres.restart();
    let event = place.event(number).to_string();
    wait_until_async("events are accepted again", async || place.api.post(event.clone()).await.status == 202).await;
    // Sent again, it is answered with the same job.
    jobs.push(job_of(&place.api.post(event.clone()).await));
    wait_until_async("webhooks are taken again", async || place.webhook(number).await.status == 200).await;
    place.all_done(&jobs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_events_are_accepted_and_done_when_it_is_back() {
    let (mut redis, postgres) = (RedisServer::start(), PostgresServer::start());
    let place = Place::over(&postgres, &redis).await;
    redis.kill();
    let (end, mut number, mut jobs) = (end(), 0, Vec::new());
    while Instant::now() < end {
        let answer = soon(place.api.post(place.event(number).to_string())).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        jobs.push(job_of(&answer));
        assert_eq!(place.webhook(number).await.status, 200);
        assert_eq!(soon(place.api.get("/readyz")).await.status, 200);
        assert_eq!(soon(place.api.get("/v1/changes")).await.status, 200);
        number += 1;
    }
    place.lives("clienty_queue_up").await;
    redis.restart();
    place.all_done(&jobs).await;
}
