//! Workers that call a server and fail in every way, event by event over simulated time.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use super::server::{Counting, Server};
use crate::job::{Job, NewJob, Priority};
use crate::limit::{Claiming, Limit};
use crate::outcome::Outcome;
use crate::permit::{Lease, Permit, Permits};
use crate::queue::conformance::job;
use crate::queue::conformance::simulated::{Ground, Simulated};
use crate::queue::{Settlement, Step, Wait};

/// Of a hundred calls, so many …
pub(super) struct Odds {
    /// … end their worker.
    pub(super) crashes: u32,
    /// … are followed by a stop that outlasts the lease.
    pub(super) stops: u32,
    /// … get no answer.
    pub(super) time_outs: u32,
    /// … are refused without need.
    pub(super) refusals: u32,
    /// … are joined by another client's call.
    pub(super) others: u32,
    /// How long the others take; they arrive at any time in between.
    pub(super) latency: RangeInclusive<Duration>,
}

impl Odds {
    /// Nothing fails.
    pub(super) fn none(latency: Duration) -> Self {
        Self { crashes: 0, stops: 0, time_outs: 0, refusals: 0, others: 0, latency: latency..=latency }
    }
}

pub(super) struct World<'a> {
    queue: Simulated<'a>,
    limit: Limit,
    lease: Duration,
    odds: Odds,
    dice: StdRng,
    server: Server,
    jobs: Vec<NewJob>,
    events: BTreeMap<(Duration, u64), Event>,
    made: u64,
    /// The event that asks the queue next.
    ask: Option<(Duration, u64)>,
    runs: HashMap<u64, Run>,
    leases: HashMap<u64, Lease>,
    /// Steps at one instant: a worker that asks again and again is asked to, and gets nothing.
    asked: (Duration, u32),
    pub(super) arrivals: Vec<Duration>,
    /// Calls that the server itself refused, rather than by whim.
    pub(super) refused: u32,
}

enum Event {
    Ask,
    Heartbeat,
    Loss,
    Arrival {
        run: Option<u64>,
        reported: bool,
    },
    /// With or without an answer, or never: the worker is gone.
    CallEnds {
        run: u64,
    },
    Settle {
        run: u64,
    },
}

struct Run {
    job: Job,
    permits: Permits,
    permit: Option<Permit>,
    calls: u32,
    failed: bool,
    throttled: bool,
}

impl<'a> World<'a> {
    pub(super) async fn new(ground: &'a Ground, seed: u64, limit: Limit, claiming: Claiming, odds: Odds) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let counting = match dice.random_range(0..3) {
            0 => Counting::Sliding,
            1 => Counting::Fixed { begins: limit.interval.mul_f64(dice.random()) },
            _ => Counting::Bucket,
        };
        Self {
            queue: Simulated::new(ground, limit, claiming).await,
            limit,
            lease: claiming.lease,
            odds,
            dice,
            server: Server::new(counting, &limit),
            jobs: Vec::new(),
            events: BTreeMap::new(),
            made: 0,
            ask: None,
            runs: HashMap::new(),
            leases: HashMap::new(),
            asked: (Duration::ZERO, 0),
            arrivals: Vec::new(),
            refused: 0,
        }
    }

    /// Keeps so many jobs of one lane in the queue and runs them until `end`.
    pub(super) async fn run(&mut self, jobs: usize, end: Duration, losses: Vec<Duration>) -> Result<(), TestCaseError> {
        let whims = self.odds.crashes + self.odds.stops + self.odds.time_outs + self.odds.refusals > 0;
        for n in 0..jobs {
            let mut new = job("lane", &n.to_string(), if whims { Priority::ALL[n % 3] } else { Priority::Realtime });
            if whims {
                new.cost = self.limit.clamp(self.dice.random_range(1..=4), new.priority);
            }
            self.jobs.push(new);
        }
        self.queue.queue.push(&self.jobs).await.unwrap();
        for at in losses {
            self.at(at, Event::Loss);
        }
        self.ask_at(Duration::ZERO);
        while let Some(((at, _), event)) = self.events.pop_first().filter(|((at, _), _)| *at <= end) {
            let now = self.queue.now();
            if at > now {
                self.queue.advance(at - now).await;
            }
            self.happens(event).await?;
        }
        Ok(())
    }

    async fn happens(&mut self, event: Event) -> Result<(), TestCaseError> {
        let now = self.queue.now();
        match event {
            Event::Ask => {
                self.ask = None;
                self.step(Vec::new()).await?;
            }
            Event::Heartbeat => {
                self.heartbeat().await;
                if !self.leases.is_empty() {
                    self.at(now + self.lease / 4, Event::Heartbeat);
                }
            }
            Event::Loss => {
                self.queue.lose_state().await;
                // As the requeuer does, which knows what is open.
                self.queue.queue.push(&self.jobs).await.unwrap();
                self.ask_at(now);
            }
            Event::Arrival { run, reported } => {
                let answer = self.server.arrives(now);
                let Some(run) = run else { return Ok(()) };
                self.arrivals.push(now);
                self.refused += u32::from(answer.refused);
                let whim = self.happens_to(self.odds.refusals);
                if let Some(run) = self.runs.get_mut(&run).filter(|_| reported) {
                    run.throttled |= answer.refused || whim;
                    run.permits.observe(Some(answer.remaining), None);
                }
            }
            Event::CallEnds { run } => {
                if let Some(one) = self.runs.get_mut(&run) {
                    one.permit = None;
                    one.calls -= 1;
                    self.go_on(run);
                }
            }
            Event::Settle { run } => {
                let Some(Run { job, permits, failed, throttled, .. }) = self.runs.remove(&run) else { return Ok(()) };
                let after = self.limit.interval.mul_f64(self.dice.random());
                let outcome = match (throttled, failed) {
                    (true, _) => Outcome::Throttled { hold: self.limit.interval },
                    (_, true) => Outcome::Retry { after },
                    _ => Outcome::Done,
                };
                let again = self.jobs.iter().find(|new| new.key == job.key).cloned();
                self.step(vec![Settlement { job, outcome, permits }]).await?;
                self.queue.queue.push(&again.into_iter().collect::<Vec<_>>()).await.unwrap();
                self.ask_at(now);
            }
        }
        Ok(())
    }

    async fn step(&mut self, settlements: Vec<Settlement>) -> Result<(), TestCaseError> {
        let now = self.queue.now();
        self.asked = if self.asked.0 == now { (now, self.asked.1 + 1) } else { (now, 1) };
        prop_assert!(self.asked.1 < 2000, "the queue wants to be asked for ever at {now:?}");
        let sent = Instant::now();
        let step = Step { settlements, claim: self.dice.random_range(1..=16), ..Step::default() };
        let stepped = self.queue.step(step).await;
        let lease = Lease::begin(sent, self.lease);
        if !stepped.jobs.is_empty() {
            if self.leases.is_empty() {
                self.at(now + self.lease / 4, Event::Heartbeat);
            }
            self.leases.insert(stepped.epoch, lease.clone());
        }
        for job in stepped.jobs {
            let permits = Permits::new(u32::from(job.cost), lease.clone());
            let faulty = self.odds.crashes + self.odds.time_outs > 0;
            let calls = if faulty { self.dice.random_range(0..=u32::from(job.cost)) } else { u32::from(job.cost) };
            self.made += 1;
            let run = self.made;
            self.runs.insert(run, Run { job, permits, permit: None, calls, failed: false, throttled: false });
            self.go_on(run);
        }
        match stepped.wait {
            Wait::More => self.ask_at(now),
            Wait::For(wait) => self.ask_at(now + wait),
            Wait::ForPush => {}
        }
        Ok(())
    }

    /// Sends the run's next call, or settles.
    fn go_on(&mut self, number: u64) {
        let now = self.queue.now();
        let (crashes, stops, times_out) = (
            self.happens_to(self.odds.crashes),
            self.happens_to(self.odds.stops),
            self.happens_to(self.odds.time_outs),
        );
        let faulty = self.odds.crashes + self.odds.time_outs > 0;
        // Both ends are where a limiter errs by one.
        let fraction = [0.0, self.dice.random(), 1.0][self.dice.random_range(0..3)];
        let (shortest, longest) = (*self.odds.latency.start(), *self.odds.latency.end());
        let latency = shortest + whole_us((longest - shortest).mul_f64(self.dice.random()));
        let Some(run) = self.runs.get_mut(&number) else { return };
        let permit = (run.calls > 0).then(|| run.permits.take().ok()).flatten();
        let epoch = run.job.epoch;
        if stops || (crashes && permit.is_some()) {
            // Nobody extends its lease any more, nor those of the jobs that it claimed along.
            self.leases.remove(&epoch);
        }
        let Some(run) = self.runs.get_mut(&number) else { return };
        let Some(permit) = permit else {
            let lingers = if stops { self.lease * 2 } else { Duration::ZERO };
            // As writing to a database takes its time.
            let writes =
                if faulty { whole_us(self.limit.call_timeout.mul_f64(fraction / 4.0)) } else { Duration::ZERO };
            self.at(now + lingers + writes, Event::Settle { run: number });
            return;
        };
        run.permit = Some(permit);
        run.failed |= times_out;
        let ends = if times_out { self.limit.call_timeout } else { latency.min(self.limit.call_timeout) };
        let arrives = whole_us(ends.mul_f64(fraction));
        self.at(now + arrives, Event::Arrival { run: Some(number), reported: !times_out });
        if self.happens_to(self.odds.others) {
            self.at(now + arrives / 2, Event::Arrival { run: None, reported: false });
        }
        if !crashes {
            self.at(now + ends, Event::CallEnds { run: number });
        }
    }

    async fn heartbeat(&mut self) {
        let held: Vec<u64> = self.runs.values().map(|run| run.job.epoch).collect();
        self.leases.retain(|epoch, _| held.contains(epoch));
        let epochs: Vec<u64> = self.leases.keys().copied().collect();
        let epochs: Vec<u64> = epochs.into_iter().filter(|_| self.dice.random_bool(0.7)).collect();
        let sent = Instant::now();
        let alive = self.queue.queue.heartbeat(0, &epochs).await.unwrap();
        for (epoch, alive) in epochs.iter().zip(alive) {
            let lease = &self.leases[epoch];
            if alive { lease.extend(sent, self.lease) } else { lease.revoke() }
        }
    }

    fn happens_to(&mut self, percent: u32) -> bool {
        self.dice.random_ratio(percent.min(100), 100)
    }

    fn ask_at(&mut self, at: Duration) {
        match self.ask {
            Some((planned, _)) if planned <= at => {}
            planned => {
                if let Some(planned) = planned {
                    self.events.remove(&planned);
                }
                self.ask = Some(self.at(at, Event::Ask));
            }
        }
    }

    fn at(&mut self, at: Duration, event: Event) -> (Duration, u64) {
        self.made += 1;
        self.events.insert((at, self.made), event);
        (at, self.made)
    }
}

fn whole_us(duration: Duration) -> Duration {
    Duration::from_micros(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}
