//! Connected locations whose jobs wait: paused by an operator, or with an open circuit.

use std::collections::{BTreeMap, BTreeSet};

use job_engine::Breaker;
use sync_model::clock::Clock;
use sync_workers::records::{Connection, JobFilter, JobState, Records};

use super::super::jobs::Halted;
use super::{Check, named};
use crate::app::{Terms, open_queue};
use crate::config::Config;

const NAME: &str = "locations";
/// Waiting jobs whose last error is read.
const JOBS: i64 = 1000;

/// Silent if the database or the queue does not answer, which other checks report.
pub(super) async fn check(config: &Config, records: &Records) -> Vec<Check> {
    look(config, records).await.unwrap_or_default()
}

async fn look(config: &Config, records: &Records) -> anyhow::Result<Vec<Check>> {
    let connections = records.list_connections().await?;
    let connected: BTreeSet<_> =
        connections.into_iter().filter(Connection::is_connected).map(|connection| connection.location_id).collect();
    let errors = errors(records).await?;
    let with_error = |id: &String| match errors.get(id) {
        Some(error) => format!("{id} ({error})"),
        None => id.clone(),
    };
    let mut checks = Vec::new();
    if config.is_distributed() {
        // Not a whole app: that would bring the schema up to date, which is not for a check to do.
        let queue = open_queue(config, Breaker::default(), records, &Clock::system(), Terms::default()).await?;
        let Halted { paused, broken, .. } = Halted::look(&queue).await?;
        let of_connected = |ids: Vec<String>| ids.into_iter().filter(|id| connected.contains(id)).collect::<Vec<_>>();
        let (paused, broken) = (of_connected(paused), of_connected(broken));
        if !broken.is_empty() {
            let broken: Vec<_> = broken.iter().map(with_error).collect();
            let found = format!("circuit open for {} of {}: {}", broken.len(), connected.len(), named(&broken));
            checks.push(Check::failed(NAME, found, MEND));
        }
        if !paused.is_empty() {
            let found = format!("{} of {} are paused: {}", paused.len(), connected.len(), named(&paused));
            checks.push(Check::warning(NAME, found, "`clienty-sync jobs resume LOCATION_ID` resumes one"));
        }
    } else {
        // The queue is in the memory of another process: what its jobs met stands in the ledger.
        let failing: Vec<_> = connected.iter().filter(|id| errors.contains_key(*id)).map(with_error).collect();
        if !failing.is_empty() {
            let found =
                format!("{} of {} have jobs that failed and wait: {}", failing.len(), connected.len(), named(&failing));
            checks.push(Check::warning(NAME, found, MEND));
        }
    }
    if checks.is_empty() {
        checks.push(Check::ok(NAME, format!("none of {} is paused or has an open circuit", connected.len())));
    }
    Ok(checks)
}

const MEND: &str = "if GHL refuses the token, store a new one with `clienty-sync connect --location ID --pit-file FILE`, or disconnect the \
                    location with `clienty-sync disconnect --location ID`; otherwise a probe retries by itself";

/// The last error of a waiting job, by location.
async fn errors(records: &Records) -> anyhow::Result<BTreeMap<String, String>> {
    let filter = JobFilter { state: Some(JobState::Waiting), ..JobFilter::default() };
    let jobs = records.list_jobs(&filter, JOBS).await?;
    Ok(jobs.into_iter().filter_map(|job| Some((job.key.location_id, job.last_error?))).collect())
}
