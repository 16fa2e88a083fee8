//! What is done about a webhook, if it is new.

use std::collections::HashSet;

use sqlx::AnyConnection;
use sync_model::job::{JobKey, JobKind};
use uuid::Uuid;

use super::super::accept::known_locations;
use super::super::sql::sql;
use super::super::{RecordsError, Write};
use super::people::People;
use super::{NewWebhook, WebhookResult, WebhookWork};

/// What is done about a webhook if it is new.
pub(super) enum Action {
    Nothing,
    Enqueue(JobKey),
    MarkGone { location_id: String, contact_id: String },
}

/// One row of the batch: its place there, and what it will lead to.
pub(super) struct Judged<'a> {
    pub(super) index: usize,
    pub(super) webhook: &'a NewWebhook,
    /// Whom it is about, as far as that is known.
    pub(super) contact_id: Option<String>,
    pub(super) result: WebhookResult,
    pub(super) action: Action,
    /// What is kept of its body: nothing of a person whose data was erased, nor of an unknown one.
    pub(super) body: &'a str,
    pub(super) job_id: Option<String>,
    /// Its location is connected, and it is taken: it may start flows.
    pub(super) is_connected: bool,
}

/// Each webhook of the batch once, with what is done about it if it is new.
pub(super) async fn judge_all<'a>(
    write: &mut Write,
    webhooks: &'a [NewWebhook],
) -> Result<Vec<Judged<'a>>, RecordsError> {
    let locations = webhooks.iter().filter_map(|webhook| webhook.location_id.as_deref()).collect();
    let known = known_locations(write.conn(), locations).await?;
    let people = People::of(write.conn(), webhooks).await?;
    let mut seen = HashSet::new();
    let mut judged = Vec::with_capacity(webhooks.len());
    for (index, webhook) in webhooks.iter().enumerate() {
        if !seen.insert(webhook.id.as_str()) {
            continue;
        }
        let location = webhook.location_id.as_ref();
        let is_connected = location.is_some_and(|location| known.contains(location));
        let taken = if webhook.is_late { WebhookResult::Late } else { WebhookResult::Accepted };
        let (result, action) = match location {
            Some(_) if webhook.needs_connection && !is_connected => (WebhookResult::Refused, Action::Nothing),
            Some(location) if !people.is_about_erased(webhook) => (taken, action(write, location, webhook).await?),
            Some(_) | None => (taken, Action::Nothing),
        };
        let job_id = matches!(action, Action::Enqueue(_)).then(|| Uuid::now_v7().to_string());
        let is_unknown = matches!((&webhook.work, &action), (WebhookWork::PullOwner { .. }, Action::Nothing));
        let is_kept = !is_unknown && !people.names_erased(index, webhook);
        let body = if is_kept { webhook.body.as_str() } else { "{}" };
        // Or, where it does not say, whose job it led to: once that job is deleted, nothing else shows it.
        let pulled = match &action {
            Action::Enqueue(key) if key.kind == JobKind::PullContact.as_str() => Some(key.record_id.clone()),
            _ => None,
        };
        let contact_id = people.contact(index, webhook).map(str::to_owned).or(pulled);
        judged.push(Judged { index, webhook, contact_id, result, action, body, job_id, is_connected });
    }
    Ok(judged)
}

async fn action(write: &mut Write, location: &str, webhook: &NewWebhook) -> Result<Action, RecordsError> {
    let (now_ms, connection) = (write.now_ms, write.conn());
    let pull = |contact: &str| Action::Enqueue(JobKey::new(JobKind::PullContact, location, contact));
    Ok(match &webhook.work {
        WebhookWork::Nothing => Action::Nothing,
        WebhookWork::Pull { contact_id } => pull(contact_id),
        WebhookWork::PullOwner { note_id } => {
            owner(connection, "note", location, note_id).await?.map_or(Action::Nothing, |contact| pull(&contact))
        }
        WebhookWork::FindAppointment { appointment_id } => {
            let known = owner(connection, "appointment", location, appointment_id).await?;
            let find = || Action::Enqueue(JobKey::new(JobKind::FindAppointment, location, appointment_id));
            known.map_or_else(find, |contact| pull(&contact))
        }
        WebhookWork::FindTask { task_id } => Action::Enqueue(JobKey::new(JobKind::FindTask, location, task_id)),
        WebhookWork::ContactGone { contact_id, at } => {
            let known = sqlx::query_as(sql!("contact_sync")).bind(location).bind(contact_id);
            let known: Option<(i64, Option<i64>)> = known.fetch_optional(connection).await?;
            match (known, at) {
                (Some((_, Some(_))), _) => Action::Nothing,
                (Some((synced_at, None)), Some(at))
                    if synced_at <= at.as_millisecond().min(now_ms) && !webhook.is_late =>
                {
                    Action::MarkGone { location_id: location.to_owned(), contact_id: contact_id.clone() }
                }
                // A pull may have it in its hands, or it came back since: GHL knows.
                (None | Some((_, None)), _) => pull(contact_id),
            }
        }
        WebhookWork::RefreshLocation => Action::Enqueue(JobKey::new(JobKind::RefreshLocation, location, location)),
    })
}

/// The contact that a task, note or appointment belongs to, where it is known.
async fn owner(
    connection: &mut AnyConnection,
    kind: &str,
    location: &str,
    ghl_id: &str,
) -> Result<Option<String>, RecordsError> {
    let owner = sqlx::query_scalar(sql!("contact_of_entry")).bind(kind).bind(location).bind(ghl_id);
    Ok(owner.fetch_optional(connection).await?)
}
