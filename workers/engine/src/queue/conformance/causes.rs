//! What stops a lane is kept apart by its cause: the server's refusal, the circuit and its probe, tokens, the day. None ends another, and what
//! comes too late for its job counts for its lane.

use std::time::Duration;

use tokio::time::Instant;

use super::{Bench, DAILY, Over, job, permits, state};
use crate::job::{Job, Priority};
use crate::outcome::Outcome;
use crate::queue::{LaneState, Settlement, Step};

promises! {
    a_refusal_of_an_hour_outlasts_a_circuit_of_a_moment,
    a_circuit_outlasts_a_refusal_and_is_probed_by_one_job,
    a_refusal_that_comes_too_late_holds_the_lane,
    a_probe_that_is_put_off_is_followed_by_another,
    a_run_from_before_the_circuit_opened_is_no_probe,
    a_refusal_is_lifted_by_nobody,
    the_servers_day_ends_when_the_server_says_so,
    an_answer_that_is_older_than_the_last_one_takes_nothing_back,
}

const HOUR: Duration = Duration::from_secs(3600);
const MOMENT: Duration = Duration::from_millis(30);

async fn with_jobs(over: Over, burst: u16, count: usize) -> Bench {
    let bench = Bench::new(over, burst).await;
    let jobs: Vec<_> = (0..count).map(|n| job("lane", &n.to_string(), Priority::Realtime)).collect();
    bench.queue.push(&jobs).await.unwrap();
    bench
}

async fn a_refusal_of_an_hour_outlasts_a_circuit_of_a_moment(over: Over) {
    let bench = with_jobs(over, 20, 6).await;
    let running = bench.claim_now(2).await;
    assert!(bench.settle(&running[0], Outcome::Throttled { hold: HOUR }, 1).await);
    assert!(bench.settle(&running[1], Outcome::Broken { probe_after: MOMENT }, 1).await);
    tokio::time::sleep(MOMENT * 2).await;
    assert!(bench.claim_now(9).await.is_empty());
    let lane = bench.queue.lane("lane").await.unwrap().unwrap();
    assert!(lane.state == LaneState::Held && lane.held_for > HOUR / 2, "{lane:?}");
}

async fn a_circuit_outlasts_a_refusal_and_is_probed_by_one_job(over: Over) {
    let bench = with_jobs(over, 40, 12).await;
    let running = bench.claim_now(3).await;
    assert!(bench.settle(&running[0], Outcome::Broken { probe_after: MOMENT * 4 }, 1).await);
    assert!(bench.settle(&running[1], Outcome::Throttled { hold: MOMENT }, 1).await);
    tokio::time::sleep(MOMENT * 2).await;
    let lane = bench.queue.lane("lane").await.unwrap().unwrap();
    assert!(bench.claim_now(9).await.is_empty(), "{lane:?}");
    assert_eq!(lane.state, LaneState::Broken);
    // Tokens come back gently after the refusal; one job probes all the same.
    let probe = bench.claim(9).await;
    assert_eq!(probe.len(), 1, "one job probes");
    // The server that refuses is there, but has said nothing of what broke.
    assert!(bench.settle(&probe[0], Outcome::Throttled { hold: MOMENT }, 1).await);
    assert_eq!(bench.claim(9).await.len(), 1);
}

async fn a_refusal_that_comes_too_late_holds_the_lane(over: Over) {
    let bench = Bench::leased(over, 10).await;
    bench.push(job("lane", "a", Priority::Realtime)).await;
    let zombie = bench.claim(1).await.remove(0);
    bench.claim(1).await;
    bench.push(job("lane", "b", Priority::Realtime)).await;
    assert!(!bench.settle(&zombie, Outcome::Throttled { hold: HOUR }, 1).await, "its lease is another's");
    assert_eq!(state(&bench, "lane").await, LaneState::Held);
    assert!(bench.claim_now(9).await.is_empty());
}

async fn a_probe_that_is_put_off_is_followed_by_another(over: Over) {
    let bench = with_jobs(over, 20, 3).await;
    let broken = bench.claim(1).await.remove(0);
    assert!(bench.settle(&broken, Outcome::Broken { probe_after: MOMENT }, 1).await);
    let probe = bench.claim(9).await.remove(0);
    assert!(bench.settle(&probe, Outcome::Snooze { after: HOUR }, 0).await);
    let next = bench.claim_now(9).await;
    assert_eq!(next.len(), 1, "another one probes");
    assert!(bench.settle(&next[0], Outcome::Done, 1).await);
    assert_eq!(bench.claim_now(9).await.len(), 1);
}

async fn a_run_from_before_the_circuit_opened_is_no_probe(over: Over) {
    let bench = with_jobs(over, 40, 9).await;
    let before = bench.claim_now(3).await;
    assert!(bench.settle(&before[0], Outcome::Broken { probe_after: MOMENT }, 1).await);
    let probe = bench.claim(9).await;
    assert_eq!(probe.len(), 1);
    assert!(bench.settle(&before[1], Outcome::Done, 1).await);
    assert!(bench.claim_now(9).await.is_empty(), "the probe has not ended yet");
    assert!(bench.settle(&before[2], Outcome::Released, 0).await);
    assert!(bench.claim_now(9).await.is_empty());
    assert!(bench.settle(&probe[0], Outcome::Done, 1).await);
    assert_eq!(bench.claim_now(9).await.len(), 7);
}

async fn a_refusal_is_lifted_by_nobody(over: Over) {
    let bench = with_jobs(over, 20, 6).await;
    let refused = bench.claim(1).await.remove(0);
    assert!(bench.settle(&refused, Outcome::Throttled { hold: HOUR }, 1).await);
    bench.queue.pause("lane").await.unwrap();
    bench.queue.resume("lane").await.unwrap();
    assert!(bench.claim_now(9).await.is_empty(), "the server has not changed its mind");
    assert_eq!(state(&bench, "lane").await, LaneState::Held);
}

/// A run that sent a call, and what the server said then of the calls that its day leaves.
fn reported(job: &Job, left: u32) -> Settlement {
    let permits = permits(job, 1);
    permits.observe(None, Some(left));
    Settlement { job: job.clone(), outcome: Outcome::Done, permits }
}

async fn the_servers_day_ends_when_the_server_says_so(over: Over) {
    let bench = with_jobs(over, 100, 50).await;
    let shard = bench.queue.shard_of("lane");
    let first = bench.claim(1).await.remove(0);
    bench.step(shard, Step { settlements: vec![reported(&first, 3)], ..Step::default() }).await;
    let few = bench.claim_now(9).await;
    assert_eq!(few.len(), 3);
    // Its day turns: what others have sent counts no more.
    bench.step(shard, Step { settlements: vec![reported(&few[0], DAILY - 1)], ..Step::default() }).await;
    let mut rest = bench.claim_now(64).await;
    rest.extend(bench.claim_now(64).await);
    assert_eq!(rest.len(), 46);
    let lane = bench.queue.lane("lane").await.unwrap().unwrap();
    assert!(lane.day_used <= 3, "its own calls, and no others: {lane:?}");
}

async fn an_answer_that_is_older_than_the_last_one_takes_nothing_back(over: Over) {
    let bench = with_jobs(over, 100, 50).await;
    let shard = bench.queue.shard_of("lane");
    let running = bench.claim_now(2).await;
    let older = reported(&running[0], DAILY - 1);
    let asked = Instant::now();
    tokio::time::sleep(MOMENT).await;
    assert!(asked.elapsed() >= MOMENT);
    let newer = reported(&running[1], 3);
    bench.step(shard, Step { settlements: vec![newer], ..Step::default() }).await;
    bench.step(shard, Step { settlements: vec![older], ..Step::default() }).await;
    assert!(bench.claim_now(64).await.len() <= 3);
}
