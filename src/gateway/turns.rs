//! Who is served next: keys in turn, not requests in the order of their arrival.
//!
//! So many requests are worked on at once. If more come, those of each key wait in a line of their own, and the lines are served in
//! turn. A key that is alone has all places; as soon as others ask, each has its share. So a key that sends thousands of requests
//! delays another one by about one request, whatever the number.
//!
//! A batch of a thousand events takes long, since there is one writer at a time. While others ask, a key pauses after it, so that few of
//! their requests meet the next one ([`Turn::of_batch`]).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

/// A key that asked within this time counts as one that asks.
const RECENT: Duration = Duration::from_secs(1);

/// A batch that takes longer is followed by a rest, of so many times what it took longer, and at most so long.
const LONG: Duration = Duration::from_millis(10);
const REST: u32 = 100;
const LONGEST_REST: Duration = Duration::from_secs(5);

/// The places in which requests are worked on.
#[derive(Debug)]
pub(super) struct Turns {
    places: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    keys: HashMap<u64, Line>,
    /// Keys with requests that wait; the first one is served next.
    order: VecDeque<u64>,
}

/// The requests of one key.
#[derive(Debug)]
struct Line {
    taken: usize,
    waiting: VecDeque<oneshot::Sender<Turn>>,
    asked_at: Instant,
    /// It gets no turn before, if others ask.
    rests_until: Instant,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Arc<Turns>,
    key: u64,
    began: Instant,
    is_batch: bool,
}

impl Turns {
    /// So many requests at once.
    pub(super) fn new(places: usize) -> Arc<Self> {
        Arc::new(Self { places, state: Mutex::default() })
    }

    /// Waits for a place. A request that is dropped while it waits leaves its line.
    pub(super) async fn next(self: &Arc<Self>, key: u64) -> Turn {
        let (given, mine) = oneshot::channel();
        {
            let mut state = self.locked();
            let now = Instant::now();
            let line = state.keys.entry(key).or_insert_with(|| Line::new(now));
            line.asked_at = now;
            line.waiting.push_back(given);
            if !state.order.contains(&key) {
                state.order.push_back(key);
            }
        }
        self.serve();
        match mine.await {
            Ok(turn) => turn,
            // The sender is dropped only with the line, and that only with `self`.
            Err(_) => std::future::pending().await,
        }
    }

    /// Gives free places to those that wait.
    fn serve(self: &Arc<Self>) {
        while let Some((key, waiting)) = self.next_waiting() {
            // Who has gone gives the place back: the turn is dropped, which serves the next one.
            let _ = waiting.send(Turn { turns: Arc::clone(self), key, began: Instant::now(), is_batch: false });
        }
    }

    /// Takes a place for the next request that may have one.
    fn next_waiting(&self) -> Option<(u64, oneshot::Sender<Turn>)> {
        let mut state = self.locked();
        let State { taken, keys, order } = &mut *state;
        if *taken >= self.places {
            return None;
        }
        for line in keys.values_mut() {
            while line.waiting.front().is_some_and(oneshot::Sender::is_closed) {
                line.waiting.pop_front();
            }
        }
        order.retain(|key| keys.get(key).is_some_and(|line| !line.waiting.is_empty()));
        let now = Instant::now();
        keys.retain(|_, line| line.is_of_use(now));
        let share = (self.places / keys.len().max(1)).max(1);
        let others_ask = |key| keys.iter().any(|(other, line)| other != key && now < line.asked_at + RECENT);
        let may = |key, line: &Line| line.taken < share && (now >= line.rests_until || !others_ask(key));
        let turn = order.iter().position(|key| keys.get(key).is_some_and(|line| may(key, line)))?;
        let key = order.remove(turn)?;
        let line = keys.get_mut(&key)?;
        let waiting = line.waiting.pop_front()?;
        line.taken += 1;
        *taken += 1;
        if !line.waiting.is_empty() {
            order.push_back(key);
        }
        Some((key, waiting))
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn new(now: Instant) -> Self {
        Self { taken: 0, waiting: VecDeque::new(), asked_at: now, rests_until: now }
    }

    fn is_of_use(&self, now: Instant) -> bool {
        self.taken > 0 || !self.waiting.is_empty() || now < self.asked_at + RECENT || now < self.rests_until
    }
}

impl Turn {
    /// The key pauses after this turn, if it takes long. Not after a single event: that is not slow because of the key.
    pub(super) fn of_batch(&mut self) {
        self.is_batch = true;
    }

    /// How long the key pauses after this turn.
    fn rest(&self, now: Instant) -> Duration {
        let longer = now.saturating_duration_since(self.began).saturating_sub(LONG);
        if self.is_batch { (longer * REST).min(LONGEST_REST) } else { Duration::ZERO }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let now = Instant::now();
        let rest = self.rest(now);
        {
            let mut state = self.turns.locked();
            state.taken -= 1;
            if let Some(line) = state.keys.get_mut(&self.key) {
                line.taken -= 1;
                line.rests_until = line.rests_until.max(now + rest);
            }
        }
        self.turns.serve();
        // There may be no new request before the pause is over, and those that wait are still to be served then.
        if !rest.is_zero()
            && let Ok(runtime) = Handle::try_current()
        {
            let turns = Arc::clone(&self.turns);
            runtime.spawn(async move {
                sleep(rest).await;
                turns.serve();
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const FLOOD: u64 = 1;
    const OTHER: u64 = 2;

    type Waiting = std::pin::Pin<Box<dyn Future<Output = Turn>>>;

    /// Every place is taken and 20 more requests of one key wait.
    fn flooded(turns: &Arc<Turns>) -> (Vec<Turn>, Vec<Waiting>) {
        let taken = (0..turns.places).map(|_| turns.next(FLOOD).now_or_never().expect("there is a place")).collect();
        let waiting = (0..20).map(|_| {
            let turns = Arc::clone(turns);
            let mut next: std::pin::Pin<Box<dyn Future<Output = Turn>>> =
                Box::pin(async move { turns.next(FLOOD).await });
            assert!(next.as_mut().now_or_never().is_none());
            next
        });
        (taken, waiting.collect())
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_one_key_delays_another_key_by_one_request() {
        for places in [2, 3, 4, 7] {
            // A task that never yields gets nothing from tokio's channels after a while.
            tokio::task::yield_now().await;
            let turns = Turns::new(places);
            let (mut taken, waiting) = flooded(&turns);
            let mut other = Box::pin(turns.next(OTHER));
            assert!(other.as_mut().now_or_never().is_none());
            taken.pop();
            let turn = other.now_or_never().expect("the other key is next");
            // And from then on it has its share at once, while the flood has its own.
            drop(taken);
            drop(turn);
            for _ in 0..10 {
                assert!(turns.next(OTHER).now_or_never().is_some(), "{places}");
            }
            drop(waiting);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_alone_has_all_places_again_after_a_while() {
        let turns = Turns::new(4);
        drop(turns.next(OTHER).await);
        let held: Vec<_> = (0..4).filter_map(|_| turns.next(FLOOD).now_or_never()).collect();
        assert_eq!(held.len(), 2, "its share while another key asks");
        drop(held);
        tokio::time::advance(RECENT).await;
        let held: Vec<_> = (0..5).filter_map(|_| turns.next(FLOOD).now_or_never()).collect();
        assert_eq!(held.len(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_long_batch_a_key_rests_if_another_one_asks() {
        let turns = Turns::new(2);
        let long = async || {
            let mut turn = turns.next(FLOOD).await;
            turn.of_batch();
            tokio::time::advance(Duration::from_millis(30)).await;
            drop(turn);
        };
        let began = Instant::now();
        long().await;
        long().await;
        assert!(began.elapsed() < Duration::from_millis(100), "alone, it does not rest");
        let mut next = Box::pin(turns.next(FLOOD));
        while began.elapsed() < Duration::from_secs(10) {
            let single = turns.next(OTHER).now_or_never().expect("who sends one event after the other does not rest");
            tokio::time::advance(Duration::from_millis(30)).await;
            drop(single);
            if next.as_mut().now_or_never().is_some() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        let rested = began.elapsed();
        // 100 times the 20 ms that the last turn took too long.
        assert!((Duration::from_secs(2)..Duration::from_secs(3)).contains(&rested), "{rested:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_was_given_up_takes_no_place() {
        let turns = Turns::new(1);
        let (taken, waiting) = flooded(&turns);
        let mut last = Box::pin(turns.next(OTHER));
        assert!(last.as_mut().now_or_never().is_none());
        drop(waiting);
        drop(taken);
        assert!(last.now_or_never().is_some());
        let state = turns.locked();
        assert_eq!((state.taken, state.order.len()), (0, 0));
    }
}
