//! The one place that reads the wall clock, so that a test can hold it still.
//!
//! Queue time is not here: it belongs to the queue (law 9 of the design: one clock).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// Tells the time of day: the system's, or one that a test sets.
#[derive(Clone, Default)]
pub struct Clock {
    fixed_ms: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands at `at` until [`Clock::set`] moves it.
    #[must_use]
    pub fn fixed(at: Timestamp) -> Self {
        Self { fixed_ms: Some(Arc::new(AtomicI64::new(at.as_millisecond()))) }
    }

    /// Moves a fixed clock to `at`; the system's clock takes no orders and ignores it.
    pub fn set(&self, at: Timestamp) {
        if let Some(fixed) = &self.fixed_ms {
            fixed.store(at.as_millisecond(), Ordering::SeqCst);
        }
    }

    /// Milliseconds since 1970-01-01 UTC: the form in which the database keeps times.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn now_ms(&self) -> i64 {
        match &self.fixed_ms {
            Some(fixed) => fixed.load(Ordering::SeqCst),
            None => Timestamp::now().as_millisecond(),
        }
    }

    /// Now, to the millisecond.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now_ms()).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.fixed_ms.is_some() { "Clock(fixed)" } else { "Clock(system)" })
    }
}
