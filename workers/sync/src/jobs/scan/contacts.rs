//! One page of contacts, with their tasks.

use std::collections::HashMap;

use ghl::model::{SearchContacts, SearchTasks, Task as GhlTask};
use ghl::{Class, GhlError, Run, UnauthorizedKind};
use jiff::Timestamp;
use sync_model::decide::match_lost_create::could_match_contact;
use sync_model::record::{Contact, Task as OurTask};
use tokio::time::Instant;

use super::super::{JobError, JobRun, time_zones};
use super::{Outcome, go_on};
use crate::jobs::compare;
use crate::mapping;
use crate::records::{Beside, Difference, Finding, Found, Needs, Parts, Phase, Purpose, Reached, Scan, Tx};

/// Tasks that one page asks for. What GHL gives at most is not documented; this it gives.
const TASKS: u32 = 100;

/// Runs that found a page unreadable before it is asked for in smaller parts: a reply that was interrupted may come whole the next time.
const UNREADABLE: i64 = 2;
/// Runs before in which a proxy had waited for a page in vain: one that did so may have met a moment in which GHL was busy.
const SLOW: i64 = 1;
/// A page of that many bytes can't be doubled.
const LONG_PAGE: usize = 8 * 1024 * 1024;

const CREATED: &str = "ContactCreate";

/// The tasks of a page's contacts.
enum Tasks {
    /// All of them, by contact.
    Whole(HashMap<String, Vec<OurTask>>),
    /// All of them but some that could not be read.
    Partial(HashMap<String, Vec<OurTask>>),
    /// More than the run has permits for.
    TooMany,
    /// The location's can't be searched.
    Apart,
}

pub(super) async fn run(job: &JobRun<'_>, mut scan: Scan) -> Result<(), JobError> {
    let records = &job.environment.records;
    if scan.purpose == Purpose::Verify && scan.cursor.is_none() && scan.contacts == 0 {
        // What is compared must be read in the zone that the location has now; the details are read by later runs.
        time_zones::ask(job).await?;
    }
    let ghl = job.ghl();
    let (since, began_ms) = (records.last_change().await?, job.environment.clock.now_ms());
    let search = SearchContacts {
        page_limit: scan.page_limit,
        search_after: scan.cursor.clone().and_then(|cursor| serde_json::from_value(cursor).ok()),
        shown: u64::try_from(scan.contacts + scan.passed_over).unwrap_or(0),
        ..match scan.since_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()) {
            Some(since) => SearchContacts::changed(&scan.location_id, since, None),
            None => SearchContacts::by_change(&scan.location_id),
        }
    };
    let asked_at = Instant::now();
    let page = match ghl.search_contacts(&search).await {
        Err(error) if scan.page_limit > 1 && in_smaller_pages(job, &error) => return halve(job, scan).await,
        // Not even a page of one can be read: what stands behind it is left to the rest.
        Err(GhlError::Undecodable { .. }) if job.run.attempts >= UNREADABLE => {
            let left = scan.total.unwrap_or(0) - scan.contacts - scan.passed_over;
            return pass_over_the_rest(job, scan, left.max(1)).await;
        }
        page => page?,
    };
    let took = asked_at.elapsed();
    scan.cursor = None;
    let ids: Vec<&str> = page.contacts.iter().map(|found| found.contact.id.as_str()).collect();
    let (mut tasks, mut unread) = (None, Needs::NONE);
    if scan.purpose != Purpose::Reconcile && !scan.tasks_apart && !ids.is_empty() {
        match tasks_of(job, &ghl, &ids).await? {
            Tasks::Whole(whole) => tasks = Some(whole),
            Tasks::Partial(read) => (tasks, unread.tasks) = (Some(read), true),
            Tasks::Apart => scan.tasks_apart = true,
            Tasks::TooMany if scan.page_limit > 1 => {
                scan.cursor = search.search_after.and_then(|cursor| serde_json::to_value(cursor).ok());
                return halve(job, scan).await;
            }
            // One contact with more tasks than a run may ask for: its own list has no pages.
            Tasks::TooMany => {}
        }
    }
    let mut views = HashMap::new();
    if scan.purpose == Purpose::Verify {
        for id in &ids {
            if let Some(view) = records.contact_view(&scan.location_id, id).await? {
                views.insert((*id).to_owned(), view);
            }
        }
    }
    let contacts: Vec<_> =
        page.contacts.iter().map(|found| mapping::contact::from_list(found.contact.clone())).collect();
    if scan.purpose != Purpose::Verify {
        job.environment.fields.learn(job, &contacts.iter().collect::<Vec<_>>()).await?;
    }
    let last = contacts.last().and_then(|last| last.date_updated).zip(page.contacts.last());
    if let Some((at, Some(place))) = last.map(|(at, last)| (at, last.search_after.as_ref())) {
        let place = serde_json::to_value(place).unwrap_or_default();
        scan.reached = Some(Reached { at_ms: at.as_millisecond(), place });
    }
    scan.passed_over += i64::try_from(page.passed_over).unwrap_or(0);
    scan.total = page.total.and_then(|total| i64::try_from(total).ok()).or(scan.total);
    scan.next_at_ms = job.environment.clock.now_ms() + share(scan.pause_ms, ids.len());

    let announced = match scan.triggers() && records.has_triggers().await? {
        true => records.announced_contacts(&scan.location_id).await?,
        false => Vec::new(),
    };
    let mut tx = records.begin(&job.run).await?;
    tx.recognize_erased(&contacts).await?;
    let beside = tx.beside(&ids, since).await?.of_reading_since(began_ms);
    let mut outcome = Outcome::default();
    // A create of ours may have made it, whose reply is on its way: that is no event.
    let may_be_ours = |contact: &Contact| announced.iter().any(|announced| could_match_contact(announced, contact));
    for contact in contacts {
        let id = contact.id.clone();
        scan.contacts += 1;
        let own = tasks.as_mut().map(|tasks| tasks.remove(&id).unwrap_or_default());
        scan.tasks += own.as_ref().map_or(0, |own| i64::try_from(own.len()).unwrap_or(0));
        let (is_known, is_new) = (beside.known.contains_key(&id), is_new(&scan, &contact));
        if beside.erased.contains(&id) || (scan.known_only && !is_known && !is_new) {
            continue;
        }
        let is_ours = is_new && may_be_ours(&contact);
        if scan.purpose == Purpose::Verify {
            let parts = Parts { contact: Some(contact), tasks: own, unread, ..Parts::default() };
            let findings = match (beside.touched.contains(&id), views.get(&id)) {
                (true, _) => vec![unsure(&id)],
                (false, view) => {
                    for field in view.map(|view| compare::uncompared(&parts, view)).unwrap_or_default() {
                        *scan.uncompared.entry(field).or_default() += 1;
                    }
                    compare::contact(&id, &parts, view)
                }
            };
            tx.keep_findings(&scan, &id, &findings, false).await?;
        } else if is_ours && !is_known {
            // The pull waits until it is known whose it is.
            outcome.found.push(Found { event: CREATED, contact_id: id.clone(), needs: Needs::ALL });
        } else {
            let read = Parts { contact: None, tasks: own, unread, ..Parts::default() };
            take_in(&mut tx, &scan, &beside, (contact, read), is_new && !is_ours, &mut outcome).await?;
        }
        if scan.purpose != Purpose::Reconcile {
            tx.mark_seen(&scan, &id).await?;
        }
    }
    // One of twice the length would have to be asked for again in halves, and so would one that takes twice as long.
    if page.bytes.saturating_mul(2) <= LONG_PAGE && took * 2 <= job.environment.call_timeout {
        scan.page_limit = scan.page_limit.saturating_mul(2).min(SearchContacts::LONGEST_PAGE);
    }
    if page.not_shown > 0 {
        report(job, &mut scan, i64::try_from(page.not_shown).unwrap_or(i64::MAX));
    }
    match page.next {
        Some(next) => scan.cursor = serde_json::to_value(next).ok(),
        None => scan.enter(behind_contacts(scan.purpose)),
    }
    go_on(job, tx, &mut scan, outcome).await
}

/// Whether less at once may help: the page is too long, took GHL or the proxy before it too long again, or was unreadable again.
fn in_smaller_pages(job: &JobRun<'_>, error: &GhlError) -> bool {
    match error {
        // Whose time is up spends no attempt, so there is none to be counted.
        GhlError::TooLong { .. } | GhlError::Timeout => true,
        GhlError::Server { status: 504 | 524, .. } => job.run.attempts >= SLOW,
        GhlError::Undecodable { .. } => job.run.attempts >= UNREADABLE,
        _ => false,
    }
}

/// Asks for the same page again, half as long.
async fn halve(job: &JobRun<'_>, mut scan: Scan) -> Result<(), JobError> {
    scan.page_limit /= 2;
    go_on(job, job.environment.records.begin(&job.run).await?, &mut scan, Outcome::default()).await
}

async fn pass_over_the_rest(job: &JobRun<'_>, mut scan: Scan, left: i64) -> Result<(), JobError> {
    report(job, &mut scan, left);
    scan.enter(behind_contacts(scan.purpose));
    go_on(job, job.environment.records.begin(&job.run).await?, &mut scan, Outcome::default()).await
}

/// GHL counts contacts that its pages do not show. Those that are known here are looked at one by one in the end.
fn report(job: &JobRun<'_>, scan: &mut Scan, not_shown: i64) {
    scan.not_shown += not_shown;
    tracing::warn!(
        ghl.location = job.location(),
        scan.id,
        scan.purpose = scan.purpose.as_str(),
        scan.not_shown,
        "GHL counts contacts that its pages do not show; the scan continues without them"
    );
}

fn behind_contacts(purpose: Purpose) -> Phase {
    match purpose {
        Purpose::Reconcile => Phase::Done,
        Purpose::Full => Phase::Rest,
        Purpose::Import | Purpose::Details | Purpose::Verify => Phase::Details,
    }
}

/// Stores what the page shows of a contact, and of its tasks if it shows them; what it leaves open is added to the outcome. `is_news`: that
/// GHL created it.
async fn take_in(
    tx: &mut Tx,
    scan: &Scan,
    beside: &Beside,
    (contact, read): (Contact, Parts),
    is_news: bool,
    outcome: &mut Outcome,
) -> Result<(), JobError> {
    let (id, known) = (contact.id.clone(), beside.known.get(&contact.id));
    let has_tasks = read.tasks.is_some();
    let is_late = beside.touched.contains(&id) || known.is_some_and(|known| known.may_be_newer_than(&contact));
    if is_late {
        match scan.triggers() {
            true => {
                let needs = Needs { contact: true, tasks: has_tasks, ..Needs::NONE };
                outcome.found.push(Found::look(id.clone(), needs));
            }
            false => outcome.pulls.push(id.clone()),
        }
    } else {
        if !has_tasks && scan.purpose != Purpose::Reconcile && !scan.tasks_apart {
            outcome.pulls.push(id.clone());
        }
        let snapshot = beside.snapshot_of(&id);
        let is_incomplete = match known {
            Some(known) => known.is_incomplete_after(&contact),
            None => contact.awaited().next().is_some(),
        };
        let needs = Needs { contact: is_incomplete, tasks: !has_tasks, notes: true, appointments: true };
        let parts = Parts { contact: Some(contact), ..read };
        tx.store_parts(&id, &parts, &snapshot).await?;
        let mut found = tx.take_found();
        if known.is_none() && is_news {
            // Its tasks came with it.
            found.retain(|found| found.event == CREATED);
            found.iter_mut().for_each(|found| found.needs = needs);
        } else if is_incomplete && scan.triggers() {
            found.push(Found::look(id.clone(), Needs { contact: true, ..Needs::NONE }));
        }
        if scan.triggers() {
            outcome.found.extend(found);
        }
    }
    // The creation of a known contact may not have been reported.
    if is_news && tx.contact_created(&id, &[]).await? && known.is_some() {
        outcome.found.push(Found::stored(CREATED, &id));
    }
    Ok(())
}

/// Whether GHL created the contact since the last look.
fn is_new(scan: &Scan, contact: &Contact) -> bool {
    let added = contact.date_added.map(|at| at.as_millisecond());
    scan.created_after_ms.zip(added).is_some_and(|(after, added)| added >= after)
}

/// The part of the pause of a full page that so many contacts make.
fn share(pause_ms: i64, contacts: usize) -> i64 {
    pause_ms.saturating_mul(i64::try_from(contacts).unwrap_or(i64::MAX)) / i64::from(SearchContacts::LONGEST_PAGE)
}

/// To be looked at again in the end: the contact moved here while GHL's answer was on its way.
pub(super) fn unsure(contact_id: &str) -> Finding {
    Finding {
        record: "contact".to_owned(),
        record_id: contact_id.to_owned(),
        contact_id: contact_id.to_owned(),
        difference: Difference::Different,
        fields: Vec::new(),
    }
}

fn is_worth_another_call(job: &JobRun<'_>, error: &GhlError) -> bool {
    error.class() == Class::Passing && !matches!(error, GhlError::Permit(_)) && job.permits.left() > 0
}

fn is_refused_for_good(error: &GhlError) -> bool {
    match error {
        GhlError::Unauthorized { kind: UnauthorizedKind::TokenRejected, .. } | GhlError::Permit(_) => false,
        error => matches!(error.class(), Class::Permanent | Class::Broken),
    }
}

async fn tasks_of(job: &JobRun<'_>, ghl: &Run<'_>, ids: &[&str]) -> Result<Tasks, JobError> {
    let mut search = SearchTasks {
        contact_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        limit: TASKS,
        ..SearchTasks::default()
    };
    let mut found: HashMap<String, Vec<OurTask>> = HashMap::new();
    let mut is_whole = true;
    let mut has_failed = false;
    loop {
        if job.permits.left() == 0 {
            return Ok(Tasks::TooMany);
        }
        let page = match ghl.search_tasks(job.location(), &search).await {
            // The page of contacts came with the same token, so this call alone is refused.
            Err(error) if is_refused_for_good(&error) => return Ok(Tasks::Apart),
            Err(GhlError::TooLong { .. }) if search.limit > 1 => {
                search.limit /= 2;
                continue;
            }
            // Once more at once: the page of contacts that came before would be read again with the next run.
            Err(error) if is_worth_another_call(job, &error) && !has_failed => {
                has_failed = true;
                continue;
            }
            page => page?,
        };
        is_whole &= page.passed_over == 0;
        for job in page.tasks {
            let GhlTask { contact_id: Some(contact_id), .. } = &job else { return Ok(Tasks::Apart) };
            let contact_id = contact_id.clone();
            let own = found.entry(contact_id.clone()).or_default();
            let job = mapping::task::from_ghl(job, &contact_id);
            // What moved up while pages were read is shown twice.
            if own.iter().all(|known| known.task_id != job.task_id) {
                own.push(job);
            }
        }
        match page.next {
            Some(skip) => search.skip = skip,
            None if is_whole => return Ok(Tasks::Whole(found)),
            None => return Ok(Tasks::Partial(found)),
        }
    }
}
