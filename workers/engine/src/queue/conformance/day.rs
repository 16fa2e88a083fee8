//! The day's calls, a limit of their own.

use std::time::Duration;

use super::{Bench, DAILY, Over, job, permits, records, state};
use crate::job::Priority;
use crate::outcome::Outcome;
use crate::queue::{LaneState, Settlement, Step};

promises! {
    the_days_calls_are_a_limit_of_their_own,
    bulk_leaves_a_fifth_of_the_day_to_others,
}

/// Spends all but `left` calls of the lane's day, by the server's word.
async fn spend_the_day(bench: &Bench, lane: &str, left: u32) {
    bench.push(job(lane, "spends", Priority::Interactive)).await;
    let spender = bench.claim(1).await.remove(0);
    let permits = permits(&spender, 1);
    permits.observe(None, Some(left));
    let settlement = Settlement { job: spender, outcome: Outcome::Done, permits };
    let step = Step { settlements: vec![settlement], ..Step::default() };
    assert!(bench.step(bench.queue.shard_of(lane), step).await.late.is_empty());
}

async fn the_days_calls_are_a_limit_of_their_own(over: Over) {
    let bench = Bench::new(over, 50).await;
    spend_the_day(&bench, "lane", 2).await;
    for n in 0..5 {
        bench.push(job("lane", &n.to_string(), Priority::Interactive)).await;
    }
    let claimed = bench.claim_now(9).await;
    assert_eq!(claimed.len(), 2, "what is granted counts too");
    assert!(bench.settle(&claimed[0], Outcome::Done, 1).await);
    assert!(bench.claim_now(9).await.is_empty());
    let lane = bench.queue.lane("lane").await.unwrap().unwrap();
    assert_eq!((lane.state, lane.day_used), (LaneState::DaySpent, DAILY - 1));
    assert!(lane.held_for > Duration::from_secs(23 * 3600), "until the calls no longer count: {:?}", lane.held_for);
    assert!(bench.settle(&claimed[1], Outcome::Done, 0).await, "it needed none");
    assert_eq!(bench.claim_now(9).await.len(), 1, "so another may");
}

async fn bulk_leaves_a_fifth_of_the_day_to_others(over: Over) {
    let bench = Bench::new(over, 50).await;
    spend_the_day(&bench, "lane", DAILY / 5).await;
    bench.push(job("lane", "bulk", Priority::Bulk)).await;
    assert!(bench.claim_now(9).await.is_empty());
    assert_eq!(state(&bench, "lane").await, LaneState::DaySpent);
    bench.push(job("lane", "click", Priority::Interactive)).await;
    assert_eq!(records(&bench.claim_now(9).await), ["click"]);
}
