//! The notes and appointments of a few contacts, and their tasks where the location's can't be searched. A contact with a field that its
//! list left out is read as well: no list shows more, and its own reply does.
//!
//! What came of a contact is stored though another part of it did not: a part that GHL refuses for good is kept by name, and what may come later is
//! left to a pull.

use std::collections::HashSet;

use futures_util::future::join_all;
use ghl::GhlError;

use super::super::pull_contact::{self, Fetched};
use super::super::{JobError, JobRun};
use super::contacts::unsure;
use super::{Outcome, go_on};
use crate::jobs::compare;
use crate::records::{Needs, Phase, Purpose, Scan};

pub(super) async fn run(task: &JobRun<'_>, mut scan: Scan) -> Result<(), JobError> {
    let records = &task.environment.records;
    let zone = task.environment.time_zones.of(task).await?;
    let calls = if scan.tasks_apart { 3 } else { 2 };
    let most = task.permits.left() / calls;
    if most == 0 {
        return Err(JobError::NeedsMorePermits);
    }
    let (since, began_ms) = (records.last_change().await?, task.environment.clock.now_ms());
    if scan.total.is_none() {
        scan.total = Some(records.count_shown_contacts(&scan.location_id).await?);
    }
    let after = scan.cursor.as_ref().and_then(|cursor| cursor.as_str()).unwrap_or_default().to_owned();
    let mut ids = records.shown_contacts(&scan.location_id, &after, i64::from(most)).await?;
    let mut unread = HashSet::new();
    if let Some(last) = ids.last().filter(|_| scan.purpose != Purpose::Verify) {
        unread = records.unread_contacts(&scan.location_id, &after, last).await?;
        let mut left = task.permits.left();
        let is_affordable = |id: &&String| {
            let rest = left.checked_sub(calls + u32::from(unread.contains(*id)));
            left = rest.unwrap_or(0);
            rest.is_some()
        };
        let affordable = ids.iter().take_while(is_affordable).count();
        if affordable == 0 {
            return Err(JobError::NeedsMorePermits);
        }
        ids.truncate(affordable);
    }
    let Some(last) = ids.last() else {
        scan.enter(if scan.purpose == Purpose::Details { Phase::Done } else { Phase::Rest });
        return go_on(task, records.begin(&task.run).await?, &mut scan, Outcome::default()).await;
    };
    let needs = Needs { contact: false, tasks: scan.tasks_apart, notes: true, appointments: true };
    let zone = Ok(zone);
    let answers = join_all(
        ids.iter().map(|id| pull_contact::fetch(task, id, Needs { contact: unread.contains(id), ..needs }, &zone)),
    )
    .await;
    let answers = judge(answers, scan.purpose)?;
    let mut views = Vec::new();
    if scan.purpose == Purpose::Verify {
        for id in &ids {
            views.push(records.contact_view(&scan.location_id, id).await?);
        }
    }

    let mut tx = records.begin(&task.run).await?;
    let named: Vec<&str> = ids.iter().map(String::as_str).collect();
    let beside = tx.beside(&named, since).await?.of_reading_since(began_ms);
    let had_missing = tx.has_missing().await?;
    let mut pulls = Vec::new();
    for (index, (id, answer)) in ids.iter().zip(answers).enumerate() {
        scan.detailed += 1;
        if beside.erased.contains(id) {
            continue;
        }
        let answer = answer.filter(|_| !beside.touched.contains(id));
        let asks_again = answer.as_ref().is_none_or(|fetched| fetched.to_ask_again().is_some());
        if asks_again {
            // Gone, moved meanwhile, or a part may come later: its own pull will show it, or the end of the comparison.
            match scan.purpose {
                Purpose::Verify => tx.keep_findings(&scan, id, &[unsure(id)], false).await?,
                _ => pulls.push(id.clone()),
            }
        }
        let Some(fetched) = answer.filter(|_| !(asks_again && scan.purpose == Purpose::Verify)) else { continue };
        if had_missing || !fetched.missing.is_empty() {
            tx.keep_missing(id, &fetched.came(), &fetched.reasons()).await?;
        }
        let parts = fetched.parts;
        let count = |length: Option<usize>| length.and_then(|length| i64::try_from(length).ok()).unwrap_or(0);
        scan.tasks += count(parts.tasks.as_ref().map(Vec::len));
        scan.notes += count(parts.notes.as_ref().map(Vec::len));
        scan.appointments += count(parts.appointments.as_ref().map(Vec::len));
        if scan.purpose == Purpose::Verify {
            let findings = compare::contact(id, &parts, views.get(index).and_then(Option::as_ref));
            tx.keep_findings(&scan, id, &findings, false).await?;
        } else {
            let snapshot = beside.snapshot_of(id);
            tx.store_parts(id, &parts, &snapshot).await?;
        }
    }
    scan.cursor = Some(last.as_str().into());
    scan.next_at_ms = task.environment.clock.now_ms() + scan.pause_ms;
    let found = if scan.triggers() { tx.take_found() } else { Vec::new() };
    go_on(task, tx, &mut scan, Outcome { found, pulls }).await
}

/// The answers, none for a contact that GHL does not have; or why the batch has to be asked for again: where the location must rest, where nothing
/// came at all, and where a comparison would otherwise take a failed call for a difference.
fn judge(answers: Vec<Result<Option<Fetched>, JobError>>, purpose: Purpose) -> Result<Vec<Option<Fetched>>, JobError> {
    let mut judged = Vec::new();
    for answer in answers {
        judged.push(match answer {
            // Whether it is gone could not be known: a pull looks once more.
            Err(JobError::Unconfirmed { .. }) => None,
            answer => answer?,
        });
    }
    let fetched = || judged.iter().flatten();
    let nothing_came = fetched().next().is_some() && fetched().all(|one| one.came().is_empty());
    // What can't be read now can't be read later: the other contacts do not wait for it.
    let is_unreadable =
        |one: &Fetched| one.missing.iter().all(|(_, error)| matches!(error, GhlError::Undecodable { .. }));
    let is_failing = |one: &&Fetched| one.to_ask_again().is_some() && !is_unreadable(one);
    let compares_with_failed = purpose == Purpose::Verify && fetched().any(|one| is_failing(&one));
    let has_refused_all =
        nothing_came && !fetched().any(|one| is_failing(&one)) && !fetched().any(Fetched::blames_token);
    if (nothing_came && !has_refused_all) || compares_with_failed {
        let worst = judged.into_iter().flatten().filter(|one| is_failing(&one) || one.blames_token());
        return Err(worst.map(Fetched::gravest).next().unwrap_or(JobError::NeedsMorePermits));
    }
    Ok(judged)
}
