//! Changes of many contacts by one call, and so by one permit.

use serde_json::json;

use super::super::model::{BulkOutcome, BulkTags, TagChange};
use super::super::{GhlError, Run, endpoints};

/// The most contacts that change their business at once.
const MOST_OF_A_BUSINESS: usize = 50;

impl Run<'_> {
    /// Adds tags to many contacts or takes them away. A success may hold failures: look at each of its responses.
    ///
    /// # Errors
    /// As documented at [`GhlError`].
    pub async fn change_tags(&self, change: TagChange, tags: &BulkTags) -> Result<BulkOutcome, GhlError> {
        self.call_with(&endpoints::BULK_TAGS, &[change.word()], tags).await?.whole()
    }

    /// Puts contacts, at most 50, into a business, or out of any where it is `None`. Returns the ids of those it changed.
    ///
    /// # Errors
    /// As documented at [`GhlError`]; [`GhlError::Unsendable`] for more than 50 contacts.
    pub async fn set_business(
        &self,
        location_id: &str,
        contact_ids: &[String],
        business_id: Option<&str>,
    ) -> Result<Vec<String>, GhlError> {
        let endpoint = &endpoints::BULK_BUSINESS;
        if contact_ids.len() > MOST_OF_A_BUSINESS {
            let reason = format!("ids has {} contacts, and may have {MOST_OF_A_BUSINESS}", contact_ids.len());
            return Err(GhlError::Unsendable { operation: endpoint.operation, reason });
        }
        let body = json!({"locationId": location_id, "ids": contact_ids, "businessId": business_id});
        self.call_with(endpoint, &[], &body).await?.texts("ids")
    }
}
