//! Appointments.

use sync_model::series::head_of;

use super::super::model::{Appointment, Listed};
use super::super::{GhlError, Run, endpoints};

impl Run<'_> {
    /// All appointments of a contact, of a series each by itself. Their times may be wall time of the location.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where the contact does not exist; any other as documented there.
    pub async fn list_appointments(&self, contact_id: &str) -> Result<Listed<Appointment>, GhlError> {
        let reply = self.for_long_list().call(&endpoints::LIST_APPOINTMENTS, &[contact_id]).await?;
        let Listed { items, passed_over } = self.listed(&reply, "events")?;
        Ok(Listed { items: each_once(items), passed_over })
    }
}

/// Without the event that heads a series, where its instance of the same time is there as well: GHL does not say which of them a list
/// holds. One that stands for its first instance stays.
fn each_once(events: Vec<Appointment>) -> Vec<Appointment> {
    let instances: Vec<_> =
        events.iter().filter_map(|event| Some((head_of(&event.id)?.to_owned(), event.start_time))).collect();
    let is_reported_twice =
        |event: &Appointment| instances.iter().any(|(head, start)| *head == event.id && *start == event.start_time);
    events.into_iter().filter(|event| !is_reported_twice(event)).collect()
}
