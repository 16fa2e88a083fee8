//! Gauges, sampled in the background by one task a process. So a scrape counts no table, and is
//! answered while the database or the queue is down.
//!
//! Each of the two has a gauge that shows whether it answered the last sample. If one does not
//! answer, its gauges keep their last values.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use job_engine::{LaneState, LaneView, Queue};
use prometheus::{Gauge, IntGauge, IntGaugeVec, Opts, Registry};
use sync_model::clock::Clock;
use sync_workers::records::{JobState, Records, RecordsError};
use tokio::time::{Instant, timeout};

/// An answer that takes longer is none: alerts have to ring while a server hangs.
const PATIENCE: Duration = Duration::from_secs(3);

/// The gauges of a process.
pub(super) struct Gauges {
    clock: Clock,
    database_up: IntGauge,
    queue_up: IntGauge,
    queue_jobs: IntGaugeVec,
    oldest: Gauge,
    running_oldest: Gauge,
    runnable_wait: Gauge,
    locations: IntGaugeVec,
    /// Without labels; a vector, so that it is absent until it was counted: 0 would look as if all of them had just died.
    dead: IntGaugeVec,
    daily_share: Gauge,
    keys_ending: IntGauge,
    /// What an operator has paused, as of the last sample of the queue: kinds and locations.
    paused: Mutex<(BTreeSet<String>, HashSet<String>)>,
    /// Since when each location was seen with jobs that could run, at every sample.
    runnable: Mutex<HashMap<String, Instant>>,
}

impl Gauges {
    pub(super) fn register(registry: &Registry, clock: Clock) -> Result<Self, prometheus::Error> {
        let number = |name: &str, help: &str| {
            let made = IntGauge::new(name, help)?;
            registry.register(Box::new(made.clone()))?;
            Ok::<_, prometheus::Error>(made)
        };
        let seconds = |name: &str, help: &str| {
            let made = Gauge::new(name, help)?;
            registry.register(Box::new(made.clone()))?;
            Ok::<_, prometheus::Error>(made)
        };
        let by_state = |name: &str, help: &str| {
            let made = IntGaugeVec::new(Opts::new(name, help), &["state"])?;
            registry.register(Box::new(made.clone()))?;
            Ok::<_, prometheus::Error>(made)
        };
        let dead = IntGaugeVec::new(
            Opts::new("clienty_dead_jobs", "Dead letters, which an operator retries or discards"),
            &[],
        )?;
        registry.register(Box::new(dead.clone()))?;
        let daily_share = seconds(
            "clienty_quota_daily_share",
            "Smallest share of the day's calls that a connected location has left, from 0 to 1",
        )?;
        daily_share.set(1.0);
        Ok(Self {
            clock,
            database_up: number("clienty_database_up", "1 if the database answered the last sample")?,
            queue_up: number("clienty_queue_up", "1 if the queue answered the last sample")?,
            queue_jobs: by_state("clienty_queue_jobs", "Open and dead ledger rows by state")?,
            oldest: seconds(
                "clienty_queue_oldest_seconds",
                "Age of the oldest open ledger row, without paused kinds and paused or disconnected locations",
            )?,
            running_oldest: seconds("clienty_running_oldest_seconds", "Age of the longest run")?,
            runnable_wait: seconds(
                "clienty_runnable_wait_seconds",
                "How long a location has had runnable jobs and free calls: above 0 only if there are too few workers",
            )?,
            locations: by_state(
                "clienty_locations",
                "Locations that the queue knows: ready, throttled (waiting for calls), paused by an operator, circuit_open after failures",
            )?,
            dead,
            daily_share,
            keys_ending: number("clienty_api_keys_ending", "API keys in force that end within 14 days")?,
            paused: Mutex::default(),
            runnable: Mutex::default(),
        })
    }

    /// Asks the database and the queue for what is so at this moment.
    pub(super) async fn sample(&self, records: &Records, queue: &Queue) {
        let (database, lanes, kinds) =
            tokio::join!(in_time(self.sample_records(records)), in_time(queue.lanes()), in_time(queue.paused_kinds()));
        report(&self.database_up, "the database", &database);
        report(&self.queue_up, "the queue", &lanes);
        let Ok(lanes) = lanes else { return };
        self.sample_lanes(&lanes);
        if let Ok(kinds) = kinds {
            let paused = lanes.iter().filter(|lane| lane.state == LaneState::Paused).map(|lane| lane.lane.clone());
            *self.paused.lock().unwrap_or_else(PoisonError::into_inner) = (kinds, paused.collect());
        }
        // Without the database it is unknown which are connected; the last number stays.
        let needy: Vec<String> =
            lanes.iter().filter(|lane| share(lane) < NEEDY).map(|lane| lane.lane.clone()).collect();
        if let Ok(connected) = in_time(records.known_locations(&needy)).await {
            self.daily_share.set(least_share(&lanes, &connected));
        }
    }

    async fn sample_records(&self, records: &Records) -> Result<(), RecordsError> {
        // A full or read-only disk answers every read.
        records.check_write().await?;
        for (state, count) in records.unfinished_counts().await? {
            match state {
                JobState::Done | JobState::Discarded => {}
                JobState::Dead => self.dead.with_label_values::<&str>(&[]).set(count),
                _ => self.queue_jobs.with_label_values(&[state.as_str()]).set(count),
            }
        }
        self.keys_ending.set(records.count_ending_keys().await?);
        let (kinds, locations) = self.paused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let counts = |kind: &str, location: &str| !kinds.contains(kind) && !locations.contains(location);
        self.oldest.set(self.age(records.oldest_open_ms(counts).await?));
        self.running_oldest.set(self.age(records.oldest_running_ms().await?));
        Ok(())
    }

    /// In seconds; 0 for none.
    fn age(&self, since_ms: Option<i64>) -> f64 {
        since_ms.map_or(0, |since| self.clock.now_ms().saturating_sub(since).max(0)) as f64 / 1000.0
    }

    fn sample_lanes(&self, lanes: &[LaneView]) {
        for state in LOCATION_STATES {
            let count = lanes.iter().filter(|lane| location_state(lane.state) == state).count();
            self.locations.with_label_values(&[state]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let now = Instant::now();
        let mut runnable = self.runnable.lock().unwrap_or_else(PoisonError::into_inner);
        let is_runnable = |lane: &&LaneView| {
            lane.state == LaneState::Ready && lane.tokens_free > 0 && lane.waiting.iter().any(|waiting| *waiting > 0)
        };
        let still: HashMap<String, Instant> = lanes
            .iter()
            .filter(is_runnable)
            .map(|lane| (lane.lane.clone(), runnable.get(&lane.lane).copied().unwrap_or(now)))
            .collect();
        let longest = still.values().map(|since| now.duration_since(*since)).max().unwrap_or_default();
        self.runnable_wait.set(longest.as_secs_f64());
        *runnable = still;
    }
}

/// Locations that have more than this share of their day left need no look at whether they are connected.
const NEEDY: f64 = 0.5;

/// The share of the calls of its day that a location has left.
fn share(lane: &LaneView) -> f64 {
    f64::from(lane.limit.daily.saturating_sub(lane.day_used)) / f64::from(lane.limit.daily.max(1))
}

fn least_share(lanes: &[LaneView], connected: &HashSet<String>) -> f64 {
    let counts = |lane: &&LaneView| share(lane) >= NEEDY || connected.contains(&lane.lane);
    lanes.iter().filter(counts).map(share).fold(1.0, f64::min)
}

async fn in_time<T, E: Display>(answer: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {PATIENCE:?}")),
    }
}

/// Sets whether `part` is up, and logs a change: an outage is one line, not one a sample.
fn report<T>(up: &IntGauge, part: &str, answer: &Result<T, String>) {
    let was_up = up.get() == 1;
    up.set(i64::from(answer.is_ok()));
    match answer {
        Err(error) if was_up => tracing::warn!(error, "{part} does not answer, so its figures in /metrics are stale"),
        Ok(_) if !was_up => tracing::debug!("{part} answers"),
        _ => {}
    }
}

/// The values of the label `state` of `clienty_locations`.
const LOCATION_STATES: [&str; 4] = ["ready", "throttled", "paused", "circuit_open"];

fn location_state(state: LaneState) -> &'static str {
    match state {
        LaneState::Ready => "ready",
        LaneState::WaitsForTokens | LaneState::DaySpent | LaneState::Paced | LaneState::Held => "throttled",
        LaneState::Paused => "paused",
        LaneState::Broken => "circuit_open",
    }
}

#[cfg(test)]
mod tests {
    use job_engine::Limit;

    use super::*;

    fn lane(name: &str, daily: u32, day_used: u32) -> LaneView {
        let interval = Duration::from_secs(10);
        LaneView {
            lane: name.to_owned(),
            state: LaneState::Ready,
            waiting: [0; 3],
            tokens_out: 0,
            tokens_cooling: 0,
            tokens_free: 1,
            day_used,
            held_for: Duration::ZERO,
            limit: Limit { burst: 100, interval, call_timeout: interval, reserve: 2, daily },
        }
    }

    #[test]
    fn the_day_of_a_location_is_measured_by_its_own_limit() {
        let connected = HashSet::from(["small".to_owned(), "spent".to_owned()]);
        let share = |lanes: &[LaneView]| least_share(lanes, &connected);
        assert_eq!(share(&[]), 1.0);
        assert_eq!(share(&[lane("small", 10_000, 100), lane("large", 200_000, 20_000)]), 0.9);
        assert_eq!(share(&[lane("small", 10_000, 9_900), lane("gone", 200_000, 200_000)]), 0.01);
        assert_eq!(share(&[lane("spent", 10_000, 12_000)]), 0.0);
    }
}
