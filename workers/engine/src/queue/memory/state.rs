//! The state of a shard in memory, and the rules of `push`, `step` and `heartbeat`: what the Lua scripts say, in Rust.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::bucket::Bucket;
use super::day::Day;
use super::timer::{Due, Timer};
use crate::job::{Job, Key, NewJob, Priority};
use crate::limit::{Claiming, FirstMeeting, Limit};
use crate::queue::{LaneState, LaneView, Pushed, Settlement, Step, Stepped, Wait};
use crate::verdict::Verdict;

pub(super) struct State {
    limit: Limit,
    claiming: Claiming,
    born_hold: u64,
    lanes: HashMap<String, Lane>,
    running: HashMap<Key, Running>,
    batches: HashMap<u64, Vec<Key>>,
    /// Runnable lanes: those with an interactive job, and all others.
    rings: [VecDeque<String>; 2],
    timer: Timer,
    epoch: u64,
}

#[derive(Default)]
struct Lane {
    park: Park,
    /// By a person.
    paused: bool,
    /// Failed runs in a row.
    failures: u8,
    in_ring: [bool; 2],
    bucket: Bucket,
    day: Day,
    queues: [VecDeque<Entry>; 3],
    /// Which waiting or scheduled entry of a key is the true one.
    index: HashMap<Key, Place>,
}

/// Why a lane is in no ring, or in one for a single job.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Park {
    #[default]
    No,
    /// Until tokens come back, at a known time.
    Tokens,
    /// All tokens are out: the next settlement knows more.
    Starved,
    /// The calls of its day are spent, or bulk's share of them, until then.
    DaySpent(u64),
    /// Until then, whatever happens.
    Held(u64),
    /// Its breaker is open until then.
    Broken(u64),
    /// One job may probe it.
    Probe,
    /// That job runs.
    Probing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Waiting(Priority),
    Scheduled(u64),
}

#[derive(Clone)]
pub(super) struct Entry {
    key: Key,
    priority: Priority,
    cost: u8,
    crashes: u8,
    attempt: u16,
    pushed: u64,
    payload: Bytes,
}

struct Running {
    epoch: u64,
    returned_at_claim: u64,
    entry: Entry,
    extra: Option<Entry>,
}

impl State {
    pub(super) fn new(limit: Limit, claiming: Claiming, meeting: FirstMeeting, now: u64) -> Self {
        let spent = match meeting {
            FirstMeeting::Unspent => 0,
            FirstMeeting::Spent => millis(limit.interval + limit.call_timeout + claiming.lease),
        };
        Self {
            limit,
            claiming,
            born_hold: now + spent,
            lanes: HashMap::new(),
            running: HashMap::new(),
            batches: HashMap::new(),
            rings: Default::default(),
            timer: Timer::default(),
            epoch: 0,
        }
    }

    pub(super) fn is_runnable(&self) -> bool {
        self.rings.iter().any(|ring| !ring.is_empty())
    }

    pub(super) fn push(&mut self, job: &NewJob, now: u64) -> Pushed {
        let NewJob { key, priority, cost, attempt, delay, payload } = job;
        let entry = Entry {
            key: key.clone(),
            priority: *priority,
            cost: *cost,
            crashes: 0,
            attempt: *attempt,
            pushed: now,
            payload: payload.clone(),
        };
        if let Some(running) = self.running.get_mut(key) {
            let answer = if running.extra.is_some() { Pushed::Coalesced } else { Pushed::AfterRunning };
            if running.extra.as_ref().is_none_or(|extra| *priority < extra.priority) {
                running.extra = Some(entry);
            }
            return answer;
        }
        let due = (!delay.is_zero()).then(|| now + millis(*delay));
        match (self.lane(&key.lane, now).index.get(key).copied(), due) {
            (None, Some(due)) => self.schedule(entry, due, now),
            (None, None) => self.enqueue(entry, false, now),
            // The earlier time wins; the entry it replaces no longer matches and is dropped when its time comes.
            (Some(Place::Scheduled(_)), None) => {
                self.enqueue(entry, false, now);
                return Pushed::Coalesced;
            }
            (Some(Place::Scheduled(planned)), Some(due)) => {
                if due < planned {
                    self.schedule(entry, due, now);
                }
                return Pushed::Coalesced;
            }
            (Some(Place::Waiting(class)), due) => {
                if due.is_none() && *priority < class {
                    self.enqueue(entry, false, now);
                }
                return Pushed::Coalesced;
            }
        }
        Pushed::Queued
    }

    pub(super) fn step(&mut self, step: &Step, now: u64) -> Stepped {
        for epoch in &step.finished {
            self.batches.remove(epoch);
            self.timer.end_lease(*epoch);
        }
        let settled = step.settlements.iter().enumerate();
        let late =
            settled.filter(|(_, settlement)| !self.settle(settlement, now)).map(|(position, _)| position).collect();
        while let Some((at, due)) = self.timer.pop(now) {
            self.fire(at, due, now);
        }
        let (epoch, jobs) = self.claim(step.claim, now);
        let wait = match self.timer.next() {
            _ if self.is_runnable() => Wait::More,
            Some(at) => Wait::For(Duration::from_millis(at.saturating_sub(now))),
            None => Wait::ForPush,
        };
        Stepped { jobs, epoch, wait, late }
    }

    pub(super) fn heartbeat(&mut self, epoch: u64, now: u64) -> bool {
        let alive = self.batches.contains_key(&epoch);
        if alive {
            self.timer.lease(epoch, now + millis(self.claiming.lease));
        }
        alive
    }

    pub(super) fn view(&self, name: &str, now: u64) -> Option<LaneView> {
        let lane = self.lanes.get(name)?;
        let (state, held_until) = match lane.park {
            Park::Held(until) | Park::Broken(until) if lane.paused => (LaneState::Paused, until),
            _ if lane.paused => (LaneState::Paused, now),
            Park::Broken(until) => (LaneState::Broken, until),
            Park::Probe | Park::Probing => (LaneState::Broken, now),
            Park::DaySpent(until) => (LaneState::DaySpent, until),
            Park::No => (LaneState::Ready, now),
            Park::Tokens | Park::Starved => (LaneState::WaitsForTokens, now),
            Park::Held(until) => (LaneState::Held, until),
        };
        let small = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
        Some(LaneView {
            lane: name.to_owned(),
            state,
            waiting: [0, 1, 2].map(|class: usize| u32::try_from(lane.queues[class].len()).unwrap_or(u32::MAX)),
            tokens_out: small(lane.bucket.out),
            tokens_cooling: small(lane.bucket.cooling()),
            tokens_free: small(lane.bucket.free(&self.limit)),
            day_used: lane.day.used(),
            held_for: Duration::from_millis(held_until.saturating_sub(now)),
        })
    }

    pub(super) fn views(&self, now: u64) -> Vec<LaneView> {
        self.lanes.keys().filter_map(|name| self.view(name, now)).collect()
    }

    /// Whether the settlement came in time.
    fn settle(&mut self, settlement: &Settlement, now: u64) -> bool {
        let Settlement { job, verdict, permits } = settlement;
        let used = permits.used();
        let until = now + millis(self.limit.interval);
        // Tokens come back one interval after the response, not after the settlement.
        let back = until.saturating_sub(millis(permits.since_last_call()));
        let limit = self.limit;
        let lane = self.lane(&job.key.lane, now);
        lane.bucket.thaw(now);
        lane.day.spend(used, permits.daily_remaining(), &limit, now);
        let Some(running) = self.running.remove(&job.key) else {
            self.lane(&job.key.lane, now).bucket.cool(used, back);
            return false;
        };
        if running.epoch != job.epoch {
            // Too late: the job is another's. The calls it sent are counted all the same.
            self.running.insert(job.key.clone(), running);
            self.lane(&job.key.lane, now).bucket.cool(used, back);
            return false;
        }
        let Running { epoch: _, returned_at_claim, mut entry, extra } = running;
        let lane = self.lane(&job.key.lane, now);
        lane.bucket.out -= u32::from(entry.cost);
        lane.bucket.cool(used, back);
        if let Some(remaining) = permits.remaining() {
            lane.bucket.put_aside_for_others(&limit, remaining, returned_at_claim, until);
        }
        self.judge(&job.key.lane, verdict, now);
        // The run to come serves the extra push too; the more urgent of the two decides its class.
        let urgent = extra.as_ref().map_or(entry.priority, |extra| extra.priority.min(entry.priority));
        entry.priority = urgent;
        match verdict {
            Verdict::Done | Verdict::Dead => {
                if let Some(extra) = extra {
                    self.enqueue(extra, false, now);
                }
            }
            Verdict::Retry { after } => {
                entry.attempt = entry.attempt.saturating_add(1);
                self.schedule_or_enqueue(entry, *after, now);
            }
            Verdict::Snooze { after } => self.schedule_or_enqueue(entry, *after, now),
            Verdict::Throttled { .. } | Verdict::Broken { .. } | Verdict::Released => self.enqueue(entry, true, now),
        }
        self.reconsider(&job.key.lane);
        true
    }

    /// What the verdict says of the lane as a whole.
    fn judge(&mut self, name: &str, verdict: &Verdict, now: u64) {
        let breaker = self.claiming.breaker;
        let lane = self.lane(name, now);
        let probing = lane.park == Park::Probing;
        match verdict {
            Verdict::Throttled { hold } => self.hold(name, now + millis(*hold)),
            Verdict::Broken { probe_after } => self.break_off(name, now + millis(*probe_after)),
            Verdict::Retry { .. } => {
                lane.failures = lane.failures.saturating_add(1);
                if probing || lane.failures >= breaker.failures {
                    self.break_off(name, now + millis(breaker.probe_after));
                }
            }
            Verdict::Done | Verdict::Dead => {
                lane.failures = 0;
                if probing {
                    self.unpark(name);
                }
            }
            // Given back or put off: nothing is known yet.
            Verdict::Snooze { .. } | Verdict::Released if probing => lane.park = Park::Probe,
            Verdict::Snooze { .. } | Verdict::Released => {}
        }
    }

    /// Opens the lane's breaker.
    fn break_off(&mut self, name: &str, until: u64) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        (lane.park, lane.failures) = (Park::Broken(until), 0);
        self.timer.wake_lane(name, until);
    }

    pub(super) fn steer(&mut self, name: &str, pause: bool, now: u64) {
        let lane = self.lane(name, now);
        lane.bucket.thaw(now);
        lane.paused = pause;
        if !pause {
            lane.failures = 0;
            if matches!(lane.park, Park::Held(_) | Park::Broken(_) | Park::DaySpent(_)) {
                lane.park = Park::No;
            }
            self.activate(name);
        }
    }

    fn schedule_or_enqueue(&mut self, entry: Entry, after: Duration, now: u64) {
        match millis(after) {
            0 => self.enqueue(entry, false, now),
            after => self.schedule(entry, now + after, now),
        }
    }

    fn fire(&mut self, at: u64, due: Due, now: u64) {
        match due {
            Due::Lane(name) => {
                let lane = self.lane(&name, now);
                lane.bucket.thaw(now);
                match lane.park {
                    Park::Held(until) | Park::Broken(until) if until > now => self.timer.wake_lane(&name, until),
                    Park::Broken(_) => {
                        lane.park = Park::Probe;
                        self.activate(&name);
                    }
                    Park::Held(_) | Park::DaySpent(_) | Park::Tokens | Park::Starved => self.unpark(&name),
                    Park::No | Park::Probe | Park::Probing => {}
                }
            }
            Due::Scheduled(entry) => {
                let place = self.lane(&entry.key.lane, now).index.get(&entry.key).copied();
                if place == Some(Place::Scheduled(at)) {
                    self.enqueue(*entry, false, now);
                }
            }
            Due::Lease(epoch) => self.expire(epoch, now),
            Due::Tokens { lane, cost } => {
                let bucket = &mut self.lane(&lane, now).bucket;
                bucket.thaw(now);
                bucket.out -= u32::from(cost);
                self.reconsider(&lane);
            }
        }
    }

    /// Gives the jobs of a dead worker to others.
    fn expire(&mut self, epoch: u64, now: u64) {
        for key in self.batches.remove(&epoch).unwrap_or_default() {
            let Some(running) = self.running.remove(&key) else { continue };
            if running.epoch != epoch {
                self.running.insert(key, running);
                continue;
            }
            let Running { entry: mut lost, .. } = running;
            // Nobody knows what it sent, or when the last call arrives: its tokens stay away for time-out and interval.
            let back = now + millis(self.limit.call_timeout + self.limit.interval);
            self.timer.add(back, Due::Tokens { lane: key.lane, cost: lost.cost });
            lost.crashes = lost.crashes.saturating_add(1);
            let name = lost.key.lane.clone();
            self.enqueue(lost, true, now);
            let lane = self.lane(&name, now);
            if lane.park == Park::Probing {
                lane.park = Park::Probe;
                self.activate(&name);
            }
        }
    }

    fn claim(&mut self, most: usize, now: u64) -> (u64, Vec<Job>) {
        let (mut jobs, full_turn) = (Vec::new(), usize::from(self.claiming.turn));
        // Above every earlier epoch, also of an earlier life of this process: records are fenced by it.
        let epoch = (now * 1000).max(self.epoch + 1);
        while jobs.len() < most {
            let hot = !self.rings[0].is_empty();
            let Some(name) = self.rings[usize::from(!hot)].pop_front() else { break };
            let lane = self.lane(&name, now);
            lane.in_ring[usize::from(!hot)] = false;
            let turn = match lane.park {
                _ if lane.paused => continue,
                Park::No => (most - jobs.len()).min(full_turn),
                Park::Probe => 1,
                _ => continue,
            };
            let (probe, before) = (lane.park == Park::Probe, jobs.len());
            self.serve(&name, turn, hot, epoch, now, &mut jobs);
            let lane = self.lane(&name, now);
            match lane.park {
                Park::Probe if jobs.len() > before => lane.park = Park::Probing,
                // It could not be paid for.
                Park::Tokens | Park::Starved | Park::DaySpent(_) if probe => {
                    self.break_off(&name, now + millis(self.limit.interval))
                }
                _ => {}
            }
            self.activate(&name);
        }
        if !jobs.is_empty() {
            self.epoch = epoch;
            self.batches.insert(epoch, jobs.iter().map(|job| job.key.clone()).collect());
            self.timer.lease(epoch, now + millis(self.claiming.lease));
        }
        (epoch, jobs)
    }

    /// Claims up to `most` jobs of a lane, the most urgent class first; interactive ones alone where `hottest`.
    fn serve(&mut self, name: &str, most: usize, hottest: bool, epoch: u64, now: u64, jobs: &mut Vec<Job>) {
        let limit = self.limit;
        let enough = jobs.len() + most;
        let lane = self.lane(name, now);
        lane.bucket.thaw(now);
        lane.day.turn(now);
        while jobs.len() < enough {
            let lane = self.lane(name, now);
            let Some(class) = Priority::ALL.into_iter().find(|class| !lane.queues[*class as usize].is_empty()) else {
                return;
            };
            if hottest && class != Priority::Interactive {
                return;
            }
            let (kept, kept_today) = match class {
                Priority::Bulk => (u32::from(limit.reserve), limit.daily_reserve()),
                Priority::Interactive | Priority::Realtime => (0, 0),
            };
            let affordable = lane.bucket.free(&limit).saturating_sub(kept);
            let affordable_today = lane.day.left(&limit, lane.bucket.out).saturating_sub(kept_today);
            let queue = &mut lane.queues[class as usize];
            let Some(head) = queue.front() else { return };
            if lane.index.get(&head.key) != Some(&Place::Waiting(class)) {
                // Replaced by a more urgent entry of the same key.
                queue.pop_front();
                continue;
            }
            if u32::from(head.cost) > affordable_today {
                let until = lane.day.next_return(now);
                lane.park = Park::DaySpent(until);
                self.timer.wake_lane(name, until);
                return;
            }
            if u32::from(head.cost) > affordable {
                self.park_for_tokens(name);
                return;
            }
            let Some(entry) = queue.pop_front() else { return };
            lane.index.remove(&entry.key);
            lane.bucket.out += u32::from(entry.cost);
            let returned_at_claim = lane.bucket.returned;
            jobs.push(entry.claimed(epoch, now));
            self.running.insert(entry.key.clone(), Running { epoch, returned_at_claim, entry, extra: None });
        }
    }

    fn lane(&mut self, name: &str, now: u64) -> &mut Lane {
        if !self.lanes.contains_key(name) {
            let mut lane = Lane::default();
            if self.born_hold > now {
                lane.park = Park::Held(self.born_hold);
                self.timer.wake_lane(name, self.born_hold);
            }
            self.lanes.insert(name.to_owned(), lane);
        }
        self.lanes.entry(name.to_owned()).or_default()
    }

    /// Lets an entry wait: at the tail of its class, or at the head where it only lost its turn.
    fn enqueue(&mut self, entry: Entry, at_head: bool, now: u64) {
        let name = entry.key.lane.clone();
        let class = entry.priority;
        let lane = self.lane(&name, now);
        lane.index.insert(entry.key.clone(), Place::Waiting(class));
        let queue = &mut lane.queues[class as usize];
        if at_head {
            queue.push_front(entry)
        } else {
            queue.push_back(entry)
        }
        if class < Priority::Bulk {
            self.reconsider(&name);
        }
        self.activate(&name);
    }

    fn schedule(&mut self, entry: Entry, due: u64, now: u64) {
        self.lane(&entry.key.lane, now).index.insert(entry.key.clone(), Place::Scheduled(due));
        self.timer.add(due, Due::Scheduled(Box::new(entry)));
    }

    /// Puts a lane that is not parked where a claim will find it.
    fn activate(&mut self, name: &str) {
        let open = |lane: &&mut Lane| !lane.paused && matches!(lane.park, Park::No | Park::Probe);
        let Some(lane) = self.lanes.get_mut(name).filter(open) else { return };
        let [interactive, others @ ..] = &lane.queues;
        let wanted = [!interactive.is_empty(), others.iter().any(|queue| !queue.is_empty())];
        for ring in [0, 1] {
            if wanted[ring] && !lane.in_ring[ring] {
                lane.in_ring[ring] = true;
                self.rings[ring].push_back(name.to_owned());
            }
        }
    }

    fn unpark(&mut self, name: &str) {
        if let Some(lane) = self.lanes.get_mut(name) {
            lane.park = Park::No;
        }
        self.activate(name);
    }

    fn park_for_tokens(&mut self, name: &str) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        match lane.bucket.next_return() {
            Some(at) => {
                lane.park = Park::Tokens;
                self.timer.wake_lane(name, at);
            }
            None => lane.park = Park::Starved,
        }
    }

    fn hold(&mut self, name: &str, until: u64) {
        let (limit, interval) = (self.limit, millis(self.limit.interval));
        let Some(lane) = self.lanes.get_mut(name) else { return };
        let until = match lane.park {
            Park::Held(before) => before.max(until),
            _ => until,
        };
        lane.park = Park::Held(until);
        lane.bucket.ramp(&limit, until, interval);
        self.timer.wake_lane(name, until);
    }

    /// After tokens came back or a more urgent job came: lets the lane try again.
    fn reconsider(&mut self, name: &str) {
        let Some(lane) = self.lanes.get(name) else { return };
        match lane.park {
            Park::DaySpent(_) if lane.day.left(&self.limit, lane.bucket.out) > 0 => self.unpark(name),
            Park::Tokens | Park::Starved if lane.bucket.free(&self.limit) > 0 => self.unpark(name),
            Park::Starved => self.park_for_tokens(name),
            _ => {}
        }
    }
}

impl Entry {
    fn claimed(&self, epoch: u64, now: u64) -> Job {
        let Self { key, priority, cost, crashes, attempt, pushed, payload } = self.clone();
        let waited = Duration::from_millis(now.saturating_sub(pushed));
        Job { key, priority, cost, crashes, attempt, waited, payload, epoch }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
