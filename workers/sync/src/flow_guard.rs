//! Looks every minute whether a flow runs away, and switches it off ([`Records::pause_runaway_flows`]).

use std::time::Duration;

use tokio::time::sleep;

use crate::records::Records;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(60);

/// Runs until it is aborted. Any number of processes may: a flow is switched off once.
pub async fn run(records: Records) {
    loop {
        if let Err(error) = records.pause_runaway_flows().await {
            tracing::warn!(%error, "whether a flow runs away is not known; it is looked at again in a minute");
        }
        sleep(LOOK).await;
    }
}
