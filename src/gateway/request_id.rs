//! An id for every request: the caller's `x-request-id` if it is valid, else a new one; returned,
//! logged and traced.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use ghl::trace::TARGET;
use sync_workers::trace;
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::Gateway;

const NAME: HeaderName = HeaderName::from_static("x-request-id");

/// The name of a request, for those who work on it.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// Names the request, and logs and counts how it ended.
pub(super) async fn give(State(gateway): State<Gateway>, mut request: Request, next: Next) -> Response {
    let id = given(&request).unwrap_or_else(|| Uuid::now_v7().to_string());
    let span = tracing::info_span!("request", request.id = id, http.method = %request.method());
    let (began, path) = (Instant::now(), request.uri().path().to_owned());
    let traced = traced(&request, &id);
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    request.extensions_mut().insert(RequestId(id.clone()));
    async move {
        let mut response = next.run(request).instrument(traced.clone()).await;
        // Paths hold ids, which are no personal data; queries may hold a name or an e-mail, and are left out.
        let (status, took) = (response.status().as_u16(), began.elapsed().as_millis());
        gateway.metrics.request_answered(&route, status);
        traced.record("http.response.status_code", status);
        tracing::debug!(http.path = path, http.status = status, http.ms = took, "answered");
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(NAME, value);
        }
        response
    }
    .instrument(span)
    .await
}

/// The span of a request, except of those by which others look whether we live. Its path is the route's: without ids.
fn traced(request: &Request, id: &str) -> Span {
    let Some(route) = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str) else { return Span::none() };
    if ["/healthz", "/readyz", "/metrics"].contains(&route) {
        return Span::none();
    }
    let method = request.method().as_str();
    tracing::trace_span!(
        target: TARGET,
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        request.id = id,
        webhook.event = Empty,
        job.id = Empty,
    )
}

/// Records which jobs the current request led to: their runs have the same ids.
pub(super) fn led_to<S: AsRef<str>>(jobs: &[S]) {
    let span = Span::current();
    if !jobs.is_empty() && span.has_field("job.id") {
        span.record("job.id", trace::listed(jobs));
    }
}

/// The caller's own, if it can't break a log line.
fn given(request: &Request) -> Option<String> {
    let id = request.headers().get(NAME)?.to_str().ok()?;
    let decent =
        (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    decent.then(|| id.to_owned())
}
