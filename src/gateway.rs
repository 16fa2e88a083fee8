//! The HTTP side: parse, verify, hand over, answer. Nothing here decides what an event means.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use tokio::net::TcpListener;

use crate::metrics::Metrics;
use crate::producer::Producer;

mod auth;
mod contacts;
mod events;
mod health;
mod jobs;
mod parameters;
mod problem;
mod request_id;

pub use jobs::describe as describe_job;
pub use problem::Problem;

/// The largest body that is read.
const BODY_LIMIT: usize = 1024 * 1024;

/// What the routes need.
#[derive(Clone)]
pub struct Gateway {
    pub producer: Producer,
    pub metrics: Arc<Metrics>,
}

impl Gateway {
    /// All routes.
    pub fn routes(self) -> Router {
        let api = Router::new()
            .route("/v1/events", post(events::accept))
            .route("/v1/locations/{location}/contacts", get(contacts::list))
            .route("/v1/locations/{location}/contacts/{contact}", get(contacts::show))
            .route("/v1/jobs/{job}", get(jobs::show))
            .route_layer(middleware::from_fn_with_state(self.clone(), auth::require_key));
        Router::new()
            .merge(api)
            .merge(health_routes())
            .fallback(async || Problem::not_found("there is no such route; the README lists them"))
            .method_not_allowed_fallback(events::method_not_allowed)
            // `events` reads its body itself, to answer a larger one as a problem.
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .layer(middleware::from_fn(request_id::give))
            .with_state(self)
    }

    /// The routes of a process that only works: health and metrics.
    pub fn worker_routes(self) -> Router {
        health_routes().with_state(self)
    }
}

fn health_routes() -> Router<Gateway> {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
}

/// A server that is listening.
pub struct Server {
    pub address: SocketAddr,
    stop: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Listens at `address` (port 0: any free one) and serves `routes`.
    ///
    /// # Errors
    /// When the address can't be had.
    pub async fn start(address: SocketAddr, routes: Router) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let serving = axum::serve(listener, routes).with_graceful_shutdown(async {
            // A dropped sender means that nobody will ever ask: that, too, is the end.
            let _ = stopped.await;
        });
        Ok(Self { address, stop, task: tokio::spawn(serving.into_future()) })
    }

    /// Takes no new request and waits for those under way.
    pub async fn stop(self) {
        // Nobody to tell means that it ended by itself.
        let _ = self.stop.send(());
        match self.task.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the HTTP server ended early"),
            Err(error) => tracing::error!(%error, "the HTTP server panicked"),
        }
    }
}
