//! What the pages did not show: contacts that GHL may have lost, and those with differences.
//!
//! An import leaves them to pulls, which mark what is gone. So does a reconciliation, for which
//! they are deletions that no webhook reported: the call for the contact itself decides. `verify`
//! fetches each again, so that a difference that comes from the search's delay or from an edit in
//! progress is no finding.

use futures_util::future::join_all;

use super::super::{JobError, JobRun, pull_contact};
use super::{Outcome, go_on};
use crate::jobs::compare;
use crate::records::{Found, Needs, Phase, Purpose, Scan};

/// Contacts of one run that makes no calls.
const MANY: i64 = 200;
/// The calls that fetch a contact with everything.
const CALLS: u32 = 4;

pub(super) async fn run(job: &JobRun<'_>, mut scan: Scan) -> Result<(), JobError> {
    let records = &job.environment.records;
    let after = scan.cursor.as_ref().and_then(|cursor| cursor.as_str()).unwrap_or_default().to_owned();
    let compares = scan.purpose == Purpose::Verify;
    let zone = if compares { Some(job.environment.time_zones.of(job).await?) } else { None };
    let most = if compares { i64::from(job.permits.left() / CALLS) } else { MANY };
    if most == 0 {
        return Err(JobError::NeedsMorePermits);
    }
    let ids = records.unseen_contacts(&scan, &after, most).await?;
    let Some(last) = ids.last() else {
        scan.enter(Phase::Done);
        return go_on(job, records.begin(&job.run).await?, &mut scan, Outcome::default()).await;
    };
    scan.cursor = Some(last.as_str().into());
    let Some(zone) = zone else {
        let outcome = match scan.triggers() {
            true => Outcome { found: ids.into_iter().map(gone).collect(), ..Outcome::default() },
            false => Outcome { pulls: ids, ..Outcome::default() },
        };
        return go_on(job, records.begin(&job.run).await?, &mut scan, outcome).await;
    };
    let zone = Ok(zone);
    let fetched = join_all(ids.iter().map(|id| pull_contact::fetch(job, id, Needs::ALL, &zone))).await;
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for (id, fetched) in ids.iter().zip(fetched) {
        let view = records.contact_view(&scan.location_id, id).await?;
        let fetched = fetched?;
        if let Some(fetched) = &fetched {
            if let Some(error) = fetched.to_ask_again() {
                return Err(error);
            }
            missing.push((id, fetched.came(), fetched.reasons()));
        }
        found.push(match (fetched, view) {
            (None, None) => Vec::new(),
            (None, Some(view)) => compare::gone(id, &view),
            // What GHL refuses to show is not compared.
            (Some(fetched), view) => compare::contact(id, &fetched.parts, view.as_ref()),
        });
    }
    let mut tx = records.begin(&job.run).await?;
    let had_missing = tx.has_missing().await?;
    for (id, came, reasons) in missing.iter().filter(|(_, _, reasons)| had_missing || !reasons.is_empty()) {
        tx.keep_missing(id, came, reasons).await?;
    }
    for (id, findings) in ids.iter().zip(&found) {
        tx.keep_findings(&scan, id, findings, true).await?;
        tx.mark_seen(&scan, id).await?;
    }
    go_on(job, tx, &mut scan, Outcome::default()).await
}

fn gone(contact_id: String) -> Found {
    Found { event: "ContactDelete", contact_id, needs: Needs { contact: true, ..Needs::NONE } }
}
