//! Jobs that this version can't handle: their key can't be queued, their kind is unknown, or an id in it is invalid.
//!
//! No door accepts such a row; another version or a hand wrote it. The workers set it aside as a dead letter, and it stays until a person decides.

use sync_workers::enqueue::{fault, unknown_kind};
use sync_workers::records::{JobFilter, JobKey, JobState, Records, RecordsError};

use super::{Check, named};

const NAME: &str = "ledger";
/// Keys of one page.
const PAGE: i64 = 1000;
/// Keys and dead letters that are looked through at most: a check ends within seconds.
const MOST: usize = 100_000;
const MOST_DEAD: i64 = 10_000;

/// Silent where the database does not answer, which another check reports.
pub(super) async fn check(records: &Records) -> Option<Check> {
    let faulty = faulty(records).await.ok()?;
    if faulty.is_empty() {
        return Some(Check::ok(NAME, "every open job can be queued"));
    }
    let found = format!("{} jobs can't be handled: {}", faulty.len(), named(&faulty));
    let remedy = "`clienty-sync jobs show JOB` shows one, `clienty-sync jobs discard JOB` closes it for good; what it stood for is sent anew \
                  under an id that is one";
    Some(Check::warning(NAME, found, remedy))
}

/// Records that differ from GHL and have no job. Silent if the database does not answer, which another check reports.
pub(super) async fn unpushed(records: &Records) -> Option<Check> {
    const NAME: &str = "records";
    Some(match records.count_unpushed(MOST_DEAD).await.ok()? {
        0 => Check::ok(NAME, "each record that differs from GHL has a job"),
        count => Check::warning(
            NAME,
            format!("{count} differ from GHL and have no job"),
            "the requeuer of a running worker opens their jobs within minutes; if the number does not fall, report a bug",
        ),
    })
}

/// The jobs, each with what is wrong.
async fn faulty(records: &Records) -> Result<Vec<String>, RecordsError> {
    let mut faulty = Vec::new();
    let (mut after, mut seen): (Option<JobKey>, usize) = (None, 0);
    loop {
        let page = records.open_jobs(after.as_ref(), 0, i64::MAX, PAGE).await?;
        for open in &page {
            let Some(wrong) = wrong(&open.key) else { continue };
            let rows = records.open_rows(&open.key).await?;
            faulty.extend(rows.into_iter().map(|id| format!("{id} ({wrong})")));
        }
        seen += page.len();
        match page.into_iter().next_back() {
            Some(last) if seen < MOST => after = Some(last.key),
            _ => break,
        }
    }
    let dead = JobFilter { state: Some(JobState::Dead), ..JobFilter::default() };
    let dead = records.list_jobs(&dead, MOST_DEAD).await?;
    faulty.extend(dead.iter().filter_map(|job| wrong(&job.key).map(|wrong| format!("{} ({wrong})", job.id))));
    Ok(faulty)
}

fn wrong(key: &JobKey) -> Option<String> {
    fault(key).or_else(|| unknown_kind(key))
}
