//! Campaigns that a contact is in. To start one may send messages to a person.

use serde_json::json;

use super::super::{GhlError, Run, endpoints};

impl Run<'_> {
    /// Starts a campaign for a contact. Never to be sent again where [`GhlError::outcome_unknown`].
    ///
    /// # Errors
    /// [`GhlError::Gone`] where the contact does not exist; any other as documented there.
    pub async fn add_to_campaign(&self, contact_id: &str, campaign_id: &str) -> Result<(), GhlError> {
        self.call_with(&endpoints::ADD_TO_CAMPAIGN, &[contact_id, campaign_id], &json!({})).await?.done()
    }

    /// Ends a campaign for a contact.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where the contact does not exist; any other as documented there.
    pub async fn remove_from_campaign(&self, contact_id: &str, campaign_id: &str) -> Result<(), GhlError> {
        // With such an id the path would be that of the call below, which ends them all.
        if ["removeAll", "remove-all"].contains(&campaign_id) {
            let reason = "`campaignId` is GHL's word for all campaigns".to_owned();
            return Err(GhlError::Unsendable { operation: endpoints::REMOVE_FROM_CAMPAIGN.operation, reason });
        }
        self.call(&endpoints::REMOVE_FROM_CAMPAIGN, &[contact_id, campaign_id]).await?.done()
    }

    /// Ends all campaigns for a contact.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where the contact does not exist; any other as documented there.
    pub async fn remove_from_all_campaigns(&self, contact_id: &str) -> Result<(), GhlError> {
        self.call(&endpoints::REMOVE_FROM_ALL_CAMPAIGNS, &[contact_id]).await?.done()
    }
}
