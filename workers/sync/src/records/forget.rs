//! Retention: deletes what is no longer needed, table by table and in small batches: no writer waits for one longer than for another writer.

use super::sql::sql;
use super::{Records, RecordsError};

/// What is forgotten once it is old enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Old {
    /// Rows of the ledger that are done, their failed attempts among them.
    DoneJobs,
    /// Rows of the ledger that are dead, likewise. Runs of flows whose steps they are end.
    DeadJobs,
    /// The ids by which repeated events are known.
    EventIds,
    /// Webhooks as GHL sent them. A repetition is no longer known by their ids.
    Webhooks,
    /// Webhooks that can't be read.
    UnreadableWebhooks,
    /// Entries of the change feed.
    Changes,
    /// What happened to the system.
    Notices,
    /// What changes took away.
    History,
    /// Tasks, notes and appointments that were deleted. What a push has yet to settle stays.
    Entries,
    /// Contacts that were deleted.
    Contacts,
    /// Other ids of contacts that were forgotten.
    Aliases,
    /// Fields that both sides edited.
    Conflicts,
    /// Runs of flows that ended.
    FlowRuns,
    /// What flows have called GHL about.
    Touched,
    /// Imports, reconciliations and comparisons that ended, but the newest of each location and purpose.
    Scans,
    /// Receipts of erasures that were lifted.
    Erasures,
    /// What was done, and by whom.
    Audit,
    /// Sent messages to hooks.
    SentDeliveries,
    /// Failed messages to hooks.
    FailedDeliveries,
    /// Answers of providers of enrichment that do not count any more.
    EnrichAnswers,
    /// What enrichment has cost.
    EnrichSpend,
}

impl Old {
    /// All of it, what depends on something before that.
    pub const ALL: [Self; 21] = [
        Self::Changes,
        Self::Notices,
        Self::History,
        Self::Webhooks,
        Self::EventIds,
        Self::UnreadableWebhooks,
        Self::DoneJobs,
        Self::DeadJobs,
        Self::Entries,
        Self::Contacts,
        Self::Aliases,
        Self::Conflicts,
        Self::FlowRuns,
        Self::Touched,
        Self::Scans,
        Self::Erasures,
        Self::Audit,
        Self::SentDeliveries,
        Self::FailedDeliveries,
        Self::EnrichAnswers,
        Self::EnrichSpend,
    ];

    /// The tables that it is in.
    #[must_use]
    pub fn tables(self) -> &'static [&'static str] {
        match self {
            Self::DoneJobs | Self::DeadJobs => &["jobs", "job_attempts"],
            Self::EventIds => &["event_ids"],
            Self::Webhooks => &["webhooks"],
            Self::UnreadableWebhooks => &["unreadable_webhooks"],
            Self::Changes | Self::History => &["changes"],
            Self::Notices => &["notices"],
            Self::Entries => &["entries"],
            Self::Contacts => &["contacts", "enrichments"],
            Self::Aliases => &["contact_aliases"],
            Self::Conflicts => &["conflicts"],
            Self::FlowRuns => &["flow_runs"],
            Self::Touched => &["flow_touched"],
            Self::Scans => &["walks", "findings"],
            Self::Erasures => &["erasures", "erasure_ids"],
            Self::Audit => &["audit"],
            Self::SentDeliveries | Self::FailedDeliveries => &["hook_deliveries"],
            Self::EnrichAnswers => &["enrich_cache"],
            Self::EnrichSpend => &["enrich_spend"],
        }
    }

    /// $1 the time before which it is old, $2 how many rows at most. Of what no index finds, see [`Records::forget_jobs`].
    fn statement(self) -> Option<&'static str> {
        Some(match self {
            Self::EventIds => sql!("forget_event_ids"),
            Self::Webhooks => sql!("forget_webhooks"),
            Self::UnreadableWebhooks => sql!("forget_unreadable"),
            Self::Notices => sql!("forget_notices"),
            Self::Entries => sql!("forget_entries"),
            Self::Aliases => sql!("forget_aliases"),
            Self::Conflicts => sql!("forget_conflicts"),
            Self::FlowRuns => sql!("forget_flow_runs"),
            Self::Touched => sql!("forget_touched"),
            Self::Scans => sql!("forget_scans"),
            Self::Erasures => sql!("forget_erasures"),
            Self::SentDeliveries => sql!("forget_sent_deliveries"),
            Self::FailedDeliveries => sql!("forget_failed_deliveries"),
            Self::EnrichAnswers => sql!("forget_enrich_cache"),
            Self::EnrichSpend => sql!("forget_enrich_spend"),
            // The feed and the history note up to where they were forgotten, and contacts that their aliases have no contact any more.
            // Rows of the ledger that are done are found by the order in which they were accepted, and with dead ones end the runs of flows
            // that wait for an operator. The audit keeps up to where its chain was forgotten.
            Self::Changes | Self::History | Self::Contacts | Self::DoneJobs | Self::DeadJobs | Self::Audit => {
                return None;
            }
        })
    }

    /// For what hangs on the forgotten rows by no key of the database: $1 how many rows at most.
    fn rest(self) -> Option<&'static str> {
        match self {
            Self::Scans => Some(sql!("forget_orphaned_findings")),
            Self::Erasures => Some(sql!("forget_erasure_ids")),
            Self::FailedDeliveries => Some(sql!("forget_orphaned_deliveries")),
            _ => None,
        }
    }
}

/// How far a round has come with what it looks through in an order.
#[derive(Debug, Default)]
pub struct Place(String);

impl Records {
    /// Forgets what is `old` since before `before_ms` since 1970, from a place on, and looks at up to `limit` rows; returns how many it forgot, none
    /// once there is nothing left to look at.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn forget(
        &self,
        old: Old,
        before_ms: i64,
        place: &mut Place,
        limit: i64,
    ) -> Result<Option<u64>, RecordsError> {
        if old == Old::DoneJobs {
            return self.forget_jobs(before_ms, place, limit).await;
        }
        let forgotten = self.forget_found(old, before_ms, limit).await?;
        Ok((forgotten > 0).then_some(forgotten))
    }

    /// An index of when rows were done would cost every run two entries. Their ids are in the order in which they were accepted, and what was
    /// accepted late was not done early: so they are looked through from the oldest one on, up to the first ones that are too young.
    async fn forget_jobs(&self, before_ms: i64, place: &mut Place, limit: i64) -> Result<Option<u64>, RecordsError> {
        let query = sqlx::query_as(sql!("old_jobs")).bind(&place.0).bind(limit);
        let rows: Vec<(String, i64)> = query.fetch_all(&self.pool).await?;
        let is_old = rows.iter().any(|(_, created_at)| *created_at < before_ms);
        let Some((last, _)) = rows.into_iter().next_back().filter(|_| is_old) else { return Ok(None) };
        let query = sqlx::query(sql!("forget_jobs")).bind(before_ms).bind(&place.0).bind(&last);
        let _gate = self.gate().await?;
        let forgotten = query.execute(&self.pool).await?.rows_affected();
        place.0 = last;
        Ok(Some(forgotten))
    }

    async fn forget_found(&self, old: Old, before_ms: i64, limit: i64) -> Result<u64, RecordsError> {
        let forgotten = match (old, old.statement()) {
            (Old::Changes, _) => return self.prune_changes(before_ms, limit).await,
            (Old::History, _) => return self.forget_history(before_ms, limit).await,
            (Old::DeadJobs, _) => return self.forget_dead_jobs(before_ms, limit).await,
            (Old::Audit, _) => return self.forget_audit(before_ms, limit).await,
            (_, None) => return self.forget_contacts(before_ms, limit).await,
            (_, Some(statement)) => {
                let _gate = self.gate().await?;
                let query = sqlx::query(statement).bind(before_ms).bind(limit);
                query.execute(&self.pool).await?.rows_affected()
            }
        };
        let Some(rest) = old.rest() else { return Ok(forgotten) };
        let _gate = self.gate().await?;
        Ok(forgotten + sqlx::query(rest).bind(limit).execute(&self.pool).await?.rows_affected())
    }

    /// Dead letters that no operator retried or discarded: runs of flows whose steps they are end with them.
    async fn forget_dead_jobs(&self, before_ms: i64, limit: i64) -> Result<u64, RecordsError> {
        let mut write = self.write().await?;
        let now_ms = write.now_ms;
        let forget = sqlx::query(sql!("forget_dead_jobs")).bind(before_ms).bind(limit);
        let forgotten = forget.execute(write.conn()).await?.rows_affected();
        let stranded = sqlx::query(sql!("end_stranded_runs")).bind(now_ms).bind(before_ms).bind(limit);
        let ended = stranded.execute(write.conn()).await?.rows_affected();
        write.commit().await?;
        Ok(forgotten + ended)
    }

    async fn forget_contacts(&self, before_ms: i64, limit: i64) -> Result<u64, RecordsError> {
        let mut write = self.write().await?;
        let now_ms = write.now_ms;
        let query = sqlx::query_as(sql!("forget_contacts")).bind(before_ms).bind(limit);
        let contacts: Vec<(String, String)> = query.fetch_all(write.conn()).await?;
        for (location_id, contact_id) in &contacts {
            let orphan = sqlx::query(sql!("orphan_aliases")).bind(now_ms).bind(location_id).bind(contact_id);
            orphan.execute(write.conn()).await?;
            for text in [sql!("erase_enrichments"), sql!("erase_enrich_cache")] {
                sqlx::query(text).bind(location_id).bind(contact_id).execute(write.conn()).await?;
            }
        }
        write.commit().await?;
        Ok(contacts.len() as u64)
    }
}
