//! `GET /v1/changes?cursor&limit&wait`: the change feed, and waiting for its end to move.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde_json::{Value, json};
use sync_workers::records::{Records, RecordsError};
use tokio::sync::{Mutex, watch};
use tokio::time::sleep;

use super::deadline::in_time;
use super::parameters::Parameters;
use super::server::Stopping;
use super::{Gateway, Problem};

const DEFAULT_LIMIT: u32 = 100;
const MOST: u32 = 1000;
/// Proxies tend to cut what is silent for longer.
const LONGEST_WAIT: u32 = 60;
/// How often the database is asked while somebody waits.
const LOOK: Duration = Duration::from_millis(250);

/// One page. With `wait`, an empty one is given only after so many seconds without a change.
pub(super) async fn list(
    State(gateway): State<Gateway>,
    Extension(stopping): Extension<Stopping>,
    query: Query<HashMap<String, String>>,
) -> Result<Json<Value>, Problem> {
    let mut parameters = Parameters::new(query, &["cursor", "limit", "wait"]);
    let limit = parameters.number("limit", 1, MOST).unwrap_or(DEFAULT_LIMIT);
    let wait = parameters.number("wait", 0, LONGEST_WAIT).unwrap_or(0);
    let cursor = parameters.text("cursor");
    let records = gateway.producer.records();
    let page = in_time(records.list_changes(cursor.as_deref(), i64::from(limit))).await?;
    let mut page = parameters.page(page, "the nextCursor of an earlier page of this feed, or `latest`", problem)?;
    let end = page.next_cursor.as_deref().and_then(|cursor| cursor.parse().ok());
    if let (true, 1.., Some(end)) = (page.items.is_empty(), wait, end) {
        let moved = tokio::select! {
            moved = gateway.tail.beyond(records, end) => moved.map(|()| true),
            () = sleep(Duration::from_secs(u64::from(wait))) => Ok(false),
            () = stopping.wait() => Ok(false),
        };
        if moved.map_err(|error| problem(&error))? {
            let next = in_time(records.list_changes(page.next_cursor.as_deref(), i64::from(limit))).await?;
            page = next.map_err(|error| problem(&error))?;
        }
    }
    Ok(Json(json!({ "changes": page.items, "nextCursor": page.next_cursor })))
}

fn problem(error: &RecordsError) -> Problem {
    match error {
        RecordsError::Pruned => Problem::new(
            StatusCode::GONE,
            "The feed no longer goes back that far",
            "what follows the cursor was forgotten (records.keep_changes_days): take the nextCursor of `cursor=latest`, read all records \
             again, and go on from there",
        ),
        error => Problem::records(error),
    }
}

/// The end of the feed. However many requests wait for it to move, one of them asks the database, and tells the others.
#[derive(Debug, Default)]
pub struct Tail {
    last: watch::Sender<i64>,
    asking: Mutex<()>,
}

impl Tail {
    /// Returns once the feed has a change beyond `end`.
    async fn beyond(&self, records: &Records, end: i64) -> Result<(), RecordsError> {
        let mut told = self.last.subscribe();
        let ask = async {
            let _asking = self.asking.lock().await;
            loop {
                let last = records.last_change().await?;
                self.last.send_replace(last);
                if last > end {
                    return Ok(());
                }
                sleep(LOOK).await;
            }
        };
        tokio::select! {
            // The sender lives as long as this, so the only answer is that it moved.
            _ = told.wait_for(|last| *last > end) => Ok(()),
            asked = ask => asked,
        }
    }
}
