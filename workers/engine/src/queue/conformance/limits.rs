//! A server may report lower limits than are set, as to small accounts: they count for that lane, and until it reports otherwise.

use super::{Bench, DAILY, Over, job, permits, records};
use crate::job::{Job, NewJob, Priority};
use crate::outcome::Outcome;
use crate::queue::{LaneState, Settlement, Step};

promises! {
    a_lower_limit_that_the_server_reported_counts_for_its_lane,
    a_job_that_costs_more_than_the_reported_limit_is_claimed_for_less,
    a_lower_limit_leaves_something_to_bulk,
    a_limit_that_the_server_raises_is_the_one_that_is_set,
    a_lower_limit_of_a_day_counts_for_its_lane,
}

/// A run that sent no call that still counts, and what the server said of its limits.
async fn reported(bench: &Bench, job: &Job, burst: Option<u32>, daily: Option<u32>) {
    let permits = permits(job, 0);
    permits.observe_limits(burst, daily);
    let settlement = Settlement { job: job.clone(), outcome: Outcome::Done, permits };
    bench.step(bench.queue.shard_of(&job.key.lane), Step { settlements: vec![settlement], ..Step::default() }).await;
}

async fn teach(bench: &Bench, lane: &str, burst: Option<u32>, daily: Option<u32>) {
    bench.push(job(lane, "teaches", Priority::Interactive)).await;
    let teacher = bench.claim_now(1).await.remove(0);
    reported(bench, &teacher, burst, daily).await;
}

async fn push(bench: &Bench, lane: &str, count: usize, priority: Priority) {
    let jobs: Vec<_> = (0..count).map(|n| job(lane, &n.to_string(), priority)).collect();
    bench.queue.push(&jobs).await.unwrap();
}

async fn a_lower_limit_that_the_server_reported_counts_for_its_lane(over: Over) {
    let bench = Bench::new(over, 20).await;
    teach(&bench, "small", Some(4), None).await;
    push(&bench, "small", 12, Priority::Realtime).await;
    push(&bench, "other", 12, Priority::Realtime).await;
    let mut claimed = bench.claim_now(64).await;
    claimed.extend(bench.claim_now(64).await);
    let of = |lane: &str| claimed.iter().filter(|job| job.key.lane == lane).count();
    assert_eq!((of("small"), of("other")), (4, 12));
    let lane = bench.queue.lane("small").await.unwrap().unwrap();
    assert_eq!((lane.limit.burst, lane.tokens_free, lane.tokens_out), (4, 0, 4));
    assert!(bench.settle(&claimed.iter().find(|job| job.key.lane == "small").unwrap().clone(), Outcome::Done, 0).await);
    assert_eq!(bench.claim_now(64).await.len(), 1);
}

async fn a_job_that_costs_more_than_the_reported_limit_is_claimed_for_less(over: Over) {
    let bench = Bench::new(over, 20).await;
    for priority in Priority::ALL {
        let lane = priority.as_str();
        bench.push(NewJob { cost: 9, ..job(lane, "dear", priority) }).await;
        teach(&bench, lane, Some(4), None).await;
        // An interactive one went first, and for its own cost.
        let claimed = bench.claim_now(9).await;
        if priority == Priority::Interactive {
            continue;
        }
        let cost = if priority == Priority::Bulk { 2 } else { 4 };
        assert_eq!((records(&claimed), claimed[0].cost), (vec!["dear"], cost), "{lane}");
        let view = bench.queue.lane(lane).await.unwrap().unwrap();
        assert_eq!(view.tokens_out, u16::from(cost));
        assert!(bench.settle(&claimed[0], Outcome::Done, u32::from(cost)).await);
        let view = bench.queue.lane(lane).await.unwrap().unwrap();
        assert_eq!((view.tokens_out, view.tokens_cooling), (0, u16::from(cost)));
    }
}

async fn a_lower_limit_leaves_something_to_bulk(over: Over) {
    let bench = Bench::new(over, 20).await;
    // A reserve of two is all of it.
    for reported in [1, 2] {
        let lane = reported.to_string();
        teach(&bench, &lane, Some(reported), None).await;
        push(&bench, &lane, 5, Priority::Bulk).await;
        assert_eq!(bench.claim_now(9).await.len(), 1, "of {reported}");
    }
}

async fn a_limit_that_the_server_raises_is_the_one_that_is_set(over: Over) {
    let bench = Bench::new(over, 20).await;
    teach(&bench, "lane", Some(4), None).await;
    push(&bench, "lane", 40, Priority::Realtime).await;
    let few = bench.claim_now(64).await;
    assert_eq!(few.len(), 4);
    reported(&bench, &few[0], Some(1000), None).await;
    let mut more = bench.claim_now(64).await;
    more.extend(bench.claim_now(64).await);
    assert_eq!(more.len(), 17);
    assert_eq!(bench.queue.lane("lane").await.unwrap().unwrap().limit.burst, 20);
}

async fn a_lower_limit_of_a_day_counts_for_its_lane(over: Over) {
    let bench = Bench::new(over, 20).await;
    teach(&bench, "lane", None, Some(5)).await;
    push(&bench, "lane", 12, Priority::Realtime).await;
    let mut claimed = bench.claim_now(64).await;
    claimed.extend(bench.claim_now(64).await);
    assert_eq!(claimed.len(), 5);
    let lane = bench.queue.lane("lane").await.unwrap().unwrap();
    assert_eq!((lane.limit.daily, lane.state), (5, LaneState::DaySpent));
    push(&bench, "other", 12, Priority::Realtime).await;
    assert_eq!(bench.claim_now(64).await.len(), 12, "of {DAILY}");
}
