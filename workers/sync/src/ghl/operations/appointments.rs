//! Appointments.

use super::super::{GhlError, Run, endpoints, model};

impl Run<'_> {
    /// All appointments of a contact. Their times may be wall time of the location.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where the contact does not exist; any other as documented there.
    pub async fn list_appointments(&self, contact_id: &str) -> Result<Vec<model::Appointment>, GhlError> {
        self.call(&endpoints::LIST_APPOINTMENTS, &[contact_id]).await?.records("events")
    }
}
