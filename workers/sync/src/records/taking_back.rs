//! What an operator takes back: the push of a job that is closed without its work being done.
//!
//! An edit that is taken back reads again as GHL holds the record, as far as that is known. A record that GHL never got goes, with all that
//! hangs on it, so that its id is free for a new one.

use sync_model::decide::echo::Fingerprints;
use sync_model::decide::unanswered::Unanswered;
use sync_model::decide::verify::SyncState;
use sync_model::job::{JobKey, JobKind};
use sync_model::record::{Appointment, Note, Task};

use super::contacts::{self, ContactRow};
use super::entries::{self, Entry, EntryRow};
use super::feed::{ChangeOp, Changed};
use super::ledger::timestamp;
use super::merging::{Edits, column};
use super::sql::sql;
use super::{RecordsError, Write, unanswered};

/// Takes back what the record owes GHL, unless another job of it is open or a person has yet to decide about one.
pub(super) async fn take_back(write: &mut Write, key: &JobKey) -> Result<(), RecordsError> {
    match JobKind::parse(&key.kind) {
        Some(JobKind::PushContact) => {
            // Taken before the jobs are counted: an event that comes meanwhile waits, and then finds its record as it is now.
            let Some(row) = contacts::take(write, &key.location_id, &key.record_id).await? else { return Ok(()) };
            if is_wanted(write, key).await? { Ok(()) } else { take_back_contact(write, row).await }
        }
        Some(JobKind::PushTask) => take_back_entry::<Task>(write, key).await,
        Some(JobKind::PushNote) => take_back_entry::<Note>(write, key).await,
        Some(JobKind::PushAppointment) => take_back_entry::<Appointment>(write, key).await,
        _ => Ok(()),
    }
}

async fn is_wanted(write: &mut Write, key: &JobKey) -> Result<bool, RecordsError> {
    let JobKey { kind, location_id, record_id } = key;
    let query = sqlx::query_scalar(sql!("jobs_wanting")).bind(kind).bind(location_id).bind(record_id);
    let jobs: i64 = query.fetch_one(write.conn()).await?;
    Ok(jobs > 0)
}

/// How the last write ended that was not taken back.
fn before(write: &Write, fingerprints: &Fingerprints) -> Option<SyncState> {
    let was_written = *fingerprints != Fingerprints::default();
    was_written.then(|| SyncState::written(Vec::new(), timestamp(write.now_ms)))
}

async fn take_back_contact(write: &mut Write, mut row: ContactRow) -> Result<(), RecordsError> {
    let was_shown = row.is_visible();
    let Some(base) = row.base.clone().filter(|_| !row.is_unread()) else {
        if row.is_pending() {
            go_entries::<Task>(write, &row).await?;
            go_entries::<Note>(write, &row).await?;
            go_entries::<Appointment>(write, &row).await?;
        } else if row.base.is_none() {
            // It is gone from GHL, and was so before.
            return Ok(());
        }
        for (text, id) in [(sql!("erase_aliases"), &row.contact_id), (sql!("delete_contact"), &row.row_id)] {
            sqlx::query(text).bind(&row.location_id).bind(id).execute(write.conn()).await?;
        }
        if was_shown {
            write.report(Changed { sync: None, ..row.changed(ChangeOp::Deleted) });
        }
        return Ok(());
    };
    if was_shown && row.is_settled() && row.refusal().is_none() {
        return Ok(());
    }
    let shown = std::mem::replace(&mut row.doc, base);
    row.deleted_at_ms = None;
    // A write without an answer may have come to pass.
    let look = row.unanswered.is_open();
    let unanswered = Unanswered { looks: look.into(), ..Unanswered::default() };
    (row.edits, row.unanswered, row.sync) = (Edits::new(), unanswered, before(write, &row.fingerprints));
    contacts::save(write, &row, true).await?;
    if look {
        unanswered::owe_contact(write, &row);
    }
    write.report(row.stored(Some(&shown)).after(was_shown));
    Ok(())
}

async fn take_back_entry<E: Entry>(write: &mut Write, key: &JobKey) -> Result<(), RecordsError> {
    let Some(row) = entries::take::<E>(write, &key.record_id).await? else { return Ok(()) };
    if is_wanted(write, key).await? {
        return Ok(());
    }
    let Some(base) = &row.base else {
        return if row.deleted { Ok(()) } else { go(write, &row).await };
    };
    if *base == row.doc && !row.deleted && row.unanswered.is_none() {
        return Ok(());
    }
    let (now_ms, sync) = (write.now_ms, before(write, &row.fingerprints));
    sqlx::query(sql!("take_back_entry"))
        .bind(column(&sync))
        .bind(now_ms)
        .bind(&row.row_id)
        .execute(write.conn())
        .await?;
    let (base, shown, was_shown) = (base.clone(), row.doc.clone(), !row.deleted);
    let look = row.unanswered.is_open();
    if look {
        unanswered::owe_entry(write, &row);
    }
    let unanswered = Unanswered { looks: look.into(), ..Unanswered::default() };
    let row = EntryRow { doc: base, deleted: false, edits: Edits::new(), unanswered, sync, ..row };
    write.report(row.stored(Some(&shown)).after(was_shown));
    Ok(())
}

async fn go_entries<E: Entry>(write: &mut Write, contact: &ContactRow) -> Result<(), RecordsError> {
    for row in entries::of_contact::<E>(write.conn(), &contact.location_id, &contact.contact_id).await? {
        go(write, &row).await?;
    }
    Ok(())
}

/// GHL never had it: nothing is left of it.
async fn go<E: Entry>(write: &mut Write, row: &EntryRow<E>) -> Result<(), RecordsError> {
    sqlx::query(sql!("delete_entry")).bind(&row.row_id).execute(write.conn()).await?;
    if !row.deleted {
        write.report(Changed { sync: None, ..row.changed(ChangeOp::Deleted) });
    }
    Ok(())
}
