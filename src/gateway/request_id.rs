//! A name for every request: the caller's `x-request-id` where it sent a decent one, else a new one; told back and logged.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

const NAME: HeaderName = HeaderName::from_static("x-request-id");

/// Names the request, and logs how it ended.
pub(super) async fn give(request: Request, next: Next) -> Response {
    let id = given(&request).unwrap_or_else(|| Uuid::now_v7().to_string());
    let span = tracing::info_span!("request", request.id = id, http.method = %request.method());
    let (began, path) = (Instant::now(), request.uri().path().to_owned());
    async move {
        let mut response = next.run(request).await;
        // Paths hold ids, which are no personal data; queries may hold a name or an e-mail, and are left out.
        let (status, took) = (response.status().as_u16(), began.elapsed().as_millis());
        tracing::debug!(http.path = path, http.status = status, http.ms = took, "answered");
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(NAME, value);
        }
        response
    }
    .instrument(span)
    .await
}

/// The caller's own, if it can't break a log line.
fn given(request: &Request) -> Option<String> {
    let id = request.headers().get(NAME)?.to_str().ok()?;
    let decent =
        (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    decent.then(|| id.to_owned())
}
