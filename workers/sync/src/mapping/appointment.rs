//! An appointment, both ways.
//!
//! Its times come without an offset, as wall time of the location; a time with an offset is taken at its word. They are written with the
//! offset that the location's clocks have at that time. Clienty's notes are what GHL calls the description when it is written; GHL's
//! own notes, which a booking form fills in, can't be written.

use ::ghl::{Carried, WireSecond, WireTime, model as ghl};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sync_model::decide::absent::{Absent, Unread};
use sync_model::decide::push_appointment::AppointmentChanges;
use sync_model::record::{Appointment, ReadIn, SecondHour};

use super::{MissingField, take};

/// The appointment in Clienty's words. It was read for `contact_id`, in a location of `zone`.
#[must_use]
pub fn from_ghl(appointment: ghl::Appointment, contact_id: &str, zone: &TimeZone) -> Appointment {
    let ghl::Appointment {
        id,
        contact_id: reported_contact_id,
        calendar_id,
        title,
        // Whether the slot is booked, not how the meeting went.
        status: _,
        appointment_status,
        appoinment_status,
        start_time,
        end_time,
        address,
        notes,
        description,
        assigned_user_id,
        date_added,
    } = appointment;
    let second = |time: &Carried<WireTime>| to_the_second(time.as_value().and_then(|time| time.second_in(zone)));
    let second_hour = SecondHour { start_time: second(&start_time), end_time: second(&end_time) };
    let is_local = |time: &Carried<WireTime>| matches!(time.as_value(), Some(WireTime::Local(_)));
    let read_in = (is_local(&start_time) || is_local(&end_time)).then(|| zone.iana_name().map(str::to_owned)).flatten();
    let mut absent = Absent::default();
    let first = |time: WireTime| to_the_second(time.instant_in(zone));
    let start_time = take("startTime", start_time.and_then(first), &mut absent);
    let mut end_time = take("endTime", end_time.and_then(first), &mut absent);
    if second_hour.end_time.is_some() && end_time < start_time {
        // It began in the first hour of that name and ends in the second.
        end_time = second_hour.end_time;
    }
    Appointment {
        appointment_id: Some(id),
        clienty_appointment_id: None,
        contact_id: reported_contact_id.unwrap_or_else(|| contact_id.to_owned()),
        calendar_id: take("calendarId", calendar_id, &mut absent),
        title: take("title", title, &mut absent),
        status: take("status", appointment_status.or(appoinment_status), &mut absent),
        start_time,
        end_time,
        address: take("address", address, &mut absent),
        notes: take("notes", description.or(notes), &mut absent),
        assigned_user_id: take("assignedUserId", assigned_user_id, &mut absent),
        second_hour,
        read_in: ReadIn(read_in),
        unread: Unread::new(),
        added_at: date_added.value().and_then(|time| latest(time, zone)),
        absent,
    }
}

/// When it was created, at the latest: whether a time without an offset is on the location's wall or UTC is not documented, and what counts as older
/// than it is would not be adopted.
fn latest(time: WireTime, zone: &TimeZone) -> Option<Timestamp> {
    time.instant_in(zone).max(time.instant_in(&TimeZone::UTC))
}

/// The body that creates `appointment` in a location of `zone`. What is empty is left for GHL to fill.
///
/// # Errors
/// [`MissingField`] where it has no calendar or no start.
pub fn to_new(
    appointment: &Appointment,
    location_id: &str,
    zone: &TimeZone,
) -> Result<ghl::NewAppointment, MissingField> {
    let Appointment {
        appointment_id: _,
        clienty_appointment_id: _,
        contact_id,
        calendar_id,
        title,
        status,
        start_time,
        end_time,
        address,
        notes,
        assigned_user_id,
        second_hour: _,
        read_in: _,
        unread: _,
        added_at: _,
        absent: _,
    } = appointment.clone();
    let missing = |field| MissingField { record: "appointment", field };
    let fields = AppointmentChanges { end_time, title, status, address, notes, assigned_user_id, ..Default::default() };
    Ok(ghl::NewAppointment {
        location_id: location_id.to_owned(),
        contact_id,
        calendar_id: calendar_id.ok_or(missing("calendarId"))?,
        start_time: WireSecond::in_zone(start_time.ok_or(missing("startTime"))?, zone),
        fields: to_update(fields, zone).fields,
    })
}

/// The body that makes `changes` in a location of `zone`.
#[must_use]
pub fn to_update(changes: AppointmentChanges, zone: &TimeZone) -> ghl::UpdateAppointment {
    let AppointmentChanges { calendar_id, title, status, start_time, end_time, address, notes, assigned_user_id } =
        changes;
    let reported = |time: Option<Timestamp>| time.map(|time| WireSecond::in_zone(time, zone));
    ghl::UpdateAppointment {
        calendar_id,
        start_time: reported(start_time),
        fields: ghl::AppointmentFields {
            end_time: reported(end_time),
            title,
            description: notes,
            appointment_status: status,
            assigned_user_id,
            address,
            to_notify: None,
            ignore_date_range: None,
            ignore_free_slot_validation: None,
        },
    }
}

fn to_the_second(time: Option<Timestamp>) -> Option<Timestamp> {
    Timestamp::from_second(time?.as_second()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::records::Entry as _;

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
            appointment_id: Some("a1".to_owned()),
            clienty_appointment_id: None,
            contact_id: "c2".to_owned(),
            calendar_id: Some("k1".to_owned()),
            title: Some("Test".to_owned()),
            status: Some("showed".to_owned()),
            start_time: Some("2021-07-16T15:00:00Z".parse().unwrap()),
            end_time: Some("2021-07-16T15:30:00Z".parse().unwrap()),
            address: Some("Here".to_owned()),
            notes: Some("Bring it".to_owned()),
            assigned_user_id: Some("u1".to_owned()),
            ..Appointment::default()
        };
        assert_eq!(appointment, expected);
    }

    /// What GHL says of an appointment that is known as `noshow`, what it is then, and whether one that is met first is left unread.
    #[test]
    fn that_it_was_booked_says_nothing_of_how_the_meeting_went() {
        let table = [
            (json!({}), Some("noshow"), true),
            (json!({"status": "booked"}), Some("noshow"), true),
            (json!({"status": "cancelled"}), Some("noshow"), true),
            (json!({"status": null}), Some("noshow"), true),
            (json!({"status": "booked", "appointmentStatus": 7}), Some("7"), false),
            (json!({"status": "booked", "appointmentStatus": {}}), Some("noshow"), true),
            (json!({"status": "booked", "appointmentStatus": "showed"}), Some("showed"), false),
            (json!({"status": "booked", "appointmentStatus": "", "appoinmentStatus": "showed"}), Some("showed"), false),
            (json!({"status": "booked", "appoinmentStatus": "showed"}), Some("showed"), false),
            // Only what is said to be empty is emptied.
            (json!({"status": "booked", "appointmentStatus": null}), None, false),
            (json!({"appointmentStatus": ""}), None, false),
        ];
        let known = Appointment { status: Some("noshow".to_owned()), ..Appointment::default() };
        for (mut reported, expected, is_unread) in table {
            reported["id"] = json!("a1");
            let mut received = mapped(reported.clone());
            let met = received.first_met();
            assert_eq!((met.unread.contains("status"), met.contact_id.as_str()), (is_unread, "c1"), "{reported}");
            if is_unread {
                assert_eq!(met.status, None, "{reported}");
            }
            received.read_like(&known, None);
            assert_eq!(received.status.as_deref(), expected, "{reported}");
        }
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
    fn of_an_hour_that_came_twice_the_first_counts_unless_the_second_is_known() {
        assert_eq!(start("2021-11-07 01:30:00"), "2021-11-07T05:30:00Z");
        let reported = json!({"id": "a1", "startTime": "2021-11-07 01:30:00", "endTime": "2021-11-07 01:45:00"});
        let second = Some("2021-11-07T06:30:00Z".parse().unwrap());
        let mut received = mapped(reported.clone());
        received.read_like(&Appointment { start_time: second, ..Appointment::default() }, None);
        assert_eq!((received.start_time, received.second_hour), (second, SecondHour::default()));
        // It was moved away from a time of another day.
        let mut received = mapped(reported);
        received.read_like(&Appointment { start_time: Some(Timestamp::UNIX_EPOCH), ..Appointment::default() }, None);
        assert_eq!(received.start_time.unwrap().to_string(), "2021-11-07T05:30:00Z");
    }

    #[test]
    fn an_end_that_the_wall_shows_before_the_start_is_in_the_second_hour() {
        let reported = json!({"id": "a1", "startTime": "2021-11-07 01:45:00", "endTime": "2021-11-07 01:15:00"});
        let (start, end) = (mapped(reported.clone()).start_time.unwrap(), mapped(reported).end_time.unwrap());
        assert_eq!(
            (start.to_string().as_str(), end.to_string().as_str()),
            ("2021-11-07T05:45:00Z", "2021-11-07T06:15:00Z")
        );
    }

    #[test]
    fn times_are_written_with_the_offset_that_the_clocks_have_then() {
        let written = |time: &str| {
            let start_time = Some(time.parse().unwrap());
            let changes = AppointmentChanges { start_time, ..AppointmentChanges::default() };
            serde_json::to_value(to_update(changes, &new_york())).unwrap()["startTime"].clone()
        };
        assert_eq!(written("2021-07-16T15:00:00.9Z"), "2021-07-16T11:00:00-04:00");
        assert_eq!(written("2021-11-07T05:30:00Z"), "2021-11-07T01:30:00-04:00");
        assert_eq!(written("2021-11-07T06:30:00Z"), "2021-11-07T01:30:00-05:00");
    }

    #[test]
    fn an_appointment_that_ghl_would_refuse_is_refused_by_field() {
        let field = |appointment: &Appointment| to_new(appointment, "l1", &new_york()).unwrap_err().field;
        let timeless = Appointment { calendar_id: Some("cal".to_owned()), ..Appointment::default() };
        assert_eq!((field(&Appointment::default()), field(&timeless)), ("calendarId", "startTime"));
    }

    proptest! {
        /// In every season, and in both hours that the wall shows alike.
        #[test]
        fn an_appointment_comes_back_as_it_was_created(start in 1_600_000_000_i64..1_900_000_000, minutes in 1_i64..300, title in "[^\\s]\\PC{0,20}") {
            let at = |second| Some(Timestamp::from_second(second).unwrap());
            let appointment = Appointment {
                contact_id: "c1".to_owned(),
                calendar_id: Some("cal".to_owned()),
                title: Some(title),
                status: Some("confirmed".to_owned()),
                start_time: at(start),
                end_time: at(start + 60 * minutes),
                notes: Some("Bring it".to_owned()),
                ..Appointment::default()
            };
            let mut reply = serde_json::to_value(to_new(&appointment, "l1", &new_york()).unwrap()).unwrap();
            reply["id"] = json!("a1");
            let expected = Appointment { appointment_id: Some("a1".to_owned()), ..appointment.clone() };
            prop_assert_eq!(&Appointment { absent: Absent::default(), ..mapped(reply.clone()) }, &expected);

            // And in local time, if the zone is known.
            for name in ["startTime", "endTime"] {
                let text = reply[name].as_str().unwrap();
                reply[name] = json!(text[..19].replace('T', " "));
            }
            let mut reported = mapped(reply);
            reported.read_like(&appointment, None);
            prop_assert_eq!(reported, expected);
        }
    }
}
