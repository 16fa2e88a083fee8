//! A person can pause a kind of jobs in all lanes.

use std::collections::BTreeSet;

use super::{Bench, Over, done};
use crate::job::{Job, Key, NewJob, Priority};
use crate::outcome::Outcome;
use crate::queue::{Pushed, Step};

promises! {
    a_paused_kind_rests_in_all_lanes_and_holds_up_no_other,
    all_jobs_of_a_kind_that_was_paused_run_once,
    what_cannot_be_a_kind_is_refused,
}

fn job(lane: &str, kind: &str, record: &str, priority: Priority) -> NewJob {
    NewJob::new(Key { lane: lane.into(), kind: kind.into(), record: record.into() }, priority, 1)
}

fn kinds(jobs: &[Job]) -> BTreeSet<&str> {
    jobs.iter().map(|job| job.key.kind.as_str()).collect()
}

/// All that can be claimed, also where a step passes over more than it may in one go.
async fn claim_all(bench: &Bench) -> Vec<Job> {
    let mut jobs = Vec::new();
    for _ in 0..10 {
        jobs.extend(bench.claim_now(100).await);
    }
    jobs
}

async fn a_paused_kind_rests_in_all_lanes_and_holds_up_no_other(over: Over) {
    let bench = Bench::new(over, 10).await;
    for lane in ["a", "b", "c"] {
        bench.push(NewJob { cost: 8, ..job(lane, "push", "dear", Priority::Interactive) }).await;
        bench.push(job(lane, "pull", "1", Priority::Realtime)).await;
    }
    bench.queue.pause_kind("push").await.unwrap();
    assert_eq!(bench.queue.paused_kinds().await.unwrap(), BTreeSet::from(["push".to_owned()]));
    let others = claim_all(&bench).await;
    assert_eq!((others.len(), kinds(&others)), (3, BTreeSet::from(["pull"])));
    let lane = bench.queue.lane("a").await.unwrap().unwrap();
    assert_eq!((lane.tokens_out, lane.waiting), (1, [0, 0, 0]), "nothing was paid for what rests");
    assert_eq!(bench.push(job("a", "push", "dear", Priority::Bulk)).await, Pushed::Coalesced, "it waits still");
    bench.push(job("d", "push", "later", Priority::Realtime)).await;
    assert!(claim_all(&bench).await.is_empty());

    bench.queue.resume_kind("push").await.unwrap();
    assert!(bench.queue.paused_kinds().await.unwrap().is_empty());
    let resumed = claim_all(&bench).await;
    assert_eq!((resumed.len(), kinds(&resumed)), (4, BTreeSet::from(["push"])));
    assert!(resumed.iter().all(|job| (job.attempt, job.crashes) == (0, 0)));
}

async fn all_jobs_of_a_kind_that_was_paused_run_once(over: Over) {
    let bench = Bench::new(over, 1000).await;
    let running = job("lane", "push", "running", Priority::Bulk);
    bench.push(running.clone()).await;
    let before = bench.claim(1).await.remove(0);
    bench.queue.pause_kind("push").await.unwrap();
    let many: Vec<_> = (0..350).map(|n| job("lane", "push", &n.to_string(), Priority::Bulk)).collect();
    bench.queue.push(&many).await.unwrap();
    assert!(claim_all(&bench).await.is_empty());
    // Of these the more urgent entry is the true one, and put aside as well.
    let urgent: Vec<_> = (0..50).map(|n| job("lane", "push", &n.to_string(), Priority::Interactive)).collect();
    bench.queue.push(&urgent).await.unwrap();
    assert_eq!(bench.push(running).await, Pushed::AfterRunning);
    assert!(bench.settle(&before, Outcome::Done, 0).await, "what runs goes on");
    assert!(claim_all(&bench).await.is_empty());

    bench.queue.resume_kind("push").await.unwrap();
    let claimed = claim_all(&bench).await;
    let records: BTreeSet<_> = claimed.iter().map(|job| job.key.record.as_str()).collect();
    assert_eq!((claimed.len(), records.len()), (351, 351));
    let settlements = claimed.into_iter().map(done).collect();
    let shard = bench.queue.shard_of("lane");
    assert!(bench.step(shard, Step { settlements, ..Step::default() }).await.late.is_empty());
    assert!(claim_all(&bench).await.is_empty());
}

async fn what_cannot_be_a_kind_is_refused(over: Over) {
    let bench = Bench::new(over, 1).await;
    for no_kind in ["", "a/b", "a\0"] {
        assert!(bench.queue.pause_kind(no_kind).await.is_err(), "{no_kind:?}");
    }
    assert!(bench.queue.paused_kinds().await.unwrap().is_empty());
}
