//! What happens in GHL to what is kept here starts flows: each once, and none for what Clienty did.

use ghl_sandbox::WebhookFaults;
use reqwest::Method;
use serde_json::{Value, json};

use super::Flowing;
use crate::support::postgres::PostgresServer;
use crate::support::test_app::Setup;

/// Each leaves a note that says what it was about.
const FLOWS: &[(&str, &str)] = &[
    (
        "missed",
        "on = \"appointment.updated\"\nonly_if.event.data.status.is = \"noshow\"\n[[step]]\nevent = \"note.created\"\ndata.noteText = \"missed {event.record.title}\"\n",
    ),
    (
        "booked",
        "on = \"appointment.created\"\n[[step]]\nevent = \"note.created\"\ndata.noteText = \"booked {event.record.title}\"\n",
    ),
    (
        "moved",
        "on = \"appointment.updated\"\nonly_if.event.data.startTime.is_set = true\n[[step]]\nevent = \"note.created\"\ndata.noteText = \"moved {event.record.title}\"\n",
    ),
    (
        "cancelled",
        "on = \"appointment.deleted\"\n[[step]]\nevent = \"note.created\"\ndata.noteText = \"deleted {event.record.title}\"\n",
    ),
    (
        "finished",
        "on = \"task.completed\"\n[[step]]\nevent = \"note.created\"\ndata.noteText = \"done {event.record.title} by {event.origin}\"\n",
    ),
    (
        "relocated",
        "on = \"contact.updated\"\nonly_if.event.data.city.is_set = true\n[[step]]\nevent = \"note.created\"\ndata.noteText = \"lives in {event.data.city} by {event.origin}, not {event.before.city}\"\n",
    ),
    (
        "left",
        "on = \"contact.untagged=VIP\"\n[[step]]\nevent = \"note.created\"\ndata.noteText = \"no longer {event.tag}\"\n",
    ),
    ("gone", "on = \"contact.deleted\"\n[[step]]\ncall = \"create-business\"\nbody.name = \"was {event.contactId}\"\n"),
];

struct Office {
    flowing: Flowing,
    contact: String,
    seeded: Vec<String>,
}

impl Office {
    async fn start(setup: Setup, faults: WebhookFaults) -> Self {
        let flowing = Flowing::start(Setup { flows: FLOWS, contacts: 2, ..setup }, faults).await;
        let contact = flowing.known().await;
        let seeded = flowing.held("notes", &contact, "body");
        Self { flowing, contact, seeded }
    }

    async fn at_the_terminal(&self, method: Method, kind: &str, id: Option<&str>, fields: Value) -> Value {
        let at = id.map_or(String::new(), |id| format!("/{id}"));
        let path = format!("/_sandbox/locations/{}/{kind}{at}", self.flowing.location);
        let reply = self.flowing.app.by_hand(method, &path, fields).await;
        self.flowing.settle().await;
        reply
    }

    /// What flows have noted, beside the notes of before.
    fn noted(&self) -> Vec<String> {
        let mut notes = self.flowing.held("notes", &self.contact, "body");
        for known in &self.seeded {
            let at = notes.iter().position(|note| note == known).unwrap();
            notes.remove(at);
        }
        notes
    }
}

async fn whatever_the_staff_does(setup: Setup, faults: WebhookFaults) {
    let office = Office::start(setup, faults).await;
    let (flowing, contact) = (&office.flowing, office.contact.as_str());
    let state = flowing.app.state(&flowing.location);
    let calendar = &state["appointments"][0]["calendarId"];
    let known = state["contacts"].as_array().unwrap().iter().find(|one| one["id"] == contact).unwrap();
    let moved = format!("lives in Bonn by ghl, not {}", known["city"].as_str().unwrap_or_default());
    assert_eq!(office.noted(), [""; 0], "what a pull finds did not happen now");

    let new = json!({
        "contactId": contact, "calendarId": calendar, "title": "Demo", "appointmentStatus": "confirmed",
        "startTime": "2030-03-04T10:00:00Z", "endTime": "2030-03-04T10:30:00Z",
    });
    let booked = office.at_the_terminal(Method::POST, "appointments", None, new).await;
    let id = booked["id"].as_str().unwrap().to_owned();
    assert_eq!(office.noted(), ["booked Demo"]);
    let later = json!({"startTime": "2030-03-05T10:00:00Z", "endTime": "2030-03-05T10:30:00Z"});
    office.at_the_terminal(Method::PUT, "appointments", Some(&id), later).await;
    assert_eq!(office.noted(), ["booked Demo", "moved Demo"]);
    office.at_the_terminal(Method::PUT, "appointments", Some(&id), json!({"appointmentStatus": "noshow"})).await;
    assert_eq!(office.noted(), ["booked Demo", "missed Demo", "moved Demo"]);
    // It is missed still, and was not missed again.
    office.at_the_terminal(Method::PUT, "appointments", Some(&id), json!({"title": "Talk"})).await;
    flowing.app.report("contact.selected", contact, json!({})).await;
    flowing.settle().await;
    assert_eq!(office.noted(), ["booked Demo", "missed Demo", "moved Demo"]);
    flowing.app.remove_by_hand(&format!("/_sandbox/locations/{}/appointments/{id}", flowing.location)).await;
    flowing.settle().await;
    assert_eq!(office.noted(), ["booked Demo", "deleted Talk", "missed Demo", "moved Demo"]);

    let task = json!({"contactId": contact, "title": "Call", "dueDate": "2030-03-04T10:00:00Z", "completed": false});
    let task = office.at_the_terminal(Method::POST, "tasks", None, task).await["id"].as_str().unwrap().to_owned();
    office.at_the_terminal(Method::PUT, "tasks", Some(&task), json!({"completed": true})).await;
    flowing.app.contact_by_hand(Some(contact), json!({"city": "Bonn", "tags": ["vip", "new"]})).await;
    flowing.settle().await;
    flowing.app.contact_by_hand(Some(contact), json!({"tags": ["new"]})).await;
    flowing.settle().await;
    let mut expected = vec!["booked Demo", "deleted Talk", "done Call by ghl", &*moved];
    expected.extend(["missed Demo", "moved Demo", "no longer vip"]);
    assert_eq!(office.noted(), expected);

    // What Clienty says is reported once, by Clienty, and GHL's webhooks of it start nothing.
    flowing.app.report("contact.updated", contact, json!({"city": "Rome"})).await;
    let done = json!({"clientyTaskId": "t1", "title": "Ours", "dueDate": "2030-03-01T09:00:00Z"});
    flowing.app.report("task.created", contact, done).await;
    flowing.settle().await;
    flowing.app.report("task.completed", contact, json!({"clientyTaskId": "t1"})).await;
    flowing.settle().await;
    expected.extend(["done Ours by clienty", "lives in Rome by clienty, not Bonn"]);
    expected.sort_unstable();
    assert_eq!(office.noted(), expected);
    assert_eq!(flowing.runs("missed", "done").await, 1);
    office.flowing.finish().await;
}

#[tokio::test]
async fn whatever_the_staff_does_in_ghl_starts_one_run() {
    whatever_the_staff_does(Setup::default(), WebhookFaults::default()).await;
}

#[tokio::test]
async fn whatever_the_staff_does_in_ghl_starts_one_run_however_its_webhooks_travel_over_postgres() {
    let server = PostgresServer::start();
    let faults = WebhookFaults { duplicate: 500, delay: 500, delay_ms: 300, ..WebhookFaults::default() };
    let setup = Setup { database_url: Some(server.create_database("flows")), ..Setup::default() };
    whatever_the_staff_does(setup, faults).await;
}

#[tokio::test]
async fn a_contact_that_ghl_deleted_starts_one_run_which_knows_its_id() {
    let office = Office::start(Setup::default(), WebhookFaults::default()).await;
    let flowing = &office.flowing;
    flowing.app.by_hand(Method::DELETE, &format!("/contacts/{}", office.contact), json!({})).await;
    flowing.settle().await;
    assert_eq!(flowing.runs("gone", "done").await, 1);
    let state = flowing.app.state(&flowing.location);
    let name = json!(format!("was {}", office.contact));
    assert_eq!(state["businesses"].as_array().unwrap().iter().filter(|one| one["name"] == name).count(), 1);
    office.flowing.finish().await;
}
