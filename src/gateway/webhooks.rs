//! `POST /webhooks/ghl`: what GHL tells of its own accord.
//!
//! GHL repeats a delivery only after a 429, six times within an hour; after any other answer, and after none, it is lost for
//! good. So a webhook is stored before it is answered, and answered 429 where it can't be: the database is down, or more comes in
//! than it takes. A stale one and one of a foreign location are kept and answered 200, for a repetition would change nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use sync_workers::oauth::Noted;
use sync_workers::records::WebhookResult;
use tracing::Span;

use super::body::{self, Bounds, Unread};
use super::deadline::in_time;
use super::{Gateway, Problem, request_id};
use crate::signature::Signatures;
use crate::triggers::webhook::{self, Webhook};

mod installs;
mod intake;

pub use intake::Intake;
use intake::Taken;

/// The largest body that GHL sends, in bytes; of larger events it sends only the ids.
const BODY_LIMIT: usize = 256 * 1024;
/// When GHL may come again. It waits ten minutes, whatever is said; others may listen.
const COME_AGAIN: Duration = Duration::from_secs(60);
/// What is counted besides [`WebhookResult`].
const BAD_SIGNATURE: &str = "bad_signature";
const DEFERRED: &str = "deferred";
/// The type of what was not, or could not be, read.
const UNREAD: &str = "unknown";

/// Checks the signature over the bytes as they came, stores the webhook with the jobs it leads to, and answers 200.
pub(super) async fn receive(State(gateway): State<Gateway>, request: Request) -> Response {
    let count = |event, result| gateway.metrics.jobs.webhook(event, result);
    let keys = &gateway.webhooks.keys;
    // Without a signature, not a byte of the body is read.
    if !keys.could_verify(signatures(request.headers())) {
        count(UNREAD, BAD_SIGNATURE);
        return unsigned(keys.takes_rsa);
    }
    let bounds = Bounds {
        length: BODY_LIMIT,
        time: gateway.body_timeout,
        memory: vec![Arc::clone(&gateway.webhooks.memory)],
        trusted: false,
    };
    let (request, body) = match body::receive(request, &bounds).await {
        Ok(received) => received,
        Err(unread) => {
            let result = match unread {
                Unread::TooLarge => Some(WebhookResult::Refused.as_str()),
                Unread::NoMemory => Some(DEFERRED),
                Unread::BrokenOff | Unread::Slow => None,
            };
            if let Some(result) = result {
                count(UNREAD, result);
            }
            return match unread {
                Unread::NoMemory => temporarily_unavailable(),
                unread => unread.problem(BODY_LIMIT).into_response(),
            };
        }
    };
    let (body, _memory) = body.into_parts();
    if !keys.verify(&body, signatures(request.headers())) {
        count(UNREAD, BAD_SIGNATURE);
        return unsigned(keys.takes_rsa);
    }
    let (webhook, now) = (Webhook::read(&body), gateway.webhooks.clock.now());
    let event = webhook.event.name();
    Span::current().record("webhook.event", event);
    let come_again = || {
        count(event, DEFERRED);
        temporarily_unavailable()
    };
    let Ok(noted) = in_time(installs::note(gateway.oauth.as_ref(), &webhook, now)).await else {
        return come_again();
    };
    match noted {
        Ok(Noted::Nothing) => {}
        Ok(noted) => tracing::info!(webhook.event = event, ?noted, "GHL told of an install"),
        Err(error) => {
            tracing::error!(
                webhook.event = event,
                error = &error as &dyn std::error::Error,
                "an install can't be noted"
            );
            return come_again();
        }
    }
    let Some(Taken { result, job_id }) = gateway.webhooks.intake.take(webhook.accepted(now)).await else {
        return come_again();
    };
    request_id::led_to(job_id.as_slice());
    count(event, result.as_str());
    if result == WebhookResult::Accepted {
        gateway.metrics.jobs.event_accepted(webhook::SOURCE, event);
    }
    Json(json!({"result": result.as_str()})).into_response()
}

/// The signatures of a request. What is no text is there, and is no signature.
fn signatures(headers: &HeaderMap) -> Signatures<'_> {
    let value = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    Signatures::new(value("x-ghl-signature"), value("x-wh-signature"))
}

fn unsigned(takes_rsa: bool) -> Response {
    let detail = match takes_rsa {
        true => {
            "neither X-GHL-Signature nor, in its absence, X-WH-Signature is GHL's signature of these bytes; \
             GHL_WEBHOOK_ED25519_KEY_FILE and GHL_WEBHOOK_RSA_KEY_FILE set other keys"
        }
        false => {
            "X-GHL-Signature is not GHL's signature of these bytes, and X-WH-Signature is not taken (GHL_WEBHOOK_RSA is off); \
             GHL_WEBHOOK_ED25519_KEY_FILE sets other keys"
        }
    };
    Problem::new(StatusCode::UNAUTHORIZED, "Not signed by GHL", detail).into_response()
}

fn temporarily_unavailable() -> Response {
    let detail = "it can't be stored now, and was not";
    Problem::too_many("Temporarily unavailable", detail, COME_AGAIN.as_secs()).into_response()
}
