//! The state of a shard in memory, what is done to it, and the moves that all of that is made of: what the Lua functions say, in Rust.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::Spent;
use super::day::Day;
use super::lane::{Entry, Lane, Park, Place, Running};
use super::timer::{Due, Timer};
use crate::job::{Key, NewJob, Priority};
use crate::limit::{Claiming, DAY_BIN, FirstMeeting, Limit};
use crate::queue::{LaneView, Pushed, Step, Stepped, Wait};

pub(super) struct State {
    pub(super) limit: Limit,
    pub(super) claiming: Claiming,
    pub(super) born_hold: u64,
    pub(super) lanes: HashMap<String, Lane>,
    pub(super) running: HashMap<Key, Running>,
    pub(super) batches: HashMap<u64, Batch>,
    /// Runnable lanes: those with an interactive job, and all others.
    pub(super) rings: [VecDeque<String>; 2],
    /// Jobs that claims came upon, by their kinds: those that are paused.
    pub(super) aside: HashMap<String, Vec<Entry>>,
    pub(super) timer: Timer,
    pub(super) epoch: u64,
    /// Whether a look for lanes to forget is planned.
    pub(super) forgets: bool,
}

/// The jobs of one claim.
pub(super) struct Batch {
    pub(super) keys: Vec<Key>,
    pub(super) begun: Begun,
}

/// Which jobs of a batch may have begun, and so have caused the death of their worker (law 11).
pub(super) enum Begun {
    All,
    /// A suspect runs alone, and all others wait; none where it is of another shard.
    Alone(Option<Key>),
}

impl State {
    pub(super) fn new(limit: Limit, claiming: Claiming, meeting: FirstMeeting, now: u64) -> Self {
        let spent = match meeting {
            FirstMeeting::Unspent => 0,
            FirstMeeting::Spent => millis(limit.interval + limit.call_timeout + claiming.lease) + 1,
        };
        Self {
            limit,
            claiming,
            born_hold: now + spent,
            lanes: HashMap::new(),
            running: HashMap::new(),
            batches: HashMap::new(),
            rings: Default::default(),
            aside: HashMap::new(),
            timer: Timer::default(),
            epoch: 0,
            forgets: false,
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
            // The earlier time and the more urgent class win; the entry it replaces no longer matches and is dropped when its time comes.
            (Some(Place::Scheduled { due: planned, class }), due) => {
                let priority = class.min(*priority);
                let entry = Entry { priority, ..entry };
                match due {
                    None => self.enqueue(entry, false, now),
                    Some(due) if due < planned || priority < class => self.schedule(entry, due.min(planned), now),
                    Some(_) => {}
                }
                return Pushed::Coalesced;
            }
            (Some(Place::Waiting(class)), _) => {
                // Also where it was put off: a less urgent one may wait for much longer.
                if *priority < class {
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
        self.fire_due(now);
        let (epoch, jobs) = self.claim(step.claim, now);
        let wait = match self.timer.next() {
            _ if self.is_runnable() => Wait::More,
            Some(at) if at <= now => Wait::More,
            Some(at) => Wait::For(Duration::from_millis(at.saturating_sub(now))),
            None => Wait::ForPush,
        };
        Stepped { jobs, epoch, wait, late, begun: Instant::now() }
    }

    /// When something is due next.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.timer.next()
    }

    pub(super) fn heartbeat(&mut self, epoch: u64, now: u64) -> bool {
        let alive = self.batches.contains_key(&epoch);
        if alive {
            self.timer.lease(epoch, now + millis(self.claiming.lease));
        }
        alive
    }

    /// Notes that of these batches' jobs this one runs and all others wait, or that they may all run.
    pub(super) fn alone(&mut self, key: Option<&Key>, epochs: &[u64], is_alone: bool) {
        for epoch in epochs {
            if let Some(batch) = self.batches.get_mut(epoch) {
                batch.begun = if is_alone { Begun::Alone(key.cloned()) } else { Begun::All };
            }
        }
    }

    pub(super) fn steer(&mut self, name: &str, pause: bool, now: u64) {
        let lane = self.lane(name, now);
        lane.bucket.thaw(now);
        lane.paused = pause;
        if !pause {
            lane.failures = 0;
            if matches!(lane.park, Park::Held(_) | Park::Broken(_) | Park::DaySpent(_) | Park::Paced(_)) {
                lane.park = Park::No;
            }
            self.activate(name);
        }
    }

    pub(super) fn steer_kind(&mut self, kind: &str, pause: bool, now: u64) {
        if pause {
            self.aside.entry(kind.to_owned()).or_default();
            return;
        }
        for entry in self.aside.remove(kind).unwrap_or_default() {
            // Else a more urgent entry of its key has replaced it.
            if self.lane(&entry.key.lane, now).index.get(&entry.key) == Some(&Place::Waiting(entry.priority)) {
                self.enqueue(entry, false, now);
            }
        }
    }

    pub(super) fn view(&self, name: &str, now: u64) -> Option<LaneView> {
        self.lanes.get(name).map(|lane| lane.view(name, &self.limit, now))
    }

    pub(super) fn views(&self, now: u64) -> Vec<LaneView> {
        self.lanes.keys().filter_map(|name| self.view(name, now)).collect()
    }

    pub(super) fn lane(&mut self, name: &str, now: u64) -> &mut Lane {
        if !self.lanes.contains_key(name) {
            let mut lane = Lane::default();
            if self.born_hold > now {
                lane.park = Park::Held(self.born_hold);
                self.timer.wake_lane(name, self.born_hold);
            }
            self.lanes.insert(name.to_owned(), lane);
            self.forget_later(now);
        }
        self.lanes.entry(name.to_owned()).or_default()
    }

    /// What counts of a lane's calls, for the process after this one.
    pub(super) fn spent(&self, name: &str, now: u64) -> Spent {
        let Some(lane) = self.lanes.get(name) else { return Spent::default() };
        let held_until = match lane.park {
            Park::Held(until) => until,
            _ => now,
        };
        Spent {
            out: lane.bucket.out,
            cooling: lane.bucket.cooling(),
            back_in: lane.bucket.last_return().unwrap_or(now).saturating_sub(now),
            held_for: held_until.saturating_sub(now),
            day: lane.day.bins_ago(now).collect(),
        }
    }

    /// Goes on with what the process before has left of a lane. It may have sent a call with each token that was out, up to this moment.
    pub(super) fn take_back(&mut self, name: &str, spent: &Spent, now: u64) {
        let Spent { out, cooling, back_in, held_for, day } = spent;
        let back = now + millis(self.limit.call_timeout + self.limit.interval) + 1;
        let lane = self.lane(name, now);
        lane.bucket.cool(*cooling, now + back_in);
        lane.bucket.out += out;
        lane.day = Day::of_bins_ago(day, now);
        if *held_for > 0 {
            lane.park = Park::Held(now + held_for);
            self.timer.wake_lane(name, now + held_for);
        }
        let mut left = *out;
        while left > 0 {
            let cost = u8::try_from(left).unwrap_or(u8::MAX);
            self.timer.add(back, Due::Tokens { lane: name.to_owned(), cost });
            left -= u32::from(cost);
        }
    }

    /// Plans a look for lanes to forget, where there are lanes and none is planned.
    pub(super) fn forget_later(&mut self, now: u64) {
        if !self.forgets && !self.lanes.is_empty() {
            self.forgets = true;
            self.timer.add(now + millis(DAY_BIN), Due::Forget);
        }
    }

    /// Lets an entry wait: at the tail of its class, or at the head where it only lost its turn.
    pub(super) fn enqueue(&mut self, entry: Entry, at_head: bool, now: u64) {
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

    pub(super) fn schedule(&mut self, entry: Entry, due: u64, now: u64) {
        self.lane(&entry.key.lane, now)
            .index
            .insert(entry.key.clone(), Place::Scheduled { due, class: entry.priority });
        self.timer.add(due, Due::Scheduled(Box::new(entry)));
    }

    /// Puts a lane that is not parked where a claim will find it.
    pub(super) fn activate(&mut self, name: &str) {
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

    pub(super) fn unpark(&mut self, name: &str) {
        if let Some(lane) = self.lanes.get_mut(name) {
            lane.park = Park::No;
        }
        self.activate(name);
    }

    pub(super) fn park_for_tokens(&mut self, name: &str) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        match lane.bucket.next_return() {
            Some(at) => {
                lane.park = Park::Tokens;
                self.timer.wake_lane(name, at);
            }
            None => lane.park = Park::Starved,
        }
    }

    /// After tokens came back or a more urgent job came: lets the lane try again.
    pub(super) fn reconsider(&mut self, name: &str) {
        let Some(lane) = self.lanes.get(name) else { return };
        match lane.park {
            Park::DaySpent(_) | Park::Paced(_) if lane.day.left(&self.limit, lane.bucket.out) > 0 => self.unpark(name),
            Park::Tokens | Park::Starved if lane.bucket.free(&self.limit) > 0 => self.unpark(name),
            Park::Starved => self.park_for_tokens(name),
            _ => {}
        }
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
