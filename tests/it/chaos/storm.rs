//! One storm: events come in while processes and servers die, then the calm, then the reckoning.

use std::time::Duration;

use ghl_sandbox::{Faults, Limits, SandboxConfig};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use sync_workers::records::JobState;
use tokio::time::{Instant, sleep};

use crate::support::cluster::Cluster;
use crate::support::entries::{assert_created_once, creations};
use crate::support::redis::RedisServer;

const WORKERS: usize = 3;
/// Longer than a lease: who stands still for so long comes back as a zombie.
const LONG_HALT: Duration = Duration::from_secs(14);

/// So many requests may fail once all servers are back: one for each connection of the gateway's pool, and the last is asserted.
const TRIES_IN_THE_CALM: usize = 20;

/// What happens next.
#[derive(Debug, Clone, Copy)]
enum Blow {
    KillWorker,
    HaltWorker(Duration),
    KillGateway,
    RestartRedis,
    FlushRedis,
    DropConnections,
    RestartPostgres,
    Weather,
}

impl Blow {
    fn draw(dice: &mut StdRng) -> Self {
        match dice.random_range(0..100) {
            0..20 => Self::KillWorker,
            20..35 => Self::HaltWorker(Duration::from_millis(dice.random_range(200..4000))),
            35..42 => Self::HaltWorker(LONG_HALT),
            42..52 => Self::KillGateway,
            52..58 => Self::RestartRedis,
            58..62 => Self::FlushRedis,
            62..72 => Self::DropConnections,
            72..80 => Self::RestartPostgres,
            _ => Self::Weather,
        }
    }
}

/// A few calls in a hundred fail, in every way there is. Some hang for longer than the client waits.
fn weather(dice: &mut StdRng) -> Faults {
    let mut per_mille = || dice.random_range(0..30);
    Faults {
        server_error: per_mille(),
        server_error_after: per_mille(),
        throttle: per_mille() / 10,
        hang: per_mille() / 3,
        hang_after: per_mille() / 3,
        cut: per_mille(),
        cut_after: per_mille(),
        truncate: per_mille(),
        html: per_mille(),
        hang_ms: dice.random_range(100..3000),
        ..Faults::default()
    }
}

/// Lets a storm rage for `length`, and panics where it left a trace.
pub(super) async fn rage(redis: RedisServer, seed: u64, length: Duration) {
    println!("CHAOS_SEED={seed}");
    let mut storm = Storm::brew(redis, seed).await;
    let events = storm.events();
    let mut unsent: Vec<&[Value]> = events.chunks(10).collect();
    let (began, pause) = (Instant::now(), length / u32::try_from(unsent.len()).unwrap());
    while began.elapsed() < length {
        if let Some(chunk) = unsent.pop() {
            // Not accepted means that nobody knows: to send it again is safe, and a producer's duty.
            if !storm.cluster.try_send(chunk).await {
                unsent.push(chunk);
            }
        }
        storm.strike().await;
        sleep(pause.min(Duration::from_millis(storm.dice.random_range(0..400)))).await;
    }
    storm.calm().await;
    for chunk in unsent {
        storm.send_until_accepted(chunk).await;
    }
    storm.reckon(&events).await;
}

struct Storm {
    cluster: Cluster,
    dice: StdRng,
    /// By worker, when it goes on.
    halted: Vec<Option<Instant>>,
    next_blow: Instant,
    blows: Vec<Blow>,
}

impl Storm {
    async fn brew(redis: RedisServer, seed: u64) -> Self {
        let sandbox = SandboxConfig {
            locations: 2,
            contacts: 25,
            seed,
            limits: Limits { interval: Duration::from_secs(1), burst: 40, ..Limits::default() },
            latency: Duration::from_millis(10)..Duration::from_millis(120),
            ..SandboxConfig::default()
        };
        let settings = [("GHL_TIMEOUT_MS", "2000"), ("GHL_BURST_LIMIT", "40")];
        let mut cluster = Cluster::start_over(redis, sandbox, &settings).await;
        for _ in 0..WORKERS {
            cluster.start_worker();
        }
        let (halted, next_blow) = (vec![None; WORKERS], Instant::now());
        Self { cluster, dice: StdRng::seed_from_u64(seed), halted, next_blow, blows: Vec::new() }
    }

    /// Every contact is looked at, gets three tasks and notes, and is looked at again; in any order.
    fn events(&mut self) -> Vec<Value> {
        let mut events = creations(&self.cluster, 3);
        for (n, mut selection) in
            [self.cluster.selections(), self.cluster.selections()].concat().into_iter().enumerate()
        {
            selection["id"] = json!(format!("selection-{n}"));
            events.push(selection);
        }
        events.shuffle(&mut self.dice);
        events
    }

    async fn strike(&mut self) {
        let now = Instant::now();
        for (worker, halted) in self.cluster.workers.iter().zip(&mut self.halted) {
            if halted.is_some_and(|until| until <= now) {
                worker.resume();
                *halted = None;
            }
        }
        if now < self.next_blow {
            return;
        }
        let blow = Blow::draw(&mut self.dice);
        let whom = self.dice.random_range(0..WORKERS);
        self.blows.push(blow);
        match blow {
            Blow::KillWorker => {
                self.cluster.workers[whom].kill();
                self.replace_worker(whom);
            }
            Blow::HaltWorker(length) => {
                self.cluster.workers[whom].suspend();
                self.halted[whom] = Some(now + length);
            }
            Blow::KillGateway => {
                self.cluster.kill_gateway();
                self.cluster.start_gateway();
            }
            Blow::RestartRedis => self.cluster.redis.restart(),
            Blow::FlushRedis => self.cluster.redis.flush_all(),
            Blow::DropConnections => self.cluster.redis.drop_connections(),
            Blow::RestartPostgres => self.cluster.restart_postgres().await,
            Blow::Weather => self.cluster.sandbox.set_faults(weather(&mut self.dice)),
        }
        self.next_blow = Instant::now() + Duration::from_millis(self.dice.random_range(100..1500));
    }

    fn replace_worker(&mut self, whom: usize) {
        self.cluster.start_worker();
        self.cluster.workers.swap_remove(whom);
        self.halted[whom] = None;
    }

    /// The weather clears and everybody goes on.
    async fn calm(&mut self) {
        self.cluster.sandbox.set_faults(Faults::default());
        for (worker, halted) in self.cluster.workers.iter().zip(&mut self.halted) {
            if halted.take().is_some() {
                worker.resume();
            }
        }
    }

    /// What a producer does that is reported 503: it sends again. The last blow may have been a restart of PostgreSQL, to which the
    /// gateway finds its way back with the first requests that fail.
    async fn send_until_accepted(&self, events: &[Value]) {
        for _ in 0..TRIES_IN_THE_CALM {
            if self.cluster.try_send(events).await {
                return;
            }
            sleep(Duration::from_millis(200)).await;
        }
        self.cluster.send(events).await;
    }

    async fn reckon(&mut self, events: &[Value]) {
        let cluster = &mut self.cluster;
        cluster.until_nothing_is_open().await;
        let dead = cluster.jobs(JobState::Dead).await;
        println!("{} blows, {} dead; faults {:?}", self.blows.len(), dead.len(), cluster.sandbox.stats().faults);
        let [done, all] = [cluster.count(JobState::Done).await, i64::try_from(events.len()).unwrap()];
        assert_eq!(done + i64::try_from(dead.len()).unwrap(), all, "accepted is done or dead, after {:?}", self.blows);
        assert!(dead.iter().all(|job| job.last_error.is_some()), "{dead:?}");
        let ids: Vec<_> = dead.into_iter().map(|job| job.id).collect();
        cluster.records.revive_jobs(&ids).await.unwrap();
        cluster.until_done(all).await;

        cluster.assert_never_over_the_limit();
        assert_created_once(cluster, events);
        assert_eq!(cluster.mismatches().await, [], "after {:?}", self.blows);
        assert!(cluster.workers.iter_mut().all(|worker| worker.is_running()), "{}", cluster.output());
    }
}
