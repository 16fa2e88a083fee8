//! Both sides edit one contact at once, in an order that a seed draws; calls fail, replies are lost, pulls come in between. It ends equal, with no
//! more writes than there were edits and lost replies. `records/merging` has it as a property over thousands of interleavings; this is the real app.

use ghl_sandbox::{Faults, WebhookFaults};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::test_app::{Setup, TestApp, call};

const STEPS: usize = 40;
const FIELDS: [&str; 3] = ["city", "address1", "postalCode"];

/// An app that knows its first contact. The person's calls count for GHL's limit too, and nobody paces them: there is room for all.
async fn begun(database_url: Option<String>) -> (TestApp, String) {
    let app = TestApp::working(Setup { database_url, burst: 1000, ..Setup::impatient() }).await;
    let contact = app.contacts(&app.location().id).remove(0);
    app.report("contact.selected", &contact, json!({})).await;
    app.settle().await;
    (app, contact)
}

async fn interleave(app: &TestApp, contact: &str, seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    let location = app.location().id;
    let path = format!("/contacts/{contact}");
    let (mut ours, before) = (0, app.calls(&location, call::UPDATE_CONTACT));
    let mut by_hand = 0;
    for step in 0..STEPS {
        let field = FIELDS[dice.random_range(0..FIELDS.len())];
        match dice.random_range(0..10) {
            0..5 => {
                app.report("contact.updated", contact, json!({field: format!("ours {step}")})).await;
                ours += 1;
            }
            5..8 => {
                // A person's own calls are not struck.
                app.sandbox.set_faults(Faults::default());
                app.by_hand(Method::PUT, &path, json!({field: format!("theirs {step}")})).await;
                by_hand += 1;
                app.sandbox.set_faults(Faults {
                    cut_after: 200,
                    server_error: 100,
                    writes_only: true,
                    ..Faults::default()
                });
            }
            _ => {
                app.report("contact.selected", contact, json!({})).await;
            }
        }
    }
    app.sandbox.set_faults(Faults::default());
    app.settle().await;
    app.report("contact.selected", contact, json!({})).await;
    app.settle().await;
    app.assert_equal(contact).await;
    let struck: u64 = app.sandbox.stats().faults.values().sum();
    let writes = app.calls(&location, call::UPDATE_CONTACT) - before - by_hand;
    assert!(writes <= ours + struck, "seed {seed}: {writes} writes for {ours} edits and {struck} faults");

    // And it stays: another look finds nothing to write.
    let writes = app.calls(&location, call::UPDATE_CONTACT);
    app.report("contact.selected", contact, json!({})).await;
    app.settle().await;
    assert_eq!(app.calls(&location, call::UPDATE_CONTACT), writes, "seed {seed}");
}

#[tokio::test]
async fn edits_on_both_sides_in_any_order_end_equal_and_nobody_plays_ping_pong() {
    let (app, contact) = begun(None).await;
    for seed in 1..=3 {
        interleave(&app, &contact, seed).await;
    }
    app.finish().await;
}

#[tokio::test]
async fn the_same_over_postgres() {
    let server = crate::support::postgres::PostgresServer::start();
    let (app, contact) = begun(Some(server.create_database("interleaved"))).await;
    interleave(&app, &contact, 4).await;
    app.finish().await;
}

/// Tasks, notes and appointments, by the names of their lists and fields on both sides.
const PARTS: [(&str, &str, &str, &str, &str); 3] = [
    ("task", "tasks", "clientyTaskId", "title", "title"),
    ("note", "notes", "clientyNoteId", "noteText", "body"),
    ("appointment", "appointments", "clientyAppointmentId", "title", "title"),
];

/// What hangs on a contact is made, edited and deleted on both sides, while GHL's webhooks come twice and late, and replies are lost.
async fn interleave_parts(app: &TestApp, contact: &str, seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    let location = app.location().id;
    let storm = WebhookFaults { duplicate: 300, delay: 500, delay_ms: 400, ..WebhookFaults::default() };
    let (server, webhooks) = app.with_webhooks(storm).await;
    app.sandbox.set_faults(Faults { cut_after: 150, server_error: 100, writes_only: true, ..Faults::default() });
    let calendar = app.state(&location)["appointments"][0]["calendarId"].clone();
    let writes = || {
        let calls = app.sandbox.stats().locations[&location].operations.clone();
        calls.iter().filter(|(name, _)| !name.starts_with("GET ")).map(|(_, count)| count).sum::<u64>()
    };
    let (mut ours, before, struck) = (0_u64, writes(), struck(app));
    for step in 0..STEPS {
        let (kind, list, id_name, our_field, their_field) = PARTS[dice.random_range(0..PARTS.len())];
        let id = format!("{seed}-{}", dice.random_range(0..3));
        let view = app.view(contact).await.unwrap();
        let known = view[list].as_array().unwrap().iter().any(|one| one[id_name] == id.as_str());
        let theirs = app.held(list, contact);
        let path = |id: &Value| format!("/_sandbox/locations/{location}/{list}/{}", id.as_str().unwrap());
        match dice.random_range(0..10) {
            0..4 if known => {
                ours += 1;
                app.report(
                    &format!("{kind}.updated"),
                    contact,
                    json!({id_name: id, our_field: format!("ours {step}")}),
                )
                .await;
            }
            0..4 => {
                let id = format!("{id}-{step}");
                let mut data = json!({id_name: id, our_field: format!("new {step}")});
                match kind {
                    "task" => data["dueDate"] = json!("2026-03-01T09:00:00Z"),
                    "appointment" => {
                        data["calendarId"] = calendar.clone();
                        data["startTime"] = json!(format!("2026-11-01T06:{:02}:00Z", step));
                    }
                    _ => {}
                }
                ours += 1;
                app.report(&format!("{kind}.created"), contact, data).await;
            }
            4 if known => {
                ours += 1;
                app.report(&format!("{kind}.deleted"), contact, json!({id_name: id})).await;
            }
            5..8 if !theirs.is_empty() => {
                let one = &theirs[dice.random_range(0..theirs.len())];
                app.by_hand(Method::PUT, &path(&one["id"]), json!({their_field: format!("theirs {step}")})).await;
            }
            8 if !theirs.is_empty() => {
                let one = &theirs[dice.random_range(0..theirs.len())];
                app.remove_by_hand(&path(&one["id"])).await;
            }
            _ => {
                app.report("contact.selected", contact, json!({})).await;
            }
        }
    }
    app.sandbox.set_faults(Faults::default());
    app.wait_until("all webhooks are delivered", async || webhooks.stats().pending == 0).await;
    app.settle().await;
    // An edited task has no event.
    app.report("contact.selected", contact, json!({})).await;
    app.settle().await;
    app.wait_until("all webhooks are delivered", async || webhooks.stats().pending == 0).await;
    app.settle().await;
    app.assert_equal(contact).await;
    let (sent, struck) = (writes() - before, self::struck(app) - struck);
    assert!(sent <= ours + struck, "seed {seed}: {sent} writes for {ours} edits and {struck} faults");
    let quiet = writes();
    app.report("contact.selected", contact, json!({})).await;
    app.settle().await;
    assert_eq!(writes(), quiet, "seed {seed}");
    app.assert_equal(contact).await;
    server.stop().await;
}

fn struck(app: &TestApp) -> u64 {
    app.sandbox.stats().faults.values().sum()
}

#[tokio::test]
async fn tasks_notes_and_appointments_that_both_sides_edit_end_equal_however_webhooks_travel() {
    let (app, contact) = begun(None).await;
    for seed in 1..=3 {
        interleave_parts(&app, &contact, seed).await;
    }
    app.finish().await;
}

#[tokio::test]
async fn tasks_notes_and_appointments_the_same_over_postgres() {
    let server = crate::support::postgres::PostgresServer::start();
    let (app, contact) = begun(Some(server.create_database("parts"))).await;
    interleave_parts(&app, &contact, 4).await;
    app.finish().await;
}
