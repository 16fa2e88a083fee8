//! What the three kinds of records that hang on a contact have in common.

use crate::decide::absent::{Absent, Unread, filled};
use crate::decide::echo::Fingerprints;
use crate::decide::fields::Record;
use crate::decide::same::same_text;
use crate::job::JobKind;
use crate::part::Part;
use crate::record::{Appointment, Note, ReadIn, SecondHour, Task};
use crate::series::head_of;
use jiff::Timestamp;

use crate::patch::{AppointmentPatch, Kept, NotePatch, TaskPatch};

/// A task, note or appointment.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the kinds")]
pub enum AnyEntry {
    Task(Task),
    Note(Note),
    Appointment(Appointment),
}

impl AnyEntry {
    /// What it is called in the tables.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Task(_) => Task::KIND,
            Self::Note(_) => Note::KIND,
            Self::Appointment(_) => Appointment::KIND,
        }
    }
}

impl From<Task> for AnyEntry {
    fn from(task: Task) -> Self {
        Self::Task(task)
    }
}

impl From<Note> for AnyEntry {
    fn from(note: Note) -> Self {
        Self::Note(note)
    }
}

impl From<Appointment> for AnyEntry {
    fn from(appointment: Appointment) -> Self {
        Self::Appointment(appointment)
    }
}

/// What the events of a kind of records are called, in GHL's way.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the events")]
pub struct Events {
    pub created: &'static str,
    pub updated: &'static str,
    pub deleted: &'static str,
}

/// What tasks, notes and appointments have in common.
pub trait Entry: Record + Into<AnyEntry> + PartialEq + Default + Send + Sync + Unpin + 'static {
    /// The word for it in rows and messages.
    const KIND: &'static str;
    /// The job that makes GHL equal to its row.
    const PUSH: JobKind;
    /// What its events are called.
    const EVENTS: Events;
    /// Where an event holds GHL's id of it.
    const GHL_ID_FIELD: &'static str;
    /// Where an event holds Clienty's id of it.
    const CLIENTY_ID_FIELD: &'static str;
    /// Fields to set.
    type Patch: Clone + PartialEq + std::fmt::Debug + Send + Sync;

    /// GHL's id.
    fn ghl_id(&self) -> Option<&str>;
    /// Puts the ids and the contact in.
    fn set_ids(&mut self, ghl_id: Option<String>, clienty_id: Option<String>, contact_id: String);
    /// Whether this, as GHL reports it, may be what the create of `announced` made, in whatever form GHL keeps it. A pull leaves such an entry
    /// to the push that looks for it: with a row of its own, the push would take it for another's, and create it again.
    fn could_match(&self, announced: &Self) -> bool;
    /// When GHL created it, where it says so.
    fn created_at(&self) -> Option<Timestamp> {
        None
    }
    /// The part of the contact that holds its kind.
    fn part() -> Part;
    /// The event's field without which there can be no new one, where it is missing.
    fn lacking(&self) -> Option<&'static str>;
    /// Sets the fields of `patch`.
    fn apply(&mut self, patch: &Self::Patch);
    /// What the patch would take away, and GHL keeps.
    fn kept(patch: &Self::Patch) -> &[Kept];
    /// Whether one of that id is gone with another: a series goes with the event that heads it.
    fn belongs_to_series(_ghl_id: &str, _gone: &str) -> bool {
        false
    }
    /// The record as it is first met: what this reading leaves out is unread.
    #[must_use]
    fn first_met(&self) -> Self;
    /// The names of its fields that nobody knows, taken out of it.
    fn take_unread(&mut self) -> Unread;
    /// The context in which it was read, where another one would have read it otherwise.
    fn read_in(&self) -> Option<&str> {
        None
    }
    /// The fields that are read in a context.
    const READ_IN: &'static [&'static str] = &[];
    /// Puts in what [`Entry::read_in`] reports.
    fn set_read_in(&mut self, _zone: Option<String>) {}
    /// Takes from `known`, as the record is known here, what GHL's words leave out or leave open. `prints` shows what was ever written; none
    /// stands for the reply to a write of `known` itself.
    fn read_like(&mut self, known: &Self, fingerprints: Option<&Fingerprints>);
}

/// What nobody knows of a record of which a first reading leaves these out.
fn unread(absent: &Absent) -> Unread {
    absent.iter().map(str::to_owned).collect()
}

/// What nobody knows still after another reading.
fn still_unread(before: &Unread, absent: &Absent) -> Unread {
    before.iter().filter(|name| absent.has(name)).cloned().collect()
}

impl Entry for Task {
    const KIND: &'static str = "task";
    const PUSH: JobKind = JobKind::PushTask;
    const EVENTS: Events = Events { created: "TaskCreate", updated: "TaskUpdate", deleted: "TaskDelete" };
    const GHL_ID_FIELD: &'static str = "data.taskId";
    const CLIENTY_ID_FIELD: &'static str = "data.clientyTaskId";
    type Patch = TaskPatch;

    fn ghl_id(&self) -> Option<&str> {
        self.task_id.as_deref()
    }

    fn set_ids(&mut self, ghl_id: Option<String>, clienty_id: Option<String>, contact_id: String) {
        (self.task_id, self.clienty_task_id, self.contact_id) = (ghl_id, clienty_id, contact_id);
    }

    fn could_match(&self, announced: &Self) -> bool {
        same_text(&announced.title, &self.title)
    }

    fn created_at(&self) -> Option<Timestamp> {
        self.added_at
    }

    fn part() -> Part {
        Part::Tasks
    }

    fn lacking(&self) -> Option<&'static str> {
        self.title.trim().is_empty().then_some("data.title")
    }

    fn apply(&mut self, patch: &TaskPatch) {
        patch.apply(self);
    }

    fn kept(patch: &TaskPatch) -> &[Kept] {
        &patch.kept
    }

    fn first_met(&self) -> Self {
        Self { unread: unread(&self.absent), ..self.clone() }
    }

    fn take_unread(&mut self) -> Unread {
        std::mem::take(&mut self.unread)
    }

    fn read_like(&mut self, known: &Self, _: Option<&Fingerprints>) {
        let absent = std::mem::take(&mut self.absent);
        *self = filled(self, &absent, known);
        self.unread = still_unread(&known.unread, &absent);
        self.added_at = known.added_at;
    }
}

impl Entry for Note {
    const KIND: &'static str = "note";
    const PUSH: JobKind = JobKind::PushNote;
    const EVENTS: Events = Events { created: "NoteCreate", updated: "NoteUpdate", deleted: "NoteDelete" };
    const GHL_ID_FIELD: &'static str = "data.noteId";
    const CLIENTY_ID_FIELD: &'static str = "data.clientyNoteId";
    type Patch = NotePatch;

    fn ghl_id(&self) -> Option<&str> {
        self.note_id.as_deref()
    }

    fn set_ids(&mut self, ghl_id: Option<String>, clienty_id: Option<String>, contact_id: String) {
        (self.note_id, self.clienty_note_id, self.contact_id) = (ghl_id, clienty_id, contact_id);
    }

    fn could_match(&self, announced: &Self) -> bool {
        same_text(&announced.note_text, &self.note_text)
    }

    fn created_at(&self) -> Option<Timestamp> {
        self.created_at
    }

    fn part() -> Part {
        Part::Notes
    }

    fn lacking(&self) -> Option<&'static str> {
        self.note_text.trim().is_empty().then_some("data.noteText")
    }

    fn apply(&mut self, patch: &NotePatch) {
        patch.apply(self);
    }

    fn kept(patch: &NotePatch) -> &[Kept] {
        &patch.kept
    }

    fn first_met(&self) -> Self {
        Self { unread: unread(&self.absent), ..self.clone() }
    }

    fn take_unread(&mut self) -> Unread {
        std::mem::take(&mut self.unread)
    }

    fn read_like(&mut self, known: &Self, _: Option<&Fingerprints>) {
        let absent = std::mem::take(&mut self.absent);
        *self = filled(self, &absent, known);
        self.unread = still_unread(&known.unread, &absent);
    }
}

impl Entry for Appointment {
    const KIND: &'static str = "appointment";
    const PUSH: JobKind = JobKind::PushAppointment;
    const EVENTS: Events =
        Events { created: "AppointmentCreate", updated: "AppointmentUpdate", deleted: "AppointmentDelete" };
    const GHL_ID_FIELD: &'static str = "data.appointmentId";
    const CLIENTY_ID_FIELD: &'static str = "data.clientyAppointmentId";
    type Patch = AppointmentPatch;

    fn ghl_id(&self) -> Option<&str> {
        self.appointment_id.as_deref()
    }

    fn set_ids(&mut self, ghl_id: Option<String>, clienty_id: Option<String>, contact_id: String) {
        (self.appointment_id, self.clienty_appointment_id, self.contact_id) = (ghl_id, clienty_id, contact_id);
    }

    fn could_match(&self, announced: &Self) -> bool {
        [self.start_time, self.second_hour.start_time].contains(&announced.start_time)
    }

    fn created_at(&self) -> Option<Timestamp> {
        self.added_at
    }

    fn part() -> Part {
        Part::Appointments
    }

    fn lacking(&self) -> Option<&'static str> {
        match self {
            Self { calendar_id: None, .. } => Some("data.calendarId"),
            Self { start_time: None, .. } => Some("data.startTime"),
            _ => None,
        }
    }

    fn apply(&mut self, patch: &AppointmentPatch) {
        patch.apply(self);
    }

    fn kept(patch: &AppointmentPatch) -> &[Kept] {
        &patch.kept
    }

    const READ_IN: &'static [&'static str] = <Self as Record>::TOGETHER;

    fn read_in(&self) -> Option<&str> {
        self.read_in.0.as_deref()
    }

    fn set_read_in(&mut self, zone: Option<String>) {
        self.read_in = ReadIn(zone);
    }

    fn belongs_to_series(ghl_id: &str, gone: &str) -> bool {
        head_of(ghl_id) == Some(gone)
    }

    fn first_met(&self) -> Self {
        Self { unread: unread(&self.absent), ..self.clone() }
    }

    fn take_unread(&mut self) -> Unread {
        std::mem::take(&mut self.unread)
    }

    /// Beside what is absent, two things are left open. An hour that the wall shows twice: where one of its meanings is what we know, nothing has changed. And notes,
    /// which are written as the description; the list of a contact's appointments and the replies to writes leave that out, so where
    /// nothing is reported about what we wrote, it stands. Notes of GHL's own are reported as long as there are any.
    fn read_like(&mut self, known: &Self, fingerprints: Option<&Fingerprints>) {
        let SecondHour { start_time, end_time } = std::mem::take(&mut self.second_hour);
        let (absent, read_in) = (std::mem::take(&mut self.absent), std::mem::take(&mut self.read_in));
        *self = Self { read_in, ..filled(self, &absent, known) };
        self.unread = still_unread(&known.unread, &absent);
        self.added_at = known.added_at;
        if absent.has("endTime") && self.start_time != known.start_time {
            // A start that moves takes the end along, as in GHL.
            let length = known.start_time.zip(known.end_time).map(|(start, end)| end.duration_since(start));
            self.end_time = self.start_time.zip(length).and_then(|(start, length)| start.checked_add(length).ok());
        }
        if start_time.is_some() && start_time == known.start_time {
            self.start_time = start_time;
        }
        if end_time.is_some() && end_time == known.end_time {
            self.end_time = end_time;
        }
        let is_as_known = (self.start_time, self.end_time) == (known.start_time, known.end_time);
        if is_as_known && (known.read_in.0.is_none() || (absent.has("startTime") && absent.has("endTime"))) {
            // What was reported with an offset once is as sure as before.
            self.read_in.clone_from(&known.read_in);
        }
        let Some(notes) = known.notes.as_ref().filter(|_| self.notes.is_none()) else { return };
        if fingerprints.is_none_or(|fingerprints| fingerprints.knows("notes", &notes.as_str().into())) {
            self.notes = Some(notes.clone());
        }
    }
}
