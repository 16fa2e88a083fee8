//! Turns in the state of locations that only the queue knows: a circuit that opens or closes, a day
//! with few calls left. What was last reported is kept, so that several processes report a turn
//! once. Of locations that are connected.

use serde_json::json;

use super::super::ledger::timestamp;
use super::super::{Records, RecordsError, Write};
use super::Notice;

/// What became of a location, whose id each has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Its circuit is open.
    Broken(String),
    /// Its circuit is closed.
    Recovered(String),
    /// Few calls are left of a day.
    LowQuota {
        /// GHL's location id.
        location_id: String,
        /// As 2026-11-30.
        day: String,
        /// Calls that are left.
        left: u32,
        /// Calls of a day.
        of: u32,
    },
}

impl Records {
    /// The locations whose circuit is open, as was last noted.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn noted_broken(&self) -> Result<Vec<String>, RecordsError> {
        let noted = "select location_id from location_activity where broken_at is not null order by location_id";
        Ok(sqlx::query_scalar(noted).fetch_all(&self.pool).await?)
    }

    /// Notes turns, and reports those that were not noted before.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn note_turns(&self, turns: &[Turn]) -> Result<(), RecordsError> {
        if turns.is_empty() {
            return Ok(());
        }
        let mut write = self.write().await?;
        for turn in turns {
            if let Some(notice) = note(&mut write, turn).await? {
                write.notice(notice);
            }
        }
        write.commit().await
    }
}

async fn note(write: &mut Write, turn: &Turn) -> Result<Option<Notice>, RecordsError> {
    let now_ms = write.now_ms;
    let of = |event: &str, id: &str| Notice::new(event, "location", id).at(id);
    let (noted, notice) = match turn {
        Turn::Broken(id) => {
            let note = "insert into location_activity (location_id, broken_at) \
                 select location_id, $1 from connections where location_id = $2 and state <> 'uninstalled' \
                 on conflict (location_id) do update set broken_at = excluded.broken_at where location_activity.broken_at is null";
            let noted = sqlx::query(note).bind(now_ms).bind(id).execute(write.conn()).await?;
            (noted, of("location.broken", id))
        }
        Turn::Recovered(id) => {
            let since = sqlx::query_scalar("select broken_at from location_activity where location_id = $1").bind(id);
            let since: Option<Option<i64>> = since.fetch_optional(write.conn()).await?;
            let note = "update location_activity set broken_at = null where location_id = $1 and broken_at is not null";
            let noted = sqlx::query(note).bind(id).execute(write.conn()).await?;
            let since = json!({ "brokenSince": since.flatten().map(timestamp) });
            (noted, of("location.recovered", id).with(since))
        }
        Turn::LowQuota { location_id: id, day, left, of: all } => {
            let note = "insert into location_activity (location_id, quota_low_on) \
                 select location_id, $1 from connections where location_id = $2 and state <> 'uninstalled' \
                 on conflict (location_id) do update set quota_low_on = excluded.quota_low_on \
                 where location_activity.quota_low_on is null or location_activity.quota_low_on <> excluded.quota_low_on";
            let noted = sqlx::query(note).bind(day).bind(id).execute(write.conn()).await?;
            (noted, of("quota.low", id).with(json!({"callsLeft": left, "callsADay": all})))
        }
    };
    Ok((noted.rows_affected() == 1).then_some(notice))
}
