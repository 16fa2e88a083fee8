//! Where claimed jobs lie until a slot is free, and ended ones until the queue is reported.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;

use crate::job::Job;
use crate::limit::Claiming;
use crate::outcome::Outcome;
use crate::permit::{Lease, Permits};
use crate::queue::{Settlement, Share, Step, Stepped};

/// A job with the right to send its calls.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) job: Job,
    pub(super) permits: Permits,
}

pub(super) struct Slots {
    slots: usize,
    pub(super) claiming: Claiming,
    call_timeout: Duration,
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
    /// Jobs of each lane that are claimed or running.
    lanes: HashMap<String, usize>,
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

impl State {
    /// A job of the lane takes no slot any more.
    fn left(&mut self, lane: &str) {
        if let Some(count) = self.lanes.get_mut(lane) {
            *count -= 1;
            if *count == 0 {
                self.lanes.remove(lane);
            }
        }
    }

    /// The batches of which nothing is left but these settlements. Where a part of one is under way in another step, which may fail, its lease has to
    /// go on.
    fn finished_by(&self, settlements: &[Settlement]) -> Vec<u64> {
        let mut epochs: Vec<_> = settlements.iter().map(|settlement| settlement.job.epoch).collect();
        epochs.sort_unstable();
        let is_all = |some: &&[u64]| self.batches.get(&some[0]).is_some_and(|batch| batch.left == some.len());
        epochs.chunk_by(u64::eq).filter(is_all).map(|some| some[0]).collect()
    }
}

struct Batch {
    lease: Lease,
    left: usize,
}

impl Slots {
    /// For calls that may go on for so long.
    pub(super) fn new(slots: usize, claiming: Claiming, call_timeout: Duration) -> Self {
        Self { slots, claiming, call_timeout, state: Mutex::default(), changed: Notify::new() }
    }

    /// The next step's contents: what ended, and how much more there is room for. None: nothing to say, or all is `quiet` and no news.
    pub(super) fn next_step(&self, quiet: bool) -> Option<Step> {
        let mut state = self.state();
        let room = self.room(&state);
        let silent = state.ended.is_empty() && state.finished.is_empty();
        // Where the one that listens has all the room, a step without any sees to it that it learns of what is due.
        if silent && (quiet || room + state.listening == 0 || state.closing) {
            return None;
        }
        let count = state.ended.len().min(self.claiming.batch * 2);
        let settlements: Vec<_> = state.ended.drain(..count).collect();
        state.asked += room;
        state.handing_in += settlements.len();
        let mut finished = std::mem::take(&mut state.finished);
        finished.extend(state.finished_by(&settlements));
        Some(Step { finished, settlements, claim: room })
    }

    /// The contents of a step that listens for pushes. None: there is no room for what it would bring.
    pub(super) fn listen(&self) -> Option<Step> {
        let mut state = self.state();
        let room = self.room(&state);
        state.asked += room;
        state.listening = room;
        (room > 0).then(|| Step { claim: room, ..Step::default() })
    }

    /// A lane may take three times as many slots as it leaves free, so one whose calls hang leaves a quarter to others, a second one a quarter of that, and
    /// the more a lane has the less it gets.
    pub(super) fn share(&self, step: &Step) -> Share {
        const TIMES: usize = 3;
        let (state, room) = (self.state(), step.claim);
        let busy = (state.running + state.claimed.len() + state.asked).saturating_sub(room);
        let free = self.slots.saturating_sub(busy);
        let more = |has: usize| (TIMES * free).saturating_sub(has) / (TIMES + 1);
        let many = self.slots / (TIMES + 1);
        let crowded = state.lanes.iter().filter(|(_, has)| **has > many);
        // Where nothing runs, a single slot is anybody's.
        Share {
            most: Some(more(0).max(1)).filter(|most| *most < room),
            left: crowded.map(|(lane, has)| (lane.clone(), more(*has))).collect(),
        }
    }

    /// The step that listened was answered, or failed.
    pub(super) fn received(&self) {
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
                if !step.finished.contains(&epoch) {
                    state.finished.push(epoch);
                }
            }
        }
        if !stepped.jobs.is_empty() {
            let lease = Lease::begin(stepped.begun, self.claiming.lease);
            let held = stepped.jobs.into_iter().map(|job| {
                let permits = Permits::new(u32::from(job.cost), lease.clone()).with_call_timeout(self.call_timeout);
                Held { job, permits }
            });
            let held: Vec<_> = held.collect();
            for Held { job, .. } in &held {
                // A name is copied for the first of a lane alone.
                match state.lanes.get_mut(&job.key.lane) {
                    Some(count) => *count += 1,
                    None => drop(state.lanes.insert(job.key.lane.clone(), 1)),
                }
            }
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

    /// The step failed; nobody knows whether the queue received it. What ended is handed in again: the epoch makes that harmless.
    pub(super) fn failed(&self, step: Step) {
        let mut state = self.state();
        state.asked -= step.claim;
        state.handing_in -= step.settlements.len();
        state.ended.extend(step.settlements);
        let is_over = |epoch: &u64| !state.batches.contains_key(epoch);
        let over: Vec<_> = step.finished.into_iter().filter(is_over).collect();
        state.finished.extend(over);
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
    pub(super) fn end(&self, job: Job, outcome: Outcome, permits: &Permits) {
        let mut state = self.state();
        state.running -= 1;
        state.left(&job.key.lane);
        state.ended.push(settlement(job, outcome, permits));
        drop(state);
        self.changed.notify_one();
    }

    /// Claims nothing more and gives back what nobody took up. Ready once the queue has been reported everything.
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
    for held in &unused {
        state.left(&held.job.key.lane);
    }
    state.ended.extend(unused.into_iter().map(|held| settlement(held.job, Outcome::Released, &held.permits)));
}

fn settlement(job: Job, outcome: Outcome, permits: &Permits) -> Settlement {
    permits.close();
    Settlement { job, outcome, permits: permits.clone() }
}

fn wake(state: &mut State) {
    if let Some(worker) = state.worker.take() {
        worker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::job::{Key, NewJob, Priority};
    use crate::limit::{ColdStart, Limit};
    use crate::queue::Queue;

    /// A queue with as many jobs, and a desk for them.
    async fn with_jobs(count: usize) -> (Queue, Slots) {
        let claiming = Claiming::default();
        let second = Duration::from_secs(1);
        let limit = Limit { burst: 100, interval: second, call_timeout: second, reserve: 0, daily: 1000 };
        let queue = Queue::memory(1, limit, claiming, ColdStart::Unspent);
        let job = |n: usize| {
            NewJob::new(Key { lane: "lane".into(), kind: "kind".into(), record: n.to_string() }, Priority::Realtime, 1)
        };
        queue.push(&(0..count).map(job).collect::<Vec<_>>()).await.unwrap();
        (queue, Slots::new(10, claiming, second))
    }

    async fn step(queue: &Queue, desk: &Slots) -> Step {
        let step = desk.next_step(false).unwrap();
        desk.stepped(&step, queue.step(0, &step).await.unwrap());
        step
    }

    fn run(desk: &Slots) {
        let Poll::Ready(Held { job, permits }) = desk.take_up(&mut Context::from_waker(Waker::noop())) else {
            panic!("nothing was claimed");
        };
        desk.end(job, Outcome::Done, &permits);
    }

    #[tokio::test]
    async fn a_batch_is_finished_by_the_step_that_hands_in_all_of_it() {
        let (queue, desk) = with_jobs(2).await;
        step(&queue, &desk).await;
        let epoch = desk.leases()[0].0;
        run(&desk);
        run(&desk);
        let last = step(&queue, &desk).await;
        assert_eq!((last.settlements.len(), last.finished), (2, vec![epoch]));
        assert!(desk.leases().is_empty() && desk.next_step(true).is_none(), "nothing is left to tell");
    }

    #[tokio::test]
    async fn a_batch_whose_parts_are_reported_in_two_steps_at_once_keeps_its_lease_until_both_are_answered() {
        let (queue, desk) = with_jobs(2).await;
        step(&queue, &desk).await;
        let epoch = desk.leases()[0].0;
        run(&desk);
        let first = desk.next_step(false).unwrap();
        run(&desk);
        let second = desk.next_step(false).unwrap();
        assert!(first.finished.is_empty() && second.finished.is_empty());
        desk.stepped(&second, queue.step(0, &second).await.unwrap());
        desk.failed(first);
        assert_eq!(desk.leases().len(), 1);
        // All that is left of it.
        let again = step(&queue, &desk).await;
        assert_eq!((again.settlements.len(), again.finished), (1, vec![epoch]));
    }

    #[tokio::test]
    async fn a_batch_is_not_over_where_the_step_failed_that_was_to_finish_it() {
        let (queue, desk) = with_jobs(1).await;
        step(&queue, &desk).await;
        let epoch = desk.leases()[0].0;
        run(&desk);
        let lost = desk.next_step(false).unwrap();
        desk.failed(lost);
        assert_eq!(desk.leases().len(), 1);
        assert_eq!(step(&queue, &desk).await.finished, [epoch]);
    }
}
