//! One page of contacts, with their tasks.

use std::collections::HashMap;

use super::super::{JobError, Task};
use super::go_on;
use crate::decide::compare;
use crate::ghl::model::{Direction, SearchContacts, SearchTasks, Sort, Task as GhlTask};
use crate::ghl::{GhlError, Run, UnauthorizedKind};
use crate::mapping;
use crate::records::model::Task as OurTask;
use crate::records::{Finding, Parts, Phase, Purpose, Verdict, Walk};

/// Tasks that one page asks for. What GHL gives at most is not documented; this it gives.
const TASKS: u32 = 100;

/// The tasks of a page's contacts.
enum Tasks {
    /// All of them, by contact.
    Whole(HashMap<String, Vec<OurTask>>),
    /// More than the run has permits for.
    TooMany,
    /// The location's can't be searched.
    Apart,
}

pub(super) async fn run(task: &Task<'_>, mut walk: Walk) -> Result<(), JobError> {
    let records = &task.environment.records;
    let ghl = task.ghl();
    let since = records.last_change().await?;
    let by_change = Sort { field: "dateUpdated".to_owned(), direction: Direction::Asc };
    let search = SearchContacts {
        page_limit: walk.page_limit,
        search_after: walk.cursor.take().and_then(|cursor| serde_json::from_value(cursor).ok()),
        sort: vec![by_change],
        ..SearchContacts::all(&walk.location_id)
    };
    let page = ghl.search_contacts(&search).await?;
    let ids: Vec<&str> = page.contacts.iter().map(|found| found.contact.id.as_str()).collect();
    let mut tasks = None;
    if !walk.tasks_apart && !ids.is_empty() {
        match tasks_of(task, &ghl, &ids).await? {
            Tasks::Whole(whole) => tasks = Some(whole),
            Tasks::Apart => walk.tasks_apart = true,
            Tasks::TooMany if walk.page_limit > 1 => {
                walk.cursor = search.search_after.and_then(|cursor| serde_json::to_value(cursor).ok());
                walk.page_limit /= 2;
                return go_on(task, records.begin(&task.run).await?, &mut walk, Vec::new()).await;
            }
            // One contact with more tasks than a run may ask for: its own list has no pages.
            Tasks::TooMany => {}
        }
    }
    let mut views = HashMap::new();
    if walk.purpose == Purpose::Verify {
        for id in &ids {
            if let Some(view) = records.contact_view(&walk.location_id, id).await? {
                views.insert((*id).to_owned(), view);
            }
        }
    }
    let contacts: Vec<_> =
        page.contacts.iter().map(|found| mapping::contact::from_ghl(found.contact.clone())).collect();
    if walk.purpose != Purpose::Verify {
        task.environment.fields.learn(task, &contacts.iter().collect::<Vec<_>>()).await?;
    }

    let mut tx = records.begin(&task.run).await?;
    let beside = tx.beside(&ids, since).await?;
    let mut pulls = Vec::new();
    for mut contact in contacts {
        let id = contact.id.clone();
        let known = beside.known.get(&id);
        walk.contacts += 1;
        let own = tasks.as_mut().map(|tasks| tasks.remove(&id).unwrap_or_default());
        walk.tasks += own.as_ref().map_or(0, |own| i64::try_from(own.len()).unwrap_or(0));
        if beside.erased.contains(&id) || (walk.known_only && known.is_none()) {
            continue;
        }
        let is_touched = beside.touched.contains(&id);
        if walk.purpose == Purpose::Verify {
            let parts = Parts { contact: Some(contact), tasks: own, ..Parts::default() };
            let findings = match is_touched {
                true => vec![unsure(&id)],
                false => compare::contact(&id, &parts, views.get(&id)),
            };
            tx.keep_findings(&walk, &id, &findings, false).await?;
        } else if is_touched || (own.is_none() && walk.purpose == Purpose::Sweep) {
            pulls.push(id.clone());
        } else {
            // A list does not tell of it.
            contact.last_activity = contact.last_activity.or(known.and_then(|known| known.contact.last_activity));
            let snapshot = beside.snapshots.get(&id).cloned().unwrap_or_default();
            let parts = Parts { contact: Some(contact), tasks: own, ..Parts::default() };
            tx.store_parts(&id, &parts, &snapshot).await?;
        }
        tx.mark_seen(&walk, &id).await?;
    }
    walk.total = page.total.and_then(|total| i64::try_from(total).ok()).or(walk.total);
    walk.page_limit = walk.page_limit.saturating_mul(2).min(SearchContacts::LONGEST_PAGE);
    match page.next {
        Some(next) => walk.cursor = serde_json::to_value(next).ok(),
        None if walk.purpose == Purpose::Sweep => walk.enter(Phase::Rest),
        None => walk.enter(Phase::Details),
    }
    go_on(task, tx, &mut walk, pulls).await
}

/// To be looked at again in the end: the contact moved here while GHL's answer was on its way.
pub(super) fn unsure(contact_id: &str) -> Finding {
    Finding {
        record: "contact".to_owned(),
        record_id: contact_id.to_owned(),
        contact_id: contact_id.to_owned(),
        verdict: Verdict::Different,
        fields: Vec::new(),
    }
}

async fn tasks_of(task: &Task<'_>, ghl: &Run<'_>, ids: &[&str]) -> Result<Tasks, JobError> {
    let mut search = SearchTasks {
        contact_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        limit: TASKS,
        ..SearchTasks::default()
    };
    let mut found: HashMap<String, Vec<OurTask>> = HashMap::new();
    loop {
        if task.permits.left() == 0 {
            return Ok(Tasks::TooMany);
        }
        let page = match ghl.search_tasks(task.location(), &search).await {
            Err(GhlError::Unauthorized { kind: UnauthorizedKind::MissingScope, .. }) => return Ok(Tasks::Apart),
            page => page?,
        };
        for task in page.tasks {
            let GhlTask { contact_id: Some(contact_id), .. } = &task else { return Ok(Tasks::Apart) };
            let contact_id = contact_id.clone();
            let own = found.entry(contact_id.clone()).or_default();
            let task = mapping::task::from_ghl(task, &contact_id);
            // What moved up while pages were turned is told twice.
            if own.iter().all(|known| known.task_id != task.task_id) {
                own.push(task);
            }
        }
        match page.next {
            Some(skip) => search.skip = skip,
            None => return Ok(Tasks::Whole(found)),
        }
    }
}
