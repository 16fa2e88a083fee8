//! An appointment, read only: GHL's calendars own it.
//!
//! Its times come without an offset, as wall time of the location; a time with an offset is taken at its word.

use jiff::tz::TimeZone;

use crate::ghl::model as ghl;
use crate::records::model::Appointment;

/// The appointment in Clienty's words. It was read for `contact_id`, in a location of `zone`.
#[must_use]
pub fn from_ghl(appointment: ghl::Appointment, contact_id: &str, zone: &TimeZone) -> Appointment {
    let ghl::Appointment {
        id,
        contact_id: told_contact_id,
        calendar_id,
        title,
        status,
        appointment_status,
        start_time,
        end_time,
        address,
        notes,
        assigned_user_id,
    } = appointment;
    Appointment {
        appointment_id: id,
        contact_id: told_contact_id.unwrap_or_else(|| contact_id.to_owned()),
        calendar_id,
        title,
        status: appointment_status.or(status),
        start_time: start_time.and_then(|time| time.instant_in(zone)),
        end_time: end_time.and_then(|time| time.instant_in(zone)),
        address,
        notes,
        assigned_user_id,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// New York by its rules: put forward on 14 March 2021, put back on 7 November 2021, both at 2 in the morning.
    fn new_york() -> TimeZone {
        TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").unwrap()
    }

    fn mapped(appointment: Value) -> Appointment {
        from_ghl(serde_json::from_value(appointment).unwrap(), "c1", &new_york())
    }

    fn start(time: &str) -> String {
        mapped(json!({"id": "a1", "startTime": time})).start_time.unwrap().to_string()
    }

    #[test]
    fn a_whole_appointment_is_mapped() {
        let appointment = mapped(json!({
            "id": "a1", "contactId": "c2", "calendarId": "k1", "title": "Test", "status": "booked",
            "appointmentStatus": "showed", "startTime": "2021-07-16 11:00:00", "endTime": "2021-07-16 11:30:00",
            "address": "Here", "notes": "Bring it", "assignedUserId": "u1", "users": [null],
        }));
        let expected = Appointment {
            appointment_id: "a1".to_owned(),
            contact_id: "c2".to_owned(),
            calendar_id: Some("k1".to_owned()),
            title: Some("Test".to_owned()),
            status: Some("showed".to_owned()),
            start_time: Some("2021-07-16T15:00:00Z".parse().unwrap()),
            end_time: Some("2021-07-16T15:30:00Z".parse().unwrap()),
            address: Some("Here".to_owned()),
            notes: Some("Bring it".to_owned()),
            assigned_user_id: Some("u1".to_owned()),
        };
        assert_eq!(appointment, expected);
    }

    #[test]
    fn without_an_appointment_status_the_status_counts() {
        let appointment = mapped(json!({"id": "a1", "status": "booked", "appointmentStatus": null}));
        assert_eq!(appointment.status.unwrap(), "booked");
        assert_eq!(appointment.contact_id, "c1");
    }

    #[test]
    fn wall_time_follows_the_season() {
        assert_eq!(start("2021-01-16 11:00:00"), "2021-01-16T16:00:00Z");
        assert_eq!(start("2021-07-16 11:00:00"), "2021-07-16T15:00:00Z");
    }

    #[test]
    fn a_time_with_an_offset_is_taken_at_its_word() {
        assert_eq!(start("2021-07-16T11:00:00+05:30"), "2021-07-16T05:30:00Z");
        assert_eq!(start("2021-07-16T11:00:00.000Z"), "2021-07-16T11:00:00Z");
    }

    #[test]
    fn a_time_that_was_skipped_is_as_much_later() {
        assert_eq!(start("2021-03-14 02:30:00"), start("2021-03-14 03:30:00"));
    }

    #[test]
    fn of_an_hour_that_came_twice_the_first_counts() {
        assert_eq!(start("2021-11-07 01:30:00"), "2021-11-07T05:30:00Z");
    }
}
