//! For those who run it: alive, ready, and the numbers.

use std::fmt::Display;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Gateway, Problem};

/// Who asks gives up after a few seconds itself, and would learn nothing.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a look at the database and the queue counts.
const FRESH: Duration = Duration::from_secs(1);

/// `GET /healthz`: the process answers.
pub(super) async fn alive() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// The last check of what a request needs. A new check runs only if the last is old, so frequent probes cost nothing.
#[derive(Debug, Default)]
pub struct Readiness(Mutex<Option<(Instant, Look)>>);

/// What the database, the schema and the queue said.
#[derive(Debug, Clone)]
struct Look {
    database: Result<(), String>,
    schema: Result<(), String>,
    queue: Result<(), String>,
    /// Whether no other process could do better: they all share a database that does not answer.
    is_shared: bool,
}

impl Look {
    async fn take(gateway: &Gateway) -> Self {
        let (records, queue) = (gateway.producer.records(), gateway.producer.queue());
        let (database, migrations, queue) =
            tokio::join!(in_time(records.check_write()), in_time(records.pending_migrations()), in_time(queue.ping()));
        let schema = match migrations.as_ref().map(Vec::len) {
            // What the database could not be asked stands in its own line.
            Ok(0) | Err(_) => Ok(()),
            Ok(count) => Err(format!("{count} migrations are pending: run `clienty-sync migrate`")),
        };
        let database = database.map_err(|error| format!("it does not write: {error}"));
        Self { database, schema, queue, is_shared: !records.is_sqlite() }
    }

    fn is_whole(&self) -> bool {
        self.database.is_ok() && self.schema.is_ok() && self.queue.is_ok()
    }

    /// Whether requests are better sent here than nowhere. Without the queue events are still accepted. Without a database that all
    /// processes share, this one answers within seconds, and asks GHL to send its webhooks again; an ingress without a single ready process
    /// says nothing of use.
    fn serves(&self) -> bool {
        self.schema.is_ok() && (self.database.is_ok() || self.is_shared)
    }

    fn answer(&self, serves: bool) -> Response {
        let (status, word) = match (self.is_whole(), serves) {
            (true, _) => (StatusCode::OK, "ok"),
            (false, true) => (StatusCode::OK, "degraded"),
            (false, false) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        let answer = json!({
            "status": word,
            "database": say(&self.database),
            "schema": say(&self.schema),
            "queue": say(&self.queue),
        });
        (status, Json(answer)).into_response()
    }
}

/// `GET /readyz` of a gateway: whether it serves, and in what shape. A full or read-only disk answers every read, so the database is asked
/// to write.
pub(super) async fn ready(State(gateway): State<Gateway>) -> Response {
    let look = look(&gateway).await;
    look.answer(look.serves())
}

/// `GET /readyz` for those who run the process: whether all that it needs is there.
pub(super) async fn ready_for_all(State(gateway): State<Gateway>) -> Response {
    look(&gateway).await.answer(false)
}

async fn look(gateway: &Gateway) -> Look {
    // Those who ask meanwhile wait for the same look.
    let mut last = gateway.readiness.0.lock().await;
    if let Some((_, look)) = last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
        return look.clone();
    }
    let look = Look::take(gateway).await;
    *last = Some((Instant::now(), look.clone()));
    look
}

async fn in_time<T, E: Display>(check: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, check).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {PATIENCE:?}")),
    }
}

fn say(check: &Result<(), String>) -> &str {
    check.as_ref().err().map_or("ok", String::as_str)
}

/// `GET /metrics`: Prometheus' text format. It queries nothing: the figures of the database and the queue were sampled before.
pub(super) async fn metrics(State(gateway): State<Gateway>) -> Result<Response, Problem> {
    let text = gateway.metrics.render().map_err(|error| Problem::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
}
