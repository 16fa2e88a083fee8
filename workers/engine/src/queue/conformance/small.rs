//! Corners in which a job or a token was once lost, doubled, turned round or cut.

use std::time::Duration;

use super::{Bench, Over, job, records};
use crate::job::Priority;
use crate::outcome::Outcome;
use crate::queue::{Pushed, Settlement, Step};

promises! {
    a_push_just_before_a_run_is_put_off_counts_as_one_just_after,
    a_settlement_that_is_reported_twice_counts_its_calls_once,
    released_jobs_come_back_in_their_order,
    jobs_of_one_dead_worker_come_back_in_their_order,
}

const LONG: Duration = Duration::from_secs(600);

async fn a_push_just_before_a_run_is_put_off_counts_as_one_just_after(over: Over) {
    for outcome in [Outcome::Retry { after: LONG }, Outcome::Snooze { after: LONG }] {
        for before in [true, false] {
            let bench = Bench::new(over, 10).await;
            bench.push(job("lane", "a", Priority::Bulk)).await;
            let running = bench.claim(1).await.remove(0);
            let click = job("lane", "a", Priority::Interactive);
            if before {
                assert_eq!(bench.push(click.clone()).await, Pushed::AfterRunning);
            }
            assert!(bench.settle(&running, outcome.clone(), 0).await);
            if !before {
                assert_eq!(bench.push(click).await, Pushed::Coalesced);
            }
            let again = bench.claim_now(9).await;
            assert_eq!(records(&again), ["a"], "{outcome:?}, pushed before: {before}");
            assert_eq!(again[0].priority, Priority::Interactive);
        }
    }
}

async fn a_settlement_that_is_reported_twice_counts_its_calls_once(over: Over) {
    let bench = Bench::new(over, 20).await;
    bench.push(job("lane", "a", Priority::Realtime)).await;
    let run = bench.claim(1).await.remove(0);
    // As where the answer was lost.
    assert!(bench.settle(&run, Outcome::Done, 1).await);
    assert!(!bench.settle(&run, Outcome::Done, 1).await);
    let lane = bench.queue.lane("lane").await.unwrap().unwrap();
    assert_eq!((lane.tokens_out, lane.tokens_cooling, lane.day_used), (0, 1, 1));
}

async fn released_jobs_come_back_in_their_order(over: Over) {
    let bench = Bench::new(over, 20).await;
    for record in ["a", "b", "c", "d"] {
        bench.push(job("lane", record, Priority::Realtime)).await;
    }
    let claimed = bench.claim_now(3).await;
    assert_eq!(records(&claimed), ["a", "b", "c"]);
    let release = |job| Settlement { permits: super::permits(&job, 0), job, outcome: Outcome::Released };
    let settlements = claimed.into_iter().map(release).collect();
    bench.step(bench.queue.shard_of("lane"), Step { settlements, ..Step::default() }).await;
    assert_eq!(records(&bench.claim_now(9).await), ["a", "b", "c", "d"]);
}

async fn jobs_of_one_dead_worker_come_back_in_their_order(over: Over) {
    let bench = Bench::leased(over, 40).await;
    for record in ["a", "b", "c", "d"] {
        bench.push(job("lane", record, Priority::Realtime)).await;
    }
    assert_eq!(bench.claim_now(3).await.len(), 3);
    tokio::time::sleep(super::LEASE + Duration::from_millis(5)).await;
    assert_eq!(records(&bench.claim_now(9).await), ["a", "b", "c", "d"]);
}
