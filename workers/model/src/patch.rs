//! The fields of a task, note or appointment that an edit sets.

use jiff::{SignedDuration, Timestamp};

use crate::record::{Appointment, Note, Task};

/// A field that GHL can change and not take away: its name in the record, and its place in the event that would.
pub type Kept = (&'static str, &'static str);

/// Fields of a task to set; none leaves the field alone, `Some(None)` clears it.
#[derive(Debug, Clone, PartialEq, Default)]
#[expect(missing_docs, reason = "the fields of the task")]
pub struct TaskPatch {
    pub title: Option<String>,
    pub body: Option<Option<String>>,
    pub due_date: Option<Option<Timestamp>>,
    pub completed: Option<bool>,
    pub assigned_to: Option<Option<String>>,
    /// Fields that the event would take away, and GHL keeps: it says nothing where they are empty, and is refused where they are not.
    pub kept: Vec<Kept>,
}

/// Fields of a note to set; none leaves the field alone, `Some(None)` clears it.
#[derive(Debug, Clone, PartialEq, Default)]
#[expect(missing_docs, reason = "the fields of the note")]
pub struct NotePatch {
    pub note_text: Option<String>,
    pub user_id: Option<Option<String>>,
    /// See [`TaskPatch::kept`].
    pub kept: Vec<Kept>,
}

/// Fields of an appointment to set; none leaves the field alone, `Some(None)` clears it.
#[derive(Debug, Clone, PartialEq, Default)]
#[expect(missing_docs, reason = "the fields of the appointment")]
pub struct AppointmentPatch {
    pub calendar_id: Option<String>,
    pub title: Option<Option<String>>,
    pub status: Option<String>,
    pub start_time: Option<Timestamp>,
    pub end_time: Option<Timestamp>,
    pub address: Option<Option<String>>,
    pub notes: Option<Option<String>>,
    pub assigned_user_id: Option<Option<String>>,
    /// See [`TaskPatch::kept`].
    pub kept: Vec<Kept>,
}

impl TaskPatch {
    /// Sets the fields.
    pub fn apply(&self, task: &mut Task) {
        let Self { title, body, due_date, completed, assigned_to, kept: _ } = self.clone();
        set(&mut task.title, title);
        set(&mut task.body, body);
        set(&mut task.due_date, due_date);
        set(&mut task.completed, completed);
        set(&mut task.assigned_to, assigned_to);
    }
}

impl NotePatch {
    /// Sets the fields.
    pub fn apply(&self, note: &mut Note) {
        let Self { note_text, user_id, kept: _ } = self.clone();
        set(&mut note.note_text, note_text);
        set(&mut note.user_id, user_id);
    }
}

impl AppointmentPatch {
    /// A start without an end moves the end along, as in GHL, which keeps times to the second.
    pub fn apply(&self, appointment: &mut Appointment) {
        let Self { calendar_id, title, status, start_time, end_time, address, notes, assigned_user_id, kept: _ } =
            self.clone();
        let [start_time, end_time] = [start_time, end_time].map(|time| Timestamp::from_second(time?.as_second()).ok());
        let length = appointment.start_time.zip(appointment.end_time).map(|(start, end)| end.duration_since(start));
        // The end may still be that of a start which was moved here and not in GHL yet: GHL moves it along.
        let length = length.filter(|length| length.is_positive());
        let moved = |start: Timestamp, length: SignedDuration| start.checked_add(length).ok();
        let end_time = end_time.or_else(|| start_time.zip(length).and_then(|(start, length)| moved(start, length)));
        set(&mut appointment.calendar_id, calendar_id.map(Some));
        set(&mut appointment.title, title);
        let status = status.filter(|status| appointment.status.as_ref() != Some(status));
        set(&mut appointment.status, status.map(|status| Some(writable(status))));
        set(&mut appointment.start_time, start_time.map(Some));
        set(&mut appointment.end_time, end_time.map(Some));
        set(&mut appointment.address, address);
        set(&mut appointment.notes, notes);
        set(&mut appointment.assigned_user_id, assigned_user_id);
    }
}

/// The status that GHL takes for a word of its replies.
fn writable(status: String) -> String {
    match status.as_str() {
        "booked" | "active" => "confirmed".to_owned(),
        "completed" => "showed".to_owned(),
        _ => status,
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}
