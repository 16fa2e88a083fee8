//! Sends a hook what it missed: reads the feed and the notices again since a time, as far as they go back.

use serde_json::json;

use super::super::audit::{Act, Action};
use super::super::feed::item;
use super::super::ledger::timestamp;
use super::super::{Records, RecordsError, notices};
use super::deliveries::OwedKey;
use super::pump::{self, ContactKeys, NOTICES, PullPlan, imported, insert};
use super::{Hook, seen};
use crate::records::hook_event::{received_as, receives};

/// Changes of one transaction.
const PAGE: i64 = 500;

/// How far a recovery has come.
#[derive(Debug)]
pub struct Recovery {
    hook: Hook,
    /// Changes up to it were looked at.
    after: i64,
    /// The pump sends what comes after it.
    end: i64,
    /// The same of notices.
    notices: (i64, i64),
    previous: Option<i64>,
    /// Changes so far for the hook, including those that had arrived.
    pub changes: usize,
}

impl Records {
    /// Starts to send a hook all changes since `since_ms` (ms since 1970) that did not arrive; none if there is no such hook.
    ///
    /// # Errors
    /// [`RecordsError::Pruned`] where the feed does not go back that far, [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn begin_recovery(&self, hook_id: &str, since_ms: i64) -> Result<Option<Recovery>, RecordsError> {
        let Some(hook) = self.hook(hook_id).await? else { return Ok(None) };
        let (_, pruned) = self.feed_bounds().await?;
        let oldest = sqlx::query_scalar("select changed_at from changes order by seq limit 1");
        let oldest: Option<i64> = oldest.fetch_optional(&self.pool).await?;
        if pruned > 0 && oldest.is_none_or(|oldest| oldest > since_ms) {
            return Err(RecordsError::Pruned);
        }
        let end = sqlx::query_scalar("select last_seq from hook_pump where name = 'feed'");
        let end: i64 = end.fetch_one(&self.pool).await?;
        let after = "select coalesce(min(seq) - 1, $2) from changes where changed_at >= $1";
        let after: i64 = sqlx::query_scalar(after).bind(since_ms).bind(end).fetch_one(&self.pool).await?;
        let notices = "select coalesce((select min(seq) - 1 from notices where at >= $1), last_seq), last_seq \
             from hook_pump where name = 'notices'";
        let notices: (i64, i64) = sqlx::query_as(notices).bind(since_ms).fetch_one(&self.pool).await?;
        let mut write = self.write().await?;
        write.act(Act::new(Action::HookRecover).on(hook_id).with(json!({"since": timestamp(since_ms)})));
        write.commit().await?;
        Ok(Some(Recovery { hook, after, end, notices, previous: None, changes: 0 }))
    }

    /// Goes on; what to enqueue, and none when it is done.
    ///
    /// # Errors
    /// See [`Records::begin_recovery`].
    pub async fn recover_more(&self, recovery: &mut Recovery) -> Result<Option<Vec<OwedKey>>, RecordsError> {
        if recovery.after >= recovery.end {
            return self.recover_notices(recovery).await;
        }
        let Recovery { hook, after, end, previous, changes: count, .. } = recovery;
        let mut write = self.write().await?;
        let rows = pump::after(&mut write, *after, *end, PAGE).await?;
        let changes = rows.iter().filter_map(|row| item(row).transpose()).collect::<Result<Vec<_>, _>>()?;
        let (imported, seen) = (imported(&mut write, &changes).await?, seen::now(&mut write).await?);
        let (mut received, mut keys) = (Vec::new(), ContactKeys::default());
        for change in &changes {
            let is_imported = change.caused_by.as_ref().is_some_and(|job| imported.contains(job));
            let Some(event) = received_as(change, is_imported, hook.requests(&seen)) else { continue };
            let before = previous.replace(change.seq);
            let contact_key = keys.of(&mut write, change).await?;
            received.push(PullPlan::of_change(&hook.id, change, before, event, contact_key));
        }
        let jobs = insert(&mut write, &received).await?;
        write.commit().await?;
        *count += received.len();
        *after = changes.last().map_or(*end, |change| change.seq);
        Ok(Some(jobs))
    }

    async fn recover_notices(&self, recovery: &mut Recovery) -> Result<Option<Vec<OwedKey>>, RecordsError> {
        let Recovery { hook, notices: (after, end), previous, changes: count, .. } = recovery;
        if after >= end {
            return Ok(None);
        }
        let mut write = self.write().await?;
        let all = notices::after(&mut write, *after, *end, PAGE).await?;
        let seen = seen::now(&mut write).await?;
        let received: Vec<_> = all
            .iter()
            .filter(|notice| receives(notice, hook.requests(&seen)))
            .map(|notice| PullPlan::of_notice(&hook.id, notice, previous.replace(NOTICES + notice.seq)))
            .collect();
        let jobs = insert(&mut write, &received).await?;
        write.commit().await?;
        *count += received.len();
        *after = all.last().map_or(*end, |notice| notice.seq);
        Ok(Some(jobs))
    }
}
