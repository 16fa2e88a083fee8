//! `POST /webhooks/ghl`: what GHL tells of its own accord.
//!
//! GHL repeats a delivery only after a 429, six times within an hour; after any other answer, and after none, it is lost for
//! good. So a webhook is stored before it is answered, and answered 429 where it can't be: the database is down, or more comes in
//! than it takes. A stale one and one of a foreign location are kept and answered 200, for a repetition would change nothing.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use sync_workers::oauth::Noted;
use sync_workers::records::WebhookResult;
use tracing::Span;

use super::body::{Unread, whole};
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
pub(super) async fn receive(State(gateway): State<Gateway>, headers: HeaderMap, body: Body) -> Response {
    let count = |event, result| gateway.metrics.jobs.webhook(event, result);
    let body = match whole(body, BODY_LIMIT).await {
        Ok(body) => body,
        Err(Unread::TooLarge) => {
            count(UNREAD, WebhookResult::Refused.as_str());
            let detail = format!("GHL sends at most {BODY_LIMIT} bytes");
            return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large", detail).into_response();
        }
        Err(Unread::BrokenOff) => {
            return Problem::new(StatusCode::BAD_REQUEST, "The body broke off", "send it again").into_response();
        }
    };
    // What is no text is there, and is no signature.
    let value = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let signatures = Signatures::new(value("x-ghl-signature"), value("x-wh-signature"));
    if !gateway.webhooks.keys.verify(&body, signatures) {
        count(UNREAD, BAD_SIGNATURE);
        let detail = "neither X-GHL-Signature nor, in its absence, X-WH-Signature is GHL's signature of these bytes; \
                      GHL_WEBHOOK_ED25519_KEY_FILE and GHL_WEBHOOK_RSA_KEY_FILE set other keys";
        return Problem::new(StatusCode::UNAUTHORIZED, "Not signed by GHL", detail).into_response();
    }
    let (webhook, now) = (Webhook::read(&body), gateway.webhooks.clock.now());
    let event = webhook.event.name();
    Span::current().record("webhook.event", event);
    let come_again = || {
        count(event, DEFERRED);
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "Come again", "it can't be stored now, and was not");
        ([(header::RETRY_AFTER, COME_AGAIN.as_secs())], problem).into_response()
    };
    match installs::note(gateway.oauth.as_ref(), &webhook, now).await {
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
