//! How long a request waits for the database.
//!
//! A client has its own time limit, and so may a proxy. An answer after that is useless, so a
//! request reports a database that hangs within [`DEADLINE`]. The request is dropped then: its
//! transaction is rolled back, and its connection is replaced if it does not answer.

use std::time::Duration;

use axum::extract::Request;
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sync_workers::records::RecordsError;
use tokio::time::timeout;

use super::Problem;

/// For all that one request does in the database.
pub(super) const DEADLINE: Duration = Duration::from_millis(2_500);

/// What `work` comes to, unless it takes longer than [`DEADLINE`].
pub(super) async fn in_time<T>(work: impl Future<Output = T>) -> Result<T, Problem> {
    timeout(DEADLINE, work).await.map_err(|_| missed())
}

/// Bounds reads as a whole. Others read a body first, which takes as long as the sender's line, and bound what follows; the change feed
/// waits on purpose.
pub(super) async fn of_reads(request: Request, next: Next) -> Response {
    let is_read = request.method() == Method::GET && request.uri().path() != "/v1/changes";
    if !is_read {
        return next.run(request).await;
    }
    in_time(next.run(request)).await.unwrap_or_else(IntoResponse::into_response)
}

fn missed() -> Problem {
    Problem::records(&RecordsError::NoAnswer(DEADLINE))
}
