//! What became of a run. The words are the whole vocabulary: no error is ever downcast to find out.

use std::time::Duration;

/// The outcome of one run of a job, said by its handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Finished.
    Done,
    /// Failed, may succeed later. Spends an attempt.
    Retry {
        /// Not before this long from now.
        after: Duration,
    },
    /// Not yet: nothing failed, and no attempt is spent.
    Snooze {
        /// Not before this long from now.
        after: Duration,
    },
    /// The server refused for the whole lane (law 3): nothing of the lane runs for so long, the job goes back to its head, and no
    /// attempt is spent.
    Throttled {
        /// How long the lane is held.
        hold: Duration,
    },
    /// The lane is of no use as it is, as with a revoked token (law 12): its breaker opens, the job goes back to its head, and no
    /// attempt is spent. After the time one job probes whether things are well again.
    Broken {
        /// How long until the probe.
        probe_after: Duration,
    },
    /// Given back unfinished, as at a shutdown. No attempt is spent.
    Released,
    /// Will never succeed. The handler has kept the reason.
    Dead,
}

impl Outcome {
    /// The word used in metrics.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retry { .. } => "retry",
            Self::Snooze { .. } => "snoozed",
            Self::Throttled { .. } => "throttled",
            Self::Broken { .. } => "broken",
            Self::Released => "released",
            Self::Dead => "dead",
        }
    }
}
