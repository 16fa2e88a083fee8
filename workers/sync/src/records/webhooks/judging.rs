//! What is done about a webhook, if it is new.

use std::collections::HashSet;

use sqlx::AnyConnection;
use uuid::Uuid;

use super::super::accept::known_locations;
use super::super::job::{JobKey, JobKind};
use super::super::sql::sql;
use super::super::{RecordsError, Write};
use super::people::People;
use super::{NewWebhook, WebhookResult, WebhookWork};

/// What is done about a webhook if it is new.
pub(super) enum Deed {
    Nothing,
    Enqueue(JobKey),
    MarkGone { location_id: String, contact_id: String },
}

/// One row of the batch: its place there, and what it will lead to.
pub(super) struct Judged<'a> {
    pub(super) index: usize,
    pub(super) webhook: &'a NewWebhook,
    /// Whom it is about, as far as it says.
    pub(super) contact_id: Option<String>,
    pub(super) result: WebhookResult,
    pub(super) deed: Deed,
    /// What is kept of its body: nothing of a person whose data was erased, nor of one whom nobody here knows.
    pub(super) body: &'a str,
    pub(super) job_id: Option<String>,
}

/// Each webhook of the batch once, with what is done about it if it is new.
pub(super) async fn judge_all<'a>(
    write: &mut Write,
    webhooks: &'a [NewWebhook],
) -> Result<Vec<Judged<'a>>, RecordsError> {
    let needed = webhooks.iter().filter(|webhook| webhook.needs_connection);
    let locations = needed.filter_map(|webhook| webhook.location_id.as_deref()).collect();
    let known = known_locations(write.conn(), locations).await?;
    let people = People::of(write.conn(), webhooks).await?;
    let mut seen = HashSet::new();
    let mut judged = Vec::with_capacity(webhooks.len());
    for (index, webhook) in webhooks.iter().enumerate() {
        if !seen.insert(webhook.id.as_str()) {
            continue;
        }
        let location = webhook.location_id.as_ref();
        let is_foreign = webhook.needs_connection && location.is_some_and(|location| !known.contains(location));
        let (result, deed) = match location {
            _ if webhook.is_stale => (WebhookResult::Stale, Deed::Nothing),
            _ if is_foreign => (WebhookResult::Refused, Deed::Nothing),
            _ if people.is_about_erased(webhook) => (WebhookResult::Accepted, Deed::Nothing),
            Some(location) => (WebhookResult::Accepted, deed(write.conn(), location, &webhook.work).await?),
            None => (WebhookResult::Accepted, Deed::Nothing),
        };
        let job_id = matches!(deed, Deed::Enqueue(_)).then(|| Uuid::now_v7().to_string());
        let is_unknown = matches!((&webhook.work, &deed), (WebhookWork::PullOwner { .. }, Deed::Nothing));
        let is_kept = !is_unknown && !people.names_erased(index, webhook);
        let body = if is_kept { webhook.body.as_str() } else { "{}" };
        let contact_id = people.contact(index, webhook).map(str::to_owned);
        judged.push(Judged { index, webhook, contact_id, result, deed, body, job_id });
    }
    Ok(judged)
}

async fn deed(connection: &mut AnyConnection, location: &str, work: &WebhookWork) -> Result<Deed, RecordsError> {
    let pull = |contact: &str| Deed::Enqueue(JobKey::new(JobKind::PullContact, location, contact));
    Ok(match work {
        WebhookWork::Nothing => Deed::Nothing,
        WebhookWork::Pull { contact_id } => pull(contact_id),
        WebhookWork::PullOwner { note_id } => {
            let owner = sqlx::query_scalar(sql!("contact_of_entry")).bind("note").bind(location).bind(note_id);
            let owner: Option<String> = owner.fetch_optional(connection).await?;
            owner.map_or(Deed::Nothing, |contact| pull(&contact))
        }
        WebhookWork::FindTask { task_id } => Deed::Enqueue(JobKey::new(JobKind::FindTask, location, task_id)),
        WebhookWork::ContactGone { contact_id, at } => {
            let known = sqlx::query_as(sql!("contact_sync")).bind(location).bind(contact_id);
            let known: Option<(i64, Option<i64>)> = known.fetch_optional(connection).await?;
            match (known, at) {
                (Some((_, Some(_))), _) => Deed::Nothing,
                (Some((synced_at, None)), Some(at)) if synced_at <= at.as_millisecond() => {
                    Deed::MarkGone { location_id: location.to_owned(), contact_id: contact_id.clone() }
                }
                // A pull may have it in its hands, or it came back since: GHL knows.
                (None | Some((_, None)), _) => pull(contact_id),
            }
        }
        WebhookWork::RefreshLocation => Deed::Enqueue(JobKey::new(JobKind::RefreshLocation, location, location)),
    })
}
