//! The HTTP side: parse, verify, hand over, answer. Nothing here decides what an event means.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::middleware;
use sync_model::clock::Clock;
use sync_workers::enrich::Rules;
use sync_workers::hooks::Hooks;
use sync_workers::oauth::Oauth;

use crate::config::{self, Installs, Shown};
use crate::console::Console;
use crate::metrics::Metrics;
use crate::producer::Producer;
use crate::signature::WebhookKeys;

mod allowed;
mod api;
mod api_keys;
mod audit;
mod auth;
mod body;
mod catalog;
mod changes;
mod conflicts;
mod contacts;
mod deadline;
mod deployment;
mod enrichment;
mod erase;
mod etag;
mod events;
mod flows;
mod health;
mod history;
mod hooks;
mod jobs;
mod json;
mod keys;
mod locations;
mod mapping;
mod me;
mod oauth;
mod openapi;
mod operations;
mod page;
mod parameters;
mod path;
mod problem;
mod problems;
mod request_id;
mod routes;
mod scans;
mod server;
mod steering;
mod toml_body;
mod turns;
mod webhooks;

pub(crate) use allowed::{Access, Administers, Decides, Operates, Reads, ReadsPeople};
use api::Api;
pub use api::ApiRoute;
pub(crate) use api_keys::MOST_EVENTS_A_MINUTE;
use body::Memory;
pub use changes::Tail;
pub(crate) use conflicts::undo_of;
pub use health::Readiness;
use keys::Keys;
pub use openapi::DOCUMENT as OPENAPI;
pub use problem::Problem;
pub(crate) use request_id::RequestId;
pub use routes::Route;
use routes::Routes;
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
    hooks: Hooks,
    /// On what ground people are looked up.
    enrichment: Arc<Rules>,
    installs: Installs,
    /// Where requests wait for the end of the change feed to move.
    tail: Arc<Tail>,
    readiness: Arc<Readiness>,
    keys: Arc<Keys>,
    body_timeout: Duration,
    /// None where it is off.
    console: Option<Console>,
    /// As people may see them.
    settings: Arc<[Shown]>,
}

/// What the gateway is made of.
pub struct Parts {
    pub producer: Producer,
    pub metrics: Arc<Metrics>,
    pub webhooks: Webhooks,
    pub oauth: Option<Oauth>,
    pub hooks: Hooks,
    /// On what ground people are looked up.
    pub enrichment: Arc<Rules>,
    /// None where it is off.
    pub console: Option<Console>,
    /// As people may see them.
    pub settings: Arc<[Shown]>,
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
        let Parts { producer, metrics, webhooks, oauth, hooks, enrichment, console, settings: shown } = parts;
        let is_sqlite = producer.records().is_sqlite();
        Self {
            keys: Arc::new(Keys::new(settings, is_sqlite)),
            body_timeout: settings.body_timeout,
            installs: settings.installs,
            producer,
            metrics,
            webhooks,
            oauth,
            hooks,
            enrichment,
            console,
            settings: shown,
            tail: Arc::default(),
            readiness: Arc::default(),
        }
    }

    /// The routes under /v1, and who may use each.
    #[must_use]
    pub fn api_routes() -> Vec<ApiRoute> {
        api().routes
    }

    /// Every route of [`Gateway::routes_with_metrics`]: what openapi.json describes.
    #[must_use]
    pub fn every_route() -> Vec<Route> {
        let api = api().routes.into_iter().map(|ApiRoute { method, path, .. }| Route { method, path });
        api.chain(open().list).chain(metrics().list).collect()
    }

    /// The routes for everybody. Metrics have an address of their own.
    pub fn routes(self) -> Router {
        let api = api()
            .router
            .route_layer(middleware::from_fn_with_state(self.clone(), auth::require_key))
            .route_layer(middleware::from_fn(deadline::of_reads));
        let pages = self.console.clone().map_or_else(Router::new, Console::routes);
        self.finish(api.merge(open().router).merge(pages))
    }

    /// [`Gateway::routes`] and metrics, where both have one address.
    pub fn routes_with_metrics(self) -> Router {
        metrics().router.with_state(self.clone()).merge(self.routes())
    }

    /// The routes for those who run the process: health and metrics.
    pub fn monitoring_routes(self) -> Router {
        let health = Routes::default().get("/healthz", health::alive).get("/readyz", health::ready_for_all);
        self.finish(health.router.merge(metrics().router))
    }

    /// What every set of routes ends with: problems for what is no route, and a name for each request.
    fn finish(self, routes: Router<Self>) -> Router {
        routes
            .fallback(async |uri: Uri| match uri.path() {
                "/metrics" => Problem::not_found("metrics are served at CLIENTY_METRICS_LISTEN"),
                _ => Problem::not_found("there is no such route; /docs lists them"),
            })
            .method_not_allowed_fallback(async || {
                let detail = "the route exists, but not with this method; the Allow header lists its methods";
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
        .get("/v1/keys", api_keys::list)
        .post("/v1/keys", api_keys::create)
        .post("/v1/keys/{key}/rotate", api_keys::rotate)
        .delete("/v1/keys/{key}", api_keys::revoke)
        .get("/v1/settings", deployment::settings)
        .get("/v1/processes", deployment::processes)
        .post("/v1/events", events::accept)
        .get("/v1/locations", locations::list)
        .get("/v1/locations/{location}", locations::show)
        .get("/v1/locations/{location}/scans", scans::list)
        .post("/v1/locations/{location}/pause", scans::pause)
        .post("/v1/locations/{location}/resume", scans::resume)
        .post("/v1/locations/{location}/import", scans::import)
        .post("/v1/locations/{location}/reconcile", scans::reconcile)
        .post("/v1/locations/{location}/verify", scans::verify)
        .get("/v1/locations/{location}/conflicts", conflicts::list)
        .post("/v1/locations/{location}/conflicts/{conflict}/undo", conflicts::undo)
        .get("/v1/locations/{location}/mapping", mapping::show)
        .put("/v1/locations/{location}/mapping", mapping::put)
        .delete("/v1/locations/{location}/mapping", mapping::delete)
        .post("/v1/locations/{location}/mapping/check", mapping::check)
        .get("/v1/locations/{location}/mapping/suggest", mapping::suggest)
        .post("/v1/locations/{location}/mapping/preview", mapping::preview)
        .get("/v1/locations/{location}/mapping/history", mapping::history)
        .get("/v1/locations/{location}/contacts", contacts::list)
        .get("/v1/locations/{location}/contacts/{contact}", contacts::show)
        .get("/v1/locations/{location}/contacts/{contact}/history", history::list)
        .get("/v1/locations/{location}/contacts/{contact}/fields/{field}/why", history::why)
        .post("/v1/locations/{location}/contacts/{contact}/fields/{field}/revert", history::revert)
        .get("/v1/locations/{location}/contacts/{contact}/enrichment", enrichment::show)
        .delete("/v1/locations/{location}/contacts/{contact}/data", erase::erase)
        .get("/v1/changes", changes::list)
        .get("/v1/audit", audit::list)
        .get("/v1/flows", flows::list)
        .get("/v1/flows/{flow}", flows::show)
        .put("/v1/flows/{flow}", flows::put)
        .delete("/v1/flows/{flow}", flows::delete)
        .post("/v1/flows/{flow}/backtest", flows::backtest)
        .post("/v1/flows/{flow}/check", flows::check)
        .post("/v1/flows/{flow}/enable", flows::enable)
        .post("/v1/flows/{flow}/disable", flows::disable)
        .post("/v1/flows/{flow}/run", flows::run)
        .get("/v1/flows/{flow}/runs", flows::runs_of)
        .get("/v1/flows/{flow}/versions", flows::versions)
        .get("/v1/flow-runs", flows::runs)
        .get("/v1/flow-runs/{run}", flows::show_run)
        .post("/v1/flow-runs/{run}/stop", flows::stop)
        .post("/v1/flow-runs/{run}/retry", flows::retry)
        .post("/v1/flow-runs/{run}/discard", flows::discard)
        .get("/v1/hooks", hooks::list)
        .post("/v1/hooks", hooks::create)
        .get("/v1/hooks/sample", hooks::sample)
        .get("/v1/hooks/{hook}", hooks::show)
        .patch("/v1/hooks/{hook}", hooks::edit)
        .delete("/v1/hooks/{hook}", hooks::delete)
        .post("/v1/hooks/{hook}/rotate", hooks::rotate)
        .post("/v1/hooks/{hook}/disable", hooks::disable)
        .post("/v1/hooks/{hook}/enable", hooks::enable)
        .post("/v1/hooks/{hook}/test", hooks::test)
        .post("/v1/hooks/{hook}/recover", hooks::recover)
        .get("/v1/hooks/{hook}/deliveries", hooks::deliveries)
        .post("/v1/hooks/{hook}/deliveries/{delivery}/resend", hooks::resend)
        .get("/v1/jobs", jobs::list)
        .post("/v1/jobs/retry", steering::retry)
        .post("/v1/jobs/discard", steering::discard)
        .post("/v1/jobs/cancel", steering::cancel)
        .post("/v1/jobs/run-now", steering::run_now)
        .get("/v1/jobs/groups", jobs::groups)
        .get("/v1/jobs/{job}", jobs::show)
        .get("/v1/jobs/{job}/reply", operations::reply)
        .get("/v1/catalog", catalog::list)
        .get("/v1/catalog/{name}", catalog::show)
        .post("/v1/operations/{operation}", operations::call)
}

/// Every route that takes no key.
fn open() -> Routes {
    Routes::default()
        .post("/webhooks/ghl", webhooks::receive)
        .get("/oauth/install", oauth::install)
        .get("/oauth/callback", oauth::callback)
        .get("/healthz", health::alive)
        .get("/readyz", health::ready)
        .get("/openapi.json", openapi::document)
        .get("/docs", openapi::page)
        .get("/docs/page.css", openapi::style)
        .get("/docs/page.js", openapi::script)
        .get("/llms.txt", openapi::llms)
        .get("/problems", problems::page)
        .get("/problems/{code}", problems::show)
}

fn metrics() -> Routes {
    Routes::default().get("/metrics", health::metrics)
}
