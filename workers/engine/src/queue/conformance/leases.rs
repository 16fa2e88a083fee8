//! Leases: a dead worker's jobs run again, and a zombie can't settle (law 5).

use std::time::Duration;

use tokio::time::Instant;

use super::{Bench, INTERVAL, LEASE, Over, TIMEOUT, job, records};
use crate::job::Priority;
use crate::outcome::Outcome;
use crate::queue::{Pushed, Step};

promises! {
    a_dead_workers_jobs_run_again_at_the_head_and_count_the_crash,
    a_heartbeat_keeps_the_lease,
    a_zombie_cannot_settle,
    epochs_only_rise,
    epochs_go_on_above_what_the_store_of_records_knows,
    a_crashed_workers_tokens_come_back_late,
    a_push_during_a_run_that_is_lost_keeps_its_urgency,
}

async fn a_dead_workers_jobs_run_again_at_the_head_and_count_the_crash(over: Over) {
    let bench = Bench::leased(over, 20).await;
    for n in 0..3 {
        bench.push(job("lane", &n.to_string(), Priority::Realtime)).await;
    }
    let lost = bench.claim(1).await.remove(0);
    let began = Instant::now();
    let mut rest = bench.claim_now(5).await;
    while !records(&rest).contains(&lost.key.record.as_str()) {
        rest = bench.claim(5).await;
    }
    let again = rest.iter().find(|job| job.key == lost.key).unwrap();
    assert!(began.elapsed() + Duration::from_millis(50) >= LEASE);
    assert_eq!(again.crashes, 1);
    assert!(again.epoch > lost.epoch);
}

async fn a_heartbeat_keeps_the_lease(over: Over) {
    let bench = Bench::leased(over, 10).await;
    bench.push(job("lane", "a", Priority::Realtime)).await;
    let held = bench.claim(1).await.remove(0);
    let shard = bench.queue.shard_of("lane");
    let began = Instant::now();
    while began.elapsed() < LEASE * 3 {
        assert_eq!(bench.queue.heartbeat(shard, &[held.epoch]).await.unwrap(), [true]);
        assert!(bench.claim_now(1).await.is_empty());
        tokio::time::sleep(LEASE / 6).await;
    }
    assert!(bench.settle(&held, Outcome::Done, 1).await);
    let done = Step { finished: vec![held.epoch], ..Step::default() };
    bench.step(shard, done).await;
    assert_eq!(bench.queue.heartbeat(shard, &[held.epoch]).await.unwrap(), [false]);
}

async fn a_zombie_cannot_settle(over: Over) {
    let bench = Bench::leased(over, 10).await;
    bench.push(job("lane", "a", Priority::Realtime)).await;
    let zombie = bench.claim(1).await.remove(0);
    let heir = bench.claim(1).await.remove(0);
    assert_eq!(heir.key, zombie.key);
    assert!(!bench.settle(&zombie, Outcome::Done, 1).await, "its lease is another's");
    assert!(bench.settle(&heir, Outcome::Done, 1).await);
    assert!(!bench.settle(&heir, Outcome::Done, 1).await, "nothing settles twice");
}

async fn epochs_only_rise(over: Over) {
    let mut bench = Bench::leased(over, 50).await;
    let mut last = 0;
    for n in 0..5 {
        bench.push(job("lane", &n.to_string(), Priority::Realtime)).await;
        let claimed = bench.claim(1).await.remove(0);
        assert!(claimed.epoch > last);
        last = claimed.epoch;
    }
    if let Some(redis) = &mut bench.redis {
        redis.flush_all();
        bench.push(job("another lane", "x", Priority::Realtime)).await;
        assert!(bench.claim(1).await[0].epoch > last, "also after the queue lost its state");
    }
}

/// As after a loss of state at a server whose clock is behind, or after the clock was set back: fences grow by the store, never by a clock.
async fn epochs_go_on_above_what_the_store_of_records_knows(over: Over) {
    let bench = Bench::leased(over, 50).await;
    let claim = async |record: &str| {
        bench.push(job("lane", record, Priority::Realtime)).await;
        bench.claim(1).await.remove(0).epoch
    };
    let hours_ahead = claim("a").await + 7_200_000_000;
    bench.queue.raise_epochs(hours_ahead).await.unwrap();
    let first = claim("b").await;
    assert!(first > hours_ahead);
    assert!(claim("c").await > first);
    bench.queue.raise_epochs(1).await.unwrap();
    assert!(claim("d").await > first, "none falls");
    if let Some(redis) = &bench.redis {
        // The next meeting says so again, long before a lane of a lost state may send anything.
        let last = claim("e").await;
        redis.flush_all();
        assert!(claim("f").await > last);
    }
}

async fn a_crashed_workers_tokens_come_back_late(over: Over) {
    let bench = Bench::leased(over, 1).await;
    bench.push(job("lane", "a", Priority::Realtime)).await;
    let began = Instant::now();
    bench.claim(1).await;
    let again = bench.claim(1).await;
    assert_eq!(again[0].crashes, 1);
    let least = LEASE + TIMEOUT + INTERVAL;
    assert!(began.elapsed() + Duration::from_millis(50) >= least, "its call may still arrive: {:?}", began.elapsed());
}

async fn a_push_during_a_run_that_is_lost_keeps_its_urgency(over: Over) {
    let bench = Bench::leased(over, 10).await;
    bench.push(job("lane", "a", Priority::Bulk)).await;
    bench.claim(1).await;
    assert_eq!(bench.push(job("lane", "a", Priority::Interactive)).await, Pushed::AfterRunning);
    let again = bench.claim(1).await.remove(0);
    assert_eq!((again.priority, again.crashes), (Priority::Interactive, 1), "one run serves the lost one and the push");
    assert!(bench.settle(&again, Outcome::Done, 0).await);
    assert!(bench.claim_now(1).await.is_empty());
}
