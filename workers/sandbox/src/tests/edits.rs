//! What a person does at a screen of GHL's, past the checks of the API.

use reqwest::Method;
use serde_json::json;

use super::Bench;

#[tokio::test]
async fn a_person_may_add_what_the_api_refuses_and_listeners_hear_of_it() {
    let bench = Bench::plain().await;
    let mut changes = bench.sandbox.changes();
    for number in 0..2 {
        let new = json!({ "firstName": "Ada", "email": "same@example.com", "unheardOf": number });
        assert_eq!(bench.edit(Method::POST, "contacts", new).await.0, 200);
    }
    let twins = bench.state()["contacts"].as_array().unwrap().clone();
    assert_eq!(twins.iter().filter(|contact| contact["email"] == "same@example.com").count(), 2);
    assert_eq!(changes.try_recv().unwrap().event, "ContactCreate");
}

#[tokio::test]
async fn every_kind_of_record_is_added_changed_and_deleted() {
    let bench = Bench::plain().await;
    let contact = bench.contact();
    let mut changes = bench.sandbox.changes();
    for (kind, part) in [("tasks", "task"), ("notes", "note"), ("appointments", "events")] {
        let new = json!({ "contactId": contact, "title": "By hand", "startTime": "2026-07-06T13:00:00Z" });
        let (status, record) = bench.edit(Method::POST, kind, new).await;
        assert_eq!(status, 200, "{part}");
        let path = format!("{kind}/{}", record["id"].as_str().unwrap());
        let (_, record) = bench.edit(Method::PUT, &path, json!({ "title": "Again" })).await;
        assert_eq!(record["title"], "Again");
        assert_eq!(bench.edit(Method::DELETE, &path, json!({})).await.0, 204);
        assert_eq!(bench.edit(Method::DELETE, &path, json!({})).await.0, 404);
    }
    let heard: Vec<_> = std::iter::from_fn(|| changes.try_recv().ok()).map(|change| change.event).collect();
    let expected = [
        ["TaskCreate", "TaskUpdate", "TaskDelete"],
        ["NoteCreate", "NoteUpdate", "NoteDelete"],
        ["AppointmentCreate", "AppointmentUpdate", "AppointmentDelete"],
    ];
    assert_eq!(heard, expected.concat());
}

#[tokio::test]
async fn a_merged_contact_leaves_its_records_and_tags_to_the_other() {
    let bench = Bench::plain().await;
    let state = bench.state();
    let gone = state["tasks"][0]["contactId"].as_str().unwrap();
    let tasks = |state: &serde_json::Value, id: &str| {
        state["tasks"].as_array().unwrap().iter().filter(|task| task["contactId"] == id).count()
    };
    let heir = state["contacts"].as_array().unwrap().iter().map(|contact| contact["id"].as_str().unwrap());
    let heir = heir.into_iter().find(|id| *id != gone).unwrap();
    bench.edit(Method::PUT, &format!("contacts/{gone}"), json!({ "tags": ["heirloom"] })).await;
    let mut changes = bench.sandbox.changes();
    let (status, merged) = bench.edit(Method::POST, &format!("contacts/{gone}/merge"), json!({ "into": heir })).await;
    assert_eq!(status, 200);
    assert!(merged["tags"].as_array().unwrap().contains(&json!("heirloom")));
    assert_eq!(bench.get(&format!("/contacts/{gone}")).await.0, 400);
    assert_eq!(tasks(&bench.state(), heir), tasks(&state, heir) + tasks(&state, gone));
    let told = changes.try_recv().unwrap();
    assert_eq!((told.event, told.contact.as_str(), told.id.as_str()), ("ContactMerge", heir, gone));
    assert!(changes.try_recv().is_err(), "nothing else is told");
}

#[tokio::test]
async fn a_missing_scope_is_a_401_that_is_no_dead_token() {
    let bench = Bench::plain().await;
    let path = format!("/contacts/{}", bench.contact());
    assert_eq!(bench.edit(Method::POST, "scopes", json!({ "scopes": ["contacts.readonly"] })).await.0, 204);
    assert_eq!(bench.get(&path).await.0, 200);
    let search = json!({ "locationId": bench.location, "pageLimit": 1 });
    assert_eq!(bench.send(Method::POST, "/contacts/search", search).await.0, 200);
    for refused in [
        bench.send(Method::PUT, &path, json!({ "city": "Rome" })).await,
        bench.get(&format!("/locations/{}", bench.location)).await,
    ] {
        assert_eq!((refused.0, &refused.1["message"]), (401, &json!("The token is not authorized for this scope.")));
    }
    bench.edit(Method::POST, "scopes", json!({ "scopes": null })).await;
    assert_eq!(bench.send(Method::PUT, &path, json!({ "city": "Rome" })).await.0, 200);
}
