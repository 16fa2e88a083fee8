//! Whether GHL no longer has a contact. Only GHL's word about that very contact deletes it here, or a 404 that a second look agrees with: a 404 comes
//! from a proxy, a wrong route and a missing user as well.

use std::time::Duration;

use ghl::model::SearchContacts;
use ghl::{GhlError, Subject};

use super::{JobError, JobRun};

/// GHL's search shows a new contact some seconds later than the contact itself; by now it does.
const INDEXED_AFTER: Duration = Duration::from_secs(10 * 60);

/// Whether `error`, of a call about the contact, means that GHL has it no more.
///
/// # Errors
/// What keeps that from being known: the call is to be tried again.
pub(super) async fn is_contact_gone(job: &JobRun<'_>, contact_id: &str, error: &GhlError) -> Result<bool, JobError> {
    match error {
        GhlError::Gone { what: Subject::Contact } => Ok(true),
        GhlError::NotFound { .. } if job.permits.left() == 0 => Err(error.clone().into()),
        GhlError::NotFound { .. } => second_look(job, contact_id).await,
        _ => Ok(false),
    }
}

async fn second_look(job: &JobRun<'_>, contact_id: &str) -> Result<bool, JobError> {
    let page = job.ghl().search_contacts(&SearchContacts::of_id(job.location(), contact_id)).await?;
    let unconfirmed = |is_visible| Err(JobError::Unconfirmed { what: "contact", is_visible });
    // An index that does not know the filter shows others.
    if page.contacts.iter().any(|found| found.contact.id == contact_id) {
        return unconfirmed(true);
    }
    if !page.contacts.is_empty() {
        return unconfirmed(false);
    }
    let row = job.environment.records.find_contact(job.location(), contact_id).await?;
    let added = row.and_then(|row| row.doc.date_added);
    let age_ms = added.map(|added| job.environment.clock.now_ms().saturating_sub(added.as_millisecond()));
    let is_new = age_ms.is_some_and(|age| age < i64::try_from(INDEXED_AFTER.as_millis()).unwrap_or(i64::MAX));
    if is_new { unconfirmed(false) } else { Ok(true) }
}
