//! How an appointment of a producer gets into GHL, with the fewest calls.
//!
//! `base` is what GHL is known to hold. Only what differs from it is sent, but for the end of a new start: GHL moves the end along with a start
//! that comes alone. Times are kept to the second there. A calendar, a status and a user can be changed
//! but not taken away: wanting none leaves the one that is there.

use jiff::Timestamp;

use crate::record::Appointment;

/// What to send.
#[derive(Debug, Clone, PartialEq)]
pub enum AppointmentPlan {
    /// GHL already has it so.
    Nothing,
    /// Create it.
    Create,
    /// Change these fields.
    Update(AppointmentChanges),
    /// Delete it.
    Delete,
}

/// The fields that differ, with the values they shall have.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AppointmentChanges {
    /// The new calendar.
    pub calendar_id: Option<String>,
    /// The new title; empty takes the old one away.
    pub title: Option<String>,
    /// The new status, one of those that can be written.
    pub status: Option<String>,
    /// When it begins now.
    pub start_time: Option<Timestamp>,
    /// When it ends now.
    pub end_time: Option<Timestamp>,
    /// The new place; empty takes the old one away.
    pub address: Option<String>,
    /// The new notes; empty takes the old ones away.
    pub notes: Option<String>,
    /// The GHL user who has it now.
    pub assigned_user_id: Option<String>,
}

/// The calls that make GHL, which holds `base`, hold `wanted`; or nothing of it, where `deleted`.
#[must_use]
pub fn plan(wanted: &Appointment, base: Option<&Appointment>, deleted: bool) -> AppointmentPlan {
    match (base, deleted) {
        (None, true) => AppointmentPlan::Nothing,
        (Some(_), true) => AppointmentPlan::Delete,
        (None, false) => AppointmentPlan::Create,
        (Some(base), false) => {
            let changes = changes(wanted, base);
            if changes == AppointmentChanges::default() {
                AppointmentPlan::Nothing
            } else {
                AppointmentPlan::Update(changes)
            }
        }
    }
}

fn changes(wanted: &Appointment, base: &Appointment) -> AppointmentChanges {
    // The ids say which appointment it is; GHL moves none to another contact.
    let Appointment {
        appointment_id: _,
        clienty_appointment_id: _,
        contact_id: _,
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
    } = wanted;
    let second = |time: Option<Timestamp>| time.map(Timestamp::as_second);
    let differs = |wanted: &Option<Timestamp>, base| wanted.is_some() && second(*wanted) != second(base);
    let starts_otherwise = differs(start_time, base.start_time);
    let moved = starts_otherwise || differs(end_time, base.end_time);
    AppointmentChanges {
        calendar_id: calendar_id.clone().filter(|_| *calendar_id != base.calendar_id),
        title: text(title, &base.title),
        status: status.clone().filter(|_| *status != base.status),
        start_time: start_time.filter(|_| starts_otherwise),
        // One that is not after the start is of before the start was moved: GHL, which would refuse it, moves its own along.
        end_time: end_time.filter(|end| moved && start_time.is_none_or(|start| *end > start)),
        address: text(address, &base.address),
        notes: text(notes, &base.notes),
        assigned_user_id: assigned_user_id.clone().filter(|_| *assigned_user_id != base.assigned_user_id),
    }
}

/// A text that can be emptied.
fn text(wanted: &Option<String>, base: &Option<String>) -> Option<String> {
    let (wanted, base) = (wanted.as_deref().unwrap_or_default(), base.as_deref().unwrap_or_default());
    (wanted != base).then(|| wanted.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Option<Timestamp> {
        Some(time.parse().unwrap())
    }

    fn appointment() -> Appointment {
        Appointment {
            appointment_id: Some("a1".to_owned()),
            clienty_appointment_id: Some("k1".to_owned()),
            contact_id: "c1".to_owned(),
            calendar_id: Some("cal".to_owned()),
            title: Some("Demo".to_owned()),
            status: Some("confirmed".to_owned()),
            start_time: at("2026-03-01T09:00:00Z"),
            end_time: at("2026-03-01T09:30:00Z"),
            address: Some("Room 1".to_owned()),
            notes: Some("Bring it".to_owned()),
            assigned_user_id: Some("u1".to_owned()),
            ..Appointment::default()
        }
    }

    fn update(wanted: &Appointment) -> AppointmentChanges {
        match plan(wanted, Some(&appointment()), false) {
            AppointmentPlan::Update(changes) => changes,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_that_ghl_lacks_is_created_and_a_deleted_one_is_deleted_once() {
        assert_eq!(plan(&appointment(), None, false), AppointmentPlan::Create);
        assert_eq!(plan(&appointment(), Some(&appointment()), true), AppointmentPlan::Delete);
        assert_eq!(plan(&appointment(), None, true), AppointmentPlan::Nothing);
    }

    #[test]
    fn one_that_ghl_has_so_costs_no_call() {
        let wanted = Appointment {
            clienty_appointment_id: None,
            start_time: at("2026-03-01T09:00:00.400Z"),
            calendar_id: None,
            status: None,
            assigned_user_id: None,
            ..appointment()
        };
        assert_eq!(plan(&wanted, Some(&appointment()), false), AppointmentPlan::Nothing);
    }

    #[test]
    fn only_fields_that_differ_are_sent() {
        let wanted = Appointment { status: Some("showed".to_owned()), address: None, ..appointment() };
        let changes = AppointmentChanges {
            status: Some("showed".to_owned()),
            address: Some(String::new()),
            ..AppointmentChanges::default()
        };
        assert_eq!(update(&wanted), changes);
    }

    #[test]
    fn a_new_start_is_sent_with_its_end_lest_ghl_moves_that_along() {
        let changes = update(&Appointment { start_time: at("2026-03-01T08:00:00Z"), ..appointment() });
        let times = (at("2026-03-01T08:00:00Z"), at("2026-03-01T09:30:00Z"));
        assert_eq!((changes.start_time, changes.end_time), times);
    }

    #[test]
    fn a_new_end_is_sent_alone_since_nobody_moved_the_start() {
        let changes = update(&Appointment { end_time: at("2026-03-01T10:00:00Z"), ..appointment() });
        assert_eq!((changes.start_time, changes.end_time), (None, at("2026-03-01T10:00:00Z")));
    }

    #[test]
    fn an_end_that_the_start_was_moved_past_is_left_to_ghl() {
        let changes = update(&Appointment { start_time: at("2026-03-02T09:00:00Z"), ..appointment() });
        assert_eq!((changes.start_time, changes.end_time), (at("2026-03-02T09:00:00Z"), None));
    }
}
