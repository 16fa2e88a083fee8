//! Samples of messages: what a person sees who sets up a flow elsewhere, before anything has happened.

use serde_json::{Value, json};

use super::message::example;
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
    for change in records.newest_changes(record, location_id, limit).await? {
        if let Some(shown) = records.shown_record(&change.location_id, record, &change.record_id).await? {
            let id = format!("sample_{}", change.record_id);
            samples.push(example(&id, event, &change.location_id, change.changed_at, &shown));
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
    example(&format!("sample_{record}"), event, "ve9EPM428h8vShlRW1KT", at, &record_as_documented(record))
}

/// The kind of record that an event is about.
pub(super) fn record_of(event: &str) -> &str {
    match event.split_once('.') {
        Some((record @ ("contact" | "task" | "note" | "appointment"), _)) => record,
        _ => "contact",
    }
}

/// Records as docs/HOOKS.md shows them.
fn record_as_documented(record: &str) -> Value {
    const CONTACT: &str = "ocQHyuzHvysMo5N5VsXc";
    let sync = json!({"state": "applied"});
    match record {
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
