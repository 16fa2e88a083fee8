//! What GHL has otherwise is sent: the fields with one call, added and removed tags with one each.

use ghl::GhlError;
use ghl::model::{DndChange, UpdateContact};
use serde_json::Value;
use sync_model::decide::fields::{Fields, fields, set, with_fields};
use sync_model::decide::push_contact::{ContactPlan, plan};
use sync_model::decide::verify::{SyncState, WriteOutcome};
use sync_model::record::{Contact, is_key};

use super::super::presence::is_contact_gone;
use super::super::{JobError, JobRun, refusals};
use super::{gone, keep_refused, one_call};
use crate::mapping::contact::{from_ghl, from_part, to_changes};
use crate::records::{ContactReply, ContactRow};

/// Sends what differs, one call after the other. What GHL refuses holds up no other.
pub(super) async fn change(job: &JobRun<'_>, row: &ContactRow) -> Result<(), JobError> {
    let Some(base) = &row.base else { return Ok(()) };
    let records = &job.environment.records;
    let pending = row.pending();
    let mut plan = plan(&pending.sendable, &fields(base), &row.fingerprints);
    if plan.calls() > 0 {
        records.set_contact_asked(&job.run, &pending.fields).await?;
    }
    let asked = std::mem::take(&mut plan.unsendable);
    let unread = row.unread.clone();
    let mut reached = ContactReply { asked, contact: base.clone(), refused: Vec::new(), is_partial: false, unread };
    let mut refusal = None;
    let result = send_all(job, row, plan, &pending.fields, &mut reached, &mut refusal).await;
    let untaken = untaken(&reached);
    let untaken: Vec<&str> = untaken.iter().map(String::as_str).collect();
    if job.environment.fields.renamed(job, &row.row_id, &untaken).await? {
        // The map of keys was wrong: what was asked under the old ids is sent again.
        if !row.unanswered.asked.is_empty() || !pending.fields.is_empty() {
            records.set_contact_asked(&job.run, &Fields::new()).await?;
        }
        return Err(JobError::NeedsMorePermits);
    }
    reached.is_partial = matches!(&result, Err(JobError::Ghl(error)) if error.outcome_unknown());
    if let Err(JobError::Ghl(error)) = &result
        && is_contact_gone(job, &row.contact_id, error).await?
    {
        return gone(job, row).await;
    }
    if reached.contact == *base && (result.is_err() || (refusal.is_some() && reached.asked.is_empty())) {
        // Nothing was reached that would have to be kept.
        if !reached.is_partial {
            records.set_contact_asked(&job.run, &Fields::new()).await?;
        }
        if let Some(error) = &refusal {
            keep_refused(job, &SyncState::refused(refusals::reported(job, error), reached.refused, pending.held))
                .await?;
        }
        return Err(result.err().or(refusal.map(JobError::Ghl)).unwrap_or(JobError::NeedsMorePermits));
    }
    let mut tx = records.begin(&job.run).await?;
    let written = tx.contact_written(&row.row_id, &reached).await?;
    if let Some((state, _)) = &written {
        job.environment
            .metrics
            .written("contact", if refusal.is_some() { WriteOutcome::Refused } else { state.outcome });
    }
    let error = match (result, written) {
        (Err(error), _) => error,
        // A pull or a producer changed it during the calls.
        (Ok(()), Some((_, false))) => JobError::NeedsMorePermits,
        (Ok(()), _) => match (refusal, pending.refused_since(job.run.created_at_ms)) {
            (Some(error), _) => error.into(),
            (None, Some(reason)) => JobError::Refused { reason: reason.to_owned() },
            (None, None) => return Ok(tx.close_run(&[]).await?),
        },
    };
    tx.keep_open().await?;
    Err(error)
}

/// The ids of custom fields that GHL refused, or that its reply does not show with the value that was sent.
fn untaken(reached: &ContactReply) -> Vec<String> {
    let holds = |id: &str, value: &Value| {
        reached.contact.custom_fields.iter().any(|field| field.id == id && field.value == *value)
    };
    let sent = reached.asked.iter().filter(|(_, value)| !value.is_null());
    let silent = sent.filter_map(|(name, value)| Some((name.strip_prefix("customFields.")?, value)));
    let silent = silent.filter(|(id, value)| !is_key(id) && !holds(id, value)).map(|(id, _)| id.to_owned());
    let refused = reached.refused.iter().filter_map(|one| one.field.strip_prefix("customFields.").map(str::to_owned));
    silent.chain(refused).collect()
}

/// Makes the calls of `plan`. What they came to is added to `reached`, and the last refusal is returned.
async fn send_all(
    job: &JobRun<'_>,
    row: &ContactRow,
    plan: ContactPlan,
    pending: &Fields,
    reached: &mut ContactReply,
    refusal: &mut Option<GhlError>,
) -> Result<(), JobError> {
    let ContactPlan { mut update, add_tags, remove_tags, unsendable: _ } = plan;
    let mut refuse = |error: JobError, asked: &Fields, reached: &mut ContactReply| -> Result<Fields, JobError> {
        let JobError::Ghl(error) = error else { return Err(error) };
        let Some(values) = refusals::values(job, &error, asked, row.base.as_ref()) else { return Err(error.into()) };
        let rest = asked.iter().filter(|(name, _)| values.iter().all(|one| one.field != **name));
        let rest = rest.map(|(name, value)| (name.clone(), value.clone())).collect();
        reached.refused.extend(values);
        *refusal = Some(error);
        Ok(rest)
    };
    let mut has_called = !update.is_empty();
    while !update.is_empty() {
        match send(job, &row.contact_id, &update).await {
            Ok(reply) => {
                // GHL did as it was asked, unless it shows something else.
                let mut expected = fields(&reached.contact);
                for (name, value) in &update {
                    set(&mut expected, name, value.clone());
                }
                let expected = with_fields(&reached.contact, &expected);
                reached.unread = reply.unread_after(&reached.unread, Some(&expected));
                reached.unread.extend(reply.unconfirmed(&update));
                reached.contact = reply.completed(&expected);
                reached.asked.append(&mut update);
            }
            Err(error) => update = refuse(error, &update, reached)?,
        }
    }
    for (tags, adds) in [(add_tags, true), (remove_tags, false)] {
        if tags.is_empty() {
            continue;
        }
        if has_called {
            // Each call may arrive for as long after it was sent: what is announced is as old as the last one.
            job.environment.records.set_contact_asked(&job.run, pending).await?;
        }
        has_called = true;
        let (ghl, contact) = (one_call(job)?, &row.contact_id);
        let held = if adds { ghl.add_tags(contact, &tags).await } else { ghl.remove_tags(contact, &tags).await };
        let value = || if adds { Value::Bool(true) } else { Value::Null };
        let mut asked: Fields = tags.into_iter().map(|tag| (format!("tags.{tag}"), value())).collect();
        match held {
            Ok(held) => {
                reached.asked.append(&mut asked);
                reached.holds_tags(held);
            }
            Err(error) => drop(refuse(error.into(), &asked, reached)?),
        }
    }
    Ok(())
}

/// Updates a contact; what GHL's reply shows of it. "Do not disturb" is written by comparison with what stands there now, so that nothing permanent is lifted.
async fn send(job: &JobRun<'_>, contact_id: &str, update: &Fields) -> Result<Contact, JobError> {
    let mut dnd = DndChange::default();
    let mut held = None;
    if let Some(wanted) = update.get("dnd") {
        let current = one_call(job)?.get_contact(contact_id).await?;
        dnd = DndChange::of(&current, Some(wanted.as_bool().unwrap_or(false)), &[]);
        held = Some(current);
    }
    let changes = UpdateContact { fields: to_changes(update), dnd };
    match held {
        // The one thing that was to change may not be changed.
        Some(current) if changes == UpdateContact::default() => Ok(from_ghl(current)),
        _ => Ok(from_part(one_call(job)?.update_contact(contact_id, &changes).await?)),
    }
}
