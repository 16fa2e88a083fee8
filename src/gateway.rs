//! The HTTP side: parse, verify, hand over, answer. Nothing here decides what an event means.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::middleware;
use axum::routing::{delete, get, post};
use axum::{Extension, Router};
use sync_workers::clock::Clock;
use sync_workers::oauth::Oauth;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::metrics::Metrics;
use crate::producer::Producer;
use crate::signature::WebhookKeys;

mod auth;
mod body;
mod changes;
mod conflicts;
mod contacts;
mod erase;
mod events;
mod health;
mod jobs;
mod oauth;
mod operations;
mod parameters;
mod path;
mod problem;
mod request_id;
mod webhooks;

pub use changes::Tail;
pub use problem::Problem;
pub use webhooks::Intake;

/// What the routes need.
#[derive(Clone)]
pub struct Gateway {
    pub producer: Producer,
    pub metrics: Arc<Metrics>,
    pub webhooks: Webhooks,
    /// None without a master key.
    pub oauth: Option<Oauth>,
    /// Where requests wait for the end of the change feed to move.
    pub tail: Arc<Tail>,
}

/// What the route for webhooks needs.
#[derive(Clone)]
pub struct Webhooks {
    pub keys: Arc<WebhookKeys>,
    pub clock: Clock,
    pub intake: Intake,
}

impl Gateway {
    /// All routes.
    pub fn routes(self) -> Router {
        let api = Router::new()
            .route("/v1/events", post(events::accept))
            .route("/v1/locations/{location}/conflicts", get(conflicts::list))
            .route("/v1/locations/{location}/conflicts/{conflict}/undo", post(conflicts::undo))
            .route("/v1/locations/{location}/contacts", get(contacts::list))
            .route("/v1/locations/{location}/contacts/{contact}", get(contacts::show))
            .route("/v1/locations/{location}/contacts/{contact}/data", delete(erase::erase))
            .route("/v1/changes", get(changes::list))
            .route("/v1/jobs/{job}", get(jobs::show))
            .route("/v1/jobs/{job}/reply", get(operations::reply))
            .route("/v1/operations/{operation}", post(operations::call))
            .route_layer(middleware::from_fn_with_state(self.clone(), auth::require_key));
        let installs =
            Router::new().route("/oauth/install", get(oauth::install)).route("/oauth/callback", get(oauth::callback));
        let routes = Router::new()
            .merge(api)
            .merge(installs)
            .merge(health_routes())
            .route("/webhooks/ghl", post(webhooks::receive));
        finished(routes).with_state(self)
    }

    /// The routes of a process that only works: health and metrics.
    pub fn worker_routes(self) -> Router {
        finished(health_routes()).with_state(self)
    }
}

fn health_routes() -> Router<Gateway> {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
}

/// What every set of routes ends with: problems for what is no route, and a name for each request.
fn finished(routes: Router<Gateway>) -> Router<Gateway> {
    routes
        .fallback(async || Problem::not_found("there is no such route; the README lists them"))
        .method_not_allowed_fallback(async || {
            let detail = "the route is there, but not with this method; the Allow header lists those it has";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "Wrong method", detail)
        })
        .layer(middleware::from_fn(request_id::give))
}

/// An address that can't be had.
#[derive(Debug, thiserror::Error)]
#[error("can't listen at {address} ({setting}): {source}")]
pub struct ListenError {
    address: SocketAddr,
    /// The setting or argument to change.
    setting: &'static str,
    source: std::io::Error,
}

impl ListenError {
    /// Whether another program has the address.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.source.kind() == std::io::ErrorKind::AddrInUse
    }
}

/// Takes the address (port 0: any free one) that `setting` names. Apart from [`Server::start`], so that a process whose address is
/// taken ends before it claims a job.
///
/// # Errors
/// When the address can't be had.
pub async fn listen(address: SocketAddr, setting: &'static str) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError { address, setting, source })
}

/// Tells a request that would wait for something that the server is about to stop.
#[derive(Clone)]
struct Stopping(watch::Receiver<bool>);

impl Stopping {
    async fn wait(mut self) {
        // A dropped sender means that nobody will ever ask: that, too, is the end.
        let _ = self.0.wait_for(|stops| *stops).await;
    }
}

/// A server that is listening.
pub struct Server {
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Serves `routes`.
    ///
    /// # Errors
    /// When the listener can't tell its address.
    pub fn start(listener: TcpListener, routes: Router) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let (stop, stopping) = watch::channel(false);
        let routes = routes.layer(Extension(Stopping(stopping.clone())));
        let serving = axum::serve(listener, routes).with_graceful_shutdown(Stopping(stopping).wait());
        Ok(Self { address, stop, task: tokio::spawn(serving.into_future()) })
    }

    /// Takes no new request and waits for those under way.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        match self.task.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the HTTP server ended early"),
            Err(error) => tracing::error!(%error, "the HTTP server panicked"),
        }
    }
}
