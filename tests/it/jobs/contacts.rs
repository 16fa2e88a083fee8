//! Contacts of a producer get into GHL, with the fewest calls, and each once.

use ghl_sandbox::Faults;
use reqwest::Method;
use serde_json::{Value, json};
use sync_workers::records::{JobState, ListQuery};

use crate::support::test_app::{Setup, TestApp, call};

/// An app that knows its first contact.
pub(super) async fn start() -> (TestApp, String) {
    TestApp::knowing_one(Setup::impatient()).await
}

/// Calls that `events` about a contact take, when they wait for a worker together.
async fn calls_of(app: &mut TestApp, contact: &str, events: &[(&str, Value)]) -> Vec<(String, u64)> {
    app.rest().await;
    let location = app.location().id;
    let before = app.sandbox.stats().locations[&location].operations.clone();
    for (event_type, data) in events {
        app.report(event_type, contact, data.clone()).await;
    }
    app.work();
    app.settle().await;
    let after = app.sandbox.stats().locations[&location].operations.clone();
    let more = |(name, count): (String, u64)| {
        let more = count - before.get(&name).copied().unwrap_or(0);
        (more > 0).then_some((name, more))
    };
    after.into_iter().filter_map(more).collect()
}

fn theirs(app: &TestApp, contact: &str) -> Value {
    let state = app.state(&app.location().id);
    let contacts = state["contacts"].as_array().unwrap();
    contacts.iter().find(|held| held["id"] == contact).cloned().unwrap_or_default()
}

fn those_with(app: &TestApp, field: &str, value: &str) -> Vec<Value> {
    let state = app.state(&app.location().id);
    state["contacts"].as_array().unwrap().iter().filter(|held| held[field] == value).cloned().collect()
}

async fn create(app: &TestApp, id: &str, mut data: Value) -> String {
    data["clientyContactId"] = json!(id);
    app.send(json!({"type": "contact.created", "locationId": app.location().id, "data": data})).await
}

#[tokio::test]
async fn ten_edits_of_a_contact_are_one_call_with_what_changed_alone() {
    let (mut app, contact) = start().await;
    // A person edits another field, and nothing informs us.
    app.by_hand(Method::PUT, &format!("/contacts/{contact}"), json!({"city": "Bonn"})).await;
    let edits: Vec<_> = (0..10)
        .map(|n| ("contact.updated", json!({"email": format!("new{n}@example.com"), "address1": "Here 1"})))
        .collect();
    assert_eq!(calls_of(&mut app, &contact, &edits).await, [(call::UPDATE_CONTACT.to_owned(), 1)]);
    let held = theirs(&app, &contact);
    assert_eq!(
        (&held["email"], &held["address1"], &held["city"]),
        (&json!("new9@example.com"), &json!("Here 1"), &json!("Bonn"))
    );
    app.assert_equal(&contact).await;
    app.finish().await;
}

#[tokio::test]
async fn tags_come_and_go_one_by_one_and_those_of_others_stay() {
    let (mut app, contact) = start().await;
    app.by_hand(Method::POST, &format!("/contacts/{contact}/tags"), json!({"tags": ["theirs"]})).await;
    let calls = calls_of(&mut app, &contact, &[("contact.tagged", json!({"tags": ["VIP", "Ours"]}))]).await;
    assert_eq!(calls, [(call::ADD_TAGS.to_owned(), 1)]);
    let calls = calls_of(&mut app, &contact, &[("contact.tagged", json!({"removeTags": ["Ours"]}))]).await;
    assert_eq!(calls, [(call::REMOVE_TAGS.to_owned(), 1)]);
    let tags = theirs(&app, &contact)["tags"].clone();
    let has = |tag: &str| tags.as_array().unwrap().contains(&json!(tag));
    assert!(has("vip") && has("theirs") && !has("ours"), "{tags}");
    app.report("contact.selected", &contact, json!({})).await;
    app.settle().await;
    app.assert_equal(&contact).await;
    app.finish().await;
}

#[tokio::test]
async fn a_deleted_contact_is_deleted_in_ghl_once_and_its_readers_see_it_no_more() {
    let (mut app, contact) = start().await;
    let calls = calls_of(&mut app, &contact, &[("contact.deleted", json!({})), ("contact.deleted", json!({}))]).await;
    assert_eq!(calls, [(call::DELETE_CONTACT.to_owned(), 1)]);
    assert_eq!((theirs(&app, &contact), app.view(&contact).await), (Value::Null, None));
    app.finish().await;
}

#[tokio::test]
async fn a_contact_that_nobody_looked_at_can_be_edited() {
    let (mut app, _) = start().await;
    let contact = app.contacts(&app.location().id).remove(1);
    let tag = theirs(&app, &contact)["tags"].get(0).cloned();
    let removed: Vec<_> = tag.into_iter().collect();
    let edit = json!({"email": "blind@example.com", "removeTags": removed});
    calls_of(&mut app, &contact, &[("contact.updated", edit)]).await;
    let held = theirs(&app, &contact);
    assert_eq!(held["email"], "blind@example.com");
    assert!(removed.iter().all(|tag| !held["tags"].as_array().unwrap().contains(tag)), "{held}");
    app.report("contact.selected", &contact, json!({})).await;
    app.settle().await;
    app.assert_equal(&contact).await;
    app.finish().await;
}

#[tokio::test]
async fn what_ghl_did_not_apply_is_reported_with_the_contact() {
    let (app, contact) = start().await;
    app.report("contact.updated", &contact, json!({"companyName": "Deo & Sons", "city": "Bonn"})).await;
    app.settle().await;
    let sync = app.view(&contact).await.unwrap()["contact"]["sync"].clone();
    assert_eq!(sync["state"], "partlyApplied", "{sync}");
    let reported: Vec<_> = sync["fields"].as_array().unwrap().iter().map(|one| (&one["field"], &one["sent"])).collect();
    assert_eq!(reported, [(&json!("companyName"), &json!("Deo & Sons"))]);
    let query = ListQuery { limit: 10, ..ListQuery::default() };
    let page = app.app.records.list_contacts(&app.location().id, &query).await.unwrap();
    let listed = page.items.into_iter().find(|item| item.record.id == contact).unwrap();
    assert_eq!(serde_json::to_value(listed.sync).unwrap(), sync);
    app.assert_equal(&contact).await;
    app.finish().await;
}

#[tokio::test]
async fn custom_fields_are_written_and_read_by_key() {
    let (app, contact) = start().await;
    let location = app.location().id;
    let fields = app.by_hand(Method::GET, &format!("/locations/{location}/customFields"), json!({})).await;
    let text =
        fields["customFields"].as_array().unwrap().iter().find(|field| field["dataType"] == "TEXT").unwrap().clone();
    app.report("contact.updated", &contact, json!({"customFields": {text["fieldKey"].as_str().unwrap(): "Seven"}}))
        .await;
    app.settle().await;
    let held = theirs(&app, &contact)["customFields"].clone();
    assert!(held.as_array().unwrap().contains(&json!({"id": text["id"], "value": "Seven"})), "{held}");
    let view = app.view(&contact).await.unwrap();
    let key = text["fieldKey"].as_str().unwrap().trim_start_matches("contact.");
    assert_eq!(view["contact"]["customFieldsByKey"][key], "Seven");
    app.assert_equal(&contact).await;
    app.finish().await;
}

#[tokio::test]
async fn custom_fields_that_began_in_ghl_are_read_by_key_and_asked_about_once() {
    let app = TestApp::working(Setup::default()).await;
    let location = app.location().id;
    let contacts = app.contacts(&location);
    for _ in 0..2 {
        for contact in &contacts {
            app.report("contact.selected", contact, json!({})).await;
        }
        app.settle().await;
    }
    assert_eq!(app.calls(&location, "GET /locations/{locationId}/customFields"), 1);
    let definitions = app.by_hand(Method::GET, &format!("/locations/{location}/customFields"), json!({})).await;
    let key_of = |id: &Value| {
        let fields = definitions["customFields"].as_array().unwrap();
        let field = fields.iter().find(|field| field["id"] == *id).unwrap();
        field["fieldKey"].as_str().unwrap().trim_start_matches("contact.").to_owned()
    };
    let mut seen = 0;
    for contact in &contacts {
        let view = app.view(contact).await.unwrap();
        for field in view["contact"]["customFields"].as_array().unwrap() {
            assert_eq!(view["contact"]["customFieldsByKey"][key_of(&field["id"])], field["value"]);
            seen += 1;
        }
        app.assert_equal(contact).await;
    }
    assert!(seen > 0, "the sandbox seeds custom fields");
    let query = ListQuery { limit: 50, ..ListQuery::default() };
    let page = app.app.records.list_contacts(&location, &query).await.unwrap();
    assert!(page.items.iter().any(|item| !item.record.custom_fields_by_key.is_empty()));
    app.finish().await;
}

#[tokio::test]
async fn the_first_contact_of_a_location_is_shown_with_the_keys_of_its_custom_fields() {
    let app = TestApp::working(Setup::default()).await;
    let location = app.location().id;
    let state = app.state(&location);
    let has_fields = |contact: &&Value| !contact["customFields"].as_array().unwrap().is_empty();
    let contact = state["contacts"].as_array().unwrap().iter().find(has_fields).expect("the sandbox seeds them");
    let contact = contact["id"].as_str().unwrap();
    let id = app.report("contact.selected", contact, json!({})).await;
    app.ended(&id).await;
    let view = app.view(contact).await.unwrap();
    assert!(view["contact"]["customFieldsByKey"].is_object(), "{}", view["contact"]);
    // The location, its custom fields, and the contact with its tasks, notes and appointments: none of them twice.
    assert_eq!(app.all_calls(&location), 6);
    app.finish().await;
}

#[tokio::test]
async fn without_the_scope_custom_fields_are_read_by_id_as_before() {
    let app = TestApp::working(Setup::default()).await;
    let location = app.location().id;
    let scopes = json!({"scopes": ["contacts.readonly", "locations.readonly"]});
    let url = format!("{}/_sandbox/locations/{location}/scopes", app.sandbox.url());
    assert!(reqwest::Client::new().post(url).json(&scopes).send().await.unwrap().status().is_success());
    for contact in app.contacts(&location) {
        app.report("contact.selected", &contact, json!({})).await;
        app.settle().await;
        let view = app.view(&contact).await.unwrap();
        assert_eq!(view["contact"]["customFieldsByKey"], json!(null));
        app.assert_equal(&contact).await;
    }
    assert_eq!(app.calls(&location, "GET /locations/{locationId}/customFields"), 1);
    app.finish().await;
}

#[tokio::test]
async fn a_created_contact_is_found_under_both_ids_with_all_that_waited_for_it() {
    let (mut app, _) = start().await;
    app.rest().await;
    create(&app, "k1", json!({"firstName": "Nora", "phone": "+1 415 555 0123", "tags": ["Lead"]})).await;
    let due = "2026-03-01T09:00:00Z";
    app.report("task.created", "k1", json!({"clientyTaskId": "t1", "title": "Call Nora", "dueDate": due})).await;
    app.report("note.created", "k1", json!({"clientyNoteId": "n1", "noteText": "Likes tea"})).await;
    let before = app.view("k1").await.unwrap();
    assert_eq!((&before["contact"]["id"], &before["tasks"][0]["title"]), (&json!("k1"), &json!("Call Nora")));
    app.work();
    app.settle().await;
    let held = those_with(&app, "firstName", "Nora");
    assert_eq!(held.len(), 1);
    let id = held[0]["id"].as_str().unwrap();
    for known_as in ["k1", id] {
        let view = app.view(known_as).await.unwrap();
        assert_eq!((&view["contact"]["id"], &view["contact"]["clientyContactId"]), (&json!(id), &json!("k1")));
    }
    assert_eq!((app.held("tasks", id).len(), app.held("notes", id).len()), (1, 1));
    app.assert_equal(id).await;
    app.finish().await;
}

#[tokio::test]
async fn a_contact_that_ghl_has_already_is_adopted_and_not_made_twice() {
    let (app, contact) = start().await;
    let email = theirs(&app, &contact)["email"].clone();
    let job = create(&app, "k1", json!({"email": email, "address1": "Adopted 1"})).await;
    assert_eq!(app.ended(&job).await.state, JobState::Done);
    app.settle().await;
    assert_eq!(those_with(&app, "email", email.as_str().unwrap()).len(), 1);
    assert_eq!(theirs(&app, &contact)["address1"], "Adopted 1");
    assert_eq!(app.view("k1").await.unwrap()["contact"]["id"], json!(contact));
    app.assert_equal(&contact).await;
    app.finish().await;
}

#[tokio::test]
async fn a_contact_is_created_once_whatever_happens_to_the_create() {
    let (app, _) = start().await;
    let once = Faults { writes_only: true, at_most: Some(1), hang_ms: 2_000, ..Faults::default() };
    let faults = [
        ("Cut After", Faults { cut_after: 1000, ..once.clone() }),
        ("Hang After", Faults { hang_after: 1000, ..once.clone() }),
        ("Error After", Faults { server_error_after: 1000, ..once.clone() }),
        ("Truncated", Faults { truncate: 1000, ..once.clone() }),
        ("Cut Before", Faults { cut: 1000, ..once.clone() }),
        ("Error Before", Faults { server_error: 1000, ..once }),
    ];
    for (n, (name, faults)) in faults.into_iter().enumerate() {
        // Some have what GHL keeps unique, and some have a name alone.
        for with_email in [true, false] {
            app.sandbox.set_faults(faults.clone());
            let first = name.split(' ').next().unwrap();
            let data = match with_email {
                true => json!({"firstName": first, "lastName": "Mail", "email": format!("lost{n}@example.com")}),
                false => json!({"firstName": format!("{name} only")}),
            };
            let job = create(&app, &format!("k{n}{with_email}"), data).await;
            let job = app.ended(&job).await;
            assert_eq!(job.state, JobState::Done, "{name}: {job:?}");
            let made = match with_email {
                true => those_with(&app, "email", &format!("lost{n}@example.com")),
                false => those_with(&app, "firstName", &format!("{name} only")),
            };
            assert_eq!(made.len(), 1, "{name}, {with_email}: {job:?}");
            app.assert_equal(made[0]["id"].as_str().unwrap()).await;
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn edits_of_both_sides_at_once_end_equal_and_what_one_side_edited_alone_stays() {
    let (mut app, contact) = start().await;
    app.rest().await;
    app.by_hand(Method::PUT, &format!("/contacts/{contact}"), json!({"city": "Bonn", "state": "NW"})).await;
    app.report("contact.selected", &contact, json!({})).await;
    app.work();
    app.settle().await;
    app.rest().await;
    // Both sides edit the city, ours first; only ours edits the address.
    app.report("contact.updated", &contact, json!({"city": "Berlin", "address1": "Ours 1"})).await;
    app.by_hand(Method::PUT, &format!("/contacts/{contact}"), json!({"city": "Hamburg"})).await;
    // The pull goes first, as a click does.
    app.report("contact.selected", &contact, json!({})).await;
    app.work();
    app.settle().await;
    let held = theirs(&app, &contact);
    let location = app.location().id;
    let conflicts = app.app.records.list_conflicts(&location, Some(&contact), None, 10).await.unwrap().items;
    match conflicts.as_slice() {
        // The push went first, and nothing reported the edit in GHL.
        [] => assert_eq!(held["city"], "Berlin"),
        [conflict, ..] => {
            assert_eq!(
                (&conflict.ours, &conflict.theirs, conflict.winner.as_str()),
                (&json!("Berlin"), &json!("Hamburg"), "ghl")
            );
            assert_eq!(held["city"], "Hamburg", "the newer one wins");
        }
    }
    assert_eq!(held["address1"], "Ours 1");
    app.assert_equal(&contact).await;
    app.finish().await;
}

#[tokio::test]
async fn a_pull_that_shows_our_own_write_changes_nothing() {
    let (app, contact) = start().await;
    app.report("contact.updated", &contact, json!({"city": "Bonn"})).await;
    app.report("contact.tagged", &contact, json!({"tags": ["ours"]})).await;
    app.settle().await;
    let location = app.location().id;
    let feed = async || app.app.records.list_changes(None, 1000).await.unwrap().items.len();
    let (changes, writes) = (feed().await, app.calls(&location, call::UPDATE_CONTACT));
    app.report("contact.selected", &contact, json!({})).await;
    app.settle().await;
    assert_eq!((feed().await, app.calls(&location, call::UPDATE_CONTACT)), (changes, writes));
    app.finish().await;
}
