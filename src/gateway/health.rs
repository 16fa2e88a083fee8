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

/// The last look at what a request needs. A new one is taken only if the last is old: whoever asks often makes no work.
#[derive(Debug, Default)]
pub struct Readiness(Mutex<Option<(Instant, StatusCode, Value)>>);

/// `GET /readyz`: the database takes writes, the queue answers, and the schema is this program's. A full or read-only disk answers every
/// read, so the database is asked to write.
pub(super) async fn ready(State(gateway): State<Gateway>) -> Response {
    // Those who ask meanwhile wait for the same look.
    let mut last = gateway.readiness.0.lock().await;
    let fresh = last.as_ref().filter(|(at, ..)| at.elapsed() < FRESH);
    let (status, answer) = match fresh {
        Some((_, status, answer)) => (*status, answer.clone()),
        None => {
            let (status, answer) = look(&gateway).await;
            *last = Some((Instant::now(), status, answer.clone()));
            (status, answer)
        }
    };
    (status, Json(answer)).into_response()
}

async fn look(gateway: &Gateway) -> (StatusCode, Value) {
    let (records, queue) = (gateway.producer.records(), gateway.producer.queue());
    let (database, migrations, queue) =
        tokio::join!(in_time(records.check_write()), in_time(records.pending_migrations()), in_time(queue.ping()));
    let database = database.map_err(|error| format!("it does not write: {error}"));
    let schema = migrations.and_then(|pending| match pending.len() {
        0 => Ok(()),
        count => Err(format!("{count} migrations are pending: run `clienty-sync migrate`")),
    });
    let ready = database.is_ok() && schema.is_ok() && queue.is_ok();
    let answer = json!({
        "status": if ready { "ok" } else { "unavailable" },
        "database": say(database),
        "schema": say(schema),
        "queue": say(queue),
    });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, answer)
}

async fn in_time<T, E: Display>(check: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, check).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {PATIENCE:?}")),
    }
}

fn say(check: Result<(), String>) -> String {
    check.err().unwrap_or_else(|| "ok".to_owned())
}

/// `GET /metrics`: Prometheus' text format. It asks nobody: what is counted over the database and the queue was sampled before.
pub(super) async fn metrics(State(gateway): State<Gateway>) -> Result<Response, Problem> {
    let text = gateway.metrics.render().map_err(|error| Problem::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
}
