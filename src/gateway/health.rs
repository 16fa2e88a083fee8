//! For those who run it: alive, ready, and the numbers.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{Gateway, Problem};

/// `GET /healthz`: the process answers.
pub(super) async fn alive() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// `GET /readyz`: the database and the queue answer, and the schema is this program's.
pub(super) async fn ready(State(gateway): State<Gateway>) -> Response {
    let (records, queue) = (gateway.producer.records(), gateway.producer.queue());
    let (database, migrations, reached) = tokio::join!(records.ping(), records.pending_migrations(), queue.ping());
    let schema = match &migrations {
        Ok(pending) if pending.is_empty() => Ok(()),
        Ok(pending) => Err(format!("{} migrations are pending: run `clienty-sync migrate`", pending.len())),
        Err(error) => Err(error.to_string()),
    };
    let say = |check: Result<(), String>| check.err().unwrap_or_else(|| "ok".to_owned());
    let ready = database.is_ok() && schema.is_ok() && reached.is_ok();
    let answer = json!({
        "status": if ready { "ok" } else { "unavailable" },
        "database": say(database.map_err(|error| error.to_string())),
        "schema": say(schema),
        "queue": say(reached.map_err(|error| error.to_string())),
    });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(answer)).into_response()
}

/// `GET /metrics`: Prometheus' text format.
pub(super) async fn metrics(State(gateway): State<Gateway>) -> Result<Response, Problem> {
    let (records, queue) = (gateway.producer.records(), gateway.producer.queue());
    let text = gateway.metrics.render(records, queue).await.map_err(|error| Problem::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
}
