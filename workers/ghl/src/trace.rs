//! The spans of calls, for traces; those of jobs are theirs.
//!
//! Their target is their own and their level one that logs leave out, so where no traces are sent they cost a comparison and stand in no log line. They say
//! what logs say: ids and this program's own words; no name, no text and no token.

use tracing::Span;
use tracing::field::Empty;

/// The target of all spans that are sent as traces.
pub const TARGET: &str = "clienty::trace";

/// A call of GHL.
pub fn call(operation: &str, method: &str) -> Span {
    tracing::trace_span!(
        target: TARGET,
        "ghl",
        otel.name = operation,
        otel.kind = "client",
        otel.status_code = Empty,
        ghl.operation = operation,
        http.request.method = method,
        http.response.status_code = Empty,
    )
}

/// How a call ended: the status that GHL answered, or why there is none.
pub fn answered(span: &Span, status: &str, succeeded: bool) {
    span.record("http.response.status_code", status);
    if !succeeded {
        span.record("otel.status_code", "error");
    }
}
