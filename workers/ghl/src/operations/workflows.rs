//! Workflows that a contact is in. To start one may send messages to a person.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::{GhlError, Run, WireSecond, endpoints};

impl Run<'_> {
    /// Starts a workflow for a contact; `event` is the time that its steps count from. Never to be sent again where
    /// [`GhlError::outcome_unknown`].
    ///
    /// # Errors
    /// [`GhlError::Gone`] where the contact does not exist; any other as documented there.
    pub async fn add_to_workflow(
        &self,
        contact_id: &str,
        workflow_id: &str,
        event: Option<Timestamp>,
    ) -> Result<(), GhlError> {
        self.call_with(&endpoints::ADD_TO_WORKFLOW, &[contact_id, workflow_id], &starting(event)).await?.done()
    }

    /// Ends a workflow for a contact.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where the contact does not exist; any other as documented there.
    pub async fn remove_from_workflow(
        &self,
        contact_id: &str,
        workflow_id: &str,
        event: Option<Timestamp>,
    ) -> Result<(), GhlError> {
        self.call_with(&endpoints::REMOVE_FROM_WORKFLOW, &[contact_id, workflow_id], &starting(event)).await?.done()
    }
}

fn starting(event: Option<Timestamp>) -> Value {
    event.map_or_else(|| json!({}), |at| json!({"eventStartTime": WireSecond::from(at)}))
}
