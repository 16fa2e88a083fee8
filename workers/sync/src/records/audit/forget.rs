//! What is too old goes from the beginning of the chain, and leaves the place and the hash up to which it went: the rest is verified from there on.

use serde_json::json;

use super::super::sql::sql;
use super::super::{Records, RecordsError};
use super::{Act, Action, AuditRow};

impl Records {
    /// Forgets rows from before `before_ms` since 1970, from the oldest on, at most `limit`; returns how many. That it did is a row of its own.
    pub(in crate::records) async fn forget_audit(&self, before_ms: i64, limit: i64) -> Result<u64, RecordsError> {
        let mut write = self.write().await?;
        // Locks the chain before it is read.
        sqlx::query(sql!("extend_audit")).bind(0_i64).fetch_one(write.conn()).await?;
        let (_, _, from, _): (i64, String, i64, String) =
            sqlx::query_as(sql!("audit_ends")).fetch_one(write.conn()).await?;
        let page = sqlx::query(sql!("page_of_audit")).bind(from).bind(limit).fetch_all(write.conn()).await?;
        let rows = page.iter().map(AuditRow::of).collect::<Result<Vec<_>, _>>()?;
        let Some(last) = rows.iter().take_while(|row| row.at.as_millisecond() < before_ms).last() else {
            return Ok(0);
        };
        let note = sqlx::query(sql!("note_audit_forgotten")).bind(last.seq).bind(&last.hash);
        note.execute(write.conn()).await?;
        let gone = sqlx::query(sql!("forget_audit")).bind(last.seq).execute(write.conn()).await?.rows_affected();
        write.act(Act::new(Action::AuditForget).with(json!({"upTo": last.seq, "hash": last.hash, "rows": gone})));
        write.commit().await?;
        Ok(gone)
    }
}
