//! What each connection is doing, since when, and which of them to close.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;

use super::ServerLimits;

/// How long a connection may be silent, or in the midst of a head or body, before it can be spared.
const SETTLING: Duration = Duration::from_millis(250);

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Phase {
    /// Nothing was sent on it yet.
    Silent,
    /// The head of a request is not complete.
    Head,
    /// The body of a request is not complete. `trusted`: who sends it has a key.
    Body { trusted: bool },
    /// A request is worked on.
    Busy,
    /// Its answer is complete, and not all of it has left the process.
    Writing,
    /// A request was answered, and the next one has not begun.
    Idle,
    /// All was answered; what the client still sends is thrown away.
    Lingering,
}

#[derive(Debug, Clone, Copy)]
struct State {
    phase: Phase,
    /// When the phase began.
    since: Instant,
    /// When the current request began.
    request_since: Instant,
}

impl State {
    /// Who is closed first if there are too many; none who can't be spared. Whoever was let in a moment ago may have sent what was not
    /// read yet: a burst of good clients is not cut off.
    fn rank(&self, now: Instant) -> Option<u8> {
        let settled = now >= self.since + SETTLING;
        match self.phase {
            Phase::Lingering => Some(0),
            Phase::Silent | Phase::Head => settled.then_some(1),
            Phase::Idle => Some(2),
            Phase::Body { trusted: false } => settled.then_some(3),
            Phase::Body { trusted: true } | Phase::Busy | Phase::Writing => None,
        }
    }

    fn is_overdue(&self, now: Instant, limits: &ServerLimits) -> bool {
        match self.phase {
            Phase::Silent | Phase::Head => now >= self.since + limits.head,
            Phase::Idle => now >= self.since + limits.idle,
            // Bodies have their own deadline, which is answered; this one bounds the whole.
            Phase::Body { .. } | Phase::Busy | Phase::Writing => now >= self.request_since + limits.request,
            // Has its own deadline.
            Phase::Lingering => false,
        }
    }
}

/// One connection.
#[derive(Debug)]
pub(in super::super) struct Connection {
    id: u64,
    state: Mutex<State>,
    /// The place of the current request among those of its key.
    place: Mutex<Option<OwnedSemaphorePermit>>,
    close: Notify,
    all: Weak<Connections>,
}

impl Connection {
    /// Notes that another phase begins.
    pub(in super::super) fn enter(&self, phase: Phase) {
        let now = Instant::now();
        let mut state = locked(&self.state);
        let begins = matches!(state.phase, Phase::Silent | Phase::Head | Phase::Idle);
        let request_since = if begins { now } else { state.request_since };
        *state = State { phase, since: now, request_since };
    }

    /// Notes that bytes have come in.
    pub(super) fn received(&self) {
        let waits = matches!(locked(&self.state).phase, Phase::Silent | Phase::Idle);
        if waits {
            self.enter(Phase::Head);
        }
    }

    /// Notes that nothing is left to be written.
    pub(super) fn flushed(&self) {
        let was_writing = locked(&self.state).phase == Phase::Writing;
        if was_writing {
            self.enter(Phase::Idle);
            locked(&self.place).take();
        }
    }

    /// Keeps the place of a request until its answer is written: an answer that the client does not read stays in memory so long.
    pub(in super::super) fn keep(&self, place: OwnedSemaphorePermit) {
        *locked(&self.place) = Some(place);
    }

    /// Waits until the connection is to be closed.
    pub(super) async fn closed(&self) {
        self.close.notified().await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(all) = self.all.upgrade() {
            locked(&all.open).1.remove(&self.id);
        }
    }
}

/// All connections of a server.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// The last id, and the open connections that do not have to close yet.
    open: Mutex<(u64, HashMap<u64, Weak<Connection>>)>,
}

impl Connections {
    /// A new one.
    pub(super) fn open(self: &Arc<Self>) -> Arc<Connection> {
        let now = Instant::now();
        let state = Mutex::new(State { phase: Phase::Silent, since: now, request_since: now });
        let mut open = locked(&self.open);
        open.0 += 1;
        let (place, close, all) = (Mutex::default(), Notify::new(), Arc::downgrade(self));
        let connection = Connection { id: open.0, state, place, close, all };
        let connection = Arc::new(connection);
        open.1.insert(connection.id, Arc::downgrade(&connection));
        connection
    }

    /// Closes the connection that can best be spared, if any can.
    pub(super) fn make_room(&self, now: Instant) -> bool {
        let spared = self.states().into_iter().filter_map(|(connection, state)| {
            let rank = state.rank(now)?;
            Some(((rank, state.since), connection))
        });
        let Some((_, connection)) = spared.min_by_key(|(order, _)| *order) else { return false };
        self.close(&connection);
        true
    }

    /// Closes those that are past a deadline.
    pub(super) fn close_overdue(&self, now: Instant, limits: &ServerLimits) {
        for (connection, state) in self.states() {
            if state.is_overdue(now, limits) {
                self.close(&connection);
            }
        }
    }

    /// Closes those on which nothing is asked.
    pub(super) fn close_unasked(&self) {
        for (connection, state) in self.states() {
            if matches!(state.phase, Phase::Silent | Phase::Head | Phase::Idle) {
                self.close(&connection);
            }
        }
    }

    /// The lock is let go before a connection is: its drop takes it again.
    fn states(&self) -> Vec<(Arc<Connection>, State)> {
        let open: Vec<_> = locked(&self.open).1.values().filter_map(Weak::upgrade).collect();
        let state = |connection: Arc<Connection>| {
            let state = *locked(&connection.state);
            (connection, state)
        };
        open.into_iter().map(state).collect()
    }

    fn close(&self, connection: &Connection) {
        // Not twice: a connection that has to close makes room once.
        locked(&self.open).1.remove(&connection.id);
        connection.close.notify_one();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    const LIMITS: ServerLimits = ServerLimits {
        connections: 8,
        head: Duration::from_secs(10),
        idle: Duration::from_secs(75),
        request: Duration::from_secs(120),
    };

    /// Whether it has to close.
    async fn is_closed(connection: &Connection) -> bool {
        tokio::time::timeout(Duration::ZERO, connection.closed()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn room_is_made_by_whoever_does_least_and_the_oldest_of_those() {
        let all = Arc::new(Connections::default());
        // From who is spared last to who is spared first, so that age alone would be wrong.
        let phases = [
            Phase::Busy,
            Phase::Body { trusted: true },
            Phase::Body { trusted: false },
            Phase::Idle,
            Phase::Silent,
            Phase::Head,
            Phase::Lingering,
        ];
        let mut open = Vec::new();
        for phase in phases {
            let connection = all.open();
            connection.enter(phase);
            open.push(connection);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        for expected in [6, 3, 4, 5, 2] {
            if expected == 4 {
                assert!(!all.make_room(Instant::now()), "the rest may be about to send");
                tokio::time::advance(SETTLING).await;
            }
            assert!(all.make_room(Instant::now()));
            for (place, connection) in open.iter().enumerate() {
                assert_eq!(is_closed(connection).await, place == expected, "{:?} at {expected}", phases[place]);
            }
        }
        assert!(!all.make_room(Instant::now()), "who has a key, and who is answered, is not cut off");
        drop(open);
        assert!(all.states().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_deadline_and_a_byte_now_and_then_moves_none() {
        let cases = [
            (Phase::Silent, LIMITS.head),
            (Phase::Head, LIMITS.head),
            (Phase::Idle, LIMITS.idle),
            (Phase::Body { trusted: true }, LIMITS.request),
            (Phase::Busy, LIMITS.request),
            (Phase::Writing, LIMITS.request),
        ];
        for (phase, deadline) in cases {
            let all = Arc::new(Connections::default());
            let connection = all.open();
            connection.enter(phase);
            tokio::time::advance(deadline - Duration::from_millis(1)).await;
            if phase != Phase::Silent && phase != Phase::Idle {
                connection.received();
            }
            all.close_overdue(Instant::now(), &LIMITS);
            assert!(!is_closed(&connection).await, "{phase:?}");
            tokio::time::advance(Duration::from_millis(1)).await;
            all.close_overdue(Instant::now(), &LIMITS);
            assert!(is_closed(&connection).await, "{phase:?}");
        }
    }

    #[tokio::test]
    async fn the_place_of_a_request_is_free_once_its_answer_is_written() {
        let (all, places) = (Arc::new(Connections::default()), Arc::new(Semaphore::new(1)));
        let connection = all.open();
        connection.enter(Phase::Busy);
        connection.keep(Arc::clone(&places).try_acquire_owned().unwrap());
        connection.flushed();
        assert_eq!(places.available_permits(), 0, "what was written before was no answer");
        connection.enter(Phase::Writing);
        connection.flushed();
        assert_eq!(places.available_permits(), 1);
        connection.keep(Arc::clone(&places).try_acquire_owned().unwrap());
        drop(connection);
        assert_eq!(places.available_permits(), 1, "nor is it lost with the connection");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_as_old_as_its_head_whatever_came_after() {
        let all = Arc::new(Connections::default());
        let connection = all.open();
        connection.enter(Phase::Busy);
        for phase in [Phase::Body { trusted: true }, Phase::Busy] {
            tokio::time::advance(LIMITS.request / 2).await;
            connection.enter(phase);
        }
        all.close_overdue(Instant::now(), &LIMITS);
        assert!(is_closed(&connection).await);
    }
}
