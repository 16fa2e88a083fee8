//! `refresh_location`: the time zone of a location, asked of GHL again because GHL said that the location changed.

use super::{JobError, Task, zones};

pub(super) async fn run(task: &Task<'_>) -> Result<(), JobError> {
    zones::ask(task).await?;
    task.environment.records.begin(&task.run).await?.close_run(&[]).await?;
    Ok(())
}
