//! A queue whose time moves only when asked to: hours pass in a moment, and a run can be had again by its seed.
//!
//! Memory takes tokio's paused clock. Redis' functions are the real ones in a real server, with one call replaced: they read the time from a
//! key. Tokio's clock stands still while a reply is on its way, since a blocking task keeps it from running on by itself.

use std::time::Duration;

use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::time::Instant;

use super::redis_server::RedisServer;
use super::traced::followed;
use crate::limit::{Claiming, ColdStart, Limit};
use crate::queue::memory::MemoryShard;
use crate::queue::{Driver, Queue, Step, Stepped};

/// What a simulated queue runs over. One server serves all runs of a property, one after the other.
pub(super) enum Ground {
    Memory,
    Redis(RedisServer),
}

pub(super) struct Simulated<'a> {
    pub(super) queue: Queue,
    pub(super) limit: Limit,
    claiming: Claiming,
    ground: &'a Ground,
    began: Instant,
    /// Ms by which the server's clock was set forward or back since.
    off: std::cell::Cell<i64>,
    _clock_stands: std::sync::mpsc::Sender<()>,
}

/// In 2100: after the server's own time, at which the shard was met, and early enough for an epoch in µs to stay below 2^53.
const ORIGIN_S: u64 = 4_102_444_800;

impl<'a> Simulated<'a> {
    pub(super) async fn new(ground: &'a Ground, limit: Limit, claiming: Claiming) -> Self {
        Self::traced(ground, limit, claiming, followed).await
    }

    /// With a trace that somebody else follows.
    pub(super) async fn traced(
        ground: &'a Ground,
        limit: Limit,
        claiming: Claiming,
        follow: impl FnOnce(Queue) -> Queue,
    ) -> Self {
        let (stands, until_dropped) = std::sync::mpsc::channel();
        tokio::task::spawn_blocking(move || until_dropped.recv());
        if let Ground::Redis(server) = ground {
            server.flush_all();
        }
        let queue = follow(open(ground, limit, claiming, ColdStart::Unspent, Duration::ZERO).await);
        let simulated = Self {
            queue,
            limit,
            claiming,
            ground,
            began: Instant::now(),
            off: Default::default(),
            _clock_stands: stands,
        };
        simulated.report_time();
        simulated
    }

    /// Simulated time since the beginning.
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub(super) async fn advance(&self, by: Duration) {
        tokio::time::advance(by).await;
        self.report_time();
    }

    pub(super) async fn step(&self, step: Step) -> Stepped {
        self.queue.step(0, &step).await.unwrap()
    }

    /// As by FLUSHALL. In memory it is a new queue that knows that there was one before.
    pub(super) async fn lose_state(&mut self) {
        match self.ground {
            Ground::Memory => {
                let anew = open(self.ground, self.limit, self.claiming, ColdStart::Spent, self.now()).await;
                self.queue = followed(anew);
            }
            Ground::Redis(server) => {
                server.flush_all();
                self.report_time();
            }
        }
    }

    /// Sets the server's clock, if there is a server, forward or back.
    pub(super) fn set_clock(&self, by_ms: i64) {
        self.off.set(self.off.get() + by_ms);
        self.report_time();
    }

    /// After time has passed by another's doing.
    pub(super) fn report_time(&self) {
        if let Ground::Redis(server) = self.ground {
            let now = Duration::from_secs(ORIGIN_S) + self.began.elapsed();
            let off = Duration::from_millis(self.off.get().unsigned_abs());
            let now = if self.off.get() < 0 { now - off } else { now + off };
            server.command(&format!("HSET clock s {} us {}", now.as_secs(), now.subsec_micros()));
        }
    }
}

async fn open(ground: &Ground, limit: Limit, claiming: Claiming, meeting: ColdStart, now: Duration) -> Queue {
    match ground {
        Ground::Memory => {
            let origin = Duration::from_secs(ORIGIN_S) + now;
            let shard = MemoryShard::at(millis(origin), limit, claiming, meeting);
            Queue::over(vec![Driver::Memory(Box::new(shard))], limit, claiming)
        }
        Ground::Redis(server) => {
            let mut queue = Queue::redis(&server.url(), "test", 1, limit, claiming, meeting).await.unwrap();
            let shards = &mut std::sync::Arc::get_mut(&mut queue.inner).unwrap().shards;
            for shard in shards {
                let Driver::Redis(redis) = &mut shard.driver else { unreachable!("it was made so") };
                redis.simulate_clock();
            }
            queue
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}

/// Runs a future over simulated time.
pub(super) fn simulate<T>(run: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(run)
}

/// Looks for a case in which the property does not hold, and for the smallest like it.
pub(super) fn always<S: proptest::strategy::Strategy>(
    cases: u32,
    of: &S,
    holds: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    if let Err(found) = TestRunner::new(config).run(of, holds) {
        panic!("{found}");
    }
}

/// One test over memory and one over Redis, each with so many cases.
macro_rules! properties {
    ($($name:ident: $in_memory:literal, $in_redis:literal;)+) => {
        mod memory {
            use super::super::simulated::Ground;
            $(#[test] fn $name() { super::$name(&Ground::Memory, $in_memory); })+
        }
        mod redis {
            use super::super::redis_server::RedisServer;
            use super::super::simulated::Ground;
            $(#[test] fn $name() { super::$name(&Ground::Redis(RedisServer::start()), $in_redis); })+
        }
    };
}
pub(super) use properties;
