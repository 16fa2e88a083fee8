//! One clock (law 9), also where somebody sets it: what was to come back after ten seconds comes back after ten, and nothing stands still.
//!
//! A queue in memory has a clock that nobody can set; it keeps the same promises.

use std::time::Duration;

use super::simulated::{Ground, Simulated, properties, simulate};
use super::{claiming, job, permits};
use crate::job::{Job, Priority};
use crate::limit::{Claiming, Limit};
use crate::outcome::Outcome;
use crate::queue::{Settlement, Step, Wait};

properties! {
    a_clock_that_is_set_forward_brings_no_second_burst: 1, 1;
    a_clock_that_is_set_forward_ends_no_lease: 1, 1;
    a_clock_that_is_set_back_stops_nothing: 1, 1;
    a_job_that_is_put_off_for_months_waits_for_months: 1, 1;
}

const SECOND: Duration = Duration::from_secs(1);

fn limit() -> Limit {
    Limit { burst: 10, interval: SECOND * 10, call_timeout: SECOND * 5, reserve: 1, daily: 1_000_000 }
}

async fn world(ground: &Ground) -> Simulated<'_> {
    Simulated::new(ground, limit(), Claiming { lease: SECOND * 12, ..claiming() }).await
}

async fn push(world: &Simulated<'_>, count: usize) {
    let jobs: Vec<_> = (0..count).map(|n| job("lane", &n.to_string(), Priority::Realtime)).collect();
    world.queue.push(&jobs).await.unwrap();
}

fn sent(job: Job) -> Settlement {
    Settlement { permits: permits(&job, 1), job, outcome: Outcome::Done }
}

/// Runs what can be claimed, one call each; how many.
async fn run(world: &Simulated<'_>) -> usize {
    let stepped = world.step(Step { claim: 64, ..Step::default() }).await;
    let ran = stepped.jobs.len();
    let settlements = stepped.jobs.into_iter().map(sent).collect();
    world.step(Step { finished: vec![stepped.epoch], settlements, claim: 0 }).await;
    ran
}

fn a_clock_that_is_set_forward_brings_no_second_burst(ground: &Ground, _: u32) {
    simulate(async {
        let world = world(ground).await;
        push(&world, 30).await;
        assert_eq!(run(&world).await, 10);
        let sent = world.now();
        for forward in [10_000, 3_600_000] {
            world.set_clock(forward);
            while world.now() < sent + SECOND * 9 {
                assert_eq!(run(&world).await, 0, "{:?} after the burst", world.now() - sent);
                world.advance(SECOND).await;
            }
        }
        let (mut ran, began) = (10, world.now());
        while ran < 30 && world.now() - began < SECOND * 120 {
            ran += run(&world).await;
            world.advance(SECOND).await;
        }
        assert_eq!(ran, 30, "all of them run in the end");
    });
}

fn a_clock_that_is_set_forward_ends_no_lease(ground: &Ground, _: u32) {
    simulate(async {
        let world = world(ground).await;
        push(&world, 1).await;
        let held = world.step(Step { claim: 1, ..Step::default() }).await;
        let claimed = world.now();
        world.set_clock(13_000);
        while world.now() < claimed + SECOND * 12 {
            let other = world.step(Step { claim: 1, ..Step::default() }).await;
            assert!(
                other.jobs.is_empty(),
                "claimed while its holder has {:?} left",
                claimed + SECOND * 12 - world.now()
            );
            world.advance(SECOND).await;
        }
        assert_eq!(held.jobs.len(), 1);
    });
}

fn a_clock_that_is_set_back_stops_nothing(ground: &Ground, _: u32) {
    simulate(async {
        let world = world(ground).await;
        push(&world, 1000).await;
        let mut ran = 0;
        for second in 0..600 {
            if second == 5 {
                world.set_clock(-3_600_000);
            }
            if second == 300 {
                world.set_clock(-20_000);
            }
            ran += run(&world).await;
            world.advance(SECOND).await;
        }
        assert!((500..=610).contains(&ran), "{ran} calls in ten minutes");
    });
}

fn a_job_that_is_put_off_for_months_waits_for_months(ground: &Ground, _: u32) {
    simulate(async {
        let world = world(ground).await;
        push(&world, 1).await;
        let run = world.step(Step { claim: 1, ..Step::default() }).await;
        let (job, day) = (run.jobs[0].clone(), SECOND * 86_400);
        let snoozed = Settlement { permits: permits(&job, 0), job, outcome: Outcome::Snooze { after: day * 100 } };
        world.step(Step { finished: vec![run.epoch], settlements: vec![snoozed], claim: 0 }).await;
        let mut days = 0;
        loop {
            world.advance(day).await;
            days += 1;
            // A look for lanes to forget may be due before it.
            let mut stepped = world.step(Step { claim: 1, ..Step::default() }).await;
            while stepped.jobs.is_empty() && stepped.wait == Wait::More {
                stepped = world.step(Step { claim: 1, ..Step::default() }).await;
            }
            if !stepped.jobs.is_empty() {
                break;
            }
            assert!(days < 101);
        }
        assert_eq!(days, 100);
    });
}
