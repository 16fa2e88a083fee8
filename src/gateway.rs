//! The HTTP side: parse, verify, hand over, answer. Nothing here decides what an event means.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::middleware;
use axum::routing::{MethodRouter, get, post};
use sync_workers::clock::Clock;
use sync_workers::oauth::Oauth;

use crate::config::{self, Installs};
use crate::metrics::Metrics;
use crate::producer::Producer;
use crate::signature::WebhookKeys;

mod allowed;
mod api;
mod audit;
mod auth;
mod body;
mod changes;
mod conflicts;
mod contacts;
mod deadline;
mod erase;
mod events;
mod health;
mod jobs;
mod json;
mod keys;
mod locations;
mod me;
mod oauth;
mod operations;
mod parameters;
mod path;
mod problem;
mod problems;
mod request_id;
mod server;
mod turns;
mod webhooks;

use api::Api;
pub use api::ApiRoute;
use body::Memory;
pub use changes::Tail;
pub use health::Readiness;
use keys::Keys;
pub use problem::Problem;
pub use server::{ListenError, Server, ServerLimits, listen};
pub use webhooks::Intake;

/// What the routes need.
#[derive(Clone)]
pub struct Gateway {
    producer: Producer,
    metrics: Arc<Metrics>,
    webhooks: Webhooks,
    /// None without a master key.
    oauth: Option<Oauth>,
    installs: Installs,
    /// Where requests wait for the end of the change feed to move.
    tail: Arc<Tail>,
    readiness: Arc<Readiness>,
    keys: Arc<Keys>,
    body_timeout: Duration,
}

/// What the gateway is made of.
pub struct Parts {
    pub producer: Producer,
    pub metrics: Arc<Metrics>,
    pub webhooks: Webhooks,
    pub oauth: Option<Oauth>,
}

/// What the route for webhooks needs.
#[derive(Clone)]
pub struct Webhooks {
    pub keys: Arc<WebhookKeys>,
    pub clock: Clock,
    pub intake: Intake,
    memory: Memory,
}

impl Webhooks {
    /// Takes webhooks signed by `keys` into `intake`.
    #[must_use]
    pub fn new(keys: WebhookKeys, clock: Clock, intake: Intake, settings: &config::Gateway) -> Self {
        Self { keys: Arc::new(keys), clock, intake, memory: body::memory(settings.body_memory) }
    }
}

impl Gateway {
    /// The routes over `parts`, within the bounds of the settings.
    #[must_use]
    pub fn new(parts: Parts, settings: &config::Gateway) -> Self {
        let Parts { producer, metrics, webhooks, oauth } = parts;
        let is_sqlite = producer.records().is_sqlite();
        Self {
            keys: Arc::new(Keys::new(settings, is_sqlite)),
            body_timeout: settings.body_timeout,
            installs: settings.installs,
            producer,
            metrics,
            webhooks,
            oauth,
            tail: Arc::default(),
            readiness: Arc::default(),
        }
    }

    /// The routes under /v1, and who may use each.
    #[must_use]
    pub fn api_routes() -> Vec<ApiRoute> {
        api().routes
    }

    /// The routes for everybody. Metrics have an address of their own.
    pub fn routes(self) -> Router {
        let api = api()
            .router
            .route_layer(middleware::from_fn_with_state(self.clone(), auth::require_key))
            .route_layer(middleware::from_fn(deadline::of_reads));
        let installs =
            Router::new().route("/oauth/install", get(oauth::install)).route("/oauth/callback", get(oauth::callback));
        let routes = Router::new()
            .merge(api)
            .merge(installs)
            .merge(health_routes(get(health::ready)))
            .route("/problems", get(problems::page))
            .route("/problems/{code}", get(problems::show))
            .route("/webhooks/ghl", post(webhooks::receive));
        self.finish(routes)
    }

    /// [`Gateway::routes`] and metrics, where both have one address.
    pub fn routes_with_metrics(self) -> Router {
        let metrics = Router::new().route("/metrics", get(health::metrics)).with_state(self.clone());
        metrics.merge(self.routes())
    }

    /// The routes for those who run the process: health and metrics.
    pub fn monitoring_routes(self) -> Router {
        self.finish(health_routes(get(health::ready_for_all)).route("/metrics", get(health::metrics)))
    }

    /// What every set of routes ends with: problems for what is no route, and a name for each request.
    fn finish(self, routes: Router<Self>) -> Router {
        routes
            .fallback(async |uri: Uri| match uri.path() {
                "/metrics" => Problem::not_found("metrics are served at CLIENTY_METRICS_LISTEN"),
                _ => Problem::not_found("there is no such route; docs/HTTP-API.md lists them"),
            })
            .method_not_allowed_fallback(async || {
                let detail = "the route is there, but not with this method; the Allow header lists those it has";
                Problem::new(StatusCode::METHOD_NOT_ALLOWED, "Wrong method", detail)
            })
            .layer(middleware::from_fn_with_state(self.clone(), request_id::give))
            .with_state(self)
    }
}

/// Every route under /v1. Each handler takes [`allowed::Allowed`] first, or is none.
fn api() -> Api {
    Api::default()
        .get("/v1/me", me::show)
        .post("/v1/events", events::accept)
        .get("/v1/locations", locations::list)
        .get("/v1/locations/{location}", locations::show)
        .get("/v1/locations/{location}/conflicts", conflicts::list)
        .post("/v1/locations/{location}/conflicts/{conflict}/undo", conflicts::undo)
        .get("/v1/locations/{location}/contacts", contacts::list)
        .get("/v1/locations/{location}/contacts/{contact}", contacts::show)
        .delete("/v1/locations/{location}/contacts/{contact}/data", erase::erase)
        .get("/v1/changes", changes::list)
        .get("/v1/audit", audit::list)
        .get("/v1/jobs/{job}", jobs::show)
        .get("/v1/jobs/{job}/reply", operations::reply)
        .post("/v1/operations/{operation}", operations::call)
}

fn health_routes(ready: MethodRouter<Gateway>) -> Router<Gateway> {
    Router::new().route("/healthz", get(health::alive)).route("/readyz", ready)
}
