//! Who goes first: lanes in turn, then the more urgent class, and something kept for a click (law 4).

use super::{Bench, Over, job, records};
use crate::job::Priority;
use crate::outcome::Outcome;
use crate::queue::{Step, Wait};

promises! {
    the_more_urgent_class_goes_first,
    a_lane_with_a_backlog_delays_no_other,
    bulk_never_takes_the_last_tokens,
    a_click_is_the_next_claim_whatever_waits_elsewhere,
    a_click_takes_the_next_free_token_of_its_lane,
    a_claim_reports_of_what_it_leaves,
}

async fn the_more_urgent_class_goes_first(over: Over) {
    let bench = Bench::new(over, 20).await;
    bench.push(job("lane", "bulk", Priority::Bulk)).await;
    bench.push(job("lane", "realtime", Priority::Realtime)).await;
    bench.push(job("lane", "interactive", Priority::Interactive)).await;
    let mut order = Vec::new();
    while order.len() < 3 {
        order.extend(bench.claim(1).await.into_iter().map(|job| job.key.record));
    }
    assert_eq!(order, ["interactive", "realtime", "bulk"]);
}

async fn a_lane_with_a_backlog_delays_no_other(over: Over) {
    let bench = Bench::new(over, 1000).await;
    let crowd: Vec<_> = (0..500).map(|n| job("crowded", &n.to_string(), Priority::Bulk)).collect();
    bench.queue.push(&crowd).await.unwrap();
    bench.push(job("quiet", "bulk", Priority::Bulk)).await;
    bench.push(job("other", "click", Priority::Interactive)).await;
    let claimed = bench.claim_now(8).await;
    let position = |lane: &str| claimed.iter().position(|job| job.key.lane == lane);
    assert!(position("other").is_some(), "{:?}", records(&claimed));
    assert!(position("quiet").is_some(), "at most a turn of the crowded lane comes first");
}

async fn bulk_never_takes_the_last_tokens(over: Over) {
    let bench = Bench::new(over, 5).await;
    for n in 0..9 {
        bench.push(job("lane", &n.to_string(), Priority::Bulk)).await;
    }
    assert_eq!(bench.claim_now(9).await.len(), 3, "a reserve of 2 stays");
    assert!(bench.claim_now(9).await.is_empty());
    bench.push(job("lane", "click", Priority::Interactive)).await;
    assert_eq!(records(&bench.claim_now(9).await), ["click"], "a click takes from the reserve at once");
}

async fn a_click_is_the_next_claim_whatever_waits_elsewhere(over: Over) {
    let bench = Bench::new(over, 1000).await;
    let crowd: Vec<_> = (0..100_000).map(|n| job("crowded", &n.to_string(), Priority::Bulk)).collect();
    bench.queue.push(&crowd).await.unwrap();
    bench.push(job("other", "click", Priority::Interactive)).await;
    let claim = Step { claim: 1, ..Step::default() };
    assert_eq!(records(&bench.step(bench.queue.shard_of("other"), claim).await.jobs), ["click"]);
}

async fn a_click_takes_the_next_free_token_of_its_lane(over: Over) {
    let bench = Bench::new(over, 4).await;
    for n in 0..10 {
        bench.push(job("lane", &n.to_string(), Priority::Realtime)).await;
    }
    let running = bench.claim_now(9).await;
    assert_eq!(running.len(), 4);
    bench.push(job("lane", "click", Priority::Interactive)).await;
    assert!(bench.claim_now(9).await.is_empty(), "no token is free");
    assert!(bench.settle(&running[0], Outcome::Done, 0).await);
    assert_eq!(records(&bench.claim_now(9).await), ["click"]);
}

async fn a_claim_reports_of_what_it_leaves(over: Over) {
    let bench = Bench::new(over, 1000).await;
    let crowd: Vec<_> = (0..100).map(|n| job("lane", &n.to_string(), Priority::Realtime)).collect();
    bench.queue.push(&crowd).await.unwrap();
    let claim = async || bench.step(bench.queue.shard_of("lane"), Step { claim: 64, ..Step::default() }).await;
    let (first, second) = (claim().await, claim().await);
    assert_eq!((first.jobs.len(), first.wait), (64, Wait::More));
    assert_eq!(second.jobs.len(), 36);
    assert_ne!(second.wait, Wait::More);
}
