//! A failing lane is broken off once (law 12); a person can pause one.

use std::time::Duration;

use super::{Bench, Over, PROBE_AFTER, job, records, state};
use crate::job::Priority;
use crate::outcome::Outcome;
use crate::queue::LaneState;

promises! {
    a_paused_lane_rests_until_it_is_resumed,
    a_broken_lane_is_probed_by_one_job_and_opens_when_that_succeeds,
    a_storm_of_failures_breaks_the_lane_off,
    a_probe_whose_worker_dies_is_followed_by_another,
}

async fn a_paused_lane_rests_until_it_is_resumed(over: Over) {
    let bench = Bench::new(over, 10).await;
    bench.push(job("lane", "a", Priority::Realtime)).await;
    bench.push(job("other", "b", Priority::Realtime)).await;
    bench.queue.pause("lane").await.unwrap();
    assert_eq!(records(&bench.claim_now(9).await), ["b"], "other lanes go on");
    bench.push(job("lane", "click", Priority::Interactive)).await;
    assert!(bench.claim_now(9).await.is_empty());
    assert_eq!(state(&bench, "lane").await, LaneState::Paused);
    bench.queue.resume("lane").await.unwrap();
    assert_eq!(state(&bench, "lane").await, LaneState::Ready);
    let mut claimed = bench.claim(9).await;
    claimed.extend(bench.claim_now(9).await);
    assert_eq!(records(&claimed), ["click", "a"]);
}

async fn a_broken_lane_is_probed_by_one_job_and_opens_when_that_succeeds(over: Over) {
    let bench = Bench::new(over, 20).await;
    for n in 0..6 {
        bench.push(job("lane", &n.to_string(), Priority::Realtime)).await;
    }
    let refused = bench.claim(1).await.remove(0);
    assert!(bench.settle(&refused, Outcome::Broken { probe_after: PROBE_AFTER }, 1).await);
    for _ in 0..2 {
        assert_eq!(state(&bench, "lane").await, LaneState::Broken);
        assert!(bench.claim_now(9).await.is_empty());
        let probe = bench.claim(9).await;
        assert_eq!(probe.len(), 1, "one job probes");
        assert_eq!(
            (&probe[0].key, probe[0].attempt),
            (&refused.key, 0),
            "the one that was refused, and no attempt is spent"
        );
        assert!(bench.claim_now(9).await.is_empty(), "the others wait for what it finds");
        assert!(bench.settle(&probe[0], Outcome::Released, 0).await);
        let again = bench.claim_now(9).await;
        assert_eq!(again.len(), 1, "a probe that was given back tells nothing");
        assert!(bench.settle(&again[0], Outcome::Broken { probe_after: PROBE_AFTER }, 1).await);
    }
    let probe = bench.claim(9).await.remove(0);
    assert!(bench.settle(&probe, Outcome::Done, 1).await);
    assert_eq!(state(&bench, "lane").await, LaneState::Ready);
    assert_eq!(bench.claim_now(9).await.len(), 5);
}

async fn a_storm_of_failures_breaks_the_lane_off(over: Over) {
    let bench = Bench::new(over, 50).await;
    for n in 0..9 {
        bench.push(job("lane", &n.to_string(), Priority::Realtime)).await;
    }
    let retry = Outcome::Retry { after: Duration::from_secs(60) };
    for done in [Outcome::Retry { after: Duration::from_secs(60) }, Outcome::Done] {
        let job = bench.claim(1).await.remove(0);
        assert!(bench.settle(&job, done, 1).await);
    }
    for _ in 0..3 {
        assert_eq!(state(&bench, "lane").await, LaneState::Ready, "a success in between counts");
        let job = bench.claim(1).await.remove(0);
        assert!(bench.settle(&job, retry.clone(), 1).await);
    }
    assert_eq!(state(&bench, "lane").await, LaneState::Broken);
    let probe = bench.claim(9).await;
    assert_eq!(probe.len(), 1);
    assert!(bench.settle(&probe[0], retry, 1).await);
    assert_eq!(state(&bench, "lane").await, LaneState::Broken, "one failed probe is enough");
    bench.queue.resume("lane").await.unwrap();
    assert_eq!(bench.claim_now(9).await.len(), 3, "a person may know better");
}

async fn a_probe_whose_worker_dies_is_followed_by_another(over: Over) {
    let bench = Bench::leased(over, 20).await;
    for n in 0..3 {
        bench.push(job("lane", &n.to_string(), Priority::Realtime)).await;
    }
    let refused = bench.claim(1).await.remove(0);
    assert!(bench.settle(&refused, Outcome::Broken { probe_after: PROBE_AFTER }, 1).await);
    assert_eq!(bench.claim(9).await.len(), 1);
    let next = bench.claim(9).await;
    assert_eq!((next.len(), next[0].crashes), (1, 1));
    assert!(bench.settle(&next[0], Outcome::Done, 1).await);
    assert_eq!(bench.claim_now(9).await.len(), 2);
}
