//! `refresh_location`: the time zone of a location, asked of GHL again because GHL said that the location changed; or its custom fields, because
//! an event named one that it is not known to have.

use super::{JobError, Task, zones};
use crate::records::REFRESHES_FIELDS;

pub(super) async fn run(task: &Task<'_>) -> Result<(), JobError> {
    match task.record() {
        REFRESHES_FIELDS => task.environment.fields.refresh(task).await?,
        _ => drop(zones::ask(task).await?),
    }
    task.environment.records.begin(&task.run).await?.close_run(&[]).await?;
    Ok(())
}
