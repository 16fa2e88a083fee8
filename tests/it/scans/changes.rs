//! A reconciliation reads what changed since the last one, and loses nothing at the borders: of pages, of the search's lag, of its own process.

use std::process::Stdio;
use std::time::Duration;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use sync_model::clock::Clock;
use sync_workers::jobs::new_job;
use sync_workers::reconcile_scheduler::begin;
use sync_workers::records::{Phase, Purpose, Scan};

use super::reconciliations::reconcile;
use crate::support::api::Api;
use crate::support::gate::Gate;
use crate::support::installation::{Installation, document};
use crate::support::leash::Leashed;
use crate::support::program::clienty_sync;
use crate::support::test_app::{Setup, TestApp, call};

const SEARCH: &str = "POST /contacts/search";
/// More than a page.
const MANY: usize = 520;

/// An app that knows so many contacts, without their notes.
async fn knowing(contacts: usize, gate: bool) -> TestApp {
    let app = TestApp::working(Setup { contacts, burst: 5000, gate, ..Setup::default() }).await;
    let location = app.location().id;
    let scan = app.app.records.begin_scan(&location, Purpose::Full, false, 0).await.unwrap().unwrap();
    app.app.queue.push(&[new_job(&scan.next_job().unwrap(), job_engine::Priority::Bulk)]).await.unwrap();
    app.settle().await;
    assert_eq!(app.app.records.count_shown_contacts(&location).await.unwrap() as usize, contacts);
    app
}

async fn latest(app: &TestApp) -> Scan {
    app.app.records.latest_scan(&app.location().id, Purpose::Reconcile).await.unwrap().unwrap()
}

/// A person edits a contact at GHL's screen.
async fn edit(app: &TestApp, contact: &str, fields: Value) {
    app.by_hand(Method::PUT, &format!("/_sandbox/locations/{}/contacts/{contact}", app.location().id), fields).await;
}

async fn city(app: &TestApp, contact: &str) -> Value {
    app.view(contact).await.unwrap()["contact"]["city"].clone()
}

#[tokio::test]
async fn a_reconcile_over_unchanged_contacts_costs_one_call_however_many_there_are() {
    let app = knowing(2000, false).await;
    let location = app.location().id;
    for _ in 0..2 {
        let (calls, feed) = (app.all_calls(&location), app.app.records.last_change().await.unwrap());
        reconcile(&app, Purpose::Reconcile).await;
        assert_eq!(app.all_calls(&location) - calls, 1);
        let scan = latest(&app).await;
        assert_eq!((scan.calls, scan.contacts, scan.found, scan.phase), (1, 0, 0, Phase::Done));
        assert_eq!(app.app.records.last_change().await.unwrap(), feed);
    }
    app.finish().await;
}

#[tokio::test]
async fn contacts_that_changed_at_the_same_moment_are_not_lost_at_a_pages_border() {
    let app = knowing(MANY, false).await;
    let location = app.location().id;
    let contacts = app.contacts(&location);
    // An hour ago: the search shows all of it, and the next reconciliation goes on after the very contact that this one read last.
    let at = Clock::system().now() - SignedDuration::from_hours(1);
    for contact in &contacts {
        edit(&app, contact, json!({"city": "Bonn", "dateUpdated": at})).await;
    }
    let calls = app.calls(&location, SEARCH);
    reconcile(&app, Purpose::Reconcile).await;
    for contact in &contacts {
        assert_eq!(city(&app, contact).await, "Bonn");
    }
    assert_eq!((app.calls(&location, SEARCH) - calls, latest(&app).await.contacts), (2, MANY as i64));
    reconcile(&app, Purpose::Reconcile).await;
    assert_eq!(latest(&app).await.contacts, 0, "none of them is read again");
    app.finish().await;
}

#[tokio::test]
async fn a_contact_that_is_edited_during_a_reconcile_is_read_again_by_it() {
    let app = knowing(MANY, true).await;
    let location = app.location().id;
    let contacts = app.contacts(&location);
    for contact in &contacts {
        edit(&app, contact, json!({"city": "Bonn"})).await;
    }
    app.gate().hold(Method::POST, "/contacts/search");
    assert!(begin(&app.app.records, &app.app.queue, &location, Purpose::Reconcile, 0).await.unwrap());
    // The full walk read two pages, and the tasks of each.
    app.gate().answered(Method::POST, "/contacts/search", 3).await;
    edit(&app, &contacts[0], json!({"city": "Ulm"})).await;
    app.gate().open();
    app.settle().await;
    assert_eq!(city(&app, &contacts[0]).await, "Ulm");
    assert_eq!(city(&app, &contacts[MANY - 1]).await, "Bonn");
    assert_eq!(latest(&app).await.contacts, MANY as i64 + 1);
    app.finish().await;
}

#[tokio::test]
async fn what_the_search_shows_late_is_found_and_what_it_still_shows_takes_nothing_back() {
    let app = knowing(4, false).await;
    let location = app.location().id;
    let contacts = app.contacts(&location);
    edit(&app, &contacts[0], json!({"city": "Bonn"})).await;
    // The index is filled in no order: one that changed later is shown before.
    let later = Clock::system().now() + SignedDuration::from_secs(1);
    edit(&app, &contacts[3], json!({"city": "Kiel", "dateUpdated": later})).await;
    app.sandbox.set_search_lag(Duration::from_secs(3600));
    for (contact, city) in [(&contacts[0], "Ulm"), (&contacts[1], "Jena")] {
        edit(&app, contact, json!({"city": city})).await;
    }
    app.by_hand(Method::DELETE, &format!("/contacts/{}", contacts[2]), json!({})).await;
    // Of two, events reported; the search does not know yet.
    for contact in [&contacts[0], &contacts[2]] {
        app.report("contact.selected", contact, json!({})).await;
    }
    app.settle().await;
    reconcile(&app, Purpose::Reconcile).await;
    assert_eq!(city(&app, &contacts[0]).await, "Ulm", "the search had Bonn");
    assert_eq!(app.view(&contacts[2]).await, None);
    assert_eq!(city(&app, &contacts[3]).await, "Kiel");
    assert_eq!(latest(&app).await.found, 1, "no more than that");

    app.sandbox.set_search_lag(Duration::ZERO);
    reconcile(&app, Purpose::Reconcile).await;
    assert_eq!(city(&app, &contacts[1]).await, "Jena", "it had changed before the last sweep began");
    app.finish().await;
}

#[tokio::test]
async fn deletions_and_merges_are_found_by_the_full_scan_for_a_call_each() {
    let app = knowing(6, false).await;
    let location = app.location().id;
    let contacts = app.contacts(&location);
    app.by_hand(Method::DELETE, &format!("/contacts/{}", contacts[0]), json!({})).await;
    let tasks = app.held("tasks", &contacts[1]).len() + app.held("tasks", &contacts[2]).len();
    let merge = format!("/_sandbox/locations/{location}/contacts/{}/merge", contacts[1]);
    app.by_hand(Method::POST, &merge, json!({"into": contacts[2]})).await;
    reconcile(&app, Purpose::Reconcile).await;
    assert!(app.view(&contacts[0]).await.is_some(), "no date tells that it is gone");
    reconcile(&app, Purpose::Full).await;
    for gone in &contacts[..2] {
        assert_eq!(app.view(gone).await, None);
    }
    assert_eq!(app.view(&contacts[2]).await.unwrap()["tasks"].as_array().unwrap().len(), tasks);
    assert_eq!((app.calls(&location, call::GET_CONTACT), app.calls(&location, call::LIST_NOTES)), (2, 0));
    app.finish().await;
}

#[tokio::test]
async fn a_reconcile_goes_on_beside_a_full_scan_that_takes_its_time() {
    let app = knowing(4, false).await;
    let location = app.location().id;
    let hour = 3_600_000;
    assert!(begin(&app.app.records, &app.app.queue, &location, Purpose::Details, hour).await.unwrap());
    assert!(begin(&app.app.records, &app.app.queue, &location, Purpose::Full, hour).await.unwrap());
    let contact = app.contacts(&location).remove(0);
    edit(&app, &contact, json!({"city": "Bonn"})).await;
    assert!(begin(&app.app.records, &app.app.queue, &location, Purpose::Reconcile, 0).await.unwrap());
    app.wait_until("the sweep is done", async || latest(&app).await.phase == Phase::Done).await;
    // Where another scan stored a part of the contact while the page was on its way, the reconciliation leaves it to a look of its own.
    app.wait_until("the edit is known", async || city(&app, &contact).await == "Bonn").await;
    // A person who waits for one goes before them.
    for purpose in [Purpose::Full, Purpose::Details] {
        assert!(!begin(&app.app.records, &app.app.queue, &location, purpose, 0).await.unwrap());
        assert_eq!(app.app.records.set_aside_scans(&location, Some(purpose)).await.unwrap(), 1);
        assert!(begin(&app.app.records, &app.app.queue, &location, purpose, 0).await.unwrap());
        app.wait_until("it is done", async || {
            app.app.records.latest_scan(&location, purpose).await.unwrap().unwrap().finished_at_ms.is_some()
        })
        .await;
    }
    // What made way is left to end by itself.
    app.sql("update jobs set state = 'done', finished_at = 1 where finished_at is null and kind like 'walk_%'").await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_reconcile_is_resumed_and_makes_each_task_once() {
    let mut installation = Installation::new(&[
        ("GHL_TIMEOUT_MS", "1000"),
        ("GHL_BURST_INTERVAL_MS", "1000"),
        ("CLIENTY_RULE_WELCOME_ON", "contact.created"),
        ("CLIENTY_RULE_WELCOME_TITLE", "Welcome {firstName}"),
    ])
    .await;
    let gate = Gate::before(installation.ghl.clone()).await;
    installation.set("GHL_API_URL", &gate.url());
    let location = installation.location.clone();
    installation.json(&["import", "--location", &location]);

    let ghl = Api::new(&installation.ghl, "");
    let person = json!({"firstName": "Ada"});
    let answer =
        ghl.request("POST", &format!("/_sandbox/locations/{location}/contacts"), |call| call.json(&person)).await;
    let new = answer.json()["id"].as_str().unwrap().to_owned();
    let arguments = ["sweep", "--location", location.as_str(), "--changed", "--json"];
    let notes = format!("/contacts/{new}/notes");
    // Killed when GHL has shown the page, and when the page is stored and what it left open is asked for.
    for (method, path, times) in [(Method::POST, "/contacts/search", 2), (Method::GET, notes.as_str(), 1)] {
        gate.hold(method.clone(), path);
        let mut reconcile = clienty_sync(&arguments, &installation.settings());
        reconcile.stdout(Stdio::null()).stderr(Stdio::null());
        let mut reconcile = Leashed::start(reconcile, "KILL");
        gate.answered(method, path, times).await;
        reconcile.end("KILL");
        gate.open();
    }
    let ended = installation.run(&arguments);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_eq!(document(&ended)["sweep"]["phase"], "done");
    installation.json(&arguments[..4]);

    let state = ghl.get(&format!("/_sandbox/locations/{location}/state")).await.json();
    let tasks = state["tasks"].as_array().unwrap().iter().filter(|task| task["contactId"] == new.as_str());
    assert_eq!(tasks.map(|task| &task["title"]).collect::<Vec<_>>(), ["Welcome Ada"]);
    let found = installation.json(&["jobs", "list", "--location", &location]);
    let found = found.as_array().or(found["jobs"].as_array()).unwrap().iter();
    assert_eq!(found.filter(|job| job["eventType"] == "ContactCreate").count(), 1, "one trigger");
}
