//! `GET /v1/changes?cursor&limit&wait&locationId`: the change feed, and waiting for its end to move.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde_json::{Value, json};
use sync_workers::records::{ChangeItem, Page, Records, RecordsError};
use tokio::sync::{Mutex, watch};
use tokio::time::sleep;

use super::allowed::{Allowed, Reads};
use super::contacts::check_location;
use super::deadline::in_time;
use super::parameters::Parameters;
use super::server::Stopping;
use super::{Gateway, Problem};

const DEFAULT_LIMIT: u32 = 100;
const MOST: u32 = 1000;
/// Proxies tend to cut what is silent for longer.
const LONGEST_WAIT: u32 = 60;
/// Interval at which the database is read while requests wait.
const LOOK: Duration = Duration::from_millis(250);

/// One page. With `wait`, an empty one is given only after so many seconds without a change.
pub(super) async fn list(
    allowed: Allowed<Reads>,
    State(gateway): State<Gateway>,
    Extension(stopping): Extension<Stopping>,
    query: Query<HashMap<String, String>>,
) -> Result<Json<Value>, Problem> {
    let mut parameters = Parameters::new(query, &["cursor", "limit", "wait", "locationId"]);
    let limit = parameters.number("limit", 1, MOST).unwrap_or(DEFAULT_LIMIT);
    let wait = parameters.number("wait", 0, LONGEST_WAIT).unwrap_or(0);
    let (cursor, location) = (parameters.text("cursor"), parameters.id("locationId"));
    let records = allowed.records();
    if let Some(location) = &location {
        in_time(check_location(records, location)).await??;
    }
    let read = async |cursor: Option<String>| {
        in_time(records.list_changes_of(location.as_deref(), cursor.as_deref(), i64::from(limit))).await
    };
    let page = read(cursor).await?;
    let mut page = parameters.page(page, "the nextCursor of an earlier page of this feed, or `latest`", problem)?;
    let mut over = pin!(sleep(Duration::from_secs(u64::from(wait))));
    let mut stopped = pin!(stopping.wait());
    // What moves the end may be of locations that are not asked for.
    while let (true, 1.., Some(end)) = (page.items.is_empty(), wait, end_of(&page)) {
        let moved = tokio::select! {
            moved = gateway.tail.beyond(records, end) => moved.map(|()| true),
            () = &mut over => Ok(false),
            () = &mut stopped => Ok(false),
        };
        if !moved.map_err(|error| problem(&error))? {
            break;
        }
        page = read(page.next_cursor).await?.map_err(|error| problem(&error))?;
    }
    Ok(Json(json!({ "changes": page.items, "nextCursor": page.next_cursor })))
}

/// The place behind a page.
fn end_of(page: &Page<ChangeItem>) -> Option<i64> {
    page.next_cursor.as_deref()?.parse().ok()
}

/// The answer to a reader of the feed.
pub(super) fn problem(error: &RecordsError) -> Problem {
    match error {
        RecordsError::Pruned => Problem::new(
            StatusCode::GONE,
            "The feed no longer goes back that far",
            "the changes after the cursor were deleted (records.keep_changes_days): take the nextCursor of `cursor=latest`, read all records \
             again, and continue from there",
        ),
        error => Problem::records(error),
    }
}

/// The end of the feed. However many requests wait for it to move, one of them reads the database for all.
#[derive(Debug, Default)]
pub struct Tail {
    last: watch::Sender<i64>,
    asking: Mutex<()>,
}

impl Tail {
    /// Returns once the feed has a change beyond `end`.
    async fn beyond(&self, records: &Records, end: i64) -> Result<(), RecordsError> {
        let mut reported = self.last.subscribe();
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
            _ = reported.wait_for(|last| *last > end) => Ok(()),
            asked = ask => asked,
        }
    }
}
