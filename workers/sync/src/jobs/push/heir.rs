//! A part of a contact that GHL merged into another one. GHL answers 404 for the old contact and informs nobody of the merge, and the part lives on
//! under the other contact. What the part owes was set aside when its contact went; here the other contact is found and fetched, which gives
//! the part its new contact and its debts back (law 18).

use ghl::{Class, GhlError};

use super::Push;
use super::create::until_its_contact_is_worth_a_look;
use crate::jobs::{JobError, JobRun};
use crate::records::{EntryRow, SetAside};

pub(super) async fn seek<E: Push>(job: &JobRun<'_>, row: &EntryRow<E>, kept: &SetAside<E>) -> Result<(), JobError> {
    let records = &job.environment.records;
    let heir = match of(job, row, kept).await? {
        Some(heir) if heir != row.contact_id && !was_read(job, &heir, kept.since_ms).await? => Some(heir),
        _ => None,
    };
    let mut tx = records.begin(&job.run).await?;
    if tx.has_moved(row).await? {
        tx.keep_open().await?;
        return Err(JobError::NeedsMorePermits);
    }
    if let Some(heir) = heir {
        tx.fetch_contact(&heir);
        tx.keep_open().await?;
        return Err(JobError::Deferred { wait: until_its_contact_is_worth_a_look(job) });
    }
    if !kept.is_deletion {
        tx.refused();
    }
    Ok(tx.close_run(&[]).await?)
}

/// The contact that the part hangs on now: GHL says so of the part, or has one contact with the e-mail or phone of the one that is gone.
async fn of<E: Push>(job: &JobRun<'_>, row: &EntryRow<E>, kept: &SetAside<E>) -> Result<Option<String>, JobError> {
    let Some(id) = &row.ghl_id else { return Ok(None) };
    if let Some(contact) = unless_refused(E::whereabouts(job, id, &kept.base).await)? {
        return Ok(Some(contact));
    }
    let Some(gone) = job.environment.records.find_contact(&row.location_id, &row.contact_id).await? else {
        return Ok(None);
    };
    let (email, phone) = (gone.doc.email.as_deref(), gone.doc.phone.as_deref());
    if email.is_none() && phone.is_none() {
        return Ok(None);
    }
    let found = job.ghl().find_duplicate_contact(&row.location_id, email, phone).await;
    Ok(unless_refused(found.map_err(JobError::from))?.map(|contact| contact.id))
}

/// Whether the contact was fetched since: then the part would have been met there. One that was erased is never fetched.
async fn was_read(job: &JobRun<'_>, contact: &str, since_ms: i64) -> Result<bool, JobError> {
    let records = &job.environment.records;
    if records.erasure(job.location(), contact).await?.is_some() {
        return Ok(true);
    }
    let row = records.find_contact(job.location(), contact).await?;
    Ok(row.is_some_and(|row| row.is_visible() && !row.is_unread() && row.synced_at_ms > since_ms))
}

/// A question that GHL refuses for good, such as for a scope that the token lacks, is one without an answer; so is one about what is not there.
fn unless_refused<T>(answer: Result<Option<T>, JobError>) -> Result<Option<T>, JobError> {
    match answer {
        Err(JobError::Ghl(GhlError::NotFound { .. })) => Ok(None),
        Err(JobError::Ghl(error)) if error.class() == Class::Permanent => Ok(None),
        answer => answer,
    }
}
