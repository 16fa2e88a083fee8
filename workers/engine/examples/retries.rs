//! What becomes of failures: a call that fails is tried again with backoff, and a lane whose calls keep failing is broken off and probed
//! by one job, so that an outage costs a few calls and no attempts of what waits.
//!
//!     cargo run -p job-engine --example retries

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use job_engine::{
    Backoff, Breaker, Claiming, ColdStart, Handler, Job, Key, Limit, NewJob, Outcome, Permits, Pool, PoolConfig,
    Priority, Queue,
};
use tokio::sync::Semaphore;

/// A server that refuses so many calls before it is well again.
struct Courier {
    refusals: AtomicU32,
    backoff: Backoff,
    ended: Semaphore,
}

impl Courier {
    fn call(&self, job: &Job) -> Result<(), &'static str> {
        if job.key.record == "no address" {
            return Err("there is no such address");
        }
        let well =
            self.refusals.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err();
        if well { Ok(()) } else { Err("the server is down") }
    }
}

impl Handler for Courier {
    async fn run(&self, job: Job, permits: Permits) -> Outcome {
        let Ok(_permit) = permits.take() else { return Outcome::Released };
        let Err(reason) = self.call(&job) else { return Outcome::Done };
        println!("{} of {}, attempt {}: {reason}", job.key.record, job.key.lane, job.attempt + 1);
        match self.backoff.delay(job.attempt + 1) {
            // Enough of these in a row break the lane off.
            Some(after) => Outcome::Retry { after },
            None => self.dead_letter(job, reason).await,
        }
    }

    async fn dead_letter(&self, job: Job, reason: &str) -> Outcome {
        println!("{} is given up: {reason}", job.key.record);
        Outcome::Dead
    }

    fn ended(&self, job: &Job, outcome: &Outcome, _: Duration, _: &Permits) {
        if matches!(outcome, Outcome::Done | Outcome::Dead) {
            println!("{} has ended", job.key.record);
            self.ended.add_permits(1);
        }
    }

    fn panicked(&self, _: &Job) -> Outcome {
        Outcome::Dead
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let second = Duration::from_secs(1);
    let limit = Limit { burst: 10, interval: second, call_timeout: second, reserve: 0, daily: 1000 };
    let breaker = Breaker { failures: 3, probe_after: Duration::from_millis(500) };
    let queue = Queue::memory(1, limit, Claiming { breaker, ..Claiming::default() }, ColdStart::Unspent);
    let backoff = Backoff { attempts: 4, first: Duration::from_millis(100), most: second };
    let courier = Arc::new(Courier { refusals: AtomicU32::new(5), backoff, ended: Semaphore::new(0) });

    let letter = |record: &str| {
        let key = Key { lane: "letters".to_owned(), kind: "deliver".to_owned(), record: record.to_owned() };
        NewJob::new(key, Priority::Realtime, 1)
    };
    queue.push(&["to Ada", "to Grace", "to Barbara", "no address"].map(letter)).await?;
    // One at a time, so that what is printed can be followed.
    let pool = Pool::start(&queue, Arc::clone(&courier), &PoolConfig { name: "courier".to_owned(), concurrency: 1 });
    courier.ended.acquire_many(4).await?.forget();
    pool.stop().await;
    Ok(())
}
