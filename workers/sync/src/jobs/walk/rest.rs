//! What the pages did not show: contacts that GHL may have lost, and those with differences.
//!
//! An import leaves them to pulls, which mark what is gone. So does a reconciliation, for which
//! they are deletions that no webhook reported: the call for the contact itself decides. `verify`
//! fetches each again, so that a difference that comes from the search's delay or from an edit in
//! progress is no finding.

use futures_util::future::join_all;

use super::super::{JobError, Task, pull_contact};
use super::{Outcome, go_on};
use crate::jobs::compare;
use crate::records::{Found, Needs, Phase, Purpose, Walk};

/// Contacts of one run that makes no calls.
const MANY: i64 = 200;
/// The calls that fetch a contact with everything.
const CALLS: u32 = 4;

pub(super) async fn run(task: &Task<'_>, mut walk: Walk) -> Result<(), JobError> {
    let records = &task.environment.records;
    let after = walk.cursor.as_ref().and_then(|cursor| cursor.as_str()).unwrap_or_default().to_owned();
    let compares = walk.purpose == Purpose::Verify;
    let zone = if compares { Some(task.environment.zones.of(task).await?) } else { None };
    let most = if compares { i64::from(task.permits.left() / CALLS) } else { MANY };
    if most == 0 {
        return Err(JobError::OneMoreRun);
    }
    let ids = records.unseen_contacts(&walk, &after, most).await?;
    let Some(last) = ids.last() else {
        walk.enter(Phase::Done);
        return go_on(task, records.begin(&task.run).await?, &mut walk, Outcome::default()).await;
    };
    walk.cursor = Some(last.as_str().into());
    let Some(zone) = zone else {
        let outcome = match walk.triggers() {
            true => Outcome { found: ids.into_iter().map(gone).collect(), ..Outcome::default() },
            false => Outcome { pulls: ids, ..Outcome::default() },
        };
        return go_on(task, records.begin(&task.run).await?, &mut walk, outcome).await;
    };
    let zone = Ok(zone);
    let fetched = join_all(ids.iter().map(|id| pull_contact::fetch(task, id, Needs::ALL, &zone))).await;
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for (id, fetched) in ids.iter().zip(fetched) {
        let view = records.contact_view(&walk.location_id, id).await?;
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
    let mut tx = records.begin(&task.run).await?;
    let had_missing = tx.has_missing().await?;
    for (id, came, reasons) in missing.iter().filter(|(_, _, reasons)| had_missing || !reasons.is_empty()) {
        tx.keep_missing(id, came, reasons).await?;
    }
    for (id, findings) in ids.iter().zip(&found) {
        tx.keep_findings(&walk, id, findings, true).await?;
        tx.mark_seen(&walk, id).await?;
    }
    go_on(task, tx, &mut walk, Outcome::default()).await
}

fn gone(contact_id: String) -> Found {
    Found { event: "ContactDelete", contact_id, needs: Needs { contact: true, ..Needs::NONE } }
}
