//! A create of a contact is announced first, as that of a task is. A run that finds the
//! announcement looks in GHL for the contact that it made: by email and phone, which GHL mostly
//! keeps unique, else by all that was sent. A contact that is older than the announcement is
//! another one, whatever is equal.
//!
//! If GHL refuses the create as a duplicate, the contact that it names is adopted if it is the same
//! person, and no other contact of Clienty's ([`judge`]). Else ours is created without what the two
//! share, which GHL then refuses like any other value.

use std::time::Duration;

use ghl::GhlError;
use ghl::model::{Contact as Remote, SearchContacts};
use job_engine::Priority;
use sync_model::decide::fields::{Fields, fields, value, with_fields};
use sync_model::decide::identity::{self, Identity, UNIQUE};
use sync_model::decide::match_lost_create;
use sync_model::decide::refused::{self, Refusal, blamed};
use sync_model::decide::verify::{SyncState, Unapplied};
use sync_model::record::Contact;

use super::super::straggler::{announced_by_ghls_clock, is_of_another_time, until_it_cannot_arrive};
use super::super::{JobError, JobRun};
use super::{close, keep_refused, one_call, refused};
use crate::mapping::contact::{from_ghl, from_list, from_part, to_new};
use crate::records::{ContactRow, FollowUp, JobKind};

/// Contacts of one name that are looked through.
const NAMESAKES: u16 = 100;
/// A contact needs at least one of these.
const IDENTIFYING: [&str; 6] = ["name", "firstName", "lastName", "email", "phone", "companyName"];
/// Between two looks whether a deletion has reached GHL.
const SOON: Duration = Duration::from_millis(500);

pub(super) async fn create(job: &JobRun<'_>, row: &ContactRow) -> Result<(), JobError> {
    let records = &job.environment.records;
    let mut wanted = without_held(row);
    loop {
        if job.permits.left() == 0 {
            // What is announced is sent in the same run.
            return Err(JobError::NeedsMorePermits);
        }
        let announced_at_ms = Some(job.environment.clock.ghl_now_ms());
        records.set_contact_intent(&job.run, Some(&wanted)).await?;
        let error = match one_call(job)?.create_contact(&to_new(&wanted, job.location())).await {
            Ok(made) => {
                return link(job, row, &from_part(made), Some(&fields(&wanted)), Link::Replied).await;
            }
            Err(error) if error.outcome_unknown() => return Err(error.into()),
            Err(error) => error,
        };
        if error.may_have_created() {
            // Some creates are refused so and made all the same. Who was there before was not made by it.
            if let Some(there) = by_identity(job, &wanted).await? {
                let there = from_ghl(one_call(job)?.get_contact(&there.id).await?);
                let is_ours = match_lost_create::is_of(&wanted, &there) && is_new(job, &there, announced_at_ms);
                if is_ours && matches!(judge(job, row, &wanted, &there).await?, Judged::Same) {
                    return link(job, row, &there, None, Link::Looked).await;
                }
            }
        }
        records.set_contact_intent(&job.run, None).await?;
        if let GhlError::Duplicate { contact_id, matching_field } = &error {
            let there = match contact_id {
                // GHL itself says who is there.
                Some(id) => Some(id.clone()),
                None => by_identity(job, &wanted).await?.map(|there| there.id),
            };
            let there = match there {
                Some(id) => Some(from_ghl(one_call(job)?.get_contact(&id).await?)),
                None => None,
            };
            let judged = match &there {
                Some(there) => judge(job, row, &wanted, there).await?,
                None => Judged::Another("GHL does not say which"),
            };
            let why = match (judged, &there) {
                (Judged::Same, Some(there)) => return link(job, row, there, None, Link::Adopted).await,
                (Judged::GoesSoon, _) => return Err(JobError::AwaitsDeletion { wait: SOON }),
                (Judged::Same, None) => "",
                (Judged::Another(why), _) => why,
            };
            let shared = shared(&wanted, there.as_ref(), matching_field.as_deref());
            let reason = format!("{error}, and it is another one: {why}");
            return Err(refused_as_shared(job, &wanted, &shared, reason).await?);
        }
        // What GHL names is left out, as an update leaves it out: the next run sends it alone, and keeps it with the reason.
        match without_refused(&wanted, &error) {
            Some(rest) => wanted = rest,
            None => return Err(refused(job, row, error, &fields(&row.doc)).await),
        }
    }
}

/// What a contact of GHL's is to one that is to be created.
enum Judged {
    /// The same person, and not another contact's.
    Same,
    /// It is about to be deleted.
    GoesSoon,
    /// Another person, or another contact's, and why.
    Another(&'static str),
}

async fn judge(job: &JobRun<'_>, row: &ContactRow, wanted: &Contact, there: &Contact) -> Result<Judged, JobError> {
    let records = &job.environment.records;
    if records.erasure(job.location(), &there.id).await?.is_some() {
        return Ok(Judged::Another("its data was erased on request"));
    }
    if let Some(known) = records.find_contact(job.location(), &there.id).await? {
        if known.row_id != row.row_id && known.awaits_deletion() && records.is_pushed(&known).await? {
            return Ok(Judged::GoesSoon);
        }
        if known.row_id != row.row_id && (known.awaits_deletion() || known.clienty_id.is_some()) {
            return Ok(Judged::Another("it has a clientyContactId of its own, or was deleted here"));
        }
    }
    Ok(match identity::compare(wanted, there) {
        Identity::Same => Judged::Same,
        Identity::Contradicts => Judged::Another("what else is known of both contradicts"),
        Identity::Unknown => Judged::Another("the two share neither e-mail nor phone"),
    })
}

/// The identifiers for which GHL takes the two for one.
pub(crate) fn shared(wanted: &Contact, there: Option<&Contact>, matching_field: Option<&str>) -> Vec<&'static str> {
    let named: Vec<_> = UNIQUE.into_iter().filter(|name| Some(*name) == matching_field).collect();
    let shared = there.map(|there| identity::shared(wanted, there)).unwrap_or_default();
    match (named.is_empty(), shared.is_empty()) {
        (false, _) => named,
        (true, false) => shared,
        (true, true) => UNIQUE.to_vec(),
    }
}

/// Keeps with the contact that it can't have what another one has. The next run creates it without, if enough is left to know it by.
async fn refused_as_shared(
    job: &JobRun<'_>,
    wanted: &Contact,
    shared: &[&str],
    reason: String,
) -> Result<JobError, JobError> {
    let asked = fields(wanted);
    let (left_out, rest): (Fields, Fields) = asked.into_iter().partition(|(name, _)| shared.contains(&name.as_str()));
    let refusal = Refusal { at: job.environment.clock.now(), reason: reason.clone() };
    let is_somebody = is_somebody(&rest) && !left_out.is_empty();
    // Whole, where it can't be created without: then nothing of it is sent again as it is.
    let left_out = if is_somebody { left_out } else { left_out.into_iter().chain(rest).collect() };
    let earlier = super::row(job).await?.as_ref().map(held).unwrap_or_default();
    let fields = refused::refused(&left_out, &Fields::new(), &refusal);
    keep_refused(job, &SyncState::refused(refusal, fields, earlier)).await?;
    Ok(if is_somebody { JobError::NeedsMorePermits } else { JobError::Refused { reason } })
}

/// Its identifiers that are known to be another's.
pub(crate) fn held(row: &ContactRow) -> Vec<Unapplied> {
    let refused: Vec<_> =
        row.sync.iter().flat_map(|sync| &sync.fields).filter(|one| one.refused.is_some()).cloned().collect();
    let now = fields(&row.doc);
    // Where more was refused, it was refused as a whole.
    let is_of_identifiers = refused.iter().all(|one| UNIQUE.contains(&one.field.as_str()));
    refused.into_iter().filter(|one| is_of_identifiers && value(&now, &one.field) == one.sent).collect()
}

/// The contact without them, if enough is left to know it by.
pub(crate) fn without_held(row: &ContactRow) -> Contact {
    let held = held(row);
    let rest: Fields =
        fields(&row.doc).into_iter().filter(|(name, _)| held.iter().all(|one| one.field != *name)).collect();
    if !held.is_empty() && is_somebody(&rest) { with_fields(&row.doc, &rest) } else { row.doc.clone() }
}

pub(crate) fn is_somebody(fields: &Fields) -> bool {
    IDENTIFYING.iter().any(|name| fields.get(*name).is_some_and(|value| !value.is_null()))
}

/// The contact without the fields that GHL names as wrong; none where it names none, or where nothing would be left to know it by.
fn without_refused(wanted: &Contact, error: &GhlError) -> Option<Contact> {
    let GhlError::Invalid { status: 400 | 422, messages } = error else { return None };
    let asked = fields(wanted);
    let words: Vec<&str> = messages.iter().map(String::as_str).collect();
    let blamed = blamed::<Contact>(&asked, &words);
    if blamed.len() == asked.len() {
        return None;
    }
    let rest: Fields = asked.into_iter().filter(|(name, _)| !blamed.contains_key(name)).collect();
    is_somebody(&rest).then(|| with_fields(wanted, &rest))
}

/// How it became known which contact of GHL's a pending one is.
enum Link {
    /// Our create was answered.
    Replied,
    /// A look found what our create made.
    Looked,
    /// It was made by another source.
    Adopted,
}

/// GHL has the contact, of which our create sent what was `asked`. What is left to send is the next run's.
async fn link(
    job: &JobRun<'_>,
    row: &ContactRow,
    theirs: &Contact,
    asked: Option<&Fields>,
    how: Link,
) -> Result<(), JobError> {
    let mut tx = job.environment.records.begin(&job.run).await?;
    let pending = match how {
        Link::Replied | Link::Adopted => tx.contact_linked(row, theirs, asked).await?,
        Link::Looked => tx.contact_made(row, theirs, asked).await?,
    };
    let follow_up = pending.map(|record_id| FollowUp {
        kind: JobKind::PushContact,
        location_id: job.location().to_owned(),
        record_id,
        priority: Priority::Realtime,
    });
    match follow_up {
        // Another row has it now.
        Some(follow_up) if follow_up.record_id != row.row_id => job.close_with(tx, &[follow_up]).await?,
        _ => {
            tx.keep_open().await?;
            let outcome = super::row(job).await?;
            if let Some(state) = outcome.as_ref().and_then(|row| row.sync.as_ref()).filter(|_| asked.is_some()) {
                job.environment.metrics.written("contact", state.outcome);
            }
            if outcome.is_some_and(|row| !row.is_settled()) {
                return Err(JobError::NeedsMorePermits);
            }
            close(job).await?;
        }
    }
    Ok(())
}

/// Finds out what became of the create that an earlier run announced: adopts the contact where GHL has it, and takes the announcement back
/// where it has not. Either way the rest, if any, is the next run's.
pub(super) async fn settle_announcement(
    job: &JobRun<'_>,
    row: &ContactRow,
    announced: &Contact,
) -> Result<(), JobError> {
    let wait = until_it_cannot_arrive(job, row.intent_at_ms);
    if let Some(there) = made(job, row, announced).await? {
        let asked = fields(announced);
        // What differs from what was sent may be an edit of the meantime.
        let is_as_sent = match_lost_create::fits_contact(announced, &there);
        return link(job, row, &there, is_as_sent.then_some(&asked), Link::Looked).await;
    }
    if !wait.is_zero() {
        if is_of_another_time(job, row.intent_at_ms) {
            job.environment.records.set_contact_intent(&job.run, Some(announced)).await?;
        }
        return Err(JobError::MayStillArrive { wait });
    }
    job.environment.records.set_contact_intent(&job.run, None).await?;
    if row.is_visible() { Err(JobError::NeedsMorePermits) } else { close(job).await }
}

/// The contact that the announced create made; none that is older, nor another's. Who else has the e-mail or the phone is GHL's to say, by refusing
/// the create. GHL may have changed fields on the way; what was deleted here meanwhile takes nothing with it but what is just as it was sent.
async fn made(job: &JobRun<'_>, row: &ContactRow, announced: &Contact) -> Result<Option<Contact>, JobError> {
    let there = by_identity(job, announced).await?;
    if there.is_none() && (announced.email.is_some() || announced.phone.is_some()) {
        return Ok(None);
    }
    if let Some(there) = there.filter(|there| !is_older(job, there, row)) {
        let fits = |there: &Contact| {
            match_lost_create::is_of(announced, there)
                && (row.is_visible() || match_lost_create::fits_contact(announced, there))
        };
        let there = from_ghl(there);
        let is_anothers = matches!(judge(job, row, announced, &there).await?, Judged::Another(_));
        if !is_anothers && fits(&there) {
            let whole = from_ghl(one_call(job)?.get_contact(&there.id).await?);
            if is_new(job, &whole, row.intent_at_ms) && fits(&whole) {
                return Ok(Some(whole));
            }
        }
    }
    // Where GHL allows two, another one may have been found first.
    match among_found(job, row, announced).await? {
        // What the list leaves out is read later.
        Some(there) if job.permits.left() == 0 => Ok(Some(from_list(there))),
        Some(there) => Ok(Some(from_ghl(one_call(job)?.get_contact(&there.id).await?))),
        None => Ok(None),
    }
}

/// The contact with this e-mail or else this phone.
async fn by_identity(job: &JobRun<'_>, contact: &Contact) -> Result<Option<Remote>, JobError> {
    let Contact { email, phone, .. } = contact;
    if email.is_none() && phone.is_none() {
        return Ok(None);
    }
    Ok(one_call(job)?.find_duplicate_contact(job.location(), email.as_deref(), phone.as_deref()).await?)
}

/// Whether GHL says that it came after the announcement.
fn is_new(job: &JobRun<'_>, there: &Contact, announced_at_ms: Option<i64>) -> bool {
    there.date_added.is_some()
        && !match_lost_create::predates(there.date_added, announced_by_ghls_clock(job, announced_at_ms))
}

fn is_older(job: &JobRun<'_>, there: &Remote, row: &ContactRow) -> bool {
    match_lost_create::predates(from_ghl(there.clone()).date_added, announced_by_ghls_clock(job, row.intent_at_ms))
}

/// A contact that is as it was sent, that is no older than the announcement, and that no row had before it.
async fn among_found(job: &JobRun<'_>, row: &ContactRow, announced: &Contact) -> Result<Option<Remote>, JobError> {
    let Contact { email, phone, name, company_name, .. } = announced;
    let words = [email, phone, name, company_name].into_iter().find_map(|text| text.as_deref()).unwrap_or_default();
    let search = SearchContacts {
        page_limit: NAMESAKES,
        query: Some(words.chars().take(SearchContacts::LONGEST_QUERY).collect()),
        ..SearchContacts::all(job.location())
    };
    for found in one_call(job)?.search_contacts(&search).await?.contacts {
        let reported = from_list(found.contact.clone());
        let fits = match_lost_create::fits_contact(announced, &reported)
            && !match_lost_create::is_namesake(announced, &reported);
        let is_new = reported.date_added.is_some() && !is_older(job, &found.contact, row);
        if !fits || !is_new {
            continue;
        }
        // A pull or a scan may have met it before this look. Whom a row had before the announcement is another one.
        let known = job.environment.records.find_contact(job.location(), &found.contact.id).await?;
        let announced_at_ms = row.intent_at_ms.map(|at| at.saturating_sub(job.environment.clock.ghl_ahead_ms()));
        if known.is_none_or(|known| known.was_first_met_since(announced_at_ms)) {
            return Ok(Some(found.contact));
        }
    }
    Ok(None)
}
