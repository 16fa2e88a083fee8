//! What is counted of hooks.

use prometheus::{Histogram, HistogramOpts, IntCounterVec, Opts, Registry};

/// Seconds.
const BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0];

/// What becomes of a try, or of a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeliveryOutcome {
    /// Taken by the receiver.
    Sent,
    /// Not taken; tried again.
    Failed,
    /// The receiver has too much to do; tried again.
    Throttled,
    /// Not taken at the last of its tries.
    GivenUp,
    /// Nothing was left to send.
    Dropped,
    /// The receiver wants no more: 410.
    Gone,
    /// The hook was disabled, since nothing was taken for days.
    Disabled,
}

impl DeliveryOutcome {
    const ALL: [Self; 7] =
        [Self::Sent, Self::Failed, Self::Throttled, Self::GivenUp, Self::Dropped, Self::Gone, Self::Disabled];

    fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Throttled => "throttled",
            Self::GivenUp => "given_up",
            Self::Dropped => "dropped",
            Self::Gone => "gone",
            Self::Disabled => "disabled",
        }
    }
}

/// Counters of hooks. Clones share them.
#[derive(Clone)]
pub struct HookMetrics {
    outcomes: IntCounterVec,
    duration: Histogram,
}

impl HookMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// When another metric has one of the names.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let outcomes = Opts::new(
            "clienty_hooks_total",
            "Messages to hooks by outcome of an attempt, and hooks that were disabled",
        );
        let duration = HistogramOpts::new("clienty_hook_duration_seconds", "How long receivers took to answer");
        let metrics = Self {
            outcomes: IntCounterVec::new(outcomes, &["outcome"])?,
            duration: Histogram::with_opts(duration.buckets(BUCKETS.to_vec()))?,
        };
        // A counter that begins with 1 has not increased, so all begin with 0.
        for outcome in DeliveryOutcome::ALL {
            metrics.outcomes.with_label_values(&[outcome.as_str()]);
        }
        registry.register(Box::new(metrics.outcomes.clone()))?;
        registry.register(Box::new(metrics.duration.clone()))?;
        Ok(metrics)
    }

    pub(crate) fn count(&self, outcome: DeliveryOutcome) {
        self.outcomes.with_label_values(&[outcome.as_str()]).inc();
    }

    pub(crate) fn took(&self, took: std::time::Duration) {
        self.duration.observe(took.as_secs_f64());
    }
}
