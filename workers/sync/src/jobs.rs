//! The jobs, one file a kind, and what they share.
//!
//! A run takes every open ledger row of the key, does the kind's work, and closes the rows in the
//! transaction that writes the records. Every failure ends in [`conclude`], which gives the ledger
//! and the queue the same outcome, so the two never disagree for longer than one round of the
//! requeuer.
//!
//! A new kind: a variant of [`JobKind`], a file here, a line in [`cost`] and one in
//! [`Worker::work`].

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use ghl::{Class, GhlError};
use job_engine::{Backoff, Handler, Job, Key, NewJob, Outcome, Permits, Priority, Queue};
use sync_model::clock::Clock;
use sync_model::record::{Appointment, Note, Task as TaskRecord};
use tokio::time::timeout;
use tracing::{Instrument, Span};

use crate::enrich::Enricher;
use crate::http_steps::HttpSteps;
use crate::oauth::{Access, Oauth};
use crate::records::{Connection, FollowUp, JobKey, JobKind, Records, RecordsError, Run, Sign, Tx};
use crate::scripts::Scripts;
use crate::trace;

mod call_operation;
mod compare;
mod conclusion;
mod custom_fields;
mod deferrals;
mod enrich_contact;
mod error;
mod find_appointment;
mod find_task;
mod flow_step;
mod in_flight;
mod metrics;
mod presence;
mod pull_contact;
pub(crate) mod pull_plan;
mod push;
mod push_appointment;
pub(crate) mod push_contact;
mod push_note;
mod push_task;
mod refresh_location;
mod refusals;
mod scan;
pub(crate) mod straggler;
mod time_zones;
mod unauthorized;
pub(crate) mod webhook_diff;

use deferrals::Deferrals;
use in_flight::InFlight;

pub use custom_fields::CustomFields;
pub use error::JobError;
pub use metrics::JobMetrics;
pub use time_zones::TimeZones;

/// How long an open circuit waits for its next probe: 10,000 jobs must not become 10,000 dead letters (law 12), and an operator has to act first.
pub const BROKEN_HOLD: Duration = Duration::from_secs(60);

/// How long the ledger may take to begin or to end a run.
const LEDGER_DUE: Duration = Duration::from_secs(60);

/// What every job has at hand.
#[derive(Clone)]
pub struct Environment {
    /// The ledger and the records.
    pub records: Records,
    /// The client of GHL's API.
    pub ghl: ghl::Client,
    /// The door to locations' tokens.
    pub oauth: Oauth,
    /// The time of day.
    pub clock: Clock,
    /// How failed runs are repeated.
    pub backoff: Backoff,
    /// The same for a location whose token GHL refuses, or that has none; usually [`BROKEN_HOLD`].
    pub broken_hold: Duration,
    /// GHL's window: how long a lane is throttled after a 429 that names no time.
    pub interval: Duration,
    /// How long one call may take: before that has passed, a lost create may still arrive.
    pub call_timeout: Duration,
    /// The time zones of locations.
    pub time_zones: TimeZones,
    /// The custom fields of locations.
    pub fields: CustomFields,
    /// Gets the follow-up jobs of a run at once.
    pub queue: Queue,
    /// Looks contacts up.
    pub enricher: Enricher,
    /// Sends the requests of flows.
    pub http_steps: HttpSteps,
    /// Runs the scripts of flows.
    pub scripts: Scripts,
    /// What is counted.
    pub metrics: JobMetrics,
}

impl Environment {
    /// Enqueues the jobs that rules and flows have led to, and counts the runs of flows that ended.
    async fn report_pending(&self) {
        for (flow, outcome) in self.records.take_ended_runs() {
            self.metrics.flow_ended(&flow, &outcome);
        }
        let pending = self.records.take_pending();
        if pending.is_empty() {
            return;
        }
        let jobs: Vec<_> = pending.iter().map(|follow_up| new_job(&follow_up.key(), follow_up.priority)).collect();
        if let Err(error) = self.queue.push(&jobs).await {
            tracing::warn!(%error, jobs = jobs.len(), "jobs of rules and flows were not enqueued; the requeuer enqueues them");
        }
    }
}

/// Runs jobs for a pool.
pub struct Worker {
    environment: Environment,
    in_flight: InFlight,
    deferrals: Deferrals,
}

/// One run: its place in the ledger, and the right to call GHL for its location.
struct JobRun<'a> {
    environment: &'a Environment,
    run: Run,
    connection: Connection,
    access: Access,
    permits: &'a Permits,
    /// When the run began, in ms since 1970.
    began_ms: i64,
}

/// One call beyond the ordinary ones: for the time zone of a new location, for a look after a create whose answer was lost, or for reporting
/// whether the token, the call or the record is to blame for a refused access, or for a look whether a contact is gone.
const SPARE: u8 = 1;

/// The most calls that one run of a kind sends. A run that needs yet more, as few do, goes back to the queue for it
/// ([`JobError::NeedsMorePermits`]): tokens that most runs would not use would lie idle while they run.
#[must_use]
pub fn cost(kind: &str) -> u8 {
    match JobKind::parse(kind) {
        // The contact, its tasks, notes and appointments.
        Some(JobKind::PullContact) => 4 + SPARE,
        // Pages of the tasks that are called the same.
        Some(JobKind::FindTask) => find_task::PAGES,
        Some(
            JobKind::PushTask
            | JobKind::PushNote
            | JobKind::PushAppointment
            | JobKind::RefreshLocation
            | JobKind::FindAppointment
            | JobKind::CallOperation,
        ) => 1 + SPARE,
        // One change, or two, and a look before a change that needs one.
        Some(JobKind::PushContact) => 2 + SPARE,
        // A page of contacts and the pages of their tasks.
        Some(JobKind::WalkContacts) => 20,
        // No more at once, or an import would wait for a moment without others.
        Some(JobKind::WalkDetails | JobKind::WalkRest) => 20 + SPARE,
        // What they lead to calls GHL.
        Some(JobKind::FlowStep | JobKind::EnrichContact) | None => 0,
    }
}

/// The queue's view of a ledger key with open rows.
#[must_use]
pub fn new_job(key: &JobKey, priority: Priority) -> NewJob {
    let JobKey { kind, location_id, record_id } = key.clone();
    let cost = cost(&kind);
    NewJob::new(Key { lane: location_id, kind, record: record_id }, priority, cost)
}

/// The ledger's view of a job of the queue.
fn ledger_key(key: &Key) -> JobKey {
    let Key { lane, kind, record } = key.clone();
    JobKey { kind, location_id: lane, record_id: record }
}

impl Worker {
    /// A worker with all it needs.
    #[must_use]
    pub fn new(environment: Environment) -> Self {
        Self { environment, in_flight: InFlight::default(), deferrals: Deferrals::default() }
    }

    /// Releases in the ledger the runs that the pool aborted, once it has stopped.
    pub async fn give_back(&self) {
        self.in_flight.give_back(&self.environment.records).await;
    }

    async fn work(&self, job: &Job, run: &Run, permits: &Permits) -> Result<(), JobError> {
        match (JobKind::parse(&job.key.kind), self.attempt(job, run, permits).await) {
            (Some(JobKind::RefreshLocation), Err(error)) => {
                refresh_location::failed(&self.environment, run, error).await
            }
            (_, result) => result,
        }
    }

    async fn attempt(&self, job: &Job, run: &Run, permits: &Permits) -> Result<(), JobError> {
        let environment = &self.environment;
        let Some(kind) = JobKind::parse(&job.key.kind) else {
            return Err(JobError::UnknownKind { kind: job.key.kind.clone() });
        };
        if kind == JobKind::FlowStep {
            return Box::pin(flow_step::run(environment, run)).await;
        }
        if kind == JobKind::EnrichContact {
            return Box::pin(enrich_contact::run(environment, run)).await;
        }
        let connection = environment.records.connection(&job.key.lane).await?.ok_or(JobError::NotConnected)?;
        let access = environment.oauth.for_location(&connection.location_id, Some(permits)).await?;
        if access.is_new {
            // The refresh has spent a permit that the job's own calls may need.
            return Err(JobError::NeedsMorePermits);
        }
        let began_ms = environment.clock.now_ms();
        let task = JobRun { environment, run: run.clone(), connection, access, permits, began_ms };
        // Each boxed: a run has room for its own kind, and not for the largest of all.
        let result = match kind {
            JobKind::PullContact => Box::pin(pull_contact::run(&task)).await,
            JobKind::PushTask => Box::pin(push::run::<TaskRecord>(&task)).await,
            JobKind::PushNote => Box::pin(push::run::<Note>(&task)).await,
            JobKind::PushAppointment => Box::pin(push::run::<Appointment>(&task)).await,
            JobKind::FindTask => Box::pin(find_task::run(&task)).await,
            JobKind::FindAppointment => Box::pin(find_appointment::run(&task)).await,
            JobKind::RefreshLocation => Box::pin(refresh_location::run(&task)).await,
            JobKind::CallOperation => Box::pin(call_operation::run(&task)).await,
            // They have no token, and need none.
            JobKind::FlowStep | JobKind::EnrichContact => Ok(()),
            JobKind::PushContact => Box::pin(push_contact::run(&task)).await,
            JobKind::WalkContacts | JobKind::WalkDetails | JobKind::WalkRest => Box::pin(scan::run(&task, kind)).await,
        };
        match result {
            Err(JobError::Ghl(error)) if error.class() == Class::Broken => {
                Err(unauthorized::classify(&task, error).await)
            }
            result => result,
        }
    }

    /// The rows of a run are held under a higher epoch: by a newer run, or by one of before the queue lost its state or its clock was set back. Then
    /// epochs have to rise above it, or nothing would ever run for these rows again.
    async fn raise_epochs(&self) {
        let Environment { records, queue, .. } = &self.environment;
        match records.max_epoch().await {
            Ok(highest) => {
                if let Err(error) = queue.raise_epochs(u64::try_from(highest).unwrap_or(0)).await {
                    tracing::warn!(%error, "the queue's epochs were not raised; the next run tries again");
                }
            }
            Err(error) => tracing::warn!(%error, "the highest epoch could not be read; the next run tries again"),
        }
    }

    /// A run of the job, recorded by `span`.
    async fn run_in(&self, span: &Span, job: Job, permits: Permits) -> Outcome {
        let key = ledger_key(&job.key);
        let epoch = i64::try_from(job.epoch).unwrap_or(i64::MAX);
        let run = match in_time(LEDGER_DUE, self.environment.records.start_run(&key, epoch)).await {
            Ok(Some(run)) => run,
            // Served by an earlier run: no row is open.
            Ok(None) => return Outcome::Done,
            Err(error) => {
                if matches!(error, RecordsError::LostRun(_)) {
                    // Boxed, as it is rare and each run would have room for it.
                    Box::pin(self.raise_epochs()).await;
                }
                return conclusion::without_ledger(&self.environment, &self.deferrals, &job, &error);
            }
        };
        trace::serves(span, &run);
        let in_flight = self.in_flight.watch(&run);
        let due = longest_run(&job.key.kind, self.environment.call_timeout);
        let worked = AssertUnwindSafe(timeout(due, self.work(&job, &run, &permits))).catch_unwind().await;
        let result = match worked {
            Ok(in_time) => in_time.unwrap_or(Err(JobError::Stalled { due })),
            Err(_) => Err(JobError::Panicked),
        };
        let outcome = conclusion::conclude(&self.environment, &self.deferrals, &job, &run, result).await;
        self.environment.report_pending().await;
        if matches!(outcome, Outcome::Done)
            && let Err(error) = self.environment.records.note_activity(&run.key.location_id, Sign::Success).await
        {
            tracing::debug!(%error, "the last success of the location was not noted");
        }
        in_flight.end();
        outcome
    }
}

/// How long a run of the kind may take: all its calls at their slowest, and time for the database before, between and behind them. Every
/// call to GHL has an end of its own; a database behind a line that went dead without a word has none but this.
fn longest_run(kind: &str, call_timeout: Duration) -> Duration {
    let calls = match JobKind::parse(kind) {
        // Of others than GHL.
        Some(JobKind::EnrichContact) => enrich_contact::MOST_CALLS,
        _ => cost(kind),
    };
    LEDGER_DUE + (call_timeout + LEDGER_DUE / 4) * (u32::from(calls) + 1)
}

/// What the ledger says, unless it takes longer than `due`.
async fn in_time<T>(due: Duration, asked: impl Future<Output = Result<T, RecordsError>>) -> Result<T, RecordsError> {
    timeout(due, asked).await.unwrap_or(Err(RecordsError::NoAnswer(due)))
}

/// Whether GHL throttles the location: nothing else of the run counts then.
fn throttles(error: &GhlError) -> bool {
    error.class() == Class::Throttling || matches!(error, GhlError::Permit(_))
}

/// Whether the lane has to rest. Such an answer counts before all others of the run: a 429 beside a 502 is still a 429 (law 3).
fn concerns_lane(error: &GhlError) -> bool {
    match error.class() {
        Class::Throttling | Class::Broken => true,
        Class::Passing | Class::Permanent => false,
    }
}

impl JobRun<'_> {
    fn ghl(&self) -> ghl::Run<'_> {
        let api = self.connection.api.as_deref().and_then(ghl::ApiVersion::named).unwrap_or_default();
        let ghl = self.environment.ghl.for_run(&self.access.token, self.permits);
        ghl.with_scopes(self.access.scopes.as_ref()).with_api(api)
    }

    /// Closes the run, and enqueues its follow-up jobs.
    async fn close_with(&self, tx: Tx, follow_ups: &[FollowUp]) -> Result<(), JobError> {
        tx.close_run(follow_ups).await?;
        let jobs: Vec<_> = follow_ups.iter().map(|follow_up| new_job(&follow_up.key(), follow_up.priority)).collect();
        self.report_queue(&jobs).await;
        Ok(())
    }

    /// Enqueues jobs whose rows are committed.
    async fn report_queue(&self, jobs: &[NewJob]) {
        if let Err(error) = self.environment.queue.push(jobs).await {
            tracing::warn!(%error, jobs = jobs.len(), "follow-up jobs of a run were not enqueued; the requeuer enqueues them");
        }
    }

    fn location(&self) -> &str {
        &self.run.key.location_id
    }

    fn record(&self) -> &str {
        &self.run.key.record_id
    }
}

impl Handler for Worker {
    async fn run(&self, job: Job, permits: Permits) -> Outcome {
        let span = trace::run(&job);
        let outcome = self.run_in(&span, job, permits).instrument(span.clone()).await;
        span.record("job.outcome", outcome.as_str());
        outcome
    }

    async fn dead_letter(&self, job: Job, reason: &str) -> Outcome {
        let epoch = i64::try_from(job.epoch).unwrap_or(i64::MAX);
        match self.environment.records.dead_letter_key(&ledger_key(&job.key), epoch, reason).await {
            Ok(_) => Outcome::Dead,
            Err(error) => conclusion::without_ledger(&self.environment, &self.deferrals, &job, &error),
        }
    }

    fn ended(&self, job: &Job, outcome: &Outcome, took: Duration, permits: &Permits) {
        self.environment.metrics.ended(job, outcome, took, permits.daily_remaining());
    }

    fn panicked(&self, job: &Job) -> Outcome {
        tracing::error!(job.kind = job.key.kind, ghl.location = job.key.lane, "a job panicked");
        // Not in its work, whose panics are a result, but where the ledger is written: the row stays open under this epoch, and the next run
        // takes it over.
        let after = self.environment.backoff.delay(job.attempt.saturating_add(1));
        Outcome::Retry { after: after.unwrap_or(self.environment.backoff.most) }
    }
}
