//! The work itself: live workers, jobs that wait for too long, dead letters, and whether GHL still
//! sends webhooks.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use sync_model::clock::Clock;
use sync_workers::presence::SILENT;
use sync_workers::records::{Connection, JobState, Process, Records, RecordsError};

use super::{Check, named};
use crate::config::Config;

/// A runnable job that waits longer than this means that no worker is running.
const LATE: Duration = Duration::from_secs(5 * 60);
/// A location that is in use sends a webhook more often than this.
const QUIET: Duration = Duration::from_secs(24 * 60 * 60);

/// Silent if the database does not answer, which another check reports.
pub(super) async fn check(config: &Config, records: &Records) -> Vec<Check> {
    look(config, records).await.unwrap_or_default()
}

async fn look(config: &Config, records: &Records) -> Result<Vec<Check>, RecordsError> {
    let clock = Clock::system();
    let since = clock.now_ms().saturating_sub(millis(SILENT));
    let processes = records.list_processes(since).await?;
    let counts = records.job_counts().await?;
    let count = |state: JobState| counts.iter().find(|(known, _)| *known == state).map_or(0, |(_, count)| *count);
    let open = count(JobState::Waiting) + count(JobState::Scheduled) + count(JobState::Running);
    let age_ms = records.oldest_open_ms(|_, _| true).await?.map(|since| clock.now_ms().saturating_sub(since));
    Ok(vec![
        alive(&processes, open),
        alike(config, &processes),
        dead(count(JobState::Dead)),
        oldest(age_ms.unwrap_or(0)),
        webhooks(records, clock.now()).await?,
    ])
}

fn alive(processes: &[Process], open: i64) -> Check {
    const NAME: &str = "processes";
    let reported: Vec<_> =
        processes.iter().map(|one| format!("{} {} ({} pid {})", one.role, one.version, one.host, one.pid)).collect();
    let others = if reported.is_empty() { String::new() } else { format!("; alive: {}", named(&reported)) };
    match processes.iter().filter(|one| one.role != "gateway").count() {
        0 if open > 0 => Check::failed(
            NAME,
            format!("no worker is alive, and {open} jobs are open{others}"),
            "start `clienty-sync up`, or `clienty-sync worker` beside the gateway",
        ),
        0 => Check::warning(
            NAME,
            format!("no worker is alive{others}"),
            "start `clienty-sync up`, or gateway and worker",
        ),
        _ => Check::ok(NAME, format!("{} alive: {}", reported.len(), named(&reported))),
    }
}

/// Processes that differ in version, flows or master keys handle the same event differently.
fn alike(config: &Config, processes: &[Process]) -> Check {
    const NAME: &str = "agreement";
    let distinct = |of: fn(&Process) -> String| processes.iter().map(of).collect::<BTreeSet<_>>().len();
    let counts = [
        ("versions", distinct(|one| one.version.clone())),
        ("flows", distinct(|one| one.flows.clone())),
        ("master keys", distinct(|one| one.master_keys.join(","))),
        ("queues", distinct(|one| one.queue.clone())),
    ];
    let differing = counts.into_iter().filter(|(_, count)| *count > 1);
    let mut differing: Vec<_> = differing.map(|(what, count)| format!("{count} different {what}")).collect();
    let own: Vec<_> = config.secrets.master_keys.iter().map(|key| key.id.clone()).collect();
    if !processes.is_empty() && !processes.iter().any(|one| one.master_keys == own) {
        differing.push(format!("this shell has different master keys ({})", own.join(",")));
    }
    match differing.as_slice() {
        [] => Check::ok(NAME, "the live processes have one version, the same flows and the same master keys"),
        differing => {
            Check::warning(NAME, named(differing), "restart the processes with the same release, settings and flows")
        }
    }
}

fn dead(count: i64) -> Check {
    const NAME: &str = "dead letters";
    match count {
        0 => Check::ok(NAME, "none"),
        count => Check::warning(
            NAME,
            format!("{count} jobs are dead letters"),
            "`clienty-sync jobs list --state dead` lists them, `jobs retry` retries them, `jobs discard` closes them",
        ),
    }
}

fn oldest(age_ms: i64) -> Check {
    const NAME: &str = "oldest job";
    let found = format!("runnable for {} s", age_ms / 1000);
    match age_ms {
        0 => Check::ok(NAME, "none is waiting"),
        age if age < millis(LATE) => Check::ok(NAME, found),
        _ => Check::warning(NAME, found, "`clienty-sync jobs list --state waiting` and `jobs show JOB` show why"),
    }
}

async fn webhooks(records: &Records, now: Timestamp) -> Result<Check, RecordsError> {
    const NAME: &str = "webhooks";
    let connections = records.list_connections().await?;
    let connected = connections.into_iter().filter(Connection::is_connected).map(|one| one.location_id);
    let activity = records.activity().await?;
    let (mut all, mut quiet) = (0, Vec::new());
    for id in connected {
        all += 1;
        match activity.get(&id).and_then(|one| one.last_webhook_at) {
            Some(at) if now.duration_since(at).unsigned_abs() <= QUIET => {}
            Some(at) => quiet.push(format!("{id} (last at {at:.0})")),
            None => quiet.push(format!("{id} (never)")),
        }
    }
    Ok(match quiet.as_slice() {
        [] => Check::ok(NAME, format!("each of {all} locations sent one within a day")),
        quiet => Check::warning(
            NAME,
            format!("{} of {all} locations sent none within a day: {}", quiet.len(), named(quiet)),
            "check that the marketplace app sends its webhooks to the gateway's /webhooks/ghl; until then, reconciliation finds changes later",
        ),
    })
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
