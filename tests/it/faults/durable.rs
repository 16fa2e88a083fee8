//! What is answered 202 is on the disk, and many requests share the way there.

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::disk_faults::DiskFaults;
use crate::support::installation::Installation;
use crate::support::program::Program;
use crate::support::redis::RedisServer;

/// A gateway alone, so that every change of its disk is made for a request.
struct Gateway {
    api: Api,
    faults: DiskFaults,
    event: Value,
    _program: Program,
    _installation: Installation,
    _redis: RedisServer,
}

impl Gateway {
    async fn start() -> Self {
        let (redis, faults) = (RedisServer::start(), DiskFaults::new());
        let mut installation = Installation::new(&[("REDIS_URL", &redis.url())]).await;
        for (name, value) in faults.environment(&installation.data_folder()) {
            installation.set(name, &value);
        }
        let (program, api) = installation.serve("gateway");
        let event = json!({"type": "contact.selected", "locationId": installation.location,
            "contactId": installation.contacts[0]});
        Self { api, faults, event, _program: program, _installation: installation, _redis: redis }
    }
}

#[tokio::test]
async fn between_two_answers_202_lies_an_fsync() {
    let gateway = Gateway::start().await;
    let before = gateway.faults.trace().len();
    for _ in 0..20 {
        gateway.api.accepted(&gateway.event).await;
    }
    let trace = gateway.faults.trace().split_off(before);
    let parts: Vec<_> = trace.split(|line| line == "202").collect();
    assert_eq!(parts.len(), 21, "{trace:?}");
    for part in &parts[..20] {
        assert!(part.contains(&"fsync".to_owned()), "an answer without an fsync before it: {trace:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_at_once_share_an_fsync_and_a_refused_one_fails_alone() {
    const REQUESTS: usize = 100;
    let gateway = Gateway::start().await;
    // Slow, as a disk is that waits for its platter: what comes meanwhile gathers.
    gateway.faults.order("SLOW 50");
    let before = gateway.faults.trace().len();
    let refused = json!([gateway.event, {"type": "task.updated", "locationId": gateway.event["locationId"],
        "data": {"clientyTaskId": "nobody-knows-it", "title": "x"}}]);
    let sending = (0..REQUESTS).map(|number| {
        let api = gateway.api.clone();
        let body = if number % 5 == 4 { refused.to_string() } else { gateway.event.to_string() };
        tokio::spawn(async move { (number, api.post(body).await) })
    });
    let mut accepted = 0;
    for sent in sending.collect::<Vec<_>>() {
        let (number, answer) = sent.await.unwrap();
        let expected = if number % 5 == 4 { 422 } else { 202 };
        assert_eq!(answer.status, expected, "{}", answer.text);
        accepted += usize::from(answer.status == 202);
    }
    let trace = gateway.faults.trace().split_off(before);
    let (fsyncs, answers) = ["fsync", "202"].map(|what| trace.iter().filter(|line| *line == what).count()).into();
    assert_eq!(answers, accepted);
    assert!(trace.iter().position(|line| line == "fsync") < trace.iter().position(|line| line == "202"), "{trace:?}");
    assert!(fsyncs < REQUESTS / 2, "{fsyncs} for {accepted} accepted requests");
    // Of the refused batches nothing was kept.
    let jobs = gateway._installation.job_count();
    assert_eq!(usize::try_from(jobs).unwrap(), accepted);
}
