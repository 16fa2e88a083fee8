//! The way into every API route: token, rate limit, latency, faults, version; in this order.
//!
//! A call is counted the moment it arrives, before any wait, so that the sandbox's latency never smooths the load. Only
//! a call with a known token can be counted, since it alone belongs to a location.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

use super::config::Limits;
use super::connection::CutSwitch;
use super::faults::{Fault, FaultKind};
use super::meter::Verdict;
use super::refusal::Refusal;
use super::world::{Caller, World};

/// Versions of the API that are spoken here: the dated ones. `v3` has other shapes, and is refused.
const VERSIONS: [&str; 3] = ["2021-07-28", "2021-04-15", "2023-02-21"];

const PAGE: &str =
    "<html>\r\n<head><title>Just a moment...</title></head>\r\n<body><h1>Please wait</h1></body>\r\n</html>\r\n";

pub(super) async fn enter(
    State(world): State<Arc<World>>,
    ConnectInfo(connection): ConnectInfo<CutSwitch>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(token) = bearer(request.headers()) else {
        world.count_stranger();
        return Refusal::unauthorized("Unauthorized").into_response();
    };
    let Some(location) = world.by_token(token).cloned() else {
        world.count_stranger();
        return Refusal::unauthorized("Invalid Private Integration token").into_response();
    };
    let verdict = world.arrive(&location, operation(&request));
    let limits = location.meter().limits();
    let mut reply = if verdict.admitted {
        request.extensions_mut().insert(Caller { world: Arc::clone(&world), location });
        through_weather(&world, &connection, request, next).await
    } else {
        Refusal::too_many_requests().into_response()
    };
    write_limits(reply.headers_mut(), limits, verdict);
    reply
}

async fn through_weather(world: &World, connection: &CutSwitch, request: Request, next: Next) -> Response {
    let (latency, fault) = world.weather(request.method());
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let reply = match fault {
        Some(Fault { committed: false, .. }) => Response::default(),
        _ => match version(request.headers()) {
            Ok(()) => next.run(request).await,
            Err(refusal) => refusal.into_response(),
        },
    };
    match fault {
        Some(fault) => strike(fault.kind, reply, world, connection).await,
        None => reply,
    }
}

/// Spoils a reply.
async fn strike(fault: FaultKind, reply: Response, world: &World, connection: &CutSwitch) -> Response {
    match fault {
        FaultKind::ServerError(status) => {
            let reason = status.canonical_reason().unwrap_or_default();
            Refusal::new(status, reason).into_response()
        }
        FaultKind::Throttle => Refusal::too_many_requests().into_response(),
        FaultKind::Hang(length) => {
            tokio::select! {
                () = tokio::time::sleep(length) => {}
                () = world.stopped() => {}
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

fn version(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers.get("version") {
        None => Err(Refusal::unauthorized("version header was not found.")),
        Some(version) if VERSIONS.iter().any(|known| version == known) => Ok(()),
        Some(_) => Err(Refusal::unauthorized("version header is invalid")),
    }
}

/// Such as `GET /contacts/{contactId}`; an unknown path is one operation, whatever it is.
fn operation(request: &Request) -> String {
    let path = request.extensions().get::<MatchedPath>().map_or("(no such route)", MatchedPath::as_str);
    format!("{} {path}", request.method())
}

fn write_limits(headers: &mut HeaderMap, limits: Limits, verdict: Verdict) {
    let interval_ms = u64::try_from(limits.interval.as_millis()).unwrap_or(u64::MAX);
    for (name, value) in [
        ("x-ratelimit-limit-daily", u64::from(limits.daily)),
        ("x-ratelimit-daily-remaining", u64::from(verdict.daily_remaining)),
        ("x-ratelimit-interval-milliseconds", interval_ms),
        ("x-ratelimit-max", u64::from(limits.burst)),
        ("x-ratelimit-remaining", u64::from(verdict.remaining)),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
}

/// What GHL says of a path or method that it does not know.
pub(super) async fn no_such_route(request: Request) -> Refusal {
    Refusal::not_found(format!("Cannot {} {}", request.method(), request.uri().path()))
}
