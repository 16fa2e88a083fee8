//! Notes on a contact.

use super::super::model::{Listed, NewNote, Note, UpdateNote};
use super::super::{GhlError, Run, endpoints};

impl Run<'_> {
    /// All notes of a contact.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where the contact does not exist; any other as documented there.
    pub async fn list_notes(&self, contact_id: &str) -> Result<Listed<Note>, GhlError> {
        self.listed(&self.for_long_list().call(&endpoints::LIST_NOTES, &[contact_id]).await?, "notes")
    }

    /// One note.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where it or its contact does not exist; any other as documented there.
    pub async fn get_note(&self, contact_id: &str, note_id: &str) -> Result<Note, GhlError> {
        self.call(&endpoints::GET_NOTE, &[contact_id, note_id]).await?.record("note")
    }

    /// Creates a note. Not to be sent again where [`GhlError::outcome_unknown`]: look for it first.
    ///
    /// # Errors
    /// As documented at [`GhlError`].
    pub async fn create_note(&self, contact_id: &str, note: &NewNote) -> Result<Note, GhlError> {
        self.call_with(&endpoints::CREATE_NOTE, &[contact_id], note).await?.record("note")
    }

    /// Changes a note, and returns what GHL made of it.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where it does not exist; any other as documented there.
    pub async fn update_note(&self, contact_id: &str, note_id: &str, changes: &UpdateNote) -> Result<Note, GhlError> {
        self.call_with(&endpoints::UPDATE_NOTE, &[contact_id, note_id], changes).await?.record("note")
    }

    /// Deletes a note.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where it was not there; any other as documented there.
    pub async fn delete_note(&self, contact_id: &str, note_id: &str) -> Result<(), GhlError> {
        self.call(&endpoints::DELETE_NOTE, &[contact_id, note_id]).await?.done()
    }
}
