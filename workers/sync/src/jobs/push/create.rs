//! The create of a task, note or appointment: announced before it is sent, and looked for where its answer is lost (law 7).

use std::time::Duration;

use ghl::{Class, GhlError, Subject};
use sync_model::decide::fields::with_fields;
use sync_model::decide::match_lost_create::predates;

use super::{Push, PushOutcome, Shown, is_known_to_have_failed, listed};
use crate::jobs::straggler::{announced_by_ghls_clock, is_of_another_time, until_it_cannot_arrive};
use crate::jobs::{JobError, JobRun, refusals};
use crate::records::{ContactRow, Entry, EntryRow};

const SOON: Duration = Duration::from_millis(500);
const LATER: Duration = Duration::from_secs(60);

pub(super) async fn create<E: Push>(job: &JobRun<'_>, row: &EntryRow<E>) -> Result<PushOutcome<E>, JobError> {
    if row.deleted {
        return Ok(PushOutcome::Nothing);
    }
    if let Some(reason) = row.refusal() {
        return Err(JobError::Refused { reason });
    }
    // Without what GHL named as wrong in it before.
    let pending = row.pending();
    let wanted = if pending.held.is_empty() { row.doc.clone() } else { with_fields(&row.doc, &pending.sendable) };
    wanted.check(job).await?;
    let records = &job.environment.records;
    match records.is_pending(&row.location_id, &row.contact_id).await? {
        Some(true) => return Err(JobError::AwaitsContact { wait: until_its_contact_is_worth_a_look(job) }),
        // GHL answered to the contact's create, or it was discarded, since the row was read.
        None if has_other_contact(job, row).await? => return Err(JobError::NeedsMorePermits),
        Some(false) | None => {}
    }
    if !are_known(job, row).await? {
        // Without this look, an equal entry that exists already would count as ours if the answer is lost.
        match listed::<E>(job, &row.contact_id).await {
            Ok(None) => return Err(GhlError::Gone { what: Subject::Contact }.into()),
            Ok(Some(remote)) => keep_seen(job, row, &remote.entries).await?,
            // A token that may write and not read goes on without.
            Err(JobError::Ghl(error)) if error.class() == Class::Permanent => {}
            Err(error) => return Err(error),
        }
        if job.permits.left() == 0 {
            return Err(JobError::NeedsMorePermits);
        }
    }
    let announced_at_ms = job.environment.clock.ghl_now_ms();
    records.set_intent(&job.run, &row.row_id, Some(&wanted)).await?;
    let answer = wanted.create(job, &row.contact_id).await;
    if let Err(JobError::Ghl(error)) = &answer
        && error.may_have_created()
        && !error.outcome_unknown()
        && refusals::is_part(error, &pending.fields, row.base.as_ref())
    {
        // Some creates are refused so and made all the same, and the rest is to be created after this. The announcement stays for who has no call left
        // for the look.
        if job.permits.left() > 0 {
            let shown = listed::<E>(job, &row.contact_id).await?.unwrap_or(Shown { entries: Vec::new(), lacks: None });
            if adopted(job, row, &wanted, Some(announced_at_ms), &shown.entries).await? {
                return Err(JobError::NeedsMorePermits);
            }
            shown.is_all()?;
            records.set_intent::<E>(&job.run, &row.row_id, None).await?;
        }
    } else if is_known_to_have_failed(&answer) {
        records.set_intent::<E>(&job.run, &row.row_id, None).await?;
    }
    match answer {
        Ok(entry) => match entry.ghl_id().map(str::to_owned) {
            Some(id) => Ok(PushOutcome::Holds { id, entry }),
            // The announcement stays: the next run looks for what was created.
            None => Err(JobError::NoId),
        },
        Err(error) => Err(error),
    }
}

/// Whether the entry went since it was read, or hangs on a contact of another id.
async fn has_other_contact<E: Push>(job: &JobRun<'_>, row: &EntryRow<E>) -> Result<bool, JobError> {
    let now = job.environment.records.entry::<E>(&row.row_id).await?;
    Ok(now.is_none_or(|now| now.deleted || now.contact_id != row.contact_id))
}

/// Whether it is known what the contact has of the kind in GHL: from a pull, or from a look before an earlier attempt.
async fn are_known<E: Push>(job: &JobRun<'_>, row: &EntryRow<E>) -> Result<bool, JobError> {
    let (records, location, contact) = (&job.environment.records, &row.location_id, &row.contact_id);
    if records.seen(&row.row_id).await?.is_some() {
        return Ok(true);
    }
    let is_read = |row: ContactRow| row.base.is_some() && row.is_visible() && !row.is_unread();
    let was_read = records.find_contact(location, contact).await?.is_some_and(is_read);
    Ok(was_read && !records.lacks_part(location, contact, E::part()).await?)
}

async fn keep_seen<E: Push>(job: &JobRun<'_>, row: &EntryRow<E>, remote: &[E]) -> Result<(), JobError> {
    let ids: Vec<&str> = remote.iter().filter_map(Entry::ghl_id).collect();
    Ok(job.environment.records.set_seen(&job.run, &row.row_id, &ids).await?)
}

/// Finds out what became of the create that an earlier run announced: adopts the entry where GHL has it, and takes the announcement back
/// where it has not. Either way the rest, if any, is the next run's.
pub(super) async fn settle_announcement<E: Push>(
    job: &JobRun<'_>,
    row: &EntryRow<E>,
    announced: &E,
) -> Result<(), JobError> {
    let records = &job.environment.records;
    let wait = until_it_cannot_arrive(job, row.intent_at_ms);
    let shown = listed::<E>(job, &row.contact_id).await?.unwrap_or(Shown { entries: Vec::new(), lacks: None });
    if adopted(job, row, announced, row.intent_at_ms, &shown.entries).await? {
        return Ok(());
    }
    shown.is_all()?;
    if !wait.is_zero() {
        if is_of_another_time(job, row.intent_at_ms) {
            records.set_intent(&job.run, &row.row_id, Some(announced)).await?;
        }
        return Err(JobError::MayStillArrive { wait });
    }
    keep_seen(job, row, &shown.entries).await?;
    records.set_intent::<E>(&job.run, &row.row_id, None).await?;
    Ok(())
}

/// Whether what the announced create made is among `remote`; the row has it then. What was there before the announcement is another's.
async fn adopted<E: Push>(
    job: &JobRun<'_>,
    row: &EntryRow<E>,
    announced: &E,
    announced_at_ms: Option<i64>,
    remote: &[E],
) -> Result<bool, JobError> {
    let records = &job.environment.records;
    let mut others = records.linked_ids::<E>(&row.location_id, &row.contact_id).await?;
    others.extend(records.seen(&row.row_id).await?.unwrap_or_default());
    let announced_at_ms = announced_by_ghls_clock(job, announced_at_ms);
    let is_older = |entry: &&E| predates(entry.created_at(), announced_at_ms);
    others.extend(remote.iter().filter(is_older).filter_map(|entry| entry.ghl_id()).map(str::to_owned));
    let found = E::lost(announced, remote, &others);
    let found = found.and_then(|id| remote.iter().find(|entry| entry.ghl_id() == Some(id)).map(|entry| (id, entry)));
    let Some((id, entry)) = found else { return Ok(false) };
    let mut entry = entry.clone();
    entry.read_like(announced, None);
    let mut tx = records.begin(&job.run).await?;
    tx.adopted(row, id, &entry).await?;
    tx.keep_open().await?;
    Ok(true)
}

/// The longer it has waited, the longer it goes on to: the contact may be one that GHL refuses, until a person sees to it.
pub(super) fn until_its_contact_is_worth_a_look(job: &JobRun<'_>) -> Duration {
    let waited = job.environment.clock.now_ms().saturating_sub(job.run.created_at_ms);
    Duration::from_millis(u64::try_from(waited).unwrap_or(0) / 2).clamp(SOON, LATER)
}
