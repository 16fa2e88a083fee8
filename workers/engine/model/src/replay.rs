//! Follows a trace with the model: each line has to be what the model's step does in that state, or one of those that it may do.
//!
//! What a line says is not taken on trust: settlements in time or late, answers of pushes and heartbeats, what is due, what a claim may take, and how
//! the lanes stand that were touched all have to be what the model says. After a state that came back older the rest of a shard's lines is passed over,
//! since nobody has seen what it knows; that it rests is looked at.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::lane::{Circuit, Lane};
use crate::laws::{NONE, Violation, broken, may_claim};
use crate::rules::Rules;
use crate::search::fingerprint;
use crate::shard::{Batch, Envelope, Job, JobId, LaneId, Place, Pushed, Settlement, Shard};
use crate::trace::{Line, Seen, Stored};

/// A line that the model does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// What is said of it.
    pub violation: Violation,
    /// The line.
    pub line: String,
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n  {}", self.violation, self.line)
    }
}

/// A trace as far as it was read, of any number of shards.
#[derive(Debug, Default)]
pub struct Replay {
    /// By shard and life of its state.
    shards: HashMap<(String, String), Followed>,
    /// The last life of each shard.
    lives: HashMap<String, String>,
    taken: u64,
}

/// A shard as far as it was followed.
#[derive(Debug)]
struct Followed {
    rules: Rules,
    shard: Shard,
    lanes: HashMap<String, LaneId>,
    jobs: HashMap<String, JobId>,
    kinds: BTreeSet<String>,
    /// Envelopes that a more urgent push of their job has replaced, and that are listed still. Should their job wait in their class again before they
    /// are come upon, they run in the place of the newer one.
    replaced: HashMap<JobId, Vec<Envelope>>,
    /// How often a clock was found to be set, and when a claim was made last.
    steps: u64,
    claimed_at: u64,
    /// The line that comes next.
    seq: u64,
    /// Lines that came before those before them, as of several processes.
    early: BTreeMap<u64, (Line, String)>,
    /// The lines that came last, by their fingerprints: two processes may have fetched one.
    lately: VecDeque<(u64, u64)>,
    /// Whether an older state came back, of which nothing is known.
    is_lost: bool,
    passed_over: u64,
}

/// A step that fires as much may have left some.
const MOST_DUE: usize = 64;
/// Lines that lie further apart than these are missing.
const MOST_EARLY: usize = 1_000_000;
/// A line that two have fetched comes twice within so many.
const LATELY: usize = 1000;

impl Replay {
    /// Reads one more line.
    ///
    /// # Errors
    /// The first line that the model rejects, and why.
    pub fn read(&mut self, text: &str) -> Result<(), Rejected> {
        let reject = |what: String| Rejected { violation: Violation { law: NONE, what }, line: text.to_owned() };
        let line: Line = serde_json::from_str(text).map_err(|error| reject(format!("it is no line: {error}")))?;
        let name = (line.shard.clone(), line.life.clone());
        if !self.shards.contains_key(&name) {
            // The state before it was lost.
            if let Some(before) = self.lives.insert(line.shard.clone(), line.life.clone())
                && let Some(before) = self.shards.get(&(line.shard.clone(), before))
                && let counts = before.shard.now + before.rules.limits.unknown_calls()
                && line.rest.max(line.now) < counts
            {
                let what = format!("a lost state rests until {}, and calls may count until {counts}", line.rest);
                return Err(Rejected { violation: Violation { law: 2, what }, line: text.to_owned() });
            }
            self.shards.insert(name.clone(), Followed::new(&line));
        }
        let Some(followed) = self.shards.get_mut(&name) else { return Ok(()) };
        let print = fingerprint(text.as_bytes());
        if line.seq < followed.seq && !followed.is_lost {
            // Two have fetched it.
            if followed.lately.contains(&(line.seq, print)) {
                return Ok(());
            }
            let lasts = line.rest.saturating_sub(line.now);
            if lasts < followed.rules.limits.unknown_calls() {
                let what = format!("an older state comes back, and rests for {lasts}");
                return Err(Rejected { violation: Violation { law: 2, what }, line: text.to_owned() });
            }
            followed.is_lost = true;
        }
        if followed.is_lost {
            followed.passed_over += 1;
            return Ok(());
        }
        followed.early.insert(line.seq, (line, text.to_owned()));
        while let Some((line, text)) = followed.early.remove(&followed.seq) {
            followed.lately.push_back((followed.seq, fingerprint(text.as_bytes())));
            if followed.lately.len() > LATELY {
                followed.lately.pop_front();
            }
            followed.follow(&line).map_err(|violation| Rejected { violation, line: text })?;
            followed.seq += 1;
            self.taken += 1;
        }
        if followed.early.len() > MOST_EARLY {
            return Err(reject(format!("line {} is missing", followed.seq)));
        }
        Ok(())
    }

    /// Ends the trace: how many lines were taken, and how many passed over.
    ///
    /// # Errors
    /// The first line behind one that is missing.
    pub fn end(self) -> Result<(u64, u64), Rejected> {
        let mut passed_over = 0;
        for followed in self.shards.into_values() {
            passed_over += followed.passed_over;
            if let Some((line, text)) = followed.early.into_values().next() {
                let what = format!("lines {} to {} are missing", followed.seq, line.seq - 1);
                return Err(Rejected { violation: Violation { law: NONE, what }, line: text });
            }
        }
        Ok((self.taken, passed_over))
    }

    /// Lines that were taken so far.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken
    }
}

impl Followed {
    fn new(line: &Line) -> Self {
        let shard = Shard { rest: line.rest, ..Shard::empty(0, &[], line.now, line.born) };
        Self {
            rules: Rules::new(line.limits()),
            shard,
            lanes: HashMap::new(),
            jobs: HashMap::new(),
            kinds: BTreeSet::new(),
            replaced: HashMap::new(),
            steps: line.steps,
            claimed_at: line.now,
            seq: 1,
            early: BTreeMap::new(),
            lately: VecDeque::new(),
            is_lost: false,
            passed_over: 0,
        }
    }

    fn lane(&mut self, name: &str) -> LaneId {
        if let Some(lane) = self.lanes.get(name) {
            return *lane;
        }
        self.shard.lanes.push(Lane::default());
        self.lanes.insert(name.to_owned(), self.shard.lanes.len() - 1);
        self.shard.lanes.len() - 1
    }

    fn job(&mut self, slot: &str) -> JobId {
        if let Some(job) = self.jobs.get(slot) {
            return *job;
        }
        let lane = self.lane(slot.split('\0').next().unwrap_or_default());
        self.shard.jobs.push(Job { lane, place: Place::Nowhere });
        self.jobs.insert(slot.to_owned(), self.shard.jobs.len() - 1);
        self.shard.jobs.len() - 1
    }

    fn follow(&mut self, line: &Line) -> Result<(), Violation> {
        if self.seq == 1 {
            // The one that was read first may be a later one.
            (self.shard.now, self.shard.rest, self.shard.born) = (line.now, line.rest, line.born);
            (self.steps, self.claimed_at) = (line.steps, line.now);
        }
        // A clock that was set back may take back what lies after the last claim: all that is to come back at a time then does so later.
        let is_set_back = line.steps > self.steps && line.now >= self.claimed_at;
        if line.now < self.shard.now && !is_set_back {
            broken(9, format!("the queue's time goes back from {} to {}", self.shard.now, line.now))?;
        }
        self.rules = Rules::new(line.limits());
        (self.shard.now, self.steps) = (line.now, line.steps);
        if line.rest < self.shard.rest && self.shard.rest > line.now {
            broken(2, format!("the rest until {} ends at {}", self.shard.rest, line.rest))?;
        }
        if line.born != self.shard.born && line.rest < line.now + self.rules.limits.unknown_calls() {
            broken(2, format!("another life of the state begins, and rests until {} alone", line.rest))?;
        }
        (self.shard.rest, self.shard.born) = (line.rest, line.born);
        match &line.call[..] {
            "push" => self.push(line)?,
            "step" => self.step(line)?,
            "heartbeat" => {
                for beat in &line.beats {
                    if self.shard.heartbeat(&self.rules, beat.epoch) != beat.alive {
                        broken(5, format!("a heartbeat of {} is answered {}", beat.epoch, beat.alive))?;
                    }
                }
            }
            "steer" => {
                let lane = self.lane(&line.lane);
                self.shard.steer(&self.rules, lane, line.pauses);
            }
            "kinds" if line.pauses => drop(self.kinds.insert(line.kind.clone())),
            "kinds" => drop(self.kinds.remove(&line.kind)),
            "alone" => {
                let job = if line.slot.is_empty() { None } else { Some(self.job(&line.slot)) };
                for epoch in &line.finished {
                    self.shard.alone(epoch.parse().unwrap_or_default(), line.alone.then_some(job));
                }
            }
            "meet" => {}
            other => broken(0, format!("there is no function {other}"))?,
        }
        if line.epoch < self.shard.epoch {
            broken(5, format!("the last epoch falls from {} to {}", self.shard.epoch, line.epoch))?;
        }
        self.shard.epoch = line.epoch;
        for (name, seen) in &line.lanes {
            let lane = self.lane(name);
            self.stands_as(lane, name, seen)?;
        }
        Ok(())
    }

    fn push(&mut self, line: &Line) -> Result<(), Violation> {
        for pushed in &line.pushed {
            let job = self.job(&pushed.slot);
            let before = self.shard.jobs[job].place;
            let answer = self.shard.push(&self.rules, job, pushed.stored(), pushed.delay);
            if let (Place::Waiting(before), Place::Waiting(stored)) = (before, self.shard.jobs[job].place)
                && before != stored
            {
                let replaced = self.replaced.entry(job).or_default();
                if !replaced.contains(&before) {
                    replaced.push(before);
                }
            }
            let reported =
                [Pushed::Queued, Pushed::Coalesced, Pushed::AfterRunning].get(usize::from(pushed.answer)).copied();
            if reported != Some(answer) {
                broken(6, format!("a push of {:?} is answered {reported:?}, and is {answer:?}", pushed.slot))?;
            }
        }
        Ok(())
    }

    fn step(&mut self, line: &Line) -> Result<(), Violation> {
        for epoch in &line.finished {
            self.shard.finish(epoch.parse().unwrap_or_default());
        }
        for settled in &line.settled {
            let job = self.job(&settled.slot);
            let Some(outcome) = settled.outcome() else { return broken(0, "there is no such verdict") };
            let (epoch, used, since) = (settled.epoch, settled.used, settled.since);
            let settlement = Settlement { job, epoch, outcome, used, since, reported: settled.reported() };
            if self.shard.settle(&self.rules, &settlement) == settled.late {
                let late = if settled.late { "too late" } else { "in time" };
                broken(5, format!("the settlement of {:?} by {epoch} is taken to come {late}", settled.slot))?;
            }
        }
        self.fire(line)?;
        self.claim(line)?;
        self.wait(line)
    }

    /// What has fired was due, and what was due has fired.
    fn fire(&mut self, line: &Line) -> Result<(), Violation> {
        let (now, mut weight) = (self.shard.now, line.fired.len());
        for what in &line.fired {
            let (kind, name) = what.split_at_checked(1).unwrap_or_default();
            match kind {
                "B" => {
                    let epoch: u64 = name.parse().unwrap_or_default();
                    let Some(at) = self.shard.batches.iter().position(|batch| batch.epoch == epoch) else {
                        // Its batch was settled by another call of its worker, or it was reported twice that it is.
                        continue;
                    };
                    let batch = self.shard.batches.remove(at);
                    if batch.until > now {
                        broken(5, format!("the lease of {epoch} ends {} too early", batch.until - now))?;
                    }
                    weight += batch.jobs.len();
                    self.shard.expire(&self.rules, batch);
                }
                "T" => {
                    let mut parts = name.splitn(3, ':');
                    let (Some(_), Some(epoch), Some(slot)) = (parts.next(), parts.next(), parts.next()) else {
                        continue;
                    };
                    // A damaged one was set aside.
                    if !slot.contains('\0') {
                        continue;
                    }
                    let (job, epoch) = (self.job(slot), epoch.parse::<u64>().unwrap_or_default());
                    let lane = self.shard.jobs[job].lane;
                    let lost =
                        self.shard.lanes[lane].lost.iter().position(|lost| lost.job == job && lost.epoch == epoch);
                    let Some(lost) = lost else { return broken(2, format!("tokens come back twice: {what:?}")) };
                    let at = self.shard.lanes[lane].lost[lost].at;
                    if at > now {
                        broken(2, format!("tokens of the dead come back {} too early: {what:?}", at - now))?;
                    }
                    self.shard.give_back(&self.rules, lane, lost);
                }
                "J" => {
                    let job = self.job(name);
                    // Else an earlier one has taken its place.
                    if matches!(self.shard.jobs[job].place, Place::Scheduled { due, .. } if due <= now) {
                        self.shard.fire(&self.rules, job);
                    }
                }
                "L" => {
                    let lane = self.lane(name);
                    self.shard.wake(&self.rules, lane);
                }
                // A look for lanes to forget ends it.
                _ => weight = MOST_DUE,
            }
        }
        if weight < MOST_DUE {
            if let Some(batch) = self.shard.batches.iter().find(|batch| batch.until <= now) {
                broken(5, format!("the lease of {} was over, and its jobs do not wait", batch.epoch))?;
            }
            let mut lost = self.shard.lanes.iter().flat_map(|lane| &lane.lost);
            if let Some(lost) = lost.find(|lost| lost.at <= now) {
                broken(12, format!("tokens of the dead were due at {}, and stay away", lost.at))?;
            }
        }
        Ok(())
    }

    fn claim(&mut self, line: &Line) -> Result<(), Violation> {
        let (now, epoch) = (self.shard.now, line.claim);
        if line.claimed.len() as u64 > line.most {
            broken(10, format!("{} jobs are claimed, {} were wanted", line.claimed.len(), line.most))?;
        }
        if !line.claimed.is_empty() && epoch / 1000 < now {
            broken(5, format!("epoch {epoch} is below the time {now}"))?;
        }
        let mut jobs = Vec::new();
        for claimed in &line.claimed {
            let job = self.job(&claimed.slot);
            self.claim_one(claimed, job, epoch)?;
            jobs.push(job);
        }
        let mut lanes: Vec<_> = jobs.iter().map(|job| self.shard.jobs[*job].lane).collect();
        lanes.sort_unstable();
        for lanes in lanes.chunk_by(|one, other| one == other) {
            let lane = &mut self.shard.lanes[lanes[0]];
            if lane.circuit == Circuit::Open {
                if lanes.len() > 1 {
                    broken(12, format!("{} jobs probe an open circuit at once", lanes.len()))?;
                }
                lane.circuit = Circuit::Probing(epoch);
            }
        }
        if !jobs.is_empty() {
            self.claimed_at = now;
            let until = now + self.rules.limits.lease;
            self.shard.batches.push(Batch { epoch, until, jobs, alone: None });
        }
        Ok(())
    }

    fn claim_one(&mut self, claimed: &Stored, job: JobId, epoch: u64) -> Result<(), Violation> {
        let (stored, now) = (claimed.stored(), self.shard.now);
        may_claim(&self.rules, &self.shard, job, stored, epoch)?;
        let number = self.shard.jobs[job].lane;
        let lane = &mut self.shard.lanes[number];
        lane.thaw(now);
        lane.turn_day(&self.rules, now);
        if let Place::Waiting(waits) | Place::Scheduled { stored: waits, .. } = self.shard.jobs[job].place {
            let cost = self.shard.lanes[number].clamp(&self.rules.limits, waits.class, waits.cost);
            let is_it = |waits: &Envelope, cost| {
                let claimed = (stored.class, stored.attempt, stored.crashes, stored.cost);
                (waits.class, waits.attempt, waits.crashes, cost) == claimed
            };
            let (lane, replaced) = (&self.shard.lanes[number], self.replaced.entry(job).or_default());
            let clamped = |older: &Envelope| lane.clamp(&self.rules.limits, older.class, older.cost);
            if let Some(at) = replaced.iter().position(|older| is_it(older, clamped(older))) {
                // The newer one is listed still.
                replaced[at] = waits;
            } else if !is_it(&waits, cost) {
                broken(11, format!("{:?} waits as {waits:?} and is claimed as {stored:?}", claimed.slot))?;
            }
        }
        let kind = claimed.slot.split('\0').nth(1).and_then(|key| key.split('/').next()).unwrap_or_default();
        if self.kinds.contains(kind) {
            broken(12, format!("{:?} is claimed, and its kind is paused", claimed.slot))?;
        }
        self.shard.claim(job, stored, epoch);
        Ok(())
    }

    /// Who was asked to wait waits since nothing can be claimed, and not for longer than until something is due.
    fn wait(&self, line: &Line) -> Result<(), Violation> {
        let Shard { now, rest, .. } = self.shard;
        if line.wait == 0 || line.shared || rest > now || !self.kinds.is_empty() {
            return Ok(());
        }
        let reported = u64::try_from(line.wait).map_or(u64::MAX, |wait| now + wait);
        let lost = self.shard.lanes.iter().flat_map(|lane| &lane.lost).map(|lost| lost.at);
        let due = self.shard.batches.iter().map(|batch| batch.until).chain(lost).min();
        if due.is_some_and(|due| due.max(now) < reported) {
            broken(12, format!("a worker is told to wait until {reported}, and {due:?} is due"))?;
        }
        if line.most == 0 || line.claimed.len() as u64 == line.most {
            return Ok(());
        }
        for (name, number) in &self.lanes {
            let lane = &self.shard.lanes[*number];
            let Some(class) = (0..3_u8).find(|class| lane.waiting[usize::from(*class)] > 0) else { continue };
            let opens = lane.opens().is_some_and(|opens| opens <= now);
            let most = lane.clamp(&self.rules.limits, class, u32::from(u8::MAX));
            if opens && !lane.paused && lane.too_dear(&self.rules, class, most, now).is_none() {
                broken(12, format!("lane {name:?} has jobs that wait and can pay for any, and none is claimed"))?;
            }
        }
        Ok(())
    }

    fn stands_as(&mut self, number: LaneId, name: &str, seen: &Seen) -> Result<(), Violation> {
        let now = self.shard.now;
        let lane = &mut self.shard.lanes[number];
        if lane.out != seen.out {
            broken(2, format!("lane {name:?} has {} tokens out, and says {}", lane.out, seen.out))?;
        }
        // What is due may not have been looked at.
        while lane.cooling() > seen.cooling && lane.cooling.first().is_some_and(|(at, _)| *at <= now) {
            lane.returned += u64::from(lane.cooling.remove(0).1);
        }
        if lane.cooling() != seen.cooling {
            broken(2, format!("lane {name:?} has {} tokens cooling, and says {}", lane.cooling(), seen.cooling))?;
        }
        if lane.paused != seen.paused {
            broken(12, format!("lane {name:?} says that it is paused: {}", seen.paused))?;
        }
        if lane.hold.max(now) != seen.hold.max(now) {
            broken(3, format!("lane {name:?} is held until {}, and says {}", lane.hold, seen.hold))?;
        }
        let circuit = match lane.circuit {
            Circuit::Closed => (0, 0, now),
            Circuit::Open => (1, 0, lane.probe_at.max(now)),
            Circuit::Probing(probe) => (2, probe, lane.probe_at.max(now)),
        };
        let probe = if seen.circuit == 2 { seen.probe } else { 0 };
        let says = (seen.circuit, probe, if seen.circuit == 0 { now } else { seen.probe_at.max(now) });
        if circuit != says {
            broken(12, format!("the circuit of lane {name:?} is {circuit:?}, and says {says:?}"))?;
        }
        Ok(())
    }
}
