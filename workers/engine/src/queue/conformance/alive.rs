//! Fair and alive: no lane takes all of a worker, no class all of a queue, and nothing waits for a connection that leads nowhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::redis_server::RedisServer;
use super::{Bench, Over, claiming, job, limit, records};
use crate::job::{Job, Priority};
use crate::limit::{Claiming, ColdStart};
use crate::outcome::Outcome;
use crate::permit::Permits;
use crate::pool::{Handler, Pool, PoolConfig};
use crate::queue::{Queue, Share, Step, Wait};

promises! {
    a_step_takes_no_more_of_a_lane_than_its_share,
    a_lane_whose_calls_hang_leaves_room_for_others,
    interactive_jobs_of_many_lanes_leave_turns_to_other_classes,
}

async fn push(bench: &Bench, lane: &str, count: usize, priority: Priority) {
    let jobs: Vec<_> = (0..count).map(|n| job(lane, &n.to_string(), priority)).collect();
    bench.queue.push(&jobs).await.unwrap();
}

async fn a_step_takes_no_more_of_a_lane_than_its_share(over: Over) {
    let bench = Bench::new(over, 100).await;
    push(&bench, "crowded", 20, Priority::Realtime).await;
    let shard = bench.queue.shard_of("crowded");
    let step = Step { claim: 10, ..Step::default() };
    let share = Share { most: Some(3), left: Vec::new() };
    let stepped = bench.queue.step_sharing(shard, &step, &share).await.unwrap();
    assert_eq!(stepped.jobs.len(), 3);
    let share = Share { most: Some(3), left: vec![("crowded".into(), 0)] };
    let stepped = bench.queue.step_sharing(shard, &step, &share).await.unwrap();
    assert!(stepped.jobs.is_empty());
    assert!(matches!(stepped.wait, Wait::For(wait) if wait <= Duration::from_millis(100)), "{:?}", stepped.wait);
    assert_eq!(bench.claim_now(5).await.len(), 5, "another worker may have room");
}

/// Never ends a job of the lane that hangs.
struct Hangs {
    gate: Semaphore,
    hanging: AtomicUsize,
    ended: AtomicUsize,
    changed: Notify,
}

impl Handler for Hangs {
    async fn run(&self, job: Job, _: Permits) -> Outcome {
        if job.key.lane == "hangs" {
            self.hanging.fetch_add(1, Ordering::SeqCst);
            self.changed.notify_one();
            let _ = self.gate.acquire().await;
        }
        Outcome::Done
    }

    async fn dead_letter(&self, _: Job, _: &str) -> Outcome {
        Outcome::Dead
    }

    fn ended(&self, job: &Job, _: &Outcome, _: Duration, _: &Permits) {
        if job.key.lane != "hangs" {
            self.ended.fetch_add(1, Ordering::SeqCst);
            self.changed.notify_one();
        }
        assert_ne!(job.key.record, "1", "a handler may panic here, and its worker goes on");
    }

    fn panicked(&self, _: &Job) -> Outcome {
        Outcome::Dead
    }
}

fn hangs() -> Arc<Hangs> {
    let (gate, changed) = (Semaphore::new(0), Notify::new());
    Arc::new(Hangs { gate, hanging: AtomicUsize::new(0), ended: AtomicUsize::new(0), changed })
}

async fn a_lane_whose_calls_hang_leaves_room_for_others(over: Over) {
    let bench = Bench::new(over, 1000).await;
    push(&bench, "hangs", 100, Priority::Interactive).await;
    let handler = hangs();
    let pool = Pool::start(&bench.queue, Arc::clone(&handler), &PoolConfig { name: "pool".into(), concurrency: 32 });
    let slots = 32 / bench.queue.shards();
    while handler.hanging.load(Ordering::SeqCst) < slots * 3 / 4 {
        handler.changed.notified().await;
    }
    for n in 0..20 {
        bench.push(job("clicks", &n.to_string(), Priority::Interactive)).await;
        while handler.ended.load(Ordering::SeqCst) <= n {
            handler.changed.notified().await;
        }
    }
    assert!(handler.hanging.load(Ordering::SeqCst) < slots);
    handler.gate.close();
    pool.stop().await;
}

async fn interactive_jobs_of_many_lanes_leave_turns_to_other_classes(over: Over) {
    let bench = Bench::new(over, 1000).await;
    // All of one shard.
    let shard = bench.queue.shard_of("quiet");
    let names = (0..).map(|n| format!("loud-{n}")).filter(|lane| bench.queue.shard_of(lane) == shard);
    for lane in names.take(4) {
        push(&bench, &lane, 100, Priority::Interactive).await;
    }
    push(&bench, "quiet", 1, Priority::Realtime).await;
    let mut before = 0;
    loop {
        let claimed = bench.step(shard, Step { claim: 1, ..Step::default() }).await.jobs;
        if claimed[0].key.lane == "quiet" {
            break;
        }
        before += 1;
        assert!(before < 50, "it waits behind {before} others");
    }
}

/// An address that leads to another server when it is asked to, or to none at all.
struct Address {
    listens_at: u16,
    leads_to: Arc<AtomicU16>,
    swallows: Arc<Notify>,
}

impl Address {
    async fn of(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listens_at = listener.local_addr().unwrap().port();
        let (leads_to, swallows) = (Arc::new(AtomicU16::new(port)), Arc::new(Notify::new()));
        let (target, swallowed) = (Arc::clone(&leads_to), Arc::clone(&swallows));
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (port, swallowed) = (target.load(Ordering::SeqCst), Arc::clone(&swallowed));
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        // It stays open, and nothing comes of it any more.
                        () = swallowed.notified() => std::future::pending().await,
                    }
                });
            }
        });
        Self { listens_at, leads_to, swallows }
    }

    async fn queue(&self) -> Queue {
        let url = format!("redis://127.0.0.1:{}/", self.listens_at);
        let claiming = Claiming { lease: Duration::from_secs(60), ..claiming() };
        Queue::redis(&url, "test", 1, limit(10), claiming, ColdStart::Unspent).await.unwrap()
    }
}

#[tokio::test]
async fn a_server_that_is_no_master_any_more_is_left() {
    let (before, after) = (RedisServer::start(), RedisServer::start());
    let address = Address::of(before.port()).await;
    let queue = address.queue().await;
    queue.push(&[job("lane", "a", Priority::Realtime)]).await.unwrap();
    // A planned fail-over, behind one address.
    address.leads_to.store(after.port(), Ordering::SeqCst);
    assert_eq!(before.command(&format!("REPLICAOF 127.0.0.1 {}", after.port())), "+OK");
    let mut refused = 0;
    while let Err(error) = queue.push(&[job("lane", "b", Priority::Realtime)]).await {
        refused += 1;
        assert!(refused < 20, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    queue.step(0, &Step::default()).await.unwrap();
}

#[tokio::test]
async fn who_listens_at_a_connection_that_was_swallowed_finds_out_soon() {
    let redis = RedisServer::start();
    let address = Address::of(redis.port()).await;
    let queue = address.queue().await;
    let most = Duration::from_millis(200);
    queue.listen(0, &Step::default(), most).await.unwrap();
    let (listener, step) = (queue.clone(), Step { claim: 1, ..Step::default() });
    let listens = tokio::spawn(async move { listener.listen(0, &step, Duration::from_secs(1)).await });
    while redis.info("clients", "blocked_clients").unwrap() != "1" {
        tokio::task::yield_now().await;
    }
    let began = Instant::now();
    address.swallows.notify_waiters();
    let received = tokio::time::timeout(Duration::from_secs(30), listens).await.expect("long before").unwrap();
    assert!(received.is_err_and(|error| error.is_passing()), "after {:?}", began.elapsed());
}

#[tokio::test]
async fn a_hurried_stop_does_not_wait_for_a_server_that_is_gone() {
    let mut bench = Bench::new(Over::Redis { shards: 1 }, 100).await;
    push(&bench, "hangs", 3, Priority::Realtime).await;
    let handler = hangs();
    let pool = Pool::start(&bench.queue, Arc::clone(&handler), &PoolConfig { name: "pool".into(), concurrency: 4 });
    while handler.hanging.load(Ordering::SeqCst) < 3 {
        handler.changed.notified().await;
    }
    bench.redis.as_mut().unwrap().kill();
    pool.force_stop().now();
    tokio::time::timeout(Duration::from_secs(30), pool.stop()).await.expect("leases end by themselves");
}

#[tokio::test]
async fn jobs_of_a_small_pool_all_run() {
    let bench = Bench::new(Over::Memory, 100).await;
    push(&bench, "lane", 30, Priority::Realtime).await;
    for slots in 1..4 {
        let stepped = bench.queue.step_sharing(0, &Step { claim: slots, ..Step::default() }, &Share::default()).await;
        assert_eq!(records(&stepped.unwrap().jobs).len(), slots);
    }
}
