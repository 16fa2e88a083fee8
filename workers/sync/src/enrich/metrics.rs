//! What is counted of enrichment.

use prometheus::{IntCounterVec, Opts, Registry};

/// What becomes of asking a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LookupOutcome {
    /// It knows the person.
    Match,
    /// It does not.
    Miss,
    /// It was asked before, and its answer still counts.
    Cached,
    /// It wants to be asked less often.
    Throttled,
    /// It failed, or refuses its key; it was passed over.
    Broken,
    /// A ceiling would have been passed.
    OutOfMoney,
    /// No answer came: the call counts as paid.
    Unknown,
    /// It has no key here.
    NotConnected,
}

impl LookupOutcome {
    const ALL: [Self; 8] = [
        Self::Match,
        Self::Miss,
        Self::Cached,
        Self::Throttled,
        Self::Broken,
        Self::OutOfMoney,
        Self::Unknown,
        Self::NotConnected,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Miss => "miss",
            Self::Cached => "cached",
            Self::Throttled => "throttled",
            Self::Broken => "broken",
            Self::OutOfMoney => "out_of_money",
            Self::Unknown => "unknown",
            Self::NotConnected => "not_connected",
        }
    }
}

/// Counters of enrichment. Clones share them.
#[derive(Clone)]
pub struct EnrichMetrics {
    outcomes: IntCounterVec,
    credits: IntCounterVec,
}

impl EnrichMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// When another metric has one of the names.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let outcomes = Opts::new("clienty_enrich_total", "Questions to providers of enrichment by outcome");
        let credits =
            Opts::new("clienty_enrich_credits_total", "Credits that providers charged, as far as they reported it");
        let metrics = Self {
            outcomes: IntCounterVec::new(outcomes, &["provider", "outcome"])?,
            credits: IntCounterVec::new(credits, &["provider"])?,
        };
        metrics.begin(super::LOCAL);
        registry.register(Box::new(metrics.outcomes.clone()))?;
        registry.register(Box::new(metrics.credits.clone()))?;
        Ok(metrics)
    }

    /// A counter that begins with 1 has not increased, so all of a provider begin with 0.
    pub(crate) fn begin(&self, provider: &str) {
        for outcome in LookupOutcome::ALL {
            self.outcomes.with_label_values(&[provider, outcome.as_str()]);
        }
        self.credits.with_label_values(&[provider]);
    }

    pub(crate) fn count(&self, provider: &str, outcome: LookupOutcome) {
        self.outcomes.with_label_values(&[provider, outcome.as_str()]).inc();
    }

    pub(crate) fn spent(&self, provider: &str, credits: u64) {
        self.credits.with_label_values(&[provider]).inc_by(credits);
    }
}
