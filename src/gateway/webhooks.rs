//! `POST /webhooks/ghl`: receives GHL's webhooks.
//!
//! GHL repeats a delivery after every answer that is not 2xx and after none: up to 12 times over 3
//! days, after a 429 6 times, about 10 minutes apart. A 2xx ends that. So a webhook is stored
//! before it is answered 200, and answered 429 if it can't be: the database is down, or webhooks
//! arrive faster than it stores them. One that can't be read is stored separately and requested
//! again, a few times. A late one is checked in GHL; one of a foreign location is stored and
//! answered 200, for a repetition would change nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::json;
use sync_workers::oauth::Noted;
use sync_workers::records::WebhookResult;
use tracing::Span;

use super::body::{self, Bounds, Unread};
use super::deadline::in_time;
use super::{Gateway, Problem, request_id};
use crate::signature::Signatures;
use crate::triggers::webhook::{self, Unreadable, Webhook};

mod installs;
mod intake;

pub use intake::Intake;
use intake::Taken;

/// The largest body that GHL sends, in bytes; of larger events it sends only the ids.
const BODY_LIMIT: usize = 256 * 1024;
/// When GHL may repeat the webhook. It waits ten minutes in any case; other senders may use the value.
const COME_AGAIN: Duration = Duration::from_secs(60);
/// What is counted besides [`WebhookResult`].
const BAD_SIGNATURE: &str = "bad_signature";
const DEFERRED: &str = "deferred";
const UNREADABLE: &str = "unreadable";
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
                Unread::InFlight | Unread::Slow => None,
            };
            if let Some(result) = result {
                count(UNREAD, result);
            }
            return match unread {
                Unread::NoMemory => again("there is no memory for the body; the webhook was not stored"),
                unread => unread.problem(BODY_LIMIT).into_response(),
            };
        }
    };
    let (body, _memory) = body.into_parts();
    if !keys.verify(&body, signatures(request.headers())) {
        count(UNREAD, BAD_SIGNATURE);
        return unsigned(keys.takes_rsa);
    }
    let now = gateway.webhooks.clock.now();
    let webhook = match Webhook::read(&body) {
        Ok(webhook) => webhook,
        Err(unreadable) => return keep_apart(&gateway, &unreadable, &body, now).await,
    };
    let event = webhook.event.name();
    Span::current().record("webhook.event", event);
    let come_again = || {
        count(event, DEFERRED);
        again("the webhook can't be stored now; send it again")
    };
    let Ok(noted) = in_time(installs::note(gateway.oauth.as_ref(), &webhook, now)).await else {
        return come_again();
    };
    match noted {
        Ok(Noted::Nothing) => {}
        Ok(noted) => tracing::info!(webhook.event = event, ?noted, "GHL reported an install"),
        Err(error) => {
            tracing::error!(
                webhook.event = event,
                error = &error as &dyn std::error::Error,
                "an install can't be stored; GHL is asked to send the webhook again"
            );
            return come_again();
        }
    }
    let Some(Taken { result, job_id }) = gateway.webhooks.intake.take(webhook.accepted(now)).await else {
        return come_again();
    };
    request_id::led_to(job_id.as_slice());
    count(event, result.as_str());
    if matches!(result, WebhookResult::Accepted | WebhookResult::Late) {
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
            "X-GHL-Signature is not GHL's signature of these bytes, and X-WH-Signature is not accepted (GHL_WEBHOOK_RSA is off); \
             GHL_WEBHOOK_ED25519_KEY_FILE sets other keys"
        }
    };
    Problem::new(StatusCode::UNAUTHORIZED, "Not signed by GHL", detail).into_response()
}

/// Keeps a webhook that can't be read, and asks for it again as long as that may help.
async fn keep_apart(gateway: &Gateway, unreadable: &Unreadable, body: &[u8], now: Timestamp) -> Response {
    gateway.metrics.jobs.webhook(UNREAD, UNREADABLE);
    match gateway.producer.records().keep_unreadable(&unreadable.id, body).await {
        Ok(kept) => {
            tracing::error!(
                webhook.id = unreadable.id,
                webhook.bytes = body.len(),
                webhook.seen = kept.seen,
                "a webhook with GHL's signature can't be read; it is stored in unreadable_webhooks"
            );
            match kept.may_come_again(now) {
                true => again("the webhook can't be read; it is stored separately"),
                false => Json(json!({"result": UNREADABLE})).into_response(),
            }
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "an unreadable webhook can't be stored");
            again("the webhook can't be read, and can't be stored now")
        }
    }
}

/// The answer after which GHL sends the webhook again.
fn again(detail: &str) -> Response {
    Problem::too_many("Temporarily unavailable", detail, COME_AGAIN.as_secs()).into_response()
}
