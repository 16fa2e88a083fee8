//! For those who run it: alive, ready, and the numbers.

use std::fmt::Display;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{Gateway, Problem};

/// Who asks gives up after a few seconds itself, and would learn nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /healthz`: the process answers.
pub(super) async fn alive() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// `GET /readyz`: the database and the queue answer, and the schema is this program's.
pub(super) async fn ready(State(gateway): State<Gateway>) -> Response {
    let (records, queue) = (gateway.producer.records(), gateway.producer.queue());
    let (database, migrations, queue) =
        tokio::join!(in_time(records.ping()), in_time(records.pending_migrations()), in_time(queue.ping()));
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
    (status, Json(answer)).into_response()
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

/// `GET /metrics`: Prometheus' text format.
pub(super) async fn metrics(State(gateway): State<Gateway>) -> Result<Response, Problem> {
    let (records, queue) = (gateway.producer.records(), gateway.producer.queue());
    let text = gateway.metrics.render(records, queue).await.map_err(|error| Problem::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
}
