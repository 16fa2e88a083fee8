//! Tasks of a contact.

use super::super::model::{CompleteTask, Listed, NewTask, SearchTasks, Task, TaskPage, UpdateTask};
use super::super::{GhlError, Run, endpoints};

impl Run<'_> {
    /// All tasks of a contact.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where the contact does not exist; any other as documented there.
    pub async fn list_tasks(&self, contact_id: &str) -> Result<Listed<Task>, GhlError> {
        self.listed(&self.for_long_list().call(&endpoints::LIST_TASKS, &[contact_id]).await?, "tasks")
    }

    /// One page of the tasks of a whole location; [`Run::task_pages`] goes through all of them.
    ///
    /// How many GHL gives at most is not documented, so a page that is not full need not be the last: an empty one is.
    ///
    /// # Errors
    /// As documented at [`GhlError`].
    pub async fn search_tasks(&self, location_id: &str, search: &SearchTasks) -> Result<TaskPage, GhlError> {
        let run = if search.limit == 1 { self.for_long_list() } else { *self };
        let reply = run.call_with(&endpoints::SEARCH_TASKS, &[location_id], search).await?;
        let Listed { items: tasks, passed_over } = self.listed::<Task>(&reply, "tasks")?;
        let given = u32::try_from(tasks.len() + passed_over).unwrap_or(u32::MAX);
        Ok(TaskPage { tasks, passed_over, next: (given > 0).then(|| search.skip.saturating_add(given)) })
    }

    /// One task.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where it or its contact does not exist; any other as documented there.
    pub async fn get_task(&self, contact_id: &str, task_id: &str) -> Result<Task, GhlError> {
        self.call(&endpoints::GET_TASK, &[contact_id, task_id]).await?.record("task")
    }

    /// Creates a task. Not to be sent again where [`GhlError::outcome_unknown`]: look for it first.
    ///
    /// # Errors
    /// As documented at [`GhlError`].
    pub async fn create_task(&self, contact_id: &str, task: &NewTask) -> Result<Task, GhlError> {
        self.call_with(&endpoints::CREATE_TASK, &[contact_id], task).await?.record("task")
    }

    /// Changes a task, and returns what GHL made of it.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where it does not exist; any other as documented there.
    pub async fn update_task(&self, contact_id: &str, task_id: &str, changes: &UpdateTask) -> Result<Task, GhlError> {
        self.call_with(&endpoints::UPDATE_TASK, &[contact_id, task_id], changes).await?.record("task")
    }

    /// Completes a task, or reopens it with `completed` false.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where it does not exist; any other as documented there.
    pub async fn complete_task(&self, contact_id: &str, task_id: &str, completed: bool) -> Result<Task, GhlError> {
        let body = CompleteTask { completed };
        self.call_with(&endpoints::COMPLETE_TASK, &[contact_id, task_id], &body).await?.record("task")
    }

    /// Deletes a task.
    ///
    /// # Errors
    /// [`GhlError::Gone`] where it was not there; any other as documented there.
    pub async fn delete_task(&self, contact_id: &str, task_id: &str) -> Result<(), GhlError> {
        self.call(&endpoints::DELETE_TASK, &[contact_id, task_id]).await?.done()
    }
}
