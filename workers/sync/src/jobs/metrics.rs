//! What is counted of jobs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ghl::webhooks::Event;
use job_engine::{Job, Outcome};
use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};

use sync_model::decide::verify::WriteOutcome;

/// Seconds; a job is a few calls of tens or hundreds of milliseconds.
const DURATION_BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];
/// Seconds; an import waits for hours.
const WAIT_BUCKETS: [f64; 12] = [0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 3600.0, 21_600.0];

/// What GHL reported of a location counts for so long: one that makes no calls any more, or is disconnected, is not needy for ever.
const REPORTED: Duration = Duration::from_secs(60 * 60);
/// What alerts look at, by the type of webhooks that are not read. A counter that begins with 1 has not increased, so they begin with 0.
const ALARMING: [&str; 3] = ["bad_signature", "deferred", "unreadable"];

/// Counters and histograms of jobs. Clones share them.
#[derive(Clone)]
pub struct JobMetrics {
    accepted: IntCounterVec,
    ended: IntCounterVec,
    duration: HistogramVec,
    wait: HistogramVec,
    writes: IntCounterVec,
    webhooks: IntCounterVec,
    reopened: IntCounter,
    flow_runs: IntCounterVec,
    /// Without labels; a vector, so that it is absent until GHL has reported a value.
    daily_remaining: IntGaugeVec,
    daily_by_location: Arc<Mutex<HashMap<String, (u32, Instant)>>>,
    /// Without labels; a vector, so that it is absent where no requeuer runs.
    requeue_age: GaugeVec,
    requeued_at: Arc<Mutex<Option<Instant>>>,
}

impl JobMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// When another metric has one of the names.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let accepted = Opts::new("clienty_events_accepted_total", "Events written to the ledger");
        let outcome = Opts::new("clienty_jobs_total", "Runs of jobs by outcome");
        let duration = HistogramOpts::new("clienty_job_duration_seconds", "How long runs took");
        let wait = HistogramOpts::new("clienty_job_wait_seconds", "From the first push to the claim, in queue time");
        let writes =
            Opts::new("clienty_writes_total", "Writes to GHL, by how its reply compares with the written values");
        let webhooks = Opts::new(
            "clienty_webhooks_total",
            "Webhooks by result; echo are accepted ones that reported our own write, or nothing new",
        );
        let reopened = Opts::new(
            "clienty_records_reopened_total",
            "Records that differed from GHL without a job, so that the requeuer opened their push",
        );
        let flow_runs =
            Opts::new("clienty_flow_runs_total", "Runs of flows by outcome; dead ones wait for an operator");
        let daily = Opts::new(
            "clienty_quota_daily_remaining",
            "Calls left today, as GHL reported within the hour, of the location with the fewest",
        );
        let requeue = Opts::new(
            "clienty_requeue_last_success_seconds",
            "Seconds since the requeuer of this process last read all open ledger rows",
        );
        let metrics = Self {
            accepted: IntCounterVec::new(accepted, &["source", "type"])?,
            ended: IntCounterVec::new(outcome, &["kind", "outcome"])?,
            duration: HistogramVec::new(duration.buckets(DURATION_BUCKETS.to_vec()), &["kind"])?,
            wait: HistogramVec::new(wait.buckets(WAIT_BUCKETS.to_vec()), &["kind", "priority"])?,
            writes: IntCounterVec::new(writes, &["record", "outcome"])?,
            webhooks: IntCounterVec::new(webhooks, &["type", "result"])?,
            reopened: IntCounter::with_opts(reopened)?,
            flow_runs: IntCounterVec::new(flow_runs, &["flow", "outcome"])?,
            daily_remaining: IntGaugeVec::new(daily, &[])?,
            daily_by_location: Arc::default(),
            requeue_age: GaugeVec::new(requeue, &[])?,
            requeued_at: Arc::default(),
        };
        for result in ALARMING {
            metrics.webhooks.with_label_values(&["unknown", result]);
        }
        for event in Event::ALL {
            metrics.webhooks.with_label_values(&[event.as_str(), "deferred"]);
        }
        registry.register(Box::new(metrics.accepted.clone()))?;
        registry.register(Box::new(metrics.ended.clone()))?;
        registry.register(Box::new(metrics.duration.clone()))?;
        registry.register(Box::new(metrics.wait.clone()))?;
        registry.register(Box::new(metrics.writes.clone()))?;
        registry.register(Box::new(metrics.webhooks.clone()))?;
        registry.register(Box::new(metrics.reopened.clone()))?;
        registry.register(Box::new(metrics.flow_runs.clone()))?;
        registry.register(Box::new(metrics.daily_remaining.clone()))?;
        registry.register(Box::new(metrics.requeue_age.clone()))?;
        Ok(metrics)
    }

    /// The requeuer found so many records with a pending write and no job.
    pub(crate) fn reopened(&self, count: usize) {
        self.reopened.inc_by(count as u64);
    }

    /// The requeuer begins, or has gone through all open rows.
    pub(crate) fn requeued(&self) {
        *self.requeued_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Brings what counts from an event on up to this moment.
    pub fn age(&self) {
        if let Some(at) = *self.requeued_at.lock().unwrap_or_else(PoisonError::into_inner) {
            self.requeue_age.with_label_values::<&str>(&[]).set(at.elapsed().as_secs_f64());
        }
        self.age_reported(Instant::now());
    }

    fn age_reported(&self, now: Instant) {
        let mut locations = self.daily_by_location.lock().unwrap_or_else(PoisonError::into_inner);
        locations.retain(|_, (_, at)| now.saturating_duration_since(*at) < REPORTED);
        match locations.values().map(|(left, _)| *left).min() {
            Some(least) => self.daily_remaining.with_label_values::<&str>(&[]).set(i64::from(least)),
            None => self.daily_remaining.reset(),
        }
    }

    /// An event was accepted for the first time, or found by a reconciliation.
    pub fn event_accepted(&self, source: &str, event_type: &str) {
        self.accepted.with_label_values(&[source, event_type]).inc();
    }

    pub(super) fn written(&self, record: &str, outcome: WriteOutcome) {
        self.writes.with_label_values(&[record, outcome.as_str()]).inc();
    }

    /// What became of a webhook. `event` is a name of ours, never the sender's word.
    pub fn webhook(&self, event: &str, result: &str) {
        self.webhooks.with_label_values(&[event, result]).inc();
    }

    pub(super) fn flow_ended(&self, flow: &str, outcome: &str) {
        self.flow_runs.with_label_values(&[flow, outcome]).inc();
    }

    pub(super) fn ended(&self, job: &Job, outcome: &Outcome, took: Duration, daily_remaining: Option<u32>) {
        let kind = job.key.kind.as_str();
        self.ended.with_label_values(&[kind, outcome.as_str()]).inc();
        self.duration.with_label_values(&[kind]).observe(took.as_secs_f64());
        self.wait.with_label_values(&[kind, job.priority.as_str()]).observe(job.waited.as_secs_f64());
        let Some(left) = daily_remaining else { return };
        self.reported(&job.key.lane, left, Instant::now());
    }

    fn reported(&self, location_id: &str, left: u32, now: Instant) {
        let mut locations = self.daily_by_location.lock().unwrap_or_else(PoisonError::into_inner);
        locations.insert(location_id.to_owned(), (left, now));
        drop(locations);
        self.age_reported(now);
    }
}

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;

    use super::*;

    fn rendered(registry: &Registry) -> String {
        TextEncoder::new().encode_to_string(&registry.gather()).unwrap()
    }

    #[test]
    fn a_location_of_which_nothing_was_reported_for_an_hour_is_not_needy() {
        let registry = Registry::new();
        let metrics = JobMetrics::register(&registry).unwrap();
        let begin = Instant::now();
        let mut least = Vec::new();
        metrics.reported("idle", 12, begin);
        metrics.reported("busy", 9000, begin + REPORTED / 2);
        for now in [begin + REPORTED / 2, begin + REPORTED, begin + REPORTED * 2] {
            metrics.age_reported(now);
            let text = rendered(&registry);
            let line = text.lines().find(|line| line.starts_with("clienty_quota_daily_remaining"));
            least.push(line.map(str::to_owned));
        }
        let reported = |left: u32| Some(format!("clienty_quota_daily_remaining {left}"));
        assert_eq!(least, [reported(12), reported(9000), None]);
    }

    #[test]
    fn what_alerts_look_at_begins_with_nothing() {
        let registry = Registry::new();
        let metrics = JobMetrics::register(&registry).unwrap();
        let text = rendered(&registry);
        for (result, event) in [
            ("bad_signature", "unknown"),
            ("unreadable", "unknown"),
            ("deferred", "unknown"),
            ("deferred", "NoteCreate"),
        ] {
            let line = format!("clienty_webhooks_total{{result=\"{result}\",type=\"{event}\"}} 0\n");
            assert!(text.contains(&line), "no {line}");
        }
        metrics.webhook("unknown", "unreadable");
        assert!(rendered(&registry).contains("{result=\"unreadable\",type=\"unknown\"} 1\n"));
    }
}
