//! Tokens: taken before a call, back one interval after its response (law 2), and the server's word about them (law 3).

use std::time::Duration;

use tokio::time::Instant;

use super::redis_server::RedisServer;
use super::simulated::{Ground, Simulated, simulate};
use super::{Bench, INTERVAL, Over, arrivals, claiming, job, limit, permits};
use crate::job::Priority;
use crate::limit::{Claiming, ColdStart, Limit};
use crate::outcome::Outcome;
use crate::queue::{LaneState, Settlement, Step, Wait};

promises! {
    no_more_tokens_than_the_burst_are_ever_out,
    unused_tokens_are_free_at_once_and_used_ones_after_the_interval,
    tokens_cool_from_the_response_and_not_from_the_settlement,
    a_throttled_lane_is_held_whole_and_starts_gently,
    a_server_that_counts_more_than_we_do_shrinks_the_bucket,
    never_over_the_limit_whatever_the_delays,
}

async fn no_more_tokens_than_the_burst_are_ever_out(over: Over) {
    let bench = Bench::new(over, 10).await;
    for n in 0..8 {
        let mut dear = job("lane", &n.to_string(), Priority::Realtime);
        dear.cost = 4;
        bench.push(dear).await;
    }
    assert_eq!(bench.claim_now(8).await.len(), 2, "8 of 10 tokens; the third job would need 12");
    let lane = bench.queue.lane("lane").await.unwrap().unwrap();
    assert_eq!((lane.tokens_out, lane.tokens_free, lane.state), (8, 2, LaneState::WaitsForTokens));
}

async fn unused_tokens_are_free_at_once_and_used_ones_after_the_interval(over: Over) {
    let bench = Bench::new(over, 4).await;
    for n in 0..3 {
        let mut dear = job("lane", &n.to_string(), Priority::Realtime);
        dear.cost = 4;
        bench.push(dear).await;
    }
    let first = bench.claim(1).await.remove(0);
    assert!(bench.claim_now(1).await.is_empty());
    assert!(bench.settle(&first, Outcome::Done, 0).await);
    let second = bench.claim_now(1).await;
    assert_eq!(second.len(), 1, "nothing was sent, so nothing cools down");
    let settled = Instant::now();
    assert!(bench.settle(&second[0], Outcome::Done, 1).await);
    assert!(bench.claim_now(1).await.is_empty());
    assert_eq!(bench.claim(1).await.len(), 1);
    assert!(settled.elapsed() >= INTERVAL, "came back after {:?}", settled.elapsed());
}

async fn tokens_cool_from_the_response_and_not_from_the_settlement(over: Over) {
    let bench = Bench::new(over, 1).await;
    for record in ["a", "b"] {
        bench.push(job("lane", record, Priority::Realtime)).await;
    }
    let first = bench.claim(1).await.remove(0);
    assert!(bench.claim_now(1).await.is_empty(), "the only token is out");
    let permits = permits(&first, 1);
    tokio::time::sleep(INTERVAL / 2).await;
    let settled = Instant::now();
    let settlement = Settlement { job: first, outcome: Outcome::Done, permits };
    let step = Step { settlements: vec![settlement], ..Step::default() };
    let wait = bench.step(bench.queue.shard_of("lane"), step).await.wait;
    let Wait::For(wait) = wait else { panic!("{wait:?}") };
    assert!(wait <= INTERVAL - INTERVAL / 2 + INTERVAL / 50, "half of the interval is over: {wait:?}");
    bench.claim(1).await;
    assert!(settled.elapsed() + INTERVAL / 2 + Duration::from_millis(5) >= INTERVAL);
}

async fn a_throttled_lane_is_held_whole_and_starts_gently(over: Over) {
    // Its quarters are a second each.
    let limit = Limit { interval: INTERVAL * 10, ..limit(16) };
    let claiming = Claiming { lease: Duration::from_secs(60), ..claiming() };
    let bench = Bench::with(over, limit, claiming, ColdStart::Unspent).await;
    for n in 0..40 {
        bench.push(job("lane", &n.to_string(), Priority::Realtime)).await;
    }
    let refused = bench.claim(1).await.remove(0);
    let (began, hold) = (Instant::now(), Duration::from_secs(1));
    assert!(bench.settle(&refused, Outcome::Throttled { hold }, 1).await);
    assert!(bench.claim_now(10).await.is_empty(), "no other job of the lane runs either");
    bench.push(job("lane", "click", Priority::Interactive)).await;
    assert!(bench.claim_now(10).await.is_empty(), "not even an interactive one");
    let lane = bench.queue.lane("lane").await.unwrap().unwrap();
    assert_eq!(lane.state, LaneState::Held);
    assert!(lane.held_for > Duration::ZERO && lane.held_for <= hold);
    let mut first = bench.claim(10).await;
    assert!(began.elapsed() >= hold);
    first.extend(bench.claim_now(10).await);
    assert!(first.len() <= 5, "the refused call's token and a quarter of the others, not {}", first.len());
    let back = first.iter().find(|job| job.key.record == refused.key.record).expect("the job is at the head");
    assert_eq!(back.attempt, 0, "a 429 spends no attempt");
}

async fn a_server_that_counts_more_than_we_do_shrinks_the_bucket(over: Over) {
    let bench = Bench::new(over, 10).await;
    for n in 0..20 {
        bench.push(job("lane", &n.to_string(), Priority::Realtime)).await;
    }
    let first = bench.claim(1).await.remove(0);
    assert!(bench.settle_reported(&first, Outcome::Done, 1, Some(3)).await);
    let lane = bench.queue.lane("lane").await.unwrap().unwrap();
    assert_eq!(lane.tokens_free, 3, "another client spent 6 of them");
    let mut more = bench.claim_now(10).await;
    more.extend(bench.claim_now(10).await);
    assert_eq!(more.len(), 3);
}

async fn never_over_the_limit_whatever_the_delays(over: Over) {
    arrivals::check(&Bench::leased(over, 10).await, 10).await;
}

/// In simulated time, since bins of real intervals end some ms later.
#[test]
fn tokens_that_are_back_when_they_are_reported_of_are_free_in_the_same_step() {
    let ms = Duration::from_millis;
    let (early, late) = (ms(99), ms(103));
    for ground in [Ground::Memory, Ground::Redis(RedisServer::start())] {
        for (outcome, used, reported_after, remaining, claimed) in [
            (Outcome::Throttled { hold: ms(0) }, 0, ms(0), None, 1),
            (Outcome::Throttled { hold: ms(0) }, 1, late, None, 1),
            (Outcome::Retry { after: ms(0) }, 1, late, None, 1),
            (Outcome::Snooze { after: ms(0) }, 1, late, None, 1),
            (Outcome::Released, 1, late, None, 1),
            (Outcome::Done, 1, late, None, 1),
            (Outcome::Done, 1, early, None, 0),
            (Outcome::Retry { after: ms(0) }, 0, ms(0), Some(0), 0),
        ] {
            let reported = format!("{outcome:?}, {used} used, told after {reported_after:?}, remaining {remaining:?}");
            let again = simulate(async {
                let limit = Limit { interval: ms(100), ..limit(4) };
                let claiming = Claiming { lease: Duration::from_secs(60), ..claiming() };
                let bench = Simulated::new(&ground, limit, claiming).await;
                let jobs: Vec<_> = (0..6).map(|n: u8| job("lane", &n.to_string(), Priority::Realtime)).collect();
                bench.queue.push(&jobs).await.unwrap();
                let out = bench.step(Step { claim: 6, ..Step::default() }).await.jobs;
                assert_eq!(out.len(), 4, "the lane waits for tokens, and none has a time to come back");
                let permits = permits(&out[0], used);
                permits.observe(remaining, None);
                bench.advance(reported_after).await;
                let settlements = vec![Settlement { job: out[0].clone(), outcome, permits }];
                bench.step(Step { settlements, claim: 6, ..Step::default() }).await.jobs.len()
            });
            assert_eq!(again, claimed, "{reported}");
        }
    }
}
