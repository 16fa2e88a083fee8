//! What pushing a task, a note and an appointment have in common: GHL is made equal to our record, from its present state and with the fewest
//! calls.
//!
//! GHL has no idempotency key, so a write is announced in the record before it is sent (law 7). A run that finds the announcement of a create knows
//! that it got lost on its way; it looks whether GHL has the entry, and adopts it instead of creating it again. After an update without an answer
//! the run looks first, so that the lost write is not met later as an edit of GHL's, nor sent over what was edited on top of it. It looks as well if
//! GHL showed something else meanwhile, or if a webhook that no pull has read yet reports an edit: what was edited there is merged, not overwritten.

use std::collections::HashSet;

use ghl::model::Listed;
use ghl::{GhlError, Subject, UnauthorizedKind};
use sync_model::decide::echo::Fingerprints;
use sync_model::decide::fields::{Fields, fields, set, value, with_fields};
use sync_model::decide::verify::SyncState;

use super::presence::is_contact_gone;
use super::straggler::{is_of_another_time, may_still_arrive, until_it_cannot_arrive};
use super::{JobError, JobRun, refusals, time_zones, webhook_diff};
use crate::records::{Entry, EntryRow, IsBack};

use self::create::{create, settle_announcement};

mod create;
mod heir;

/// What GHL's list of a contact's entries shows. One item that can't be read makes no other unknown: only what is not among them is.
pub(super) struct Shown<E> {
    entries: Vec<E>,
    /// What could not be read, where there is something.
    lacks: Option<GhlError>,
}

impl<E> Shown<E> {
    pub(super) fn of<T>(list: Listed<T>, operation: &'static str, read: impl Fn(T) -> E) -> Self {
        let lacks = list.unread(operation);
        Self { entries: list.items.into_iter().map(read).collect(), lacks }
    }

    /// An error, where what is not among the entries may still be there.
    fn is_all(&self) -> Result<(), JobError> {
        self.lacks.clone().map_or(Ok(()), |error| Err(error.into()))
    }
}

/// The calls of one kind of entry.
pub(super) trait Push: Entry {
    /// The entries of the contact in GHL.
    async fn list(job: &JobRun<'_>, contact: &str) -> Result<Shown<Self>, JobError>;

    /// The contact that GHL shows `entry` of, which is its `id`, under; none where GHL does not say so without a contact.
    async fn whereabouts(job: &JobRun<'_>, id: &str, entry: &Self) -> Result<Option<String>, JobError>;

    /// The one among `remote` that is the announced create.
    fn lost<'a>(announced: &Self, remote: &'a [Self], linked: &HashSet<String>) -> Option<&'a str>;

    /// Whether GHL would take it at all; asked before anything is announced.
    async fn check(&self, job: &JobRun<'_>) -> Result<(), JobError>;

    /// Creates it; the entry as GHL holds it then.
    async fn create(&self, job: &JobRun<'_>, contact: &str) -> Result<Self, JobError>;

    /// Changes what differs from `base`; none where nothing does.
    async fn change(&self, job: &JobRun<'_>, contact: &str, id: &str, base: &Self) -> Result<Option<Self>, JobError>;

    /// Deletes it.
    async fn delete(job: &JobRun<'_>, contact: &str, id: &str) -> Result<(), JobError>;
}

/// What GHL holds after the calls.
enum PushOutcome<E> {
    /// The entry, as it is there now.
    Holds { id: String, entry: E },
    /// What it held before.
    Unchanged,
    /// No such entry.
    Nothing,
    /// Not even the contact.
    ContactGone,
}

pub(super) async fn run<E: Push>(job: &JobRun<'_>) -> Result<(), JobError> {
    let records = &job.environment.records;
    let pushed = match records.entry::<E>(job.record()).await? {
        // A pull found it gone from GHL, and nothing of it is left.
        None => None,
        Some(row) => match records.set_aside(&row).await? {
            Some(kept) => return heir::seek(job, &row, &kept).await,
            None => Some(push(job, row).await?),
        },
    };
    let mut tx = records.begin(&job.run).await?;
    match pushed {
        None | Some((PushOutcome::Unchanged, _)) => {}
        Some((PushOutcome::Holds { id, entry }, row)) => {
            let (state, settled) = tx.pushed(&row, &id, &entry).await?;
            job.environment.metrics.written(E::KIND, state.outcome);
            if !settled {
                // A pull or a producer changed it during the call.
                tx.keep_open().await?;
                return Err(JobError::NeedsMorePermits);
            }
            if let Some(reason) = row.pending().refused_since(job.run.created_at_ms) {
                tx.keep_open().await?;
                return Err(JobError::Refused { reason: reason.to_owned() });
            }
        }
        Some((PushOutcome::Nothing | PushOutcome::ContactGone, row)) if tx.has_moved(&row).await? => {
            // GHL merged its contact into another one, and a pull met it there.
            tx.keep_open().await?;
            return Err(JobError::NeedsMorePermits);
        }
        // A look whether it was brought back while its deletion was on its way.
        Some((PushOutcome::Nothing, row)) if row.deleted && row.base.is_none() && row.unanswered.needs_look() => {
            if !tx.entry_stays_gone(&row).await? {
                tx.keep_open().await?;
                return Err(JobError::NeedsMorePermits);
            }
        }
        Some((PushOutcome::Nothing, row)) if row.deleted => match tx.entry_is_back::<E>(&row.row_id).await? {
            IsBack::Yes => {}
            IsBack::No => tx.removed(&row).await?,
            IsBack::Perhaps => {
                tx.removed(&row).await?;
                tx.look_again().await?;
                tx.keep_open().await?;
                return Err(JobError::NeedsMorePermits);
            }
        },
        Some((PushOutcome::Nothing, row)) => {
            if !tx.removed_unless_met(&row).await? {
                tx.keep_open().await?;
                return Err(JobError::NeedsMorePermits);
            }
            tx.refused();
        }
        Some((PushOutcome::ContactGone, row)) => {
            if !tx.contact_is_gone_since(&row.contact_id, job.began_ms).await? {
                tx.keep_open().await?;
                return Err(JobError::NeedsMorePermits);
            }
            if tx.is_set_aside(&row).await? {
                tx.keep_open().await?;
                return Err(JobError::NeedsMorePermits);
            }
            if !row.deleted {
                tx.refused();
            }
        }
    }
    tx.close_run(&[]).await?;
    Ok(())
}

/// The error, after what GHL refuses for good was kept with the row, for readers. Where GHL names what it objects to, the rest is the
/// next run's.
async fn kept<E: Push>(job: &JobRun<'_>, row: &EntryRow<E>, error: JobError) -> JobError {
    let JobError::Ghl(error) = error else { return error };
    let pending = row.pending();
    let asked = if row.deleted { Fields::new() } else { pending.fields };
    // A missing scope is no matter of values: with the scope, they will do.
    let is_scope = matches!(&error, GhlError::Unauthorized { kind: UnauthorizedKind::MissingScope, .. });
    let values = refusals::values(job, &error, &asked, row.base.as_ref()).or(is_scope.then(Vec::new));
    let Some(values) = values else { return error.into() };
    let is_rest = !values.is_empty() && values.len() < asked.len();
    let state = SyncState::refused(refusals::reported(job, &error), values, pending.held);
    job.environment.metrics.written(E::KIND, state.outcome);
    match keep_refused(job, row, &error, &state).await {
        Err(error) => error,
        Ok(()) if is_rest => JobError::NeedsMorePermits,
        Ok(()) => error.into(),
    }
}

async fn keep_refused<E: Push>(
    job: &JobRun<'_>,
    row: &EntryRow<E>,
    error: &GhlError,
    state: &SyncState,
) -> Result<(), JobError> {
    let records = &job.environment.records;
    let is_known = records.find_contact(&row.location_id, &row.contact_id).await?.is_some();
    let mut tx = records.begin(&job.run).await?;
    tx.refuse_entry::<E>(&row.row_id, state).await?;
    // With a contact that was known and that GHL says is missing, all goes that hangs on it. Another thing that a create misses, such as a calendar,
    // says nothing of the contact.
    if is_known && row.base.is_none() && matches!(error, GhlError::Gone { what: Subject::Contact }) {
        tx.mark_contact_gone(&row.contact_id).await?;
    }
    Ok(tx.keep_open().await?)
}

/// What came of it, and the row that it was made of.
async fn push<E: Push>(job: &JobRun<'_>, row: EntryRow<E>) -> Result<(PushOutcome<E>, EntryRow<E>), JobError> {
    if let (None, Some(announced)) = (&row.base, &row.intent) {
        settle_announcement(job, &row, announced).await?;
        return Err(JobError::NeedsMorePermits);
    }
    let row = match &row.ghl_id {
        Some(id) if looks_first(job, &row).await? => {
            if let Some(outcome) = look(job, &row, id).await? {
                return Ok((outcome, row));
            }
            match job.environment.records.entry::<E>(&row.row_id).await? {
                Some(row) if job.permits.left() == 0 || row.unanswered.needs_look() => {
                    return Err(JobError::NeedsMorePermits);
                }
                Some(row) => row,
                None => return Ok((PushOutcome::Unchanged, row)),
            }
        }
        _ => row,
    };
    let sent = match &row.base {
        None => create(job, &row).await,
        Some(_) if row.deleted => delete(job, &row).await,
        Some(_) => change(job, &row).await,
    };
    match sent {
        Ok(outcome) => Ok((outcome, row)),
        Err(error) => Err(kept(job, &row, error).await),
    }
}

/// Whether what GHL holds has to be known before it is overwritten: where a write was never answered, where something was met meanwhile, and where
/// GHL reported an edit.
async fn looks_first<E: Entry>(job: &JobRun<'_>, row: &EntryRow<E>) -> Result<bool, JobError> {
    if row.deleted {
        // Of a deletion that was sent, whether it was brought back since.
        return Ok(row.base.is_none() && row.unanswered.needs_look());
    }
    if row.base.is_none() {
        return Ok(false);
    }
    if row.is_read_otherwise(job.connection.time_zone.as_deref()) {
        return Ok(true);
    }
    let is_pending = !row.is_settled() && row.refusal().is_none();
    Ok(!row.unanswered.is_none() || row.goes_back() || (is_pending && webhook_diff::has_news_of_part(job, row).await?))
}

async fn delete<E: Push>(job: &JobRun<'_>, row: &EntryRow<E>) -> Result<PushOutcome<E>, JobError> {
    let Some(id) = &row.ghl_id else { return Ok(PushOutcome::Nothing) };
    job.environment.records.begin_deletion(&job.run).await?;
    match E::delete(job, &row.contact_id, id).await {
        Ok(()) => Ok(PushOutcome::Nothing),
        Err(JobError::Ghl(error)) => match missing::<E>(job, row, id, &error).await? {
            Some(outcome) => Ok(outcome),
            None => Err(error.into()),
        },
        Err(error) => Err(error),
    }
}

/// Sends what differs from what GHL holds.
async fn change<E: Push>(job: &JobRun<'_>, row: &EntryRow<E>) -> Result<PushOutcome<E>, JobError> {
    let (Some(id), Some(base)) = (&row.ghl_id, &row.base) else { return Ok(PushOutcome::Unchanged) };
    if row.doc == *base {
        return Ok(PushOutcome::Unchanged);
    }
    if let Some(reason) = row.refusal() {
        return Err(JobError::Refused { reason });
    }
    let pending = row.pending();
    let records = &job.environment.records;
    if row.rests_on_reading() {
        // The location may have another time zone by now than when it was read, of which its webhook was lost.
        if job.permits.left() < 2 {
            return Err(JobError::NeedsMorePermits);
        }
        time_zones::ask(job).await?;
        let now = records.connection(job.location()).await?.and_then(|connection| connection.time_zone);
        if row.is_read_otherwise(now.as_deref()) {
            return Err(JobError::NeedsMorePermits);
        }
    }
    records.set_asked(&job.run, &row.row_id, &pending.fields).await?;
    let wanted = with_fields(&row.doc, &not_yet_there(&pending.sendable, &fields(base), &row.fingerprints));
    let answer = wanted.change(job, &row.contact_id, id, base).await;
    if is_known_to_have_failed(&answer) {
        records.set_asked(&job.run, &row.row_id, &Fields::new()).await?;
    }
    match answer {
        Ok(Some(entry)) => Ok(PushOutcome::Holds { id: id.clone(), entry }),
        // What is left to differ is GHL's to say, such as when an adopted entry was created. A row that stayed different would count as
        // edited for ever, and no pull would change it again.
        Ok(None) => Ok(PushOutcome::Holds { id: id.clone(), entry: base.clone() }),
        // Deleted in GHL while it was edited here: the deletion stands.
        Err(JobError::Ghl(error)) => match missing::<E>(job, row, id, &error).await? {
            Some(outcome) => Ok(outcome),
            None => Err(error.into()),
        },
        Err(error) => Err(error),
    }
}

/// What is `wanted`, without what GHL, which holds `base`, keeps in a form of its own, as `prints` know from an earlier answer.
fn not_yet_there(wanted: &Fields, base: &Fields, fingerprints: &Fingerprints) -> Fields {
    let mut left = wanted.clone();
    for (name, ours) in wanted {
        let theirs = value(base, name);
        if *ours != theirs && fingerprints.same(name, ours, &theirs) {
            set(&mut left, name, theirs);
        }
    }
    left
}

/// What is missing, where `error`, of a call about the entry, is about that. A 404 that does not say so is believed where a list agrees.
async fn missing<E: Push>(
    job: &JobRun<'_>,
    row: &EntryRow<E>,
    id: &str,
    error: &GhlError,
) -> Result<Option<PushOutcome<E>>, JobError> {
    match error {
        GhlError::Gone { what: Subject::Contact } => return Ok(Some(PushOutcome::ContactGone)),
        GhlError::Gone { what: Subject::Task | Subject::Note | Subject::Appointment } => {
            return Ok(Some(PushOutcome::Nothing));
        }
        GhlError::NotFound { .. } if job.permits.left() > 0 => {}
        _ => return Ok(None),
    }
    match listed::<E>(job, &row.contact_id).await? {
        None => Ok(Some(PushOutcome::ContactGone)),
        Some(remote) if remote.entries.iter().all(|entry| entry.ghl_id() != Some(id)) => {
            remote.is_all()?;
            Ok(Some(PushOutcome::Nothing))
        }
        Some(_) => Err(JobError::Unconfirmed { what: E::KIND, is_visible: true }),
    }
}

/// The entries of the contact in GHL; none where it has no such contact.
async fn listed<E: Push>(job: &JobRun<'_>, contact: &str) -> Result<Option<Shown<E>>, JobError> {
    match E::list(job, contact).await {
        Ok(remote) => Ok(Some(remote)),
        Err(JobError::Ghl(error)) if is_contact_gone(job, contact, &error).await? => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether GHL is known not to have done what it was asked.
fn is_known_to_have_failed<T>(answer: &Result<T, JobError>) -> bool {
    matches!(answer, Err(JobError::Ghl(error)) if !error.outcome_unknown())
}

/// Takes in what GHL holds, where somebody edited it there, or where nobody knows what came of an update. The outcome, where there is none left
/// to write to.
async fn look<E: Push>(job: &JobRun<'_>, row: &EntryRow<E>, id: &str) -> Result<Option<PushOutcome<E>>, JobError> {
    // Asked before the look: what it does not show may still arrive, and would then come after what is sent next.
    let wait = until_it_cannot_arrive(job, row.unanswered.at_ms);
    let Some(remote) = listed::<E>(job, &row.contact_id).await? else { return Ok(Some(PushOutcome::ContactGone)) };
    let Some(theirs) = remote.entries.iter().find(|entry| entry.ghl_id() == Some(id)) else {
        remote.is_all()?;
        return Ok(Some(PushOutcome::Nothing));
    };
    let records = &job.environment.records;
    let base = row.base.as_ref().map(fields).unwrap_or_default();
    let (asked, shown) = (&row.unanswered.asked, fields(&row.read(theirs)));
    if !wait.is_zero() && may_still_arrive(asked, &row.pending().fields, &base, &shown, E::TOGETHER) {
        if is_of_another_time(job, row.unanswered.at_ms) {
            records.set_asked(&job.run, &row.row_id, &row.unanswered.asked).await?;
        }
        return Err(JobError::MayStillArrive { wait });
    }
    let mut tx = records.begin(&job.run).await?;
    tx.entry_looked(row, theirs).await?;
    tx.keep_open().await?;
    Ok(None)
}
