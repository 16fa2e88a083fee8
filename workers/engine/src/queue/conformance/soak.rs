//! A long run of everything at once, in which a model follows each line of the trace; and what is wrong with a function or a trace is seen there.
//!
//! `SOAK_EVENTS` sets how many calls a run has, over Redis a twentieth of that: `make prove` takes ten millions.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use queue_model::replay::{Rejected, Replay};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use super::redis_server::RedisServer;
use super::simulated::{Ground, Simulated, properties, simulate};
use super::traced::{followed_by, replayed};
use crate::job::{Job, Key, NewJob, Priority};
use crate::limit::{Breaker, Claiming, Limit};
use crate::outcome::Outcome;
use crate::permit::{Lease, Permits};
use crate::queue::{Driver, Queue, Settlement, Step};

properties! {
    the_model_takes_a_long_run: 10_000, 1_500;
}

const LANES: usize = 6;
const LEASE: Duration = Duration::from_millis(300);
/// Claims that may be reported still.
const REMEMBERED: usize = 40;

fn limit() -> Limit {
    let ms = Duration::from_millis;
    Limit { burst: 6, interval: ms(150), call_timeout: ms(50), reserve: 2, daily: 20_000 }
}

fn claiming() -> Claiming {
    let breaker = Breaker { failures: 3, probe_after: Duration::from_millis(100) };
    Claiming { lease: LEASE, turn: 2, batch: 32, breaker }
}

fn the_model_takes_a_long_run(ground: &Ground, events: u32) {
    let slower = if matches!(ground, Ground::Redis(_)) { 20 } else { 1 };
    let events = wanted().map_or(u64::from(events), |events| events / slower);
    let replay = Arc::new(Mutex::new(Replay::default()));
    simulate(async {
        let taker = Arc::clone(&replay);
        let world = Simulated::traced(ground, limit(), claiming(), move |queue| followed_by(queue, taker)).await;
        let mut run = Run { world, dice: StdRng::seed_from_u64(14), claims: Vec::new() };
        let began = std::time::Instant::now();
        while taken(&replay) < events {
            run.act().await;
        }
        println!("the model takes all of {} lines; {} s", taken(&replay), began.elapsed().as_secs());
    });
}

fn taken(replay: &Mutex<Replay>) -> u64 {
    replay.lock().unwrap_or_else(PoisonError::into_inner).taken()
}

/// How many events are wished for.
#[expect(clippy::disallowed_methods, reason = "a test's own setting")]
fn wanted() -> Option<u64> {
    std::env::var("SOAK_EVENTS").ok()?.parse().ok()
}

struct Run<'a> {
    world: Simulated<'a>,
    dice: StdRng,
    /// Those that were made last, and when.
    claims: Vec<(Job, Instant)>,
}

impl Run<'_> {
    fn ms(&mut self, most: u64) -> Duration {
        let none = self.dice.random_ratio(1, 3);
        Duration::from_millis(if none { 0 } else { self.dice.random_range(1..most) })
    }

    fn claim(&mut self) -> Option<(Job, Instant)> {
        let count = self.claims.len();
        // The last ones are those that run.
        let at = (count > 0).then(|| self.dice.random_range(count.saturating_sub(8)..count))?;
        Some(if self.dice.random_ratio(1, 10) { self.claims[0].clone() } else { self.claims[at].clone() })
    }

    async fn act(&mut self) {
        match self.dice.random_range(0..100) {
            0..30 => {
                let jobs: Vec<_> = (0..self.dice.random_range(1..5)).map(|_| self.new_job()).collect();
                self.world.queue.push(&jobs).await.unwrap();
            }
            30..70 => self.step().await,
            70..76 => {
                if let Some((job, _)) = self.claim() {
                    self.world.queue.heartbeat(0, &[job.epoch]).await.unwrap();
                }
            }
            76..78 => {
                if let Some((job, _)) = self.claim() {
                    let is_alone = self.dice.random();
                    self.world.queue.alone(0, Some(&job.key), &[job.epoch], is_alone).await.unwrap();
                }
            }
            78..80 => {
                let lane = format!("lane {}", self.dice.random_range(0..LANES));
                match self.dice.random_ratio(1, 3) {
                    true => self.world.queue.pause(&lane).await.unwrap(),
                    false => self.world.queue.resume(&lane).await.unwrap(),
                }
            }
            80 => match self.dice.random_ratio(1, 3) {
                true => self.world.queue.pause_kind("pull").await.unwrap(),
                false => self.world.queue.resume_kind("pull").await.unwrap(),
            },
            81 => self.world.advance(Duration::from_millis(self.dice.random_range(300..900_000))).await,
            _ => self.world.advance(Duration::from_millis(self.dice.random_range(1..120))).await,
        }
    }

    fn new_job(&mut self) -> NewJob {
        let lane = format!("lane {}", self.dice.random_range(0..LANES));
        let kind = ["push", "pull"][self.dice.random_range(0..2)].to_owned();
        let record = self.dice.random_range(0..12).to_string();
        let class = Priority::ALL[self.dice.random_range(0..3)];
        let delay = if self.dice.random_ratio(1, 4) { self.ms(300) } else { Duration::ZERO };
        NewJob { delay, ..NewJob::new(Key { lane, kind, record }, class, self.dice.random_range(0..9)) }
    }

    async fn step(&mut self) {
        let reported = self.dice.random_range(0..4);
        let settlements: Vec<_> = (0..reported).filter_map(|_| self.settlement()).collect();
        let finish = self.dice.random_ratio(1, 5).then(|| self.claim()).flatten();
        let finished = finish.map(|(job, _)| job.epoch).into_iter().collect();
        let step = Step { settlements, finished, claim: self.dice.random_range(0..8) };
        let stepped = self.world.step(step).await;
        self.claims.extend(stepped.jobs.into_iter().map(|job| (job, Instant::now())));
        let gone = self.claims.len().saturating_sub(REMEMBERED);
        self.claims.drain(..gone);
    }

    fn settlement(&mut self) -> Option<Settlement> {
        let (job, claimed) = self.claim()?;
        let outcome = match self.dice.random_range(0..10) {
            0 | 1 => Outcome::Retry { after: self.ms(200) },
            2 => Outcome::Snooze { after: self.ms(200) },
            3 | 4 => Outcome::Throttled { hold: self.ms(700) },
            5 => Outcome::Broken { probe_after: self.ms(200) },
            6 => Outcome::Released,
            _ => Outcome::Done,
        };
        let permits = Permits::new(u32::from(job.cost), Lease::begin(claimed, LEASE * 1000));
        let permits = permits.with_call_timeout(limit().call_timeout);
        for _ in 0..self.dice.random_range(0..4) {
            if let Ok(permit) = permits.take()
                && self.dice.random_ratio(9, 10)
            {
                permit.answered();
            }
        }
        let dice = &mut self.dice;
        let mut maybe = |most: u32| dice.random_ratio(1, 10).then(|| dice.random_range(1..most));
        permits.observe(maybe(8), maybe(20_000));
        permits.observe_limits(maybe(60).map(|burst| burst.max(3)), None);
        Some(Settlement { job, outcome, permits })
    }
}

/// Faults in the functions, of those that were made once or nearly: what is there, and what a mistake makes of it.
const FAULTS: [(&str, &str); 14] = [
    ("cool(m, used, ended + 1 + INTERVAL)", "cool(m, used, ended + INTERVAL / 2)"),
    ("if owner ~= settled then", "if not owner then"),
    ("m.out = m.out - cost\n", "m.out = m.out - used\n"),
    ("remind(now + 1 + TIMEOUT + INTERVAL, 'T'", "remind(now + 1, 'T'"),
    ("m.hold = math.max(m.hold, til)", "m.hold = til"),
    ("m.paused, m.failures, m.circuit, m.probe_at = false, 0, CLOSED, 0", "m.paused, m.hold = false, 0"),
    ("serve(m, m.circuit == OPEN and 1 or math.min(turn, room), hot)", "serve(m, math.min(turn, room), hot)"),
    ("if probe then m.circuit, m.probe_at = CLOSED, 0 end", "m.circuit, m.probe_at = CLOSED, 0"),
    ("    set_entry(slot, 'x' .. sub(entry, 2))\n    set_extra(slot, stored)\n", ""),
    ("day_left_to_bulk(m), free(m) - reserve_of(m)", "day_left_to_bulk(m), free(m)"),
    ("if call('ZSCORE', TIMER, batch) then", "do"),
    ("last_epoch, self_changed = epoch, true", "self_changed = true"),
    ("return counts and with(stored, CLASS_AT, CRASH) or stored", "return stored"),
    (
        "if m.paused or m.state ~= NORMAL or m.circuit == PROBING then return end\n  local opens = m.circuit == OPEN and math.max(m.hold, m.probe_at) or m.hold\n  if opens > now then return activate(m) end\n  local room",
        "if m.state ~= NORMAL then return end\n  local room",
    ),
];

#[test]
fn what_a_broken_function_does_is_not_taken() {
    const EVENTS: u64 = 3000;
    let ground = Ground::Redis(RedisServer::start());
    for (there, mistaken) in FAULTS {
        let replay = Arc::new(Mutex::new(Replay::default()));
        let rejected = Arc::new(Mutex::new(None::<Rejected>));
        simulate(async {
            let (replay, rejected) = (Arc::clone(&replay), Arc::clone(&rejected));
            let traced = |mut queue: Queue| {
                let inner = Arc::get_mut(&mut queue.inner).unwrap();
                let Driver::Redis(redis) = &mut inner.shards[0].driver else { unreachable!("it was made so") };
                redis.break_function(there, mistaken);
                replayed(queue, Arc::clone(&replay), Arc::clone(&rejected))
            };
            let world = Simulated::traced(&ground, limit(), claiming(), traced).await;
            let mut run = Run { world, dice: StdRng::seed_from_u64(14), claims: Vec::new() };
            while taken(&replay) < EVENTS && rejected.lock().unwrap().is_none() {
                run.act().await;
            }
        });
        let rejected = rejected.lock().unwrap().take();
        let Some(Rejected { violation, .. }) = rejected else { panic!("{mistaken} is not seen") };
        println!("{:>5} lines: {violation}\n             of {mistaken:?}", taken(&replay));
    }
}
