//! The numbers that Prometheus reads. Names are promised; no label holds the id of a contact or location.
//!
//! What happens is counted where it happens. What *is* (jobs by state, lanes by state) is sampled in the background by one task a
//! process ([`Metrics::watch`]): whoever reads the numbers, however often, counts no table, and is answered while the database is down.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use job_engine::{LaneState, Queue};
use prometheus::{Gauge, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};
use sync_workers::clock::Clock;
use sync_workers::ghl::GhlMetrics;
use sync_workers::jobs::JobMetrics;
use sync_workers::oauth::TokenMetrics;
use sync_workers::records::{JobState, Records, RecordsError};
use tokio::time::{Instant, sleep};

/// All metrics of a process.
pub struct Metrics {
    registry: Registry,
    clock: Clock,
    pub ghl: GhlMetrics,
    pub jobs: JobMetrics,
    pub tokens: TokenMetrics,
    queue_jobs: IntGaugeVec,
    oldest: Gauge,
    lanes: IntGaugeVec,
    dead: IntGauge,
    /// Whether the last sample of the queue failed: said once.
    is_queue_silent: AtomicBool,
}

/// Why the numbers can't be told.
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

impl Metrics {
    /// Registers all of them.
    ///
    /// # Errors
    /// [`MetricsError::Prometheus`] when two claim one name: a mistake in this file.
    pub fn new(clock: Clock) -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let gauges = |name: &str, help: &str| {
            let made = IntGaugeVec::new(Opts::new(name, help), &["state"])?;
            registry.register(Box::new(made.clone()))?;
            Ok::<_, prometheus::Error>(made)
        };
        let queue_jobs = gauges("clienty_queue_jobs", "Ledger rows by state; done ones are not counted here")?;
        let lanes = gauges(
            "clienty_lanes",
            "Locations that the queue knows: ready, parked (for tokens, the day, or a refusal), paused by a person, broken off",
        )?;
        let oldest = Gauge::new("clienty_queue_oldest_seconds", "Age of the oldest open ledger row")?;
        let dead = IntGauge::new("clienty_dead_jobs", "Dead letters that a person has to look at")?;
        registry.register(Box::new(oldest.clone()))?;
        registry.register(Box::new(dead.clone()))?;
        let (ghl, jobs) = (GhlMetrics::register(&registry)?, JobMetrics::register(&registry)?);
        let tokens = TokenMetrics::register(&registry)?;
        let is_queue_silent = AtomicBool::new(false);
        Ok(Self { registry, clock, ghl, jobs, tokens, queue_jobs, oldest, lanes, dead, is_queue_silent })
    }

    /// Samples now and then, for good. Drop the future to end it.
    pub async fn watch(&self, records: Records, queue: Queue) {
        loop {
            let began = Instant::now();
            self.sample(&records, &queue).await;
            sleep(EVERY.max(began.elapsed() * SPARED)).await;
        }
    }

    /// Asks the database and the queue for what is so at this moment. What does not answer keeps its last numbers.
    pub async fn sample(&self, records: &Records, queue: &Queue) {
        if let Err(error) = self.sample_records(records).await {
            tracing::warn!(%error, "the database does not answer, so its numbers in /metrics are old");
        }
        let asked = queue.lanes().await;
        let was_silent = self.is_queue_silent.swap(asked.is_err(), Ordering::SeqCst);
        match asked {
            Ok(lanes) => {
                for name in LANE_STATES {
                    let count = lanes.iter().filter(|lane| lane_state(lane.state) == name).count();
                    self.lanes.with_label_values(&[name]).set(i64::try_from(count).unwrap_or(i64::MAX));
                }
            }
            Err(error) if was_silent => tracing::debug!(%error, "the queue still does not answer"),
            Err(error) => tracing::warn!(%error, "the queue does not answer, so its numbers in /metrics are old"),
        }
    }

    async fn sample_records(&self, records: &Records) -> Result<(), RecordsError> {
        for (state, count) in records.unfinished_counts().await? {
            match state {
                JobState::Done => {}
                JobState::Dead => self.dead.set(count),
                _ => self.queue_jobs.with_label_values(&[state.as_str()]).set(count),
            }
        }
        let age_ms = records.oldest_open_ms().await?.map_or(0, |since| self.clock.now_ms().saturating_sub(since));
        self.oldest.set(age_ms as f64 / 1000.0);
        Ok(())
    }

    /// Everything in Prometheus' text format.
    ///
    /// # Errors
    /// [`MetricsError::Prometheus`]: a mistake in this file.
    pub fn render(&self) -> Result<String, MetricsError> {
        Ok(TextEncoder::new().encode_to_string(&self.registry.gather())?)
    }
}

/// The values of the label `state` of `clienty_lanes`.
const LANE_STATES: [&str; 4] = ["ready", "parked", "paused", "broken"];

fn lane_state(state: LaneState) -> &'static str {
    match state {
        LaneState::Ready => "ready",
        LaneState::WaitsForTokens | LaneState::DaySpent | LaneState::Paced | LaneState::Held => "parked",
        LaneState::Paused => "paused",
        LaneState::Broken => "broken",
    }
}
