//! A Redis whose memory is used up, and which evicts nothing: what is reported must not be half kept.

use super::{Bench, Over, job, records};
use crate::job::Priority;
use crate::outcome::Outcome;

#[tokio::test]
async fn a_full_redis_refuses_a_push_whole_and_goes_on_with_what_it_has() {
    let bench = Bench::new(Over::Redis { shards: 1 }, 10).await;
    let redis = bench.redis.as_ref().unwrap();
    for record in ["running", "waiting"] {
        bench.push(job("lane", record, Priority::Realtime)).await;
    }
    let running = bench.claim(1).await.remove(0);
    assert_eq!(redis.command("CONFIG SET maxmemory 1"), "+OK");
    let jobs = ["a", "b"].map(|record| job("lane", record, Priority::Realtime));
    let refused = bench.queue.push(&jobs).await.unwrap_err();
    assert!(refused.to_string().contains("OOM"), "{refused}");
    assert!(bench.settle(&running, Outcome::Done, 1).await);
    let waiting = bench.claim(1).await;
    assert_eq!(records(&waiting), ["waiting"]);
    assert!(bench.settle(&waiting[0], Outcome::Done, 1).await);
    assert_eq!(redis.command("CONFIG SET maxmemory 0"), "+OK");
    assert!(bench.claim_now(9).await.is_empty(), "nothing of the push was kept");
    assert_eq!(bench.queue.push(&jobs).await.unwrap().len(), 2);
    assert_eq!(bench.claim_now(9).await.len(), 2);
}
