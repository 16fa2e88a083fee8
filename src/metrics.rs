//! The numbers that Prometheus reads. Names are promised; no label holds the id of a contact or location.
//!
//! What happens is counted where it happens; what *is* (jobs by state, lanes by state) is asked for when somebody reads.

use job_engine::{LaneState, Queue};
use prometheus::{Gauge, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};
use sync_workers::clock::Clock;
use sync_workers::ghl::GhlMetrics;
use sync_workers::jobs::JobMetrics;
use sync_workers::oauth::TokenMetrics;
use sync_workers::records::{JobState, Records, RecordsError};

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
}

/// Why the numbers can't be told.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// Two metrics claim one name.
    #[error(transparent)]
    Prometheus(#[from] prometheus::Error),
    /// The database did not answer.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

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
        Ok(Self { registry, clock, ghl, jobs, tokens, queue_jobs, oldest, lanes, dead })
    }

    /// Everything in Prometheus' text format, with the state of things at this moment.
    ///
    /// # Errors
    /// [`MetricsError::Records`] when the database does not answer. A queue that does not is only missing.
    pub async fn render(&self, records: &Records, queue: &Queue) -> Result<String, MetricsError> {
        for (state, count) in records.job_counts().await? {
            match state {
                JobState::Done => {}
                JobState::Dead => self.dead.set(count),
                _ => self.queue_jobs.with_label_values(&[state.as_str()]).set(count),
            }
        }
        let age_ms = records.oldest_open_ms().await?.map_or(0, |since| self.clock.now_ms().saturating_sub(since));
        self.oldest.set(age_ms as f64 / 1000.0);
        match queue.lanes().await {
            Ok(lanes) => {
                for name in LANE_STATES {
                    let count = lanes.iter().filter(|lane| lane_state(lane.state) == name).count();
                    self.lanes.with_label_values(&[name]).set(i64::try_from(count).unwrap_or(i64::MAX));
                }
            }
            Err(error) => tracing::warn!(%error, "the queue could not tell of its lanes"),
        }
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
