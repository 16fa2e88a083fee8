//! The events of hooks, and which hook gets a change. Pure: no I/O.

use std::collections::HashSet;
use std::sync::LazyLock;

use serde::Serialize;
use sync_model::decide::sync_status::Progress;

use crate::records::{Action, ChangeItem, ChangeOp, NoticeItem};

/// The events of records.
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

/// The events of the system. Those of the audit are beside them, one for each of its actions: `audit.key.create`.
pub const NOTICES: [&str; 10] = [
    "conflict.found",
    "job.died",
    "flow.failed",
    "location.connected",
    "location.broken",
    "location.recovered",
    "location.disconnected",
    "import.done",
    "quota.low",
    "hook.disabled",
];

/// Every event.
static ALL: LazyLock<Vec<String>> = LazyLock::new(|| {
    let of_audit = Action::ALL.iter().map(|action| format!("{AUDIT}{}", action.as_str()));
    EVENTS.into_iter().chain(NOTICES).map(str::to_owned).chain(of_audit).collect()
});
const AUDIT: &str = "audit.";

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
        match texts.iter().find(|text| !ALL.iter().any(|event| fits(text, event))) {
            Some(_) => Err(format!("names an event that does not exist; there are {}", known())),
            None => Ok(Self(texts)),
        }
    }

    /// Filters as they are stored. A filter of a later release matches nothing here.
    pub(crate) fn kept(texts: Vec<String>) -> Self {
        Self(texts)
    }

    /// Whether the event of a record is among them.
    #[must_use]
    pub fn receives(&self, event: &str) -> bool {
        self.0.iter().any(|filter| fits(filter, event))
    }

    /// Whether the event of the system is among them. `*` stands for those of records: who wants more names it.
    #[must_use]
    pub fn receives_notice(&self, event: &str) -> bool {
        self.0.iter().any(|filter| filter != EVERY && fits(filter, event))
    }

    /// As they were given.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        &self.0
    }

    /// The first event that they hear, for an example.
    #[must_use]
    pub fn example(&self) -> &'static str {
        let of_records = EVENTS.into_iter().find(|event| self.receives(event));
        let of_system = || ALL.iter().map(String::as_str).find(|event| self.receives_notice(event));
        of_records.or_else(of_system).unwrap_or("contact.updated")
    }
}

/// The event of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static str> {
    ALL.iter().map(String::as_str).find(|event| *event == name)
}

/// The names of all events, for a message.
#[must_use]
pub fn names() -> String {
    format!("{}, {}, or {AUDIT} and an action of the audit", EVENTS.join(", "), NOTICES.join(", "))
}

fn known() -> String {
    let all = "contact.*, task.*, note.*, appointment.*, location.*, audit.*; * is all of contacts, tasks, notes and appointments";
    format!("{}; {all}", names())
}

const EVERY: &str = "*";

fn fits(filter: &str, event: &str) -> bool {
    filter == event
        || filter == EVERY
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
pub(crate) fn received_as(change: &ChangeItem, is_imported: bool, requests: Wishes<'_>) -> Option<&'static str> {
    let Wishes { events, locations, seen, fields, ignored_key, imports } = requests;
    let is_hidden = seen.is_some_and(|seen| !seen.contains(&change.location_id));
    if is_hidden || locations.is_some_and(|locations| !locations.contains(&change.location_id)) {
        return None;
    }
    let event = candidates(change).into_iter().flatten().find(|event| events.receives(event))?;
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

/// Whether a hook with these filters gets the notice. What concerns no single location is for keys that see every one.
pub(crate) fn receives(notice: &NoticeItem, requests: Wishes<'_>) -> bool {
    let Wishes { events, locations, seen, .. } = requests;
    let is_there = match &notice.location_id {
        Some(id) => {
            seen.is_none_or(|seen| seen.contains(id)) && locations.is_none_or(|locations| locations.contains(id))
        }
        None => seen.is_none() && locations.is_none(),
    };
    is_there && events.receives_notice(&notice.event)
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
pub(crate) fn reported_as<'a>(received: &[&'a str], is_completed: bool, events: &Filters) -> Option<&'a str> {
    let last = |suffix: &str| received.iter().rev().copied().find(|event| event.ends_with(suffix));
    let gone = last(".erased").or_else(|| last(".deleted"));
    let completed = last(COMPLETED);
    let updated = last(".updated").or_else(|| {
        // It was edited, whatever became of it.
        completed.filter(|_| !is_completed && events.receives("task.updated")).map(|_| "task.updated")
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

    fn received(change: &ChangeItem, texts: &[&str]) -> Option<&'static str> {
        let events = filters(texts);
        let requests = Wishes { ignored_key: None, ..of_all(&events) };
        received_as(change, false, requests)
    }

    #[test]
    fn every_change_of_every_record_is_received_as_what_it_is() {
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
                    assert_eq!(received(&change, &[filter]), Some(event.as_str()), "{filter}");
                }
                let other = if record == "note" { "task.*" } else { "note.*" };
                assert_eq!(received(&change, &[other]), None);
            }
            assert_eq!(received(&change(record, ChangeOp::Synced, &[]), &["*"]), None);
        }
        assert_eq!(received(&change("contact", ChangeOp::Erased, &[]), &["contact.*"]), Some("contact.erased"));
        let sync = Some(SyncOf { state: Progress::Refused });
        let refused = ChangeItem { sync, ..change("note", ChangeOp::Synced, &[]) };
        assert_eq!(received(&refused, &["write.refused"]), Some("write.refused"));
        assert_eq!(received(&refused, &["note.*"]), None);
    }

    #[test]
    fn a_completed_task_is_received_as_that_or_as_edited_and_once() {
        let edited = change("task", ChangeOp::Stored, &["completed"]);
        assert_eq!(received(&edited, &["task.completed"]), Some("task.completed"));
        assert_eq!(received(&edited, &["task.updated"]), Some("task.updated"));
        assert_eq!(received(&edited, &["*"]), Some("task.completed"));
        assert_eq!(reported_as(&["task.completed"], true, &filters(&["*"])), Some("task.completed"));
        assert_eq!(reported_as(&["task.completed"], false, &filters(&["*"])), Some("task.updated"));
        assert_eq!(reported_as(&["task.completed"], false, &filters(&["task.completed"])), None);
        assert_eq!(reported_as(&["task.created", "task.completed"], true, &filters(&["*"])), Some("task.created"));
        assert_eq!(reported_as(&["task.updated", "task.deleted"], false, &filters(&["*"])), Some("task.deleted"));
    }

    #[test]
    fn own_edits_imports_other_places_and_other_fields_are_not_reported() {
        let events = filters(&["*"]);
        let all = of_all(&events);
        let own = ChangeItem { key_id: Some("k".into()), ..change("note", ChangeOp::Stored, &["body"]) };
        let others = ChangeItem { key_id: Some("other".into()), ..own.clone() };
        assert_eq!(received_as(&own, false, all), None);
        assert_eq!(received_as(&own, false, Wishes { ignored_key: None, ..all }), Some("note.updated"));
        assert_eq!(received_as(&others, false, all), Some("note.updated"));
        assert_eq!(received_as(&others, true, all), None);
        assert_eq!(received_as(&others, true, Wishes { imports: true, ..all }), Some("note.updated"));
        let sync = Some(SyncOf { state: Progress::PartlyApplied });
        let refused = ChangeItem { op: ChangeOp::Synced, sync, ..own };
        assert_eq!(received_as(&refused, false, all), Some("write.refused"), "its author has to know");
        let (here, there) = (["l".to_owned()], ["m".to_owned()]);
        assert!(received_as(&others, false, Wishes { locations: Some(&here), ..all }).is_some());
        assert!(received_as(&others, false, Wishes { locations: Some(&there), ..all }).is_none());
        let (own, other) = (HashSet::from(["l".to_owned()]), HashSet::from(["m".to_owned()]));
        assert!(received_as(&others, false, Wishes { seen: Some(&own), ..all }).is_some());
        assert!(received_as(&others, false, Wishes { seen: Some(&other), ..all }).is_none());
        let (body, title) = (["body".to_owned()], ["title".to_owned()]);
        assert!(received_as(&others, false, Wishes { fields: Some(&body), ..all }).is_some());
        assert!(received_as(&others, false, Wishes { fields: Some(&title), ..all }).is_none());
        let gone = ChangeItem { op: ChangeOp::Deleted, ..others };
        assert!(received_as(&gone, false, Wishes { fields: Some(&title), ..all }).is_some(), "it is no update");
    }

    #[test]
    fn a_notice_is_received_by_name_where_its_location_is_seen() {
        let notice = |event: &str, location_id: Option<&str>| NoticeItem {
            seq: 1,
            event: event.into(),
            location_id: location_id.map(str::to_owned),
            contact_id: None,
            record: "job".into(),
            record_id: "j".into(),
            details: serde_json::json!({}),
            at: jiff::Timestamp::UNIX_EPOCH,
        };
        let (here, there) = (["l".to_owned()], ["m".to_owned()]);
        let (own, other) = (HashSet::from(["l".to_owned()]), HashSet::from(["m".to_owned()]));
        for (texts, event, is_received) in [
            (&["job.died"][..], "job.died", true),
            (&["job.*"], "job.died", true),
            (&["*"], "job.died", false),
            (&["*", "audit.*"], "audit.key.create", true),
            (&["audit.key.create"], "audit.key.create", true),
            (&["audit.key.create"], "audit.key.revoke", false),
        ] {
            let events = filters(texts);
            assert_eq!(receives(&notice(event, Some("l")), of_all(&events)), is_received, "{texts:?} {event}");
            assert_eq!(receives(&notice(event, None), of_all(&events)), is_received, "{texts:?} {event}");
        }
        let events = filters(&["job.*"]);
        let (of_one, of_none) = (notice("job.died", Some("l")), notice("job.died", None));
        let all = of_all(&events);
        for (requests, is_received) in [
            (Wishes { locations: Some(&here), ..all }, true),
            (Wishes { locations: Some(&there), ..all }, false),
            (Wishes { seen: Some(&own), ..all }, true),
            (Wishes { seen: Some(&other), ..all }, false),
        ] {
            assert_eq!(receives(&of_one, requests), is_received, "{requests:?}");
            assert!(!receives(&of_none, requests), "{requests:?}");
        }
        assert_eq!(
            (filters(&["audit.*"]).example(), named("audit.key.create")),
            ("audit.key.create", Some("audit.key.create"))
        );
    }

    #[test]
    fn a_filter_that_receives_nothing_is_a_mistake() {
        for wrong in [&[][..], &[""], &["contact"], &["contact.*", "contacts.updated"], &["*.updated"], &["hook.test"]]
        {
            assert!(Filters::new(wrong.iter().map(|text| (*text).to_owned()).collect()).is_err(), "{wrong:?}");
        }
    }
}
