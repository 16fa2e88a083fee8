//! This repository's engine with everything on: each job takes a token and spends its permit, under a lease, lane by lane.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bench::{How, Result, Role, Work};
use job_engine::{
    Claiming, ColdStart, Handler, Job, Key, Limit, NewJob, Permits, Pool, PoolConfig, Priority, Queue, Outcome,
};

/// Time enough to push a hundred thousand jobs.
const LATER: Duration = Duration::from_secs(8);

struct Nothing;

impl Handler for Nothing {
    async fn run(&self, job: Job, permits: Permits) -> Outcome {
        let sent = <[u8; 8]>::try_from(&job.payload[..]).map_or(0, u64::from_be_bytes);
        let call = permits.take();
        Work { lane: job.key.lane, record: job.key.record, sent }.run().await;
        drop(call);
        Outcome::Done
    }

    async fn dead_letter(&self, _: Job, _: &str) -> Outcome {
        Outcome::Dead
    }

    fn ended(&self, _: &Job, _: &Outcome, _: Duration, _: &Permits) {}

    fn panicked(&self, _: &Job) -> Outcome {
        Outcome::Dead
    }
}

fn main() -> Result {
    let (url, role) = bench::arguments(0)?;
    bench::run(&role, contest(&url, &role))
}

async fn contest(url: &str, role: &Role) -> Result {
    // So high that one lane alone is not held back: what is measured is the limiter's price, not its purpose.
    let limit = Limit {
        burst: 60_000,
        interval: Duration::from_millis(100),
        call_timeout: Duration::from_secs(1),
        reserve: 4,
        daily: u32::MAX,
    };
    let queue = Queue::redis(url, "bench", 1, limit, Claiming::default(), ColdStart::Unspent).await?;
    match role {
        Role::Work => {
            let config = PoolConfig { name: "bench".to_owned(), concurrency: 256 };
            let _pool = Pool::start(&queue, Arc::new(Nothing), &config);
            std::future::pending().await
        }
        Role::Push(plan) => {
            // All of them in one second, which begins when the last one has been pushed for sure.
            let due = Instant::now() + LATER;
            bench::push(plan, async |works| {
                let jobs: Vec<_> = works.into_iter().map(|work| job(work, plan.how, due)).collect();
                queue.push(&jobs).await?;
                Ok(())
            })
            .await
        }
    }
}

fn job(work: Work, how: How, due: Instant) -> NewJob {
    let key = Key { lane: work.lane, kind: "nothing".to_owned(), record: work.record };
    let priority = match how {
        How::Single | How::Batch | How::Idle | How::Later => Priority::Realtime,
        How::Bulk => Priority::Bulk,
        How::Click => Priority::Interactive,
    };
    let mut job = NewJob::new(key, priority, 1);
    if how == How::Later {
        job.delay = due.saturating_duration_since(Instant::now());
    }
    if work.sent > 0 {
        job.payload = work.sent.to_be_bytes().to_vec().into();
    }
    job
}
