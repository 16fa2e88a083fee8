//! The engine's hot paths, over memory and over a redis-server of its own: pushes, and runs while more and more jobs wait.
//!
//!     cargo bench -p job-engine
//!     cargo bench -p job-engine -- 'run.*redis'
//!
//! Jobs do nothing but spend their permit; everything is on. Beside other queues the engine is measured by `make bench`.

#![expect(clippy::unwrap_used, reason = "a benchmark that can't go on has nothing to tell but why")]

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use job_engine::{
    Claiming, ColdStart, Handler, Job, Key, Limit, NewJob, Outcome, Permits, Pool, PoolConfig, Priority, Queue,
};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

criterion_group!(benches, pushes, runs);
criterion_main!(benches);

/// Jobs that one measured iteration pushes or runs.
const BATCH: u32 = 1000;
const BACKLOGS: [u32; 3] = [0, 10_000, 100_000];
const LANES: u32 = 1000;

fn pushes(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("push of 1,000");
    group.throughput(Throughput::Elements(BATCH.into()));
    for (driver, server) in [("memory", None), ("redis", Some(Server::start()))] {
        for lanes in [1, LANES] {
            let queue = runtime.block_on(open(server.as_ref(), &format!("push-{lanes}")));
            let mut next = 0;
            group.bench_function(BenchmarkId::new(driver, format!("{lanes} lanes")), |bencher| {
                bencher.iter_custom(|iterations| {
                    let mut took = Duration::ZERO;
                    for _ in 0..iterations {
                        let jobs = jobs(&mut next, BATCH, lanes);
                        let began = Instant::now();
                        runtime.block_on(queue.push(&jobs)).unwrap();
                        took += began.elapsed();
                    }
                    took
                });
            });
        }
    }
}

fn runs(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("run of 1,000");
    group.throughput(Throughput::Elements(BATCH.into()));
    for (driver, server) in [("memory", None), ("redis", Some(Server::start()))] {
        for backlog in BACKLOGS {
            let gate = Arc::new(Gate { open: Semaphore::new(0), ended: Semaphore::new(0) });
            let (queue, pool, mut next) = runtime.block_on(async {
                let queue = open(server.as_ref(), &format!("run-{backlog}")).await;
                let mut next = 0;
                queue.push(&jobs(&mut next, backlog, LANES)).await.unwrap();
                let config = PoolConfig { name: "bench".to_owned(), concurrency: 256 };
                let pool = Pool::start(&queue, Arc::clone(&gate), &config);
                (queue, pool, next)
            });
            group.bench_function(BenchmarkId::new(driver, format!("{backlog} wait")), |bencher| {
                bencher.iter_custom(|iterations| {
                    let mut took = Duration::ZERO;
                    for _ in 0..iterations {
                        // As many as are about to run, so that the backlog stays as it is.
                        runtime.block_on(queue.push(&jobs(&mut next, BATCH, LANES))).unwrap();
                        let began = Instant::now();
                        gate.open.add_permits(BATCH as usize);
                        runtime.block_on(gate.ended.acquire_many(BATCH)).unwrap().forget();
                        took += began.elapsed();
                    }
                    took
                });
            });
            gate.open.add_permits(Semaphore::MAX_PERMITS / 2);
            runtime.block_on(pool.stop());
        }
    }
}

/// Runs as many jobs as it is asked to.
struct Gate {
    open: Semaphore,
    ended: Semaphore,
}

impl Handler for Gate {
    async fn run(&self, _: Job, permits: Permits) -> Outcome {
        if let Ok(one) = self.open.acquire().await {
            one.forget();
        }
        drop(permits.take());
        Outcome::Done
    }

    async fn dead_letter(&self, _: Job, _: &str) -> Outcome {
        Outcome::Dead
    }

    fn ended(&self, _: &Job, _: &Outcome, _: Duration, _: &Permits) {
        self.ended.add_permits(1);
    }

    fn panicked(&self, _: &Job) -> Outcome {
        Outcome::Dead
    }
}

async fn open(server: Option<&Server>, prefix: &str) -> Queue {
    let interval = Duration::from_millis(100);
    // So high that nothing is held back: the limiter's price is measured, not its purpose.
    let limit = Limit { burst: 60_000, interval, call_timeout: interval, reserve: 4, daily: u32::MAX };
    match server {
        None => Queue::memory(1, limit, Claiming::default(), ColdStart::Unspent),
        Some(Server { url, .. }) => {
            Queue::redis(url, prefix, 1, limit, Claiming::default(), ColdStart::Unspent).await.unwrap()
        }
    }
}

fn jobs(next: &mut u32, count: u32, lanes: u32) -> Vec<NewJob> {
    let first = *next;
    *next += count;
    let key =
        |n| Key { lane: format!("lane-{}", n % lanes), kind: "nothing".to_owned(), record: format!("record-{n}") };
    (first..*next).map(|n| NewJob::new(key(n), Priority::Realtime, 1)).collect()
}

/// A redis-server on a free port, without persistence.
struct Server {
    url: String,
    process: Child,
}

impl Server {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).unwrap().port();
        let arguments = ["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let process = Command::new("redis-server").args(arguments).stdout(Stdio::null()).spawn();
        let process = process.expect("redis-server is not on the PATH: `make tools` installs it");
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { url: format!("redis://127.0.0.1:{port}"), process }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that is gone already needs no end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
