//! What many jobs may cost: no step touches more than a fixed number of entries (law 10), and all of them run all the same.
//!
//! Entries are counted, not milliseconds: a count is the same on every machine.

use std::collections::HashSet;
use std::time::Duration;

use super::redis_server::RedisServer;
use super::{Bench, INTERVAL, Over, Priority, Queue, Step, Wait, claiming, done, job, limit};
use crate::job::NewJob;
use crate::limit::{Claiming, ColdStart};

promises! {
    a_step_claims_at_most_its_batch_however_many_wait,
    scheduled_jobs_that_are_due_at_once_all_run,
    a_step_fires_a_bounded_number_of_due_jobs,
    the_jobs_of_many_dead_workers_come_back_in_small_steps,
    replaced_entries_are_passed_over_in_small_steps,
}

const BATCH: usize = 32;
/// Entries that one step fires or passes over, by `step.lua`.
const MOST: u32 = 100;
/// More than any test here spends.
const BURST: u16 = 60_000;

async fn a_step_claims_at_most_its_batch_however_many_wait(over: Over) {
    let bench = Bench::new(over, BURST).await;
    let crowd: Vec<_> = (0..5000).map(|n| job(&lane(n), &n.to_string(), Priority::Realtime)).collect();
    bench.queue.push(&crowd).await.unwrap();
    for shard in 0..bench.queue.shards() {
        let stepped = bench.step(shard, Step { claim: BATCH, ..Step::default() }).await;
        assert_eq!(stepped.jobs.len(), BATCH);
        assert_eq!(stepped.wait, Wait::More);
    }
}

async fn scheduled_jobs_that_are_due_at_once_all_run(over: Over) {
    const JOBS: usize = 20_000;
    let bench = Bench::new(over, BURST).await;
    bench.queue.push(&(0..JOBS).map(scheduled).collect::<Vec<_>>()).await.unwrap();
    let mut ran = HashSet::new();
    while ran.len() < JOBS {
        // It panics when nothing will ever become runnable.
        let claimed = bench.claim(200).await;
        let records: Vec<_> = claimed.iter().map(|job| job.key.record.clone()).collect();
        let shard = bench.queue.shard_of(&claimed[0].key.lane);
        let settlements = claimed.into_iter().map(done).collect();
        let late = bench.step(shard, Step { settlements, ..Step::default() }).await.late;
        for (position, record) in records.into_iter().enumerate() {
            // What came too late on a busy machine runs again.
            assert!(late.contains(&position) || ran.insert(record), "nothing is done twice");
        }
    }
}

async fn a_step_fires_a_bounded_number_of_due_jobs(over: Over) {
    let bench = Bench::new(over, BURST).await;
    let crowd: Vec<_> =
        (0..1000).map(|n| NewJob { delay: DELAY, ..job("lane", &n.to_string(), Priority::Bulk) }).collect();
    bench.queue.push(&crowd).await.unwrap();
    tokio::time::sleep(DELAY * 2).await;
    let mut before = waiting(&bench).await;
    while before < 1000 {
        let stepped = bench.step(bench.queue.shard_of("lane"), Step::default()).await;
        let now = waiting(&bench).await;
        assert!(now > before && now - before <= MOST, "a step fired {} of them", now - before);
        assert_eq!(stepped.wait, Wait::More);
        before = now;
    }
}

async fn the_jobs_of_many_dead_workers_come_back_in_small_steps(over: Over) {
    const WORKERS: u32 = 20;
    // Long enough that no lease ends before the last claim, on a slow machine too.
    let lease = Duration::from_secs(2);
    let claiming = Claiming { lease, ..claiming() };
    let bench = Bench::with(over, limit(BURST), claiming, ColdStart::Unspent).await;
    let all = WORKERS * u32::try_from(BATCH).unwrap();
    let crowd: Vec<_> = (0..all).map(|n| job("lane", &n.to_string(), Priority::Realtime)).collect();
    bench.queue.push(&crowd).await.unwrap();
    for _ in 0..WORKERS {
        assert_eq!(
            bench.step(bench.queue.shard_of("lane"), Step { claim: BATCH, ..Step::default() }).await.jobs.len(),
            BATCH
        );
    }
    tokio::time::sleep(lease + Duration::from_millis(1)).await;
    let mut before = 0;
    while before < all {
        bench.step(bench.queue.shard_of("lane"), Step::default()).await;
        let now = waiting(&bench).await;
        // A lease is not split.
        assert!(now > before && now - before < MOST + u32::try_from(BATCH).unwrap(), "{} came back", now - before);
        before = now;
    }
}

async fn replaced_entries_are_passed_over_in_small_steps(over: Over) {
    const JOBS: u32 = 2000;
    let bench = Bench::new(over, BURST).await;
    for priority in [Priority::Bulk, Priority::Interactive] {
        let crowd: Vec<_> = (0..JOBS).map(|n| job("lane", &n.to_string(), priority)).collect();
        bench.queue.push(&crowd).await.unwrap();
    }
    let (mut before, mut claimed) = (waiting(&bench).await, 0);
    assert_eq!(before, 2 * JOBS, "the bulk entries are still there, and count for nothing");
    let mut ended = Vec::new();
    while before > 0 {
        let settlements = ended.drain(..).map(done).collect();
        let stepped =
            bench.step(bench.queue.shard_of("lane"), Step { settlements, claim: BATCH, ..Step::default() }).await;
        claimed += stepped.jobs.len();
        ended = stepped.jobs;
        let now = waiting(&bench).await;
        let passed = before - now - u32::try_from(ended.len()).unwrap();
        // One turn of a lane that is alone is a whole batch.
        assert!(passed <= MOST + u32::try_from(BATCH).unwrap(), "a step passed over {passed}");
        before = now;
    }
    assert_eq!(claimed, usize::try_from(JOBS).unwrap());
}

#[tokio::test]
async fn a_push_of_many_is_many_small_calls() {
    const JOBS: usize = 1000;
    let bench = Bench::new(Over::Redis { shards: 1 }, BURST).await;
    let redis = bench.redis.as_ref().unwrap();
    assert_eq!(redis.command("CONFIG RESETSTAT"), "+OK");
    let crowd: Vec<_> = (0..JOBS).map(|n| job(&lane(n), &n.to_string(), Priority::Bulk)).collect();
    bench.queue.push(&crowd).await.unwrap();
    let calls = redis.info("commandstats", "cmdstat_fcall").unwrap();
    let calls: usize = calls.strip_prefix("calls=").and_then(|calls| calls.split(',').next()).unwrap().parse().unwrap();
    assert!(JOBS.div_ceil(calls) <= usize::try_from(MOST).unwrap(), "{calls} calls");
}

const DELAY: Duration = INTERVAL.checked_div(8).expect("8 is not 0");

fn lane(n: usize) -> String {
    format!("lane {}", n % 100)
}

fn scheduled(n: usize) -> NewJob {
    NewJob { delay: DELAY, ..job(&lane(n), &n.to_string(), Priority::Realtime) }
}

async fn waiting(bench: &Bench) -> u32 {
    bench.queue.lane("lane").await.unwrap().unwrap().waiting.iter().sum()
}

/// Commands that a step runs inside of Redis at most, whatever it has to do: some for each entry that it fires and lane that it visits.
const MOST_COMMANDS: u64 = 400;

#[tokio::test]
async fn a_step_runs_a_bounded_number_of_commands() {
    let redis = RedisServer::start();
    let queue = Queue::redis(&redis.url(), "test", 1, limit(BURST), claiming(), ColdStart::Unspent).await.unwrap();
    // Dead workers' batches, jobs that are due, and lanes with one job each of every class.
    let crowd = |count: usize, class| (0..count).map(move |n| job(&lane(n), &format!("{n} {class:?}"), class));
    queue.push(&crowd(2000, Priority::Interactive).collect::<Vec<_>>()).await.unwrap();
    for _ in 0..40 {
        queue.step(0, &Step { claim: BATCH, ..Step::default() }).await.unwrap();
    }
    let delay = Duration::from_millis(1);
    let put_off = (0..2000).map(|n| NewJob { delay, ..job(&lane(n), &format!("later {n}"), Priority::Bulk) });
    queue.push(&put_off.collect::<Vec<_>>()).await.unwrap();
    queue.push(&crowd(2000, Priority::Realtime).collect::<Vec<_>>()).await.unwrap();
    tokio::time::sleep(claiming().lease).await;
    let mut most = 0;
    for _ in 0..60 {
        let before = redis.commands();
        queue.step(0, &Step { claim: 64, ..Step::default() }).await.unwrap();
        most = most.max(redis.commands() - before);
    }
    println!("{most} commands at most");
    assert!((100..=MOST_COMMANDS).contains(&most), "{most} commands in one step");
}
