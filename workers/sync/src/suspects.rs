//! What may kill its process runs first, and alone: the start of the one process that has the queue in memory (law 11).
//!
//! [`Records::count_kills`] says with what the processes before this one were killed. What was killed twice runs alone here, before all
//! else, so that a third time leaves no doubt which job it is.

use std::time::Duration;

use job_engine::Queue;

use crate::enqueue::enqueue;
use crate::jobs::new_job;
use crate::records::{Records, RecordsError};

/// How long the other jobs wait for those that may kill the process.
const ALONE: Duration = Duration::from_secs(60);
/// Between two looks whether these are over.
const LOOK: Duration = Duration::from_millis(100);

/// Counts what the process before this one was killed with; whether jobs have to run alone. Before anything runs.
///
/// # Errors
/// [`RecordsError::Database`].
pub async fn count(records: &Records) -> Result<bool, RecordsError> {
    records.count_kills().await?;
    Ok(!records.suspects().await?.is_empty())
}

/// Runs the jobs with which the processes before this one were killed, each alone where one worker runs, until they have ended a run: what kills
/// this process too becomes a dead letter in the next one.
pub async fn run_first(records: &Records, queue: &Queue) {
    let over = async {
        let mut is_reported = false;
        loop {
            match records.suspects().await {
                Ok(suspects) if suspects.is_empty() => return,
                Ok(suspects) if !is_reported => {
                    tracing::warn!(
                        jobs = suspects.len(),
                        "the process was killed twice while these jobs ran; they run first, one at a time"
                    );
                    let jobs = suspects.iter().map(|(key, priority)| new_job(key, *priority)).collect();
                    is_reported = enqueue(records, queue, jobs).await.is_ok();
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "can't read which jobs have to run alone; trying again"),
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    if tokio::time::timeout(ALONE, over).await.is_err() {
        tracing::warn!("jobs that may kill the process have not ended; other jobs run beside them now");
    }
}
