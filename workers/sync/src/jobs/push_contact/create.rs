//! A contact that GHL has to get is announced first, as a task is; who finds the announcement looks in GHL for what it made, by e-mail and phone, which GHL
//! mostly keeps unique, else by all that was sent. Who is older than the announcement is somebody else, whatever is the same; only where GHL itself
//! refuses the create as a duplicate, the contact that it names is taken.

use job_engine::Priority;

use super::super::push::until_it_cannot_arrive;
use super::super::{JobError, Task};
use super::{close, one_call, refused};
use crate::decide::adopt;
use crate::decide::fields::{Fields, fields, with_fields};
use crate::decide::refused::blamed;
use crate::ghl::GhlError;
use crate::ghl::model::{Contact as Remote, SearchContacts};
use crate::mapping::contact::{from_ghl, from_list, from_part, to_new};
use crate::records::model::Contact;
use crate::records::{ContactRow, FollowUp, JobKind};

/// Contacts of one name that are looked through.
const NAMESAKES: u16 = 100;
/// Without any of these, a contact is nobody.
const IDENTIFYING: [&str; 6] = ["name", "firstName", "lastName", "email", "phone", "companyName"];

pub(super) async fn create(task: &Task<'_>, row: &ContactRow) -> Result<(), JobError> {
    let records = &task.environment.records;
    let mut wanted = row.doc.clone();
    loop {
        let announced_at_ms = Some(task.environment.clock.now_ms());
        records.set_contact_intent(&task.run, Some(&wanted)).await?;
        let error = match one_call(task)?.create_contact(&to_new(&wanted, task.location())).await {
            Ok(made) => {
                return link(task, row, &from_part(made), Some(&fields(&wanted))).await;
            }
            Err(error) if error.outcome_unknown() => return Err(error.into()),
            Err(error) => error,
        };
        let there = match &error {
            // GHL itself says who is there.
            GhlError::Duplicate { contact_id: Some(id), .. } => Some(id.clone()),
            GhlError::Duplicate { contact_id: None, .. } => by_identity(task, &wanted).await?.map(|there| there.id),
            // Some creates are refused so and made all the same. Who was there before was not made by it.
            error if error.may_have_created() => by_identity(task, &wanted)
                .await?
                .filter(|there| !adopt::predates(from_list(there.clone()).date_added, announced_at_ms))
                .map(|there| there.id),
            _ => None,
        };
        if let Some(id) = there {
            let there = from_ghl(one_call(task)?.get_contact(&id).await?);
            return link(task, row, &there, None).await;
        }
        records.set_contact_intent(&task.run, None).await?;
        // What GHL names is left out, as an update leaves it out: the next run sends it alone, and keeps it with the reason.
        match without_refused(&wanted, &error) {
            Some(rest) => wanted = rest,
            None => return Err(refused(task, row, error, &fields(&row.doc)).await),
        }
    }
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
    let is_somebody = IDENTIFYING.iter().any(|name| rest.get(*name).is_some_and(|value| !value.is_null()));
    is_somebody.then(|| with_fields(wanted, &rest))
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
        true => match by_identity(task, announced).await? {
            // Where GHL allows two, the one who was there before is found first; where it does not, it will refuse the create and say so.
            Some(there) if is_older(&there, row) => among_found(task, row, announced).await?,
            found => found,
        },
        false => among_found(task, row, announced).await?,
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

fn is_older(there: &Remote, row: &ContactRow) -> bool {
    adopt::predates(from_ghl(there.clone()).date_added, row.intent_at_ms)
}

/// A contact that no row has, that is as it was sent, and that is no older than the announcement.
async fn among_found(task: &Task<'_>, row: &ContactRow, announced: &Contact) -> Result<Option<Remote>, JobError> {
    let Contact { email, phone, name, company_name, .. } = announced;
    let words = [email, phone, name, company_name].into_iter().find_map(|text| text.as_deref()).unwrap_or_default();
    let search = SearchContacts {
        page_limit: NAMESAKES,
        query: Some(words.chars().take(SearchContacts::LONGEST_QUERY).collect()),
        ..SearchContacts::all(task.location())
    };
    for found in one_call(task)?.search_contacts(&search).await?.contacts {
        let told = from_list(found.contact.clone());
        let fits = adopt::fits_contact(announced, &told) && !adopt::is_namesake(announced, &told);
        let is_new = told.date_added.is_some() && !is_older(&found.contact, row);
        if fits && is_new && !task.environment.records.is_linked(task.location(), &found.contact.id).await? {
            return Ok(Some(found.contact));
        }
    }
    Ok(None)
}
