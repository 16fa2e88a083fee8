//! One function a promise, run over every driver: memory, Redis with one shard, Redis with four, Redis Cluster.

use std::time::Duration;

use tokio::time::Instant;

use super::{LaneState, Pushed, Queue, Settlement, Step, Stepped, Wait};
use crate::job::{Job, Key, NewJob, Priority};
use crate::limit::{Breaker, Claiming, ColdStart, Limit};
use crate::outcome::Outcome;
use crate::permit::{Lease, Permits};

macro_rules! promises {
    ($($name:ident),+ $(,)?) => {
        mod memory { $(#[tokio::test] async fn $name() { super::$name(super::Over::Memory).await; })+ }
        mod redis_with_one_shard {
            $(#[tokio::test] async fn $name() { super::$name(super::Over::Redis { shards: 1 }).await; })+
        }
        mod redis_with_four_shards {
            $(#[tokio::test] async fn $name() { super::$name(super::Over::Redis { shards: 4 }).await; })+
        }
        /// A cluster takes seconds to start, so all share one.
        pub(super) async fn over_a_cluster(port: u16) { $($name(Over::Cluster { port }).await;)+ }
    };
}

mod alive;
mod arrivals;
mod atomic;
mod authority;
mod breaker;
mod causes;
mod clock;
mod cluster;
mod coalescing;
mod day;
mod deployments;
mod differential;
mod fairness;
mod fitness;
mod forgetting;
mod full;
mod handover;
mod kinds;
mod leases;
mod limiter;
mod limits;
mod listening;
mod losses;
mod outcomes;
mod pace;
mod poison;
mod pushes;
mod redis_cluster;
mod redis_server;
mod rejected;
mod scale;
mod secured;
mod simulated;
mod small;
mod soak;
mod tokens;
mod traced;

use redis_cluster::cluster_url;
use redis_server::RedisServer;
use traced::followed;

const INTERVAL: Duration = Duration::from_millis(400);
const LEASE: Duration = Duration::from_millis(300);
const TIMEOUT: Duration = Duration::from_millis(200);
const DAILY: u32 = 1000;
const PROBE_AFTER: Duration = Duration::from_millis(150);

fn limit(burst: u16) -> Limit {
    Limit { burst, interval: INTERVAL, call_timeout: TIMEOUT, reserve: 2, daily: DAILY }
}

fn claiming() -> Claiming {
    Claiming { lease: LEASE, turn: 4, batch: 32, breaker: Breaker { failures: 3, probe_after: PROBE_AFTER } }
}

/// A queue under test, with what keeps it alive.
struct Bench {
    queue: Queue,
    redis: Option<RedisServer>,
}

#[derive(Clone, Copy)]
enum Over {
    Memory,
    Redis {
        shards: usize,
    },
    /// Four shards on the cluster that a node at this port is of.
    Cluster {
        port: u16,
    },
}

impl Bench {
    /// With leases that no test waits for, however slow its machine is.
    async fn new(over: Over, burst: u16) -> Self {
        let claiming = Claiming { lease: Duration::from_secs(60), ..claiming() };
        Self::with(over, limit(burst), claiming, ColdStart::Unspent).await
    }

    /// With leases that end while a test waits.
    async fn leased(over: Over, burst: u16) -> Self {
        Self::met(over, burst, ColdStart::Unspent).await
    }

    async fn met(over: Over, burst: u16, meeting: ColdStart) -> Self {
        Self::with(over, limit(burst), claiming(), meeting).await
    }

    async fn with(over: Over, limit: Limit, claiming: Claiming, meeting: ColdStart) -> Self {
        let bench = match over {
            Over::Memory => Self { queue: Queue::memory(1, limit, claiming, meeting), redis: None },
            Over::Redis { shards } => {
                let redis = RedisServer::start();
                let queue = Queue::redis(&redis.url(), "test", shards, limit, claiming, meeting).await;
                Self { queue: queue.unwrap(), redis: Some(redis) }
            }
            Over::Cluster { port } => {
                let prefix = uuid::Uuid::new_v4().to_string();
                let queue = Queue::redis(&cluster_url(port), prefix.as_str(), 4, limit, claiming, meeting).await;
                Self { queue: queue.unwrap(), redis: None }
            }
        };
        Self { queue: followed(bench.queue), ..bench }
    }

    async fn push(&self, job: NewJob) -> Pushed {
        self.queue.push(&[job]).await.unwrap()[0]
    }

    /// Claims from whatever shard has something, waiting as reported while nothing can run yet.
    async fn claim(&self, most: usize) -> Vec<Job> {
        loop {
            let mut shortest = Duration::from_secs(5);
            for shard in 0..self.queue.shards() {
                let stepped = self.step(shard, Step { claim: most, ..Step::default() }).await;
                if !stepped.jobs.is_empty() {
                    return stepped.jobs;
                }
                if let Wait::For(wait) = stepped.wait {
                    shortest = shortest.min(wait);
                }
            }
            assert!(shortest < Duration::from_secs(5), "nothing will ever become runnable");
            tokio::time::sleep(shortest.max(Duration::from_millis(1))).await;
        }
    }

    /// What can be claimed at this instant.
    async fn claim_now(&self, most: usize) -> Vec<Job> {
        let mut jobs = Vec::new();
        for shard in 0..self.queue.shards() {
            jobs.extend(self.step(shard, Step { claim: most, ..Step::default() }).await.jobs);
        }
        jobs
    }

    async fn step(&self, shard: usize, step: Step) -> Stepped {
        self.queue.step(shard, &step).await.unwrap()
    }

    /// Whether the settlement was in time.
    async fn settle(&self, job: &Job, outcome: Outcome, used: u32) -> bool {
        self.settle_reported(job, outcome, used, None).await
    }

    async fn settle_reported(&self, job: &Job, outcome: Outcome, used: u32, remaining: Option<u32>) -> bool {
        let permits = permits(job, used);
        permits.observe(remaining, None);
        let settlement = Settlement { job: job.clone(), outcome, permits };
        let step = Step { settlements: vec![settlement], ..Step::default() };
        self.step(self.queue.shard_of(&job.key.lane), step).await.late.is_empty()
    }
}

/// The permits of a job whose calls have just ended.
fn permits(job: &Job, used: u32) -> Permits {
    let permits = Permits::new(u32::from(job.cost), Lease::begin(Instant::now(), Duration::from_secs(60)));
    for _ in 0..used {
        permits.take().unwrap().answered();
    }
    permits
}

/// A run that needed no call.
fn done(job: Job) -> Settlement {
    let permits = permits(&job, 0);
    Settlement { job, outcome: Outcome::Done, permits }
}

fn job(lane: &str, record: &str, priority: Priority) -> NewJob {
    let key = Key { lane: lane.into(), kind: "kind".into(), record: record.into() };
    NewJob::new(key, priority, 1)
}

fn records(jobs: &[Job]) -> Vec<&str> {
    jobs.iter().map(|job| job.key.record.as_str()).collect()
}

async fn state(bench: &Bench, lane: &str) -> LaneState {
    bench.queue.lane(lane).await.unwrap().unwrap().state
}
