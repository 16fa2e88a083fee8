//! All that can happen around a shard: producers push, workers step, call and die, calls arrive late, messages are lost or come late, state is lost or
//! comes back older, and time passes. One action is one atomic event.
//!
//! A worker that stands still is one that does nothing while time passes. A function that fails has changed nothing, which is no event.

use crate::lane::{Circuit, Park};
use crate::laws::{Cause, Stops, Violation, books_are_right, broken, may_become, may_claim};
use crate::rules::{Mutant, Rules};
use crate::scene::Scene;
use crate::shard::{Batch, Envelope, JobId, LaneId, Place, Settlement, Shard, Told, Verdict};

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
    /// What is owed to whoever pushed, by job.
    pub owed: Vec<Owed>,
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
    /// The queue lost it, and has to be told again.
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
    /// When the last one ended, or will have ended where nothing was heard.
    pub ended: u64,
    /// The one under way.
    pub call: Option<Flight>,
    /// It is over, and this was or is to be told.
    pub over: Option<Verdict>,
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
    /// What it tells.
    pub settle: Option<Settlement>,
    /// Whether that ends a batch.
    pub finishes: bool,
    /// How many jobs it wants.
    pub claim: u8,
}

/// What becomes of a step's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is heard.
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
    Step { worker: usize, settle: Option<(usize, Verdict)>, claim: u8, choice: u8, answer: Answer },
    /// The same, to come late.
    SendLate { worker: usize, settle: Option<(usize, Verdict)>, claim: u8 },
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
    /// Its answer is heard.
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
            owed: vec![Owed::Nothing; lanes.len()],
            top: 0,
            left: scene.left(),
        }
    }

    /// What can happen next; of the choices of a claim the first.
    pub fn actions(&self, scene: &Scene, actions: &mut Vec<Action>) {
        actions.clear();
        actions.push(Action::Tick);
        for (job, owed) in self.owed.iter().enumerate() {
            if self.left.pushes[job] > 0 || *owed == Owed::Push {
                actions.extend(scene.jobs[job].delays.iter().map(|delay| Action::Push { job, delay: *delay }));
            }
        }
        for (worker, Worker { runs }) in self.workers.iter().enumerate() {
            let room = scene.room - u8::try_from(runs.len()).unwrap_or(u8::MAX);
            for (run, held) in runs.iter().enumerate() {
                match held.call {
                    Some(Flight { arrived: false, .. }) => {
                        actions.extend([Action::Arrives { worker, run }, Action::Drop { worker, run }]);
                    }
                    Some(_) => actions.extend([Action::Answered { worker, run }, Action::Drop { worker, run }]),
                    None => self.settlements(scene, worker, run, room + 1, actions),
                }
                let may_call = scene.calls && held.call.is_none() && held.over.is_none() && held.used < held.cost;
                if may_call && held.until > self.now {
                    actions.push(Action::Call { worker, run });
                }
                if scene.heartbeats && held.over.is_none() && runs[..run].iter().all(|other| other.epoch != held.epoch)
                {
                    actions.push(Action::Heartbeat { worker, run });
                }
            }
            if room > 0 {
                self.steps(worker, None, room, actions);
            }
            if self.left.crashes > 0 && !runs.is_empty() {
                actions.push(Action::Crash { worker });
            }
            if self.left.failures > 0 {
                actions.push(Action::StepFails { worker });
            }
        }
        let unarrived = self.orphans.iter().enumerate().filter(|(_, call)| !call.arrived);
        actions.extend(unarrived.map(|(orphan, _)| Action::OrphanArrives { orphan }));
        for request in 0..self.delayed.len() {
            actions.push(Action::ComesLate { request, choice: 0 });
        }
        for (lane, one) in self.shard.lanes.iter().enumerate() {
            if one.paused || self.left.pauses > 0 {
                actions.push(Action::Steer { lane, pause: !one.paused });
            }
            if scene.resumes && !one.paused && one.circuit != Circuit::Closed {
                actions.push(Action::Steer { lane, pause: false });
            }
        }
        if self.left.flushes > 0 {
            actions.push(Action::Flush);
        }
        if self.left.rollbacks > 0 {
            actions.push(if self.older.is_some() { Action::RollBack } else { Action::Keep });
        }
    }

    fn settlements(&self, scene: &Scene, worker: usize, run: usize, room: u8, actions: &mut Vec<Action>) {
        match self.workers[worker].runs[run].over {
            Some(verdict) => self.steps(worker, Some((run, verdict)), room, actions),
            None => {
                let verdicts = if self.left.troubles > 0 { &scene.verdicts[..] } else { &[Verdict::Done] };
                for verdict in verdicts {
                    self.steps(worker, Some((run, *verdict)), room, actions);
                }
            }
        }
    }

    fn steps(&self, worker: usize, settle: Option<(usize, Verdict)>, room: u8, actions: &mut Vec<Action>) {
        for claim in [0, room] {
            // To ask for nothing is to tell something.
            if claim == 0 && settle.is_none() {
                continue;
            }
            actions.push(Action::Step { worker, settle, claim, choice: 0, answer: Answer::Heard });
            if self.left.losses > 0 {
                actions.push(Action::Step { worker, settle, claim, choice: 0, answer: Answer::Lost });
            }
            if self.left.losses > 0 && settle.is_some() {
                actions.push(Action::SendLate { worker, settle, claim });
            }
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
                if self.owed[job] != Owed::Push {
                    self.left.pushes[job] -= 1;
                }
                self.owed[job] = Owed::Run;
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

    /// A call ends of which nothing was heard: it may arrive until its time is out.
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

    fn request(&self, worker: usize, settle: Option<(usize, Verdict)>, claim: u8) -> Request {
        let runs = &self.workers[worker].runs;
        let told = settle.map(|(run, verdict)| {
            let held = &runs[run];
            let since = if held.used == 0 { 0 } else { self.now.cast_signed() - held.ended.cast_signed() };
            let Held { job, epoch, used, .. } = *held;
            Settlement { job, epoch, verdict, used, since, told: Told::default() }
        });
        let finishes = told.is_some_and(|told| runs.iter().filter(|held| held.epoch == told.epoch).count() == 1);
        Request { settle: told, finishes, claim }
    }

    fn spend_trouble(&mut self, settle: Option<(usize, Verdict)>) {
        if settle.is_some_and(|(_, verdict)| verdict != Verdict::Done) {
            self.left.troubles = self.left.troubles.saturating_sub(1);
        }
    }

    /// The run is over, whether the queue has heard of it or not.
    fn end(&mut self, worker: usize, settle: Option<(usize, Verdict)>) {
        if let Some((run, verdict)) = settle {
            self.workers[worker].runs[run].over = Some(verdict);
        }
    }

    /// `step`: the epoch, and the jobs with their tokens. None where a claim has no such choice.
    #[expect(clippy::type_complexity, reason = "an answer that is taken apart at once")]
    fn serve(
        &mut self,
        rules: &Rules,
        request: Request,
        choice: u8,
    ) -> Result<Option<(u64, Vec<(JobId, u32)>)>, Violation> {
        if let Some(told) = request.settle {
            if request.finishes {
                self.shard.finish(told.epoch);
            }
            self.settle(rules, &told)?;
        }
        if self.shard.is_due() {
            let before: Vec<_> = self.shard.lanes.iter().map(Stops::from).collect();
            self.shard.fire_due(rules);
            for (before, after) in before.into_iter().zip(&self.shard.lanes) {
                may_become(before, after.into(), Cause::Other, self.now)?;
            }
        }
        if request.claim == 0 || self.shard.rest > self.now {
            return Ok((choice == 0).then_some((0, Vec::new())));
        }
        let choices = self.choices(rules);
        let Some(&(first, pick)) = choices.get(usize::from(choice)) else {
            return Ok((choices.is_empty() && choice == 0).then_some((0, Vec::new())));
        };
        // The server's clock has gone on since the last claim, whatever became of the state.
        let epoch = if rules.breaks(Mutant::EpochsBeginAnew) { self.shard.epoch + 1 } else { self.top + 1 };
        let mut claimed = Vec::new();
        let lanes = self.shard.lanes.len();
        for lane in (first..lanes).chain(0..first) {
            let left = usize::from(request.claim) - claimed.len();
            if left > 0 && self.shard.lanes[lane].listed {
                let pick = if lane == first { pick } else { 0 };
                self.visit(rules, lane, pick, left, epoch, &mut claimed)?;
            }
        }
        if !claimed.is_empty() {
            if epoch <= self.top {
                broken(5, format!("epoch {epoch} is handed out after {}", self.top))?;
            }
            (self.shard.epoch, self.top) = (epoch, epoch);
            let jobs = claimed.iter().map(|(job, _)| *job).collect();
            self.shard.batches.push(Batch { epoch, until: self.now + rules.limits.lease, jobs, alone: None });
        }
        Ok(Some((epoch, claimed)))
    }

    fn settle(&mut self, rules: &Rules, told: &Settlement) -> Result<(), Violation> {
        let (job, now) = (told.job, self.now);
        let lane = self.shard.jobs[job].lane;
        let (before, place) = (Stops::from(&self.shard.lanes[lane]), self.shard.jobs[job].place);
        let owed = self.owed[job];
        let in_time = self.shard.settle(rules, told);
        if in_time && owed == Owed::Run && matches!(self.shard.jobs[job].place, Place::Scheduled { .. }) {
            broken(6, format!("job {job} was pushed during its run, and is put off"))?;
        }
        if in_time && !matches!(place, Place::Running(run) if run.epoch == told.epoch) {
            broken(5, format!("job {job} is settled by claim {}, and is {place:?}", told.epoch))?;
        }
        let answered = now.saturating_add_signed(-told.since).min(now);
        let cause = Cause::Settled { verdict: told.verdict, epoch: told.epoch, in_time, answered };
        may_become(before, Stops::from(&self.shard.lanes[lane]), cause, now)?;
        if in_time && told.verdict == Verdict::Done && self.owed[job] == Owed::Served {
            self.owed[job] = Owed::Nothing;
        } else if in_time && self.owed[job] == Owed::Served {
            self.owed[job] = Owed::Run;
        }
        Ok(())
    }

    /// Which lane a claim comes upon first, and which of its jobs it takes.
    fn choices(&self, rules: &Rules) -> Vec<(LaneId, usize)> {
        let lanes = self.shard.lanes.iter().enumerate().filter(|(_, lane)| lane.listed);
        let choices = lanes.flat_map(|(number, lane)| {
            let class = classes(rules).find(|class| lane.waiting[usize::from(*class)] > 0);
            let jobs = class.map_or(1, |class| lane.waiting[usize::from(class)].max(1));
            (0..jobs as usize).map(move |pick| (number, pick))
        });
        choices.collect()
    }

    /// `claim.lua`: serves a lane that was taken off the ring.
    fn visit(
        &mut self,
        rules: &Rules,
        number: LaneId,
        pick: usize,
        most: usize,
        epoch: u64,
        claimed: &mut Vec<(JobId, u32)>,
    ) -> Result<(), Violation> {
        let now = self.now;
        let lane = &mut self.shard.lanes[number];
        lane.listed = false;
        if lane.paused && !rules.breaks(Mutant::PausedLaneIsServed) || lane.park != Park::No {
            return Ok(());
        }
        let Some(opens) = lane.opens() else { return Ok(()) };
        if opens > now {
            lane.activate(now);
            return Ok(());
        }
        lane.thaw(now);
        lane.turn_day(rules, now);
        let is_open = lane.circuit == Circuit::Open;
        let most = if is_open && !rules.breaks(Mutant::CircuitLetsManyProbe) { 1 } else { most };
        let mut taken = 0;
        'classes: for class in classes(rules) {
            while taken < most {
                let waits = |place| matches!(place, Place::Waiting(Envelope { class: of, .. }) if of == class);
                let mut jobs = (0..self.shard.jobs.len())
                    .filter(|job| self.shard.jobs[*job].lane == number && waits(self.shard.jobs[*job].place));
                let Some(job) = jobs.nth(if taken == 0 { pick } else { 0 }) else { break };
                let Place::Waiting(stored) = self.shard.jobs[job].place else { break };
                let lane = &mut self.shard.lanes[number];
                let stored = Envelope { cost: lane.clamp(&rules.limits, class, stored.cost), ..stored };
                if let Some(park) = lane.too_dear(rules, class, stored.cost, now) {
                    lane.park(park, &rules.limits, now);
                    break 'classes;
                }
                self.check_claim(rules, job, stored, epoch, is_open && taken > 0)?;
                self.shard.claim(job, stored, epoch);
                self.owed[job] = Owed::Served;
                claimed.push((job, stored.cost));
                taken += 1;
            }
        }
        let lane = &mut self.shard.lanes[number];
        if is_open && taken > 0 {
            lane.circuit = Circuit::Probing(epoch)
        } else {
            lane.activate(now)
        }
        Ok(())
    }

    fn check_claim(
        &self,
        rules: &Rules,
        job: JobId,
        stored: Envelope,
        epoch: u64,
        beside_a_probe: bool,
    ) -> Result<(), Violation> {
        may_claim(rules, &self.shard, job, stored, epoch)?;
        let lane = &self.shard.lanes[self.shard.jobs[job].lane];
        if lane.waiting[..usize::from(stored.class)].iter().any(|waits| *waits > 0) {
            return broken(4, format!("job {job} of class {} goes before a more urgent one", stored.class));
        }
        if beside_a_probe {
            return broken(12, format!("job {job} is claimed beside the probe"));
        }
        if self.owed[job] == Owed::Nothing {
            return broken(6, format!("job {job} runs again, and nobody has pushed it"));
        }
        Ok(())
    }

    /// The queue has another state: what it knows of is to run, what it knows nothing of is to be pushed again.
    fn owe_again(&mut self) {
        for (owed, job) in self.owed.iter_mut().zip(&self.shard.jobs) {
            *owed = match job.place {
                Place::Nowhere if *owed == Owed::Nothing => Owed::Nothing,
                Place::Nowhere => Owed::Push,
                Place::Running(run) if run.extra.is_none() => Owed::Served,
                _ => Owed::Run,
            };
        }
    }

    /// What holds in every state.
    fn is_lawful(&self) -> Result<(), Violation> {
        books_are_right(&self.shard)?;
        for (job, owed) in self.owed.iter().enumerate() {
            let will_run = match self.shard.jobs[job].place {
                Place::Nowhere => matches!(owed, Owed::Nothing | Owed::Push),
                Place::Running(run) => *owed != Owed::Run || run.extra.is_some(),
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

    /// Whether all jobs that are owed, but those of paused lanes, run within a bound once nothing fails any more (law 12).
    ///
    /// # Errors
    /// What breaks meanwhile, or what never runs.
    pub fn gets_done(&self, rules: &Rules, scene: &Scene) -> Result<(), Violation> {
        let mut world = self.clone();
        world.delayed.clear();
        for _ in 0..=scene.patience {
            while world.goes_on(rules, scene)? {}
            if world.is_done() {
                return Ok(());
            }
            world.act(rules, scene, Action::Tick)?;
        }
        let stuck: Vec<_> = (0..world.owed.len()).filter(|job| world.is_stuck(*job)).collect();
        broken(12, format!("jobs {stuck:?} are not run within {} ticks though nothing fails", scene.patience))
    }

    fn is_done(&self) -> bool {
        (0..self.owed.len()).all(|job| !self.is_stuck(job))
    }

    fn is_stuck(&self, job: JobId) -> bool {
        self.owed[job] != Owed::Nothing && !self.shard.lanes[self.shard.jobs[job].lane].paused
    }

    /// Everybody does what is next; whether anything changed.
    fn goes_on(&mut self, rules: &Rules, scene: &Scene) -> Result<bool, Violation> {
        let mut went_on = false;
        for job in 0..self.owed.len() {
            if self.owed[job] == Owed::Push {
                went_on |= self.act(rules, scene, Action::Push { job, delay: 0 })?;
            }
        }
        for worker in 0..self.workers.len() {
            while let Some(held) = self.workers[worker].runs.first().copied() {
                if held.call.is_some() {
                    self.drop_call(rules, worker, 0);
                }
                let verdict = held.over.unwrap_or(Verdict::Done);
                let settle = Some((0, verdict));
                let step = Action::Step { worker, settle, claim: 0, choice: 0, answer: Answer::Heard };
                went_on |= self.act(rules, scene, step)?;
            }
            let claim = Action::Step { worker, settle: None, claim: scene.room, choice: 0, answer: Answer::Heard };
            self.act(rules, scene, claim)?;
            went_on |= !self.workers[worker].runs.is_empty();
        }
        Ok(went_on)
    }
}

impl Action {
    /// The same with the next choice, where a claim may have several.
    #[must_use]
    pub fn next_choice(self) -> Option<Self> {
        match self {
            Self::Step { worker, settle, claim, choice, answer } if claim > 0 => {
                Some(Self::Step { worker, settle, claim, choice: choice + 1, answer })
            }
            Self::ComesLate { request, choice } => Some(Self::ComesLate { request, choice: choice + 1 }),
            _ => None,
        }
    }
}

/// The order in which a claim serves classes.
fn classes(rules: &Rules) -> impl Iterator<Item = u8> + use<> {
    let turned = rules.breaks(Mutant::ClassesAreMixed);
    (0..3).map(move |class| if turned { 2 - class } else { class })
}
