//! The way into every API route: token, rate limit, latency, faults, version, scope; in this order.
//!
//! A call is counted the moment it arrives, before any wait, so that the sandbox's latency never smooths the load. Only
//! a call with a known token can be counted, since it alone belongs to a location.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, DATE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

use super::api_error::ApiError;
use super::config::Limits;
use super::connection::CutSwitch;
use super::dates;
use super::faults::{Fault, FaultKind};
use super::lone::with_lone_surrogates;
use super::meter::Admission;
use super::scopes;
use super::state::{Caller, Grant, Location, SandboxState};
use super::version::Version;

const PAGE: &str =
    "<html>\r\n<head><title>Just a moment...</title></head>\r\n<body><h1>Please wait</h1></body>\r\n</html>\r\n";

pub(super) async fn enter(
    State(state): State<Arc<SandboxState>>,
    ConnectInfo(connection): ConnectInfo<CutSwitch>,
    request: Request,
    next: Next,
) -> Response {
    let Some(token) = bearer(request.headers()) else {
        state.count_stranger();
        return ApiError::unauthorized("Unauthorized").into_response();
    };
    let grant = match state.by_token(token) {
        Ok(grant) => grant,
        Err(error) => {
            state.count_stranger();
            return error.into_response();
        }
    };
    let admission = state.arrive(&grant.location, operation(&request));
    let limits = grant.location.meter().limits();
    if !admission.admitted {
        let mut reply = ApiError::too_many_requests().into_response();
        write_limits(reply.headers_mut(), limits, admission);
        write_reset(reply.headers_mut(), admission);
        return reply;
    }
    if let Some(requested) = state.requested_error(&operation(&request), &grant.location.facts.id) {
        if requested.carried_out {
            carry_out(&state, grant, request, next).await;
        }
        let mut reply = requested.answer.clone().into_response();
        write_limits(reply.headers_mut(), limits, admission);
        requested.answer.write_limits(reply.headers_mut());
        return reply;
    }
    let location = Arc::clone(&grant.location);
    let mut reply = with_faults(&state, &connection, grant, request, next).await;
    write_limits(reply.headers_mut(), limits, admission);
    write_date(reply.headers_mut(), &location);
    reply
}

/// What belongs to no location knows no limits, but errors on request.
pub(super) async fn answer_requested(State(state): State<Arc<SandboxState>>, request: Request, next: Next) -> Response {
    let Some(requested) = state.requested_error(&operation(&request), "") else { return next.run(request).await };
    if requested.carried_out {
        next.run(request).await;
    }
    requested.answer.into_response()
}

async fn with_faults(
    state: &Arc<SandboxState>,
    connection: &CutSwitch,
    grant: Grant,
    request: Request,
    next: Next,
) -> Response {
    let (latency, fault) = state.draw_fault(request.method());
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let reply = match fault {
        Some(Fault { committed: false, .. }) => Response::default(),
        _ => carry_out(state, grant, request, next).await,
    };
    match fault {
        Some(fault) => apply_fault(fault.kind, reply, state, connection).await,
        None => reply,
    }
}

async fn carry_out(state: &Arc<SandboxState>, grant: Grant, mut request: Request, next: Next) -> Response {
    let version = match Version::of(request.headers(), route(&request)) {
        Ok(version) => version,
        Err(error) => return error.into_response(),
    };
    let reply = if !version.has(request.method(), route(&request)) {
        no_such_route(request).await.into_response()
    } else if scopes::needed(request.method(), route(&request)).is_some_and(|scope| !grant.covers(&scope)) {
        ApiError::missing_scope().into_response()
    } else {
        request.extensions_mut().insert(Caller { state: Arc::clone(state), location: grant.location, version });
        next.run(request).await
    };
    let (mut parts, body) = version.write(reply).await.into_parts();
    let whole = with_lone_surrogates(to_bytes(body, usize::MAX).await.unwrap_or_default());
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(whole.len()));
    Response::from_parts(parts, Body::from(whole))
}

/// Spoils a reply.
async fn apply_fault(fault: FaultKind, reply: Response, state: &SandboxState, connection: &CutSwitch) -> Response {
    match fault {
        FaultKind::ServerError(status) => {
            let reason = status.canonical_reason().unwrap_or_default();
            ApiError::new(status, reason).into_response()
        }
        FaultKind::Throttle(wait) => {
            let mut reply = ApiError::too_many_requests().into_response();
            if let Some(seconds) = wait {
                reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            reply
        }
        FaultKind::Unprocessable => {
            ApiError::unprocessable(vec!["Something went wrong, please try again".to_owned()]).into_response()
        }
        FaultKind::Hang(length) => {
            tokio::select! {
                () = tokio::time::sleep(length) => {}
                () = state.stopped() => {}
            }
            connection.cut();
            reply
        }
        FaultKind::Cut => {
            connection.cut();
            reply
        }
        FaultKind::Truncate => {
            let (mut parts, body) = reply.into_parts();
            let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
            parts.headers.remove(CONTENT_LENGTH);
            Response::from_parts(parts, Body::from(whole.slice(..whole.len() / 2)))
        }
        FaultKind::Html(status) => (status, Html(PAGE)).into_response(),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// Such as `GET /contacts/{contactId}`; an unknown path is one operation, whatever it is.
fn operation(request: &Request) -> String {
    format!("{} {}", request.method(), route(request))
}

fn route(request: &Request) -> &str {
    request.extensions().get::<MatchedPath>().map_or("(no such route)", MatchedPath::as_str)
}

fn write_limits(headers: &mut HeaderMap, limits: Limits, admission: Admission) {
    let interval_ms = u64::try_from(limits.interval.as_millis()).unwrap_or(u64::MAX);
    for (name, value) in [
        ("x-ratelimit-limit-daily", u64::from(limits.daily)),
        ("x-ratelimit-daily-remaining", u64::from(admission.daily_remaining)),
        ("x-ratelimit-interval-milliseconds", interval_ms),
        ("x-ratelimit-max", u64::from(limits.burst)),
        ("x-ratelimit-remaining", u64::from(admission.remaining)),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
}

/// The time by GHL's own clock, which the caller's need not agree with.
fn write_date(headers: &mut HeaderMap, location: &Location) {
    if let Ok(date) = HeaderValue::try_from(dates::http(location.store().now())) {
        headers.insert(DATE, date);
    }
}

/// How long until the day turns, in milliseconds, as capture 071 has it on the 429 of a day that is used up.
fn write_reset(headers: &mut HeaderMap, admission: Admission) {
    if admission.daily_remaining == 0 {
        let name = HeaderName::from_static("x-ratelimit-daily-reset");
        headers.insert(name, HeaderValue::from(admission.day_left_ms));
    }
}

/// What GHL says of a path or method that it does not know.
pub(super) async fn no_such_route(request: Request) -> ApiError {
    ApiError::not_found(format!("Cannot {} {}", request.method(), request.uri().path()))
}
