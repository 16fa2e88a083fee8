//! placeholder
use super::{JobError, Task};
pub(super) async fn run(_task: &Task<'_>) -> Result<(), JobError> {
    Ok(())
}
