//! One person is one person, from the producer's event to what GHL holds then (law 17), on both databases.

use clienty_sync::triggers;
use ghl_sandbox::{Faults, WebhookFaults};
use reqwest::Method;
use serde_json::{Value, json};
use sync_workers::records::{AcceptError, JobState, ListQuery, Phase, Purpose, Refusal};

use crate::support::postgres::PostgresServer;
use crate::support::test_app::{Setup, TestApp, call};

/// Runs a promise on SQLite and on PostgreSQL.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        $(mod $name {
            use super::*;

            #[tokio::test]
            async fn on_sqlite() {
                super::$name(None).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                let server = PostgresServer::start();
                super::$name(Some(server.create_database("identity"))).await;
            }
        })*
    };
}

on_both! {
    ids_that_contradict_are_refused_and_a_pending_contact_is_linked,
    what_waits_for_a_contact_survives_its_adoption,
    a_deletion_that_waits_is_done_before_its_successor_is_created,
    who_shares_one_identifier_and_not_the_other_is_somebody_else,
    a_contact_of_another_clienty_id_is_nobody_elses,
    what_is_older_than_the_announcement_is_not_adopted,
    what_a_lost_create_made_is_known_though_a_pull_met_it_first,
    a_second_id_of_a_contact_leads_to_it,
    after_a_merge_in_ghl_the_producers_id_has_a_way_back,
    an_erased_person_does_not_come_back_by_a_lost_create,
}

async fn idle(database_url: Option<String>) -> TestApp {
    TestApp::idle(Setup { database_url, ..Setup::impatient() }).await
}

async fn working(database_url: Option<String>) -> TestApp {
    TestApp::working(Setup { database_url, ..Setup::impatient() }).await
}

fn event(app: &TestApp, event_type: &str, contact: Option<&str>, data: Value) -> Value {
    let mut event = json!({"type": event_type, "locationId": app.location().id, "data": data});
    if let Some(contact) = contact {
        event["contactId"] = json!(contact);
    }
    event
}

async fn send(app: &TestApp, event_type: &str, contact: Option<&str>, data: Value) -> String {
    app.send(event(app, event_type, contact, data)).await
}

/// The field for which the event is refused.
async fn refusal(app: &TestApp, event_type: &str, contact: Option<&str>, data: Value) -> (&'static str, String) {
    let trigger = triggers::translate(&event(app, event_type, contact, data)).unwrap();
    match app.app.producer().send(&[trigger]).await {
        Err(AcceptError::Refused(Refusal { field, message, .. })) => (field, message),
        other => panic!("not refused: {other:?}"),
    }
}

fn theirs(app: &TestApp, contact: &str) -> Value {
    let state = app.state(&app.location().id);
    let contacts = state["contacts"].as_array().unwrap();
    contacts.iter().find(|held| held["id"] == contact).cloned().unwrap_or_default()
}

fn count(app: &TestApp) -> usize {
    app.contacts(&app.location().id).len()
}

async fn ghl_id(app: &TestApp, id: &str) -> String {
    app.view(id).await.unwrap()["contact"]["id"].as_str().unwrap().to_owned()
}

async fn ids_that_contradict_are_refused_and_a_pending_contact_is_linked(database_url: Option<String>) {
    let mut app = idle(database_url).await;
    let contacts = app.contacts(&app.location().id);
    let (first, sixth, seventh) = (&contacts[0], &contacts[5], &contacts[6]);
    app.report("contact.updated", first, json!({"clientyContactId": "k1", "city": "Bonn"})).await;
    app.work();
    app.settle().await;
    let before = [theirs(&app, first), theirs(&app, sixth)];
    for event_type in ["contact.updated", "contact.tagged", "contact.deleted", "contact.created"] {
        let mut data = json!({"clientyContactId": "k1"});
        match event_type {
            "contact.updated" => data["city"] = json!("Ulm"),
            "contact.tagged" => data["tags"] = json!(["vip"]),
            _ => {}
        }
        let (field, _) = refusal(&app, event_type, Some(sixth), data).await;
        assert_eq!(field, "data.clientyContactId", "{event_type}");
    }
    app.settle().await;
    assert_eq!([theirs(&app, first), theirs(&app, sixth)], before);

    let held = count(&app);
    app.rest().await;
    send(&app, "contact.created", None, json!({"clientyContactId": "k46", "firstName": "Nora"})).await;
    app.report("contact.updated", seventh, json!({"clientyContactId": "k46", "city": "Ulm"})).await;
    app.work();
    app.settle().await;
    assert_eq!((count(&app), ghl_id(&app, "k46").await), (held, seventh.clone()), "no second contact was made");
    assert_eq!((&theirs(&app, seventh)["firstName"], &theirs(&app, seventh)["city"]), (&json!("Nora"), &json!("Ulm")));
    // A fetch names the id as well.
    send(&app, "contact.created", Some(sixth), json!({"clientyContactId": "k6"})).await;
    app.settle().await;
    assert_eq!(ghl_id(&app, "k6").await, *sixth);
    app.assert_equal(sixth).await;
    app.report("contact.selected", seventh, json!({})).await;
    app.settle().await;
    app.assert_equal(seventh).await;
    app.finish().await;
}

async fn what_waits_for_a_contact_survives_its_adoption(database_url: Option<String>) {
    let setup = Setup { database_url, gate: true, ..Setup::impatient() };
    let (mut app, contact) = TestApp::knowing_one(setup).await;
    let held = count(&app);
    app.rest().await;
    let email = theirs(&app, &contact)["email"].clone();
    // GHL is not there for the edit yet, so the create comes first.
    app.gate().answer(Method::PUT, &format!("/contacts/{contact}"), reqwest::StatusCode::BAD_GATEWAY);
    let edit = app.report("contact.updated", &contact, json!({"city": "Bonn"})).await;
    app.report("contact.tagged", &contact, json!({"tags": ["vip"]})).await;
    send(&app, "contact.created", None, json!({"clientyContactId": "k2", "email": email, "tags": ["ours"]})).await;
    app.work();
    app.wait_until("the contact is adopted", async || ghl_id(&app, "k2").await == contact).await;
    assert_eq!(app.job(&edit).await.finished_at, None, "what is not done is not said to be");
    assert_eq!(app.view("k2").await.unwrap()["contact"]["city"], "Bonn");
    app.gate().open();
    app.settle().await;
    let now = theirs(&app, &contact);
    let has = |tag: &str| now["tags"].as_array().unwrap().contains(&json!(tag));
    assert!(now["city"] == "Bonn" && has("vip") && has("ours"), "{now}");
    assert_eq!((count(&app), ghl_id(&app, "k2").await), (held, contact.clone()));
    app.report("contact.selected", &contact, json!({})).await;
    app.settle().await;
    app.assert_equal(&contact).await;
    app.finish().await;
}

async fn a_deletion_that_waits_is_done_before_its_successor_is_created(database_url: Option<String>) {
    let setup = Setup { database_url, gate: true, ..Setup::impatient() };
    let (mut app, contact) = TestApp::knowing_one(setup).await;
    app.rest().await;
    let email = theirs(&app, &contact)["email"].clone();
    let path = format!("/contacts/{contact}");
    // GHL is not there for the deletion yet, so the create comes first.
    app.gate().answer(Method::DELETE, &path, reqwest::StatusCode::BAD_GATEWAY);
    let deletion = app.report("contact.deleted", &contact, json!({})).await;
    let create = send(&app, "contact.created", None, json!({"clientyContactId": "k2", "email": email})).await;
    app.work();
    app.wait_until("the create waits", async || {
        app.job(&create).await.last_error.is_some_and(|error| error.contains("waits for the job that deletes"))
    })
    .await;
    app.gate().open();
    app.settle().await;
    for job in [deletion, create] {
        assert_eq!(app.job(&job).await.state, JobState::Done);
    }
    let made = ghl_id(&app, "k2").await;
    assert_eq!((theirs(&app, &contact), &theirs(&app, &made)["email"]), (Value::Null, &email));
    app.finish().await;
}

async fn who_shares_one_identifier_and_not_the_other_is_somebody_else(database_url: Option<String>) {
    let app = working(database_url).await;
    let ann = json!({"clientyContactId": "kAnn", "firstName": "Ann", "email": "ann@x.de", "phone": "+14155550101"});
    send(&app, "contact.created", None, ann).await;
    app.settle().await;
    let ann = ghl_id(&app, "kAnn").await;
    // A person who is in GHL alone.
    let eve =
        app.contact_by_hand(None, json!({"firstName": "Eve", "email": "eve@x.de", "phone": "+14155550102"})).await;
    let before = [theirs(&app, &ann), theirs(&app, &eve)];
    for (id, first, phone, email) in [
        ("kBob", "Bob", "+14155550101", Some("bob@x.de")),
        ("kTom", "Tom", "+14155550102", Some("tom@x.de")),
        ("kTim", "Tim", "+14155550102", None),
    ] {
        let mut data = json!({"clientyContactId": id, "firstName": first, "phone": phone, "city": "Bonn"});
        if let Some(email) = email {
            data["email"] = json!(email);
        }
        let job = send(&app, "contact.created", None, data).await;
        assert_eq!(app.ended(&job).await.state, JobState::Dead, "{id}: the phone is refused, and the job says so");
        app.settle().await;
        let view = app.view(id).await.unwrap();
        let made = view["contact"]["id"].as_str().unwrap();
        assert!(made != id && made != ann && made != eve, "{id}: created without the phone");
        assert_eq!((&theirs(&app, made)["firstName"], &theirs(&app, made)["city"]), (&json!(first), &json!("Bonn")));
        let sync = &view["contact"]["sync"];
        assert_eq!((&sync["state"], &sync["fields"][0]["field"]), (&json!("refused"), &json!("phone")), "{sync}");
        send(&app, "contact.deleted", None, json!({"clientyContactId": id})).await;
        app.settle().await;
        assert_eq!(theirs(&app, made), Value::Null);
    }
    assert_eq!([theirs(&app, &ann), theirs(&app, &eve)], before, "what is said of one changes nobody else");
    // The e-mail is Eve's, and the phone is not.
    let data = json!({"clientyContactId": "kEva", "email": "eve@x.de", "phone": "+14155550999"});
    let job = send(&app, "contact.created", None, data).await;
    assert_eq!(app.ended(&job).await.state, JobState::Dead);
    assert_eq!(theirs(&app, &eve), before[1]);
    app.finish_with_any_dead().await;
}

async fn a_contact_of_another_clienty_id_is_nobody_elses(database_url: Option<String>) {
    let app = working(database_url).await;
    send(&app, "contact.created", None, json!({"clientyContactId": "k1", "email": "a@x.de"})).await;
    app.settle().await;
    let (held, first) = (count(&app), ghl_id(&app, "k1").await);
    // Nothing would be left of the one to know it by.
    let data = json!({"clientyContactId": "k2", "email": "a@x.de", "city": "Bonn"});
    let job = send(&app, "contact.created", None, data).await;
    let job = app.ended(&job).await;
    let reason = job.last_error.clone().unwrap_or_default();
    assert!(job.state == JobState::Dead && reason.contains("clientyContactId of its own"), "{reason}");
    assert_eq!(app.view("k2").await.unwrap()["contact"]["sync"]["state"], "refused");
    assert_eq!((count(&app), &theirs(&app, &first)["city"]), (held, &Value::Null));
    send(&app, "contact.deleted", None, json!({"clientyContactId": "k2"})).await;
    app.settle().await;
    assert_eq!(theirs(&app, &first)["email"], "a@x.de");
    app.finish_with_any_dead().await;
}

async fn what_is_older_than_the_announcement_is_not_adopted(database_url: Option<String>) {
    let app = working(database_url).await;
    let location = app.location().id;
    app.sandbox.allow_duplicates(&location, true);
    let older = json!({"firstName": "Jane", "lastName": "Doe", "phone": "+14155550101", "city": "Rome", "email": "jane@x.de",
        "dateAdded": "2024-05-06T07:08:09.000Z"});
    let older = app.contact_by_hand(None, older).await;
    let before = theirs(&app, &older);
    // Another one, made in GHL a moment before the announcement.
    let recent = app.contact_by_hand(None, json!({"firstName": "Rita", "email": "rita@x.de"})).await;
    let recently = theirs(&app, &recent);
    for (number, data) in [
        json!({"firstName": "Jane", "lastName": "Doe"}),
        json!({"firstName": "Janet", "email": "jane@x.de"}),
        json!({"phone": "+14155550101"}),
        json!({"firstName": "Rosa", "email": "rita@x.de"}),
    ]
    .into_iter()
    .enumerate()
    {
        for lost_after in [false, true] {
            let held = count(&app);
            let once = Faults { writes_only: true, at_most: Some(1), ..Faults::default() };
            app.sandbox.set_faults(match lost_after {
                true => Faults { cut_after: 1000, ..once },
                false => Faults { cut: 1000, ..once },
            });
            let id = format!("k{number}{lost_after}");
            let mut data = data.clone();
            data["clientyContactId"] = json!(id);
            let job = send(&app, "contact.created", None, data).await;
            assert_eq!(app.ended(&job).await.state, JobState::Done, "{id}");
            assert_eq!(count(&app), held + 1, "{id}: made once");
            let made = ghl_id(&app, &id).await;
            assert!(made != older && made != recent, "{id}");
            send(&app, "contact.updated", None, json!({"clientyContactId": id, "city": "Ulm"})).await;
            app.settle().await;
            send(&app, "contact.deleted", None, json!({"clientyContactId": id})).await;
            app.settle().await;
            assert_eq!((count(&app), theirs(&app, &older)), (held, before.clone()), "{id}");
            assert_eq!(theirs(&app, &recent), recently, "{id}");
        }
    }
    app.finish().await;
}

async fn a_second_id_of_a_contact_leads_to_it(database_url: Option<String>) {
    let app = working(database_url).await;
    let contact = app.contacts(&app.location().id).remove(0);
    app.report("contact.updated", &contact, json!({"clientyContactId": "p1", "city": "Bonn"})).await;
    app.report("contact.updated", &contact, json!({"clientyContactId": "p2", "city": "Ulm"})).await;
    let due = "2026-03-01T09:00:00Z";
    app.report("task.created", "p2", json!({"clientyTaskId": "t1", "title": "Call her", "dueDate": due})).await;
    app.settle().await;
    assert_eq!((ghl_id(&app, "p1").await, ghl_id(&app, "p2").await), (contact.clone(), contact.clone()));
    let has_it = app.held("tasks", &contact).iter().any(|task| task["title"] == "Call her");
    assert!(has_it && theirs(&app, &contact)["city"] == "Ulm");
    app.finish().await;
}

async fn after_a_merge_in_ghl_the_producers_id_has_a_way_back(database_url: Option<String>) {
    let app = working(database_url).await;
    let contacts = app.contacts(&app.location().id);
    let (gone, heir) = (&contacts[0], &contacts[1]);
    app.report("contact.updated", gone, json!({"clientyContactId": "k1", "city": "Bonn"})).await;
    app.settle().await;
    let path = format!("/_sandbox/locations/{}/contacts/{gone}/merge", app.location().id);
    app.by_hand(Method::POST, &path, json!({"into": heir})).await;
    let data = json!({"clientyContactId": "k1", "city": "Ulm"});
    let (_, message) = refusal(&app, "contact.updated", Some(heir), data.clone()).await;
    assert!(message.contains("contact.selected"), "{message}");
    // As it says.
    app.report("contact.selected", gone, json!({})).await;
    app.settle().await;
    let (_, message) = refusal(&app, "contact.updated", None, data.clone()).await;
    assert!(message.contains("contactId"), "{message}");
    app.report("contact.updated", heir, data).await;
    app.settle().await;
    assert_eq!((ghl_id(&app, "k1").await, &theirs(&app, heir)["city"]), (heir.clone(), &json!("Ulm")));
    send(&app, "contact.updated", None, json!({"clientyContactId": "k1", "city": "Bonn"})).await;
    let due = "2026-03-01T09:00:00Z";
    app.report("task.created", "k1", json!({"clientyTaskId": "t1", "title": "Call her", "dueDate": due})).await;
    app.settle().await;
    assert_eq!(theirs(&app, heir)["city"], "Bonn");
    assert!(app.held("tasks", heir).iter().any(|task| task["title"] == "Call her"));
    app.finish().await;
}

/// By which door the erased person would come back.
#[derive(Debug, Clone, Copy)]
enum Door {
    Webhook,
    Import,
    /// The job of the create goes on.
    Retry,
}

/// GHL's event of the create may be read before the push looks for what it made. Without an e-mail and a phone, GHL refuses no second one.
async fn what_a_lost_create_made_is_known_though_a_pull_met_it_first(database_url: Option<String>) {
    let mut app = working(database_url).await;
    let location = app.location().id;
    for number in 0..5 {
        let before = app.contacts(&location);
        app.sandbox.set_faults(Faults { cut_after: 1000, writes_only: true, at_most: Some(1), ..Faults::default() });
        let id = format!("k{number}");
        let data = json!({"clientyContactId": id, "firstName": format!("Ann {number}")});
        let job = send(&app, "contact.created", None, data).await;
        app.wait_until("the answer is lost", async || app.job(&job).await.last_error.is_some()).await;
        app.rest().await;
        let made = app.contacts(&location).into_iter().find(|id| !before.contains(id)).expect("GHL has made it");
        let pulled = send(&app, "contact.selected", Some(&made), json!({})).await;
        app.work();
        assert_eq!(app.ended(&pulled).await.state, JobState::Done);
        app.settle().await;
        assert_eq!(count(&app), before.len() + 1, "made once");
        assert_eq!(ghl_id(&app, &id).await, made);
    }
    app.finish().await;
}

async fn an_erased_person_does_not_come_back_by_a_lost_create(database_url: Option<String>) {
    let mut app = working(database_url).await;
    let location = app.location().id;
    for door in [Door::Retry, Door::Import, Door::Webhook] {
        let chance = Faults { writes_only: true, at_most: Some(1), ..Faults::default() };
        app.sandbox.set_faults(Faults { cut_after: 1000, ..chance });
        let before = app.contacts(&location);
        let (id, email) = (format!("k{door:?}"), format!("secret.{door:?}@x.de"));
        let data = json!({"clientyContactId": id, "firstName": "Secret", "email": email});
        let job = send(&app, "contact.created", None, data).await;
        app.wait_until("the answer is lost", async || app.job(&job).await.last_error.is_some()).await;
        app.rest().await;
        let made = app.contacts(&location).into_iter().find(|id| !before.contains(id)).expect("GHL has made it");
        // Adopted already, where the next attempt was quick: then the erasure knows the id.
        app.app.records.erase(&location, &id).await.unwrap().unwrap();
        app.work();
        app.settle().await;
        match door {
            Door::Retry => {}
            Door::Import => {
                let scan = app.app.records.begin_scan(&location, Purpose::Import, false, 0).await.unwrap();
                app.wait_until("the import is done", async || {
                    let scan = app.app.records.scan(&scan.as_ref().unwrap().id).await.unwrap().unwrap();
                    scan.phase == Phase::Done
                })
                .await;
            }
            Door::Webhook => {
                let (server, webhooks) = app.with_webhooks(WebhookFaults::default()).await;
                app.contact_by_hand(Some(&made), json!({"city": "Bonn"})).await;
                app.wait_until("GHL has told of it", async || !webhooks.stats().answers.is_empty()).await;
                server.stop().await;
            }
        }
        app.settle().await;
        for id in [&made, &id] {
            assert_eq!(app.app.records.view_with_deleted(&location, id).await.unwrap(), None, "{door:?} {id}");
        }
        if !matches!(door, Door::Retry) {
            assert!(app.app.records.erasure(&location, &made).await.unwrap().is_some(), "{door:?}");
        }
        let query = ListQuery { limit: 500, include_deleted: true, ..ListQuery::default() };
        let kept = app.app.records.list_contacts(&location, &query).await.unwrap().items;
        assert!(kept.iter().all(|shown| shown.record.first_name.as_deref() != Some("Secret")), "{door:?}: {kept:#?}");
    }
    assert_eq!(app.calls(&location, call::UPDATE_CONTACT), 0);
    app.finish().await;
}
