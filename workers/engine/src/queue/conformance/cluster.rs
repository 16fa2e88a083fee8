//! Redis Cluster: all keys of a shard are in one slot, so any node can hold it (law 10), and the shard is spoken to where it is.

use std::time::Duration;

use redis::cmd;

use super::redis_cluster::{RedisCluster, cluster_url};
use super::redis_server::RedisServer;
use super::{Bench, LEASE, claiming, done, job, limit, records};
use super::{alive, breaker, causes, day, fairness, kinds, leases, limits, listening, losses, poison};
use super::{outcomes, pushes, scale, small, tokens};
use crate::job::{NewJob, Priority};
use crate::limit::ColdStart;
use crate::outcome::Outcome;
use crate::queue::{LaneState, Queue, Step};

const SHARDS: usize = 4;
const LANES: usize = 40;

/// What a function reaches outside its slot the server refuses, so it is enough that all of them run and do what they do.
#[tokio::test]
async fn every_function_of_a_shard_keeps_to_one_slot() {
    let redis = RedisServer::start_cluster();
    let queue = Queue::redis(&redis.url(), "test", SHARDS, limit(50), claiming(), ColdStart::Unspent).await.unwrap();
    let bench = Bench { queue, redis: Some(redis) };
    let lane = |n: usize| format!("lane-{n}");
    for n in 0..LANES {
        bench.push(job(&lane(n), "now", Priority::Realtime)).await;
        bench.push(NewJob { delay: LEASE, ..job(&lane(n), "later", Priority::Bulk) }).await;
    }
    bench.queue.pause(&lane(0)).await.unwrap();
    bench.queue.pause_kind("kind").await.unwrap();
    assert!(bench.claim_now(LANES).await.is_empty(), "all are of that kind");
    bench.queue.resume_kind("kind").await.unwrap();
    bench.queue.resume(&lane(0)).await.unwrap();

    // On a slow machine some of what was scheduled is due by now.
    let mut claimed = bench.claim_now(LANES).await;
    claimed.retain(|job| job.key.record == "now");
    assert_eq!(claimed.len(), LANES);
    for (n, outcome) in [
        Outcome::Done,
        Outcome::Retry { after: Duration::from_millis(1) },
        Outcome::Snooze { after: Duration::ZERO },
        Outcome::Throttled { hold: Duration::from_millis(1) },
        Outcome::Broken { probe_after: Duration::from_millis(1) },
        Outcome::Released,
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(
            bench.push(job(&claimed[n].key.lane, "now", Priority::Interactive)).await,
            crate::Pushed::AfterRunning
        );
        bench.settle(&claimed[n], outcome, 1).await;
    }
    for shard in 0..SHARDS {
        bench.queue.heartbeat(shard, &[claimed[0].epoch]).await.unwrap();
    }
    // What nobody settled comes back when its lease is over, and what was scheduled is due by then.
    let mut again = 0;
    while again < LANES {
        again += bench.claim(LANES).await.iter().filter(|job| job.key.record == "later").count();
    }
    assert_eq!(bench.queue.lanes().await.unwrap().len(), LANES);
}

#[tokio::test]
async fn a_cluster_keeps_all_promises() {
    let cluster = RedisCluster::start(3);
    let port = cluster.port(0);
    alive::over_a_cluster(port).await;
    breaker::over_a_cluster(port).await;
    causes::over_a_cluster(port).await;
    day::over_a_cluster(port).await;
    fairness::over_a_cluster(port).await;
    kinds::over_a_cluster(port).await;
    leases::over_a_cluster(port).await;
    limits::over_a_cluster(port).await;
    listening::over_a_cluster(port).await;
    losses::over_a_cluster(port).await;
    poison::over_a_cluster(port).await;
    pushes::over_a_cluster(port).await;
    scale::over_a_cluster(port).await;
    small::over_a_cluster(port).await;
    tokens::over_a_cluster(port).await;
    outcomes::over_a_cluster(port).await;
}

/// Over a cluster of three: the queue, and a lane of each shard.
async fn over(cluster: &RedisCluster) -> (Bench, Vec<String>) {
    let url = cluster_url(cluster.port(0));
    let queue = Queue::redis(&url, "test", SHARDS, limit(50), claiming(), ColdStart::Unspent).await.unwrap();
    let lane = |shard| (0..).map(|n| format!("lane-{n}")).find(|lane| queue.shard_of(lane) == shard).unwrap();
    let lanes = (0..SHARDS).map(lane).collect();
    (Bench { queue, redis: None }, lanes)
}

fn key_of(shard: usize) -> String {
    format!("test:6:{{{shard}}}:h")
}

#[tokio::test]
async fn a_shard_goes_on_where_its_slot_was_moved_to() {
    let cluster = RedisCluster::start(3);
    let (bench, lanes) = over(&cluster).await;
    let owners: Vec<_> = (0..SHARDS).map(|shard| cluster.owner(&key_of(shard))).collect();
    assert!((0..3).all(|shard_connection| owners.contains(&shard_connection)), "each node has a shard: {owners:?}");
    let losses = bench.queue.losses();
    for (shard, lane) in lanes.iter().enumerate() {
        for record in ["runs", "waits"] {
            bench.push(job(lane, record, Priority::Realtime)).await;
        }
        let mut running = bench.step(shard, Step { claim: 1, ..Step::default() }).await.jobs;
        bench.queue.pause(lane).await.unwrap();

        cluster.move_slot(&key_of(shard), (owners[shard] + 1) % 3);
        assert_eq!(bench.queue.lane(lane).await.unwrap().unwrap().state, LaneState::Paused);
        assert_eq!(bench.queue.lanes().await.unwrap().len(), shard + 1);
        let settle = Step { settlements: vec![done(running.remove(0))], claim: 1, ..Step::default() };
        let stepped = bench.step(shard, settle).await;
        assert!(stepped.late.is_empty() && stepped.jobs.is_empty());
        bench.queue.resume(lane).await.unwrap();
        let stepped = bench.step(shard, Step { claim: 5, ..Step::default() }).await;
        assert_eq!(records(&stepped.jobs), ["waits"]);
    }
    bench.queue.ping().await.unwrap();
    assert!(losses.iter().all(|loss| !loss.has_changed().unwrap()), "nothing was lost");
}

#[tokio::test]
async fn who_listens_receives_of_a_push_where_the_slot_was_moved_to() {
    let cluster = RedisCluster::start(3);
    let (bench, lanes) = over(&cluster).await;
    for (shard, lane) in lanes.iter().enumerate() {
        let (queue, step) = (bench.queue.clone(), Step { claim: 1, ..Step::default() });
        let listens = tokio::spawn(async move { queue.listen(shard, &step, Duration::from_secs(60)).await.unwrap() });
        let owner = cluster.owner(&key_of(shard));
        let info = cmd("INFO").arg("clients").to_owned();
        while !cluster.ask::<String>(owner, &info).contains("blocked_clients:1") {
            tokio::task::yield_now().await;
        }
        cluster.move_slot(&key_of(shard), (owner + 1) % 3);
        bench.push(job(lane, "a", Priority::Realtime)).await;
        let received = tokio::time::timeout(Duration::from_secs(20), listens).await;
        assert_eq!(records(&received.expect("long before its own limit").unwrap().jobs), ["a"]);
        // The node that it has now is the one that is reported.
        let (queue, hushed) = (bench.queue.clone(), tokio::sync::Notify::new());
        let listens = async {
            let stepped = queue.listen(shard, &Step::default(), Duration::from_secs(60)).await.unwrap();
            hushed.notify_one();
            stepped
        };
        let unblock = async {
            while tokio::time::timeout(Duration::from_millis(20), hushed.notified()).await.is_err() {
                queue.unblock(shard).await.unwrap();
            }
        };
        let both = async { tokio::join!(listens, unblock).0 };
        let stepped = tokio::time::timeout(Duration::from_secs(20), both).await.expect("hushed");
        assert!(stepped.jobs.is_empty());
    }
}

#[tokio::test]
async fn a_shard_goes_on_at_the_replica_that_was_promoted() {
    let mut cluster = RedisCluster::start(3);
    let (bench, lanes) = over(&cluster).await;
    // Also that of the URL: the others are known from it.
    for shard_connection in 0..3 {
        let shard = (0..SHARDS).find(|shard| cluster.owner(&key_of(*shard)) == shard_connection).unwrap();
        bench.push(job(&lanes[shard], "a", Priority::Realtime)).await;
        let replica = cluster.add_replica(shard_connection);
        // Its first replica gives a master a new id; the shard learns of it within a lease and reports the replica.
        tokio::time::sleep(LEASE).await;
        bench.step(shard, Step::default()).await;
        while cluster.ask::<u8>(shard_connection, cmd("WAIT").arg(1).arg(100)) == 0 {}
        let losses = bench.queue.losses();
        cluster.kill(shard_connection);
        cluster.ask::<()>(replica, cmd("CLUSTER").arg("FAILOVER").arg("TAKEOVER"));
        let claims = async {
            loop {
                match bench.queue.step(shard, &Step { claim: 1, ..Step::default() }).await {
                    Ok(stepped) if stepped.jobs.is_empty() => assert!(losses[shard].has_changed().unwrap(), "it rests"),
                    Ok(stepped) => break stepped.jobs,
                    Err(_) => {}
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let claimed =
            tokio::time::timeout(Duration::from_secs(60), claims).await.expect("the replica is known as owner");
        assert_eq!(records(&claimed), ["a"]);
    }
}
