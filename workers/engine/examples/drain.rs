//! How fast a queue in Redis is filled and drained by jobs that do nothing, with everything on: limiter, leases, fairness.
//!
//!     cargo run --release -p job-engine --example drain -- redis://127.0.0.1:6379 100000 1000
//!
//! Arguments: the server, the number of jobs, the number of lanes. Start it twice at once, the second time with 0 jobs, to see two
//! processes share the work.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use job_engine::{
    Claiming, ColdStart, Handler, Job, Key, Limit, NewJob, Outcome, Permits, Pool, PoolConfig, Priority, Queue,
};
use tokio::sync::Notify;

/// Does nothing, and counts.
#[derive(Default)]
struct Nothing {
    done: AtomicUsize,
    changed: Notify,
}

impl Handler for Nothing {
    async fn run(&self, _: Job, permits: Permits) -> Outcome {
        // Taken and at once given back, as by a call that takes no time.
        drop(permits.take());
        Outcome::Done
    }

    async fn dead_letter(&self, _: Job, _: &str) -> Outcome {
        Outcome::Dead
    }

    fn ended(&self, _: &Job, _: &Outcome, _: Duration, _: &Permits) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_one();
    }

    fn panicked(&self, _: &Job) -> Outcome {
        Outcome::Dead
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or("redis://127.0.0.1:6379".to_owned());
    let jobs: usize = arguments.next().map_or(Ok(100_000), |count| count.parse())?;
    let lanes: usize = arguments.next().map_or(Ok(1000), |count| count.parse())?;
    let interval = Duration::from_secs(1);
    let limit = Limit { burst: 60_000, interval, call_timeout: interval, reserve: 4, daily: u32::MAX };
    let queue = Queue::redis(&url, "drain", 1, limit, Claiming::default(), ColdStart::Unspent).await?;

    let began = Instant::now();
    let all: Vec<_> = (0..jobs).map(|n| job(n, n % lanes)).collect();
    for batch in all.chunks(1000) {
        queue.push(batch).await?;
    }
    println!("pushed {:.0} jobs a second in batches of 1000", jobs as f64 / began.elapsed().as_secs_f64());

    let handler = Arc::new(Nothing::default());
    let began = Instant::now();
    let pool = Pool::start(&queue, Arc::clone(&handler), &PoolConfig { name: "drain".to_owned(), concurrency: 256 });
    while handler.done.load(Ordering::Relaxed) < jobs {
        handler.changed.notified().await;
    }
    println!("drained {:.0} jobs a second over {lanes} lanes", jobs as f64 / began.elapsed().as_secs_f64());
    pool.stop().await;
    Ok(())
}

fn job(number: usize, lane: usize) -> NewJob {
    let key = Key { lane: format!("location-{lane}"), kind: "nothing".to_owned(), record: format!("record-{number}") };
    NewJob::new(key, Priority::Realtime, 1)
}
