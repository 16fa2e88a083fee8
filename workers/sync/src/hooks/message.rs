//! The body of a message: made when it is sent, of the record as it is by then. Pure: no I/O.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::records::hook_event::{EVENTS, Filters, reported_as};
use crate::records::{OwedChange, message_id};

/// Bytes that a body stays below; what is longer goes without the record's fields, as Standard Webhooks asks.
const LONGEST: usize = 20_000;

/// A message to a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// The same at each attempt, and another one as soon as the message has more changes.
    pub(crate) id: String,
    pub(crate) event: String,
    pub(crate) body: String,
}

/// The message with these changes of one record, oldest first, with the record as it is now, or its ids if the hook's key reads no more; none
/// if nothing is left to send.
pub(crate) fn message(
    hook_id: &str,
    events: &Filters,
    reads_people: bool,
    changes: &[OwedChange],
    record: Option<&Value>,
) -> Option<Message> {
    let newest = changes.last()?;
    if newest.notice.is_some() {
        return Some(about_the_system(hook_id, newest));
    }
    let received: Vec<&str> = changes.iter().map(|change| change.event.as_str()).collect();
    let is_completed = record.is_some_and(|record| record["completed"] == true);
    let event = match (reported_as(&received, is_completed, events)?, record) {
        // It went after the change, and its deletion is on its way, or was forgotten by now.
        (event, None) if !event.ends_with(".erased") => format!("{}.deleted", newest.record),
        (event, _) => event.to_owned(),
    };
    let ids = json!({
        "contactId": newest.contact_id,
        "recordId": newest.record_id,
        "ghlId": newest.ghl_id,
        "clientyId": newest.clienty_id,
    });
    let is_there = !event.ends_with(".deleted") && !event.ends_with(".erased");
    let data = record.filter(|_| is_there && reads_people).unwrap_or(&ids);
    let id = message_id(hook_id, newest.seq);
    let mut body = head(&id, newest, &event);
    body.insert("sequence".into(), newest.seq.into());
    body.insert("previous".into(), newest.previous.into());
    if let [older @ .., _] = changes
        && !older.is_empty()
    {
        let includes: Vec<Value> = older.iter().map(|change| json!([change.seq, change.previous])).collect();
        body.insert("includes".into(), includes.into());
    }
    body.insert("changes".into(), changed(changes));
    body.insert("data".into(), data.clone());
    let mut text = Value::Object(body.clone()).to_string();
    if text.len() >= LONGEST {
        body.insert("data".into(), ids);
        body.insert("truncated".into(), true.into());
        text = Value::Object(body).to_string();
    }
    Some(Message { id, event, body: text })
}

/// The message of a notice: it has ids, names and numbers, and is never joined with another.
fn about_the_system(hook_id: &str, notice: &OwedChange) -> Message {
    let id = message_id(hook_id, notice.seq);
    let mut data = notice.notice.clone().unwrap_or_default();
    data["recordId"] = notice.record_id.as_str().into();
    let mut body = head(&id, notice, &notice.event);
    for name in ["locationId", "contactId"] {
        // What concerns none of them.
        if body.get(name).is_some_and(|id| id == "") {
            body.insert(name.into(), Value::Null);
        }
    }
    body.insert("sequence".into(), notice.seq.into());
    body.insert("previous".into(), notice.previous.into());
    body.insert("changes".into(), json!([]));
    body.insert("data".into(), data);
    Message { id, event: notice.event.clone(), body: Value::Object(body).to_string() }
}

/// The body of a message without a change, to test a receiver with or as a sample: of a record as it is, or as the documentation
/// has it.
pub(crate) fn example(id: &str, event: &str, location_id: Option<&str>, at: Timestamp, data: &Value) -> Value {
    json!({
        "id": id,
        "type": event,
        "timestamp": at,
        "locationId": location_id,
        "contactId": data.get("contactId").or_else(|| data.get("id")),
        "record": super::samples::record_of(event),
        "recordId": data["recordId"],
        "origin": EVENTS.contains(&event).then_some("ghl"),
        "causedBy": null,
        "sequence": null,
        "previous": null,
        "changes": [],
        "data": data,
    })
}

fn head(id: &str, newest: &OwedChange, event: &str) -> Map<String, Value> {
    let caused_by = newest.caused_by.as_ref().map(|job| json!({"jobId": job, "keyId": newest.key_id}));
    let mut head = Map::new();
    head.insert("id".into(), id.into());
    head.insert("type".into(), event.into());
    head.insert("timestamp".into(), json!(newest.changed_at));
    head.insert("locationId".into(), newest.location_id.as_str().into());
    head.insert("contactId".into(), newest.contact_id.as_str().into());
    head.insert("record".into(), newest.record.as_str().into());
    head.insert("recordId".into(), newest.record_id.as_str().into());
    head.insert("origin".into(), json!(newest.origin));
    head.insert("causedBy".into(), caused_by.unwrap_or_default());
    head
}

/// The names of all fields that the changes touched.
fn changed(changes: &[OwedChange]) -> Value {
    let mut names: Vec<&str> = changes.iter().flat_map(|change| change.fields.iter().map(String::as_str)).collect();
    names.sort_unstable();
    names.dedup();
    names.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Origin;

    fn pending(seq: i64, previous: i64, event: &str) -> OwedChange {
        OwedChange {
            seq,
            previous: Some(previous),
            event: event.into(),
            location_id: "l".into(),
            contact_id: "c".into(),
            record: event.split('.').next().unwrap().into(),
            record_id: "r".into(),
            clienty_id: None,
            ghl_id: Some("g".into()),
            fields: vec![format!("field{seq}")],
            notice: None,
            origin: Some(Origin::Ghl),
            caused_by: Some("j".into()),
            key_id: None,
            changed_at: Timestamp::UNIX_EPOCH,
            attempts: 0,
            next_at_ms: None,
        }
    }

    fn body(changes: &[OwedChange], record: Option<Value>) -> Value {
        let all = Filters::new(vec!["*".into()]).unwrap();
        serde_json::from_str(&message("h", &all, true, changes, record.as_ref()).unwrap().body).unwrap()
    }

    #[test]
    fn changes_of_one_record_are_one_message_that_accounts_for_each() {
        let changes =
            [pending(3, 1, "contact.created"), pending(5, 4, "contact.updated"), pending(9, 8, "contact.updated")];
        let reported = body(&changes, Some(json!({"name": "Ada"})));
        assert_eq!(reported["type"], "contact.created");
        assert_eq!((&reported["sequence"], &reported["previous"]), (&json!(9), &json!(8)));
        assert_eq!(reported["includes"], json!([[3, 1], [5, 4]]));
        assert_eq!(reported["changes"], json!(["field3", "field5", "field9"]));
        assert_eq!(reported["data"], json!({"name": "Ada"}));
        assert!(body(&changes[..1], Some(json!({})))["includes"].is_null());
    }

    #[test]
    fn what_is_gone_by_now_is_reported_as_gone() {
        let reported = body(&[pending(3, 1, "note.created")], None);
        assert_eq!((&reported["type"], &reported["data"]["recordId"]), (&json!("note.deleted"), &json!("r")));
        let reported = body(&[pending(3, 1, "contact.updated"), pending(4, 3, "contact.erased")], None);
        assert_eq!((&reported["type"], &reported["data"]["ghlId"]), (&json!("contact.erased"), &json!("g")));
        // The deleted record can still be read; the message has its ids only.
        let reported = body(&[pending(4, 3, "contact.deleted")], Some(json!({"name": "Ada"})));
        assert_eq!(reported["data"]["name"], Value::Null);
    }

    #[test]
    fn a_body_stays_below_its_bound_and_says_so() {
        let many: Vec<_> = (0..500).map(|at| pending(1_000_000 + at, 999_999 + at, "contact.updated")).collect();
        let long = json!({"name": "x".repeat(30_000)});
        let all = Filters::new(vec!["*".into()]).unwrap();
        let reported = message("h", &all, true, &many, Some(&long)).unwrap();
        assert!(reported.body.len() < LONGEST, "{}", reported.body.len());
        let reported: Value = serde_json::from_str(&reported.body).unwrap();
        assert_eq!((&reported["truncated"], &reported["data"]["recordId"]), (&json!(true), &json!("r")));
        assert_eq!(reported["includes"].as_array().unwrap().len(), 499);
    }

    #[test]
    fn who_reads_ids_alone_is_reported_ids_alone() {
        let all = Filters::new(vec!["*".into()]).unwrap();
        let record = json!({"name": "Ada"});
        let reported = message("h", &all, false, &[pending(3, 1, "contact.updated")], Some(&record)).unwrap();
        assert!(
            reported.event == "contact.updated" && reported.body.contains("recordId") && !reported.body.contains("Ada")
        );
    }

    #[test]
    fn a_notice_is_a_message_of_its_own_with_ids_alone() {
        let notice = OwedChange {
            notice: Some(json!({"kind": "push_note"})),
            location_id: String::new(),
            contact_id: String::new(),
            fields: Vec::new(),
            origin: None,
            ..pending(7, 3, "job.died")
        };
        let reported = body(&[notice], Some(json!({"name": "Ada"})));
        assert_eq!(reported["data"], json!({"kind": "push_note", "recordId": "r"}));
        assert_eq!((&reported["type"], &reported["record"]), (&json!("job.died"), &json!("job")));
        assert_eq!(
            (&reported["locationId"], &reported["contactId"], &reported["previous"]),
            (&json!(null), &json!(null), &json!(3))
        );
    }
}
