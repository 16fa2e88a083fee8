//! What a worker may still do after its lease, and what the system does while one of its servers is away.

use std::time::Duration;

use serde_json::Value;
use sync_workers::records::JobState;
use tokio::time::sleep;

use crate::support::cluster::{Cluster, quick};
use crate::support::entries::{assert_created_once, creations};
use crate::support::redis::RedisServer;

/// A lane whose state was lost rests for lease, time-out and interval: with these two, 15 s.
const TIMEOUT: (&str, &str) = ("GHL_TIMEOUT_MS", "2000");

/// Every contact is selected, and gets two tasks and two notes.
fn all_events(cluster: &Cluster) -> Vec<Value> {
    let mut events = cluster.selections();
    events.extend(creations(cluster, 2));
    events
}

/// Suspends the first worker at a moment when it has begun runs and not ended them.
async fn hold_still_in_the_midst_of_it(cluster: &Cluster) {
    loop {
        cluster.workers[0].suspend();
        if !cluster.jobs(JobState::Running).await.is_empty() {
            return;
        }
        assert!(cluster.open().await > 0, "all was done before it could be caught in the midst of it");
        cluster.workers[0].resume();
        sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until all is done, and looks at what came of it.
async fn until_all_is_right(cluster: &Cluster, events: &[Value]) {
    cluster.until_done(i64::try_from(events.len()).unwrap()).await;
    cluster.assert_never_over_the_limit();
    assert_created_once(cluster, events);
    assert_eq!(cluster.mismatches().await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_stood_still_for_longer_than_its_lease_neither_settles_nor_writes() {
    let mut cluster = Cluster::start(quick(2, 40), &[TIMEOUT]).await;
    let events = all_events(&cluster);
    cluster.send(&events).await;
    cluster.start_worker();
    cluster.until_done(50).await;
    hold_still_in_the_midst_of_it(&cluster).await;
    cluster.start_worker();
    until_all_is_right(&cluster, &events).await;

    let settled = cluster.jobs(JobState::Done).await;
    cluster.workers[0].resume();
    cluster.workers[0].wait_for_line("a run ended after its lease had gone to another");
    assert_eq!(cluster.jobs(JobState::Done).await, settled, "the ledger is as the heir left it");
    // It is a worker like any other from then on.
    cluster.workers[1].kill();
    cluster.send(&cluster.selections()).await;
    cluster.until_done(i64::try_from(events.len() + cluster.selections().len()).unwrap()).await;
    cluster.assert_never_over_the_limit();
    assert_created_once(&cluster, &events);
    assert_eq!(cluster.mismatches().await, []);
}

/// Restarts Redis while two workers are in the midst of it.
async fn redis_restarts_under_work(redis: RedisServer) {
    let mut cluster = Cluster::start_over(redis, quick(2, 40), &[TIMEOUT]).await;
    let events = all_events(&cluster);
    cluster.send(&events).await;
    cluster.start_worker();
    cluster.start_worker();
    cluster.until_done(50).await;
    cluster.redis.restart();
    until_all_is_right(&cluster, &events).await;
    assert!(cluster.workers.iter_mut().all(|worker| worker.is_running()), "they go on by themselves");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_restarts_empty_loses_no_accepted_event() {
    redis_restarts_under_work(RedisServer::start()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_restarts_from_its_log_loses_no_accepted_event() {
    redis_restarts_under_work(RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "everysec"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_every_worker_and_redis_lost_in_one_moment_is_found_in_the_ledger() {
    let mut cluster = Cluster::start(quick(2, 40), &[TIMEOUT]).await;
    let events = all_events(&cluster);
    cluster.send(&events).await;
    cluster.start_worker();
    cluster.until_done(50).await;
    hold_still_in_the_midst_of_it(&cluster).await;
    cluster.workers[0].kill();
    cluster.redis.flush_all();
    cluster.start_worker();
    until_all_is_right(&cluster, &events).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_connections_to_redis_are_made_anew() {
    let mut cluster = Cluster::start(quick(2, 40), &[TIMEOUT]).await;
    let events = all_events(&cluster);
    cluster.send(&events).await;
    cluster.start_worker();
    cluster.start_worker();
    for done in [50, 100, 150] {
        cluster.until_done(done).await;
        cluster.redis.drop_connections();
    }
    until_all_is_right(&cluster, &events).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_accepted_while_redis_is_down_and_done_when_it_is_back() {
    let mut cluster = Cluster::start(quick(2, 20), &[TIMEOUT]).await;
    cluster.start_worker();
    let events = all_events(&cluster);
    let (before, meanwhile) = events.split_at(40);
    cluster.send(before).await;
    cluster.until_done(40).await;
    cluster.redis.kill();
    cluster.send(meanwhile).await;
    assert_eq!(cluster.count(JobState::Waiting).await, i64::try_from(meanwhile.len()).unwrap());
    cluster.redis.restart();
    until_all_is_right(&cluster, &events).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_restarts_in_the_midst_of_it_makes_nothing_twice() {
    let mut cluster = Cluster::start(quick(2, 40), &[TIMEOUT]).await;
    let events = all_events(&cluster);
    cluster.send(&events).await;
    cluster.start_worker();
    cluster.start_worker();
    cluster.until_done(50).await;
    cluster.restart_postgres().await;
    until_all_is_right(&cluster, &events).await;
}
