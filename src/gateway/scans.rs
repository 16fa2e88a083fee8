//! `POST /v1/locations/{locationId}/pause`, `/resume`, `/import`, `/reconcile` and `/verify`: steers a location; and `GET …/scans`: how far its scans are.

use axum::Json;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use sync_workers::records::{Purpose, Scan};

use super::Problem;
use super::allowed::{Allowed, Operates, Reads};
use super::contacts::check_location;
use super::path::Ids;
use crate::steering::{self, BegunScan, SteerError};

/// The last scan of each purpose.
pub(super) async fn list(allowed: Allowed<Reads>, Ids(location): Ids<String>) -> Result<Json<Value>, Problem> {
    let records = allowed.records();
    check_location(records, &location).await?;
    let mut scans = Vec::new();
    for purpose in [Purpose::Import, Purpose::Verify, Purpose::Reconcile, Purpose::Full, Purpose::Details] {
        let scan = records.latest_scan(&location, purpose).await.map_err(|error| Problem::records(&error))?;
        scans.extend(scan.as_ref().map(reported));
    }
    Ok(Json(json!({ "scans": scans })))
}

/// No job of the location runs until it is resumed.
pub(super) async fn pause(allowed: Allowed<Operates>, Ids(location): Ids<String>) -> Result<Json<Value>, Problem> {
    steer(&allowed, &location, true).await
}

/// It goes on; one whose circuit is open tries again at once.
pub(super) async fn resume(allowed: Allowed<Operates>, Ids(location): Ids<String>) -> Result<Json<Value>, Problem> {
    steer(&allowed, &location, false).await
}

async fn steer(allowed: &Allowed<Operates>, location: &str, pause: bool) -> Result<Json<Value>, Problem> {
    let known = allowed.records().connection(location).await.map_err(|error| Problem::records(&error))?;
    known.ok_or_else(Problem::unknown_location)?;
    steering::pause(&allowed.producer, location, pause).await.map_err(|error| match error {
        SteerError::Records(error) => Problem::records(&error),
        SteerError::Queue(error) => {
            tracing::error!(%error, "a location was not steered");
            Problem::busy("Temporarily unavailable", "the queue does not answer; nothing was done")
        }
    })?;
    Ok(Json(json!({ "locationId": location, "paused": pause })))
}

/// 202 with the import that was begun, or that goes on where it was.
pub(super) async fn import(
    allowed: Allowed<Operates>,
    Ids(location): Ids<String>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    begin(&allowed, &location, Purpose::Import).await
}

/// 202 with the scan for what no webhook reported.
pub(super) async fn reconcile(
    allowed: Allowed<Operates>,
    Ids(location): Ids<String>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    begin(&allowed, &location, Purpose::Full).await
}

/// 202 with the scan that compares both sides, and changes nothing.
pub(super) async fn verify(
    allowed: Allowed<Operates>,
    Ids(location): Ids<String>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    begin(&allowed, &location, Purpose::Verify).await
}

async fn begin(
    allowed: &Allowed<Operates>,
    location: &str,
    purpose: Purpose,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let scan = steering::scan(&allowed.producer, location, purpose).await;
    match scan.map_err(|error| Problem::records(&error))? {
        BegunScan::Begun(scan) | BegunScan::GoesOn(scan) => Ok((StatusCode::ACCEPTED, Json(reported(&scan)))),
        BegunScan::InTheWay => {
            let detail = "another scan of the location is in progress; nothing was started";
            Err(Problem::new(StatusCode::CONFLICT, "A scan is under way", detail))
        }
        BegunScan::NotConnected => Err(Problem::unknown_location()),
    }
}

/// A scan with its times.
fn reported(scan: &Scan) -> Value {
    let time = |ms: i64| Timestamp::from_millisecond(ms).ok();
    let mut reported = json!(scan);
    reported["startedAt"] = json!(time(scan.started_at_ms));
    reported["updatedAt"] = json!(time(scan.updated_at_ms));
    reported["finishedAt"] = json!(scan.finished_at_ms.and_then(time));
    reported
}
