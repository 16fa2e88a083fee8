//! All that can happen around a shard: producers push, workers step, call and die, calls arrive late, messages are lost or come late, state is lost or
//! comes back older, and time passes. One action is one atomic event.
//!
//! A worker that stands still is one that does nothing while time passes. A function that fails has changed nothing, which is no event.

use crate::laws::{Cause, Stops, Violation, books_are_right, broken, may_become};
use crate::rules::{Mutant, Rules};
use crate::scene::Scene;
use crate::shard::{JobId, LaneId, Outcome, Place, Reported, Settlement, Shard};

mod actions;
mod ends;
mod step;

/// A state of everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    /// Real time; the queue's goes with it.
    pub now: u64,
    /// What Redis keeps.
    pub shard: Shard,
    /// A copy of it that may come back.
    pub older: Option<Shard>,
    /// Who runs jobs.
    pub workers: Vec<Worker>,
    /// Calls under way that nobody waits for.
    pub orphans: Vec<Flight>,
    /// Requests that will come late, and whose answers go nowhere.
    pub delayed: Vec<Request>,
    /// When the calls of each lane came to the server, as far as they count.
    pub arrivals: Vec<Vec<u64>>,
    /// What is pending to whoever pushed, by job.
    pub pending: Vec<Owed>,
    /// The highest epoch that was ever handed out.
    pub top: u64,
    /// What may still happen.
    pub left: Left,
}

/// How often something may still happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// By job.
    pub pushes: Vec<u8>,
    /// Workers that die.
    pub crashes: u8,
    /// Answers that are lost, and requests that come late.
    pub losses: u8,
    /// Pauses, each with its resume.
    pub pauses: u8,
    /// States that are lost.
    pub flushes: u8,
    /// States that come back older.
    pub rollbacks: u8,
    /// Functions that fail.
    pub failures: u8,
    /// Verdicts other than that a job is done.
    pub troubles: u8,
}

/// What has to become of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owed {
    /// Nothing.
    Nothing,
    /// The run that goes on serves the last push.
    Served,
    /// A run has to begin.
    Run,
    /// The queue lost it, and has to be reported again.
    Push,
}

/// A worker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Worker {
    /// What it holds.
    pub runs: Vec<Held>,
}

/// A run as its worker knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Which job.
    pub job: JobId,
    /// Of its claim.
    pub epoch: u64,
    /// Tokens taken for it.
    pub cost: u32,
    /// How long the worker believes in its lease, by a clock of its own.
    pub until: u64,
    /// Calls sent.
    pub used: u32,
    /// When the last one ended, or will have ended where nothing was received.
    pub ended: u64,
    /// The one under way.
    pub call: Option<Flight>,
    /// It is over, and this was or is to be reported.
    pub over: Option<Outcome>,
}

/// A call under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flight {
    /// Of which lane.
    pub lane: LaneId,
    /// When it was sent.
    pub sent: u64,
    /// Whether the server has got it.
    pub arrived: bool,
}

/// What a worker asks of the shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// What it reports.
    pub settle: Option<Settlement>,
    /// Whether that ends a batch.
    pub finishes: bool,
    /// How many jobs it wants.
    pub claim: u8,
}

/// What becomes of a step's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is received.
    Heard,
    /// It is lost.
    Lost,
}

/// An atomic event.
#[expect(missing_docs, reason = "their fields are numbers of what they name")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A ms ends.
    Tick,
    /// A job is pushed, again or with a delay.
    Push { job: JobId, delay: u64 },
    /// `step`: of the choices that a claim has, this one.
    Step { worker: usize, settle: Option<(usize, Outcome)>, claim: u8, choice: u8, answer: Answer },
    /// The same, to come late.
    SendLate { worker: usize, settle: Option<(usize, Outcome)>, claim: u8 },
    /// It comes.
    ComesLate { request: usize, choice: u8 },
    /// `step`, and a command of it fails.
    StepFails { worker: usize },
    /// `heartbeat`.
    Heartbeat { worker: usize, run: usize },
    /// A call is sent, with its permit.
    Call { worker: usize, run: usize },
    /// The server gets it.
    Arrives { worker: usize, run: usize },
    /// The server gets one that nobody waits for.
    OrphanArrives { orphan: usize },
    /// Its answer is received.
    Answered { worker: usize, run: usize },
    /// It is cancelled.
    Drop { worker: usize, run: usize },
    /// The worker dies, and another begins in its place.
    Crash { worker: usize },
    /// A person pauses a lane, or resumes it.
    Steer { lane: LaneId, pause: bool },
    /// `FLUSHALL`, or a server without its disk.
    Flush,
    /// A replica or a disk keeps the state as it is now.
    Keep,
    /// That comes back.
    RollBack,
}

impl World {
    /// Nothing has happened.
    #[must_use]
    pub fn new(rules: &Rules, scene: &Scene) -> Self {
        let lanes: Vec<_> = scene.jobs.iter().map(|job| job.lane).collect();
        let count = lanes.iter().max().map_or(0, |lane| lane + 1);
        let now = crate::pack::BASE;
        let _ = rules;
        Self {
            now,
            shard: Shard::empty(count, &lanes, now, 0),
            older: None,
            workers: vec![Worker::default(); scene.workers],
            orphans: Vec::new(),
            delayed: Vec::new(),
            arrivals: vec![Vec::new(); count],
            pending: vec![Owed::Nothing; lanes.len()],
            top: 0,
            left: scene.left(),
        }
    }

    /// What an action leads to; none where there is no such choice.
    ///
    /// # Errors
    /// The law that it breaks.
    pub fn next(&self, rules: &Rules, scene: &Scene, action: Action) -> Result<Option<Self>, Violation> {
        let mut next = self.clone();
        if !next.act(rules, scene, action)? {
            return Ok(None);
        }
        next.is_lawful()?;
        Ok(Some(next))
    }

    fn act(&mut self, rules: &Rules, scene: &Scene, action: Action) -> Result<bool, Violation> {
        self.shard.now = self.now;
        match action {
            Action::Tick => self.tick(rules),
            Action::Push { job, delay } => {
                if self.pending[job] != Owed::Push {
                    self.left.pushes[job] -= 1;
                }
                self.pending[job] = Owed::Run;
                self.shard.push(rules, job, scene.jobs[job].stored, delay);
            }
            Action::Step { worker, settle, claim, choice, answer } => {
                let request = self.request(worker, settle, claim);
                let Some((epoch, claimed)) = self.serve(rules, request, choice)? else { return Ok(false) };
                self.spend_trouble(settle);
                if answer == Answer::Lost {
                    self.left.losses -= 1;
                    self.end(worker, settle);
                } else {
                    let runs = &mut self.workers[worker].runs;
                    if let Some((run, _)) = settle {
                        runs.remove(run);
                    }
                    let until = self.now + rules.limits.lease;
                    runs.extend(claimed.iter().map(|&(job, cost)| Held {
                        job,
                        epoch,
                        cost,
                        until,
                        used: 0,
                        ended: 0,
                        call: None,
                        over: None,
                    }));
                }
            }
            Action::SendLate { worker, settle, claim } => {
                self.left.losses -= 1;
                self.delayed.push(self.request(worker, settle, claim));
                self.spend_trouble(settle);
                self.end(worker, settle);
            }
            Action::ComesLate { request, choice } => {
                let request = self.delayed.remove(request);
                return Ok(self.serve(rules, request, choice)?.is_some());
            }
            Action::StepFails { .. } => {
                self.left.failures -= 1;
                if rules.breaks(Mutant::HalfIsWritten) {
                    self.shard.lanes[0].out += 1;
                }
            }
            Action::Heartbeat { worker, run } => {
                let epoch = self.workers[worker].runs[run].epoch;
                let alive = self.shard.heartbeat(rules, epoch);
                let (now, revives) = (self.now, rules.breaks(Mutant::EndedLeaseIsExtended));
                for held in self.workers[worker].runs.iter_mut().filter(|held| held.epoch == epoch) {
                    if !alive {
                        held.until = 0;
                    } else if held.until > now || revives {
                        held.until = now + rules.limits.lease;
                    }
                }
            }
            Action::Call { worker, run } => {
                let (now, held) = (self.now, &mut self.workers[worker].runs[run]);
                held.used += 1;
                held.call = Some(Flight { lane: scene.jobs[held.job].lane, sent: now, arrived: false });
            }
            Action::Arrives { worker, run } => {
                let Some(call) = &mut self.workers[worker].runs[run].call else { return Ok(false) };
                call.arrived = true;
                let lane = call.lane;
                self.arrives(rules, lane)?;
            }
            Action::OrphanArrives { orphan } => {
                let lane = self.orphans.remove(orphan).lane;
                self.arrives(rules, lane)?;
            }
            Action::Answered { worker, run } => {
                let held = &mut self.workers[worker].runs[run];
                (held.call, held.ended) = (None, held.ended.max(self.now));
            }
            Action::Drop { worker, run } => self.drop_call(rules, worker, run),
            Action::Crash { worker } => {
                self.left.crashes -= 1;
                let runs = std::mem::take(&mut self.workers[worker].runs);
                self.orphans.extend(runs.iter().filter_map(|held| held.call).filter(|call| !call.arrived));
            }
            Action::Steer { lane, pause } => {
                self.left.pauses -= u8::from(pause);
                let before = (Stops::from(&self.shard.lanes[lane]), self.shard.rest);
                self.shard.steer(rules, lane, pause);
                let cause = if pause { Cause::Other } else { Cause::Resumed };
                may_become(before.0, Stops::from(&self.shard.lanes[lane]), cause, self.now)?;
                if before.1 > self.now && self.shard.rest < before.1 {
                    broken(2, "a rest is ended by a person")?;
                }
            }
            Action::Flush => {
                self.left.flushes -= 1;
                let lanes: Vec<_> = self.shard.jobs.iter().map(|job| job.lane).collect();
                self.shard = Shard::lost(rules, self.arrivals.len(), &lanes, self.now, self.top + 1);
                self.owe_again();
            }
            Action::Keep => self.older = Some(self.shard.clone()),
            Action::RollBack => {
                self.left.rollbacks -= 1;
                if let Some(older) = self.older.take() {
                    self.shard = Shard { now: self.now, ..older };
                }
                if !rules.breaks(Mutant::OlderStateIsBelieved) {
                    self.shard.born = self.top + 1;
                    self.shard.rest_fully(rules);
                }
                self.owe_again();
            }
        }
        Ok(true)
    }

    fn tick(&mut self, rules: &Rules) {
        self.now += 1;
        let (now, timeout) = (self.now, rules.limits.timeout);
        for worker in 0..self.workers.len() {
            for run in 0..self.workers[worker].runs.len() {
                if self.workers[worker].runs[run].call.is_some_and(|call| call.sent + timeout < now) {
                    self.drop_call(rules, worker, run);
                }
            }
        }
        self.orphans.retain(|call| call.sent + timeout >= now);
    }

    /// A call ends of which nothing was received: it may arrive until its time is out.
    fn drop_call(&mut self, rules: &Rules, worker: usize, run: usize) {
        let held = &mut self.workers[worker].runs[run];
        let Some(call) = held.call.take() else { return };
        let ends =
            if rules.breaks(Mutant::DroppedCallCountsAsAnswered) { self.now } else { call.sent + rules.limits.timeout };
        held.ended = held.ended.max(ends);
        if !call.arrived && call.sent + rules.limits.timeout >= self.now {
            self.orphans.push(call);
        }
    }

    fn arrives(&mut self, rules: &Rules, lane: LaneId) -> Result<(), Violation> {
        let (now, limits, arrivals) = (self.now, &rules.limits, &mut self.arrivals[lane]);
        arrivals.push(now);
        // Times are whole ms: only what lies farther apart than an interval is sure to be an interval apart.
        let within = |length: u64| arrivals.iter().filter(|at| **at + length >= now).count();
        if within(limits.interval) > limits.burst as usize {
            return broken(
                2,
                format!("more than {} calls of lane {lane} come within an interval: {arrivals:?}", limits.burst),
            );
        }
        if within((limits.day_bins - 2) * limits.day_bin) > limits.daily as usize {
            return broken(
                2,
                format!("more than {} calls of lane {lane} come within a day: {arrivals:?}", limits.daily),
            );
        }
        Ok(())
    }

    fn request(&self, worker: usize, settle: Option<(usize, Outcome)>, claim: u8) -> Request {
        let runs = &self.workers[worker].runs;
        let reported = settle.map(|(run, outcome)| {
            let held = &runs[run];
            let since = if held.used == 0 { 0 } else { self.now.cast_signed() - held.ended.cast_signed() };
            let Held { job, epoch, used, .. } = *held;
            Settlement { job, epoch, outcome, used, since, reported: Reported::default() }
        });
        let finishes =
            reported.is_some_and(|reported| runs.iter().filter(|held| held.epoch == reported.epoch).count() == 1);
        Request { settle: reported, finishes, claim }
    }

    fn spend_trouble(&mut self, settle: Option<(usize, Outcome)>) {
        if settle.is_some_and(|(_, outcome)| outcome != Outcome::Done) {
            self.left.troubles = self.left.troubles.saturating_sub(1);
        }
    }

    /// The run is over, whether the queue has known of it or not.
    fn end(&mut self, worker: usize, settle: Option<(usize, Outcome)>) {
        if let Some((run, outcome)) = settle {
            self.workers[worker].runs[run].over = Some(outcome);
        }
    }

    /// The queue has another state: what it knows of is to run, what it knows nothing of is to be pushed again.
    fn owe_again(&mut self) {
        for (pending, job) in self.pending.iter_mut().zip(&self.shard.jobs) {
            *pending = match job.place {
                Place::Nowhere if *pending == Owed::Nothing => Owed::Nothing,
                Place::Nowhere => Owed::Push,
                Place::Running(run) if run.extra.is_none() => Owed::Served,
                _ => Owed::Run,
            };
        }
    }

    /// What holds in every state.
    fn is_lawful(&self) -> Result<(), Violation> {
        books_are_right(&self.shard)?;
        for (job, pending) in self.pending.iter().enumerate() {
            let will_run = match self.shard.jobs[job].place {
                Place::Nowhere => matches!(pending, Owed::Nothing | Owed::Push),
                Place::Running(run) => *pending != Owed::Run || run.extra.is_some(),
                _ => true,
            };
            if !will_run {
                return broken(6, format!("job {job} was pushed, and will not run"));
            }
            let holders = self.workers.iter().flat_map(|worker| &worker.runs);
            if holders.filter(|held| held.job == job && held.until > self.now && held.over.is_none()).count() > 1 {
                return broken(5, format!("two workers hold job {job}"));
            }
        }
        Ok(())
    }
}
