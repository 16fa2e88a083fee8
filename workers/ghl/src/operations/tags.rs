//! Tags of a contact. An update of the contact would replace them all, so they have calls of their own.

use serde_json::json;

use super::super::{GhlError, Run, endpoints};

impl Run<'_> {
    /// Adds tags, and returns those that the contact has then. GHL writes them in lower case.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where the contact does not exist; any other as documented there.
    pub async fn add_tags(&self, contact_id: &str, tags: &[String]) -> Result<Vec<String>, GhlError> {
        self.call_with(&endpoints::ADD_TAGS, &[contact_id], &json!({"tags": tags})).await?.texts("tags")
    }

    /// Takes tags away, and returns those that the contact has then.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where the contact does not exist; any other as documented there.
    pub async fn remove_tags(&self, contact_id: &str, tags: &[String]) -> Result<Vec<String>, GhlError> {
        self.call_with(&endpoints::REMOVE_TAGS, &[contact_id], &json!({"tags": tags})).await?.texts("tags")
    }
}
