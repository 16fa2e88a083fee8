//! `push_contact`: creates, updates, tags or deletes a contact in GHL, from its present state and with the fewest calls.
//!
//! A run takes one step after the other, and writes down what it has reached before its permits run out. A create is announced first, as that of
//! a task is; who finds the announcement looks in GHL for what it made, by e-mail and phone, which GHL keeps unique, else by all that
//! was sent.

use job_engine::Priority;
use serde_json::Value;

use super::push::until_it_cannot_arrive;
use super::{JobError, Task, told};
use crate::decide::adopt;
use crate::decide::fields::{Fields, difference, fields};
use crate::decide::merge::Policy;
use crate::decide::push_contact::{ContactPlan, plan};
use crate::decide::verify::SyncState;
use crate::ghl::model::{Contact as Remote, DndChange, SearchContacts, UpdateContact};
use crate::ghl::{GhlError, Run};
use crate::mapping::contact::{from_ghl, to_changes, to_new};
use crate::records::model::Contact;
use crate::records::{ContactReply, ContactRow, FollowUp, JobKind};

/// Contacts of one name that are looked through.
const NAMESAKES: u16 = 100;

pub(super) async fn run(task: &Task<'_>) -> Result<(), JobError> {
    let Some(row) = row(task).await? else { return close(task).await };
    if row.is_settled() {
        return close(task).await;
    }
    if row.base.is_none() {
        return match &row.intent {
            Some(announced) => settle_announcement(task, &row, announced).await,
            None => create(task, &task.environment.fields.resolved(task, row).await?).await,
        };
    }
    if !row.is_shown() {
        return match task.ghl().delete_contact(&row.contact_id).await {
            Ok(()) | Err(GhlError::Gone { .. }) => gone(task, &row).await,
            Err(error) => Err(refused(task, error).await),
        };
    }
    let row = task.environment.fields.resolved(task, row).await?;
    let row = if looks_first(task, &row) || told::has_news(task, &row).await? {
        looked_at(task, &row).await?
    } else {
        Some(row)
    };
    match row {
        Some(row) if !row.is_settled() => change(task, &row).await,
        Some(_) | None => close(task).await,
    }
}

async fn row(task: &Task<'_>) -> Result<Option<ContactRow>, JobError> {
    Ok(task.environment.records.contact_row(task.location(), task.record()).await?)
}

async fn close(task: &Task<'_>) -> Result<(), JobError> {
    Ok(task.environment.records.begin(&task.run).await?.close_run(&[]).await?)
}

async fn gone(task: &Task<'_>, row: &ContactRow) -> Result<(), JobError> {
    let mut tx = task.environment.records.begin(&task.run).await?;
    tx.mark_contact_gone(&row.contact_id).await?;
    Ok(tx.close_run(&[]).await?)
}

/// Whether what GHL holds has to be known before it is overwritten: where GHL is to win, where nobody ever read it, and where another write was never answered.
fn looks_first(task: &Task<'_>, row: &ContactRow) -> bool {
    let policies = task.environment.records.policies();
    let ghl_wins = || row.edits.keys().any(|name| policies.of("contact", name) == Policy::Ghl);
    row.is_unread() || ghl_wins() || (!row.asked.is_empty() && row.asked != owed(row))
}

/// What GHL does not have yet.
fn owed(row: &ContactRow) -> Fields {
    difference(&row.base.as_ref().map(fields).unwrap_or_default(), &fields(&row.doc))
}

/// The row after it took in what GHL holds; none where GHL has it no more.
async fn looked_at(task: &Task<'_>, row: &ContactRow) -> Result<Option<ContactRow>, JobError> {
    let records = &task.environment.records;
    let theirs = match task.ghl().get_contact(&row.contact_id).await {
        Ok(theirs) => from_ghl(theirs),
        Err(GhlError::Gone { .. }) => {
            let mut tx = records.begin(&task.run).await?;
            tx.mark_contact_gone(&row.contact_id).await?;
            tx.keep_open().await?;
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let mut tx = records.begin(&task.run).await?;
    tx.contact_read(&row.row_id, &theirs).await?;
    tx.keep_open().await?;
    if !row.asked.is_empty() {
        records.set_contact_asked(&task.run, &Fields::new()).await?;
    }
    self::row(task).await
}

/// Sends what differs, one call after the other.
async fn change(task: &Task<'_>, row: &ContactRow) -> Result<(), JobError> {
    let Some(base) = &row.base else { return Ok(()) };
    let records = &task.environment.records;
    let plan = plan(&fields(&row.doc), &fields(base));
    if plan.calls() > 0 {
        records.set_contact_asked(&task.run, &owed(row)).await?;
    }
    let ContactPlan { update, add_tags, remove_tags, unsendable } = plan;
    let mut reached = ContactReply { asked: unsendable, contact: base.clone(), is_partial: false };
    let result = async {
        if !update.is_empty() {
            let contact = send(task, &row.contact_id, &update).await?;
            reached.asked.extend(update);
            reached.contact = contact;
        }
        for (tags, adds) in [(add_tags, true), (remove_tags, false)] {
            if tags.is_empty() {
                continue;
            }
            let (ghl, contact) = (one_call(task)?, &row.contact_id);
            let held = if adds { ghl.add_tags(contact, &tags).await? } else { ghl.remove_tags(contact, &tags).await? };
            reached.asked.extend(
                tags.into_iter().map(|tag| (format!("tags.{tag}"), if adds { Value::Bool(true) } else { Value::Null })),
            );
            reached.contact.tags = held;
        }
        Ok(())
    }
    .await;
    reached.is_partial = matches!(&result, Err(JobError::Ghl(error)) if error.outcome_unknown());
    match result {
        Err(JobError::Ghl(GhlError::Gone { .. })) => return gone(task, row).await,
        // Nothing was reached that would have to be kept.
        Err(JobError::Ghl(error)) if reached.contact == *base => {
            if !reached.is_partial {
                records.set_contact_asked(&task.run, &Fields::new()).await?;
            }
            return Err(refused(task, error).await);
        }
        _ => {}
    }
    let mut tx = records.begin(&task.run).await?;
    let written = tx.contact_written(&row.row_id, &reached).await?;
    if let Some((state, _)) = &written {
        task.environment.metrics.written("contact", state.outcome);
    }
    match (result, written) {
        // A pull or a producer changed it during the calls.
        (Ok(()), Some((_, false))) => {
            tx.keep_open().await?;
            Err(JobError::OneMoreRun)
        }
        (Ok(()), _) => Ok(tx.close_run(&[]).await?),
        (Err(error), _) => {
            tx.keep_open().await?;
            Err(match error {
                JobError::Ghl(error) => refused(task, error).await,
                error => error,
            })
        }
    }
}

/// Updates a contact. "Do not disturb" is written by comparison with what stands there now, so that nothing permanent is lifted.
async fn send(task: &Task<'_>, contact_id: &str, update: &Fields) -> Result<Contact, JobError> {
    let mut dnd = DndChange::default();
    let mut held = None;
    if let Some(wanted) = update.get("dnd") {
        let current = one_call(task)?.get_contact(contact_id).await?;
        dnd = DndChange::of(&current, Some(wanted.as_bool().unwrap_or(false)), &[]);
        held = Some(current);
    }
    let changes = UpdateContact { fields: to_changes(update), dnd };
    match held {
        // The one thing that was to change may not be changed.
        Some(current) if changes == UpdateContact::default() => Ok(from_ghl(current)),
        _ => Ok(from_ghl(one_call(task)?.update_contact(contact_id, &changes).await?)),
    }
}

/// The right to call once more in this run.
fn one_call<'a>(task: &'a Task<'_>) -> Result<Run<'a>, JobError> {
    if task.permits.left() == 0 { Err(JobError::OneMoreRun) } else { Ok(task.ghl()) }
}

/// Keeps with the contact what GHL refuses for good, for whoever looks at it.
async fn refused(task: &Task<'_>, error: GhlError) -> JobError {
    if let GhlError::Invalid { .. } | GhlError::Duplicate { .. } = error {
        let state = SyncState::refused(error.to_string(), task.environment.clock.now());
        task.environment.metrics.written("contact", state.outcome);
        if let Err(error) = task.environment.records.refuse_contact(task.location(), task.record(), &state).await {
            return error.into();
        }
    }
    error.into()
}

async fn create(task: &Task<'_>, row: &ContactRow) -> Result<(), JobError> {
    let records = &task.environment.records;
    records.set_contact_intent(&task.run, Some(&row.doc)).await?;
    let error = match task.ghl().create_contact(&to_new(&row.doc, task.location())).await {
        Ok(made) => {
            let mut made = from_ghl(made);
            // The reply to a create tells no time zone.
            made.timezone = made.timezone.or_else(|| row.doc.timezone.clone());
            return link(task, row, &made, Some(&fields(&row.doc))).await;
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
        return Err(refused(task, error).await);
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
            let outcome = self::row(task).await?;
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
async fn settle_announcement(task: &Task<'_>, row: &ContactRow, announced: &Contact) -> Result<(), JobError> {
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
    let wait = until_it_cannot_arrive(task, row.intent_at_ms);
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
        let fits = adopt::fits_contact(announced, &from_ghl(found.contact.clone()));
        if fits && !task.environment.records.is_linked(task.location(), &found.contact.id).await? {
            return Ok(Some(found.contact));
        }
    }
    Ok(None)
}
