//! When a run begins: once for each trigger, and never for what flows themselves do.

use ghl_sandbox::{Faults, WebhookFaults};
use serde_json::json;

use super::Flowing;
use crate::support::postgres::PostgresServer;
use crate::support::test_app::Setup;

const NOTES: &[(&str, &str)] = &[
    (
        "greet",
        "on = \"contact.created\"\n[[step]]\nevent = \"note.created\"\ndata.noteText = \"new {contact.firstName}\"\n",
    ),
    ("vip", "on = \"contact.tagged=VIP\"\n[[step]]\nevent = \"note.created\"\ndata.noteText = \"{event.tag}\"\n"),
];

fn storm() -> WebhookFaults {
    WebhookFaults { duplicate: 400, delay: 500, delay_ms: 600, ..WebhookFaults::default() }
}

async fn each_once(setup: Setup) {
    let flowing = Flowing::start(Setup { flows: NOTES, contacts: 2, ..setup }, storm()).await;
    flowing.app.sandbox.set_faults(Faults {
        cut_after: 200,
        server_error: 100,
        writes_only: true,
        ..Faults::default()
    });
    let mut contacts = Vec::new();
    for n in 0..10 {
        let contact = flowing
            .app
            .contact_by_hand(None, json!({"firstName": format!("P{n}"), "email": format!("p{n}@x.de")}))
            .await;
        if n % 2 == 0 {
            flowing.app.contact_by_hand(Some(&contact), json!({"tags": ["new", "vip"]})).await;
        }
        flowing.app.contact_by_hand(Some(&contact), json!({"city": "Bonn"})).await;
        contacts.push(contact);
    }
    flowing.settle().await;
    flowing.app.sandbox.set_faults(Faults::default());
    for (n, contact) in contacts.iter().enumerate() {
        let mut expected = vec![format!("new P{n}")];
        expected.extend((n % 2 == 0).then(|| "vip".to_owned()));
        assert_eq!(flowing.held("notes", contact, "body"), expected);
    }
    assert_eq!((flowing.runs("greet", "done").await, flowing.runs("vip", "done").await), (10, 5));
    flowing.finish().await;
}

#[tokio::test]
async fn each_trigger_starts_one_run_however_its_webhooks_travel() {
    each_once(Setup::impatient()).await;
}

#[tokio::test]
async fn each_trigger_starts_one_run_over_postgres() {
    let server = PostgresServer::start();
    each_once(Setup { database_url: Some(server.create_database("flows")), ..Setup::impatient() }).await;
}

#[tokio::test]
async fn a_flow_that_gives_the_very_tag_it_waits_for_runs_once() {
    const LOOPS: &[(&str, &str)] = &[
        (
            "again",
            "on = \"contact.tagged=vip\"\n[[step]]\nevent = \"contact.tagged\"\ndata.removeTags = [\"vip\"]\n[[step]]\nevent = \"contact.tagged\"\ndata.tags = [\"vip\"]\n",
        ),
        (
            "breed",
            "on = \"contact.created\"\n[[step]]\nevent = \"contact.created\"\ndata.email = \"child-of-{contact.id}@x.de\"\n",
        ),
        (
            "echo",
            "on = \"task.created\"\n[[step]]\nevent = \"task.created\"\ncontactId = \"{event.contactId}\"\ndata.title = \"another\"\ndata.dueDate = \"{in 1d}\"\n",
        ),
    ];
    let flowing = Flowing::calm(LOOPS).await;
    let contact =
        flowing.app.contact_by_hand(None, json!({"firstName": "Ada", "email": "ada@x.de", "tags": ["vip"]})).await;
    let task = json!({"clientyTaskId": "t1", "title": "Call", "dueDate": "2026-03-01T09:00:00Z"});
    flowing.app.report("task.created", &contact, task).await;
    flowing.settle().await;
    for flow in ["again", "breed", "echo"] {
        assert_eq!((flowing.runs(flow, "done").await, flowing.runs(flow, "underWay").await), (1, 0), "{flow}");
    }
    assert_eq!(flowing.tags(&contact), ["vip"]);
    assert_eq!(flowing.held("tasks", &contact, "title"), ["Call", "another"]);

    // Taken off in GHL and put on again, it is another trigger.
    flowing.app.contact_by_hand(Some(&contact), json!({"tags": []})).await;
    flowing.settle().await;
    flowing.app.contact_by_hand(Some(&contact), json!({"tags": ["vip"]})).await;
    flowing.settle().await;
    assert_eq!(flowing.runs("again", "done").await, 2);
    flowing.finish().await;
}

#[tokio::test]
async fn what_clienty_creates_and_what_a_pull_finds_is_no_trigger() {
    let flowing = Flowing::start(Setup { flows: NOTES, ..Setup::impatient() }, storm()).await;
    for n in 0..4 {
        let data = json!({"clientyContactId": format!("k{n}"), "firstName": "Ours", "email": format!("ours{n}@x.de"), "tags": ["vip"]});
        flowing.app.send(json!({"type": "contact.created", "locationId": flowing.location, "data": data})).await;
    }
    for contact in flowing.app.contacts(&flowing.location) {
        flowing.app.report("contact.selected", &contact, json!({})).await;
    }
    flowing.settle().await;
    assert_eq!((flowing.runs("greet", "done").await, flowing.runs("vip", "done").await), (0, 0));
    flowing.finish().await;
}

#[tokio::test]
async fn an_event_of_a_producer_starts_one_run_with_what_it_reports() {
    const DONE: &str = "on = \"task.completed\"\nonly_if.event.data.assignedTo.is = \"u1\"\n[[step]]\nevent = \"note.created\"\ndata.noteText = \"{event.data.taskId} of {contact.firstName}\"\n";
    const SEEN: &str =
        "on = \"contact.selected\"\n[[step]]\nevent = \"note.created\"\ndata.noteText = \"seen {contact.id}\"\n";
    let flowing = Flowing::calm(&[("done", DONE), ("seen", SEEN)]).await;
    let contact = flowing.app.contact_by_hand(None, json!({"firstName": "Ada"})).await;
    flowing.settle().await;
    let task = json!({"clientyTaskId": "t1", "title": "Call", "dueDate": "2026-03-01T09:00:00Z"});
    flowing.app.report("task.created", &contact, task).await;
    flowing.settle().await;
    let task = flowing.app.held("tasks", &contact).remove(0)["id"].as_str().unwrap().to_owned();
    let completed = json!({"id": "e1", "type": "task.completed", "locationId": flowing.location, "data": {"taskId": task, "assignedTo": "u1"}});
    for _ in 0..2 {
        flowing.app.send(completed.clone()).await;
    }
    let of_another =
        json!({"type": "task.completed", "locationId": flowing.location, "data": {"taskId": task, "assignedTo": "u2"}});
    flowing.app.send(of_another).await;
    flowing.settle().await;
    assert_eq!(flowing.held("notes", &contact, "body"), [format!("{task} of Ada")]);
    assert_eq!((flowing.runs("done", "done").await, flowing.runs("done", "skipped").await), (1, 1));

    // Of a contact that nobody looked at before, the run waits until it is fetched.
    let unseen = flowing.app.contacts(&flowing.location).remove(1);
    flowing.app.report("contact.selected", &unseen, json!({})).await;
    flowing.settle().await;
    assert_eq!(flowing.held("notes", &unseen, "body").iter().filter(|note| note.starts_with("seen")).count(), 1);
    flowing.finish().await;
}

#[tokio::test]
async fn a_lost_webhook_is_made_up_for_by_a_reconcile() {
    use sync_workers::records::Purpose;
    let flowing = Flowing::start(
        Setup { flows: NOTES, ..Setup::default() },
        WebhookFaults { lose: 1000, ..WebhookFaults::default() },
    )
    .await;
    let records = &flowing.app.app.records;
    let known = flowing.known().await;
    let look = async |purpose| {
        let scan = records.begin_scan(&flowing.location, purpose, false, 0).await.unwrap().unwrap();
        flowing
            .app
            .app
            .queue
            .push(&[sync_workers::jobs::new_job(&scan.next_job().unwrap(), job_engine::Priority::Bulk)])
            .await
            .unwrap();
        flowing.app.settle().await;
    };
    look(Purpose::Import).await;
    assert_eq!(flowing.runs("greet", "done").await, 0, "an import is no occasion");
    let new = flowing.app.contact_by_hand(None, json!({"firstName": "Lost", "email": "lost@x.de"})).await;
    flowing.app.contact_by_hand(Some(&known), json!({"tags": ["vip"]})).await;
    look(Purpose::Reconcile).await;
    look(Purpose::Full).await;
    assert_eq!(flowing.held("notes", &new, "body"), ["new Lost"]);
    assert_eq!((flowing.runs("greet", "done").await, flowing.runs("vip", "done").await), (1, 1));
    flowing.finish().await;
}
