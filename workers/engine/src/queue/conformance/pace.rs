//! How bulk shares the day's calls with what is more urgent: paced from what they leave.

use std::time::Duration;

use tokio::time::Instant;

use super::simulated::{Ground, Simulated, properties, simulate};
use super::{DAILY, claiming, job, limit, permits, records};
use crate::job::{Job, Priority};
use crate::limit::{DAY_BIN, Limit};
use crate::outcome::Outcome;
use crate::permit::{Lease, Permits};
use crate::queue::{LaneState, Settlement, Step, Wait};

properties! {
    bulk_is_paced_from_what_the_day_leaves: 1, 1;
    a_call_that_nobody_saw_end_counts_for_a_day_from_when_it_may_arrive: 1, 1;
}

/// Half of what the day leaves to bulk may be spent at once, the rest over hours; a click never waits, and little of the day is wasted.
fn bulk_is_paced_from_what_the_day_leaves(ground: &Ground, _: u32) {
    let interval = Duration::from_secs(1);
    let limit = Limit { interval, call_timeout: interval, ..limit(100) };
    let (bulk_share, bins) = (DAILY - DAILY / 5, 24 * 4);
    let (spent, clicks) = simulate(async {
        let world = Simulated::new(ground, limit, claiming()).await;
        let crowd: Vec<_> = (0..2 * DAILY).map(|n| job("lane", &n.to_string(), Priority::Bulk)).collect();
        world.queue.push(&crowd).await.unwrap();
        let mut spent = vec![0; bins];
        let mut clicks = 0;
        let day = DAY_BIN * u32::try_from(bins).unwrap();
        while world.now() < day {
            let bin = usize::try_from(world.now().as_secs() / DAY_BIN.as_secs()).unwrap();
            let stepped = world.step(Step { claim: 32, ..Step::default() }).await;
            spent[bin] += stepped.jobs.iter().filter(|job| job.priority == Priority::Bulk).count();
            let wait = if stepped.jobs.is_empty() { stepped.wait } else { Wait::More };
            end(&world, stepped.jobs).await;
            let Wait::For(wait) = wait else { continue };
            if wait > interval * 2 {
                let state = world.queue.lane("lane").await.unwrap().unwrap().state;
                assert!(matches!(state, LaneState::Paced | LaneState::DaySpent), "{state:?}");
                // A click runs all the same.
                world.queue.push(&[job("lane", "click", Priority::Interactive)]).await.unwrap();
                let clicked = world.step(Step { claim: 1, ..Step::default() }).await.jobs;
                assert_eq!(records(&clicked), ["click"], "after {:?}", world.now());
                end(&world, clicked).await;
                clicks += 1;
            }
            world.advance(wait).await;
        }
        assert!(clicks > bins / 2, "bulk was held back {clicks} times");
        (spent, clicks)
    });
    let (at_once, later) = (spent[0], spent[1..].iter().sum::<usize>());
    let half = usize::try_from(bulk_share / 2).unwrap();
    // Quarters of an hour are counted from another instant here than by the queue: two shares fall into one.
    let two_shares = (half / 24 + 1) * 2;
    assert!((half..half + two_shares).contains(&at_once), "{at_once} at once of {bulk_share}");
    assert!(spent[1..].iter().all(|calls| *calls <= two_shares), "{spent:?}");
    assert!(at_once + later + clicks > half * 2 - two_shares, "{later} calls later and {clicks} clicks: {spent:?}");
}

async fn end(world: &Simulated<'_>, jobs: Vec<Job>) {
    let settlements = jobs.into_iter().map(|job| Settlement { permits: permits(&job, 1), job, outcome: Outcome::Done });
    let step = Step { settlements: settlements.collect(), ..Step::default() };
    assert!(world.step(step).await.late.is_empty());
}

/// It is counted when its run is settled, and may arrive when the next quarter of an hour has begun.
fn a_call_that_nobody_saw_end_counts_for_a_day_from_when_it_may_arrive(ground: &Ground, _: u32) {
    let (second, day) = (Duration::from_secs(1), Duration::from_secs(24 * 3600));
    let limit = Limit { burst: 10, interval: second, call_timeout: second * 60, reserve: 1, daily: 2 };
    simulate(async {
        let world = Simulated::new(ground, limit, claiming()).await;
        world.advance(DAY_BIN - second).await;
        let jobs = ["a", "b", "c"].map(|record| job("lane", record, Priority::Interactive));
        world.queue.push(&jobs).await.unwrap();
        let run = world.step(Step { claim: 2, ..Step::default() }).await;
        let cancelled = run.jobs.iter().map(|job| {
            let permits = Permits::new(1, Lease::begin(Instant::now(), second)).with_call_timeout(limit.call_timeout);
            drop(permits.take().unwrap());
            Settlement { job: job.clone(), outcome: Outcome::Done, permits }
        });
        world.step(Step { settlements: cancelled.collect(), finished: vec![run.epoch], claim: 1 }).await;
        let may_arrive = world.now() + limit.call_timeout;
        world.advance(may_arrive + day - world.now()).await;
        assert!(claim(&world).await.is_empty(), "a third call may come within a day of the first two");
        world.advance(DAY_BIN).await;
        assert_eq!(claim(&world).await.len(), 1);
    });
}

/// A look for lanes to forget may be due before what is wanted.
async fn claim(world: &Simulated<'_>) -> Vec<Job> {
    loop {
        let stepped = world.step(Step { claim: 1, ..Step::default() }).await;
        if !stepped.jobs.is_empty() || stepped.wait != Wait::More {
            return stepped.jobs;
        }
    }
}
