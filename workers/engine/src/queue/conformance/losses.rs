//! A queue that lost its state counts every lane as used up, and reports it (laws 1 and 2).

use std::time::Duration;

use tokio::time::Instant;

use super::redis_server::RedisServer;
use super::{Bench, INTERVAL, LEASE, Over, TIMEOUT, claiming, job, limit};
use crate::job::Priority;
use crate::limit::ColdStart;
use crate::queue::{LaneState, Queue, Step};

promises! {
    a_lost_state_counts_as_spent,
    no_resume_ends_the_rest_after_lost_state,
}

async fn a_lost_state_counts_as_spent(over: Over) {
    // The rest begins when it is met.
    let began = Instant::now();
    let mut bench = Bench::met(over, 10, ColdStart::Spent).await;
    let spent = INTERVAL + TIMEOUT + LEASE;
    bench.push(job("lane", "a", Priority::Interactive)).await;
    assert!(bench.claim_now(1).await.is_empty());
    bench.claim(1).await;
    assert!(began.elapsed() + Duration::from_millis(50) >= spent);
    let Some(redis) = &mut bench.redis else { return };
    let losses = bench.queue.losses();
    redis.flush_all();
    let began = Instant::now();
    bench.push(job("lane", "b", Priority::Interactive)).await;
    assert!(losses.iter().any(|loss| loss.has_changed().unwrap()), "the loss is told");
    bench.claim(1).await;
    assert!(began.elapsed() + Duration::from_millis(50) >= spent);
}

#[tokio::test]
async fn a_state_lost_before_the_first_push_counts_as_spent() {
    let mut bench = Bench::leased(Over::Redis { shards: 1 }, 10).await;
    // As of a gateway that saw no event yet, while workers spent the quota.
    bench.redis.as_mut().unwrap().flush_all();
    bench.push(job("lane", "a", Priority::Interactive)).await;
    let lane = bench.queue.lane("lane").await.unwrap().unwrap();
    assert_eq!(lane.state, LaneState::Held);
    assert!(bench.claim_now(1).await.is_empty());
}

#[tokio::test]
async fn a_promoted_replica_that_missed_the_last_writes_counts_as_spent() {
    let bench = Bench::leased(Over::Redis { shards: 1 }, 10).await;
    let (master, replica) = (bench.redis.as_ref().unwrap(), RedisServer::start());
    bench.push(job("lane", "a", Priority::Interactive)).await;
    replica.command(&format!("REPLICAOF 127.0.0.1 {}", master.port()));
    while master.command("WAIT 1 100") != ":1" {}
    // Its first replica gives a master a new id; the shard learns of it within a lease and reports the replica.
    tokio::time::sleep(LEASE).await;
    bench.step(0, Step::default()).await;
    while master.command("WAIT 1 100") != ":1" {}
    replica.command("REPLICAOF NO ONE");
    // What the replica never learns of: a claim, and so a token that is out.
    assert_eq!(bench.claim_now(1).await.len(), 1);
    let losses = bench.queue.losses();
    let port = master.port();
    master.command("SHUTDOWN NOSAVE");
    while !replica.command(&format!("CONFIG SET port {port}")).starts_with("+OK") {}
    let began = Instant::now();
    let stepped = loop {
        match bench.queue.step(0, &Step { claim: 1, ..Step::default() }).await {
            Ok(stepped) => break stepped,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    assert!(stepped.jobs.is_empty(), "the job waits there still, but its call may be under way");
    assert!(losses[0].has_changed().unwrap(), "the loss is told");
    assert_eq!(bench.claim(1).await[0].key.record, "a");
    assert!(began.elapsed() + Duration::from_millis(50) >= INTERVAL + TIMEOUT + LEASE);
}

/// The rest after lost state belongs to tokens, and no person's wish brings them back.
async fn no_resume_ends_the_rest_after_lost_state(over: Over) {
    let bench = Bench::met(over, 10, ColdStart::Spent).await;
    bench.push(job("lane", "a", Priority::Interactive)).await;
    bench.queue.pause("lane").await.unwrap();
    bench.queue.resume("lane").await.unwrap();
    assert!(bench.claim_now(1).await.is_empty());
    let lane = bench.queue.lane("lane").await.unwrap().unwrap();
    assert_eq!((lane.state, lane.tokens_free), (LaneState::Held, 0));
}

/// A master that lost its last writes comes back under its own name, with replication ids of its own choice.
#[tokio::test]
async fn an_older_state_that_comes_back_counts_as_spent() {
    let mut bench = Bench::leased(Over::Redis { shards: 1 }, 10).await;
    let (a, b) = (job("lane", "a", Priority::Interactive), job("lane", "b", Priority::Interactive));
    bench.queue.push(&[a, b]).await.unwrap();
    let old = bench.redis.take().unwrap();
    let kept = old.dump();
    assert_eq!(bench.claim_now(1).await.len(), 1, "which the state that comes back does not know");
    let port = old.port();
    drop(old);
    let losses = bench.queue.losses();
    bench.redis = Some(RedisServer::start_from(port, &kept));
    let began = Instant::now();
    let stepped = loop {
        match bench.queue.step(0, &Step { claim: 1, ..Step::default() }).await {
            Ok(stepped) => break stepped,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    assert!(stepped.jobs.is_empty(), "its call may be under way");
    assert!(losses[0].has_changed().unwrap(), "the loss is told");
    bench.claim(1).await;
    assert!(began.elapsed() + Duration::from_millis(50) >= INTERVAL + TIMEOUT + LEASE);
}

/// As when another server was the master meanwhile, and this one, which received nothing of it, is so again: neither its run id nor its replication ids
/// report. Whoever has claimed there knows.
#[tokio::test]
async fn a_state_that_knows_less_than_its_workers_counts_as_spent() {
    let redis = RedisServer::start_with(&["--enable-debug-command", "yes"]);
    let queue = Queue::redis(&redis.url(), "test", 1, limit(10), claiming(), ColdStart::Unspent).await.unwrap();
    let (a, b) = (job("lane", "a", Priority::Interactive), job("lane", "b", Priority::Interactive));
    queue.push(&[a, b]).await.unwrap();
    assert_eq!(redis.command("SAVE"), "+OK");
    let claim = Step { claim: 1, ..Step::default() };
    assert_eq!(queue.step(0, &claim).await.unwrap().jobs.len(), 1);
    assert_eq!(redis.command("DEBUG RELOAD NOSAVE"), "+OK");
    let losses = queue.losses();
    // It is met again within a lease, and with each new connection.
    tokio::time::sleep(LEASE / 4).await;
    let began = Instant::now();
    let stepped = queue.step(0, &claim).await.unwrap();
    assert!(stepped.jobs.is_empty(), "the call of the job that runs may be under way");
    assert!(losses[0].has_changed().unwrap(), "the loss is told");
    while queue.step(0, &claim).await.unwrap().jobs.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(began.elapsed() + Duration::from_millis(50) >= INTERVAL + TIMEOUT + LEASE);
}
