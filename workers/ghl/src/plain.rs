//! Calls that belong to no location: OAuth's own.
//!
//! They carry the app's secret or an agency's token instead of a location's, so no location's permit stands for them.

use std::borrow::Cow;
use std::time::Duration;

use reqwest::{Request, Url};
use tokio::time::Instant;

use super::call::{unanswered, whole};
use super::client::LONG_REPLY;
use super::{Client, GhlError, throttle};

/// A reply of any status, read to its end.
#[derive(Debug)]
pub struct Plain {
    /// The HTTP status.
    pub status: u16,
    /// Whether it is a page for people, which GHL's API never sends.
    pub is_page: bool,
    /// As a 429 may say.
    pub retry_after: Option<Duration>,
    /// The body, whole.
    pub body: Vec<u8>,
}

impl Client {
    /// The address of `path` in the API.
    pub fn address(&self, path: &str) -> Url {
        let mut url = self.shared.base_url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{path}"));
        url
    }

    /// Sends once. An error means that there was no whole reply.
    pub async fn plain(&self, operation: &'static str, request: Request) -> Result<Plain, GhlError> {
        let started = Instant::now();
        let reply = match self.shared.http.execute(request).await {
            Ok(response) => whole(operation, response, LONG_REPLY).await,
            Err(error) => Err(unanswered(error)),
        };
        let status = match &reply {
            Ok(reply) => Cow::Owned(reply.status.as_u16().to_string()),
            Err(GhlError::Timeout) => Cow::Borrowed("timeout"),
            Err(_) => Cow::Borrowed("network"),
        };
        self.shared.metrics.sent(operation, &status, started.elapsed());
        tracing::debug!(ghl.operation = operation, http.status = %status, "called GHL");
        let reply = reply?;
        let retry_after = match throttle::throttled(&reply.headers) {
            GhlError::Throttled { retry_after, .. } => retry_after,
            _ => None,
        };
        Ok(Plain { status: reply.status.as_u16(), is_page: reply.is_page(), retry_after, body: reply.body })
    }
}
