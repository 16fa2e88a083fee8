//! Two rows that turn out to be one contact: they become one row with the pending writes of both
//! (law 17).
//!
//! One row is pending: a producer created the contact, and GHL is found to have it already. The
//! other row has what is known of it in GHL. The remaining row has all that differs from GHL in
//! either as a pending write; a field that both edited has the later edit. A waiting deletion of
//! either stays pending as well. Jobs, conflicts, tasks, notes and appointments move along, and
//! every id leads to the remaining row.

use sync_model::decide::fields::{self, Fields, Record as _, fields, with_fields};
use sync_model::decide::last_edits::LastEdits;
use sync_model::decide::merge::{Conflict, Policies, TheirTimes};
use sync_model::record::Contact;

use super::super::feed::{ChangeOp, Changed};
use super::super::merging::{self, Edits, Taken};
use super::super::sql::sql;
use super::super::{RecordsError, Write, conflicts, enrichments, mappings};
use super::{ContactRow, save, save_alias};

/// Makes one row of two; `agreed` is what GHL is known to have got of the pending one. It keeps the row of the contact that a producer
/// knows, which is another's only where a producer has said that both are one. Both rows are held by this transaction; the one that is left
/// is written, and returned to be written again.
pub(in crate::records) async fn join(
    write: &mut Write,
    pending: ContactRow,
    other: ContactRow,
    agreed: &Fields,
) -> Result<ContactRow, RecordsError> {
    let keeps_other = other.clienty_id.is_some() && other.clienty_id != pending.clienty_id;
    let policies = mappings::policies(write, &pending.location_id).await?;
    let (row, found) = joined(&policies, &pending, &other, agreed, keeps_other);
    let gone = if keeps_other { &pending } else { &other };
    sqlx::query(sql!("delete_contact")).bind(&gone.location_id).bind(&gone.row_id).execute(write.conn()).await?;
    // The run that has found them to be one may be the pending one's: it ends by itself.
    let query = sqlx::query(sql!("move_jobs_of_contact")).bind(&row.row_id).bind(&row.location_id).bind(&gone.row_id);
    query.bind(i64::from(!keeps_other)).execute(write.conn()).await?;
    let query = sqlx::query(sql!("move_conflicts_of_contact")).bind(&row.row_id);
    query.bind(&row.location_id).bind(&gone.row_id).execute(write.conn()).await?;
    move_to(write, &row.location_id, &pending.contact_id, &row.contact_id).await?;
    if gone.is_visible() {
        write.report(Changed { sync: None, ..gone.changed(ChangeOp::Deleted) });
    }
    conflicts::keep(write, &row.location_id, &row.contact_id, Contact::NAME, &row.row_id, &found).await?;
    save(write, &row, true).await?;
    let kept = if keeps_other { &other } else { &pending };
    let changed = row.stored(Some(&kept.doc)).after(kept.is_visible());
    if !changed.fields.is_empty() || kept.is_visible() != row.is_visible() {
        write.report_with_next(changed);
    }
    Ok(ContactRow { revision: row.revision + 1, ..row })
}

/// All that hangs on the contact of the id `old` hangs on that of `new` from now on, and `old` leads there.
pub(in crate::records) async fn move_to(
    write: &mut Write,
    location_id: &str,
    old: &str,
    new: &str,
) -> Result<(), RecordsError> {
    if old == new {
        return Ok(());
    }
    for text in [sql!("move_aliases"), sql!("move_entries"), sql!("move_conflicts"), sql!("move_enrich_cache")] {
        sqlx::query(text).bind(new).bind(location_id).bind(old).execute(write.conn()).await?;
    }
    enrichments::move_to(write, location_id, old, new).await?;
    save_alias(write, location_id, old, new).await
}

/// The row that is left of both, and where the pending one and GHL differed.
pub(in crate::records) fn joined(
    policies: &Policies,
    pending: &ContactRow,
    other: &ContactRow,
    agreed: &Fields,
    keeps_other: bool,
) -> (ContactRow, Vec<Conflict>) {
    let mut row = if keeps_other { other.clone() } else { pending.clone() };
    row.contact_id.clone_from(&other.contact_id);
    row.clienty_id = row.clienty_id.or_else(|| pending.clienty_id.clone());
    let mut fingerprints = other.fingerprints.clone();
    fingerprints.absorb(&pending.fingerprints);
    let (doc, mut edits, conflicts) = said(policies, pending, other, agreed);
    let (mut now, ours, theirs) = (fields(&doc), fields(&pending.doc), fields(&other.doc));
    let there = other.base.as_ref().map(fields).unwrap_or_default();
    let unsent = fields::difference(&there, &theirs);
    for name in unsent.keys().chain(other.edits.keys()).filter(|_| other.base.is_some()) {
        let at = other.edits.get(name).copied().unwrap_or(0);
        let is_later = pending.edits.get(name).is_some_and(|mine| *mine > at);
        if !is_later || fields::value(&now, name) != fields::value(&ours, name) {
            fields::set(&mut now, name, fields::value(&theirs, name));
            edits.insert(name.clone(), at);
        }
    }
    let like = other.base.as_ref().unwrap_or(&doc);
    row.doc =
        Contact { id: row.contact_id.clone(), clienty_contact_id: row.clienty_id.clone(), ..with_fields(like, &now) };
    row.base = other.base.clone().map(|base| Contact { clienty_contact_id: row.clienty_id.clone(), ..base });
    row.deleted_at_ms = pending.deleted_at_ms.or(other.deleted_at_ms.filter(|_| other.base.is_some()));
    (row.edits, row.fingerprints) = (edits, fingerprints);
    row.unanswered.clone_from(&other.unanswered);
    row.unread.clone_from(&other.unread);
    row.created_by = other.created_by;
    row.last_edits = later(&pending.last_edits, &other.last_edits);
    (row.sync, row.synced_at_ms, row.received_at) = (other.sync.clone(), other.synced_at_ms, other.received_at);
    (row.intent, row.intent_at_ms) = (pending.intent.clone(), pending.intent_at_ms);
    (row, conflicts)
}

/// The last edits of both.
fn later(one: &LastEdits, other: &LastEdits) -> LastEdits {
    let mut last = one.clone();
    for (name, edit) in other {
        if last.get(name).is_none_or(|known| known.at <= edit.at) {
            last.insert(name.clone(), *edit);
        }
    }
    last
}

/// What the pending one says, taken into what GHL is known to hold.
fn said(
    policies: &Policies,
    pending: &ContactRow,
    other: &ContactRow,
    agreed: &Fields,
) -> (Contact, Edits, Vec<Conflict>) {
    let doc = Contact { date_updated: None, ..pending.doc.clone() };
    match other.base.as_ref().filter(|_| !other.is_unread()) {
        Some(base) => {
            // What GHL got of it is no edit any more: there it may have been edited since.
            let edits = merging::unanswered(&pending.edits, agreed, &fields(&doc));
            let reported = TheirTimes { not_after: base.date_updated, ..TheirTimes::default() };
            let Taken { doc, edits, conflicts } =
                merging::take_in(policies, agreed, &doc, base, &edits, &pending.fingerprints, &reported);
            (doc, edits, conflicts)
        }
        // Nobody has read what GHL holds: what is said of it is blind, as what was said of the other.
        None => (doc, pending.edits.clone(), Vec::new()),
    }
}

#[cfg(test)]
mod tests;
