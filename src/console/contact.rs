//! One contact: what Clienty has and what GHL has, field by field; what is on its way, refused or in conflict; and the jobs about it.
//!
//! To look at a person is an act, so each look is in the audit, once an hour for each key and contact.

use std::collections::{BTreeSet, HashMap};

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use serde_json::Value;
use sync_model::decide::fields::{self, Fields};
use sync_model::decide::sync_status::{FieldStatus, Progress};
use sync_workers::records::{ContactRow, ContactView, JobKey, JobKind, KeptConflict, Role};

use super::conflicts::{self, Shown};
use super::frame::{Frame, rendered};
use super::jobs::{self, Line};
use super::show::{Markup, ago, ago_or_none, id, plain, segment, state_as, value};
use super::trouble::{Trouble, in_time};
use super::visitor::Visitor;
use crate::gateway::ReadsPeople;

/// Conflicts that the page lists.
const CONFLICTS: i64 = 20;
/// Records whose open jobs are looked for.
const RECORDS: usize = 100;

#[derive(Template)]
#[template(path = "console/contact.html")]
struct Page {
    frame: Frame,
    name: String,
    state: Markup,
    lead: String,
    location: String,
    location_to: String,
    contacts_to: String,
    facts: Vec<(&'static str, Markup)>,
    rows: Vec<Row>,
    missing: Vec<String>,
    activities: Vec<Activity>,
    lines: Vec<Line>,
    conflicts: Vec<Shown>,
    may_undo: bool,
}

/// A field, with what each side has of it.
struct Row {
    name: String,
    ours: String,
    theirs: String,
    state: Markup,
    why: String,
}

/// A task, note or appointment.
struct Activity {
    kind: &'static str,
    title: String,
    reported: String,
    state: Markup,
    fields: String,
}

pub(super) async fn page(
    visitor: Visitor<ReadsPeople>,
    Path((location, contact)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Trouble> {
    let records = visitor.records();
    let view = in_time(records.view_with_deleted(&location, &contact)).await?;
    let Some(view) = view else {
        let erased = in_time(records.erasure(&location, &contact)).await?;
        return Err(Trouble::no_such(if erased.is_some() { "contact: its data was erased" } else { "contact" }));
    };
    in_time(records.note_person_read(&location, &view.contact.record.id)).await?;
    let row = in_time(records.find_contact(&location, &contact)).await?;
    let contact_id = view.contact.record.id.clone();
    let kept = in_time(records.list_conflicts(&location, Some(&contact_id), None, CONFLICTS)).await?.items;
    let lines = in_time(records.jobs_of_keys(&keys(&location, &view))).await?;
    let now = visitor.now;
    let name = view.contact.record.name.clone().unwrap_or_else(|| "A contact without a name".to_owned());
    let location_to = format!("/ui/locations/{}", segment(&location));
    let page = Page {
        state: state_as(view.contact.sync.state.as_str(), words(view.contact.sync.state)),
        lead: lead(&view),
        facts: facts(&view, now),
        rows: row.as_ref().map(|row| rows(row, &view.contact.sync.fields, &kept)).unwrap_or_default(),
        missing: view.missing.iter().map(|part| format!("{}: {}", part.part.as_str(), part.reason)).collect(),
        activities: activities(&view),
        lines: lines.iter().map(|job| jobs::line(job, now)).collect(),
        conflicts: kept.iter().map(|conflict| conflicts::shown(conflict, true, now)).collect(),
        may_undo: visitor.may(Role::Operator) || visitor.may(Role::Producer),
        frame: visitor.frame("/ui/locations", name.clone()).after(&query),
        contacts_to: format!("{location_to}/contacts"),
        location_to,
        name,
        location,
    };
    Ok(rendered(&page))
}

/// A state in words.
pub(super) fn words(progress: Progress) -> &'static str {
    match progress {
        Progress::Pending => "on its way",
        Progress::Applied => "agreed",
        Progress::PartlyApplied => "partly applied",
        Progress::Refused => "refused",
    }
}

fn lead(view: &ContactView) -> String {
    if view.contact.deleted_at.is_some() {
        return "It was deleted, and reads as it last did.".to_owned();
    }
    let fields = &view.contact.sync.fields;
    let count = |state: Progress| fields.iter().filter(|field| field.state == state).count();
    let reported: Vec<String> = [
        (Progress::Pending, "on the way to GHL"),
        (Progress::Refused, "refused by GHL"),
        (Progress::PartlyApplied, "kept by GHL otherwise than asked"),
    ]
    .into_iter()
    .filter(|(state, _)| count(*state) > 0)
    .map(|(state, words)| format!("{} {words}", plural(count(state))))
    .collect();
    match (reported.as_slice(), &view.contact.sync.reason) {
        ([], None) if view.synced_at.is_none() => "GHL has yet to get it.".to_owned(),
        ([], None) => "Both sides have the same.".to_owned(),
        ([], Some(reason)) => format!("GHL refused it: {reason}"),
        (reported, _) => format!("{}.", reported.join(", ")),
    }
}

fn plural(count: usize) -> String {
    if count == 1 { "1 field is".to_owned() } else { format!("{count} fields are") }
}

fn facts(view: &ContactView, now: jiff::Timestamp) -> Vec<(&'static str, Markup)> {
    let contact = &view.contact.record;
    let mut facts = vec![("Id in GHL", id(&contact.id)), ("Record", id(&view.contact.record_id))];
    if let Some(own) = &contact.clienty_contact_id {
        facts.push(("Id in Clienty", id(own)));
    }
    facts.push(("Last read from GHL", ago_or_none(view.synced_at, now)));
    facts.push(("Updated in GHL", ago_or_none(contact.date_updated, now)));
    facts.push(("Added", ago_or_none(contact.date_added, now)));
    if let Some(at) = view.contact.sync.at {
        facts.push(("Last write answered", ago(at, now)));
    }
    if !view.contact.unread.is_empty() {
        facts.push(("Not shown by GHL yet", plain("some fields")));
    }
    facts
}

/// Every field that one side has, those first on which they do not agree.
fn rows(row: &ContactRow, statuses: &[FieldStatus], conflicts: &[KeptConflict]) -> Vec<Row> {
    let ours = fields::fields(&row.doc);
    let theirs = row.base.as_ref().map(fields::fields).unwrap_or_default();
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let open: BTreeSet<&str> = conflicts
        .iter()
        .filter(|one| one.undone_at.is_none() && one.record == "contact")
        .map(|one| one.field.as_str())
        .collect();
    let mut rows: Vec<(u8, Row)> = names
        .into_iter()
        .map(|name| {
            let status = statuses.iter().find(|status| status.field == *name);
            side_by_side(name, &ours, &theirs, status, open.contains(name.as_str()))
        })
        .collect();
    rows.sort_by(|(one, a), (other, b)| (one, &a.name).cmp(&(other, &b.name)));
    rows.into_iter().map(|(_, row)| row).collect()
}

fn side_by_side(name: &str, ours: &Fields, theirs: &Fields, status: Option<&FieldStatus>, conflict: bool) -> (u8, Row) {
    let reported = |fields: &Fields| match fields::value(fields, name) {
        Value::Bool(true) if name.starts_with("tags.") => "present".to_owned(),
        Value::Null if name.starts_with("tags.") => "absent".to_owned(),
        other => value(&other),
    };
    let (rank, state, why) = match status {
        Some(status) => {
            let word = if status.state == Progress::Pending { "toGhl" } else { status.state.as_str() };
            let words = if status.state == Progress::Pending { "on its way" } else { words(status.state) };
            let why = status.refused.as_ref().map(|refused| refused.reason.clone()).unwrap_or_default();
            (0, state_as(word, words), why)
        }
        None if conflict => (1, state_as("conflict", "was in conflict"), String::new()),
        None => (2, state_as("agreed", "agreed"), String::new()),
    };
    let there =
        status.map(|status| &status.got).filter(|got| **got != Value::Null).map_or_else(|| reported(theirs), value);
    (rank, Row { name: name.to_owned(), ours: reported(ours), theirs: there, state, why })
}

fn activities(view: &ContactView) -> Vec<Activity> {
    let state = |progress: Progress| state_as(progress.as_str(), words(progress));
    let names = |fields: &[FieldStatus]| fields.iter().map(|field| field.field.as_str()).collect::<Vec<_>>().join(", ");
    let gone = |deleted: bool| if deleted { "deleted " } else { "" };
    let tasks = view.tasks.iter().map(|shown| Activity {
        kind: "task",
        title: titled(&shown.record.task.title),
        reported: format!("{}{}", gone(shown.deleted_at.is_some()), json_word(&shown.record.status)),
        state: state(shown.sync.state),
        fields: names(&shown.sync.fields),
    });
    let notes = view.notes.iter().map(|shown| Activity {
        kind: "note",
        title: titled(&shown.record.note_text),
        reported: gone(shown.deleted_at.is_some()).to_owned(),
        state: state(shown.sync.state),
        fields: names(&shown.sync.fields),
    });
    let appointments = view.appointments.iter().map(|shown| Activity {
        kind: "appointment",
        title: titled(shown.record.title.as_deref().unwrap_or_default()),
        reported: format!(
            "{}{}",
            gone(shown.deleted_at.is_some()),
            shown.record.start_time.map(|at| format!("{at:.0}")).unwrap_or_default()
        ),
        state: state(shown.sync.state),
        fields: names(&shown.sync.fields),
    });
    tasks.chain(notes).chain(appointments).collect()
}

const UNTITLED: &str = "without a title";

fn titled(title: &str) -> String {
    if title.trim().is_empty() { UNTITLED.to_owned() } else { title.to_owned() }
}

/// The word by which the API says it.
fn json_word(word: &impl serde::Serialize) -> String {
    serde_json::to_value(word).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// What jobs about the contact and what belongs to it are called.
fn keys(location: &str, view: &ContactView) -> Vec<JobKey> {
    let of = |kind: JobKind, record: &str| JobKey::new(kind, location, record);
    let mut keys =
        vec![of(JobKind::PullContact, &view.contact.record.id), of(JobKind::PushContact, &view.contact.record_id)];
    keys.extend(view.tasks.iter().map(|one| of(JobKind::PushTask, &one.record_id)));
    keys.extend(view.notes.iter().map(|one| of(JobKind::PushNote, &one.record_id)));
    keys.extend(view.appointments.iter().map(|one| of(JobKind::PushAppointment, &one.record_id)));
    keys.truncate(RECORDS);
    keys
}
