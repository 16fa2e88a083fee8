//! The queue in this process: the same rules as the functions in Redis, over maps behind one lock.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::trace::Trace;
use super::{LaneView, Pushed, Share, Step, Stepped};
use crate::envelope::{self, EnvelopeError};
use crate::job::{Key, NewJob};
use crate::limit::{Claiming, ColdStart, Limit};

mod bucket;
mod claim;
mod day;
mod due;
mod journal;
mod lane;
mod settle;
mod state;
mod timer;
mod trace;

pub use journal::Handover;
#[cfg(test)]
pub(crate) use journal::Uptime;
pub(crate) use journal::{Clock, Journal, Spent, clock};
use state::State;
use trace::Traced;

/// One shard in memory. Its clock is tokio's, which a test can pause.
pub(crate) struct MemoryShard {
    state: Mutex<State>,
    arrived: Notify,
    origin: Instant,
    /// What [`MemoryShard::now`] adds to the time since `origin`: epochs must rise over restarts of the process.
    origin_ms: u64,
    /// Where it is kept which calls count, for the process after this one.
    journal: Option<Arc<Journal>>,
    /// Where it is written what is done; taken while the state is held, so that lines are in order.
    traced: Option<Mutex<Traced>>,
}

impl MemoryShard {
    pub(crate) fn new(limit: Limit, claiming: Claiming, meeting: ColdStart) -> Self {
        Self::at(wall_ms(), limit, claiming, meeting)
    }

    /// Its time begins there.
    pub(crate) fn at(origin_ms: u64, limit: Limit, claiming: Claiming, meeting: ColdStart) -> Self {
        let state = State::new(limit, claiming, meeting, origin_ms);
        Self {
            state: Mutex::new(state),
            arrived: Notify::new(),
            origin: Instant::now(),
            origin_ms,
            journal: None,
            traced: None,
        }
    }

    /// Goes on with the calls that the process before has left in these lanes, and keeps its own in the journal.
    pub(crate) fn going_on(self, left: HashMap<String, Spent>, journal: Option<Arc<Journal>>) -> Self {
        let now = self.now();
        self.with(|state| {
            for (lane, spent) in left {
                state.take_back(&lane, &spent, now);
            }
        });
        Self { journal, ..self }
    }

    /// From now on each call leaves a line.
    pub(crate) fn trace(&mut self, trace: Trace) {
        self.traced = Some(Mutex::new(Traced::new(trace)));
        self.with(|state| state.fired = Some(Vec::new()));
    }

    fn report(&self, report: impl FnOnce(&mut Traced)) {
        if let Some(traced) = &self.traced {
            report(&mut traced.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        }
    }

    pub(crate) fn push(&self, jobs: &[NewJob]) -> Result<(u64, Vec<Pushed>), EnvelopeError> {
        for job in jobs {
            envelope::check(&job.key)?;
        }
        let now = self.now();
        let (answers, changes) = self.with(|state| {
            let before = state.next_due();
            let answers: Vec<_> = jobs.iter().map(|job| state.push(job, now)).collect();
            self.report(|traced| traced.pushed(state, now, jobs, &answers));
            // An idle worker sleeps until what was due first when it last looked.
            let is_sooner = state.next_due().is_some_and(|due| before.is_none_or(|before| due < before));
            (answers, is_sooner || state.is_runnable())
        });
        if changes {
            self.arrived.notify_one();
        }
        Ok((self.origin_ms, answers))
    }

    pub(crate) fn step(&self, step: &Step, share: &Share) -> (u64, Stepped) {
        let now = self.now();
        let (stepped, runnable) = self.with(|state| {
            let stepped = state.step(step, share, now);
            self.report(|traced| traced.stepped(state, now, step, share, &stepped));
            if let Some(journal) = &self.journal {
                let settled = step.settlements.iter().map(|settlement| &settlement.job);
                let touched: BTreeSet<_> = settled.chain(&stepped.jobs).map(|job| job.key.lane.clone()).collect();
                if !touched.is_empty() {
                    journal.keep(touched.into_iter().map(|lane| {
                        let spent = state.spent(&lane, now);
                        (lane, spent)
                    }));
                }
            }
            (stepped, state.is_runnable())
        });
        if runnable {
            self.arrived.notify_one();
        }
        (self.origin_ms, stepped)
    }

    pub(crate) fn heartbeat(&self, epochs: &[u64]) -> Vec<bool> {
        let now = self.now();
        self.with(|state| {
            let alive: Vec<_> = epochs.iter().map(|epoch| state.heartbeat(*epoch, now)).collect();
            self.report(|traced| traced.beaten(state, now, epochs, &alive));
            alive
        })
    }

    pub(crate) fn alone(&self, key: Option<&Key>, epochs: &[u64], is_alone: bool) {
        let now = self.now();
        self.with(|state| {
            state.alone(key, epochs, is_alone);
            self.report(|traced| traced.alone(state, now, key, epochs, is_alone));
        });
    }

    pub(crate) fn raise_epoch(&self, seen: u64) {
        let now = self.now();
        self.with(|state| {
            state.epoch = state.epoch.max(seen);
            self.report(|traced| traced.met(state, now));
        });
    }

    pub(crate) fn steer(&self, lane: &str, pause: bool) {
        let now = self.now();
        self.steered(|state| {
            state.steer(lane, pause, now);
            self.report(|traced| traced.steered(state, now, lane, pause));
        });
    }

    pub(crate) fn steer_kind(&self, kind: &str, pause: bool) {
        let now = self.now();
        self.steered(|state| {
            state.steer_kind(kind, pause);
            self.report(|traced| traced.steered_kind(state, now, kind, pause));
        });
    }

    pub(crate) fn paused_kinds(&self) -> Vec<String> {
        self.with(|state| state.kinds.iter().filter(|aside| aside.is_paused).map(|aside| aside.kind.clone()).collect())
    }

    fn steered(&self, act: impl FnOnce(&mut State)) {
        let runnable = self.with(|state| {
            act(state);
            state.is_runnable() || state.is_lining_up()
        });
        if runnable {
            self.arrived.notify_one();
        }
    }

    pub(crate) async fn listen(&self, step: &Step, share: &Share, most: Duration) -> (u64, Stepped) {
        // A time-out is an answer like any other here.
        let _ = tokio::time::timeout(most, self.arrived.notified()).await;
        self.step(step, share)
    }

    pub(crate) fn unblock(&self) {
        self.arrived.notify_one();
    }

    pub(crate) fn lane(&self, lane: &str) -> Option<LaneView> {
        let now = self.now();
        self.with(|state| state.view(lane, now))
    }

    pub(crate) fn lanes(&self) -> Vec<LaneView> {
        let now = self.now();
        self.with(|state| state.views(now))
    }

    fn now(&self) -> u64 {
        self.origin_ms + u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        // A panic inside leaves no half-written state worth refusing: every method finishes or does nothing.
        act(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

#[expect(clippy::disallowed_methods, reason = "read once, so that epochs rise over restarts; queue time is monotonic")]
fn wall_ms() -> u64 {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}
