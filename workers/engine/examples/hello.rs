//! A whole program: a queue in memory, a pool, and jobs that greet.
//!
//!     cargo run -p job-engine --example hello

use std::sync::Arc;
use std::time::Duration;

use job_engine::{
    Backoff, Claiming, ColdStart, Handler, Job, Key, Limit, NewJob, Outcome, Permits, Pool, PoolConfig, Priority, Queue,
};
use tokio::sync::Semaphore;

struct Greeter {
    backoff: Backoff,
    greeted: Semaphore,
}

impl Handler for Greeter {
    async fn run(&self, job: Job, permits: Permits) -> Outcome {
        // Whoever calls the limited server takes a permit first, and drops it when the call has ended.
        let Ok(_permit) = permits.take() else { return Outcome::Released };
        println!("hello, {} of {} (waited {:?})", job.key.record, job.key.lane, job.waited);
        self.greeted.add_permits(1);
        Outcome::Done
    }

    async fn dead_letter(&self, job: Job, reason: &str) -> Outcome {
        println!("{} is given up: {reason}", job.key.record);
        Outcome::Dead
    }

    fn ended(&self, _: &Job, _: &Outcome, _: Duration, _: &Permits) {}

    fn panicked(&self, job: &Job) -> Outcome {
        self.backoff.delay(job.attempt + 1).map_or(Outcome::Dead, |after| Outcome::Retry { after })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Two greetings a second for each lane.
    let second = Duration::from_secs(1);
    let limit = Limit { burst: 2, interval: second, call_timeout: second, reserve: 0, daily: 1000 };
    let queue = Queue::memory(1, limit, Claiming::default(), ColdStart::Unspent);
    let greeter = Arc::new(Greeter { backoff: Backoff::default(), greeted: Semaphore::new(0) });
    let pool = Pool::start(&queue, Arc::clone(&greeter), &PoolConfig { name: "hello".to_owned(), concurrency: 4 });

    let names = ["Ada", "Grace", "Barbara", "Frances", "Ada"];
    let job = |name: &str| {
        let key = Key { lane: "pioneers".to_owned(), kind: "greet".to_owned(), record: name.to_owned() };
        NewJob::new(key, Priority::Realtime, 1)
    };
    // Ada is greeted once: equal keys become one run.
    queue.push(&names.map(job)).await?;
    greeter.greeted.acquire_many(4).await?.forget();
    pool.stop().await;
    Ok(())
}
