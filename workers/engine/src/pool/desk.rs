//! Where claimed jobs lie until a slot is free, and ended ones until the queue is told.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

use crate::job::Job;
use crate::limit::Claiming;
use crate::permit::{Lease, Permits};
use crate::queue::{Settlement, Step, Stepped};
use crate::verdict::Verdict;

/// A job with the right to send its calls.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) job: Job,
    pub(super) permits: Permits,
}

pub(super) struct Desk {
    slots: usize,
    pub(super) claiming: Claiming,
    state: Mutex<State>,
    /// Something ended, a slot became free, or the pool is closing.
    pub(super) changed: Notify,
}

#[derive(Default)]
struct State {
    claimed: VecDeque<Held>,
    ended: Vec<Settlement>,
    finished: Vec<u64>,
    batches: HashMap<u64, Batch>,
    /// Jobs that the worker took up and has not ended.
    running: usize,
    /// Jobs that a step under way may bring.
    asked: usize,
    /// Of these, those that the step may bring that listens for pushes.
    listening: usize,
    /// Ended jobs that a step under way hands in.
    handing_in: usize,
    closing: bool,
    worker: Option<Waker>,
}

struct Batch {
    lease: Lease,
    left: usize,
}

impl Desk {
    pub(super) fn new(slots: usize, claiming: Claiming) -> Self {
        Self { slots, claiming, state: Mutex::default(), changed: Notify::new() }
    }

    /// The next step's contents: what ended, and how much more there is room for. None: nothing to say, or all is `quiet` and no news.
    pub(super) fn next_step(&self, quiet: bool) -> Option<Step> {
        let mut state = self.state();
        let room = self.room(&state);
        let silent = state.ended.is_empty() && state.finished.is_empty();
        // Where the one that listens has all the room, a step without any sees to it that it hears of what is due.
        if silent && (quiet || room + state.listening == 0 || state.closing) {
            return None;
        }
        let count = state.ended.len().min(self.claiming.batch * 2);
        let settlements: Vec<_> = state.ended.drain(..count).collect();
        state.asked += room;
        state.handing_in += settlements.len();
        Some(Step { finished: std::mem::take(&mut state.finished), settlements, claim: room })
    }

    /// The contents of a step that listens for pushes. None: there is no room for what it would bring.
    pub(super) fn listen(&self) -> Option<Step> {
        let mut state = self.state();
        let room = self.room(&state);
        state.asked += room;
        state.listening = room;
        (room > 0).then(|| Step { claim: room, ..Step::default() })
    }

    /// The step that listened was answered, or failed.
    pub(super) fn heard(&self) {
        self.state().listening = 0;
    }

    pub(super) fn is_listening(&self) -> bool {
        self.state().listening > 0
    }

    /// Whether nothing is wanted any more of the step that listens.
    pub(super) fn listens_in_vain(&self) -> bool {
        let state = self.state();
        state.closing && state.listening > 0
    }

    fn room(&self, state: &State) -> usize {
        let taken = state.running + state.claimed.len() + state.asked;
        if state.closing { 0 } else { self.slots.saturating_sub(taken).min(self.claiming.batch) }
    }

    /// The queue's answer to a step.
    pub(super) fn stepped(&self, step: &Step, stepped: Stepped) {
        let mut state = self.state();
        state.asked -= step.claim;
        state.handing_in -= step.settlements.len();
        for settlement in &step.settlements {
            let epoch = settlement.job.epoch;
            let Some(batch) = state.batches.get_mut(&epoch) else { continue };
            batch.left -= 1;
            if batch.left == 0 {
                state.batches.remove(&epoch);
                state.finished.push(epoch);
            }
        }
        if !stepped.jobs.is_empty() {
            let lease = Lease::begin(stepped.begun, self.claiming.lease);
            let held = stepped.jobs.into_iter().map(|job| {
                let permits = Permits::new(u32::from(job.cost), lease.clone());
                Held { job, permits }
            });
            let before = state.claimed.len();
            state.claimed.extend(held);
            let left = state.claimed.len() - before;
            state.batches.insert(stepped.epoch, Batch { lease, left });
        }
        if state.closing {
            give_back(&mut state);
        }
        wake(&mut state);
    }

    /// The step failed; nobody knows whether the queue heard it. What ended is handed in again: the epoch makes that harmless.
    pub(super) fn failed(&self, step: Step) {
        let mut state = self.state();
        state.asked -= step.claim;
        state.handing_in -= step.settlements.len();
        state.ended.extend(step.settlements);
        state.finished.extend(step.finished);
    }

    /// Takes up a claimed job, or remembers whom to wake when there is one.
    pub(super) fn take_up(&self, context: &mut Context<'_>) -> Poll<Held> {
        let mut state = self.state();
        match state.claimed.pop_front() {
            Some(held) => {
                state.running += 1;
                Poll::Ready(held)
            }
            None => {
                state.worker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// A run ended.
    pub(super) fn end(&self, job: Job, verdict: Verdict, permits: &Permits) {
        let mut state = self.state();
        state.running -= 1;
        state.ended.push(settlement(job, verdict, permits));
        drop(state);
        self.changed.notify_one();
    }

    /// Claims nothing more and gives back what nobody took up. Ready once the queue has been told of everything.
    pub(super) fn close(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        state.closing = true;
        give_back(&mut state);
        if state.running == 0 && state.asked == 0 && state.handing_in == 0 && state.ended.is_empty() {
            return Poll::Ready(());
        }
        state.worker = Some(context.waker().clone());
        drop(state);
        self.changed.notify_one();
        Poll::Pending
    }

    /// The leases that a heartbeat has to extend.
    pub(super) fn leases(&self) -> Vec<(u64, Lease)> {
        self.state().batches.iter().map(|(epoch, batch)| (*epoch, batch.lease.clone())).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn give_back(state: &mut State) {
    let unused = std::mem::take(&mut state.claimed);
    state.ended.extend(unused.into_iter().map(|held| settlement(held.job, Verdict::Released, &held.permits)));
}

fn settlement(job: Job, verdict: Verdict, permits: &Permits) -> Settlement {
    Settlement { job, verdict, permits: permits.clone() }
}

fn wake(state: &mut State) {
    if let Some(worker) = state.worker.take() {
        worker.wake();
    }
}
