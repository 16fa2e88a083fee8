//! Every trigger of what happens in GHL, by every way in which it comes to be known: by webhooks, however they travel, by a pull, by
//! reconciliation. Each happening starts one run, by whichever of them it is known first, and none again by the others.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use clienty_sync::flows::backtest::{Asked, backtest};
use ghl_sandbox::WebhookFaults;
use reqwest::Method;
use serde_json::{Value, json};
use sync_model::clock::Clock;
use sync_workers::records::Purpose;

use super::Flowing;
use crate::support::postgres::PostgresServer;
use crate::support::test_app::Setup;

/// Each trigger, by a word for it.
const TRIGGERS: [(&str, &str); 22] = [
    ("contact-new", "contact.created"),
    ("contact-edited", "contact.updated"),
    ("contact-city", "contact.updated=city"),
    ("contact-tags", "contact.updated=tags"),
    ("contact-gone", "contact.deleted"),
    ("tag-vip", "contact.tagged=VIP"),
    ("tag-any", "contact.tagged=*"),
    ("tag-lost", "contact.untagged=vip"),
    ("task-new", "task.created"),
    ("task-edited", "task.updated"),
    ("task-done", "task.completed"),
    ("task-gone", "task.deleted"),
    ("note-new", "note.created"),
    ("note-edited", "note.updated"),
    ("note-gone", "note.deleted"),
    ("visit-booked", "appointment.created"),
    ("visit-edited", "appointment.updated"),
    ("visit-moved", "appointment.moved"),
    ("visit-cancelled", "appointment.cancelled"),
    ("visit-missed", "appointment.noshow"),
    ("visit-showed", "appointment.showed"),
    ("visit-gone", "appointment.deleted"),
];

/// A run of each ends at once: its step is for nowhere.
fn flows() -> &'static [(&'static str, &'static str)] {
    static FLOWS: LazyLock<Vec<(&str, &str)>> = LazyLock::new(|| {
        let text =
            |on: &str| format!("on = \"{on}\"\n[[step]]\nwait = \"1d\"\nonly_if.event.locationId.is = \"nowhere\"\n");
        TRIGGERS.iter().map(|(name, on)| (*name, &*text(on).leak())).collect()
    });
    FLOWS.as_slice()
}

/// How GHL's changes come to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Webhook,
    Pull,
    Reconcile,
}

struct Office {
    flowing: Flowing,
    by: By,
    contact: String,
    expected: BTreeMap<&'static str, i64>,
}

impl Office {
    async fn start(setup: Setup, by: By, faults: WebhookFaults) -> Self {
        let faults = if by == By::Webhook { faults } else { WebhookFaults { lose: 1000, ..faults } };
        let flowing = Flowing::start(Setup { flows: flows(), contacts: 3, ..setup }, faults).await;
        let office =
            Self { contact: flowing.app.contacts(&flowing.location).remove(0), flowing, by, expected: BTreeMap::new() };
        office.look(Purpose::Import).await;
        office.check("an import is of what was there before").await;
        office
    }

    async fn look(&self, purpose: Purpose) {
        let app = &self.flowing.app.app;
        let scan = app.records.begin_scan(&self.flowing.location, purpose, false, 0).await.unwrap().unwrap();
        let job = sync_workers::jobs::new_job(&scan.next_job().unwrap(), job_engine::Priority::Bulk);
        app.queue.push(&[job]).await.unwrap();
        self.flowing.app.settle().await;
    }

    async fn reconcile(&self) {
        for purpose in [Purpose::Reconcile, Purpose::Full, Purpose::Details] {
            self.look(purpose).await;
        }
    }

    async fn pull(&self) {
        self.flowing.app.report("contact.selected", &self.contact, json!({})).await;
        self.flowing.settle().await;
    }

    /// Lets what happened become known.
    async fn learn(&self) {
        match self.by {
            By::Webhook => self.flowing.settle().await,
            By::Pull => self.pull().await,
            By::Reconcile => self.reconcile().await,
        }
    }

    async fn check(&self, what: &str) {
        let counts = self.flowing.app.app.records.flow_counts().await.unwrap();
        let of = |name: &str| counts.get(name).and_then(|counts| counts.get("done")).copied().unwrap_or(0);
        let found: BTreeMap<_, _> = TRIGGERS.iter().map(|(name, _)| (*name, of(name))).collect();
        let expected: BTreeMap<_, _> =
            TRIGGERS.iter().map(|(name, _)| (*name, self.expected.get(name).copied().unwrap_or(0))).collect();
        assert_eq!(found, expected, "{:?}: {what}", self.by);
    }

    /// What was stored reports the same.
    async fn ask_back(&self) {
        let records = &self.flowing.app.app.records;
        let asked = Asked { days: 7, budget: Duration::from_secs(60), daily_limit: 200_000 };
        let mut found = BTreeMap::new();
        for flow in records.file_flows().iter() {
            let reported = backtest(records, flow, Clock::system().now(), &asked).await.unwrap();
            assert_eq!((&reported["complete"], &reported["unknown"]), (&json!(true), &json!(0)), "{reported:#}");
            let name = TRIGGERS.iter().find(|(name, _)| *name == flow.name).unwrap().0;
            found.insert(name, reported["wouldRun"].as_i64().unwrap());
        }
        let expected: BTreeMap<_, _> =
            TRIGGERS.iter().map(|(name, _)| (*name, self.expected.get(name).copied().unwrap_or(0))).collect();
        assert_eq!(found, expected, "{:?}: a backtest", self.by);
    }

    /// That this has happened starts one run of each of these, and of no others.
    async fn happened(&mut self, what: &str, flows: &[&'static str]) {
        self.learn().await;
        flows.iter().for_each(|name| *self.expected.entry(name).or_default() += 1);
        self.check(what).await;
    }

    async fn at_the_terminal(&self, method: Method, kind: &str, id: Option<&str>, fields: Value) -> String {
        let at = id.map_or(String::new(), |id| format!("/{id}"));
        let path = format!("/_sandbox/locations/{}/{kind}{at}", self.flowing.location);
        if method == Method::DELETE {
            self.flowing.app.remove_by_hand(&path).await;
            return String::new();
        }
        let reply = self.flowing.app.by_hand(method, &path, fields).await;
        reply["id"].as_str().unwrap().to_owned()
    }
}

async fn everything(setup: Setup, by: By, faults: WebhookFaults) {
    let (put, post, delete) = (Method::PUT, Method::POST, Method::DELETE);
    let mut office = Office::start(setup, by, faults).await;
    let contact = office.contact.clone();
    let state = office.flowing.app.state(&office.flowing.location);
    let tags = state["contacts"].as_array().unwrap().iter().find(|one| one["id"] == *contact).unwrap()["tags"].clone();
    let with_vip: Vec<_> = tags.as_array().unwrap().iter().cloned().chain([json!("vip")]).collect();

    office.at_the_terminal(put.clone(), "contacts", Some(&contact), json!({"city": "Bonn"})).await;
    office.happened("it moves", &["contact-edited", "contact-city"]).await;
    office.at_the_terminal(put.clone(), "contacts", Some(&contact), json!({"lastName": "New"})).await;
    office.happened("it marries", &["contact-edited"]).await;
    office.at_the_terminal(put.clone(), "contacts", Some(&contact), json!({"tags": with_vip})).await;
    office.happened("it gets a tag", &["tag-vip", "tag-any", "contact-edited", "contact-tags"]).await;
    office.at_the_terminal(put.clone(), "contacts", Some(&contact), json!({"tags": tags})).await;
    office.happened("it loses the tag", &["tag-lost", "contact-edited", "contact-tags"]).await;

    let new = json!({"contactId": contact, "title": "Call", "dueDate": "2030-03-04T10:00:00Z", "completed": false});
    let task = office.at_the_terminal(post.clone(), "tasks", None, new).await;
    office.happened("a task is made", &["task-new"]).await;
    office.at_the_terminal(put.clone(), "tasks", Some(&task), json!({"title": "Call again"})).await;
    if by == By::Webhook {
        // GHL has no webhook of it.
        office.pull().await;
    }
    office.happened("it is edited", &["task-edited"]).await;
    office.at_the_terminal(put.clone(), "tasks", Some(&task), json!({"completed": true})).await;
    office.happened("it is done", &["task-done"]).await;
    office.at_the_terminal(delete.clone(), "tasks", Some(&task), json!({})).await;
    office.happened("it is deleted", &["task-gone"]).await;

    let note = office.at_the_terminal(post.clone(), "notes", None, json!({"contactId": contact, "body": "Hi"})).await;
    office.happened("a note is added", &["note-new"]).await;
    office.at_the_terminal(put.clone(), "notes", Some(&note), json!({"body": "Hello"})).await;
    office.happened("it is edited", &["note-edited"]).await;
    office.at_the_terminal(delete.clone(), "notes", Some(&note), json!({})).await;
    office.happened("it is deleted", &["note-gone"]).await;

    let new = json!({
        "contactId": contact, "calendarId": state["appointments"][0]["calendarId"], "title": "Demo", "appointmentStatus": "confirmed",
        "startTime": "2030-03-04T10:00:00Z", "endTime": "2030-03-04T10:30:00Z",
    });
    let visit = office.at_the_terminal(post.clone(), "appointments", None, new).await;
    office.happened("a visit is booked", &["visit-booked"]).await;
    let later = json!({"startTime": "2030-03-05T10:00:00Z", "endTime": "2030-03-05T10:30:00Z"});
    office.at_the_terminal(put.clone(), "appointments", Some(&visit), later).await;
    office.happened("it is moved", &["visit-edited", "visit-moved"]).await;
    for (status, flow) in [("noshow", "visit-missed"), ("showed", "visit-showed"), ("cancelled", "visit-cancelled")] {
        office.at_the_terminal(put.clone(), "appointments", Some(&visit), json!({"appointmentStatus": status})).await;
        office.happened(status, &["visit-edited", flow]).await;
    }
    office.at_the_terminal(put.clone(), "appointments", Some(&visit), json!({"title": "Talk"})).await;
    office.happened("it is renamed", &["visit-edited"]).await;
    office.at_the_terminal(delete.clone(), "appointments", Some(&visit), json!({})).await;
    office.happened("it is deleted", &["visit-gone"]).await;

    let new = json!({"firstName": "Ada", "email": "ada@x.de", "tags": ["vip"]});
    let created = office.at_the_terminal(post.clone(), "contacts", None, new).await;
    if by == By::Pull {
        // That something was pulled for the first time says nothing of when it came to be.
        office.flowing.app.report("contact.selected", &created, json!({})).await;
        office.flowing.settle().await;
        office.check("a pull of what nobody knew").await;
        office.reconcile().await;
    }
    office.happened("a contact is made", &["contact-new", "tag-vip", "tag-any"]).await;
    office.contact = created.clone();
    office.at_the_terminal(delete, "contacts", Some(&created), json!({})).await;
    if by == By::Pull {
        // Whoever asks for what is gone has made no mistake: it was here.
        office.pull().await;
    }
    office.contact = contact;
    office.happened("it is deleted", &["contact-gone"]).await;

    // By all other ways it is no news.
    office.pull().await;
    office.reconcile().await;
    office.check("looked at again").await;
    if by == By::Webhook {
        office.ask_back().await;
    }
    office.flowing.finish().await;
}

#[tokio::test]
async fn each_happening_that_a_webhook_reports_starts_one_run() {
    everything(Setup::default(), By::Webhook, WebhookFaults::default()).await;
}

#[tokio::test]
async fn each_happening_starts_one_run_though_webhooks_come_twice_and_in_any_order_over_postgres() {
    let server = PostgresServer::start();
    let faults = WebhookFaults { duplicate: 600, delay: 500, delay_ms: 300, ..WebhookFaults::default() };
    let setup = Setup { database_url: Some(server.create_database("flows")), ..Setup::default() };
    everything(setup, By::Webhook, faults).await;
}

#[tokio::test]
async fn each_happening_that_a_pull_finds_starts_one_run() {
    everything(Setup::default(), By::Pull, WebhookFaults::default()).await;
}

#[tokio::test]
async fn each_happening_that_reconciliation_finds_starts_one_run() {
    everything(Setup::default(), By::Reconcile, WebhookFaults::default()).await;
}

#[tokio::test]
async fn each_happening_that_reconciliation_finds_starts_one_run_over_postgres() {
    let server = PostgresServer::start();
    let setup = Setup { database_url: Some(server.create_database("flows")), ..Setup::default() };
    everything(setup, By::Reconcile, WebhookFaults::default()).await;
}

/// What is made and changed before anybody here has looked is both.
#[tokio::test]
async fn what_was_missed_or_done_before_it_was_read_starts_a_run_of_either() {
    for by in [By::Webhook, By::Pull, By::Reconcile] {
        let faults = WebhookFaults { duplicate: 600, delay: 600, delay_ms: 300, ..WebhookFaults::default() };
        let mut office = Office::start(Setup::default(), by, faults).await;
        let contact = office.contact.clone();
        let state = office.flowing.app.state(&office.flowing.location);
        let calendar = &state["appointments"][0]["calendarId"];
        const MANY: i64 = 4;
        office.flowing.app.rest().await;
        for n in 0..MANY {
            let at = format!("2030-03-{:02}T10:00:00Z", n + 1);
            let new = json!({"contactId": contact, "calendarId": calendar, "title": "Demo", "appointmentStatus": "confirmed", "startTime": at});
            let visit = office.at_the_terminal(Method::POST, "appointments", None, new).await;
            let missed = json!({"appointmentStatus": "noshow"});
            office.at_the_terminal(Method::PUT, "appointments", Some(&visit), missed).await;
            let new = json!({"contactId": contact, "title": format!("T{n}"), "dueDate": at, "completed": false});
            let task = office.at_the_terminal(Method::POST, "tasks", None, new).await;
            office.at_the_terminal(Method::PUT, "tasks", Some(&task), json!({"completed": true})).await;
        }
        office.flowing.app.work();
        office.learn().await;
        for name in ["visit-booked", "visit-missed", "task-new", "task-done"] {
            *office.expected.entry(name).or_default() += MANY;
        }
        office.check("all at once").await;
        office.pull().await;
        office.reconcile().await;
        office.check("looked at again").await;
        office.flowing.finish().await;
    }
}

/// Clienty's own writes are reported once, by Clienty, whatever GHL shows of them afterwards.
#[tokio::test]
async fn what_a_producer_says_starts_one_run_and_its_echo_none() {
    let faults = WebhookFaults { duplicate: 500, ..WebhookFaults::default() };
    let mut office = Office::start(Setup::default(), By::Webhook, faults).await;
    let contact = office.contact.clone();
    let state = office.flowing.app.state(&office.flowing.location);
    let calendar = &state["appointments"][0]["calendarId"];
    let visit = json!({"clientyAppointmentId": "a1"});
    let with = |fields: Value| {
        let mut data = visit.clone();
        data.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        data
    };
    let new = json!({"calendarId": calendar, "title": "Ours", "startTime": "2030-03-04T10:00:00Z"});
    let said = [
        ("appointment.created", with(new), &["visit-booked"][..]),
        ("appointment.updated", with(json!({"startTime": "2030-03-06T10:00:00Z"})), &["visit-edited", "visit-moved"]),
        ("appointment.updated", with(json!({"status": "noshow"})), &["visit-edited", "visit-missed"]),
        // It is missed already.
        ("appointment.updated", with(json!({"status": "noshow"})), &["visit-edited"]),
        ("appointment.updated", with(json!({"title": "Talk"})), &["visit-edited"]),
        ("appointment.deleted", visit.clone(), &["visit-gone"]),
        ("contact.updated", json!({"city": "Rome"}), &["contact-edited", "contact-city"]),
        ("contact.tagged", json!({"tags": ["vip"]}), &["contact-tags"]),
        ("contact.tagged", json!({"removeTags": ["vip"]}), &["contact-tags"]),
        ("note.created", json!({"clientyNoteId": "n1", "noteText": "Ours"}), &["note-new"]),
        ("note.updated", json!({"clientyNoteId": "n1", "noteText": "Still ours"}), &["note-edited"]),
    ];
    for (event, data, flows) in said {
        office.flowing.app.report(event, &contact, data).await;
        office.happened(event, flows).await;
    }
    office.pull().await;
    office.reconcile().await;
    office.check("looked at again").await;
    office.flowing.finish().await;
}
