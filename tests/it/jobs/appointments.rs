//! Appointments go both ways: with the fewest calls, each created once, merged field by field, in the time of their location.

use clienty_sync::app::vault;
use ghl_sandbox::WebhookFaults;
use jiff::SignedDuration;
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use sync_workers::records::{ConnectionKind, JobState, NewToken};

use super::lost_creates::{every_fault, storm};
use crate::support::postgres::PostgresServer;
use crate::support::test_app::{Setup, TestApp, call};

const START: &str = "2026-03-02T15:00:00Z";

/// An app whose first contact is known, and the calendar that its location has.
struct Booked {
    app: TestApp,
    location: String,
    contact: String,
    calendar: String,
}

impl Booked {
    async fn start(setup: Setup) -> Self {
        let (app, contact) = TestApp::knowing_one(setup).await;
        let location = app.location().id;
        let state = app.state(&location);
        let calendar = state["appointments"][0]["calendarId"].as_str().unwrap().to_owned();
        Self { app, location, contact, calendar }
    }

    /// The data of a new appointment, with other fields than most.
    fn data(&self, id: &str, title: &str, other: Value) -> Value {
        let mut data = json!({
            "clientyAppointmentId": id, "calendarId": self.calendar, "title": title, "startTime": START,
            "endTime": "2026-03-02T15:45:00Z", "status": "new", "address": "Room 1", "notes": "Bring it",
        });
        for (name, value) in other.as_object().unwrap() {
            data[name] = value.clone();
        }
        data
    }

    async fn report(&self, event_type: &str, data: Value) -> String {
        self.app.report(event_type, &self.contact, data).await
    }

    /// Creates `k1` and waits until GHL has it.
    async fn with_one(setup: Setup) -> Self {
        let booked = Self::start(setup).await;
        booked.report("appointment.created", booked.data("k1", "Demo", json!({}))).await;
        booked.app.settle().await;
        booked
    }

    /// Sends the events while nobody works, then lets the workers do it all; the calls that it took.
    async fn after(&mut self, events: &[(&str, Value)]) -> Vec<(String, u64)> {
        self.app.rest().await;
        let before = self.app.sandbox.stats().locations[&self.location].operations.clone();
        for (event_type, data) in events {
            self.report(event_type, data.clone()).await;
        }
        self.app.work();
        self.app.settle().await;
        let after = self.app.sandbox.stats().locations[&self.location].operations.clone();
        let more = |(name, count): (String, u64)| {
            let more = count - before.get(&name).copied().unwrap_or(0);
            (more > 0).then_some((name, more))
        };
        after.into_iter().filter_map(more).collect()
    }

    async fn ours(&self, id: &str) -> Option<Value> {
        let view = self.app.view(&self.contact).await.unwrap();
        view["appointments"].as_array().unwrap().iter().find(|one| one["clientyAppointmentId"] == id).cloned()
    }

    fn theirs(&self, title: &str) -> Vec<Value> {
        let held = self.app.held("appointments", &self.contact);
        held.into_iter().filter(|one| one["title"] == title).collect()
    }

    /// Edits `k1` as a person does at GHL's screen.
    async fn edit_in_ghl(&self, edit: Value) {
        let id = self.ours("k1").await.unwrap()["appointmentId"].as_str().unwrap().to_owned();
        let path = format!("/_sandbox/locations/{}/appointments/{id}", self.location);
        self.app.by_hand(Method::PUT, &path, edit).await;
    }

    async fn select(&self) {
        self.report("contact.selected", json!({})).await;
        self.app.settle().await;
    }

    async fn finish(self) {
        self.app.assert_equal(&self.contact).await;
        self.app.finish().await;
    }
}

fn once(operation: &str) -> Vec<(String, u64)> {
    vec![(operation.to_owned(), 1)]
}

#[tokio::test]
async fn a_created_appointment_costs_one_call_and_then_has_both_ids() {
    let mut booked = Booked::start(Setup::default()).await;
    let user = booked.app.state(&booked.location)["appointments"][0]["users"][0].clone();
    let mut events = vec![("appointment.created", booked.data("k1", "Demo", json!({"assignedTo": user})))];
    events.extend((1..=9).map(|n| {
        (
            "appointment.updated",
            json!({"clientyAppointmentId": "k1", "title": format!("Demo {n}"), "status": "confirmed"}),
        )
    }));
    assert_eq!(booked.after(&events).await, once(call::CREATE_APPOINTMENT));
    let ours = booked.ours("k1").await.unwrap();
    let theirs = booked.theirs("Demo 9").remove(0);
    assert_eq!(ours["appointmentId"], theirs["id"]);
    for (our_name, their_name) in [
        ("status", "appointmentStatus"),
        ("address", "address"),
        ("notes", "description"),
        ("assignedUserId", "assignedUserId"),
    ] {
        assert_eq!(ours[our_name], theirs[their_name], "{our_name}");
    }
    assert_eq!((&ours["startTime"], &ours["sync"]["state"]), (&json!(START), &json!("applied")));
    assert_eq!(theirs["startTime"], "2026-03-02 10:00:00", "the clock on the wall in New York");
    booked.finish().await;
}

#[tokio::test]
async fn ten_edits_are_one_call_which_sends_what_changed_and_a_deletion_is_one_more() {
    let mut booked = Booked::with_one(Setup::default()).await;
    booked.edit_in_ghl(json!({"address": "Room 2"})).await;
    let edits: Vec<_> = (1..=10)
        .map(|n| ("appointment.updated", json!({"clientyAppointmentId": "k1", "title": format!("Demo {n}")})))
        .collect();
    assert_eq!(booked.after(&edits).await, once(call::UPDATE_APPOINTMENT));
    assert_eq!(booked.theirs("Demo 10")[0]["address"], "Room 2");
    let same = [("appointment.updated", json!({"clientyAppointmentId": "k1", "title": "Demo 10", "startTime": START}))];
    assert_eq!(booked.after(&same).await, []);
    let moved = [("appointment.updated", json!({"clientyAppointmentId": "k1", "startTime": "2026-07-02T15:00:00Z"}))];
    assert_eq!(booked.after(&moved).await, once(call::UPDATE_APPOINTMENT));
    let theirs = booked.theirs("Demo 10").remove(0);
    let times = (&theirs["startTime"], &theirs["endTime"]);
    assert_eq!(times, (&json!("2026-07-02 11:00:00"), &json!("2026-07-02 11:45:00")), "the end moves along");
    let gone = [("appointment.deleted", json!({"clientyAppointmentId": "k1"}))];
    assert_eq!(booked.after(&gone).await, once(call::DELETE_EVENT));
    assert_eq!(booked.after(&gone).await, []);
    assert_eq!((booked.theirs("Demo 10").len(), booked.ours("k1").await), (0, None));
    booked.finish().await;
}

#[tokio::test]
async fn an_appointment_is_created_once_whatever_happens_to_the_create() {
    let booked = Booked::start(Setup::impatient()).await;
    for (number, (name, faults)) in every_fault().into_iter().enumerate() {
        booked.app.sandbox.set_faults(faults);
        let job = booked.report("appointment.created", booked.data(&format!("k{number}"), name, json!({}))).await;
        let job = booked.app.ended(&job).await;
        assert_eq!(job.state, JobState::Done, "{name}: {job:?}");
        assert_eq!(booked.theirs(name).len(), 1, "{name}: {job:?}");
    }
    assert_eq!(booked.app.sandbox.stats().faults.len(), every_fault().len(), "each fault has struck");
    booked.finish().await;
}

#[tokio::test]
async fn identical_appointments_are_as_many_after_a_storm_as_were_wanted() {
    identical_ones(Setup::impatient()).await;
}

#[tokio::test]
async fn identical_appointments_over_postgres() {
    let server = PostgresServer::start();
    identical_ones(Setup { database_url: Some(server.create_database("twins")), ..Setup::impatient() }).await;
}

/// In the second of two hours that the wall shows alike, where the list of appointments can't show what was sent.
async fn identical_ones(setup: Setup) {
    let booked = Booked::start(setup).await;
    booked.app.sandbox.set_faults(storm());
    let times = json!({"startTime": "2026-11-01T06:30:00Z", "endTime": "2026-11-01T06:50:00Z"});
    for number in 0..6 {
        booked.report("appointment.created", booked.data(&format!("k{number}"), "Twin", times.clone())).await;
        booked.report("contact.selected", json!({})).await;
    }
    booked.app.settle().await;
    booked.app.sandbox.set_faults(ghl_sandbox::Faults::default());
    booked.select().await;
    assert_eq!(booked.theirs("Twin").len(), 6);
    for number in 0..6 {
        let ours = booked.ours(&format!("k{number}")).await.unwrap();
        assert_eq!((&ours["startTime"], &ours["notes"]), (&times["startTime"], &json!("Bring it")));
    }
    booked.finish().await;
}

#[tokio::test]
async fn an_hour_that_the_wall_shows_twice_moves_no_appointment_and_costs_no_write() {
    let mut booked = Booked::start(Setup::default()).await;
    let second = json!({"startTime": "2026-11-01T06:30:00Z", "endTime": "2026-11-01T06:50:00Z"});
    let across = json!({"startTime": "2026-11-01T05:45:00Z", "endTime": "2026-11-01T06:15:00Z"});
    for (id, times) in [("k1", &second), ("k2", &across)] {
        booked.report("appointment.created", booked.data(id, id, times.clone())).await;
    }
    booked.app.settle().await;
    let feed = booked.app.app.records.last_change().await.unwrap();
    for _ in 0..2 {
        let calls = booked.after(&[("contact.selected", json!({}))]).await;
        assert!(calls.iter().all(|(operation, _)| operation.starts_with("GET ")), "{calls:?}");
    }
    assert_eq!(booked.app.app.records.last_change().await.unwrap(), feed, "nothing has changed");
    for (id, times) in [("k1", second), ("k2", across)] {
        let ours = booked.ours(id).await.unwrap();
        assert_eq!((&ours["startTime"], &ours["endTime"]), (&times["startTime"], &times["endTime"]));
    }
    booked.finish().await;
}

#[tokio::test]
async fn both_sides_edit_one_appointment_and_each_field_goes_to_who_changed_it_or_to_the_policy() {
    let booked = Booked::with_one(Setup { gate: true, ..Setup::default() }).await;
    booked.edit_in_ghl(json!({"address": "Room 2", "title": "Demo, says GHL"})).await;
    // Our edit waits while a pull learns of theirs.
    let id = booked.ours("k1").await.unwrap()["appointmentId"].as_str().unwrap().to_owned();
    let path = format!("/calendars/events/appointments/{id}");
    booked.app.gate().answer(Method::PUT, &path, reqwest::StatusCode::BAD_GATEWAY);
    let edit = json!({"clientyAppointmentId": "k1", "title": "Demo, says Clienty", "status": "showed"});
    let job = booked.report("appointment.updated", edit).await;
    booked.app.wait_until("the push has failed", async || booked.app.job(&job).await.last_error.is_some()).await;
    let pull = booked.report("contact.selected", json!({})).await;
    booked.app.ended(&pull).await;
    booked.app.gate().open();
    booked.app.settle().await;
    let theirs = booked.theirs("Demo, says Clienty").remove(0);
    assert_eq!((&theirs["address"], &theirs["appointmentStatus"]), (&json!("Room 2"), &json!("showed")));
    booked.app.assert_equal(&booked.contact).await;

    let kept = booked.app.app.records.list_conflicts(&booked.location, None, None, 10).await.unwrap().items;
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(
        (kept[0].record.as_str(), kept[0].field.as_str(), kept[0].winner.as_str()),
        ("appointment", "title", "clienty")
    );
    booked.finish().await;
}

#[tokio::test]
async fn an_own_write_that_comes_back_writes_nothing_and_what_ghl_edits_arrives() {
    let booked = Booked::start(Setup::default()).await;
    let (server, webhooks) =
        booked.app.with_webhooks(WebhookFaults { duplicate: 500, ..WebhookFaults::default() }).await;
    booked.report("appointment.created", booked.data("k1", "Demo", json!({}))).await;
    booked
        .report("appointment.updated", json!({"clientyAppointmentId": "k1", "title": "Demo 2", "notes": "Bring more"}))
        .await;
    let reported = async || webhooks.stats().pending == 0;
    booked.app.wait_until("all webhooks are delivered", reported).await;
    booked.app.settle().await;
    let writes = ["POST /calendars/events/appointments", call::UPDATE_APPOINTMENT]
        .map(|name| booked.app.calls(&booked.location, name));
    assert!(writes[0] == 1 && writes[1] <= 1, "{writes:?}");
    booked.edit_in_ghl(json!({"startTime": "2026-03-03T15:00:00Z", "appointmentStatus": "cancelled"})).await;
    booked.app.wait_until("it arrives", async || booked.ours("k1").await.unwrap()["status"] == "cancelled").await;
    let ours = booked.ours("k1").await.unwrap();
    assert_eq!(
        (&ours["startTime"], &ours["endTime"]),
        (&json!("2026-03-03T15:00:00Z"), &json!("2026-03-03T15:45:00Z"))
    );
    assert_eq!(ours["notes"], "Bring more", "which no list tells");
    booked.app.wait_until("all webhooks are delivered", reported).await;
    booked.app.settle().await;
    assert_eq!(booked.app.calls(&booked.location, call::UPDATE_APPOINTMENT), writes[1]);
    server.stop().await;
    booked.finish().await;
}

#[tokio::test]
async fn notes_that_are_emptied_in_ghl_go_and_those_that_no_list_reports_stay() {
    let booked = Booked::with_one(Setup::default()).await;
    for (edit, expected) in [
        (json!({"address": "Room 2"}), json!("Bring it")),
        (json!({"notes": "Told at the desk"}), json!("Told at the desk")),
        (json!({"notes": ""}), Value::Null),
    ] {
        booked.edit_in_ghl(edit).await;
        booked.select().await;
        assert_eq!(booked.ours("k1").await.unwrap()["notes"], expected);
    }
    booked.app.finish().await;
}

#[tokio::test]
async fn what_ghl_refuses_is_shown_on_the_record_with_its_reason() {
    let booked = Booked::start(Setup::default()).await;
    let job = booked.report("appointment.created", booked.data("k1", "Demo", json!({"calendarId": "none"}))).await;
    assert_eq!(booked.app.ended(&job).await.state, JobState::Dead);
    let sync = &booked.ours("k1").await.unwrap()["sync"];
    assert_eq!(sync["state"], "refused", "{sync}");
    booked.app.finish_with_dead(1).await;
}

#[tokio::test]
async fn a_login_without_the_scope_sends_nothing_and_says_which_one_it_needs() {
    let booked = Booked::start(Setup::default()).await;
    let sealed =
        vault(&booked.app.app.config).unwrap().seal(&SecretString::from(booked.app.location().token), &booked.location);
    let token = NewToken {
        access: Some(sealed.unwrap()),
        refresh: None,
        expires_at: Some(booked.app.app.clock.now() + SignedDuration::from_hours(24)),
        scopes: Some("contacts.readonly contacts.write locations.readonly".to_owned()),
        missing_scopes: String::new(),
    };
    booked.app.app.records.connect(&booked.location, ConnectionKind::Oauth, None, &token, None, None).await.unwrap();
    let before = booked.app.all_calls(&booked.location);
    let job = booked.report("appointment.created", booked.data("k1", "Demo", json!({}))).await;
    let dead = booked.app.ended(&job).await;
    let error = dead.last_error.unwrap();
    assert!(error.contains("calendars/events.write") && error.contains("GHL_SCOPES"), "{error}");
    assert_eq!(booked.app.all_calls(&booked.location), before);
    assert_eq!(booked.ours("k1").await.unwrap()["sync"]["state"], "refused");
    booked.app.finish_with_dead(1).await;
}
