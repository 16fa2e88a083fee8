//! The client: one connection pool a process, and the right to call for one run of a job.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use job_engine::Permits;
use reqwest::Url;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use sync_model::clock::Clock;

use super::api::ApiVersion;
use super::error::GhlError;
use super::metrics::GhlMetrics;
use super::model::Listed;
use super::reply::Reply;
use super::scopes::Scopes;

/// A connection is given this long, however long a whole call may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// An idle connection is let go before the far side's balancer is likely to: writing into a connection that was just
/// closed loses the reply, and a create whose reply is lost costs a look before it may be sent again.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// Idle connections kept: four for each job that a process runs at once by default, since a pull makes four calls at the same time.
const IDLE_CONNECTIONS: usize = 256;

/// Where GHL is, and how long one call may take.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// `https://services.leadconnectorhq.com`, or a sandbox.
    pub base_url: String,
    /// From connecting to the last byte of the reply.
    pub timeout: Duration,
    /// The longest list that is read where it can't be asked for in parts, in bytes; usually [`LONG_LIST`].
    pub long_list: usize,
}

/// The longest reply that is read, in bytes: a longer one is a fault that must not take the process's memory, or a list to be asked for in
/// smaller pages.
pub(super) const LONG_REPLY: usize = 8 * 1024 * 1024;
/// What a list without pages may have, unless it is set otherwise.
pub const LONG_LIST: usize = 64 * 1024 * 1024;

/// Why no client could be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The address is none that paths can be added to.
    #[error("GHL_API_URL `{url}` is not an http(s) address: {reason}")]
    BaseUrl {
        /// As configured.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS or the resolver could not be set up.
    #[error("the HTTP client could not be set up")]
    Transport(#[source] reqwest::Error),
}

/// Calls GHL. Cheap to clone: clones share the connections and the metrics.
#[derive(Clone)]
pub struct Client {
    pub(super) shared: Arc<Shared>,
    /// Gets GHL's time from each reply.
    pub(super) clock: Clock,
}

pub(super) struct Shared {
    pub(super) http: reqwest::Client,
    pub(super) base_url: Url,
    pub(super) metrics: GhlMetrics,
    long_list: usize,
}

impl Client {
    /// A client of the API at `config.base_url`.
    ///
    /// # Errors
    /// [`BuildError`] where the address is unusable or TLS can't be set up.
    pub fn new(config: &ClientConfig, metrics: GhlMetrics) -> Result<Self, BuildError> {
        let base_url = base_url(&config.base_url)?;
        let http = reqwest::Client::builder()
            // Without this, reqwest repeats what HTTP/2 refused, behind the limiter's back. The pool below it still moves
            // a request of which no byte was written to another connection; that one arrives once.
            .retry(reqwest::retry::never())
            // A followed redirect is a second request too, and would take the token to another host.
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .user_agent(concat!("clienty-sync/", env!("CARGO_PKG_VERSION")))
            .timeout(config.timeout)
            .connect_timeout(CONNECT_TIMEOUT.min(config.timeout))
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build()
            .map_err(BuildError::Transport)?;
        let shared = Arc::new(Shared { http, base_url, metrics, long_list: config.long_list });
        Ok(Self { shared, clock: Clock::system() })
    }

    /// The client that sets GHL's time in `clock`.
    #[must_use]
    pub fn reporting(self, clock: &Clock) -> Self {
        Self { clock: clock.clone(), ..self }
    }

    /// The right to call as the owner of `token`, as often as `permits` grant.
    #[must_use]
    pub fn for_run<'a>(&'a self, token: &'a SecretString, permits: &'a Permits) -> Run<'a> {
        Run { client: self, token, permits, scopes: None, api: ApiVersion::default(), longest: LONG_REPLY }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base_url", &self.shared.base_url.as_str()).finish_non_exhaustive()
    }
}

/// GHL as one run of a job sees it: one location's token, and the permits of the job's claim.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    pub(super) client: &'a Client,
    pub(super) token: &'a SecretString,
    pub(super) permits: &'a Permits,
    pub(super) scopes: Option<&'a Scopes>,
    pub(super) api: ApiVersion,
    /// Bytes of a reply at most.
    pub(super) longest: usize,
}

impl<'a> Run<'a> {
    /// The run, with the scopes that its token was granted: a call that needs another is refused before it is sent.
    #[must_use]
    pub fn with_scopes(self, scopes: impl Into<Option<&'a Scopes>>) -> Self {
        Self { scopes: scopes.into(), ..self }
    }

    /// The run, for a list that can't be asked for in smaller parts.
    pub(super) fn for_long_list(&self) -> Self {
        Self { longest: self.longest.max(self.client.shared.long_list), ..*self }
    }

    /// The records of a list; those that can't be read are counted.
    pub(super) fn listed<T: DeserializeOwned>(&self, reply: &Reply, key: &str) -> Result<Listed<T>, GhlError> {
        let listed = reply.records(key)?;
        if listed.passed_over > 0 {
            self.client.shared.metrics.passed_over(reply.operation, listed.passed_over);
        }
        Ok(listed)
    }

    /// The run, calling this generation of the API.
    #[must_use]
    pub fn with_api(self, api: ApiVersion) -> Self {
        Self { api, ..self }
    }
}

fn base_url(configured: &str) -> Result<Url, BuildError> {
    let refuse = |reason: String| BuildError::BaseUrl { url: configured.to_owned(), reason };
    let url = Url::parse(configured).map_err(|error| refuse(error.to_string()))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(refuse(format!("its scheme is `{other}`"))),
    }
}
