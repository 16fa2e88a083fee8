//! Contacts.

use super::super::{GhlError, Run, endpoints, model};

impl Run<'_> {
    /// One contact.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where it does not exist; any other as documented there.
    pub async fn get_contact(&self, contact_id: &str) -> Result<model::Contact, GhlError> {
        self.call(&endpoints::GET_CONTACT, &[contact_id]).await?.record("contact")
    }
}
