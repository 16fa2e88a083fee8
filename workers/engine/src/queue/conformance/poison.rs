//! A job that its workers do not outlive becomes a dead letter with the reason, not run for ever (law 11).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::{Bench, Over, job};
use crate::job::{Job, Priority, SUSPECT};
use crate::outcome::Outcome;
use crate::permit::Permits;
use crate::pool::{Handler, MAX_CRASHES, Pool, PoolConfig};
use crate::queue::Pushed;

promises! {
    a_job_that_outlived_three_workers_the_last_time_alone_is_buried_and_not_run,
    jobs_that_outlived_many_workers_beside_each_other_are_all_run_and_each_alone,
    a_crash_while_a_suspect_runs_alone_counts_for_nobody_else,
}

/// What a pool did with a job.
#[derive(Debug, PartialEq)]
enum Did {
    Run,
    DeadLetter(String),
}

struct Witness(UnboundedSender<(String, Did)>);

impl Handler for Witness {
    async fn run(&self, job: Job, _: Permits) -> Outcome {
        self.0.send((job.key.record, Did::Run)).unwrap();
        Outcome::Done
    }

    async fn dead_letter(&self, job: Job, reason: &str) -> Outcome {
        self.0.send((job.key.record, Did::DeadLetter(reason.to_owned()))).unwrap();
        Outcome::Dead
    }

    fn ended(&self, _: &Job, _: &Outcome, _: Duration, _: &Permits) {}

    fn panicked(&self, _: &Job) -> Outcome {
        Outcome::Dead
    }
}

async fn a_job_that_outlived_three_workers_the_last_time_alone_is_buried_and_not_run(over: Over) {
    let bench = Bench::leased(over, 100).await;
    let poison = job("lane", "poison", Priority::Realtime);
    bench.push(poison.clone()).await;
    for crash in 0..MAX_CRASHES {
        let claimed = bench.claim(1).await.remove(0);
        assert_eq!((claimed.crashes, claimed.attempt), (crash, 0), "no attempt is spent");
        if crash == SUSPECT {
            runs_alone(&bench, &claimed, true).await;
        }
    }
    let (received, mut receives) = unbounded_channel();
    let pool = Pool::start(
        &bench.queue,
        Arc::new(Witness(received)),
        &PoolConfig { name: "heir".into(), concurrency: bench.queue.shards() },
    );
    let (record, did) = receives.recv().await.unwrap();
    pool.stop().await;
    assert_eq!(record, "poison");
    assert!(receives.recv().await.is_none(), "it is done with once");
    assert_eq!(bench.push(poison).await, Pushed::Queued, "the queue knows nothing of it any more");
    let reason = format!("it was running when {MAX_CRASHES} workers died, and ran alone when the last one did");
    assert_eq!(did, Did::DeadLetter(reason));
}

async fn runs_alone(bench: &Bench, job: &Job, is_alone: bool) {
    let shard = bench.queue.shard_of(&job.key.lane);
    bench.queue.alone(shard, Some(&job.key), &[job.epoch], is_alone).await.unwrap();
}

/// Says how many run beside a job, itself included.
struct Crowd {
    running: AtomicUsize,
    ended: UnboundedSender<(String, usize)>,
}

impl Handler for Crowd {
    async fn run(&self, job: Job, _: Permits) -> Outcome {
        let mut most = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        for _ in 0..20 {
            tokio::task::yield_now().await;
            most = most.max(self.running.load(Ordering::SeqCst));
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.ended.send((job.key.record, most)).unwrap();
        Outcome::Done
    }

    async fn dead_letter(&self, job: Job, _: &str) -> Outcome {
        panic!("{:?} was buried", job.key);
    }

    fn ended(&self, _: &Job, _: &Outcome, _: Duration, _: &Permits) {}

    fn panicked(&self, _: &Job) -> Outcome {
        Outcome::Dead
    }
}

async fn jobs_that_outlived_many_workers_beside_each_other_are_all_run_and_each_alone(over: Over) {
    const SUSPECTS: usize = 12;
    let bench = Bench::leased(over, 100).await;
    let lanes: Vec<_> = (0..SUSPECTS).map(|n| format!("lane-{n}")).collect();
    for lane in &lanes {
        bench.push(job(lane, "suspect", Priority::Realtime)).await;
    }
    for death in 0..5 {
        let mut claimed = 0;
        while claimed < SUSPECTS {
            for job in bench.claim(SUSPECTS).await {
                assert!(job.crashes == SUSPECT.min(death), "{} after {death} deaths", job.crashes);
                claimed += 1;
            }
        }
    }
    // They come first, as they wait at the heads of their lanes; then what nobody suspects.
    for lane in &lanes {
        bench.push(job(lane, "other", Priority::Realtime)).await;
    }
    let (ended, mut receives) = unbounded_channel();
    let crowd = Arc::new(Crowd { running: AtomicUsize::new(0), ended });
    let pool = Pool::start(&bench.queue, crowd, &PoolConfig { name: "heir".into(), concurrency: 64 });
    let mut suspects = 0;
    for _ in 0..SUSPECTS * 2 {
        let (record, beside) = receives.recv().await.unwrap();
        if record == "suspect" {
            assert_eq!(beside, 1, "a suspect runs alone");
            suspects += 1;
        }
    }
    assert_eq!(suspects, SUSPECTS);
    pool.stop().await;
}

async fn a_crash_while_a_suspect_runs_alone_counts_for_nobody_else(over: Over) {
    let bench = Bench::leased(over, 100).await;
    let crashes = |jobs: &[Job]| {
        let mut crashes: Vec<_> = jobs.iter().map(|job| (job.key.record.clone(), job.crashes)).collect();
        crashes.sort();
        crashes
    };
    let reported = |a: u8, b: u8| vec![("a".to_owned(), a), ("b".to_owned(), b)];
    bench.push(job("lane", "a", Priority::Realtime)).await;
    bench.push(job("lane", "b", Priority::Realtime)).await;
    let claimed = bench.claim(2).await;
    runs_alone(&bench, &claimed[0], true).await;
    let claimed = bench.claim(2).await;
    assert_eq!(crashes(&claimed), reported(1, 0));
    // It ended, and the others run.
    let suspect = claimed.iter().find(|job| job.crashes > 0).unwrap();
    runs_alone(&bench, suspect, true).await;
    runs_alone(&bench, suspect, false).await;
    assert_eq!(crashes(&bench.claim(2).await), reported(2, 1));
}
