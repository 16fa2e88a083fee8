//! A stateful simulator of GoHighLevel (GHL) on a port: for demos, acceptance checks and tests of the whole system.
//!
//! It promises what GHL's published documents promise, and the traps that clients met in production: misspelt reply
//! fields, explicit nulls, times without an offset, errors whose outcome is unknown. It counts every arrival exactly,
//! so a test can say whether a client kept to the rate limit under each reading of it.
//!
//! It shares no type with the GHL client: a mistake in a shared type would be made on both sides, and no test would
//! see it. What a contact looks like is therefore written a second time here, as JSON.
//!
//! Trap: the search index of GHL lags by seconds; here it does so only where a lag is set, so that tests need no sleep.

#![warn(missing_docs)]

mod api_error;
mod appointment;
mod body;
mod changes;
mod config;
mod connection;
mod contact;
mod dates;
mod enrich;
mod faults;
mod found;
mod lone;
mod meter;
mod middleware;
mod oauth;
mod phone;
mod requested;
mod routes;
mod scopes;
mod seed;
mod state;
mod stats;
mod store;
#[cfg(test)]
mod tests;
mod version;
mod webhooks;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use changes::Changed;
pub use config::{Limits, SandboxConfig, SearchShape, Window};
pub use faults::Faults;
pub use found::SearchFields;
pub use oauth::OauthSettings;
pub use requested::{ErrorAnswer, RequestedError, Wording};
pub use state::SandboxLocation;
pub use stats::{LocationStats, Stats};
pub use webhooks::{SigningKey, WebhookConfig, WebhookFaults, WebhookStats, Webhooks};

use connection::{CutSwitch, CuttableListener};
use state::SandboxState;

/// A running sandbox. Dropping it stops it; [`Sandbox::stop`] also waits until the port is free.
pub struct Sandbox {
    address: SocketAddr,
    state: Arc<SandboxState>,
    stop: watch::Sender<bool>,
    server: JoinHandle<io::Result<()>>,
}

impl Sandbox {
    /// Seeds the data and listens.
    ///
    /// # Errors
    /// When the address cannot be bound, or the system's time zone database lacks a zone of the seeded locations.
    pub async fn start(config: SandboxConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let (stop, stopping) = watch::channel(false);
        let state = Arc::new(SandboxState::new(&config, stopping.clone()).map_err(io::Error::other)?);
        let routes = routes::router(Arc::clone(&state));
        let routes = if config.enrich { routes.merge(enrich::router()) } else { routes };
        let app = routes.into_make_service_with_connect_info::<CutSwitch>();
        let server = tokio::spawn(
            axum::serve(CuttableListener::new(listener), app).with_graceful_shutdown(stopped(stopping)).into_future(),
        );
        tracing::info!(sandbox.address = %address, sandbox.locations = config.locations, "GHL sandbox listens");
        Ok(Self { address, state, stop, server })
    }

    /// The base URL, for `GHL_API_URL`; without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The seeded locations with their Private Integration Tokens.
    #[must_use]
    pub fn locations(&self) -> Vec<SandboxLocation> {
        self.state.locations().iter().map(|location| location.public()).collect()
    }

    /// What arrived so far; the same as `GET /_sandbox/stats`.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.state.stats()
    }

    /// The OAuth app that is known: its client id and secret.
    #[must_use]
    pub fn oauth_app(&self) -> (String, String) {
        let OauthSettings { client_id, client_secret, .. } = self.oauth_settings();
        (client_id, client_secret)
    }

    /// Replaces the faults from the next call on; the dice are not thrown anew.
    pub fn set_faults(&self, faults: Faults) {
        self.state.set_faults(faults);
    }

    /// Everything that changes from now on, in the order in which it does. Listen, and the change is there when the
    /// reply to its call is.
    #[must_use]
    pub fn changes(&self) -> UnboundedReceiver<Changed> {
        self.state.listen()
    }

    /// From now on the search sees a change so much later than a read by id; it sees everything that changed before.
    pub fn set_search_lag(&self, lag: Duration) {
        self.state.set_search_lag(lag);
    }

    /// From now on GHL's clock, which dates records and replies, is so far ahead of the machine's.
    pub fn set_clock_ahead(&self, ahead: SignedDuration) {
        self.state.set_clock_ahead(ahead);
    }

    /// How pages of a search look from now on; the same as `POST /_sandbox/search-shape`.
    pub fn set_search_shape(&self, shape: SearchShape) {
        self.state.set_search_shape(shape);
    }

    /// All a location holds, as `GET /_sandbox/locations/{id}/state` informs it; `None` for an unknown location.
    #[must_use]
    pub fn state(&self, location_id: &str) -> Option<Value> {
        Some(self.state.location(location_id)?.state())
    }

    /// Stops listening, ends calls that hang, and waits for the server to end.
    pub async fn stop(self) {
        let Self { stop, server, .. } = self;
        stop.send_replace(true);
        match server.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "GHL sandbox ended badly"),
            Err(error) => tracing::warn!(%error, "GHL sandbox panicked"),
        }
    }
}

/// Ends when the sandbox is asked to stop, or is dropped.
async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that the sender, and with it the sandbox, is gone: that is a stop too.
    let _ = stopping.wait_for(|stop| *stop).await;
}
