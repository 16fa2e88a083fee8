//! From the result of a run to its verdict: the one place that decides what a failure means.

use std::time::Duration;

use job_engine::{Backoff, Job, PermitError, Verdict};

use super::{Environment, JobError};
use crate::ghl::{Class, GhlError};
use crate::oauth::TokenError;
use crate::records::{RecordsError, Run};
use crate::trace;

/// While the database does not answer. Short: the queue keeps the job, and nothing is lost in between.
const DATABASE_PAUSE: Duration = Duration::from_secs(2);

/// The longest delay after one lost race.
const RACE_PAUSE: Duration = Duration::from_millis(50);

/// What a failure asks for.
enum Remedy {
    /// Try again, with backoff, while attempts are left.
    Retry(Backoff),
    /// Not yet; spends no attempt.
    Snooze(Duration),
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
pub(super) async fn conclude(environment: &Environment, job: &Job, run: &Run, result: Result<(), JobError>) -> Verdict {
    let Err(error) = result else { return Verdict::Done };
    let reason = error.to_string();
    let (verdict, written) = match remedy(environment, &error) {
        Remedy::LetGo => return Verdict::Released,
        Remedy::GoOn => {
            return match environment.records.release_run(run, None, None).await {
                Ok(()) => Verdict::Snooze { after: Duration::ZERO },
                Err(error) => without_ledger(job, &error),
            };
        }
        Remedy::PutOff(after) => {
            let due = environment.clock.now_ms() + millis(after);
            return match environment.records.release_run(run, Some(due), None).await {
                Ok(()) => Verdict::Snooze { after },
                Err(error) => without_ledger(job, &error),
            };
        }
        Remedy::Retry(backoff) => match backoff.delay(attempts(run)) {
            Some(after) => {
                let due = environment.clock.now_ms() + millis(after);
                (Verdict::Retry { after }, environment.records.retry_run(run, &reason, due).await)
            }
            None => {
                let reason = format!("given up after {} attempts: {reason}", attempts(run));
                (Verdict::Dead, environment.records.bury_run(run, &reason).await)
            }
        },
        Remedy::Snooze(after) => {
            let due = environment.clock.now_ms() + millis(after);
            (Verdict::Snooze { after }, environment.records.release_run(run, Some(due), Some(&reason)).await)
        }
        Remedy::Hold(hold) => {
            (Verdict::Throttled { hold }, environment.records.release_run(run, None, Some(&reason)).await)
        }
        Remedy::Break(probe_after) => {
            (Verdict::Broken { probe_after }, environment.records.release_run(run, None, Some(&reason)).await)
        }
        Remedy::Bury => (Verdict::Dead, environment.records.bury_run(run, &reason).await),
    };
    trace::failed(&reason);
    tracing::warn!(
        job.kind = job.key.kind,
        job.id = run.ids.first(),
        ghl.location = job.key.lane,
        job.verdict = verdict.as_str(),
        error = reason,
        "a run did not finish"
    );
    match written {
        Ok(()) => verdict,
        Err(error) => without_ledger(job, &error),
    }
}

/// The ledger could not be written or read. Its rows stay open, so the queue only has to come back to them.
pub(super) fn without_ledger(job: &Job, error: &RecordsError) -> Verdict {
    if matches!(error, RecordsError::LostRun(_)) {
        return Verdict::Released;
    }
    tracing::error!(job.kind = job.key.kind, ghl.location = job.key.lane, %error, "the ledger did not answer");
    Verdict::Snooze { after: DATABASE_PAUSE }
}

fn remedy(environment: &Environment, error: &JobError) -> Remedy {
    match error {
        JobError::Records(RecordsError::LostRun(_)) | JobError::Ghl(GhlError::Permit(PermitError::LeaseLost)) => {
            Remedy::LetGo
        }
        // Whoever was faster is done: to wait as after a failure would be for nothing, and behind it a person's edit would wait.
        JobError::Records(error) if error.is_race() => {
            Remedy::Retry(Backoff { first: RACE_PAUSE.min(environment.backoff.first), ..environment.backoff })
        }
        JobError::Records(error) if error.is_passing() => Remedy::Retry(environment.backoff),
        // A push and a pull met over one record; the next run sees what the other wrote.
        JobError::Records(RecordsError::Conflict { .. }) | JobError::NoId | JobError::NotShownYet => {
            Remedy::Retry(environment.backoff)
        }
        JobError::Ghl(error) => match error.class() {
            Class::Passing => Remedy::Retry(environment.backoff),
            Class::Throttling => Remedy::Hold(rest(environment, error)),
            Class::Broken => Remedy::Break(environment.broken_hold),
            Class::Permanent => Remedy::Bury,
        },
        JobError::NotConnected => Remedy::Break(environment.broken_hold),
        JobError::Token(error) => without_token(environment, error),
        JobError::MayStillArrive { wait } | JobError::AwaitsContact { wait } => Remedy::Snooze(*wait),
        JobError::NotYet { wait } => Remedy::PutOff(*wait),
        JobError::OneMoreRun => Remedy::GoOn,
        JobError::Records(_)
        | JobError::Incomplete(_)
        | JobError::Refused { .. }
        | JobError::ForeignRecord
        | JobError::CannotSearchTasks { .. }
        | JobError::UnknownKind { .. }
        | JobError::UnknownOperation
        | JobError::FlowStep { .. }
        | JobError::OutcomeUnknown { .. } => Remedy::Bury,
    }
}

/// A missing token is a matter of the lane: no job of it can run, and none has failed.
fn without_token(environment: &Environment, error: &TokenError) -> Remedy {
    match error {
        TokenError::Records(error) if error.is_passing() => Remedy::Retry(environment.backoff),
        TokenError::Permit(PermitError::LeaseLost) => Remedy::LetGo,
        TokenError::Permit(PermitError::Exhausted { .. }) => Remedy::GoOn,
        TokenError::Resting { wait, .. } => Remedy::Hold(*wait),
        TokenError::Failed(cause) if cause.is_passing() => Remedy::Hold(environment.interval),
        TokenError::Failed(_)
        | TokenError::NotConnected
        | TokenError::ConnectAgain { .. }
        | TokenError::AgencyConnectAgain { .. }
        | TokenError::NoApp
        | TokenError::Vault(_)
        | TokenError::Records(_) => Remedy::Break(environment.broken_hold),
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
