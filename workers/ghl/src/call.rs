//! The one door: every request to GHL goes through [`Run::call`].

use std::borrow::Cow;

use job_engine::Permit;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Request, Response};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::client::Run;
use super::endpoint::Endpoint;
use super::error::{GhlError, UnauthorizedKind};
use super::refusal::refusal;
use super::reply::Reply;
use super::throttle::Limits;
use super::{scope, throttle};
use crate::trace;

/// Parts of the query; those without a value are left out.
pub(super) type Query<'q> = &'q [(&'q str, Option<&'q str>)];

impl Run<'_> {
    /// A call without a body.
    pub(super) async fn call(&self, endpoint: &'static Endpoint, ids: &[&str]) -> Result<Reply, GhlError> {
        self.send(endpoint, ids, &[], None).await
    }

    /// A call with a query.
    pub(super) async fn call_where(
        &self,
        endpoint: &'static Endpoint,
        ids: &[&str],
        query: Query<'_>,
    ) -> Result<Reply, GhlError> {
        self.send(endpoint, ids, query, None).await
    }

    /// A call that carries `body`.
    pub(super) async fn call_with<B>(
        &self,
        endpoint: &'static Endpoint,
        ids: &[&str],
        body: &B,
    ) -> Result<Reply, GhlError>
    where
        B: Serialize + Sync,
    {
        let unsendable =
            |_| GhlError::Unsendable { operation: endpoint.operation, reason: "body is no JSON".to_owned() };
        let mut body = serde_json::to_value(body).map_err(unsendable)?;
        self.api.word(&mut body);
        self.send(endpoint, ids, &[], Some(body)).await
    }

    pub(super) async fn send(
        &self,
        endpoint: &Endpoint,
        ids: &[&str],
        query: Query<'_>,
        body: Option<Value>,
    ) -> Result<Reply, GhlError> {
        if let Some(scope) = self.scopes.and_then(|granted| granted.lack(endpoint.scopes)) {
            return Err(scope::refused(endpoint, format!("the token was not granted {scope}"), &[scope.to_owned()]));
        }
        let request = self.request(endpoint, ids, query, body.as_ref())?;
        // Last before sending: a call that can't be built spends no permit.
        let permit = self.permits.take()?;

        let span = trace::call(endpoint.operation, endpoint.method.as_str());
        let started = Instant::now();
        let reply = self.exchange(endpoint, request, permit).instrument(span.clone()).await;
        let took = started.elapsed();

        let status = match &reply {
            Ok(reply) => Cow::Borrowed(reply.status.as_str()),
            Err(GhlError::Undecodable { status, .. } | GhlError::TooLong { status, .. }) => {
                Cow::Owned(status.to_string())
            }
            Err(GhlError::Timeout) => Cow::Borrowed("timeout"),
            Err(_) => Cow::Borrowed("network"),
        };
        self.client.shared.metrics.sent(endpoint.operation, &status, took);
        trace::answered(&span, &status, reply.as_ref().is_ok_and(|reply| reply.status.is_success()));
        drop(span);
        tracing::debug!(
            ghl.operation = endpoint.operation,
            http.status = %status,
            ghl.duration_ms = took.as_millis(),
            ghl.permits_left = self.permits.left(),
            "called GHL"
        );

        let reply = reply?;
        if reply.status.is_success() {
            return Ok(reply);
        }
        let sent = body.unwrap_or_else(|| query.iter().filter_map(|(_, value)| *value).collect());
        Err(match refusal(&reply, ids, Some(&sent)) {
            GhlError::Unauthorized { kind: UnauthorizedKind::MissingScope, message, .. } => {
                scope::refused_by_ghl(endpoint, &message, self.scopes)
            }
            refused => refused,
        })
    }

    fn request(
        &self,
        endpoint: &Endpoint,
        ids: &[&str],
        query: Query<'_>,
        body: Option<&Value>,
    ) -> Result<Request, GhlError> {
        let mut url = endpoint.url(&self.client.shared.base_url, self.api, ids)?;
        let reported: Vec<_> = query.iter().filter_map(|(name, value)| Some((name, (*value)?))).collect();
        if !reported.is_empty() {
            url.query_pairs_mut().extend_pairs(reported);
        }
        let mut request = Request::new(endpoint.method.clone(), url);
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.bearer(endpoint.operation)?);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert("version", HeaderValue::from_static(endpoint.version_in(self.api)));
        if let Some(body) = body {
            headers.insert(reqwest::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.to_string().into());
        }
        Ok(request)
    }

    fn bearer(&self, operation: &'static str) -> Result<HeaderValue, GhlError> {
        let header = format!("Bearer {}", self.token.expose_secret());
        let mut header = HeaderValue::try_from(header).map_err(|_| GhlError::Unauthorized {
            operation,
            kind: UnauthorizedKind::TokenRejected,
            message: "the stored token holds characters that no header may".to_owned(),
        })?;
        header.set_sensitive(true);
        Ok(header)
    }

    /// Sends, passes GHL's limits to the permits, and reads the reply to its end. A call without an answer may still arrive, until its time
    /// is out: its permit is dropped.
    async fn exchange(&self, endpoint: &Endpoint, request: Request, permit: Permit) -> Result<Reply, GhlError> {
        let response = match self.client.shared.http.execute(request).await {
            Ok(response) => response,
            Err(error) => {
                let error = unanswered(error);
                if matches!(error, GhlError::Network { sent: false, .. }) {
                    permit.answered();
                }
                return Err(error);
            }
        };
        permit.answered();
        if let Some(date) = throttle::date(response.headers()) {
            self.client.clock.receive_ghl(date);
        }
        let left = throttle::left(response.headers());
        // Before the body: the counts hold even where the body never ends.
        self.permits.observe(left.interval, left.day);
        let Limits { interval, day } = throttle::limits(response.headers());
        self.permits.observe_limits(interval, day);
        whole(endpoint.operation, response, self.longest).await
    }
}

pub(super) async fn whole(operation: &'static str, mut response: Response, longest: usize) -> Result<Reply, GhlError> {
    let mut reply =
        Reply { operation, status: response.status(), headers: response.headers().clone(), body: Vec::new() };
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if reply.body.len() + chunk.len() > longest => {
                return Err(GhlError::TooLong { operation, status: reply.status.as_u16(), limit: longest });
            }
            Ok(Some(chunk)) => reply.body.extend_from_slice(&chunk),
            Ok(None) => return Ok(reply),
            // A 429 or 5xx has said all that matters before its body.
            Err(_) if reply.status.as_u16() == 429 || reply.status.is_server_error() => return Ok(reply),
            Err(error) => return Err(unanswered(error)),
        }
    }
}

/// The error of a request without a whole reply.
pub(super) fn unanswered(error: reqwest::Error) -> GhlError {
    if error.is_timeout() && !error.is_connect() {
        return GhlError::Timeout;
    }
    let sent = !(error.is_connect() || error.is_builder());
    // The innermost cause says it best ("connection refused"), and names no address.
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    GhlError::Network { sent, reason: cause.to_string() }
}
