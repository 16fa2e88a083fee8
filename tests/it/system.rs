//! The whole system over a real Redis and PostgreSQL: one gateway, several workers, and what happens to them.

use std::time::Duration;

use ghl_sandbox::{Limits, SandboxConfig};
use sync_workers::records::JobState;
use tokio::time::Instant;

use crate::support::cluster::{Cluster, quick};
use crate::support::entries::{assert_created_once, creations};
use crate::support::wait_until_async;

/// 2,000 events for 4 locations at GHL's own pace: 800 calls a location in at best 70 s.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_workers_share_the_work_and_never_exceed_the_limit() {
    let sandbox = SandboxConfig {
        locations: 4,
        contacts: 100,
        latency: Duration::from_millis(20)..Duration::from_millis(80),
        ..SandboxConfig::default()
    };
    let mut cluster = Cluster::start(sandbox, &[]).await;
    let mut events = cluster.selections();
    events.extend(creations(&cluster, 2));
    assert_eq!(events.len(), 2000);
    cluster.send(&events).await;
    for _ in 0..3 {
        cluster.start_worker();
    }
    cluster.until_done(2000).await;

    cluster.assert_never_over_the_limit();
    let limits = Limits::default();
    for (location, stats) in cluster.sandbox.stats().locations {
        // From the second burst to the eighth, all of it under backlog: as many windows as bursts, at best.
        let burst = usize::try_from(limits.burst).unwrap();
        let took = Duration::from_micros(stats.arrivals_micros[7 * burst] - stats.arrivals_micros[burst]);
        let used = (6 * limits.interval).as_secs_f64() / took.as_secs_f64();
        // Reported, not asserted: how much a busy machine uses is its own affair. The engine proves it over simulated time.
        eprintln!("{location} used {:.1} % of the allowed calls", used * 100.0);
    }
    assert_eq!(cluster.mismatches().await, []);
    // What was sent again is known, and changes nothing.
    cluster.send(&events[events.len() - 1500..]).await;
    assert_eq!(cluster.count(JobState::Done).await, 2000);
    assert_eq!(cluster.count(JobState::Waiting).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_jobs_of_a_killed_worker_are_done_by_another() {
    let mut cluster = Cluster::start(quick(4, 60), &[]).await;
    let mut events = cluster.selections();
    events.extend(creations(&cluster, 2));
    cluster.send(&events).await;
    cluster.start_worker();
    cluster.start_worker();
    cluster.until_done(200).await;
    // Held still first, so that what it holds at its death is known.
    cluster.workers[0].suspend();
    cluster.workers[1].suspend();
    let held: Vec<String> = cluster.jobs(JobState::Running).await.into_iter().map(|job| job.id).collect();
    cluster.workers[1].resume();
    cluster.workers[0].kill();
    let killed = Instant::now();
    assert!(!held.is_empty(), "the workers were in the midst of it");
    for id in &held {
        let is_done = async || cluster.records.job(id).await.unwrap().unwrap().state == JobState::Done;
        wait_until_async(&format!("{id} is done"), is_done).await;
    }
    // Reported, not asserted: how long it takes on a busy machine is its own affair. The engine proves it over simulated time.
    eprintln!("what a killed worker had was done {:?} later", killed.elapsed());
    cluster.until_done(i64::try_from(events.len()).unwrap()).await;
    cluster.assert_never_over_the_limit();
    assert_eq!(cluster.mismatches().await, []);
    assert_created_once(&cluster, &events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_loses_everything_loses_no_accepted_event() {
    // A short time-out, since a location rests for lease, time-out and interval after the loss: nobody knows what was under way.
    let mut cluster = Cluster::start(quick(4, 40), &[("GHL_TIMEOUT_MS", "2000")]).await;
    let mut events = cluster.selections();
    events.extend(creations(&cluster, 2));
    cluster.send(&events).await;
    cluster.start_worker();
    cluster.start_worker();
    cluster.until_done(150).await;
    cluster.redis.flush_all();
    cluster.until_done(i64::try_from(events.len()).unwrap()).await;
    cluster.assert_never_over_the_limit();
    assert_eq!(cluster.mismatches().await, []);
}
