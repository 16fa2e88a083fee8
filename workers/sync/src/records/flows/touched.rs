//! What flows have called GHL about, so that GHL's webhooks of it start no flow: the brake of flows that wait for webhooks.
//!
//! A call is known by every id that it sends and that GHL answers. Its webhook may come before its answer, so a run that a webhook started
//! waits until no call of a flow is under way in its location, and only then asks.

use std::time::Duration;

use serde_json::Value;
use sync_model::ids;

use super::super::runs::Tx;
use super::super::sql::sql;
use super::super::{RecordsError, Write};

/// For how long what GHL reports an object may be of a flow's own call: it repeats a delivery for an hour.
pub(super) const OWN_MS: i64 = 60 * 60 * 1000;
/// Ids of one call at most.
const MOST: usize = 200;

/// Whether a webhook that started a run is of a flow's own doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touch {
    /// It may be: GHL has yet to answer a flow's call.
    Unknown,
    /// It is.
    Own,
    /// It is somebody else's.
    News,
}

impl Tx {
    /// Whether GHL reports `object_id` because a flow called it.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn touched(&mut self, object_id: &str) -> Result<Touch, RecordsError> {
        let (location_id, since) = (self.run.key.location_id.clone(), self.write.now_ms - OWN_MS);
        let own: i64 = sqlx::query_scalar(sql!("touched_for_flow"))
            .bind(&location_id)
            .bind(object_id)
            .bind(since)
            .fetch_one(self.write.conn())
            .await?;
        if own > 0 {
            return Ok(Touch::Own);
        }
        let query = sqlx::query_scalar(sql!("open_flow_calls")).bind(&location_id);
        let open: i64 = query.fetch_one(self.write.conn()).await?;
        Ok(if open > 0 { Touch::Unknown } else { Touch::News })
    }

    /// A flow calls GHL, and sends this.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn touch(&mut self, sent: &Value) -> Result<(), RecordsError> {
        let location_id = self.run.key.location_id.clone();
        touch(&mut self.write, &location_id, sent).await
    }
}

/// How long a touch is kept, at least.
pub const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) async fn touch(write: &mut Write, location_id: &str, said: &Value) -> Result<(), RecordsError> {
    let now_ms = write.now_ms;
    let mut gathered = Vec::new();
    gather(said, false, &mut gathered);
    gathered.sort_unstable();
    gathered.dedup();
    for id in gathered.into_iter().filter(|id| *id != location_id).take(MOST) {
        let query = sqlx::query(sql!("touch_for_flow")).bind(location_id).bind(id).bind(now_ms);
        query.execute(write.conn()).await?;
    }
    Ok(())
}

/// Every text under a name that is an id's.
fn gather<'a>(value: &'a Value, is_id: bool, gathered: &mut Vec<&'a str>) {
    match value {
        Value::String(text) if is_id && ids::is_id(text) => gathered.push(text),
        Value::Array(items) => items.iter().for_each(|item| gather(item, is_id, gathered)),
        Value::Object(members) => {
            for (name, value) in members {
                let is_id =
                    ["id", "_id", "ids"].contains(&name.as_str()) || name.ends_with("Id") || name.ends_with("Ids");
                gather(value, is_id, gathered);
            }
        }
        _ => {}
    }
}
