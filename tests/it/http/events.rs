//! Events that are accepted.

use serde_json::json;

use crate::support::api::Api;
use crate::support::installation::Installation;

#[tokio::test]
async fn the_same_id_is_accepted_once_also_within_one_batch() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let (location, contact) = (&installation.location, &installation.contacts[0]);
    let event = json!({"id": "e1", "type": "contact.selected", "locationId": location, "contactId": contact});
    let nameless = json!({"type": "contact.selected", "locationId": location, "contactId": contact});

    let first = api.accepted(&event).await;
    assert_eq!((first.len(), &first[0]["id"], &first[0]["duplicate"]), (1, &json!("e1"), &json!(false)));
    let again = api.accepted(&event).await;
    assert_eq!(again[0], json!({"id": "e1", "jobId": first[0]["jobId"], "duplicate": true}));

    let mut other = event.clone();
    other["id"] = json!("e2");
    let batch = api.accepted(&json!([other, event, other, nameless, nameless])).await;
    let duplicates: Vec<_> = batch.iter().map(|accepted| accepted["duplicate"].as_bool().unwrap()).collect();
    assert_eq!(duplicates, [false, true, true, false, false]);
    assert_eq!(batch[1]["jobId"], first[0]["jobId"]);
    assert_eq!(batch[2]["jobId"], batch[0]["jobId"]);
    assert_ne!(batch[3]["jobId"], batch[4]["jobId"]);
    assert_eq!(installation.job_count(), 4);
}

#[tokio::test]
async fn a_job_is_reported_in_the_promised_shape_and_says_why_it_is_not_running() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let event =
        json!({"type": "contact.selected", "locationId": installation.location, "contactId": installation.contacts[0]});

    let done = api.done(&event).await;
    assert_eq!(done["kind"], "pull_contact");
    assert_eq!(done["locationId"], installation.location);
    assert_eq!((&done["why"], &done["lastError"]), (&json!(null), &json!(null)));
    assert_eq!(done["history"], json!([]));
    for time in ["createdAt", "finishedAt"] {
        let text = done[time].as_str().unwrap();
        assert!(text.parse::<jiff::Timestamp>().is_ok() && text.ends_with('Z'), "{time} {text}");
    }
    assert!(done["attempts"].is_u64() && done["id"].is_string(), "{done}");

    // GHL has no such contact: the job ends at once, and stays to be looked at.
    let mut unknown = event.clone();
    unknown["contactId"] = json!("nobody");
    let accepted = api.accepted(&unknown).await;
    let id = accepted[0]["jobId"].as_str().unwrap();
    let gone = api.job_in_state(id, "dead").await;
    assert!(gone["finishedAt"].is_string(), "{gone}");

    // A wall of errors: the job is put off, and says until when.
    let faults = json!({"serverError": 1000}).to_string();
    let set = Api::new(&installation.ghl, "")
        .request("POST", "/_sandbox/faults", |request| request.header("content-type", "application/json").body(faults))
        .await;
    assert_eq!(set.status, 204, "{}", set.text);
    let accepted = api.accepted(&event).await;
    let waiting = api.job_in_state(accepted[0]["jobId"].as_str().unwrap(), "scheduled").await;
    assert!(waiting["why"].as_str().unwrap().contains("retried at"), "{waiting}");
    assert!(waiting["lastError"].as_str().is_some_and(|error| !error.is_empty()), "{waiting}");
    assert_eq!(waiting["finishedAt"], json!(null));
    let first = &waiting["history"][0];
    assert_eq!((&first["attempt"], &first["error"]), (&json!(1), &waiting["lastError"]));
    assert!(first["failedAt"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{first}");
}

#[tokio::test]
async fn an_appointment_is_booked_changed_and_deleted_over_http() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let (location, contact) = (&installation.location, &installation.contacts[0]);
    let ghl = Api::new(&installation.ghl, "");
    let state = async || ghl.get(&format!("/_sandbox/locations/{location}/state")).await.json();
    let held = async |title: &str| {
        let state = state().await;
        state["appointments"].as_array().unwrap().iter().filter(|one| one["title"] == title).count()
    };
    let calendar = state().await["appointments"][0]["calendarId"].clone();
    api.pulled(location, contact).await;
    let event = |event_type: &str, data: serde_json::Value| json!({"type": event_type, "locationId": location, "contactId": contact, "data": data});
    let data = json!({
        "clientyAppointmentId": "k1", "calendarId": calendar, "startTime": "2026-03-02T15:00:00Z", "title": "Demo",
    });
    assert_eq!(api.done(&event("appointment.created", data)).await["kind"], "push_appointment");
    assert_eq!(held("Demo").await, 1);
    let edit = json!({"clientyAppointmentId": "k1", "title": "Demo again"});
    api.done(&event("appointment.updated", edit)).await;
    let view = api.get(&format!("/v1/locations/{location}/contacts/{contact}")).await.json();
    let shown = view["appointments"].as_array().unwrap().iter().find(|one| one["clientyAppointmentId"] == "k1");
    let shown = shown.unwrap();
    assert_eq!((&shown["title"], &shown["sync"]["state"]), (&json!("Demo again"), &json!("applied")));
    assert!(shown["appointmentId"].is_string() && shown["endTime"] == "2026-03-02T15:30:00Z", "{shown}");
    api.done(&event("appointment.deleted", json!({"clientyAppointmentId": "k1"}))).await;
    assert_eq!((held("Demo").await, held("Demo again").await), (0, 0));

    let wrong = json!([event("appointment.created", json!({"startTime": "tomorrow", "status": "tentative"}))]);
    let faults = api.post(wrong.to_string()).await.faults(422);
    let names: Vec<&str> = faults.iter().map(|(_, field)| field.as_str()).collect();
    assert_eq!(names, ["data.clientyAppointmentId", "data.calendarId", "data.startTime", "data.status"]);
}
