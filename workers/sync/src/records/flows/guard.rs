//! A flow that begins far more runs than it is used to is switched off, with the reason, before it has called GHL for all of them.
//!
//! Its runs that are under way go on: each is one that its author wanted. Flows of files are changed where they are, so they are left alone.

use sqlx::Row;

use super::super::sql::sql;
use super::super::{Records, RecordsError};

/// What counts as of late.
const HOUR_MS: i64 = 60 * 60 * 1000;
/// What it is held against.
const HOURS: i64 = 7 * 24;
/// Runs of an hour that are nobody's concern.
const FLOOR: i64 = 1000;
/// So many times its usual rate is too much.
const TIMES: i64 = 10;

impl Records {
    /// Switches off the flows that have begun more than 1,000 runs within an hour, and more than ten times as many as they do in an hour of the
    /// week before. Returns their names, each with the reason.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn pause_runaway_flows(&self) -> Result<Vec<(String, String)>, RecordsError> {
        let now_ms = self.clock.now_ms();
        let since_ms = now_ms.saturating_sub(HOUR_MS);
        let rows = sqlx::query(sql!("flow_rates"))
            .bind(now_ms.saturating_sub(HOURS * HOUR_MS))
            .bind(since_ms)
            .fetch_all(&self.pool)
            .await?;
        let mut paused = Vec::new();
        for row in rows {
            let (name, runs, recent): (String, i64, i64) =
                (row.try_get("flow")?, row.try_get("runs")?, row.try_get("recent")?);
            if recent <= FLOOR {
                continue;
            }
            let Some(flow) = self.kept_flow(&name).await?.filter(|flow| flow.enabled) else { continue };
            // One that is new has fewer hours to be measured by.
            let age = since_ms.saturating_sub(flow.created_at.as_millisecond()) / HOUR_MS;
            let usual = (runs - recent) / age.clamp(1, HOURS - 1);
            // Whoever has enabled it since has seen that, and may have another hour of it.
            let was_enabled = flow.state_at.as_millisecond() > since_ms && flow.state_at != flow.created_at;
            if recent <= usual.saturating_mul(TIMES) || was_enabled {
                continue;
            }
            let why = format!("it began {recent} runs within an hour, and usually begins {usual}");
            if self.enable_flow(&name, false, Some(&why), false).await?.is_some() {
                tracing::error!(
                    flow = name,
                    recent,
                    usual,
                    "a flow runs away and is disabled; `clienty-sync flows enable` lets it go on"
                );
                paused.push((name, why));
            }
        }
        Ok(paused)
    }
}
