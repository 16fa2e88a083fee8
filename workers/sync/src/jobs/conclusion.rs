//! From the result of a run to its outcome: the one place that decides what a failure means.

use std::time::Duration;

use ghl::{Class, GhlError};
use job_engine::{Backoff, Job, Outcome, PermitError};
use sync_model::clean;

use super::deferrals::Deferrals;
use super::{Environment, JobError, LEDGER_DUE, in_time};
use crate::oauth::TokenError;
use crate::records::{RecordsError, Run};
use crate::trace;

/// What the ledger says where the database refuses the reason itself.
const UNSAYABLE: &str = "the database can't store the reason; the log of this process has it";

/// What a failure asks for.
enum Remedy {
    /// Try again, with backoff, while attempts are left.
    Retry(Backoff),
    /// Not yet; spends no attempt.
    Snooze(Duration),
    /// A fault of our own, or no word of GHL: again, less and less often, until it is mended; spends no attempt (law 14).
    Defer,
    /// Nothing gets out to GHL: as [`Remedy::Defer`], and once that has lasted a while, one job of the lane tries for all.
    Unreached,
    /// Not yet, as planned: nothing went wrong, and nothing is logged.
    PutOff(Duration),
    /// At once, with new permits.
    GoOn,
    /// The whole lane waits; spends no attempt.
    Hold(Duration),
    /// The circuit of the lane opens, and one job probes it after the time; spends no attempt.
    Break(Duration),
    /// Nothing will help.
    DeadLetter,
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
) -> Outcome {
    let Err(error) = result else {
        deferrals.forget(&job.key);
        deferrals.reached(&job.key.lane);
        return Outcome::Done;
    };
    let reason = clean::reason(&error.to_string());
    let remedy = remedy(Waits::of(environment), &error);
    if !matches!(remedy, Remedy::Defer | Remedy::Unreached) {
        deferrals.forget(&job.key);
        deferrals.reached(&job.key.lane);
    }
    let step = match remedy {
        Remedy::LetGo => return Outcome::Released,
        Remedy::GoOn => Step::quiet(Outcome::Snooze { after: Duration::ZERO }, None),
        Remedy::PutOff(after) => Step::quiet(Outcome::Snooze { after }, Some(after)),
        Remedy::Retry(backoff) => match backoff.delay(attempts(run)) {
            Some(after) => Step::of(Outcome::Retry { after }, Some(after), reason),
            None => {
                let reason = format!("failed after {} attempts: {reason}", attempts(run));
                Step::of(Outcome::Dead, None, reason)
            }
        },
        Remedy::Defer => {
            let after = deferrals.delay(&job.key, error.of_records(), environment.backoff.first);
            Step::of(Outcome::Snooze { after }, Some(after), reason)
        }
        Remedy::Unreached => {
            let after = deferrals.delay(&job.key, None, environment.backoff.first);
            match deferrals.unreached(&job.key.lane, environment.backoff.first) {
                Some(probe_after) => Step::of(Outcome::Broken { probe_after }, None, reason),
                None => Step::of(Outcome::Snooze { after }, Some(after), reason),
            }
        }
        Remedy::Snooze(after) => Step::of(Outcome::Snooze { after }, Some(after), reason),
        Remedy::Hold(hold) => Step::of(Outcome::Throttled { hold }, None, reason),
        Remedy::Break(probe_after) => Step::of(Outcome::Broken { probe_after }, None, reason),
        Remedy::DeadLetter => Step { is_refusal: is_refusal(&error), ..Step::of(Outcome::Dead, None, reason) },
    };
    if let Some(reason) = &step.reason {
        trace::failed(reason);
        tracing::warn!(
            job.kind = job.key.kind,
            job.id = run.ids.first(),
            ghl.location = job.key.lane,
            job.outcome = step.outcome.as_str(),
            error = reason,
            "a run did not finish"
        );
    }
    let written = match in_time(LEDGER_DUE, step.write(environment, run)).await {
        Err(error) if error.is_about_a_value() => {
            tracing::error!(job.kind = job.key.kind, %error, "the database can't store the reason of a failure");
            let plain = Step { reason: Some(UNSAYABLE.to_owned()), ..step.clone() };
            in_time(LEDGER_DUE, plain.write(environment, run)).await
        }
        written => written,
    };
    match written {
        Ok(()) => step.outcome,
        Err(error) => without_ledger(environment, deferrals, job, &error),
    }
}

/// What becomes of a run: the queue's word for it, and what the ledger keeps.
#[derive(Clone)]
struct Step {
    outcome: Outcome,
    due_in: Option<Duration>,
    reason: Option<String>,
    /// Whether it was GHL that said no.
    is_refusal: bool,
}

impl Step {
    fn of(outcome: Outcome, due_in: Option<Duration>, reason: String) -> Self {
        Self { outcome, due_in, reason: Some(reason), is_refusal: false }
    }

    fn quiet(outcome: Outcome, due_in: Option<Duration>) -> Self {
        Self { outcome, due_in, reason: None, is_refusal: false }
    }

    async fn write(&self, environment: &Environment, run: &Run) -> Result<(), RecordsError> {
        let Self { outcome, due_in, reason, is_refusal } = self;
        let records = &environment.records;
        let due = due_in.map(|after| environment.clock.now_ms() + millis(after));
        let reason = reason.as_deref();
        match outcome {
            Outcome::Dead if *is_refusal => records.bury_refused_run(run, reason.unwrap_or_default()).await,
            Outcome::Dead => records.dead_letter_run(run, reason.unwrap_or_default()).await,
            Outcome::Retry { .. } => records.retry_run(run, reason.unwrap_or_default(), due.unwrap_or(0)).await,
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
) -> Outcome {
    if matches!(error, RecordsError::LostRun(_)) {
        return Outcome::Released;
    }
    tracing::error!(job.kind = job.key.kind, ghl.location = job.key.lane, %error, "the ledger did not answer");
    Outcome::Snooze { after: deferrals.delay(&job.key, Some(error), environment.backoff.first) }
}

/// How long who waits for what.
#[derive(Clone, Copy)]
struct Waits {
    backoff: Backoff,
    broken_hold: Duration,
    interval: Duration,
}

impl Waits {
    fn of(environment: &Environment) -> Self {
        let Environment { backoff, broken_hold, interval, .. } = environment;
        Self { backoff: *backoff, broken_hold: *broken_hold, interval: *interval }
    }
}

fn remedy(waits: Waits, error: &JobError) -> Remedy {
    match error {
        JobError::Records(RecordsError::LostRun(_)) | JobError::Ghl(GhlError::Permit(PermitError::LeaseLost)) => {
            Remedy::LetGo
        }
        // GHL's answer holds what the database does not. Attempts end that; all else of the database heals.
        JobError::Records(error) if error.is_about_a_value() => Remedy::Retry(waits.backoff),
        // A stored row that can't be read reads no better the next time.
        JobError::Records(RecordsError::Corrupt { .. }) => Remedy::DeadLetter,
        JobError::Records(_) | JobError::Stalled { .. } | JobError::Panicked | JobError::Script(_) => Remedy::Defer,
        // Whether nothing got out or an answer got lost, GHL has not said a word of it.
        JobError::Ghl(GhlError::Network { sent: false, .. }) => Remedy::Unreached,
        JobError::Ghl(error) | JobError::PartMissing { error, .. } if error.is_unanswered() => Remedy::Defer,
        JobError::NoId
        | JobError::NotShownYet
        | JobError::GoneMeanwhile
        | JobError::Unjudged(_)
        | JobError::PartMissing { .. }
        | JobError::Unconfirmed { .. } => Remedy::Retry(waits.backoff),
        JobError::Ghl(error) => match error.class() {
            Class::Passing => Remedy::Retry(waits.backoff),
            Class::Throttling => Remedy::Hold(rest(waits, error)),
            Class::Broken => Remedy::Break(waits.broken_hold),
            Class::Permanent => Remedy::DeadLetter,
        },
        JobError::Outside { wait: Some(wait), .. } => Remedy::Snooze(*wait),
        // Its attempts end it, and then a person decides: GHL has no word in it.
        JobError::Outside { wait: None, .. } => Remedy::Retry(waits.backoff),
        JobError::NotConnected => Remedy::Break(waits.broken_hold),
        JobError::Token(error) => without_token(waits, error),
        JobError::MayStillArrive { wait }
        | JobError::AwaitsContact { wait }
        | JobError::AwaitsDeletion { wait }
        | JobError::AwaitsProvider { wait, .. } => Remedy::Snooze(*wait),
        JobError::Deferred { wait } => Remedy::PutOff(*wait),
        JobError::NeedsMorePermits => Remedy::GoOn,
        JobError::Incomplete(_)
        | JobError::Refused { .. }
        | JobError::ForeignRecord
        | JobError::NotForThisCall(_)
        | JobError::CannotSearchTasks { .. }
        | JobError::UnknownKind { .. }
        | JobError::UnknownOperation
        | JobError::FlowStep { .. }
        | JobError::NotEnriched { .. }
        | JobError::OutcomeUnknown { .. } => Remedy::DeadLetter,
    }
}

/// Whether it was GHL that said no.
fn is_refusal(error: &JobError) -> bool {
    matches!(error, JobError::Ghl(_) | JobError::Refused { .. } | JobError::ForeignRecord | JobError::Incomplete(_))
}

/// A missing token is a matter of the lane: no job of it can run, and none has failed.
fn without_token(waits: Waits, error: &TokenError) -> Remedy {
    match error {
        TokenError::Records(RecordsError::LostRun(_)) => Remedy::LetGo,
        TokenError::Records(_) => Remedy::Defer,
        TokenError::Permit(PermitError::LeaseLost) => Remedy::LetGo,
        TokenError::Permit(PermitError::Exhausted { .. }) => Remedy::GoOn,
        TokenError::Resting { wait, .. } => Remedy::Hold(*wait),
        TokenError::Failed(cause) if cause.is_passing() => Remedy::Hold(waits.interval),
        TokenError::Failed(_)
        | TokenError::NotConnected
        | TokenError::ConnectAgain { .. }
        | TokenError::AgencyConnectAgain { .. }
        | TokenError::NoApp
        | TokenError::Vault(_) => Remedy::Break(waits.broken_hold),
    }
}

/// How long GHL wants to be left alone: as long as it says, else until its window has passed.
fn rest(waits: Waits, error: &GhlError) -> Duration {
    match error {
        GhlError::Throttled { retry_after: Some(wait), .. } => *wait,
        // The end of the day is unknown: try again from time to time.
        GhlError::Throttled { daily: true, .. } => waits.interval * 60,
        _ => waits.interval,
    }
}

/// Failed attempts, this one included.
fn attempts(run: &Run) -> u8 {
    u8::try_from(run.attempts + 1).unwrap_or(u8::MAX)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::Cause;
    use crate::records::Part;
    use ghl::{Subject, UnauthorizedKind};

    const WAITS: Waits = Waits {
        backoff: Backoff { first: Duration::from_secs(1), most: Duration::from_secs(60), attempts: 12 },
        broken_hold: Duration::from_secs(60),
        interval: Duration::from_secs(10),
    };

    /// Whether an error of that kind may ever end a job: at once, or by its attempts.
    fn may_dead_letter(error: &JobError) -> bool {
        match remedy(WAITS, error) {
            Remedy::DeadLetter | Remedy::Retry(_) => true,
            Remedy::Snooze(_)
            | Remedy::Defer
            | Remedy::Unreached
            | Remedy::PutOff(_)
            | Remedy::GoOn
            | Remedy::Hold(_)
            | Remedy::Break(_)
            | Remedy::LetGo => false,
        }
    }

    fn network(sent: bool) -> GhlError {
        GhlError::Network { sent, reason: "dns error".to_owned() }
    }

    fn unauthorized(kind: UnauthorizedKind) -> GhlError {
        GhlError::Unauthorized { operation: "get-contact", kind, message: String::new() }
    }

    fn invalid() -> GhlError {
        GhlError::Invalid { status: 422, messages: Vec::new() }
    }

    #[test]
    fn only_ghls_word_gives_up_a_job() {
        let of_ghl = [
            (GhlError::Permit(PermitError::LeaseLost), false),
            (GhlError::Permit(PermitError::Exhausted { granted: 1 }), false),
            (GhlError::Timeout, false),
            (network(false), false),
            (network(true), false),
            (GhlError::Throttled { retry_after: None, daily: false }, false),
            (unauthorized(UnauthorizedKind::TokenRejected), false),
            (unauthorized(UnauthorizedKind::LocationAccess), false),
            (unauthorized(UnauthorizedKind::WrongTokenType), false),
            (unauthorized(UnauthorizedKind::Unexplained), false),
            (GhlError::Gone { what: Subject::Location }, false),
            (unauthorized(UnauthorizedKind::VersionHeader), true),
            (unauthorized(UnauthorizedKind::MissingScope), true),
            (GhlError::Gone { what: Subject::Contact }, true),
            (GhlError::NotFound { reason: String::new() }, true),
            (GhlError::Duplicate { contact_id: None, matching_field: None }, true),
            (invalid(), true),
            (GhlError::Server { status: 502, reason: String::new() }, true),
            (GhlError::TooLong { operation: "get-contact", status: 200, limit: 1 }, true),
            (
                GhlError::Undecodable {
                    operation: "get-contact",
                    field: "body".to_owned(),
                    status: 200,
                    content_type: String::new(),
                    length: 0,
                    reason: String::new(),
                },
                true,
            ),
            // It can never be sent, whatever the answer.
            (GhlError::Unsendable { operation: "get-contact", reason: String::new() }, true),
        ];
        for (error, expected) in of_ghl {
            let is_word = may_dead_letter(&JobError::PartMissing { part: Part::Notes, error: error.clone() });
            assert_eq!(is_word, !error.is_unanswered(), "a part: {error:?}");
            assert_eq!(may_dead_letter(&JobError::Ghl(error.clone())), expected, "{error:?}");
        }
        let wait = Duration::from_secs(1);
        let cause = |sent| TokenError::Failed(Cause::Network { sent, reason: "dns error".to_owned() });
        for (error, expected) in [
            (JobError::Records(RecordsError::Raced), false),
            (JobError::Records(RecordsError::NoAnswer(wait)), false),
            (JobError::Stalled { due: wait }, false),
            (JobError::Script(crate::scripts::NotRun::TooBusy), false),
            (JobError::Panicked, false),
            (JobError::NotConnected, false),
            (JobError::NeedsMorePermits, false),
            (JobError::AwaitsContact { wait }, false),
            (JobError::AwaitsDeletion { wait }, false),
            (JobError::AwaitsProvider { why: String::new(), wait }, false),
            (JobError::Deferred { wait }, false),
            (JobError::MayStillArrive { wait }, false),
            (JobError::Token(cause(false)), false),
            (JobError::Token(cause(true)), false),
            (JobError::Token(TokenError::NotConnected), false),
            (JobError::Token(TokenError::Resting { wait, reason: String::new() }), false),
            (JobError::Token(TokenError::Permit(PermitError::Exhausted { granted: 1 })), false),
            // After a word of GHL's.
            (JobError::Refused { reason: String::new() }, true),
            (JobError::NotForThisCall(invalid()), true),
            (JobError::Unjudged(unauthorized(UnauthorizedKind::Unexplained)), true),
            (JobError::Unconfirmed { what: "note", is_visible: true }, true),
            (JobError::NoId, true),
            (JobError::GoneMeanwhile, true),
            (JobError::NotShownYet, true),
            (JobError::CannotSearchTasks { scope: "x" }, true),
            // A call that must not be sent twice was sent.
            (JobError::OutcomeUnknown { operation: "x", reason: String::new() }, true),
            // What is asked makes no sense, and no waiting gives it any.
            (JobError::ForeignRecord, true),
            (JobError::UnknownKind { kind: String::new() }, true),
            (JobError::UnknownOperation, true),
            (JobError::FlowStep { place: String::new(), reason: String::new() }, true),
            (JobError::Outside { place: String::new(), reason: String::new(), wait: Some(wait) }, false),
            (JobError::Outside { place: String::new(), reason: String::new(), wait: None }, true),
            (JobError::NotEnriched { reason: String::new() }, true),
        ] {
            assert_eq!(may_dead_letter(&error), expected, "{error:?}");
        }
    }
}
