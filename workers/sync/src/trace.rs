//! The spans that traces are made of: a job's run. Its calls of GHL are in `ghl::trace`.
//!
//! Their target is their own and their level one that logs leave out, so where no traces are sent they cost a comparison and stand in no log line. They say
//! what logs say: ids and this program's own words; no name, no text and no token.

use ghl::trace::TARGET;
use job_engine::Job;
use tracing::Span;
use tracing::field::Empty;

use crate::records::Run;

/// A run of a job. What it serves and how it ended is recorded as it becomes known.
pub(crate) fn run(job: &Job) -> Span {
    tracing::trace_span!(
        target: TARGET,
        "job",
        otel.name = job.key.kind,
        otel.kind = "consumer",
        otel.status_code = Empty,
        job.kind = job.key.kind,
        job.id = Empty,
        job.attempt = job.attempt,
        job.outcome = Empty,
        job.error = Empty,
        ghl.location = job.key.lane,
        ghl.record = job.key.record,
    )
}

/// The ledger rows that a run serves: the ids that whoever sent the events was informed.
pub(crate) fn serves(span: &Span, run: &Run) {
    if !span.is_disabled() {
        span.record("job.id", listed(&run.ids));
    }
}

/// Says of the run in progress why it did not finish, as the log does.
pub(crate) fn failed(reason: &str) {
    let span = Span::current();
    span.record("otel.status_code", "error");
    span.record("job.error", reason);
}

/// Ids as one attribute: the first of them, where they are many.
#[must_use]
pub fn listed<S: AsRef<str>>(ids: &[S]) -> String {
    const MOST: usize = 20;
    let mut reported: Vec<_> = ids.iter().take(MOST).map(AsRef::as_ref).collect();
    if ids.len() > MOST {
        reported.push("…");
    }
    reported.join(",")
}
