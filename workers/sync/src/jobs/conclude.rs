//! From the result of a run to its verdict: the one place that decides what a failure means.

use std::time::Duration;

use job_engine::{Backoff, Job, PermitError, Verdict};

use super::deferrals::Deferrals;
use super::{Environment, JobError, LEDGER_DUE, in_time};
use crate::clean;
use crate::ghl::{Class, GhlError};
use crate::oauth::TokenError;
use crate::records::{RecordsError, Run};
use crate::trace;

/// What the ledger says where the database refuses the reason itself.
const UNSAYABLE: &str = "the reason is a text that the database cannot hold; the log of this process has it";

/// What a failure asks for.
enum Remedy {
    /// Try again, with backoff, while attempts are left.
    Retry(Backoff),
    /// Not yet; spends no attempt.
    Snooze(Duration),
    /// A fault of our own: again, less and less often, until it is mended; spends no attempt (law 14).
    Defer,
    /// Not yet, as planned: nothing went wrong, and nobody has to hear of it.
    PutOff(Duration),
    /// At once, with new permits.
    GoOn,
    /// The whole lane waits; spends no attempt.
    Hold(Duration),
    /// The lane is broken off, and one job probes it after the time; spends no attempt.
    Break(Duration),
    /// Nothing will help.
    Bury,
    /// Another run has the job.
    LetGo,
}

/// Writes what became of the run into the ledger and says it in the queue's words.
pub(super) async fn conclude(
    environment: &Environment,
    deferrals: &Deferrals,
    job: &Job,
    run: &Run,
    result: Result<(), JobError>,
) -> Verdict {
    let Err(error) = result else {
        deferrals.forget(&job.key);
        return Verdict::Done;
    };
    let reason = clean::reason(&error.to_string());
    let remedy = remedy(environment, &error);
    if !matches!(remedy, Remedy::Defer) {
        deferrals.forget(&job.key);
    }
    let step = match remedy {
        Remedy::LetGo => return Verdict::Released,
        Remedy::GoOn => Step::quiet(Verdict::Snooze { after: Duration::ZERO }, None),
        Remedy::PutOff(after) => Step::quiet(Verdict::Snooze { after }, Some(after)),
        Remedy::Retry(backoff) => match backoff.delay(attempts(run)) {
            Some(after) => Step::of(Verdict::Retry { after }, Some(after), reason),
            None => {
                let reason = format!("given up after {} attempts: {reason}", attempts(run));
                Step::of(Verdict::Dead, None, reason)
            }
        },
        Remedy::Defer => {
            let after = deferrals.delay(&job.key, error.of_records(), environment.backoff.first);
            Step::of(Verdict::Snooze { after }, Some(after), reason)
        }
        Remedy::Snooze(after) => Step::of(Verdict::Snooze { after }, Some(after), reason),
        Remedy::Hold(hold) => Step::of(Verdict::Throttled { hold }, None, reason),
        Remedy::Break(probe_after) => Step::of(Verdict::Broken { probe_after }, None, reason),
        Remedy::Bury => Step { is_refusal: is_refusal(&error), ..Step::of(Verdict::Dead, None, reason) },
    };
    if let Some(reason) = &step.reason {
        trace::failed(reason);
        tracing::warn!(
            job.kind = job.key.kind,
            job.id = run.ids.first(),
            ghl.location = job.key.lane,
            job.verdict = step.verdict.as_str(),
            error = reason,
            "a run did not finish"
        );
    }
    let written = match in_time(LEDGER_DUE, step.write(environment, run)).await {
        Err(error) if error.is_about_a_value() => {
            tracing::error!(job.kind = job.key.kind, %error, "the database does not hold the reason of a failure");
            let plain = Step { reason: Some(UNSAYABLE.to_owned()), ..step.clone() };
            in_time(LEDGER_DUE, plain.write(environment, run)).await
        }
        written => written,
    };
    match written {
        Ok(()) => step.verdict,
        Err(error) => without_ledger(environment, deferrals, job, &error),
    }
}

/// What becomes of a run: the queue's word for it, and what the ledger keeps.
#[derive(Clone)]
struct Step {
    verdict: Verdict,
    due_in: Option<Duration>,
    reason: Option<String>,
    /// Whether it was GHL that said no.
    is_refusal: bool,
}

impl Step {
    fn of(verdict: Verdict, due_in: Option<Duration>, reason: String) -> Self {
        Self { verdict, due_in, reason: Some(reason), is_refusal: false }
    }

    fn quiet(verdict: Verdict, due_in: Option<Duration>) -> Self {
        Self { verdict, due_in, reason: None, is_refusal: false }
    }

    async fn write(&self, environment: &Environment, run: &Run) -> Result<(), RecordsError> {
        let Self { verdict, due_in, reason, is_refusal } = self;
        let records = &environment.records;
        let due = due_in.map(|after| environment.clock.now_ms() + millis(after));
        let reason = reason.as_deref();
        match verdict {
            Verdict::Dead if *is_refusal => records.bury_refused_run(run, reason.unwrap_or_default()).await,
            Verdict::Dead => records.bury_run(run, reason.unwrap_or_default()).await,
            Verdict::Retry { .. } => records.retry_run(run, reason.unwrap_or_default(), due.unwrap_or(0)).await,
            _ => records.release_run(run, due, reason).await,
        }
    }
}

/// The ledger could not be written or read. Its rows stay open, so the queue only has to come back to them.
pub(super) fn without_ledger(
    environment: &Environment,
    deferrals: &Deferrals,
    job: &Job,
    error: &RecordsError,
) -> Verdict {
    if matches!(error, RecordsError::LostRun(_)) {
        return Verdict::Released;
    }
    tracing::error!(job.kind = job.key.kind, ghl.location = job.key.lane, %error, "the ledger did not answer");
    Verdict::Snooze { after: deferrals.delay(&job.key, Some(error), environment.backoff.first) }
}

fn remedy(environment: &Environment, error: &JobError) -> Remedy {
    match error {
        JobError::Records(RecordsError::LostRun(_)) | JobError::Ghl(GhlError::Permit(PermitError::LeaseLost)) => {
            Remedy::LetGo
        }
        // GHL's answer holds what the database does not. Attempts end that; all else of the database heals.
        JobError::Records(error) if error.is_about_a_value() => Remedy::Retry(environment.backoff),
        // A stored row that can't be read reads no better the next time.
        JobError::Records(RecordsError::Corrupt { .. }) => Remedy::Bury,
        JobError::Records(_) | JobError::Stalled { .. } | JobError::Panicked => Remedy::Defer,
        JobError::NoId
        | JobError::NotShownYet
        | JobError::GoneMeanwhile
        | JobError::Unjudged(_)
        | JobError::PartMissing { .. }
        | JobError::Unconfirmed { .. } => Remedy::Retry(environment.backoff),
        JobError::Ghl(error) => match error.class() {
            Class::Passing => Remedy::Retry(environment.backoff),
            Class::Throttling => Remedy::Hold(rest(environment, error)),
            Class::Broken => Remedy::Break(environment.broken_hold),
            Class::Permanent => Remedy::Bury,
        },
        JobError::NotConnected => Remedy::Break(environment.broken_hold),
        JobError::Token(error) => without_token(environment, error),
        JobError::MayStillArrive { wait } | JobError::AwaitsContact { wait } | JobError::AwaitsDeletion { wait } => {
            Remedy::Snooze(*wait)
        }
        JobError::NotYet { wait } => Remedy::PutOff(*wait),
        JobError::OneMoreRun => Remedy::GoOn,
        JobError::Incomplete(_)
        | JobError::Refused { .. }
        | JobError::ForeignRecord
        | JobError::NotForThisCall(_)
        | JobError::CannotSearchTasks { .. }
        | JobError::UnknownKind { .. }
        | JobError::UnknownOperation
        | JobError::FlowStep { .. }
        | JobError::OutcomeUnknown { .. } => Remedy::Bury,
    }
}

/// Whether it was GHL that said no.
fn is_refusal(error: &JobError) -> bool {
    matches!(error, JobError::Ghl(_) | JobError::Refused { .. } | JobError::ForeignRecord | JobError::Incomplete(_))
}

/// A missing token is a matter of the lane: no job of it can run, and none has failed.
fn without_token(environment: &Environment, error: &TokenError) -> Remedy {
    match error {
        TokenError::Records(RecordsError::LostRun(_)) => Remedy::LetGo,
        TokenError::Records(_) => Remedy::Defer,
        TokenError::Permit(PermitError::LeaseLost) => Remedy::LetGo,
        TokenError::Permit(PermitError::Exhausted { .. }) => Remedy::GoOn,
        TokenError::Resting { wait, .. } => Remedy::Hold(*wait),
        TokenError::Failed(cause) if cause.is_passing() => Remedy::Hold(environment.interval),
        TokenError::Failed(_)
        | TokenError::NotConnected
        | TokenError::ConnectAgain { .. }
        | TokenError::AgencyConnectAgain { .. }
        | TokenError::NoApp
        | TokenError::Vault(_) => Remedy::Break(environment.broken_hold),
    }
}

/// How long GHL wants to be left alone: as long as it says, else until its window has passed.
fn rest(environment: &Environment, error: &GhlError) -> Duration {
    match error {
        GhlError::Throttled { retry_after: Some(wait), .. } => *wait,
        // The day's end is not told: look again now and then.
        GhlError::Throttled { daily: true, .. } => environment.interval * 60,
        _ => environment.interval,
    }
}

/// Failed attempts, this one included.
fn attempts(run: &Run) -> u8 {
    u8::try_from(run.attempts + 1).unwrap_or(u8::MAX)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
