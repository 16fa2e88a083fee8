//! A contact that GHL has to get is announced first, as a task is; who finds the announcement looks in GHL for what it made, by e-mail and phone, which GHL
//! keeps unique, else by all that was sent.

use job_engine::Priority;

use super::super::push::until_it_cannot_arrive;
use super::super::{JobError, Task};
use super::{close, one_call, refused};
use crate::decide::adopt;
use crate::decide::fields::{Fields, fields};
use crate::ghl::GhlError;
use crate::ghl::model::{Contact as Remote, SearchContacts};
use crate::mapping::contact::{from_ghl, from_list, from_part, to_new};
use crate::records::model::Contact;
use crate::records::{ContactRow, FollowUp, JobKind};

/// Contacts of one name that are looked through.
const NAMESAKES: u16 = 100;

pub(super) async fn create(task: &Task<'_>, row: &ContactRow) -> Result<(), JobError> {
    let records = &task.environment.records;
    records.set_contact_intent(&task.run, Some(&row.doc)).await?;
    let error = match task.ghl().create_contact(&to_new(&row.doc, task.location())).await {
        Ok(made) => {
            return link(task, row, &from_part(made), Some(&fields(&row.doc))).await;
        }
        Err(error) if error.outcome_unknown() => return Err(error.into()),
        Err(error) => error,
    };
    let there = match &error {
        GhlError::Duplicate { contact_id: Some(id), .. } => Some(id.clone()),
        GhlError::Duplicate { contact_id: None, .. } => by_identity(task, &row.doc).await?.map(|there| there.id),
        // Some creates are refused so and made all the same.
        error if error.may_have_created() => by_identity(task, &row.doc).await?.map(|there| there.id),
        _ => None,
    };
    let Some(id) = there else {
        records.set_contact_intent(&task.run, None).await?;
        return Err(refused(task, row, error, &fields(&row.doc)).await);
    };
    let there = from_ghl(one_call(task)?.get_contact(&id).await?);
    link(task, row, &there, None).await
}

/// GHL has the contact. What is left to send is the next run's.
async fn link(task: &Task<'_>, row: &ContactRow, theirs: &Contact, asked: Option<&Fields>) -> Result<(), JobError> {
    let mut tx = task.environment.records.begin(&task.run).await?;
    let owing = tx.contact_linked(row, theirs, asked).await?;
    let follow_up = owing.map(|record_id| FollowUp {
        kind: JobKind::PushContact,
        location_id: task.location().to_owned(),
        record_id,
        priority: Priority::Realtime,
    });
    match follow_up {
        // Another row has it now.
        Some(follow_up) if follow_up.record_id != row.row_id => task.close_with(tx, &[follow_up]).await?,
        _ => {
            tx.keep_open().await?;
            let outcome = super::row(task).await?;
            if let Some(state) = outcome.as_ref().and_then(|row| row.sync.as_ref()).filter(|_| asked.is_some()) {
                task.environment.metrics.written("contact", state.outcome);
            }
            if outcome.is_some_and(|row| !row.is_settled()) {
                return Err(JobError::OneMoreRun);
            }
            close(task).await?;
        }
    }
    Ok(())
}

/// Finds out what became of the create that an earlier run announced: adopts the contact where GHL has it, and takes the announcement back
/// where it has not. Either way the rest, if any, is the next run's.
pub(super) async fn settle_announcement(
    task: &Task<'_>,
    row: &ContactRow,
    announced: &Contact,
) -> Result<(), JobError> {
    let wait = until_it_cannot_arrive(task, row.intent_at_ms);
    let found = match announced.email.is_some() || announced.phone.is_some() {
        true => by_identity(task, announced).await?,
        false => by_all_that_was_sent(task, announced).await?,
    };
    if let Some(there) = found {
        let there = from_ghl(one_call(task)?.get_contact(&there.id).await?);
        let asked = fields(announced);
        // What fits is what the create made; else it was there before, and the create was or will be refused for it.
        let made = adopt::fits_contact(announced, &there);
        return link(task, row, &there, made.then_some(&asked)).await;
    }
    if !wait.is_zero() {
        return Err(JobError::MayStillArrive { wait });
    }
    task.environment.records.set_contact_intent(&task.run, None).await?;
    if row.is_shown() { Err(JobError::OneMoreRun) } else { close(task).await }
}

/// The contact with this e-mail or else this phone.
async fn by_identity(task: &Task<'_>, contact: &Contact) -> Result<Option<Remote>, JobError> {
    let Contact { email, phone, .. } = contact;
    if email.is_none() && phone.is_none() {
        return Ok(None);
    }
    Ok(one_call(task)?.find_duplicate_contact(task.location(), email.as_deref(), phone.as_deref()).await?)
}

/// A contact that no row has and that is as it was sent.
async fn by_all_that_was_sent(task: &Task<'_>, announced: &Contact) -> Result<Option<Remote>, JobError> {
    let name = announced.name.as_deref().or(announced.company_name.as_deref()).unwrap_or_default();
    let search = SearchContacts {
        page_limit: NAMESAKES,
        query: Some(name.chars().take(SearchContacts::LONGEST_QUERY).collect()),
        ..SearchContacts::all(task.location())
    };
    for found in one_call(task)?.search_contacts(&search).await?.contacts {
        let fits = adopt::fits_contact(announced, &from_list(found.contact.clone()));
        if fits && !task.environment.records.is_linked(task.location(), &found.contact.id).await? {
            return Ok(Some(found.contact));
        }
    }
    Ok(None)
}
