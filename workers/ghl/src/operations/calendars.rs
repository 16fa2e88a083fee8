//! Calendars: their events, and appointments one by one. They have a `Version` of their own.

use jiff::Timestamp;
use serde_json::json;

use super::super::model::{Appointment, EventsOf, Listed, NewAppointment, UpdateAppointment};
use super::super::{GhlError, Run, endpoints};

impl Run<'_> {
    /// The events of one user, calendar or group that start from `from` to `to`.
    ///
    /// # Errors
    /// As documented at [`GhlError`].
    pub async fn list_events(
        &self,
        location_id: &str,
        of: &EventsOf,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Listed<Appointment>, GhlError> {
        let (from, to) = (from.as_millisecond().to_string(), to.as_millisecond().to_string());
        let (whose, id) = of.query();
        let query = [
            ("locationId", Some(location_id)),
            (whose, Some(id)),
            ("startTime", Some(from.as_str())),
            ("endTime", Some(to.as_str())),
        ];
        self.listed(&self.for_long_list().call_where(&endpoints::LIST_EVENTS, &[], &query).await?, "events")
    }

    /// One appointment.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where it does not exist; any other as documented there.
    pub async fn get_appointment(&self, appointment_id: &str) -> Result<Appointment, GhlError> {
        self.call(&endpoints::GET_APPOINTMENT, &[appointment_id]).await?.record("event")
    }

    /// Creates an appointment. Not to be sent again where [`GhlError::may_have_created`]: look for it first.
    ///
    /// # Errors
    /// As documented at [`GhlError`].
    pub async fn create_appointment(&self, appointment: &NewAppointment) -> Result<Appointment, GhlError> {
        self.call_with(&endpoints::CREATE_APPOINTMENT, &[], appointment).await?.record("event")
    }

    /// Changes an appointment, and returns what GHL made of it.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where it does not exist; any other as documented there.
    pub async fn update_appointment(
        &self,
        appointment_id: &str,
        changes: &UpdateAppointment,
    ) -> Result<Appointment, GhlError> {
        self.call_with(&endpoints::UPDATE_APPOINTMENT, &[appointment_id], changes).await?.record("event")
    }

    /// Deletes an appointment or another event.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where it was not there; any other as documented there.
    pub async fn delete_event(&self, event_id: &str) -> Result<(), GhlError> {
        self.call_with(&endpoints::DELETE_EVENT, &[event_id], &json!({})).await?.done()
    }
}
