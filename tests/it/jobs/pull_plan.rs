//! What each of GHL's events costs: nothing where its own fields suffice, else one call for the part that it is about.

use std::collections::BTreeMap;

use clienty_sync::gateway::Server;
use clienty_sync::triggers::webhook::Webhook;
use ghl_sandbox::{ErrorAnswer, RequestedError, WebhookFaults, Webhooks};
use reqwest::Method;
use serde_json::{Value, json};
use sync_model::clock::Clock;
use sync_workers::jobs;

use crate::support::test_app::{Setup, TestApp, call};

/// An app that knows its contacts, and learns of what a person does at GHL's screen.
struct Listening {
    app: TestApp,
    server: Server,
    webhooks: Webhooks,
    location: String,
    contact: String,
}

impl Listening {
    async fn start() -> Self {
        let app = TestApp::working(Setup::default()).await;
        let location = app.location().id;
        let contacts = app.contacts(&location);
        for contact in &contacts {
            app.report("contact.selected", contact, json!({})).await;
        }
        app.settle().await;
        let (server, webhooks) = app.with_webhooks(WebhookFaults::default()).await;
        Self { app, server, webhooks, location, contact: contacts[0].clone() }
    }

    async fn edit(&self, method: Method, path: &str, body: Value) -> Value {
        let url = format!("{}/_sandbox/locations/{}/{path}", self.app.sandbox.url(), self.location);
        let reply = reqwest::Client::new().request(method, url).json(&body).send().await.unwrap();
        assert!(reply.status().is_success(), "{path}: {}", reply.status());
        reply.json().await.unwrap_or_default()
    }

    /// A person edits GHL; the calls that it takes until all is reported here.
    async fn costs(&self, method: Method, path: &str, body: Value) -> (BTreeMap<String, u64>, Value) {
        let calls = || self.app.sandbox.stats().locations[&self.location].operations.clone();
        let (before, received) = (calls(), self.webhooks.stats().changes);
        let edited = self.edit(method, path, body).await;
        let reported = async || self.webhooks.stats().changes > received && self.webhooks.stats().pending == 0;
        self.app.wait_until("it is told", reported).await;
        self.app.settle().await;
        let mut grown: BTreeMap<_, _> = calls().into_iter().collect();
        grown.retain(|name, count| {
            *count -= before.get(name).copied().unwrap_or(0);
            *count > 0
        });
        (grown, edited)
    }

    /// Nothing differs but the date of change, which events about contacts leave out.
    async fn assert_equal(&self) {
        let contacts = self.app.contacts(&self.location);
        let mut found = self.app.mismatches(&self.app.location(), &contacts).await;
        found.retain(|mismatch| mismatch.field != "dateUpdated");
        assert_eq!(found, []);
    }

    async fn finish(self) {
        self.server.stop().await;
        self.app.finish().await;
    }
}

fn one(operation: &str) -> BTreeMap<String, u64> {
    BTreeMap::from([(operation.to_owned(), 1)])
}

#[tokio::test]
async fn what_happens_to_a_task_a_note_or_an_appointment_costs_one_call_and_its_deletion_none() {
    let listening = Listening::start().await;
    let calendar = listening.app.state(&listening.location)["appointments"][0]["calendarId"].clone();
    let (contact, location) = (&listening.contact, &listening.location);
    let task =
        json!({"contactId": contact, "title": "Call", "dueDate": "2026-03-01T09:00:00.000Z", "completed": false});
    let appointment = json!({
        "contactId": contact, "locationId": location, "calendarId": calendar, "title": "Demo", "appointmentStatus": "new",
        "startTime": "2026-03-01T09:00:00Z", "endTime": "2026-03-01T09:30:00Z",
    });
    for (list, call, new, change) in [
        ("tasks", call::LIST_TASKS, task, json!({"completed": true})),
        (
            "notes",
            call::LIST_NOTES,
            json!({"contactId": contact, "body": "Likes tea"}),
            json!({"body": "Likes coffee"}),
        ),
        ("appointments", call::LIST_APPOINTMENTS, appointment, json!({"startTime": "2026-03-02T09:00:00Z"})),
    ] {
        let (calls, made) = listening.costs(Method::POST, list, new).await;
        assert_eq!(calls, one(call), "a new one among {list}");
        listening.assert_equal().await;
        let path = format!("{list}/{}", made["id"].as_str().unwrap());
        assert_eq!(listening.costs(Method::PUT, &path, change).await.0, one(call), "a changed one among {list}");
        listening.assert_equal().await;
        let (calls, _) = listening.costs(Method::DELETE, &path, json!({})).await;
        assert_eq!(calls, BTreeMap::new(), "a deleted one among {list}");
        listening.assert_equal().await;
    }
    listening.finish().await;
}

/// Law 8, for what hangs on a contact.
#[tokio::test]
async fn our_own_tasks_notes_and_appointments_that_come_back_cost_no_call() {
    let listening = Listening::start().await;
    let calendar = listening.app.state(&listening.location)["appointments"][0]["calendarId"].clone();
    let calls = || listening.app.sandbox.stats().locations[&listening.location].operations.clone();
    let (before, received) = (calls(), listening.webhooks.stats().changes);
    let appointment = json!({"clientyAppointmentId": "a", "calendarId": calendar, "startTime": "2026-03-01T09:00:00Z", "title": "Demo"});
    let events = [
        (
            "task.created",
            json!({"clientyTaskId": "t", "title": "Call", "body": "Soon", "dueDate": "2026-03-01T09:00:00Z"}),
        ),
        ("note.created", json!({"clientyNoteId": "n", "noteText": "Likes tea"})),
        ("appointment.created", appointment),
        ("task.completed", json!({"clientyTaskId": "t"})),
        ("note.updated", json!({"clientyNoteId": "n", "noteText": "Likes coffee"})),
        ("appointment.updated", json!({"clientyAppointmentId": "a", "startTime": "2026-03-02T09:00:00Z"})),
    ];
    let writes = events.len() as u64;
    for (event, data) in events {
        listening.app.report(event, &listening.contact, data).await;
        listening.app.settle().await;
    }
    let reported =
        async || listening.webhooks.stats().changes == received + writes && listening.webhooks.stats().pending == 0;
    listening.app.wait_until("all is told", reported).await;
    listening.app.settle().await;
    let after = calls();
    let grown = after.values().sum::<u64>() - before.values().sum::<u64>();
    assert_eq!(grown, writes, "{before:?} and then {after:?}");
    listening.assert_equal().await;
    listening.finish().await;
}

/// The webhook is here, and no pull has looked at it yet.
#[tokio::test]
async fn an_edit_in_ghl_that_was_reported_is_merged_by_a_push_that_runs_first() {
    let mut listening = Listening::start().await;
    let contact = listening.contact.clone();
    listening.app.report("note.created", &contact, json!({"clientyNoteId": "n", "noteText": "Old"})).await;
    listening.app.settle().await;
    let note = listening.app.held("notes", &contact).into_iter().find(|note| note["body"] == "Old").unwrap();
    listening.app.rest().await;
    let received = listening.webhooks.stats().changes;
    listening.app.report("contact.updated", &contact, json!({"city": "Ours", "address1": "Ours 1"})).await;
    listening.app.report("note.updated", &contact, json!({"clientyNoteId": "n", "noteText": "Ours"})).await;
    listening.edit(Method::PUT, &format!("contacts/{contact}"), json!({"city": "Theirs", "state": "NW"})).await;
    let path = format!("notes/{}", note["id"].as_str().unwrap());
    listening.edit(Method::PUT, &path, json!({"body": "Theirs"})).await;
    let reported =
        async || listening.webhooks.stats().changes == received + 2 && listening.webhooks.stats().pending == 0;
    listening.app.wait_until("it is told", reported).await;
    // The pulls wait for more webhooks; the pushes do not.
    listening.app.work();
    listening.app.settle().await;
    let view = listening.app.view(&contact).await.unwrap();
    let fields = ["city", "address1", "state"].map(|field| view["contact"][field].clone());
    assert_eq!(fields, ["Theirs", "Ours 1", "NW"], "the newer one wins, and what one side edited alone stays");
    let kept = listening.app.app.records.list_conflicts(&listening.location, Some(&contact), None, 10).await.unwrap();
    let reported = |record| kept.items.iter().find(|kept| kept.record == record).map(|kept| (&kept.ours, &kept.theirs));
    assert_eq!(reported("contact"), Some((&json!("Ours"), &json!("Theirs"))));
    assert_eq!(reported("note"), Some((&json!("Ours"), &json!("Theirs"))));
    listening.assert_equal().await;
    listening.finish().await;
}

#[tokio::test]
async fn what_happens_to_a_known_contact_costs_nothing_and_a_new_one_is_fetched_whole() {
    let listening = Listening::start().await;
    let path = format!("contacts/{}", listening.contact);
    for change in [
        json!({"city": "Bonn", "firstName": "Someone"}),
        json!({"tags": ["vip", "new"]}),
        json!({"tags": ["vip"]}),
        json!({"dnd": true}),
        json!({"email": ""}),
    ] {
        let (calls, _) = listening.costs(Method::PUT, &path, change.clone()).await;
        assert_eq!(calls, BTreeMap::new(), "{change}");
        listening.assert_equal().await;
    }
    let (calls, _) = listening.costs(Method::DELETE, &path, json!({})).await;
    assert_eq!(calls, BTreeMap::new(), "a deletion");
    assert_eq!(listening.app.view(&listening.contact).await, None);
    let (calls, made) = listening.costs(Method::POST, "contacts", json!({"firstName": "New", "tags": ["vip"]})).await;
    assert_eq!(calls.values().sum::<u64>(), 4, "{calls:?}");
    assert_eq!(listening.app.view(made["id"].as_str().unwrap()).await.unwrap()["contact"]["tags"], json!(["vip"]));
    listening.assert_equal().await;
    listening.finish().await;
}

/// GHL's event of a type about a record, at a time of the test's.
async fn webhook(app: &TestApp, id: &str, event_type: &str, body: Value, seconds: i64) {
    let at = Clock::system().now() + jiff::SignedDuration::from_secs(seconds);
    webhook_of(app, id, event_type, body, json!(at)).await;
}

async fn webhook_of(app: &TestApp, id: &str, event_type: &str, mut body: Value, at: Value) {
    let now = Clock::system().now();
    for (name, value) in [
        ("type", json!(event_type)),
        ("locationId", json!(app.location().id)),
        ("webhookId", json!(id)),
        ("timestamp", at),
    ] {
        body[name] = value;
    }
    let taken = Webhook::read(body.to_string().as_bytes()).unwrap().accepted(now);
    let outcome = app.app.records.accept_webhooks(&[taken]).await.unwrap().remove(0);
    if let Some(key) = outcome.job {
        app.app.queue.push(&[jobs::new_job(&key, job_engine::Priority::Realtime)]).await.unwrap();
    }
    app.settle().await;
}

/// In 2025 no reply but the webhooks carried the time zone.
#[tokio::test]
async fn what_the_contacts_own_reply_leaves_out_is_taken_from_its_webhooks_deletions_too() {
    let (app, contact) = super::contacts::start().await;
    let state = app.state(&app.location().id);
    let held =
        state["contacts"].as_array().unwrap().iter().find(|held| held["id"] == contact.as_str()).unwrap().clone();
    let mut reply = held.clone();
    reply.as_object_mut().unwrap().remove("timezone");
    let without_zone = ErrorAnswer::Raw { status: 200, body: json!({ "contact": reply }) };
    app.sandbox.request_errors(vec![RequestedError::always(call::GET_CONTACT, without_zone)]);
    let zone = async || app.view(&contact).await.unwrap()["contact"]["timezone"].clone();
    let known = zone().await;

    // It leaves out what is known, so GHL is asked.
    let news = json!({"id": contact, "timezone": "Asia/Tokyo"});
    webhook(&app, "w1", "ContactUpdate", news, 1).await;
    assert_eq!(zone().await, "Asia/Tokyo", "it was {known}");
    // It was fetched after the time of this deletion, and is there: so it was restored, and is as the event says.
    let gone = json!({"id": contact, "timezone": "Etc/GMT+12", "dndSettings": {"Email": {"status": "permanent"}}});
    webhook(&app, "w2", "ContactDelete", gone, -2).await;
    assert_eq!(zone().await, "Etc/GMT+12");
    // What is older than what is known takes nothing back.
    let older = json!({"id": contact, "timezone": "UTC"});
    webhook_of(&app, "w3", "ContactUpdate", older, json!("2020-01-01T00:00:00Z")).await;
    assert_eq!(zone().await, "Etc/GMT+12");
    app.sandbox.request_errors(Vec::new());
    app.finish().await;
}

/// The times of appointments are read in it.
#[tokio::test]
async fn a_location_that_reports_no_time_zone_keeps_the_one_that_is_known() {
    let (app, _) = super::contacts::start().await;
    let location = app.location();
    let zone = async || app.app.records.connection(&location.id).await.unwrap().unwrap().time_zone;
    assert!(app.app.records.set_time_zone(&location.id, "Asia/Tokyo").await.is_ok());
    for body in [
        json!({"location": {"id": location.id, "name": "X"}}),
        json!({"location": {"id": location.id, "timezone": "Mars/Base"}}),
    ] {
        let answer = ErrorAnswer::Raw { status: 200, body };
        app.sandbox.request_errors(vec![RequestedError::always("GET /locations/{locationId}", answer)]);
        webhook(&app, &uuid::Uuid::new_v4().to_string(), "LocationUpdate", json!({"id": location.id}), 0).await;
        assert_eq!(zone().await.as_deref(), Some("Asia/Tokyo"));
    }
    assert!(app.calls(&location.id, "GET /locations/{locationId}") > 0);
    app.sandbox.request_errors(Vec::new());
    app.finish().await;
}

#[tokio::test]
async fn news_that_is_older_than_a_deletion_revives_nothing() {
    let (app, contact) = super::contacts::start().await;
    let note = json!({"id": "n1", "contactId": contact, "body": "Likes tea", "dateAdded": "2026-03-01T09:00:00.000Z"});
    webhook(&app, "w2", "NoteDelete", note.clone(), 0).await;
    let calls = app.calls(&app.location().id, call::LIST_NOTES);
    webhook(&app, "w1", "NoteCreate", note, -5).await;
    assert_eq!(app.calls(&app.location().id, call::LIST_NOTES), calls + 1, "GHL is asked, and has none");
    app.assert_equal(&contact).await;
    app.finish().await;
}

#[tokio::test]
async fn an_event_that_was_overtaken_takes_nothing_back_and_costs_nothing() {
    let (app, contact) = super::contacts::start().await;
    let state = app.state(&app.location().id);
    let held =
        state["contacts"].as_array().unwrap().iter().find(|held| held["id"] == contact.as_str()).unwrap().clone();
    let with_city = |city: &Value| {
        let mut body = held.clone();
        for name in ["companyName", "dateOfBirth", "website", "assignedTo", "source", "dnd", "customFields", "tags"] {
            if body.get(name).is_none() {
                body[name] = Value::Null;
            }
        }
        body["city"] = city.clone();
        body.as_object_mut().unwrap().remove("dateUpdated");
        body
    };
    let calls = app.all_calls(&app.location().id);
    // A person moved the contact to Bonn, and back; the second event comes first.
    webhook(&app, "w2", "ContactUpdate", with_city(&held["city"]), -10).await;
    webhook(&app, "w1", "ContactUpdate", with_city(&json!("Bonn")), -15).await;
    assert_eq!(app.all_calls(&app.location().id), calls);
    assert_eq!(app.view(&contact).await.unwrap()["contact"]["city"], held["city"]);
    webhook(&app, "w3", "ContactUpdate", with_city(&json!("Bonn")), -5).await;
    assert_eq!(app.view(&contact).await.unwrap()["contact"]["city"], "Bonn");
    // One that is dated ahead counts as of its receipt: what comes after it is no echo.
    webhook(&app, "w4", "ContactUpdate", with_city(&json!("Bonn")), 50).await;
    webhook(&app, "w5", "ContactUpdate", with_city(&json!("Ulm")), 0).await;
    assert_eq!(app.view(&contact).await.unwrap()["contact"]["city"], "Ulm");
    app.finish().await;
}

/// A deletion without a time may be of any time, and so may one that comes days late: GHL is asked, and has the record still.
#[tokio::test]
async fn what_would_destroy_and_bears_no_time_of_now_is_checked_in_ghl() {
    let (app, contact) = super::contacts::start().await;
    let location = app.location().id;
    let long_ago = json!(Clock::system().now() - jiff::SignedDuration::from_hours(48));
    for (list, event, operation) in [
        ("notes", "NoteDelete", call::LIST_NOTES),
        ("tasks", "TaskDelete", call::LIST_TASKS),
        ("appointments", "AppointmentDelete", call::LIST_APPOINTMENTS),
    ] {
        let record = app.held(list, &contact)[0].clone();
        let body = if list == "appointments" { json!({ "appointment": record }) } else { record };
        for (n, at) in [Value::Null, long_ago.clone()].into_iter().enumerate() {
            let calls = app.calls(&location, operation);
            webhook_of(&app, &format!("{event}{n}"), event, body.clone(), at).await;
            assert_eq!(app.calls(&location, operation), calls + 1, "{event}");
        }
    }
    for (n, at) in [Value::Null, long_ago].into_iter().enumerate() {
        webhook_of(&app, &format!("c{n}"), "ContactDelete", json!({"id": contact}), at).await;
    }
    app.assert_equal(&contact).await;
    assert!(app.view(&contact).await.is_some());
    app.finish().await;
}

/// Whatever a webhook is about: a contact that GHL no longer has is a deletion, and nobody's mistake.
#[tokio::test]
async fn the_webhook_of_a_contact_that_is_gone_is_done() {
    let (app, contact) = super::contacts::start().await;
    let location = app.location().id;
    let mut appointment = app.held("appointments", &contact)[0].clone();
    appointment["title"] = json!("Moved");
    app.remove_by_hand(&format!("/_sandbox/locations/{location}/contacts/{contact}")).await;
    webhook(&app, "w1", "AppointmentUpdate", json!({ "appointment": appointment }), 0).await;
    assert_eq!(app.view(&contact).await, None);
    for (n, event) in ["ContactUpdate", "NoteCreate", "AppointmentUpdate", "TaskComplete"].into_iter().enumerate() {
        let body = json!({"id": "neverWasHere000000", "contactId": "neverWasHere000000", "dateAdded": null});
        webhook(&app, &format!("n{n}"), event, body, 0).await;
    }
    app.finish().await;
}

#[tokio::test]
async fn an_appointment_whose_webhook_names_no_contact_is_found() {
    let (app, contact) = super::contacts::start().await;
    let location = app.location().id;
    let held = app.held("appointments", &contact)[0].clone();
    let path = format!("/_sandbox/locations/{location}/appointments/{}", held["id"].as_str().unwrap());
    app.by_hand(Method::PUT, &path, json!({"title": "Known"})).await;
    // Known here: its contact is, too.
    webhook(&app, "w1", "AppointmentUpdate", json!({"id": held["id"], "title": "Known"}), 0).await;
    app.assert_equal(&contact).await;

    let other = app.contacts(&location).remove(1);
    assert_eq!(app.view(&other).await, None);
    let new = json!({
        "contactId": other, "calendarId": held["calendarId"], "title": "New", "startTime": "2030-03-04T10:00:00Z",
        "endTime": "2030-03-04T10:30:00Z",
    });
    let booked = app.by_hand(Method::POST, &format!("/_sandbox/locations/{location}/appointments"), new).await;
    webhook(&app, "w2", "AppointmentCreate", json!({"appointment": {"id": booked["id"], "title": "New"}}), 0).await;
    app.assert_equal(&other).await;
    webhook(&app, "w3", "AppointmentDelete", json!({"id": "neverWasHere000000"}), 0).await;
    app.finish().await;
}
