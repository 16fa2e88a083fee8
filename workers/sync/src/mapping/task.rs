//! A task, both ways.

use ::ghl::{WireSecond, WireTime, model as ghl};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sync_model::decide::absent::{Absent, Unread};
use sync_model::decide::push_task::{Edited, TaskChanges};
use sync_model::record::Task;

use super::{MissingField, take};

/// The task in Clienty's words. It was read for `contact_id`; whether a producer knows it by an id of its own is not in
/// GHL, so `clienty_task_id` is none.
#[must_use]
pub fn from_ghl(task: ghl::Task, contact_id: &str) -> Task {
    let ghl::Task { id, title, body, assigned_to, due_date, completed, date_added, contact_id: reported_contact_id } =
        task;
    let mut absent = Absent::default();
    Task {
        task_id: Some(id),
        clienty_task_id: None,
        contact_id: reported_contact_id.unwrap_or_else(|| contact_id.to_owned()),
        title: take("title", title, &mut absent).unwrap_or_default(),
        body: take("body", body, &mut absent),
        due_date: take("dueDate", due_date.and_then(to_the_second), &mut absent),
        completed: take("completed", completed, &mut absent).unwrap_or(false),
        assigned_to: take("assignedTo", assigned_to, &mut absent),
        unread: Unread::new(),
        added_at: date_added.value().and_then(|time| time.instant_in(&TimeZone::UTC)),
        absent,
    }
}

/// The body that creates `task`.
///
/// # Errors
/// [`MissingField`] where it has no title or no due date.
pub fn to_new(task: &Task) -> Result<ghl::NewTask, MissingField> {
    let Edited { title, body, due_date, completed, assigned_to } = Edited::of(task);
    if title.trim().is_empty() {
        return Err(missing("title"));
    }
    let due_date = due_date.ok_or(missing("dueDate"))?;
    Ok(ghl::NewTask {
        title: title.to_owned(),
        body: body.map(str::to_owned),
        due_date: WireSecond::from(due_date),
        completed,
        assigned_to: assigned_to.map(str::to_owned),
    })
}

fn missing(field: &'static str) -> MissingField {
    MissingField { record: "task", field }
}

/// The body that makes `changes`.
#[must_use]
pub fn to_update(changes: TaskChanges) -> ghl::UpdateTask {
    let TaskChanges { title, body, due_date, completed, assigned_to } = changes;
    ghl::UpdateTask { title, body, due_date: due_date.map(WireSecond::from), completed, assigned_to }
}

/// A due date without an offset is UTC: the documents show none other, and producers write UTC.
fn to_the_second(time: WireTime) -> Option<Timestamp> {
    Timestamp::from_second(time.instant_in(&TimeZone::UTC)?.as_second()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// Task as GHL keeps it: with an id of its own, a due date to the second, nothing that is white space alone.
    fn task() -> impl Strategy<Value = Task> {
        let text = "[^\\s]\\PC{0,30}";
        let due = 0_i64..4_102_444_800;
        (text, option::of(text), due, any::<bool>(), option::of("[A-Za-z0-9]{20}")).prop_map(
            |(title, body, due, completed, assigned_to)| Task {
                task_id: Some("t1".to_owned()),
                clienty_task_id: None,
                contact_id: "c1".to_owned(),
                title,
                body,
                due_date: Some(Timestamp::from_second(due).unwrap()),
                completed,
                assigned_to,
                ..Task::default()
            },
        )
    }

    /// What GHL answers to a body: the same, with ids.
    fn answered(body: impl serde::Serialize) -> Task {
        let mut reply = serde_json::to_value(body).unwrap();
        reply["id"] = json!("t1");
        reply["contactId"] = json!("c1");
        read(reply)
    }

    proptest! {
        #[test]
        fn a_task_comes_back_as_it_was_created(task in task()) {
            prop_assert_eq!(answered(to_new(&task).unwrap()), task);
        }

        #[test]
        fn a_task_comes_back_as_it_was_updated(task in task()) {
            let Task { title, body, due_date, completed, assigned_to, .. } = task.clone();
            let changes = TaskChanges { title: Some(title), body, due_date, completed: Some(completed), assigned_to };
            prop_assert_eq!(answered(to_update(changes)), task);
        }
    }

    fn read(task: Value) -> Task {
        Task { absent: Absent::default(), ..from_ghl(serde_json::from_value(task).unwrap(), "c1") }
    }

    #[test]
    fn a_due_date_is_kept_to_the_second() {
        let task = read(json!({"id": "t1", "dueDate": "2021-07-08T02:30:00.987Z"}));
        assert_eq!(task.due_date, Some("2021-07-08T02:30:00Z".parse().unwrap()));
    }

    #[test]
    fn a_task_without_anything_is_open_and_belongs_to_the_contact_it_was_read_for() {
        let task = read(json!({"id": "t1", "title": null, "completed": null, "contactId": null}));
        let expected = Task { task_id: Some("t1".to_owned()), contact_id: "c1".to_owned(), ..Task::default() };
        assert_eq!(task, expected);
    }

    #[test]
    fn a_task_that_ghl_would_refuse_is_refused_by_field() {
        let due_date = Some(Timestamp::UNIX_EPOCH);
        let untitled = Task { title: " ".to_owned(), due_date, ..Task::default() };
        assert_eq!(to_new(&untitled), Err(missing("title")));
        let timeless = Task { title: "Call".to_owned(), ..Task::default() };
        assert_eq!(to_new(&timeless), Err(missing("dueDate")));
    }

    #[test]
    fn an_update_sends_only_what_changes() {
        let changes = TaskChanges { title: Some("New".to_owned()), ..TaskChanges::default() };
        assert_eq!(serde_json::to_value(to_update(changes)).unwrap(), json!({"title": "New"}));
    }
}
