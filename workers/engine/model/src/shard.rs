//! A shard's state, and what its functions do to it. Each method is a part of one Redis Function, which runs as one atomic event.
//!
//! Two have it as their transition: the search (`world.rs`), which lets workers, messages and time do whatever they may, and the replay (`replay.rs`),
//! which follows what the real functions have done. Where a claim has a choice (which of the jobs that wait) the model says what it may take.

use crate::lane::{Circuit, Lane, Lost, Park};
use crate::rules::{Mutant, Rules};

mod judge;

/// A lane by its number.
pub type LaneId = usize;
/// A job by its number.
pub type JobId = usize;

/// What a shard knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shard {
    /// The queue's time.
    pub now: u64,
    /// Claims with lower epochs are of another life of the state.
    pub born: u64,
    /// Until when nothing is claimed, since calls may be under way that it does not know of.
    pub rest: u64,
    /// The last one.
    pub epoch: u64,
    /// By their numbers.
    pub lanes: Vec<Lane>,
    /// By their numbers.
    pub jobs: Vec<Job>,
    /// Claimed batches whose lease has not ended.
    pub batches: Vec<Batch>,
}

/// A job that the queue has, had or may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// Its lane.
    pub lane: LaneId,
    /// Where it is.
    pub place: Place,
}

/// What is stored of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// 0 interactive, 1 realtime, 2 bulk.
    pub class: u8,
    /// The most calls of a run.
    pub cost: u32,
    /// Failed runs.
    pub attempt: u8,
    /// Workers that it outlived.
    pub crashes: u8,
}

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In no place: it has ended, or was never pushed.
    Nowhere,
    /// In its lane's list.
    Waiting(Envelope),
    /// In the timer.
    Scheduled {
        /// When it waits.
        due: u64,
        /// What is stored.
        stored: Envelope,
    },
    /// With a worker.
    Running(Run),
}

/// A run as the queue knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Of its claim.
    pub epoch: u64,
    /// The lane's returned tokens at the claim.
    pub returned: u64,
    /// What is stored; its cost is what was taken.
    pub stored: Envelope,
    /// The one more run that follows.
    pub extra: Option<Envelope>,
}

/// The jobs of one claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Names it.
    pub epoch: u64,
    /// When its lease ends.
    pub until: u64,
    /// What was claimed.
    pub jobs: Vec<JobId>,
    /// All may have begun; or one runs and all others wait, none where that is of another shard.
    pub alone: Option<Option<JobId>>,
}

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It has ended.
    Done,
    /// It runs again after so long.
    Again(u64),
    /// It failed, and runs again after so long.
    Failed(u64),
    /// It goes back to its place.
    Released,
    /// The server refuses for so long.
    Refused(u64),
    /// The lane is of no use, and is probed after so long.
    Broken(u64),
}

/// What a worker reports a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// Which job.
    pub job: JobId,
    /// Of its claim.
    pub epoch: u64,
    /// See [`Outcome`].
    pub outcome: Outcome,
    /// Calls that were sent.
    pub used: u32,
    /// How long ago the last of them ended; less than 0 where it may go on so long.
    pub since: i64,
    /// What the server said.
    pub reported: Reported,
}

/// What a server said of its own count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reported {
    /// Calls left in the interval.
    pub remaining: Option<u32>,
    /// Calls left in the day.
    pub remaining_today: Option<u32>,
    /// Its limit for an interval.
    pub burst: Option<u32>,
    /// Its limit for a day.
    pub daily: Option<u32>,
}

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It waits, or is scheduled.
    Queued,
    /// One that waits serves it too.
    Coalesced,
    /// It runs once more after the run.
    AfterRunning,
}

/// A job that outlived so many is a suspect, and only a death alone counts further.
const SUSPECT: u8 = 2;
const MOST_CRASHES: u8 = 63;

impl Shard {
    /// Of a server that has no state: what was claimed before counts as under way.
    #[must_use]
    pub fn lost(rules: &Rules, lanes: usize, jobs: &[LaneId], now: u64, born: u64) -> Self {
        let spent = if rules.breaks(Mutant::LostStateIsUnspent) { 0 } else { rules.limits.unknown_calls() };
        Self { rest: now + spent, ..Self::empty(lanes, jobs, now, born) }
    }

    /// Of a queue that nobody has used.
    #[must_use]
    pub fn empty(lanes: usize, jobs: &[LaneId], now: u64, born: u64) -> Self {
        let jobs = jobs.iter().map(|lane| Job { lane: *lane, place: Place::Nowhere }).collect();
        Self { now, born, rest: 0, epoch: 0, lanes: vec![Lane::default(); lanes], jobs, batches: Vec::new() }
    }

    /// `meet`, and each call's first look: calls may be under way that the state does not know of.
    pub fn rest_fully(&mut self, rules: &Rules) {
        self.rest = self.rest.max(self.now + rules.limits.unknown_calls());
    }

    fn lane_of(&mut self, job: JobId) -> &mut Lane {
        let lane = self.jobs[job].lane;
        &mut self.lanes[lane]
    }

    fn set_place(&mut self, job: JobId, place: Place) {
        let before = std::mem::replace(&mut self.jobs[job].place, place);
        if let Place::Waiting(stored) = before {
            self.lane_of(job).waiting[usize::from(stored.class)] -= 1;
        }
        if let Place::Waiting(stored) = place {
            self.lane_of(job).waiting[usize::from(stored.class)] += 1;
        }
    }

    fn enqueue(&mut self, rules: &Rules, job: JobId, stored: Envelope) {
        let now = self.now;
        self.set_place(job, Place::Waiting(stored));
        let lane = self.lane_of(job);
        if stored.class < 2 { lane.reconsider(&rules.limits, now) } else { lane.activate(now) }
    }

    /// `push`, of one job.
    pub fn push(&mut self, rules: &Rules, job: JobId, stored: Envelope, delay: u64) -> Pushed {
        let due = self.now + delay;
        match self.jobs[job].place {
            Place::Nowhere if delay > 0 => self.set_place(job, Place::Scheduled { due, stored }),
            Place::Nowhere => self.enqueue(rules, job, stored),
            Place::Running(run) => {
                let answer = if run.extra.is_some() { Pushed::Coalesced } else { Pushed::AfterRunning };
                if run.extra.is_none_or(|extra| stored.class < extra.class)
                    && !rules.breaks(Mutant::PushDuringTheRunIsDropped)
                {
                    self.set_place(job, Place::Running(Run { extra: Some(stored), ..run }));
                }
                return answer;
            }
            // The earlier time and the more urgent class win.
            Place::Scheduled { due: planned, stored: before } => {
                let more_urgent = stored.class < before.class;
                let stored = Envelope { class: stored.class.min(before.class), ..stored };
                if delay == 0 {
                    self.enqueue(rules, job, stored);
                } else if more_urgent || due < planned {
                    self.set_place(job, Place::Scheduled { due: due.min(planned), stored });
                }
                return Pushed::Coalesced;
            }
            Place::Waiting(before) => {
                if stored.class < before.class {
                    self.enqueue(rules, job, stored);
                }
                return Pushed::Coalesced;
            }
        }
        Pushed::Queued
    }

    /// `step`: a batch of which every job has been settled has no lease any more.
    pub fn finish(&mut self, epoch: u64) {
        self.batches.retain(|batch| batch.epoch != epoch);
    }

    /// `step`: what a run came to. Whether it was reported in time.
    pub fn settle(&mut self, rules: &Rules, settlement: &Settlement) -> bool {
        let Settlement { job, epoch, outcome, used, since, reported } = *settlement;
        let (now, limits, born) = (self.now, &rules.limits, self.born);
        let ended = now.saturating_add_signed(-since);
        let answered = ended.min(now);
        let place = self.jobs[job].place;
        let lane = self.lane_of(job);
        lane.thaw(now);
        lane.turn_day(rules, now);
        let run = match place {
            Place::Running(run) if run.epoch == epoch || rules.breaks(Mutant::EpochIsNotCompared) => run,
            // Too late: the job is another's, or this was reported before. Its tokens were put aside when its lease ended.
            _ => {
                if epoch < born {
                    lane.spend(limits, used, now);
                }
                if rules.breaks(Mutant::LateSettlementReturnsTokens) {
                    lane.out = lane.out.saturating_sub(1);
                }
                lane.receive(limits, &reported, answered);
                lane.judge_late(rules, outcome, answered, now);
                lane.reconsider(limits, now);
                return false;
            }
        };
        lane.spend(limits, used, now);
        lane.out -= run.stored.cost;
        let a_moment = u64::from(!rules.breaks(Mutant::RefillAMomentTooEarly));
        lane.cool(limits, used, ended + a_moment + limits.interval);
        lane.receive(limits, &reported, answered);
        if let Some(remaining) = reported.remaining {
            let ours = i64::from(lane.out) + i64::from(lane.cooling()) + (lane.returned - run.returned).cast_signed();
            let foreign = i64::from(lane.burst(limits)) - i64::from(remaining) - ours;
            let foreign = foreign.min(lane.free(limits)).max(0);
            lane.cool(limits, u32::try_from(foreign).unwrap_or(0), now + 1 + limits.interval);
        }
        lane.judge(rules, outcome, epoch, answered, now);
        lane.thaw(now);
        self.set_place(job, Place::Nowhere);
        match (outcome, run.extra) {
            (Outcome::Done, None) => {}
            (Outcome::Done, Some(extra)) => self.enqueue(rules, job, extra),
            (Outcome::Again(after) | Outcome::Failed(after), extra) => {
                let failed = u8::from(matches!(outcome, Outcome::Failed(_)));
                let mut stored = run.served_again();
                stored.attempt = stored.attempt.saturating_add(failed);
                // A push that came during the run waits for nothing.
                if after > 0 && (extra.is_none() || rules.breaks(Mutant::RetryPutsOffThePush)) {
                    self.set_place(job, Place::Scheduled { due: now + after, stored });
                } else {
                    self.enqueue(rules, job, stored);
                }
            }
            _ => self.enqueue(rules, job, run.served_again()),
        }
        // A settlement that freed nothing changes nothing for a lane whose next return is known.
        let lane = self.lane_of(job);
        let frees = run.stored.cost > used || lane.park != Park::Tokens;
        if frees && !(lane.park == Park::Starved && rules.breaks(Mutant::StarvedLaneIsForgotten)) {
            lane.reconsider(limits, now);
        } else {
            lane.activate(now);
        }
        true
    }

    /// `step`, of what is due: the lease of a batch has ended, and its jobs wait again.
    pub fn expire(&mut self, rules: &Rules, batch: Batch) {
        for job in batch.jobs {
            let Place::Running(run) = self.jobs[job].place else { continue };
            if run.epoch != batch.epoch {
                continue;
            }
            let mut stored = run.served_again();
            let (now, limits) = (self.now, &rules.limits);
            let lane = self.lane_of(job);
            // Nobody knows what it sent, or when the last call arrives.
            let away =
                if rules.breaks(Mutant::TokensOfTheDeadAtOnce) { 0 } else { 1 + limits.timeout + limits.interval };
            lane.lost.push(Lost { at: now + away, cost: run.stored.cost, epoch: run.epoch, job });
            if lane.circuit == Circuit::Probing(run.epoch) && !rules.breaks(Mutant::ProbeOfTheDeadIsAwaited) {
                lane.probe_again(now);
            }
            let counts = match batch.alone {
                None => stored.crashes < SUSPECT,
                Some(alone) => alone == Some(job) && stored.crashes < MOST_CRASHES,
            };
            stored.crashes += u8::from(counts);
            self.enqueue(rules, job, stored);
        }
    }

    /// `step`, of what is due: a dead worker's tokens come back.
    pub fn give_back(&mut self, rules: &Rules, lane: LaneId, lost: usize) {
        let (now, lane) = (self.now, &mut self.lanes[lane]);
        let cost = lane.lost.swap_remove(lost).cost;
        lane.thaw(now);
        lane.turn_day(rules, now);
        lane.out = lane.out.saturating_sub(cost);
        lane.spend(&rules.limits, cost, now);
        lane.reconsider(&rules.limits, now);
    }

    /// `step`, of what is due: a job that was put off waits.
    pub fn fire(&mut self, rules: &Rules, job: JobId) {
        if let Place::Scheduled { stored, .. } = self.jobs[job].place {
            self.enqueue(rules, job, stored);
        }
    }

    /// `step`, of what is due: a lane is looked at that time had stopped.
    pub fn wake(&mut self, rules: &Rules, lane: LaneId) {
        let (now, lane) = (self.now, &mut self.lanes[lane]);
        lane.wake = None;
        lane.thaw(now);
        lane.turn_day(rules, now);
        lane.park = Park::No;
        lane.activate(now);
        if rules.breaks(Mutant::HoldEndsTheCircuit) && lane.listed {
            (lane.circuit, lane.probe_at) = (Circuit::Closed, 0);
        }
    }

    /// Whether anything is.
    pub(crate) fn is_due(&self) -> bool {
        let now = self.now;
        self.batches.iter().any(|batch| batch.until <= now)
            || self
                .lanes
                .iter()
                .any(|lane| lane.wake.is_some_and(|at| at <= now) || lane.lost.iter().any(|lost| lost.at <= now))
            || self.jobs.iter().any(|job| matches!(job.place, Place::Scheduled { due, .. } if due <= now))
    }

    /// `step`: all that is due.
    pub fn fire_due(&mut self, rules: &Rules) {
        let now = self.now;
        while let Some(at) = self.batches.iter().position(|batch| batch.until <= now) {
            let batch = self.batches.remove(at);
            self.expire(rules, batch);
        }
        for lane in 0..self.lanes.len() {
            while let Some(lost) = self.lanes[lane].lost.iter().position(|lost| lost.at <= now) {
                self.give_back(rules, lane, lost);
            }
        }
        for job in 0..self.jobs.len() {
            if matches!(self.jobs[job].place, Place::Scheduled { due, .. } if due <= now) {
                self.fire(rules, job);
            }
        }
        for lane in 0..self.lanes.len() {
            if self.lanes[lane].wake.is_some_and(|at| at <= now) {
                self.wake(rules, lane);
            }
        }
    }

    /// `step`: a claim takes a job that waits, with the tokens of its calls.
    pub fn claim(&mut self, job: JobId, stored: Envelope, epoch: u64) {
        let lane = self.lane_of(job);
        let returned = lane.returned;
        lane.out += stored.cost;
        self.set_place(job, Place::Running(Run { epoch, returned, stored, extra: None }));
    }

    /// `heartbeat`, of one batch: whether its lease is still there, and holds on.
    pub fn heartbeat(&mut self, rules: &Rules, epoch: u64) -> bool {
        let until = self.now + rules.limits.lease;
        let batch = self.batches.iter_mut().find(|batch| batch.epoch == epoch);
        batch.map(|batch| batch.until = until).is_some() || rules.breaks(Mutant::HeartbeatRevives)
    }

    /// `alone`: of a batch's jobs this one runs and all others wait, or they may all run.
    pub fn alone(&mut self, epoch: u64, alone: Option<Option<JobId>>) {
        for batch in self.batches.iter_mut().filter(|batch| batch.epoch == epoch) {
            batch.alone = alone;
        }
    }

    /// `steer`.
    pub fn steer(&mut self, rules: &Rules, lane: LaneId, pause: bool) {
        let (now, lane) = (self.now, &mut self.lanes[lane]);
        lane.thaw(now);
        lane.turn_day(rules, now);
        lane.paused = pause;
        if pause {
            return;
        }
        (lane.failures, lane.circuit, lane.probe_at) = (0, Circuit::Closed, 0);
        if matches!(lane.park, Park::DaySpent | Park::Paced) {
            lane.park = Park::No;
        }
        if rules.breaks(Mutant::ResumeLiftsTheHold) {
            lane.hold = 0;
        }
        lane.activate(now);
        if rules.breaks(Mutant::ResumeLiftsTheRest) {
            self.rest = 0;
        }
    }
}

impl Run {
    /// What is stored for the next run. It serves the push that came meanwhile too, and the more urgent of the two decides the class.
    fn served_again(&self) -> Envelope {
        let class = self.extra.map_or(self.stored.class, |extra| extra.class.min(self.stored.class));
        Envelope { class, ..self.stored }
    }
}
