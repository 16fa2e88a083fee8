//! Both sides edit one contact at once, in an order that a seed draws; calls fail, replies are lost, pulls come in between. It ends equal, with no
//! more writes than there were edits and lost replies. `records/merging` has it as a property over thousands of interleavings; this is the real app.

use clienty_sync::sandbox::Faults;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::json;

use crate::support::test_app::{Setup, TestApp, call};

const STEPS: usize = 40;
const FIELDS: [&str; 3] = ["city", "address1", "postalCode"];

/// An app that knows its first contact. The person's calls count for GHL's limit too, and nobody paces them: there is room for all.
async fn begun(database_url: Option<String>) -> (TestApp, String) {
    let app = TestApp::working(Setup { database_url, burst: 1000, ..Setup::impatient() }).await;
    let contact = app.contacts(&app.location().id).remove(0);
    app.tell("contact.selected", &contact, json!({})).await;
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
                app.tell("contact.updated", contact, json!({field: format!("ours {step}")})).await;
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
                app.tell("contact.selected", contact, json!({})).await;
            }
        }
    }
    app.sandbox.set_faults(Faults::default());
    app.settle().await;
    app.tell("contact.selected", contact, json!({})).await;
    app.settle().await;
    app.assert_equal(contact).await;
    let struck: u64 = app.sandbox.stats().faults.values().sum();
    let writes = app.calls(&location, call::UPDATE_CONTACT) - before - by_hand;
    assert!(writes <= ours + struck, "seed {seed}: {writes} writes for {ours} edits and {struck} faults");

    // And it stays: another look finds nothing to write.
    let writes = app.calls(&location, call::UPDATE_CONTACT);
    app.tell("contact.selected", contact, json!({})).await;
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
