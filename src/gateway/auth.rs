//! Who may ask: `Authorization: Bearer <key>` on everything under /v1; and how much.
//!
//! In this order, so that each step costs little until the ones before it are passed: the header, the key's tokens, the key itself,
//! its number of requests, the body, its turn. A request without a key is refused before a byte of its body is read.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use sync_workers::records::{Opened, Principal, hour_of};

use super::body::{self, Bounds};
use super::deadline::in_time;
use super::keys::Key;
use super::request_id::RequestId;
use super::server::Connection;
use super::turns::Turns;
use super::{Gateway, Problem};

/// The largest body that is taken, in bytes.
pub(super) const BODY_LIMIT: usize = 1024 * 1024;
/// A 429 is sent after a moment: a client that repeats at once would keep the server busy with such answers.
const PAUSE: Duration = Duration::from_millis(200);
/// Waits for a change without working, so it needs no turn.
const LONG_POLL: &str = "/v1/changes";

/// In the answer to a request that stored many events.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredBatch;

/// Lets a request pass that carries a key in force, once it is the key's turn.
pub(super) async fn require_key(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    match admitted(&gateway, request, next).await {
        Ok(response) => response,
        Err(refused) => refused,
    }
}

async fn admitted(gateway: &Gateway, request: Request, next: Next) -> Result<Response, Response> {
    let Some(text) = bearer(&request) else {
        return Err(unauthorized("send `Authorization: Bearer <API key>`; `clienty-sync keys create` makes one"));
    };
    let (key, opened) = authenticated(gateway, text).await?;
    let Some(place) = key.enter() else {
        let detail = "this key has too many requests in progress; wait for an answer before you send the next one";
        return Err(Problem::too_many("Too many requests at once", detail, 1).into_response());
    };
    if let Some(connection) = request.extensions().get::<Arc<Connection>>() {
        connection.keep(place);
    }
    let (mut request, _memory) = match *request.method() {
        Method::POST | Method::PUT | Method::PATCH => received(gateway, &key, request).await?,
        _ => (request, None),
    };
    let mut turn = match turns(gateway, &request) {
        Some(turns) => Some(turns.next(key.id).await),
        None => None,
    };
    note_use(gateway, &key, &opened);
    let request_id = request.extensions().get().map(|RequestId(id)| id.clone());
    let principal = Principal::of_key(&opened.key, request_id);
    request.extensions_mut().insert(key);
    request.extensions_mut().insert((opened, principal));
    let response = next.run(request).await;
    if let (Some(turn), Some(StoredBatch)) = (&mut turn, response.extensions().get()) {
        turn.of_batch();
    }
    Ok(response)
}

/// Notes the first use of a key in an hour, beside the request.
fn note_use(gateway: &Gateway, key: &Key, opened: &Opened) {
    let now = gateway.webhooks.clock.now();
    let hour = hour_of(now);
    if opened.key.last_used_at.is_some_and(|noted| noted >= hour) || !key.is_new_hour(hour.as_second()) {
        return;
    }
    let (records, id) = (gateway.producer.records().clone(), opened.key.id.clone());
    tokio::spawn(async move {
        if let Err(error) = records.note_key_use(&id, now).await {
            tracing::warn!(key = id, %error, "the use of an API key is not noted; the next hour's is");
        }
    });
}

/// The key of that text, with a token taken of it, and what it is.
async fn authenticated(gateway: &Gateway, text: &str) -> Result<(Arc<Key>, Opened), Response> {
    let keys = &gateway.keys;
    let known = keys.known(text);
    if let Some(key) = &known
        && let Err(wait) = key.take()
    {
        if let Some(_held) = key.enter() {
            tokio::time::sleep(PAUSE).await;
        }
        return Err(too_many(wait));
    }
    // Those that were never let pass may not hold up those that were.
    let _stranger = match known {
        Some(_) => None,
        None => keys.strangers.acquire().await.ok(),
    };
    let asked = in_time(gateway.producer.records().authenticate(text)).await;
    match asked.map_err(IntoResponse::into_response)? {
        Ok(Some(opened)) => {
            let key = known.unwrap_or_else(|| {
                let key = keys.remember(text);
                key.charge(1);
                key
            });
            Ok((key, opened))
        }
        Ok(None) => {
            Err(unauthorized("this API key is not known, or has ended; `clienty-sync keys list` shows those in force"))
        }
        Err(error) => Err(Problem::records(&error).into_response()),
    }
}

/// The request with its body read, and the memory that it takes.
async fn received(gateway: &Gateway, key: &Key, request: Request) -> Result<(Request, Option<body::Held>), Response> {
    let bounds = Bounds {
        length: BODY_LIMIT,
        time: gateway.body_timeout,
        memory: vec![Arc::clone(&gateway.keys.memory), Arc::clone(&key.memory)],
        trusted: true,
    };
    let received = body::receive(request, &bounds).await;
    let (request, body) = received.map_err(|unread| unread.problem(BODY_LIMIT).into_response())?;
    let (bytes, memory) = body.into_parts();
    Ok((request.map(|_| Body::from(bytes)), Some(memory)))
}

/// In which line the request waits.
fn turns<'a>(gateway: &'a Gateway, request: &Request) -> Option<&'a Arc<Turns>> {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    match request.method() {
        &Method::GET | &Method::HEAD if route == Some(LONG_POLL) => None,
        &Method::GET | &Method::HEAD => Some(&gateway.keys.reads),
        _ => Some(&gateway.keys.writes),
    }
}

fn bearer(request: &Request) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

fn too_many(wait: Duration) -> Response {
    let detail = "this key asks more than CLIENTY_KEY_RATE allows; send the request again after Retry-After seconds";
    Problem::too_many("Too many requests", detail, wait.as_secs() + 1).into_response()
}

fn unauthorized(detail: &str) -> Response {
    let mut response = Problem::new(StatusCode::UNAUTHORIZED, "No valid API key", detail).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, axum::http::HeaderValue::from_static("Bearer"));
    response
}
