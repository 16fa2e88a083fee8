//! The notes and appointments of a few contacts, and their tasks where the location's can't be searched. A contact with a field that its
//! list left out is read as well: no list shows more, and its own reply does.

use std::collections::HashSet;

use futures_util::future::join_all;

use super::super::pull_contact::is_partial;
use super::super::{JobError, Task, concerns_lane};
use super::contacts::unsure;
use super::{Outcome, go_on};
use crate::decide::compare;
use crate::ghl::model::{self, Listed};
use crate::ghl::{Class, GhlError};
use crate::mapping;
use crate::records::{Needs, Parts, Phase, Purpose, Walk};

/// What GHL answered for one contact.
struct Details {
    contact: Option<model::Contact>,
    tasks: Option<Listed<model::Task>>,
    notes: Listed<model::Note>,
    appointments: Listed<model::Appointment>,
}

type Answer = Result<Details, GhlError>;

pub(super) async fn run(task: &Task<'_>, mut walk: Walk) -> Result<(), JobError> {
    let records = &task.environment.records;
    let zone = task.environment.zones.of(task).await?;
    let calls = if walk.tasks_apart { 3 } else { 2 };
    let most = task.permits.left() / calls;
    if most == 0 {
        return Err(JobError::OneMoreRun);
    }
    let since = records.last_change().await?;
    if walk.total.is_none() {
        walk.total = Some(records.count_shown_contacts(&walk.location_id).await?);
    }
    let after = walk.cursor.as_ref().and_then(|cursor| cursor.as_str()).unwrap_or_default().to_owned();
    let mut ids = records.shown_contacts(&walk.location_id, &after, i64::from(most)).await?;
    let mut unread = HashSet::new();
    if let Some(last) = ids.last().filter(|_| walk.purpose != Purpose::Verify) {
        unread = records.unread_contacts(&walk.location_id, &after, last).await?;
        let mut left = task.permits.left();
        let is_affordable = |id: &&String| {
            let rest = left.checked_sub(calls + u32::from(unread.contains(*id)));
            left = rest.unwrap_or(0);
            rest.is_some()
        };
        let affordable = ids.iter().take_while(is_affordable).count();
        if affordable == 0 {
            return Err(JobError::OneMoreRun);
        }
        ids.truncate(affordable);
    }
    let Some(last) = ids.last() else {
        walk.enter(if walk.purpose == Purpose::Details { Phase::Done } else { Phase::Rest });
        return go_on(task, records.begin(&task.run).await?, &mut walk, Outcome::default()).await;
    };
    let answers = join_all(ids.iter().map(|id| ask(task, id, walk.tasks_apart, unread.contains(id)))).await;
    judge(&answers, walk.purpose)?;
    let mut views = Vec::new();
    if walk.purpose == Purpose::Verify {
        for id in &ids {
            views.push(records.contact_view(&walk.location_id, id).await?);
        }
    }

    let mut tx = records.begin(&task.run).await?;
    let named: Vec<&str> = ids.iter().map(String::as_str).collect();
    let beside = tx.beside(&named, since).await?;
    let mut pulls = Vec::new();
    for (index, (id, answer)) in ids.iter().zip(answers).enumerate() {
        walk.detailed += 1;
        if beside.erased.contains(id) {
            continue;
        }
        let parts = answer.ok().filter(|_| !beside.touched.contains(id)).map(|answer| {
            let Details { contact, tasks, notes, appointments } = answer;
            Parts {
                contact: contact.map(mapping::contact::from_ghl),
                unread: Needs {
                    contact: false,
                    tasks: is_partial(tasks.as_ref()),
                    notes: is_partial(Some(&notes)),
                    appointments: is_partial(Some(&appointments)),
                },
                tasks: tasks
                    .map(|tasks| tasks.items.into_iter().map(|task| mapping::task::from_ghl(task, id)).collect()),
                notes: Some(notes.items.into_iter().map(|note| mapping::note::from_ghl(note, id)).collect()),
                appointments: Some(
                    appointments.items.into_iter().map(|one| mapping::appointment::from_ghl(one, id, &zone)).collect(),
                ),
            }
        });
        let Some(parts) = parts else {
            // Gone, refused, or moved meanwhile: a pull of its own will tell, or the end of the comparison.
            match walk.purpose {
                Purpose::Verify => tx.keep_findings(&walk, id, &[unsure(id)], false).await?,
                _ => pulls.push(id.clone()),
            }
            continue;
        };
        let count = |length: Option<usize>| length.and_then(|length| i64::try_from(length).ok()).unwrap_or(0);
        walk.tasks += count(parts.tasks.as_ref().map(Vec::len));
        walk.notes += count(parts.notes.as_ref().map(Vec::len));
        walk.appointments += count(parts.appointments.as_ref().map(Vec::len));
        if walk.purpose == Purpose::Verify {
            let findings = compare::contact(id, &parts, views.get(index).and_then(Option::as_ref));
            tx.keep_findings(&walk, id, &findings, false).await?;
        } else {
            let snapshot = beside.snapshots.get(id).cloned().unwrap_or_default();
            tx.store_parts(id, &parts, &snapshot).await?;
        }
    }
    walk.cursor = Some(last.as_str().into());
    walk.next_at_ms = task.environment.clock.now_ms() + walk.pause_ms;
    let found = if walk.triggers() { tx.take_found() } else { Vec::new() };
    go_on(task, tx, &mut walk, Outcome { found, pulls }).await
}

async fn ask(task: &Task<'_>, contact_id: &str, with_tasks: bool, with_contact: bool) -> Answer {
    let ghl = task.ghl();
    let contact = async {
        match with_contact {
            true => ghl.get_contact(contact_id).await.map(Some),
            false => Ok(None),
        }
    };
    let tasks = async {
        match with_tasks {
            true => ghl.list_tasks(contact_id).await.map(Some),
            false => Ok(None),
        }
    };
    let (contact, tasks, notes, appointments) =
        tokio::join!(contact, tasks, ghl.list_notes(contact_id), ghl.list_appointments(contact_id));
    let errors = [contact.as_ref().err(), tasks.as_ref().err(), notes.as_ref().err(), appointments.as_ref().err()];
    if let Some(error) = errors.into_iter().flatten().find(|error| concerns_lane(error)) {
        return Err(error.clone());
    }
    Ok(Details { contact: contact?, tasks: tasks?, notes: notes?, appointments: appointments? })
}

/// Whether the batch has to be asked for again: where the lane must rest, where nothing came, and where a comparison would otherwise
/// take a failed call for a difference.
fn judge(answers: &[Answer], purpose: Purpose) -> Result<(), JobError> {
    let errors = || answers.iter().filter_map(|answer| answer.as_ref().err());
    // What can't be read now can't be read later: the other contacts do not wait for it.
    let passing = |error: &&GhlError| error.class() == Class::Passing && !matches!(error, GhlError::Undecodable { .. });
    let all_failed = errors().filter(passing).count() == answers.len();
    let grave = errors()
        .find(|error| concerns_lane(error))
        .or_else(|| errors().find(passing).filter(|_| all_failed || purpose == Purpose::Verify));
    grave.map_or(Ok(()), |error| Err(error.clone().into()))
}
