//! What webhooks and reconciliations leave to ask GHL for. A webhook reports our own write (law 8),
//! or all that changed, or at least which part of the contact changed. A reconciliation has stored
//! its page, and the ledger names what the page left out.
//!
//! GHL promises no order. So without a call the program believes only what a later event can't
//! contradict:
//! - What an event reports about a whole contact, if it is newer than all that was read or reported
//!   about it ([`judge`](sync_model::decide::echo::judge)).
//! - What an event reports about a part, if the part is known to be so already: another event
//!   reports anything else.
//! - That a task, note or appointment is deleted: GHL never restores one under its id, and a mark
//!   of the deletion keeps older events from reviving it.
//!
//! Any other event of a part costs one call, for all parts of its kind. A task or note has no date
//! of change, so its event can't be ordered against the stored one. A completed task may have been
//! opened again since, which no event reports, and a note's event leaves out its author. An
//! appointment has a date of change, but its list shows it in local minutes, and the type of its
//! event may be wrong: the documents' samples of changed and deleted appointments have the type of
//! created ones.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sync_model::decide::absent::Unread;
use sync_model::decide::echo::EchoDecision;
use sync_model::decide::fields::Fields;
use sync_model::decide::match_lost_create::could_match_contact;
use sync_model::record::Contact;

use super::webhook_diff::{self, OfContact, OfPart, body, read};
use super::{JobError, JobRun};
use crate::mapping;
use crate::records::{AnyEntry, AtHand, ContactRow, Needs, Reported, ReportedContact, StoredWebhook};

/// What a run's webhooks, and what reconciliations found, come to.
#[derive(Debug, Default)]
pub(super) struct PullPlan {
    pub(super) needs: Needs,
    /// What is stored of them.
    pub(super) reported: Reported,
    /// What events show of the contact itself, the newest first: a source of what the contact's own reply leaves out.
    pub(super) carried: Vec<Contact>,
}

impl PullPlan {
    fn everything(created: Option<Vec<String>>, made: Vec<AnyEntry>) -> Self {
        Self { needs: Needs::ALL, reported: Reported { created, made, ..Reported::default() }, carried: Vec::new() }
    }
}

/// Weighs the run's webhooks, and what reconciliations found.
pub(super) async fn receive(job: &JobRun<'_>, at_hand: &AtHand) -> Result<PullPlan, JobError> {
    let AtHand { webhooks, row, .. } = at_hand;
    let carried = webhook_diff::carried(webhooks, row.as_ref());
    let received = weigh(job, webhooks, &job.run.found, row.clone()).await?;
    Ok(PullPlan { carried, ..received })
}

async fn weigh(
    job: &JobRun<'_>,
    webhooks: &[StoredWebhook],
    found: &[(String, Needs)],
    row: Option<ContactRow>,
) -> Result<PullPlan, JobError> {
    let created = created(job, webhooks, found, row.as_ref()).await?;
    let made = webhooks.iter().filter_map(|webhook| webhook_diff::made(webhook, job.record())).collect::<Vec<_>>();
    // Another event of the run may want what none of them names.
    if webhooks.len() + found.len() != job.run.ids.len() {
        return Ok(PullPlan::everything(created, made));
    }
    let Some(row) = row else { return Ok(PullPlan::everything(created, made)) };
    if row.base.is_none() || !row.is_visible() || row.is_unread() {
        return Ok(PullPlan::everything(created, made));
    }
    let needs = found.iter().fold(Needs::NONE, |all, (_, needs)| all.or(*needs));
    let mut received =
        PullPlan { needs, reported: Reported { created, made, ..Reported::default() }, ..PullPlan::default() };
    let mut whole = Vec::new();
    for webhook in webhooks {
        let needs = &mut received.needs;
        let part = match webhook.event_type.as_str() {
            _ if webhook_diff::is_of_contact(webhook) => {
                whole.push(webhook);
                continue;
            }
            "ContactDelete" => {
                needs.contact = true;
                continue;
            }
            "TaskCreate" | "TaskComplete" => &mut needs.tasks,
            "NoteCreate" | "NoteUpdate" => &mut needs.notes,
            "AppointmentCreate" | "AppointmentUpdate" | "Appointment" => &mut needs.appointments,
            "TaskDelete" if !webhook_diff::is_believed(webhook) => {
                needs.tasks = true;
                continue;
            }
            "NoteDelete" if !webhook_diff::is_believed(webhook) => {
                needs.notes = true;
                continue;
            }
            "AppointmentDelete" if !webhook_diff::is_believed(webhook) => {
                needs.appointments = true;
                continue;
            }
            // A time without an offset would be read wrongly here, and a deleted appointment needs no time.
            "TaskDelete" | "NoteDelete" | "AppointmentDelete" => {
                match webhook_diff::part(webhook, job.record(), &TimeZone::UTC) {
                    Some(gone) => received.reported.gone.push((gone, webhook.id.clone())),
                    None => return Ok(PullPlan::everything(received.reported.created, received.reported.made)),
                }
                continue;
            }
            _ => return Ok(PullPlan::everything(received.reported.created, received.reported.made)),
        };
        match webhook_diff::of_part(job, job.record(), webhook).await? {
            OfPart::Known => job.environment.metrics.webhook(&webhook.event_type, "echo"),
            OfPart::Answers { push, row_id, shown } => {
                job.environment.metrics.webhook(&webhook.event_type, "echo");
                received.reported.answers.push((push, row_id, shown));
            }
            OfPart::PerhapsOurs if is_patient(job) => return Err(JobError::Deferred { wait: SOON }),
            OfPart::News { .. } | OfPart::PerhapsOurs | OfPart::Unknown => *part = true,
        }
    }
    match of_contact(&row, &whole, |event| job.environment.metrics.webhook(event, "echo")) {
        Some(reported) => received.reported.contact = reported,
        None => received.needs.contact = true,
    }
    Ok(received)
}

/// The tags with which GHL created the contact, where rules or flows want to know. The event may come before the reply to a create of ours, and be
/// of that very create: then it waits until the create is settled. A reconciliation has stored what it found, unless it might be such a create.
async fn created(
    job: &JobRun<'_>,
    webhooks: &[StoredWebhook],
    found: &[(String, Needs)],
    row: Option<&ContactRow>,
) -> Result<Option<Vec<String>>, JobError> {
    const CREATED: &str = "ContactCreate";
    let records = &job.environment.records;
    let webhook = webhooks.iter().find(|webhook| webhook.event_type == CREATED);
    let is_found = found.iter().any(|(event, _)| event == CREATED);
    if (webhook.is_none() && !is_found) || !records.has_triggers().await? {
        return Ok(None);
    }
    let reported = webhook.map(|webhook| read(body(webhook)).map(mapping::contact::from_part).unwrap_or_default());
    if row.is_none_or(|row| row.clienty_id.is_none() && !row.is_made_here()) && is_patient(job) {
        let announced = records.announced_contacts(job.location()).await?;
        let could_match = |announced| reported.as_ref().is_none_or(|reported| could_match_contact(announced, reported));
        if announced.iter().any(could_match) {
            return Err(JobError::Deferred { wait: SOON });
        }
    }
    Ok(Some(reported.map(|reported| reported.tags).unwrap_or_default()))
}

/// Between two looks whether a create of ours is settled.
const SOON: Duration = Duration::from_millis(500);
/// How long that is waited for; a create that is in doubt for longer has been dropped.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

fn is_patient(job: &JobRun<'_>) -> bool {
    let age = job.environment.clock.now_ms().saturating_sub(job.run.created_at_ms);
    age < PATIENCE.as_millis().try_into().unwrap_or(i64::MAX)
}

/// What events of the whole contact show, if anything; none if they leave something to ask for. `echo` is called with the type of each that reports
/// nothing.
pub(crate) fn of_contact(
    row: &ContactRow,
    webhooks: &[&StoredWebhook],
    mut echo: impl FnMut(&str),
) -> Option<Option<ReportedContact>> {
    let (mut news, mut confirmed): (_, Option<Timestamp>) = (None, None);
    let (mut shown, mut answered) = (Unread::new(), None);
    let mut by = String::new();
    for webhook in webhooks {
        let OfContact { outcome, at, confirms, shows, answers } = webhook_diff::of_contact(row, webhook)?;
        match (outcome, at) {
            (EchoDecision::Echo, _) => {
                echo(&webhook.event_type);
                confirmed = confirmed.max(at.filter(|_| confirms));
                by.clone_from(&webhook.id);
                shown.extend(shows.into_iter().filter(|_| confirms));
                answered = at.filter(|_| !answers.is_empty()).map(|at| (answers, at)).or(answered);
            }
            // Of several with changes, only GHL knows which came last.
            (EchoDecision::Apply(fields), Some(at)) if webhooks.len() == 1 => {
                shown = shows;
                by.clone_from(&webhook.id);
                news = Some((fields.into_iter().chain(answers).collect(), at));
            }
            (EchoDecision::Apply(_) | EchoDecision::Pull, _) => return None,
        }
    }
    let row_id = row.row_id.clone();
    let first_shown = confirmed.filter(|at| !shown.is_empty() && Some(*at) >= row.base_at());
    if let Some((fields, at)) = news.or(answered).or_else(|| Some((Fields::new(), first_shown?))) {
        return Some(Some(ReportedContact::Fields { row_id, fields, at, shown, webhook_id: by }));
    }
    let confirmed = confirmed.filter(|at| Some(*at) > row.base_at());
    Some(confirmed.map(|at| ReportedContact::Confirmed { row_id, at }))
}
