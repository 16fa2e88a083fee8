//! Contacts one by one.

use super::super::model::{Contact, NewContact, UpdateContact, UpsertContact, UpsertNews, Upserted};
use super::super::{GhlError, Run, endpoints};

impl Run<'_> {
    /// One contact.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where it does not exist; any other as documented there.
    pub async fn get_contact(&self, contact_id: &str) -> Result<Contact, GhlError> {
        self.call(&endpoints::GET_CONTACT, &[contact_id]).await?.record("contact")
    }

    /// Creates a contact. Not to be sent again where [`GhlError::may_have_created`]: look for it first.
    ///
    /// # Errors
    /// [`GhlError::Duplicate`] where one has its e-mail or phone; any other as documented there.
    pub async fn create_contact(&self, contact: &NewContact) -> Result<Contact, GhlError> {
        self.call_with(&endpoints::CREATE_CONTACT, &[], contact).await?.record("contact")
    }

    /// Creates a contact, or changes the one that has its e-mail or phone.
    ///
    /// # Errors
    /// As documented at [`GhlError`].
    pub async fn upsert_contact(&self, contact: &UpsertContact) -> Result<Upserted, GhlError> {
        let reply = self.call_with(&endpoints::UPSERT_CONTACT, &[], contact).await?;
        let UpsertNews { created } = reply.whole()?;
        Ok(Upserted { created, contact: reply.record("contact")? })
    }

    /// Changes a contact, and returns what GHL made of it.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where it does not exist; any other as documented there.
    pub async fn update_contact(&self, contact_id: &str, changes: &UpdateContact) -> Result<Contact, GhlError> {
        self.call_with(&endpoints::UPDATE_CONTACT, &[contact_id], changes).await?.record("contact")
    }

    /// Deletes a contact, with all that hangs on it.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where it was not there; any other as documented there.
    pub async fn delete_contact(&self, contact_id: &str) -> Result<(), GhlError> {
        self.call(&endpoints::DELETE_CONTACT, &[contact_id]).await?.done()
    }
}
