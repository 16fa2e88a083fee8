//! Samples of messages: what a person sees who sets up a flow elsewhere, before anything has happened.

use serde_json::{Value, json};

use super::message::example;
use crate::records::hook_event::EVENTS;
use crate::records::{Records, RecordsError};

/// The newest records of the event's kind, newest first; the documented example where there are none. The id of a sample is its record's, so it is
/// the same each time. Of the locations that the principal of `records` sees.
///
/// # Errors
/// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
pub async fn newest(
    records: &Records,
    event: &str,
    location_id: Option<&str>,
    limit: usize,
) -> Result<Vec<Value>, RecordsError> {
    let record = record_of(event);
    let mut samples = Vec::new();
    if !EVENTS.contains(&event) {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        for notice in records.newest_notices(event, location_id, limit).await? {
            let mut data = notice.details;
            data["recordId"] = notice.record_id.into();
            let id = format!("sample_notice_{}", notice.seq);
            let mut sample = example(&id, event, notice.location_id.as_deref(), notice.at, &data);
            sample["contactId"] = json!(notice.contact_id);
            samples.push(sample);
        }
        if samples.is_empty() {
            samples.push(documented(event));
        }
        return Ok(samples);
    }
    for change in records.newest_changes(record, location_id, limit).await? {
        if let Some(shown) = records.shown_record(&change.location_id, record, &change.record_id).await? {
            let id = format!("sample_{}", change.record_id);
            samples.push(example(&id, event, Some(&change.location_id), change.changed_at, &shown));
        }
    }
    if samples.is_empty() {
        // Of its own location: a key learns nothing of one that it does not see, not even that it was asked for.
        samples.push(documented(event));
    }
    Ok(samples)
}

/// The example of the documentation.
pub(super) fn documented(event: &str) -> Value {
    let (record, at) = (record_of(event), jiff::Timestamp::UNIX_EPOCH);
    // What concerns the whole deployment has no location.
    let location = (!matches!(record, "hook" | "audit")).then_some("ve9EPM428h8vShlRW1KT");
    example(&format!("sample_{record}"), event, location, at, &record_as_documented(event))
}

/// The kind of thing that an event is about.
pub(super) fn record_of(event: &str) -> &str {
    match event.split_once('.') {
        Some((
            record @ ("contact" | "task" | "note" | "appointment" | "conflict" | "job" | "location" | "audit"),
            _,
        )) => record,
        Some(("flow", _)) => "flow-run",
        Some(("import", _)) => "scan",
        Some(("quota", _)) => "location",
        Some(("hook", "disabled")) => "hook",
        _ => "contact",
    }
}

/// Records as docs/HOOKS.md shows them.
fn record_as_documented(event: &str) -> Value {
    const CONTACT: &str = "ocQHyuzHvysMo5N5VsXc";
    const LOCATION: &str = "ve9EPM428h8vShlRW1KT";
    let sync = json!({"state": "applied"});
    match event {
        "conflict.found" => {
            return json!({"record": "contact", "field": "city", "winner": "ghl", "contactId": CONTACT, "recordId": "r-conflict"});
        }
        "job.died" => return json!({"kind": "push_contact", "recordId": "r-job"}),
        "flow.failed" => return json!({"flow": "welcome", "step": 1, "contactId": CONTACT, "recordId": "r-run"}),
        "location.connected" => return json!({"kind": "oauth", "companyId": "c-17", "recordId": LOCATION}),
        "location.recovered" => return json!({"brokenSince": "2026-11-30T09:00:00Z", "recordId": LOCATION}),
        "location.broken" | "location.disconnected" => return json!({"recordId": LOCATION}),
        "import.done" => {
            return json!({"contacts": 24, "tasks": 40, "notes": 31, "appointments": 12, "calls": 96, "recordId": "r-scan"});
        }
        "quota.low" => return json!({"callsLeft": 9_800, "callsADay": 200_000, "recordId": LOCATION}),
        "hook.disabled" => return json!({"why": "by request", "recordId": "hk_0193"}),
        _ => {}
    }
    match record_of(event) {
        "audit" => json!({
            "actorKind": "key", "actor": "9f2c61d04b7a", "action": event.trim_start_matches("audit."), "target": "hk_0193", "requestId": null,
            "outcome": "done", "details": {}, "hash": "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg", "recordId": "17",
        }),
        "task" => json!({
            "taskId": "hxHGVRb1YJUscrCB8eXK", "clientyTaskId": "t-17", "contactId": CONTACT, "title": "Call Ada", "body": "About the offer",
            "dueDate": "2026-12-01T09:00:00Z", "completed": false, "status": "open", "assignedTo": null, "recordId": "r-task", "sync": sync,
        }),
        "note" => json!({
            "noteId": "n8xVfKTzXyJQGyHnzX3p", "clientyNoteId": "n-4", "contactId": CONTACT, "noteText": "Called, wants an offer",
            "createdAt": "2026-11-30T09:00:00Z", "recordId": "r-note", "sync": sync,
        }),
        "appointment" => json!({
            "appointmentId": "0TkCdp9PfvLeWKYRRvIz", "clientyAppointmentId": null, "contactId": CONTACT, "calendarId": "BVTAJZRnMDdLcqQSM7ur",
            "title": "Demo", "status": "confirmed", "startTime": "2026-12-01T09:00:00Z", "endTime": "2026-12-01T09:30:00Z",
            "recordId": "r-appointment", "sync": sync,
        }),
        _ => json!({
            "id": CONTACT, "name": "Ada Lovelace", "firstName": "Ada", "lastName": "Lovelace", "email": "ada@example.com",
            "phone": "+442071838750", "companyName": null, "tags": ["lead"], "customFields": [], "recordId": "r-contact", "sync": sync,
        }),
    }
}
