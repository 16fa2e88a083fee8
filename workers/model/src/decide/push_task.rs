//! How a task of a producer gets into GHL, with the fewest calls.
//!
//! `base` is what GHL is known to hold. Only what differs from it is sent, so an edit made in GHL to another field
//! survives.
//!
//! Two limits of GHL's API shape the comparison. Due dates are kept to the second there. And a due date or an assignee
//! can be changed but not taken away: wanting none leaves the one that is there, or each push would find a difference
//! that it can't mend. A body can be emptied.

use jiff::Timestamp;

use crate::record::Task;

/// What to send.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskPlan {
    /// GHL already has it so.
    Nothing,
    /// Create it, completed or not.
    Create,
    /// Change these fields, in one call.
    Update(TaskChanges),
    /// Complete it: nothing else differs.
    Complete,
    /// Delete it.
    Delete,
}

/// The fields that differ, with the values they shall have.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TaskChanges {
    /// The new title.
    pub title: Option<String>,
    /// The new body; empty takes the old one away.
    pub body: Option<String>,
    /// The new due date.
    pub due_date: Option<Timestamp>,
    /// Whether it is completed now.
    pub completed: Option<bool>,
    /// The GHL user who has it now.
    pub assigned_to: Option<String>,
}

/// The calls that make GHL, which holds `base`, hold `wanted`; or nothing of it, where `deleted`.
#[must_use]
pub fn plan(wanted: &Task, base: Option<&Task>, deleted: bool) -> TaskPlan {
    match (base, deleted) {
        (None, true) => TaskPlan::Nothing,
        (Some(_), true) => TaskPlan::Delete,
        (None, false) => TaskPlan::Create,
        (Some(base), false) => {
            let changes = Edited::of(wanted).changes_of(&Edited::of(base));
            if changes == TaskChanges::default() {
                TaskPlan::Nothing
            } else if changes == (TaskChanges { completed: Some(true), ..TaskChanges::default() }) {
                TaskPlan::Complete
            } else {
                TaskPlan::Update(changes)
            }
        }
    }
}

/// What both sides can edit of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edited<'a> {
    /// Its title.
    pub title: &'a str,
    /// Its body.
    pub body: Option<&'a str>,
    /// When it is due.
    pub due_date: Option<Timestamp>,
    /// Whether it is completed.
    pub completed: bool,
    /// The GHL user who has it.
    pub assigned_to: Option<&'a str>,
}

impl<'a> Edited<'a> {
    /// That of `task`. The ids say which task it is; GHL moves no task to another contact.
    #[must_use]
    pub fn of(task: &'a Task) -> Self {
        let Task {
            task_id: _,
            clienty_task_id: _,
            contact_id: _,
            title,
            body,
            due_date,
            completed,
            assigned_to,
            unread: _,
            added_at: _,
            absent: _,
        } = task;
        let (body, assigned_to) = (body.as_deref(), assigned_to.as_deref());
        Self { title, body, due_date: *due_date, completed: *completed, assigned_to }
    }

    /// The fields in which it differs from `base`, as far as GHL can store them.
    #[must_use]
    pub fn changes_of(&self, base: &Self) -> TaskChanges {
        let Self { title, body, due_date, completed, assigned_to } = *self;
        let body = body.unwrap_or_default();
        TaskChanges {
            title: (title != base.title).then(|| title.to_owned()),
            body: (body != base.body.unwrap_or_default()).then(|| body.to_owned()),
            due_date: due_date.filter(|due| Some(due.as_second()) != base.due_date.map(Timestamp::as_second)),
            completed: (completed != base.completed).then_some(completed),
            assigned_to: assigned_to.filter(|_| assigned_to != base.assigned_to).map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        Task {
            task_id: Some("t1".to_owned()),
            clienty_task_id: Some("k1".to_owned()),
            contact_id: "c1".to_owned(),
            title: "Call".to_owned(),
            body: Some("About the offer".to_owned()),
            due_date: Some("2026-03-01T09:00:00Z".parse().unwrap()),
            completed: false,
            assigned_to: Some("u1".to_owned()),
            ..Task::default()
        }
    }

    #[test]
    fn a_task_that_ghl_lacks_is_created() {
        assert_eq!(plan(&task(), None, false), TaskPlan::Create);
        assert_eq!(plan(&Task { completed: true, ..task() }, None, false), TaskPlan::Create);
    }

    #[test]
    fn a_task_that_ghl_has_so_costs_no_call() {
        assert_eq!(plan(&task(), Some(&task()), false), TaskPlan::Nothing);
    }

    #[test]
    fn milliseconds_and_an_empty_body_are_no_difference() {
        let wanted =
            Task { due_date: Some("2026-03-01T09:00:00.999Z".parse().unwrap()), body: Some(String::new()), ..task() };
        assert_eq!(plan(&wanted, Some(&Task { body: None, ..task() }), false), TaskPlan::Nothing);
    }

    #[test]
    fn the_producers_own_id_is_no_difference() {
        let base = Task { clienty_task_id: None, ..task() };
        assert_eq!(plan(&task(), Some(&base), false), TaskPlan::Nothing);
    }

    #[test]
    fn completing_alone_has_its_own_call() {
        let wanted = Task { completed: true, ..task() };
        assert_eq!(plan(&wanted, Some(&task()), false), TaskPlan::Complete);
    }

    #[test]
    fn completing_with_an_edit_is_one_update() {
        let wanted = Task { completed: true, title: "Called".to_owned(), ..task() };
        let changes = TaskChanges { completed: Some(true), title: Some("Called".to_owned()), ..TaskChanges::default() };
        assert_eq!(plan(&wanted, Some(&task()), false), TaskPlan::Update(changes));
    }

    #[test]
    fn reopening_is_an_update() {
        let base = Task { completed: true, ..task() };
        let changes = TaskChanges { completed: Some(false), ..TaskChanges::default() };
        assert_eq!(plan(&task(), Some(&base), false), TaskPlan::Update(changes));
    }

    #[test]
    fn only_fields_that_differ_are_sent() {
        let due_date = Some("2026-03-02T09:00:00Z".parse().unwrap());
        let wanted = Task { due_date, assigned_to: Some("u2".to_owned()), ..task() };
        let changes = TaskChanges { due_date, assigned_to: Some("u2".to_owned()), ..TaskChanges::default() };
        assert_eq!(plan(&wanted, Some(&task()), false), TaskPlan::Update(changes));
    }

    #[test]
    fn a_body_is_emptied_but_a_due_date_and_an_assignee_stay() {
        let wanted = Task { body: None, due_date: None, assigned_to: None, ..task() };
        let changes = TaskChanges { body: Some(String::new()), ..TaskChanges::default() };
        assert_eq!(plan(&wanted, Some(&task()), false), TaskPlan::Update(changes));
    }

    #[test]
    fn a_deleted_task_is_deleted_once() {
        assert_eq!(plan(&task(), Some(&task()), true), TaskPlan::Delete);
        assert_eq!(plan(&task(), None, true), TaskPlan::Nothing);
    }
}
