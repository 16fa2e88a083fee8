//! What is counted of tokens.

use prometheus::{IntCounterVec, Opts, Registry};

use super::Cause;

/// The counters of refreshes.
#[derive(Debug, Clone)]
pub struct TokenMetrics {
    refreshes: IntCounterVec,
}

impl TokenMetrics {
    /// Makes the counters and registers them.
    ///
    /// # Errors
    /// Where the registry already has metrics of these names.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let reported = "Token requests to GHL by result: ok, or the reason of the failure";
        let refreshes = IntCounterVec::new(Opts::new("clienty_token_refresh_total", reported), &["result"])?;
        registry.register(Box::new(refreshes.clone()))?;
        // A rate needs the zero before the first.
        refreshes.with_label_values(&["ok"]);
        Ok(Self { refreshes })
    }

    pub(super) fn ended(&self, result: Result<(), &Cause>) {
        let result = result.map_or_else(Cause::label, |()| "ok");
        self.refreshes.with_label_values(&[result]).inc();
    }
}
