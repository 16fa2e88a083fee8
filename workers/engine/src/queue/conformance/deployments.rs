//! One queue, one deployment, one shape: whoever does not fit is refused in words, and nobody's calls are counted in two places (law 2).

use std::time::Duration;

use redis::cmd;
use tokio::time::Instant;

use super::redis_cluster::{RedisCluster, cluster_url};
use super::redis_server::RedisServer;
use super::{INTERVAL, LEASE, TIMEOUT, claiming, job, limit};
use crate::job::Priority;
use crate::limit::ColdStart;
use crate::queue::{LaneState, Namespace, Queue, QueueError, Step, examine};

async fn open(url: &str, prefix: &str, id: &str, shards: usize) -> Result<Queue, QueueError> {
    let namespace = Namespace { prefix: prefix.into(), deployment: Some(id.into()) };
    Queue::redis(url, namespace, shards, limit(50), claiming(), ColdStart::Unspent).await
}

fn refusal(opened: Result<Queue, QueueError>) -> String {
    match opened {
        Err(QueueError::Unfit(reason)) => reason,
        other => panic!("it should be refused: {other:?}"),
    }
}

#[tokio::test]
async fn two_deployments_with_one_prefix_are_refused_and_with_two_they_are_apart() {
    let redis = RedisServer::start();
    let url = redis.url();
    let ours = open(&url, "clienty", "one", 1).await.unwrap();
    open(&url, "clienty", "one", 1).await.unwrap();
    let reason = refusal(open(&url, "clienty", "two", 1).await);
    assert!(reason.contains("CLIENTY_QUEUE_PREFIX") && reason.contains("`clienty`"), "{reason}");
    let namespace = Namespace { prefix: "clienty".into(), deployment: Some("two".into()) };
    let examined = examine(&url.as_str().into(), &namespace, 1).await;
    assert!(matches!(examined, Err(QueueError::Unfit(_))), "{examined:?}");
    let theirs = open(&url, "other", "two", 1).await.unwrap();
    ours.push(&[job("lane", "ours", Priority::Realtime)]).await.unwrap();
    let theirs = theirs.step(0, &Step { claim: 5, ..Step::default() }).await.unwrap();
    assert!(theirs.jobs.is_empty());
}

#[tokio::test]
async fn a_deployment_that_comes_by_later_is_refused_though_it_was_first_once() {
    let redis = RedisServer::start();
    let first = open(&redis.url(), "clienty", "one", 1).await.unwrap();
    redis.flush_all();
    open(&redis.url(), "clienty", "two", 1).await.unwrap();
    // Within seconds it looks again.
    let refused = loop {
        match first.push(&[job("lane", "a", Priority::Realtime)]).await {
            Ok(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, QueueError::Unfit(_)), "{refused}");
}

#[tokio::test]
async fn another_number_of_shards_is_refused_while_processes_run_and_begins_at_rest_after_them() {
    let redis = RedisServer::start();
    let before = open(&redis.url(), "clienty", "one", 4).await.unwrap();
    for lane in 0..8 {
        before.push(&[job(&lane.to_string(), "old", Priority::Realtime)]).await.unwrap();
    }
    let reason = refusal(open(&redis.url(), "clienty", "one", 2).await);
    assert!(reason.contains("CLIENTY_QUEUE_SHARDS") && reason.contains("4 shards"), "{reason}");
    drop(before);
    assert_eq!(redis.command("PEXPIRE clienty:{deployment}:6.4 1"), ":1");
    while redis.command("EXISTS clienty:{deployment}:6.4") != ":0" {}
    let began = Instant::now();
    let after = open(&redis.url(), "clienty", "one", 2).await.unwrap();
    assert_eq!(after.lanes().await.unwrap(), [], "nothing of the old shape is left");
    after.push(&[job("lane", "new", Priority::Interactive)]).await.unwrap();
    assert_eq!(after.lane("lane").await.unwrap().unwrap().state, LaneState::Held, "calls of before may still count");
    let shard = after.shard_of("lane");
    while after.step(shard, &Step { claim: 1, ..Step::default() }).await.unwrap().jobs.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(began.elapsed() + Duration::from_millis(50) >= INTERVAL + TIMEOUT + LEASE);
    let reason = refusal(open(&redis.url(), "clienty", "one", 4).await);
    assert!(reason.contains("2 shards"), "{reason}");
}

#[tokio::test]
async fn a_layout_that_is_in_use_is_refused_and_an_old_one_is_replaced() {
    let redis = RedisServer::start();
    for (key, value) in
        [("clienty:{deployment}", "\"one 4 1\""), ("clienty:{deployment}:4.1", "1"), ("clienty:4:{0}:h", "old")]
    {
        assert_eq!(redis.command(&format!("SET {key} {value}")), "+OK");
    }
    let reason = refusal(open(&redis.url(), "clienty", "one", 1).await);
    assert!(reason.contains("another layout"), "{reason}");
    redis.command("DEL clienty:{deployment}:4.1");
    open(&redis.url(), "clienty", "one", 1).await.unwrap();
    assert_eq!(redis.command("EXISTS clienty:4:{0}:h"), ":0");
}

#[tokio::test]
async fn a_cluster_knows_its_deployment_too() {
    let cluster = RedisCluster::start(3);
    let url = cluster_url(cluster.port(0));
    let before = open(&url, "clienty", "one", 4).await.unwrap();
    before.push(&[job("lane", "old", Priority::Realtime)]).await.unwrap();
    refusal(open(&url, "clienty", "two", 4).await);
    refusal(open(&url, "clienty", "one", 3).await);
    drop(before);
    let owner = cluster.owner("clienty:{deployment}");
    cluster.ask::<u8>(owner, cmd("DEL").arg("clienty:{deployment}:6.4"));
    let after = open(&url, "clienty", "one", 3).await.unwrap();
    assert_eq!(after.lanes().await.unwrap(), []);
}
