//! Keeps this process's row among the live ones fresh.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;
use uuid::Uuid;

use crate::flows::hash;
use crate::records::{NewProcess, Records};

/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(10);
/// A process that was not seen for so long counts as dead.
pub const SILENT: Duration = Duration::from_secs(30);

/// A process that is seen. Dropped, it is seen no more.
#[derive(Debug)]
pub struct Presence {
    id: String,
    records: Records,
    beating: JoinHandle<()>,
}

impl Presence {
    /// Reports the process as alive from now on. If the database does not answer, it is written later: this must not keep a process from its work.
    pub async fn begin(records: Records, mut process: NewProcess) -> Self {
        let id = Uuid::now_v7().to_string();
        see(&records, &id, &process).await;
        let (beats, beating_id) = (records.clone(), id.clone());
        let beating = tokio::spawn(async move {
            loop {
                sleep(BEAT).await;
                // Files of flows may have changed.
                process.flows = hash(&beats.file_flows());
                see(&beats, &beating_id, &process).await;
            }
        });
        Self { id, records, beating }
    }

    /// The process ends in order.
    pub async fn end(self) {
        self.beating.abort();
        if let Err(error) = self.records.forget_process(&self.id).await {
            tracing::debug!(%error, "the row of this process stays until it is old");
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.beating.abort();
    }
}

async fn see(records: &Records, id: &str, process: &NewProcess) {
    if let Err(error) = records.see_process(id, process).await {
        tracing::debug!(%error, "this process could not report that it is alive; it tries again");
    }
}
