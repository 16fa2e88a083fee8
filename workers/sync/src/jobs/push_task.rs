//! `push_task`: creates, updates, completes or deletes a task in GHL.

use std::collections::HashSet;

use ghl::model::SearchTasks;
use sync_model::decide::match_lost_create::{self, TaskFingerprint};
use sync_model::decide::push_task::{TaskPlan, plan};
use sync_model::record::Task;

use super::find_task::PAGE;
use super::push::{Push, Shown};
use super::{JobError, JobRun};
use crate::mapping::task;
use crate::records::Entry as _;

impl Push for Task {
    async fn list(job: &JobRun<'_>, contact: &str) -> Result<Shown<Self>, JobError> {
        let remote = job.ghl().list_tasks(contact).await?;
        Ok(Shown::of(remote, "get-all-tasks", |held| task::from_ghl(held, contact)))
    }

    async fn whereabouts(job: &JobRun<'_>, id: &str, task: &Self) -> Result<Option<String>, JobError> {
        let search = SearchTasks { query: Some(task.title.clone()), limit: PAGE, ..SearchTasks::default() };
        let page = job.ghl().search_tasks(job.location(), &search).await?;
        Ok(page.tasks.into_iter().find(|found| found.id == id).and_then(|found| found.contact_id))
    }

    fn lost<'a>(announced: &Self, remote: &'a [Self], linked: &HashSet<String>) -> Option<&'a str> {
        match_lost_create::lost_task(&TaskFingerprint::of(announced), remote, linked)
    }

    async fn check(&self, _: &JobRun<'_>) -> Result<(), JobError> {
        task::to_new(self)?;
        Ok(())
    }

    async fn create(&self, job: &JobRun<'_>, contact: &str) -> Result<Self, JobError> {
        let mut made = task::from_ghl(job.ghl().create_task(contact, &task::to_new(self)?).await?, contact);
        made.read_like(self, None);
        Ok(made)
    }

    async fn change(&self, job: &JobRun<'_>, contact: &str, id: &str, base: &Self) -> Result<Option<Self>, JobError> {
        let held = match plan(self, Some(base), false) {
            TaskPlan::Update(changes) => job.ghl().update_task(contact, id, &task::to_update(changes)).await?,
            TaskPlan::Complete => job.ghl().complete_task(contact, id, true).await?,
            TaskPlan::Nothing | TaskPlan::Create | TaskPlan::Delete => return Ok(None),
        };
        let mut held = task::from_ghl(held, contact);
        held.read_like(self, None);
        Ok(Some(held))
    }

    async fn delete(job: &JobRun<'_>, contact: &str, id: &str) -> Result<(), JobError> {
        Ok(job.ghl().delete_task(contact, id).await?)
    }
}
