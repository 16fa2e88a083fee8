//! A job that its workers do not outlive is buried with the reason, not run for ever (law 11).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::{Bench, Over, job};
use crate::job::{Job, Priority};
use crate::permit::Permits;
use crate::pool::{Handler, MAX_CRASHES, Pool, PoolConfig};
use crate::queue::Pushed;
use crate::verdict::Verdict;

promises! {
    a_job_that_outlived_three_workers_is_buried_and_not_run,
    a_job_that_outlived_two_workers_is_run,
}

/// What a pool did with a job.
#[derive(Debug, PartialEq)]
enum Did {
    Run,
    Bury(String),
}

struct Witness(UnboundedSender<(String, Did)>);

impl Handler for Witness {
    async fn run(&self, job: Job, _: Permits) -> Verdict {
        self.0.send((job.key.record, Did::Run)).unwrap();
        Verdict::Done
    }

    async fn bury(&self, job: Job, reason: &str) -> Verdict {
        self.0.send((job.key.record, Did::Bury(reason.to_owned()))).unwrap();
        Verdict::Dead
    }

    fn ended(&self, _: &Job, _: &Verdict, _: Duration, _: &Permits) {}

    fn panicked(&self, _: &Job) -> Verdict {
        Verdict::Dead
    }
}

/// What a pool does with a job that outlived so many workers.
async fn after_crashes(over: Over, crashes: u8) -> Did {
    let bench = Bench::leased(over, 100).await;
    let poison = job("lane", "poison", Priority::Realtime);
    bench.push(poison.clone()).await;
    for crash in 0..crashes {
        let claimed = bench.claim(1).await.remove(0);
        assert_eq!((claimed.crashes, claimed.attempt), (crash, 0), "no attempt is spent");
    }
    let (heard, mut hears) = unbounded_channel();
    let pool = Pool::start(
        &bench.queue,
        Arc::new(Witness(heard)),
        &PoolConfig { name: "heir".into(), concurrency: bench.queue.shards() },
    );
    let (record, did) = hears.recv().await.unwrap();
    pool.stop().await;
    assert_eq!(record, "poison");
    assert!(hears.recv().await.is_none(), "it is done with once");
    assert_eq!(bench.push(poison).await, Pushed::Queued, "the queue knows nothing of it any more");
    did
}

async fn a_job_that_outlived_three_workers_is_buried_and_not_run(over: Over) {
    let reason = format!("it was running when {MAX_CRASHES} workers died");
    assert_eq!(after_crashes(over, MAX_CRASHES).await, Did::Bury(reason));
}

async fn a_job_that_outlived_two_workers_is_run(over: Over) {
    assert_eq!(after_crashes(over, MAX_CRASHES - 1).await, Did::Run);
}
