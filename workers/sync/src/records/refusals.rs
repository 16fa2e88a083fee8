//! That GHL refuses what a record asks for: kept with the record, so that view and feed say it as the job does.

use sync_model::decide::refused::Refusal;
use sync_model::decide::sync_status::Progress;
use sync_model::decide::verify::SyncState;
use sync_model::job::{JobKey, JobKind};
use sync_model::record::{Appointment, Note, Task};

use super::contacts::{self, ContactRow};
use super::entries::{self, Entry, EntryRow};
use super::ledger::timestamp;
use super::merging::column;
use super::sql::sql;
use super::{RecordsError, Write};

/// What becomes of the kept state of a record.
#[derive(Clone, Copy)]
enum Act<'a> {
    /// GHL refuses the record as a whole; not where a reason is kept already that says more.
    Refuse(&'a str),
    /// Nothing is held back any more.
    Release,
}

/// The push of `key` ends because GHL refuses it.
pub(super) async fn refuse(write: &mut Write, key: &JobKey, reason: &str) -> Result<(), RecordsError> {
    apply(write, key, Act::Refuse(reason)).await
}

/// Nothing that GHL refused of the record is held back any more.
pub(super) async fn release(write: &mut Write, key: &JobKey) -> Result<(), RecordsError> {
    apply(write, key, Act::Release).await
}

async fn apply(write: &mut Write, key: &JobKey, act: Act<'_>) -> Result<(), RecordsError> {
    match JobKind::parse(&key.kind) {
        Some(JobKind::PushContact) => {
            let row = contacts::take(write, &key.location_id, &key.record_id).await?;
            let Some(before) = row else { return Ok(()) };
            let is_pending = before.status().state == Progress::Pending && before.pending().held.is_empty();
            match act.after(is_pending, before.sync.as_ref(), write.now_ms) {
                Some(sync) => keep_contact(write, before, sync).await,
                None => Ok(()),
            }
        }
        Some(JobKind::PushTask) => apply_to_entry::<Task>(write, &key.record_id, act).await,
        Some(JobKind::PushNote) => apply_to_entry::<Note>(write, &key.record_id, act).await,
        Some(JobKind::PushAppointment) => apply_to_entry::<Appointment>(write, &key.record_id, act).await,
        _ => Ok(()),
    }
}

async fn apply_to_entry<E: Entry>(write: &mut Write, row_id: &str, act: Act<'_>) -> Result<(), RecordsError> {
    let Some(before) = entries::take::<E>(write, row_id).await? else { return Ok(()) };
    let is_pending = before.status().state == Progress::Pending && before.pending().held.is_empty();
    match act.after(is_pending, before.sync.as_ref(), write.now_ms) {
        Some(sync) => keep_entry(write, before, sync).await,
        None => Ok(()),
    }
}

impl Act<'_> {
    /// The state to keep; none where it stays as it is.
    fn after(self, is_pending: bool, kept: Option<&SyncState>, now_ms: i64) -> Option<SyncState> {
        match self {
            Self::Release => kept.cloned().map(SyncState::released),
            Self::Refuse(reason) => is_pending.then(|| {
                let refusal = Refusal { at: timestamp(now_ms), reason: reason.to_owned() };
                SyncState::refused(refusal, Vec::new(), Vec::new())
            }),
        }
    }
}

/// Keeps `sync` with a contact that was as `before`, and reports what that changes.
pub(super) async fn keep_contact(write: &mut Write, before: ContactRow, sync: SyncState) -> Result<(), RecordsError> {
    let row = ContactRow { sync: Some(sync), ..before.clone() };
    let query = sqlx::query(sql!("refuse_contact")).bind(column(&row.sync));
    query.bind(&row.location_id).bind(&row.row_id).execute(write.conn()).await?;
    if let Some(changed) = row.answered(&before) {
        write.report(changed);
    }
    Ok(())
}

/// Keeps `sync` with a task, note or appointment that was as `before`, and reports what that changes.
pub(super) async fn keep_entry<E: Entry>(
    write: &mut Write,
    before: EntryRow<E>,
    sync: SyncState,
) -> Result<(), RecordsError> {
    let row = EntryRow { sync: Some(sync), ..before.clone() };
    sqlx::query(sql!("refuse_entry")).bind(column(&row.sync)).bind(&row.row_id).execute(write.conn()).await?;
    if let Some(changed) = row.answered(&before) {
        write.report(changed);
    }
    Ok(())
}
