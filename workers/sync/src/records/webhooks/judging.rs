//! What is done about a webhook, if it is new.

use std::collections::HashSet;

use sqlx::AnyConnection;
use uuid::Uuid;

use super::super::accept::known_locations;
use super::super::job::{JobKey, JobKind};
use super::super::sql::sql;
use super::super::{RecordsError, Write, erase};
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
    let erased = erased_among(write.conn(), webhooks).await?;
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
            _ if erased.contains(&index) => (WebhookResult::Accepted, Deed::Nothing),
            Some(location) => (WebhookResult::Accepted, deed(write.conn(), location, &webhook.work).await?),
            None => (WebhookResult::Accepted, Deed::Nothing),
        };
        let job_id = matches!(deed, Deed::Enqueue(_)).then(|| Uuid::now_v7().to_string());
        let is_unknown = matches!((&webhook.work, &deed), (WebhookWork::PullOwner { .. }, Deed::Nothing));
        let body = if is_unknown || erased.contains(&index) { "{}" } else { webhook.body.as_str() };
        judged.push(Judged { index, webhook, result, deed, body, job_id });
    }
    Ok(judged)
}

/// The places of those that tell of a contact whose data was erased.
async fn erased_among(connection: &mut AnyConnection, webhooks: &[NewWebhook]) -> Result<HashSet<usize>, RecordsError> {
    let about = |webhook: &NewWebhook| match &webhook.work {
        WebhookWork::Pull { contact_id } | WebhookWork::ContactGone { contact_id, .. } => {
            Some((webhook.location_id.clone()?, contact_id.clone()))
        }
        WebhookWork::Nothing
        | WebhookWork::PullOwner { .. }
        | WebhookWork::FindTask { .. }
        | WebhookWork::RefreshLocation => None,
    };
    let contacts: Vec<_> = webhooks.iter().map(about).collect();
    let pairs: Vec<_> = contacts.iter().flatten().map(|(l, c)| (l.as_str(), c.as_str())).collect();
    let erased = erase::erased_among(connection, &pairs).await?;
    let is_erased =
        |contact: &Option<(String, String)>| contact.as_ref().is_some_and(|contact| erased.contains(contact));
    Ok(contacts.iter().enumerate().filter(|(_, contact)| is_erased(contact)).map(|(index, _)| index).collect())
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
