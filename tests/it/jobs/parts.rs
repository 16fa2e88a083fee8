//! The parts of a contact are independent: those that came are stored, and those that did not are named.

use ghl_sandbox::{ErrorAnswer, RequestedError, Wording};
use job_engine::Backoff;
use serde_json::{Value, json};
use sync_workers::records::{JobState, ListQuery};

use crate::support::test_app::{Setup, TestApp, call};

const PARTS: [(&str, &str); 3] =
    [("tasks", call::LIST_TASKS), ("notes", call::LIST_NOTES), ("appointments", call::LIST_APPOINTMENTS)];

fn missing(view: &Value) -> Vec<&str> {
    view["missing"]
        .as_array()
        .map(|parts| parts.iter().filter_map(|one| one["part"].as_str()).collect())
        .unwrap_or_default()
}

/// The first contact that has something of everything.
fn rich(app: &TestApp) -> String {
    let contacts = app.contacts(&app.location().id);
    let has_all = |id: &&String| PARTS.iter().all(|(list, _)| !app.held(list, id).is_empty());
    contacts.iter().find(has_all).expect("one contact has tasks, notes and appointments").clone()
}

/// The contact's records without the fields of the mask, as a list of GHL shows them.
fn listed(app: &TestApp, list: &str, contact: &str, fields: &[&str], mask: u32) -> ErrorAnswer {
    let mut held = app.held(list, contact);
    for record in &mut held {
        for (_, field) in fields.iter().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0) {
            record.as_object_mut().unwrap().remove(*field);
            if *field == "appointmentStatus" {
                // Which stands in for it.
                record.as_object_mut().unwrap().remove("status");
            }
        }
    }
    let key = if list == "appointments" { "events" } else { list };
    ErrorAnswer::Raw { status: 200, body: json!({ key: held }) }
}

const FIELDS: [&[&str]; 3] = [
    &["title", "body", "assignedTo", "dueDate", "completed"],
    &["body", "userId", "dateAdded"],
    &["title", "calendarId", "appointmentStatus", "startTime", "endTime", "address", "notes", "assignedUserId"],
];

#[tokio::test]
async fn whatever_fields_the_lists_leave_out_nothing_known_is_emptied_and_what_is_new_names_them() {
    let app = TestApp::working(Setup { burst: 1000, ..Setup::default() }).await;
    let contact = rich(&app);
    let look = async |mask: u32| {
        let answers = PARTS.iter().zip(FIELDS).map(|((list, operation), fields)| {
            RequestedError::always(operation, listed(&app, list, &contact, fields, mask))
        });
        app.sandbox.request_errors(answers.collect());
        app.report("contact.selected", &contact, json!({})).await;
        app.settle().await;
        let mut view = app.view(&contact).await.unwrap();
        view.as_object_mut().unwrap().remove("syncedAt");
        view
    };
    let new = look(0b11).await;
    // What the simulated GHL leaves out itself, where it has nothing, is unread as well.
    let names = |record: &Value, expected: &[&str]| {
        let unread = record["unread"].as_array().cloned().unwrap_or_default();
        expected.iter().all(|name| unread.contains(&json!(name)))
    };
    for (list, expected) in
        [("tasks", ["body", "title"]), ("notes", ["noteText", "userId"]), ("appointments", ["calendarId", "title"])]
    {
        for record in new[list].as_array().unwrap() {
            assert!(names(record, &expected), "{record}");
        }
    }
    let whole = look(0).await;
    for (list, _) in PARTS {
        for record in whole[list].as_array().unwrap() {
            let held = app.held(list, &contact);
            let is_visible = |name: &str| held.iter().all(|one| one.get(name).is_some());
            let shown: Vec<_> = FIELDS.concat().into_iter().filter(|name| is_visible(name)).collect();
            let unread = record["unread"].as_array().cloned().unwrap_or_default();
            assert!(shown.iter().all(|name| !unread.contains(&json!(name))), "{record}");
        }
    }
    app.assert_equal(&contact).await;
    // Each field alone, and some at once.
    for mask in (0..8).map(|bit| 1 << bit).chain([0b101, 0b11010, 0b1010_1010, 0xff]) {
        assert_eq!(look(mask).await, whole, "{mask:b}");
    }
    app.sandbox.request_errors(Vec::new());
    app.assert_equal(&contact).await;
    app.finish().await;
}

/// The lists of one contact have no pages, so they are read up to a length that is a setting.
#[tokio::test]
async fn a_list_that_is_longer_than_the_setting_allows_is_a_part_that_is_missing() {
    for (list, operation) in PARTS {
        for (settings, is_read) in [(&[("GHL_LONG_LIST_MIB", "8")][..], false), (&[], true)] {
            let app = TestApp::working(Setup { settings, ..Setup::default() }).await;
            let contact = rich(&app);
            let mut held = app.held(list, &contact);
            held[0]["padding"] = "x".repeat(9 * 1024 * 1024).into();
            let key = if list == "appointments" { "events" } else { list };
            let long = ErrorAnswer::Raw { status: 200, body: json!({ key: held }) };
            app.sandbox.request_errors(vec![RequestedError::always(operation, long)]);
            let job = app.report("contact.selected", &contact, json!({})).await;
            assert_eq!(app.ended(&job).await.state, JobState::Done);
            let view = app.view(&contact).await.unwrap();
            let expected: Vec<_> = if is_read { Vec::new() } else { vec![list] };
            assert_eq!(missing(&view), expected);
            if !is_read {
                assert!(
                    view["missing"][0]["reason"].as_str().unwrap().contains("GHL_LONG_LIST_MIB"),
                    "{}",
                    view["missing"]
                );
            }
            for (other, _) in PARTS {
                let stored = if other == list && !is_read { 0 } else { app.held(other, &contact).len() };
                assert_eq!(view[other].as_array().unwrap().len(), stored, "{other} where {list} is long");
            }
            app.finish().await;
        }
    }
}

#[tokio::test]
async fn of_an_unknown_contact_the_parts_that_ghl_gives_are_stored_and_the_other_is_named() {
    let refusals = [
        Wording::MissingScope.into(),
        Wording::Wordless401.into(),
        Wording::ForeignLocation.into(),
        ErrorAnswer::Raw { status: 403, body: json!({"message": "Forbidden resource"}) },
        ErrorAnswer::Raw { status: 422, body: json!({"message": ["limit must be a number"]}) },
    ];
    for (refused, operation) in PARTS {
        for answer in &refusals {
            let app = TestApp::working(Setup::default()).await;
            let contact = rich(&app);
            app.sandbox.request_errors(vec![RequestedError::always(operation, answer.clone())]);
            let job = app.report("contact.selected", &contact, json!({})).await;
            let job = app.ended(&job).await;
            assert_eq!(job.state, JobState::Done, "{refused} {answer:?}: {job:?}");
            let view = app.view(&contact).await.unwrap();
            assert_eq!(missing(&view), [refused], "{answer:?}");
            assert_eq!(view["contact"]["sync"]["missing"], json!([refused]), "{answer:?}");
            let listed = app
                .app
                .records
                .list_contacts(&app.location().id, &ListQuery { limit: 9, ..ListQuery::default() })
                .await;
            assert_eq!(json!(listed.unwrap().items[0].sync)["missing"], json!([refused]), "{answer:?}");
            for (list, _) in PARTS {
                let expected = if list == refused { 0 } else { app.held(list, &contact).len() };
                assert_eq!(view[list].as_array().unwrap().len(), expected, "{refused} {answer:?} {list}");
            }
            app.sandbox.request_errors(Vec::new());
            app.report("contact.selected", &contact, json!({})).await;
            app.settle().await;
            let view = app.view(&contact).await.unwrap();
            assert_eq!(
                (view.get("missing"), view["contact"]["sync"].get("missing")),
                (None, None),
                "{refused}: it was read since"
            );
            app.assert_equal(&contact).await;
            app.finish().await;
        }
    }
}

#[tokio::test]
async fn the_advice_names_the_scope_that_is_missing_and_none_that_is_there() {
    let app = TestApp::working(Setup::default()).await;
    let contact = rich(&app);
    app.sandbox.request_errors(vec![RequestedError::always(call::LIST_APPOINTMENTS, Wording::MissingScope.into())]);
    app.report("contact.selected", &contact, json!({})).await;
    app.settle().await;
    let reason = app.view(&contact).await.unwrap()["missing"][0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("calendars/events.readonly") && !reason.contains("contacts.readonly"), "{reason}");
    app.finish().await;
}

#[tokio::test]
async fn a_part_that_fails_for_long_keeps_none_of_the_others_back_and_comes_later() {
    let backoff = Backoff { attempts: 3, ..Setup::default().backoff };
    for answer in [Wording::BadGateway, Wording::Cloudflare524, Wording::Empty404] {
        let app = TestApp::working(Setup { backoff, ..Setup::default() }).await;
        let contact = rich(&app);
        app.sandbox.request_errors(vec![RequestedError::always(call::LIST_NOTES, answer.into())]);
        let job = app.report("contact.selected", &contact, json!({})).await;
        let job = app.ended(&job).await;
        assert_eq!((job.state, job.attempts), (JobState::Dead, 3), "{answer:?}");
        assert!(job.last_error.as_ref().unwrap().contains("the notes of the contact are missing"), "{job:?}");
        let view = app.view(&contact).await.unwrap();
        assert_eq!(
            (missing(&view), view["tasks"].as_array().unwrap().len()),
            (vec!["notes"], app.held("tasks", &contact).len())
        );
        app.sandbox.request_errors(Vec::new());
        app.report("contact.selected", &contact, json!({})).await;
        app.settle().await;
        app.assert_equal(&contact).await;
        assert_eq!(app.view(&contact).await.unwrap().get("missing"), None);
        app.finish_with_dead(1).await;
    }
}

#[tokio::test]
async fn a_known_contact_keeps_what_is_known_of_a_part_that_does_not_come() {
    let app = TestApp::working(Setup::default()).await;
    let contact = rich(&app);
    app.report("contact.selected", &contact, json!({})).await;
    app.settle().await;
    let known = app.view(&contact).await.unwrap();
    app.sandbox.request_errors(vec![RequestedError::always(call::GET_CONTACT, Wording::MissingScope.into())]);
    let note = app.by_hand(reqwest::Method::POST, &format!("/contacts/{contact}/notes"), json!({"body": "New"})).await;
    let job = app.report("contact.selected", &contact, json!({})).await;
    assert_eq!(app.ended(&job).await.state, JobState::Done);
    let mut view = app.view(&contact).await.unwrap();
    assert_eq!(view["contact"]["sync"].as_object_mut().unwrap().remove("missing"), Some(json!(["contact"])));
    assert_eq!((missing(&view), &view["contact"]), (vec!["contact"], &known["contact"]));
    let id = note["note"]["id"].as_str().unwrap();
    assert!(view["notes"].as_array().unwrap().iter().any(|one| one["noteId"] == id), "{view}");
    app.finish().await;
}

/// Creates a contact, and returns its job once that has ended.
async fn create(app: &TestApp, data: Value) -> sync_workers::records::LedgerEntry {
    let job = app.send(json!({"type": "contact.created", "locationId": app.location().id, "data": data})).await;
    app.ended(&job).await
}

#[tokio::test]
async fn a_contact_is_created_without_the_field_that_ghl_refuses_and_the_field_is_reported() {
    for (field, value, status, message) in [
        ("phone", "+4930123456", 422, json!(["phone must be a valid phone number"])),
        ("phone", "+4930123456", 400, json!("Invalid phone number")),
        ("email", "ann@example.com", 400, json!({"email": ["is not allowed"]})),
        ("timezone", "Europe/Berlin", 422, json!(["timezone is unknown"])),
    ] {
        let app = TestApp::working(Setup::default()).await;
        let refusal = ErrorAnswer::Raw { status, body: json!({"statusCode": status, "message": message}) };
        // GHL refuses the field with a create and with an update.
        app.sandbox.request_errors(vec![
            RequestedError::once("POST /contacts/", refusal.clone()),
            RequestedError::once(call::UPDATE_CONTACT, refusal),
        ]);
        let mut data = json!({"clientyContactId": "k1", "firstName": "Ann", "city": "Bonn"});
        data[field] = json!(value);
        let job = create(&app, data).await;
        assert_eq!(job.state, JobState::Dead, "{field}: {job:?}");
        let view = app.view("k1").await.unwrap();
        let contact = &view["contact"];
        let state = app.state(&app.location().id);
        let held = state["contacts"].as_array().unwrap().iter().find(|one| one["id"] == contact["id"]);
        let held = held.unwrap_or_else(|| panic!("{field}: GHL has it: {job:?}"));
        assert_eq!((&held["firstName"], &held["city"]), (&json!("Ann"), &json!("Bonn")), "{field}");
        assert_eq!(contact["sync"]["state"], "refused", "{contact}");
        let refused: Vec<_> = contact["sync"]["fields"].as_array().unwrap().iter().map(|one| &one["field"]).collect();
        assert_eq!(refused, [field], "{contact}");
        assert_eq!(state["contacts"].as_array().unwrap().len(), 9, "it was created once");
        app.finish_with_dead(1).await;
    }
}

#[tokio::test]
async fn a_custom_field_that_was_deleted_and_made_anew_is_asked_for_once_and_sent_again() {
    let app = TestApp::working(Setup::default()).await;
    let location = app.location().id;
    let contact = app.contacts(&location)[0].clone();
    let fields = format!("/locations/{location}/customFields");
    let made = app.by_hand(reqwest::Method::POST, &fields, json!({"name": "Tier", "dataType": "TEXT"})).await;
    let (id, key) = (made["customField"]["id"].clone(), made["customField"]["fieldKey"].as_str().unwrap().to_owned());
    let key = key.trim_start_matches("contact.").to_owned();
    app.report("contact.selected", &contact, json!({})).await;
    app.settle().await;
    let set = async |value: &str| {
        let job = app.report("contact.updated", &contact, json!({"customFields": { key.as_str(): value }})).await;
        app.ended(&job).await
    };
    assert_eq!(set("gold").await.state, JobState::Done);
    app.by_hand(reqwest::Method::DELETE, &format!("{fields}/{}", id.as_str().unwrap()), json!({})).await;
    let anew = app.by_hand(reqwest::Method::POST, &fields, json!({"name": "Tier", "dataType": "TEXT"})).await;
    assert_ne!(anew["customField"]["id"], id);

    let asked = app.calls(&location, "GET /locations/{locationId}/customFields");
    let job = set("silver").await;
    assert_eq!(job.state, JobState::Done, "{job:?}");
    let state = app.state(&location);
    let held = state["contacts"].as_array().unwrap().iter().find(|one| one["id"] == contact.as_str()).unwrap();
    let has = held["customFields"].as_array().unwrap().iter();
    let value = has.filter(|field| field["id"] == anew["customField"]["id"]).map(|field| &field["value"]).next();
    assert_eq!(value, Some(&json!("silver")), "{held}");
    let view = app.view(&contact).await.unwrap();
    assert_eq!(
        (&view["contact"]["customFieldsByKey"][&key], &view["contact"]["sync"]["state"]),
        (&json!("silver"), &json!("applied"))
    );
    assert_eq!(app.calls(&location, "GET /locations/{locationId}/customFields"), asked + 1);
    app.finish().await;
}
