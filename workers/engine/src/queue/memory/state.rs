//! The state of a shard in memory, what is done to it, and the moves that all of that is made of: what the Lua functions say, in Rust.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::Spent;
use super::claim::Claim;
use super::day::Day;
use super::lane::{Circuit, Entry, Lane, Park, Place, Running};
use super::timer::{Due, Timer};
use crate::job::{Key, NewJob, Priority};
use crate::limit::{Claiming, ColdStart, DAY_BIN, Limit};
use crate::queue::{LaneView, Pushed, Share, Step, Stepped, Wait};

pub(super) struct State {
    pub(super) limit: Limit,
    pub(super) claiming: Claiming,
    /// Until when nothing is claimed, since calls may be under way that nobody knows of. Nobody can end that.
    pub(super) rest: u64,
    /// As it was made: a claim with a lower epoch is of another life.
    pub(super) born: u64,
    pub(super) lanes: HashMap<String, Lane>,
    pub(super) running: HashMap<Key, Running>,
    pub(super) batches: HashMap<u64, Batch>,
    /// Runnable lanes: those with an interactive job, and all others.
    pub(super) rings: [VecDeque<String>; 2],
    /// Kinds that are paused, or whose jobs are lined up again.
    pub(super) kinds: Vec<Aside>,
    /// Lanes with an interactive job that had a turn since others had one.
    pub(super) turns: usize,
    pub(super) timer: Timer,
    /// How many this step has put in front of the others of a lane and class.
    in_front: HashMap<(String, Priority), usize>,
    pub(super) epoch: u64,
    /// What the last step has fired, by name, where that is traced.
    pub(super) fired: Option<Vec<Vec<u8>>>,
    /// Whether a look for lanes to forget is planned.
    pub(super) forgets: bool,
}

/// The jobs of one claim.
pub(super) struct Batch {
    pub(super) keys: Vec<Key>,
    pub(super) begun: Begun,
}

/// The jobs of a kind that claims came upon while it was paused.
pub(super) struct Aside {
    pub(super) kind: String,
    pub(super) is_paused: bool,
    pub(super) jobs: VecDeque<Entry>,
}

/// Which jobs of a batch may have begun, and so have caused the death of their worker (law 11).
pub(super) enum Begun {
    All,
    /// A suspect runs alone, and all others wait; none where it is of another shard.
    Alone(Option<Key>),
}

impl State {
    pub(super) fn new(limit: Limit, claiming: Claiming, meeting: ColdStart, now: u64) -> Self {
        let spent = match meeting {
            ColdStart::Unspent => 0,
            ColdStart::Spent => millis(limit.interval + limit.call_timeout + claiming.lease) + 1,
        };
        Self {
            limit,
            claiming,
            rest: now + spent,
            born: now * 1000,
            lanes: HashMap::new(),
            running: HashMap::new(),
            batches: HashMap::new(),
            rings: Default::default(),
            kinds: Vec::new(),
            turns: 0,
            timer: Timer::default(),
            in_front: HashMap::new(),
            epoch: 0,
            fired: None,
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

    pub(super) fn step(&mut self, step: &Step, share: &Share, now: u64) -> Stepped {
        for epoch in &step.finished {
            self.batches.remove(epoch);
            self.timer.end_lease(*epoch);
        }
        let due = self.timer.first(now, super::due::MOST);
        self.fired.iter_mut().for_each(Vec::clear);
        self.in_front.clear();
        let settled = step.settlements.iter().enumerate();
        let late =
            settled.filter(|(_, settlement)| !self.settle(settlement, now)).map(|(position, _)| position).collect();
        self.fire(due, now);
        let lining_up = self.line_up(now);
        let mut claim = Claim::new(step.claim, share, (now * 1000).max(self.epoch + 1));
        if self.rest <= now {
            self.claim(&mut claim, now);
        }
        let is_runnable = lining_up || self.is_runnable();
        let mut wait = match self.timer.next() {
            _ if is_runnable => Wait::More,
            Some(at) if at <= now => Wait::More,
            Some(at) => Wait::For(Duration::from_millis(at - now)),
            None => Wait::ForPush,
        };
        wait = match wait {
            _ if self.rest > now => Wait::For(Duration::from_millis(self.rest - now)),
            Wait::For(wait) if !claim.passed_over.is_empty() => Wait::For(wait.min(ROOM_AGAIN)),
            Wait::ForPush if !claim.passed_over.is_empty() => Wait::For(ROOM_AGAIN),
            wait => wait,
        };
        for (name, ring) in claim.passed_over {
            self.rings[ring].push_back(name);
        }
        let epoch = if claim.jobs.is_empty() { 0 } else { claim.epoch };
        Stepped { jobs: claim.jobs, epoch, wait, late, begun: Instant::now() }
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
        lane.day.turn(now);
        lane.paused = pause;
        if !pause {
            // What the server has refused stays refused, and tokens stay away as long as their calls count.
            (lane.failures, lane.circuit, lane.probe_at) = (0, Circuit::Closed, 0);
            if matches!(lane.park, Park::DaySpent(_) | Park::Paced(_)) {
                lane.park = Park::No;
            }
            self.activate(name, now);
        }
    }

    pub(super) fn steer_kind(&mut self, kind: &str, pause: bool) {
        let before = self.kinds.iter().position(|aside| aside.kind == kind).map(|at| self.kinds.remove(at));
        let jobs = before.map(|aside| aside.jobs).unwrap_or_default();
        self.kinds.push(Aside { kind: kind.to_owned(), is_paused: pause, jobs });
    }

    pub(super) fn is_lining_up(&self) -> bool {
        self.kinds.iter().any(|aside| !aside.is_paused)
    }

    /// Lines up again, at the tails of their lanes, as many jobs of resumed kinds as one step may. Whether there may be more.
    fn line_up(&mut self, now: u64) -> bool {
        let mut more = false;
        for mut aside in std::mem::take(&mut self.kinds) {
            if !aside.is_paused {
                let jobs: Vec<_> = aside.jobs.drain(..aside.jobs.len().min(super::due::MOST)).collect();
                let is_full = jobs.len() == super::due::MOST;
                for entry in jobs {
                    // Else a more urgent entry of its key has replaced it.
                    if self.lane(&entry.key.lane, now).index.get(&entry.key) == Some(&Place::Waiting(entry.priority)) {
                        self.enqueue(entry, false, now);
                    }
                }
                more |= is_full;
                if !is_full {
                    continue;
                }
            }
            self.kinds.push(aside);
        }
        more
    }

    pub(super) fn view(&self, name: &str, now: u64) -> Option<LaneView> {
        self.lanes.get(name).map(|lane| lane.view(name, &self.limit, self.rest, now))
    }

    pub(super) fn views(&self, now: u64) -> Vec<LaneView> {
        self.lanes.keys().filter_map(|name| self.view(name, now)).collect()
    }

    pub(super) fn lane(&mut self, name: &str, now: u64) -> &mut Lane {
        if !self.lanes.contains_key(name) {
            self.lanes.insert(name.to_owned(), Lane::default());
            self.forget_later(now);
        }
        self.lanes.entry(name.to_owned()).or_default()
    }

    /// What counts of a lane's calls, for the process after this one.
    pub(super) fn spent(&self, name: &str, now: u64) -> Spent {
        let Some(lane) = self.lanes.get(name) else { return Spent::default() };
        Spent {
            out: lane.bucket.out,
            cooling: lane.bucket.cooling(),
            back_in: lane.bucket.last_return().unwrap_or(now).saturating_sub(now),
            held_for: lane.hold.saturating_sub(now),
            reported: lane.reported,
            day: lane.day.bins_ago(now).collect(),
        }
    }

    /// Goes on with what the process before has left of a lane. It may have sent a call with each token that was out, up to this moment.
    pub(super) fn take_back(&mut self, name: &str, spent: &Spent, now: u64) {
        let Spent { out, cooling, back_in, held_for, reported, day } = spent;
        let back = now + millis(self.limit.call_timeout + self.limit.interval) + 1;
        let lane = self.lane(name, now);
        lane.bucket.cool(*cooling, now + back_in);
        lane.bucket.out += out;
        lane.day = Day::of_bins_ago(day, now);
        (lane.reported, lane.reported_at) = (*reported, now);
        if *held_for > 0 {
            lane.hold = now + held_for;
        }
        let (mut left, mut part) = (*out, 0);
        while left > 0 {
            let cost = u8::try_from(left).unwrap_or(u8::MAX);
            // Of no run of this process.
            let of = Key { lane: name.to_owned(), kind: "before".to_owned(), record: part.to_string() };
            self.timer.add(back, Due::Tokens { cost, epoch: 0, of });
            left -= u32::from(cost);
            part += 1;
        }
    }

    /// Plans a look for lanes to forget, where there are lanes and none is planned.
    pub(super) fn forget_later(&mut self, now: u64) {
        if !self.forgets && !self.lanes.is_empty() {
            self.forgets = true;
            self.timer.add(now + millis(DAY_BIN), Due::Forget);
        }
    }

    /// Lets an entry wait: at the tail of its class, or at the head where it only lost its turn. What comes back in one step keeps its order.
    pub(super) fn enqueue(&mut self, entry: Entry, at_head: bool, now: u64) {
        let name = entry.key.lane.clone();
        let class = entry.priority;
        let in_front = at_head.then(|| self.in_front.entry((name.clone(), class)).or_default());
        let place = in_front.map(|count| {
            *count += 1;
            *count - 1
        });
        let lane = self.lane(&name, now);
        lane.index.insert(entry.key.clone(), Place::Waiting(class));
        let queue = &mut lane.queues[class as usize];
        match place {
            Some(place) => queue.insert(place.min(queue.len()), entry),
            None => queue.push_back(entry),
        }
        lane.waits[class as usize] = true;
        if class < Priority::Bulk {
            self.reconsider(&name, now);
        } else {
            self.activate(&name, now);
        }
    }

    pub(super) fn schedule(&mut self, entry: Entry, due: u64, now: u64) {
        self.lane(&entry.key.lane, now)
            .index
            .insert(entry.key.clone(), Place::Scheduled { due, class: entry.priority });
        self.timer.add(due, Due::Scheduled(Box::new(entry)));
    }

    /// Puts a lane that can run where a claim will find it; or, where only time stops it, lets it be looked at then. Each cause stands for itself: none
    /// ends another.
    pub(super) fn activate(&mut self, name: &str, now: u64) {
        let open = |lane: &&mut Lane| !lane.paused && lane.park == Park::No;
        let Some(lane) = self.lanes.get_mut(name).filter(open) else { return };
        let Some(opens) = lane.opens() else { return };
        let wanted = [lane.waits[0], lane.waits[1] || lane.waits[2]];
        if wanted == [false; 2] {
            return;
        }
        if opens > now {
            return self.timer.wake_lane(name, opens);
        }
        for ring in [0, 1] {
            if wanted[ring] && !lane.in_ring[ring] {
                lane.in_ring[ring] = true;
                self.rings[ring].push_back(name.to_owned());
            }
        }
    }

    pub(super) fn unpark(&mut self, name: &str, now: u64) {
        if let Some(lane) = self.lanes.get_mut(name) {
            lane.park = Park::No;
        }
        self.activate(name, now);
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
    pub(super) fn reconsider(&mut self, name: &str, now: u64) {
        let set = self.limit;
        let Some(lane) = self.lanes.get_mut(name) else { return };
        let limit = lane.limit(&set);
        match lane.park {
            Park::DaySpent(_) | Park::Paced(_) if lane.day.left(&limit, lane.bucket.out) > 0 => lane.park = Park::No,
            Park::Tokens | Park::Starved if lane.bucket.balance(&limit) > 0 => lane.park = Park::No,
            Park::Starved => self.park_for_tokens(name),
            _ => {}
        }
        self.activate(name, now);
    }
}

/// How soon to ask again where all that is runnable is of lanes of which the worker has enough.
const ROOM_AGAIN: Duration = Duration::from_millis(100);

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
