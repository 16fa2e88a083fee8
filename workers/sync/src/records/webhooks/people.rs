//! Whose data a webhook may hold, whatever event it is: a message, an order, a relation name their contact as a contact's own event does.

use std::collections::HashSet;

use serde_json::{Map, Value};
use sqlx::AnyConnection;

use super::super::{RecordsError, erase};
use super::{NewWebhook, WebhookWork};

/// The people of a batch of webhooks.
pub(super) struct People {
    bodies: Vec<Option<Map<String, Value>>>,
    erased: HashSet<(String, String)>,
}

impl People {
    pub(super) async fn of(connection: &mut AnyConnection, webhooks: &[NewWebhook]) -> Result<Self, RecordsError> {
        let bodies: Vec<_> = webhooks.iter().map(|webhook| serde_json::from_str(&webhook.body).ok()).collect();
        let mut people = Self { bodies, erased: HashSet::new() };
        if erase::any_erased(connection).await? {
            people.recognize(connection, webhooks).await?;
            let mut named = HashSet::new();
            for (index, webhook) in webhooks.iter().enumerate() {
                let Some(location_id) = webhook.location_id.as_deref() else { continue };
                named.extend(people.named(index, webhook).into_iter().map(|id| (location_id, id)));
            }
            let named: Vec<_> = named.into_iter().collect();
            people.erased = erase::erased_among(connection, &named).await?;
        }
        Ok(people)
    }

    /// A webhook may be the first to show under which id GHL has a person whose data was erased.
    async fn recognize(&self, connection: &mut AnyConnection, webhooks: &[NewWebhook]) -> Result<(), RecordsError> {
        for (webhook, body) in webhooks.iter().zip(&self.bodies) {
            let (WebhookWork::Pull { contact_id }, Some(location_id)) = (&webhook.work, &webhook.location_id) else {
                continue;
            };
            let Some(mut contact) = body.as_ref().and_then(erase::person_in) else { continue };
            if webhook.event_type.starts_with("Contact") {
                contact.id.clone_from(contact_id);
                erase::recognize(connection, location_id, &[&contact]).await?;
            }
        }
        Ok(())
    }

    /// The contact that a webhook is about, as far as it says.
    pub(super) fn contact<'a>(&'a self, index: usize, webhook: &'a NewWebhook) -> Option<&'a str> {
        let of_work = of_work(&webhook.work);
        of_work.or_else(|| self.bodies.get(index)?.as_ref()?.get("contactId")?.as_str())
    }

    /// Whether the webhook asks for something about a person whose data was erased.
    pub(super) fn is_about_erased(&self, webhook: &NewWebhook) -> bool {
        of_work(&webhook.work).is_some_and(|id| self.is_erased(webhook, id))
    }

    /// Whether the webhook holds an id of such a person anywhere: its text may hold what must not be kept.
    pub(super) fn names_erased(&self, index: usize, webhook: &NewWebhook) -> bool {
        !self.erased.is_empty() && self.named(index, webhook).into_iter().any(|id| self.is_erased(webhook, id))
    }

    fn is_erased(&self, webhook: &NewWebhook, id: &str) -> bool {
        let Some(location_id) = &webhook.location_id else { return false };
        !self.erased.is_empty() && self.erased.contains(&(location_id.clone(), id.to_owned()))
    }

    fn named<'a>(&'a self, index: usize, webhook: &'a NewWebhook) -> HashSet<&'a str> {
        let mut ids: HashSet<&str> = of_work(&webhook.work).into_iter().collect();
        if let Some(Some(fields)) = self.bodies.get(index) {
            fields.iter().for_each(|(name, value)| erase::collect_ids(name, value, &mut ids));
        }
        ids
    }
}

fn of_work(work: &WebhookWork) -> Option<&str> {
    match work {
        WebhookWork::Pull { contact_id } | WebhookWork::ContactGone { contact_id, .. } => Some(contact_id),
        WebhookWork::Nothing
        | WebhookWork::PullOwner { .. }
        | WebhookWork::FindTask { .. }
        | WebhookWork::FindAppointment { .. }
        | WebhookWork::RefreshLocation => None,
    }
}
