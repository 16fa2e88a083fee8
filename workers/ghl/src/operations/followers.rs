//! The users who follow a contact.

use serde_json::json;

use super::super::{GhlError, Run, endpoints};

impl Run<'_> {
    /// Adds followers, by the ids of users, and returns those that the contact has then.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where the contact does not exist; any other as documented there.
    pub async fn add_followers(&self, contact_id: &str, users: &[String]) -> Result<Vec<String>, GhlError> {
        let body = json!({"followers": users});
        self.call_with(&endpoints::ADD_FOLLOWERS, &[contact_id], &body).await?.texts("followers")
    }

    /// Takes followers away, and returns those that the contact has then.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where the contact does not exist; any other as documented there.
    pub async fn remove_followers(&self, contact_id: &str, users: &[String]) -> Result<Vec<String>, GhlError> {
        let body = json!({"followers": users});
        self.call_with(&endpoints::REMOVE_FOLLOWERS, &[contact_id], &body).await?.texts("followers")
    }
}
