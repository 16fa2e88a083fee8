//! The events of hooks, and which hook gets a change. Pure: no I/O.

use std::collections::HashSet;

use serde::Serialize;

use crate::decide::sync_status::Progress;
use crate::records::{ChangeItem, ChangeOp};

/// All events, by record.
pub const EVENTS: [&str; 15] = [
    "contact.created",
    "contact.updated",
    "contact.deleted",
    "contact.erased",
    "task.created",
    "task.updated",
    "task.completed",
    "task.deleted",
    "note.created",
    "note.updated",
    "note.deleted",
    "appointment.created",
    "appointment.updated",
    "appointment.deleted",
    "write.refused",
];

/// Sent by `test` alone; no filter names it.
pub const TEST: &str = "hook.test";

/// A task that became completed; its record decides when the message is sent.
pub(crate) const COMPLETED: &str = "task.completed";
const REFUSED: &str = "write.refused";
/// The fields that change when a task is completed.
const COMPLETING: [&str; 2] = ["completed", "status"];

/// Which events a hook gets: names, `contact.*`, or `*`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Filters(Vec<String>);

impl Filters {
    /// Filters as a request has them.
    ///
    /// # Errors
    /// What is wrong with the first one that is none, in words that follow the name of its field.
    pub fn new(texts: Vec<String>) -> Result<Self, String> {
        if texts.is_empty() {
            return Err(format!("must name at least one event: {}", known()));
        }
        match texts.iter().find(|text| !EVENTS.iter().any(|event| fits(text, event))) {
            Some(_) => Err(format!("names an event that does not exist; there are {}", known())),
            None => Ok(Self(texts)),
        }
    }

    /// Filters as they are stored. A filter of a later release matches nothing here.
    pub(crate) fn kept(texts: Vec<String>) -> Self {
        Self(texts)
    }

    /// Whether the event is among them.
    #[must_use]
    pub fn hears(&self, event: &str) -> bool {
        self.0.iter().any(|filter| fits(filter, event))
    }

    /// As they were given.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        &self.0
    }

    /// The first event that they hear, for an example.
    #[must_use]
    pub fn example(&self) -> &'static str {
        EVENTS.into_iter().find(|event| self.hears(event)).unwrap_or("contact.updated")
    }
}

fn known() -> String {
    format!("{}, or contact.*, task.*, note.*, appointment.*, *", EVENTS.join(", "))
}

fn fits(filter: &str, event: &str) -> bool {
    filter == event
        || filter == "*"
        || filter.strip_suffix(".*").is_some_and(|record| event.split_once('.').is_some_and(|(of, _)| of == record))
}

/// What of a change a hook asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wishes<'a> {
    pub(crate) events: &'a Filters,
    pub(crate) locations: Option<&'a [String]>,
    /// The locations that its key sees; none for every one.
    pub(crate) seen: Option<&'a HashSet<String>>,
    pub(crate) fields: Option<&'a [String]>,
    /// The key whose changes are not sent.
    pub(crate) ignored_key: Option<&'a str>,
    pub(crate) imports: bool,
}

/// The event of the change for a hook with these filters; none if it does not get it.
pub(crate) fn heard_as(change: &ChangeItem, is_imported: bool, wishes: Wishes<'_>) -> Option<&'static str> {
    let Wishes { events, locations, seen, fields, ignored_key, imports } = wishes;
    let is_hidden = seen.is_some_and(|seen| !seen.contains(&change.location_id));
    if is_hidden || locations.is_some_and(|locations| !locations.contains(&change.location_id)) {
        return None;
    }
    let event = candidates(change).into_iter().flatten().find(|event| events.hears(event))?;
    // A refused write concerns the key that wrote, too.
    if event != REFUSED && ignored_key.is_some() && change.key_id.as_deref() == ignored_key {
        return None;
    }
    if is_imported && !imports {
        return None;
    }
    let names_one = |fields: &[String]| {
        // What an earlier release wrote names none: it may have changed any.
        change.fields.as_ref().is_none_or(|changed| changed.iter().any(|name| fields.contains(name)))
    };
    if event.ends_with(".updated") && fields.is_some_and(|fields| !names_one(fields)) {
        return None;
    }
    Some(event)
}

/// The events that a change can be, the most specific first.
fn candidates(change: &ChangeItem) -> [Option<&'static str>; 2] {
    let of = |what: &str| {
        EVENTS
            .into_iter()
            .find(|event| event.split_once('.').is_some_and(|(of, did)| of == change.record && did == what))
    };
    match change.op {
        ChangeOp::Erased => [of("erased"), None],
        ChangeOp::Deleted => [of("deleted"), None],
        ChangeOp::Synced => {
            let is_refused =
                change.sync.is_some_and(|sync| matches!(sync.state, Progress::Refused | Progress::PartlyApplied));
            [is_refused.then_some(REFUSED), None]
        }
        ChangeOp::Stored if change.is_new == Some(true) => [of("created"), None],
        ChangeOp::Stored => {
            let changed = change.fields.as_deref().unwrap_or_default();
            let may_complete =
                change.record == "task" && changed.iter().any(|name| COMPLETING.contains(&name.as_str()));
            [may_complete.then_some(COMPLETED), of("updated")]
        }
    }
}

/// The event of a message about several changes of one record: the most specific one for its current state. None if nothing of them is left
/// to send: a task that may have become completed did not, or no longer is.
pub(crate) fn told_as<'a>(heard: &[&'a str], is_completed: bool, events: &Filters) -> Option<&'a str> {
    let last = |suffix: &str| heard.iter().rev().copied().find(|event| event.ends_with(suffix));
    let gone = last(".erased").or_else(|| last(".deleted"));
    let completed = last(COMPLETED);
    let updated = last(".updated").or_else(|| {
        // It was edited, whatever became of it.
        completed.filter(|_| !is_completed && events.hears("task.updated")).map(|_| "task.updated")
    });
    gone.or_else(|| last(".created"))
        .or_else(|| completed.filter(|_| is_completed))
        .or(updated)
        .or_else(|| last(".refused"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Origin, SyncOf};

    fn change(record: &str, op: ChangeOp, fields: &[&str]) -> ChangeItem {
        ChangeItem {
            seq: 1,
            location_id: "l".into(),
            contact_id: "c".into(),
            record: record.into(),
            record_id: "r".into(),
            clienty_id: None,
            ghl_id: None,
            op,
            origin: Some(Origin::Ghl),
            fields: Some(fields.iter().map(|name| (*name).to_owned()).collect()),
            sync: None,
            caused_by: None,
            key_id: None,
            is_new: Some(false),
            changed_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    fn filters(texts: &[&str]) -> Filters {
        Filters::new(texts.iter().map(|text| (*text).to_owned()).collect()).unwrap()
    }

    fn of_all(events: &Filters) -> Wishes<'_> {
        Wishes { events, locations: None, seen: None, fields: None, ignored_key: Some("k"), imports: false }
    }

    fn heard(change: &ChangeItem, texts: &[&str]) -> Option<&'static str> {
        let events = filters(texts);
        let wishes = Wishes { ignored_key: None, ..of_all(&events) };
        heard_as(change, false, wishes)
    }

    #[test]
    fn every_change_of_every_record_is_heard_as_what_it_is() {
        for record in ["contact", "task", "note", "appointment"] {
            let made = ChangeItem { is_new: Some(true), ..change(record, ChangeOp::Stored, &["body"]) };
            for (change, what) in [
                (made, "created"),
                (change(record, ChangeOp::Stored, &["body"]), "updated"),
                (ChangeItem { is_new: None, ..change(record, ChangeOp::Stored, &["body"]) }, "updated"),
                (change(record, ChangeOp::Deleted, &[]), "deleted"),
            ] {
                let event = format!("{record}.{what}");
                let of_all = format!("{record}.*");
                for filter in ["*", of_all.as_str(), event.as_str()] {
                    assert_eq!(heard(&change, &[filter]), Some(event.as_str()), "{filter}");
                }
                let other = if record == "note" { "task.*" } else { "note.*" };
                assert_eq!(heard(&change, &[other]), None);
            }
            assert_eq!(heard(&change(record, ChangeOp::Synced, &[]), &["*"]), None);
        }
        assert_eq!(heard(&change("contact", ChangeOp::Erased, &[]), &["contact.*"]), Some("contact.erased"));
        let sync = Some(SyncOf { state: Progress::Refused });
        let refused = ChangeItem { sync, ..change("note", ChangeOp::Synced, &[]) };
        assert_eq!(heard(&refused, &["write.refused"]), Some("write.refused"));
        assert_eq!(heard(&refused, &["note.*"]), None);
    }

    #[test]
    fn a_completed_task_is_heard_as_that_or_as_edited_and_once() {
        let edited = change("task", ChangeOp::Stored, &["completed"]);
        assert_eq!(heard(&edited, &["task.completed"]), Some("task.completed"));
        assert_eq!(heard(&edited, &["task.updated"]), Some("task.updated"));
        assert_eq!(heard(&edited, &["*"]), Some("task.completed"));
        assert_eq!(told_as(&["task.completed"], true, &filters(&["*"])), Some("task.completed"));
        assert_eq!(told_as(&["task.completed"], false, &filters(&["*"])), Some("task.updated"));
        assert_eq!(told_as(&["task.completed"], false, &filters(&["task.completed"])), None);
        assert_eq!(told_as(&["task.created", "task.completed"], true, &filters(&["*"])), Some("task.created"));
        assert_eq!(told_as(&["task.updated", "task.deleted"], false, &filters(&["*"])), Some("task.deleted"));
    }

    #[test]
    fn own_edits_imports_other_places_and_other_fields_are_not_told() {
        let events = filters(&["*"]);
        let all = of_all(&events);
        let own = ChangeItem { key_id: Some("k".into()), ..change("note", ChangeOp::Stored, &["body"]) };
        let others = ChangeItem { key_id: Some("other".into()), ..own.clone() };
        assert_eq!(heard_as(&own, false, all), None);
        assert_eq!(heard_as(&own, false, Wishes { ignored_key: None, ..all }), Some("note.updated"));
        assert_eq!(heard_as(&others, false, all), Some("note.updated"));
        assert_eq!(heard_as(&others, true, all), None);
        assert_eq!(heard_as(&others, true, Wishes { imports: true, ..all }), Some("note.updated"));
        let sync = Some(SyncOf { state: Progress::PartlyApplied });
        let refused = ChangeItem { op: ChangeOp::Synced, sync, ..own };
        assert_eq!(heard_as(&refused, false, all), Some("write.refused"), "its author has to know");
        let (here, there) = (["l".to_owned()], ["m".to_owned()]);
        assert!(heard_as(&others, false, Wishes { locations: Some(&here), ..all }).is_some());
        assert!(heard_as(&others, false, Wishes { locations: Some(&there), ..all }).is_none());
        let (own, other) = (HashSet::from(["l".to_owned()]), HashSet::from(["m".to_owned()]));
        assert!(heard_as(&others, false, Wishes { seen: Some(&own), ..all }).is_some());
        assert!(heard_as(&others, false, Wishes { seen: Some(&other), ..all }).is_none());
        let (body, title) = (["body".to_owned()], ["title".to_owned()]);
        assert!(heard_as(&others, false, Wishes { fields: Some(&body), ..all }).is_some());
        assert!(heard_as(&others, false, Wishes { fields: Some(&title), ..all }).is_none());
        let gone = ChangeItem { op: ChangeOp::Deleted, ..others };
        assert!(heard_as(&gone, false, Wishes { fields: Some(&title), ..all }).is_some(), "it is no update");
    }

    #[test]
    fn a_filter_that_hears_nothing_is_a_mistake() {
        for wrong in [&[][..], &[""], &["contact"], &["contact.*", "contacts.updated"], &["*.updated"], &["hook.test"]]
        {
            assert!(Filters::new(wrong.iter().map(|text| (*text).to_owned()).collect()).is_err(), "{wrong:?}");
        }
    }
}
