//! The one door to the outside: every request to an address that a customer chose goes through it.
//!
//! Such an address may name a service of our own network, as the database or a cloud's metadata. So a request goes only to public addresses,
//! and to those that the operator allows. The check stands where the address is known for good: a literal one is looked at in the URL, since the
//! HTTP client asks no resolver for it, and a name is looked up by a resolver that drops what may not be called. What was checked is what is
//! dialled, so a name that answers differently the next time (DNS rebinding) gains nothing.
//!
//! A redirect is an answer and is not followed, and proxies of the environment are ignored: both would connect to an unchecked address.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::Resolve;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode};

mod address;
mod net;
mod resolver;
mod target;

#[cfg(test)]
mod tests;

pub use self::net::{Net, NetError};
use self::resolver::{Guarded, NothingAllowed, System};
pub use self::target::{Refused, Target};

/// A connection, with its TLS handshake, is given so long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From looking up the name to the last byte of the answer.
const TIMEOUT: Duration = Duration::from_secs(20);
/// An idle connection is let go before the far side is likely to.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of an answer that are read.
const ANSWER: usize = 4 * 1024;

/// What may be called.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Whether an address may begin with `http://`. What is sent there can be read and altered on its way.
    pub allow_http: bool,
    /// Networks that may be called though they are not public.
    pub allow_nets: Vec<Net>,
}

/// Sends requests to the outside. Clones share the connections.
#[derive(Debug, Clone)]
pub struct Door {
    http: reqwest::Client,
    rules: Arc<Rules>,
}

/// An answer from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Of the response.
    pub status: StatusCode,
    /// After how many seconds the far side wants to be asked again.
    pub retry_after: Option<Duration>,
    /// The beginning of the body, up to 4 KiB.
    pub body: Vec<u8>,
}

/// An answer that is read for what it says.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Of the response.
    pub status: StatusCode,
    /// After how many seconds the far side wants to be asked again.
    pub retry_after: Option<Duration>,
    /// Of the response.
    pub headers: HeaderMap,
    /// The body, or its beginning.
    pub body: Vec<u8>,
    /// Whether all of the body came, and was no longer than asked for.
    pub is_whole: bool,
}

/// Why there is no answer. Its text has no address: that of a hook may hold a secret of its receiver.
#[derive(Debug, thiserror::Error)]
pub enum OutsideError {
    /// The address may not be called any more: the settings have changed since it was given.
    #[error("the address {0}")]
    Refused(#[from] Refused),
    /// The name leads to addresses that may not be called, or to none.
    #[error(
        "its name leads to no address that may be called; CLIENTY_OUTSIDE_ALLOW_NETS allows networks that are not public"
    )]
    NotAllowed,
    /// No connection came about.
    #[error("no connection: {0}")]
    NotConnected(String),
    /// It took too long.
    #[error("no complete answer within {} s", TIMEOUT.as_secs())]
    TimedOut,
    /// The connection ended, or carried no HTTP.
    #[error("the connection failed: {0}")]
    Broken(String),
}

impl Door {
    /// A door with these rules.
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub fn new(rules: Rules) -> Result<Self, reqwest::Error> {
        Self::resolving_by(rules, Arc::new(System))
    }

    fn resolving_by(rules: Rules, names: Arc<dyn Resolve>) -> Result<Self, reqwest::Error> {
        let rules = Arc::new(rules);
        let http = reqwest::Client::builder()
            .dns_resolver(Arc::new(Guarded::new(names, Arc::clone(&rules))))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .user_agent(concat!("clienty-sync/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build()?;
        Ok(Self { http, rules })
    }

    /// Checks an address of a request.
    ///
    /// # Errors
    /// [`Refused`], with a message for the caller.
    pub fn target(&self, url: &str) -> Result<Target, Refused> {
        Target::check(url, &self.rules)
    }

    /// A request to a checked address; [`Door::send`] sends it.
    pub fn request(&self, method: Method, target: &Target) -> RequestBuilder {
        self.http.request(method, target.url().clone())
    }

    /// Sends it, and reads no more of the answer than is of use.
    ///
    /// # Errors
    /// [`OutsideError`]: whether the request arrived is known only where no connection came about.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer, OutsideError> {
        let mut response = request.send().await.map_err(|error| read(&error))?;
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        // The status is the answer: a receiver that sends it without a complete body has the request.
        let (body, _) = beginning(&mut response, ANSWER).await;
        Ok(Answer { status, retry_after, body })
    }

    /// Sends it, and reads up to `most` bytes of the answer.
    ///
    /// # Errors
    /// See [`Door::send`].
    pub async fn fetch(&self, request: RequestBuilder, most: usize) -> Result<Fetched, OutsideError> {
        let mut response = request.send().await.map_err(|error| read(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let (body, is_whole) = beginning(&mut response, most).await;
        Ok(Fetched { status, retry_after: retry_after(&headers), headers, body, is_whole })
    }
}

/// The body up to `most` bytes, and whether that is all of it.
async fn beginning(response: &mut Response, most: usize) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > most => {
                body.extend_from_slice(&chunk[..most - body.len()]);
                return (body, false);
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return (body, true),
            Err(_) => return (body, false),
        }
    }
}

/// In seconds, as all of them say it that throttle; a date is no reason to trust a foreign clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn read(error: &reqwest::Error) -> OutsideError {
    if causes(error).any(|cause| cause.is::<NothingAllowed>()) {
        return OutsideError::NotAllowed;
    }
    if error.is_timeout() {
        return OutsideError::TimedOut;
    }
    // The innermost cause says what happened; the outer ones hold the address.
    let cause = causes(error).last().map_or_else(|| "it is no request".to_owned(), ToString::to_string);
    if error.is_connect() { OutsideError::NotConnected(cause) } else { OutsideError::Broken(cause) }
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let mut next = error.source();
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}
