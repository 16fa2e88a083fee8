//! The numbers that Prometheus reads. Names are promised; no label holds the id of a contact or location.
//!
//! What happens is counted where it happens, what *is* is sampled in the background ([`gauges`]).

use std::time::Duration;

use ghl::GhlMetrics;
use job_engine::Queue;
use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};
use sync_model::clock::Clock;
use sync_workers::enrich::EnrichMetrics;
use sync_workers::hooks::HookMetrics;
use sync_workers::jobs::JobMetrics;
use sync_workers::oauth::TokenMetrics;
use sync_workers::records::Records;
use tokio::time::{Instant, sleep};

use self::gauges::Gauges;

mod gauges;

/// All metrics of a process.
pub struct Metrics {
    registry: Registry,
    pub ghl: GhlMetrics,
    pub jobs: JobMetrics,
    pub tokens: TokenMetrics,
    pub hooks: HookMetrics,
    pub enrich: EnrichMetrics,
    gauges: Gauges,
    requests: IntCounterVec,
}

/// Why the metrics can't be registered or printed.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// Two metrics claim one name.
    #[error(transparent)]
    Prometheus(#[from] prometheus::Error),
}

/// How often the database and the queue are asked.
const EVERY: Duration = Duration::from_secs(5);
/// A sample that takes long is taken less often: at most one part in so many of the time goes into it.
const SPARED: u32 = 20;
/// Alerts have to see in time that a server which hung answers again.
const LONGEST: Duration = Duration::from_secs(30);

impl Metrics {
    /// Registers all of them.
    ///
    /// # Errors
    /// [`MetricsError::Prometheus`] when two claim one name: a mistake in this file.
    pub fn new(clock: Clock) -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let requests = IntCounterVec::new(
            Opts::new("clienty_http_requests_total", "Requests of the gateway by route and status"),
            &["route", "status"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        let build = IntGaugeVec::new(
            Opts::new("clienty_build_info", "Always 1; its labels name version and build"),
            &["version"],
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        registry.register(Box::new(build))?;
        let (ghl, jobs) = (GhlMetrics::register(&registry)?, JobMetrics::register(&registry)?);
        let (tokens, gauges) = (TokenMetrics::register(&registry)?, Gauges::register(&registry, clock)?);
        let (hooks, enrich) = (HookMetrics::register(&registry)?, EnrichMetrics::register(&registry)?);
        Ok(Self { registry, ghl, jobs, tokens, hooks, enrich, gauges, requests })
    }

    /// Samples now and then, for good. Drop the future to end it.
    pub async fn watch(&self, records: Records, queue: Queue) {
        loop {
            let began = Instant::now();
            self.gauges.sample(&records, &queue).await;
            sleep(EVERY.max(began.elapsed() * SPARED).min(LONGEST)).await;
        }
    }

    /// A request was answered. `route` is a path of ours, never the caller's.
    pub fn request_answered(&self, route: &str, status: u16) {
        self.requests.with_label_values(&[route, status.to_string().as_str()]).inc();
    }

    /// Everything in Prometheus' text format.
    ///
    /// # Errors
    /// [`MetricsError::Prometheus`]: a mistake in this file.
    pub fn render(&self) -> Result<String, MetricsError> {
        self.jobs.age();
        Ok(TextEncoder::new().encode_to_string(&self.registry.gather())?)
    }
}
