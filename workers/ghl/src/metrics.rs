//! What is counted of the calls: never with an id as a label, so that the number of series stays small.

use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};

/// Seconds; the last is past the default timeout of a call.
const BUCKETS: &[f64] = &[0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// The counters of the client.
#[derive(Debug, Clone)]
pub struct GhlMetrics {
    requests: IntCounterVec,
    duration: HistogramVec,
    throttled: IntCounter,
    passed_over: IntCounterVec,
}

impl GhlMetrics {
    /// Makes the counters and registers them.
    ///
    /// # Errors
    /// Where the registry already has metrics of these names.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let requests = IntCounterVec::new(
            Opts::new("clienty_ghl_requests_total", "Requests sent to GHL, by operation and HTTP status"),
            &["operation", "status"],
        )?;
        let duration = HistogramVec::new(
            HistogramOpts::new(
                "clienty_ghl_request_duration_seconds",
                "From sending a request to the end of its reply",
            )
            .buckets(BUCKETS.to_vec()),
            &["operation"],
        )?;
        let throttled = IntCounter::new("clienty_ghl_throttled_total", "Requests that GHL answered with 429")?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(duration.clone()))?;
        let passed_over = IntCounterVec::new(
            Opts::new("clienty_ghl_passed_over_total", "Items of GHL's lists that could not be read, by operation"),
            &["operation"],
        )?;
        registry.register(Box::new(throttled.clone()))?;
        registry.register(Box::new(passed_over.clone()))?;
        Ok(Self { requests, duration, throttled, passed_over })
    }

    /// Counts items of a list that could not be read.
    pub(super) fn passed_over(&self, operation: &str, items: usize) {
        self.passed_over.with_label_values(&[operation]).inc_by(u64::try_from(items).unwrap_or(u64::MAX));
    }

    /// Counts one request. `status` is the HTTP status, or `timeout` or `network` where none came.
    pub(super) fn sent(&self, operation: &str, status: &str, took: Duration) {
        self.requests.with_label_values(&[operation, status]).inc();
        self.duration.with_label_values(&[operation]).observe(took.as_secs_f64());
        if status == "429" {
            self.throttled.inc();
        }
    }
}
