//! Redis Cluster: all keys of a shard are in one slot, so any node can hold it (law 10).

use std::time::Duration;

use super::redis_server::RedisServer;
use super::{Bench, LEASE, claiming, job, limit};
use crate::job::{NewJob, Priority};
use crate::limit::FirstMeeting;
use crate::queue::Queue;
use crate::verdict::Verdict;

const SHARDS: usize = 4;
const LANES: usize = 40;

/// What a function reaches outside its slot the server refuses, so it is enough that all of them run and do what they do.
#[tokio::test]
async fn every_function_of_a_shard_keeps_to_one_slot() {
    let redis = RedisServer::start_cluster();
    let queue = Queue::redis(&redis.url(), "test", SHARDS, limit(50), claiming(), FirstMeeting::Unspent).await.unwrap();
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

    let claimed = bench.claim_now(LANES).await;
    assert_eq!(claimed.len(), LANES);
    for (n, verdict) in [
        Verdict::Done,
        Verdict::Retry { after: Duration::from_millis(1) },
        Verdict::Snooze { after: Duration::ZERO },
        Verdict::Throttled { hold: Duration::from_millis(1) },
        Verdict::Broken { probe_after: Duration::from_millis(1) },
        Verdict::Released,
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(
            bench.push(job(&claimed[n].key.lane, "now", Priority::Interactive)).await,
            crate::Pushed::AfterRunning
        );
        bench.settle(&claimed[n], verdict, 1).await;
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
