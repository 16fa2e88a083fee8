//! Sends the requests of flows' steps: through the one door to the outside, signed like the messages of hooks.
//!
//! Secrets are opened here, as a request is built, and go into headers that are never logged. What an answer means for the run stands in
//! [`Sent`]; the words there hold no address and no value.

use std::sync::Arc;
use std::time::Duration;

use ghl::json::clip;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sync_model::clock::Clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::flows::{Again, HeaderPart, Request};
use crate::records::{Records, RecordsError};
use crate::signing as sign;
use crate::vault::{Sealed, Vault, VaultError, of_flows};
use outbound::outside::{Door, Fetched, OutsideError};

/// From looking up the name to the last byte of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer.
const ANSWER: usize = 256 * 1024;
/// How deep an answer may nest: what a run knows is put into other documents.
const DEPTH: usize = 100;
/// Requests that one process sends at the same time: a slow receiver takes no more workers of GHL's jobs.
const AT_ONCE: usize = 16;
/// The longest that a receiver may be left alone at its own wish.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// The wait if it does not say how long.
const WAIT: Duration = Duration::from_secs(30);

/// All that the steps need.
#[derive(Clone)]
pub struct HttpSteps {
    door: Door,
    /// None without a master key: no secret can be opened.
    vault: Option<Vault>,
    records: Records,
    clock: Clock,
    at_once: Arc<Semaphore>,
}

/// A request that is ready to be sent.
pub struct Ready {
    door: Door,
    request: RequestBuilder,
    again: Again,
    _turn: OwnedSemaphorePermit,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Sent {
    /// The receiver did it, and answered this.
    Answered(Value),
    /// It is not to be sent again by itself.
    Refused(String),
    /// It may be sent again: at a time of the receiver's, or after a while like any failed job.
    Later {
        /// Why.
        reason: String,
        /// When the receiver wants it.
        wait: Option<Duration>,
    },
    /// Nobody knows whether the receiver did it, and it must not be done twice.
    Unknown(String),
}

/// Why a request could not be made.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// Of the step, in words.
    #[error("{0}")]
    Refused(String),
    /// As many as may be are under way.
    #[error("too many requests are under way")]
    Busy,
    /// The database.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

/// Seals a secret of that name.
///
/// # Errors
/// [`VaultError`].
pub fn seal(vault: &Vault, name: &str, secret: &SecretString) -> Result<Sealed, VaultError> {
    vault.seal(secret, &of_flows(name))
}

impl HttpSteps {
    /// With the door of the process.
    #[must_use]
    pub fn new(door: Door, vault: Option<Vault>, records: Records, clock: Clock) -> Self {
        Self { door, vault, records, clock, at_once: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Builds the request of a step, whose `id` is the same however often it is sent.
    ///
    /// # Errors
    /// [`NotReady`].
    pub async fn ready(&self, request: &Request, id: &str) -> Result<Ready, NotReady> {
        let Request { url, method, headers, body, sign, again } = request;
        let refused = |reason: String| NotReady::Refused(reason);
        let Ok(turn) = Arc::clone(&self.at_once).try_acquire_owned() else { return Err(NotReady::Busy) };
        let target = self.door.target(url).map_err(|wrong| refused(format!("http {wrong}")))?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| refused("method is none".to_owned()))?;
        let mut built = self.door.request(method, &target).timeout(TIMEOUT);
        for (name, parts) in headers {
            let mut text = String::new();
            for part in parts {
                match part {
                    HeaderPart::Text(part) => text.push_str(part),
                    HeaderPart::Secret(secret) => text.push_str(&self.open(secret).await?),
                }
            }
            let wrong = |_| refused(format!("headers.{name} can't be sent: it holds what no header may"));
            let mut value = HeaderValue::from_bytes(text.as_bytes()).map_err(wrong)?;
            value.set_sensitive(true);
            let header = HeaderName::from_bytes(name.as_bytes());
            built = built.header(header.map_err(|_| refused(format!("headers.{name} is no header")))?, value);
        }
        let body = body.as_ref().map(Value::to_string);
        let timestamp = self.clock.now_ms().div_euclid(1000);
        built = built.header("webhook-id", id).header("webhook-timestamp", timestamp);
        if let Some(name) = sign {
            let secret = self.open(name).await?.into();
            let signature = sign::sign(&secret, id, timestamp, body.as_deref().unwrap_or_default());
            let wrong = |_| {
                refused(format!(
                    "the secret {name} signs nothing: it must be one of `flows secret set {name} --generate`"
                ))
            };
            built = built.header("webhook-signature", signature.map_err(wrong)?);
        }
        if let Some(body) = body {
            built = built.header(CONTENT_TYPE, "application/json").body(body);
        }
        Ok(Ready { door: self.door.clone(), request: built, again: *again, _turn: turn })
    }

    async fn open(&self, name: &str) -> Result<String, NotReady> {
        let refused = |reason: String| NotReady::Refused(reason);
        let sealed = self.records.flow_secret(name).await?;
        let sealed = sealed.ok_or_else(|| {
            refused(format!("there is no secret {name}: `clienty-sync flows secret set {name} --file F` stores it"))
        })?;
        let Some(vault) = &self.vault else {
            return Err(refused("no master key is set, so no secret can be opened".to_owned()));
        };
        let opened = vault.open(&sealed, &of_flows(name));
        opened
            .map(|secret| secret.expose_secret().to_owned())
            .map_err(|error: VaultError| refused(format!("the secret {name}: {error}")))
    }
}

impl Ready {
    /// Sends it, once.
    pub async fn send(self) -> Sent {
        let guarded = self.again == Again::Guarded;
        match self.door.fetch(self.request, ANSWER).await {
            Ok(answer) => answered(&answer, guarded),
            Err(error @ (OutsideError::Refused(_) | OutsideError::NotAllowed)) => {
                Sent::Refused(format!("http {error}"))
            }
            // Nothing got out.
            Err(error @ OutsideError::NotConnected(_)) => Sent::Later { reason: error.to_string(), wait: None },
            Err(error) => {
                let reason = match error {
                    OutsideError::TimedOut => format!("no complete answer within {} s", TIMEOUT.as_secs()),
                    error => error.to_string(),
                };
                if guarded { Sent::Unknown(reason) } else { Sent::Later { reason, wait: None } }
            }
        }
    }
}

fn answered(answer: &Fetched, guarded: bool) -> Sent {
    let Fetched { status, retry_after, body, is_whole, headers: _ } = answer;
    let said = format!("the address answered {}", status.as_u16());
    match *status {
        status if status.is_success() && body.is_empty() && *is_whole => Sent::Answered(json!({})),
        status if status.is_success() => match serde_json::from_slice(body) {
            Ok(answer) if *is_whole => Sent::Answered(clip(answer, DEPTH)),
            _ if !is_whole => {
                Sent::Refused(format!("{said}, and more than {} KiB or less than it said", ANSWER / 1024))
            }
            _ => Sent::Refused(format!("{said}, and its body is no JSON")),
        },
        StatusCode::TOO_MANY_REQUESTS => {
            Sent::Later { reason: said, wait: Some(retry_after.unwrap_or(WAIT).min(LONGEST_WAIT)) }
        }
        // It may have done something before it failed.
        status if status.is_server_error() && guarded => {
            Sent::Unknown(format!("{said}, and may have done something before"))
        }
        status if status.is_server_error() => Sent::Later { reason: said, wait: None },
        _ => Sent::Refused(said),
    }
}
