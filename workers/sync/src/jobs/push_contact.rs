//! `push_contact`: creates, updates, tags or deletes a contact in GHL, from its present state and with the fewest calls.
//!
//! A run takes one step after the other, and writes down what it has reached before its permits run out. A create is announced first, as that of
//! a task is; who finds the announcement looks in GHL for what it made, by e-mail and phone, which GHL keeps unique, else by all that
//! was sent.

use job_engine::Priority;
use serde_json::Value;

use super::push::until_it_cannot_arrive;
use super::{JobError, Task, refusals, told};
use crate::decide::adopt;
use crate::decide::fields::{Fields, fields};
use crate::decide::merge::Policy;
use crate::decide::push_contact::{ContactPlan, plan};
use crate::decide::verify::{Outcome, SyncState};
use crate::ghl::model::{Contact as Remote, DndChange, SearchContacts, UpdateContact};
use crate::ghl::{GhlError, Run};
use crate::mapping::contact::{from_ghl, to_changes, to_new};
use crate::records::model::Contact;
use crate::records::{ContactReply, ContactRow, FollowUp, JobKind};

/// Contacts of one name that are looked through.
const NAMESAKES: u16 = 100;

pub(super) async fn run(task: &Task<'_>) -> Result<(), JobError> {
    let Some(row) = row(task).await? else { return close(task).await };
    if let Some(reason) = row.refusal() {
        return Err(JobError::Refused { reason });
    }
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
            Err(error) => Err(refused(task, &row, error, &Fields::new()).await),
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

/// Whether what GHL holds has to be known before it is overwritten: where GHL is to win, where nobody ever read it, and where another write was
/// never answered.
fn looks_first(task: &Task<'_>, row: &ContactRow) -> bool {
    let policies = task.environment.records.policies();
    let ghl_wins = || row.edits.keys().any(|name| policies.of("contact", name) == Policy::Ghl);
    row.is_unread() || ghl_wins() || (!row.asked.is_empty() && row.asked != row.owed().fields)
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

/// Sends what differs, one call after the other. What GHL refuses holds up no other.
async fn change(task: &Task<'_>, row: &ContactRow) -> Result<(), JobError> {
    let Some(base) = &row.base else { return Ok(()) };
    let records = &task.environment.records;
    let owed = row.owed();
    let mut plan = plan(&owed.sendable, &fields(base));
    if plan.calls() > 0 {
        records.set_contact_asked(&task.run, &owed.fields).await?;
    }
    let asked = std::mem::take(&mut plan.unsendable);
    let mut reached = ContactReply { asked, contact: base.clone(), refused: Vec::new(), is_partial: false };
    let mut refusal = None;
    let result = send_all(task, row, plan, &mut reached, &mut refusal).await;
    reached.is_partial = matches!(&result, Err(JobError::Ghl(error)) if error.outcome_unknown());
    if let Err(JobError::Ghl(GhlError::Gone { .. })) = result {
        return gone(task, row).await;
    }
    if reached.contact == *base && (result.is_err() || (refusal.is_some() && reached.asked.is_empty())) {
        // Nothing was reached that would have to be kept.
        if !reached.is_partial {
            records.set_contact_asked(&task.run, &Fields::new()).await?;
        }
        if let Some(error) = &refusal {
            keep_refused(task, &SyncState::refused(refusals::told(task, error), reached.refused, owed.held)).await?;
        }
        return Err(result.err().or(refusal.map(JobError::Ghl)).unwrap_or(JobError::OneMoreRun));
    }
    let mut tx = records.begin(&task.run).await?;
    let written = tx.contact_written(&row.row_id, &reached).await?;
    if let Some((state, _)) = &written {
        task.environment.metrics.written("contact", if refusal.is_some() { Outcome::Refused } else { state.outcome });
    }
    let error = match (result, written) {
        (Err(error), _) => error,
        // A pull or a producer changed it during the calls.
        (Ok(()), Some((_, false))) => JobError::OneMoreRun,
        (Ok(()), _) => match (refusal, owed.refused_since(task.run.created_at_ms)) {
            (Some(error), _) => error.into(),
            (None, Some(reason)) => JobError::Refused { reason: reason.to_owned() },
            (None, None) => return Ok(tx.close_run(&[]).await?),
        },
    };
    tx.keep_open().await?;
    Err(error)
}

/// Makes the calls of `plan`. What they came to is added to `reached`, and the last refusal among it told.
async fn send_all(
    task: &Task<'_>,
    row: &ContactRow,
    plan: ContactPlan,
    reached: &mut ContactReply,
    refusal: &mut Option<GhlError>,
) -> Result<(), JobError> {
    let ContactPlan { mut update, add_tags, remove_tags, unsendable: _ } = plan;
    let mut refuse = |error: JobError, asked: &Fields, reached: &mut ContactReply| -> Result<Fields, JobError> {
        let JobError::Ghl(error) = error else { return Err(error) };
        let Some(values) = refusals::values(task, &error, asked, row.base.as_ref()) else { return Err(error.into()) };
        let rest = asked.iter().filter(|(name, _)| values.iter().all(|one| one.field != **name));
        let rest = rest.map(|(name, value)| (name.clone(), value.clone())).collect();
        reached.refused.extend(values);
        *refusal = Some(error);
        Ok(rest)
    };
    while !update.is_empty() {
        match send(task, &row.contact_id, &update).await {
            Ok(contact) => {
                reached.asked.append(&mut update);
                reached.contact = contact;
            }
            Err(error) => update = refuse(error, &update, reached)?,
        }
    }
    for (tags, adds) in [(add_tags, true), (remove_tags, false)] {
        if tags.is_empty() {
            continue;
        }
        let (ghl, contact) = (one_call(task)?, &row.contact_id);
        let held = if adds { ghl.add_tags(contact, &tags).await } else { ghl.remove_tags(contact, &tags).await };
        let value = || if adds { Value::Bool(true) } else { Value::Null };
        let mut asked: Fields = tags.into_iter().map(|tag| (format!("tags.{tag}"), value())).collect();
        match held {
            Ok(held) => {
                reached.asked.append(&mut asked);
                reached.contact.tags = held;
            }
            Err(error) => drop(refuse(error.into(), &asked, reached)?),
        }
    }
    Ok(())
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

/// The error, after it was kept with the contact that GHL refuses for good what was `asked`.
async fn refused(task: &Task<'_>, row: &ContactRow, error: GhlError, asked: &Fields) -> JobError {
    if let Some(values) = refusals::values(task, &error, asked, row.base.as_ref()) {
        let state = SyncState::refused(refusals::told(task, &error), values, Vec::new());
        if let Err(error) = keep_refused(task, &state).await {
            return error;
        }
    }
    error.into()
}

async fn keep_refused(task: &Task<'_>, state: &SyncState) -> Result<(), JobError> {
    task.environment.metrics.written("contact", state.outcome);
    Ok(task.environment.records.refuse_contact(task.location(), task.record(), state).await?)
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
