//! Sweeps find what no event reported.

use std::collections::BTreeSet;
use std::time::Duration;

use clienty_sync::compare::Mismatch;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;
use sync_model::clock::Clock;
use sync_workers::reconcile_scheduler::{self, Periods};
use sync_workers::records::Purpose;

use super::import::import;
use crate::support::postgres::PostgresServer;
use crate::support::test_app::{Setup, TestApp, call};

#[tokio::test]
async fn a_reconcile_finds_everything_that_no_event_reported() {
    everything_is_found(None).await;
}

#[tokio::test]
async fn a_reconcile_over_postgres_finds_everything_that_no_event_reported() {
    let server = PostgresServer::start();
    everything_is_found(Some(server.create_database("sweeps"))).await;
}

async fn everything_is_found(database_url: Option<String>) {
    let app = TestApp::working(Setup { contacts: 40, burst: 1000, database_url, ..Setup::default() }).await;
    let location = app.location().id;
    import(&app).await;
    assert_eq!(mismatches(&app).await, []);

    // Nearly all contacts are changed in some way or other, and nobody reports.
    let contacts = app.contacts(&location);
    let terminal = format!("/_sandbox/locations/{location}");
    for (number, contact) in contacts.iter().enumerate() {
        let path = |rest: &str| format!("/contacts/{contact}{rest}");
        let first = |list: &str| app.held(list, contact).first().map(|one| one["id"].as_str().unwrap().to_owned());
        match number % 9 {
            0 => drop(app.by_hand(Method::PUT, &path(""), json!({"city": "Paderborn"})).await),
            1 => {
                app.by_hand(Method::POST, &path("/notes"), json!({"body": "Nobody tells"})).await;
                if let Some(note) = first("notes") {
                    let text = json!({"body": "Edited in GHL"});
                    app.by_hand(Method::PUT, &path(&format!("/notes/{note}")), text).await;
                }
            }
            2 => drop(app.by_hand(Method::DELETE, &path(""), json!({})).await),
            3 => {
                let task = json!({"title": "New", "dueDate": "2026-03-01T09:00:00Z", "completed": false});
                app.by_hand(Method::POST, &path("/tasks"), task).await;
            }
            4 => {
                if let Some(task) = first("tasks") {
                    app.by_hand(Method::PUT, &path(&format!("/tasks/{task}")), json!({"title": "Edited in GHL"})).await;
                }
            }
            5 => {
                for list in ["tasks", "notes"] {
                    if let Some(one) = first(list) {
                        app.by_hand(Method::DELETE, &path(&format!("/{list}/{one}")), json!({})).await;
                    }
                }
            }
            // It becomes part of the next one, with its tasks, notes and appointments.
            6 if number + 1 < contacts.len() => {
                let into = json!({"into": contacts[number + 1]});
                app.by_hand(Method::POST, &format!("{terminal}/contacts/{contact}/merge"), into).await;
            }
            8 => {
                if let Some(appointment) = first("appointments") {
                    let path = format!("{terminal}/appointments/{appointment}");
                    app.by_hand(Method::PUT, &path, json!({"appointmentStatus": "noshow"})).await;
                }
                let new =
                    json!({"contactId": contact, "startTime": "2035-01-01T09:00:00.000Z", "appointmentStatus": "new"});
                app.by_hand(Method::POST, &format!("{terminal}/appointments"), new).await;
            }
            _ => {}
        }
    }
    let new = json!({"locationId": location, "firstName": "Newcomer", "email": "newcomer@example.com"});
    app.by_hand(Method::POST, "/contacts/", new).await;
    assert_ne!(mismatches(&app).await, []);

    reconcile(&app, Purpose::Full).await;
    let left: BTreeSet<_> = mismatches(&app).await.into_iter().map(|found| found.record).collect();
    assert_eq!(left, BTreeSet::from(["appointment", "note"]), "contacts and tasks are equal now");
    reconcile(&app, Purpose::Details).await;
    assert_eq!(mismatches(&app).await, []);
    let gone = app.app.records.latest_scan(&location, Purpose::Full).await.unwrap().unwrap();
    assert!(gone.finished_at_ms.is_some());

    // With nothing to find, a reconciliation costs its pages and informs nobody of anything.
    let (feed, calls) = (app.app.records.last_change().await.unwrap(), app.all_calls(&location));
    reconcile(&app, Purpose::Full).await;
    assert_eq!(app.app.records.last_change().await.unwrap(), feed);
    assert!(app.all_calls(&location) - calls <= 4, "{} calls", app.all_calls(&location) - calls);
    app.finish().await;
}

#[tokio::test]
async fn who_never_imported_gets_no_contact_that_nobody_asked_for() {
    let app = TestApp::working(Setup::default()).await;
    let location = app.location().id;
    let contacts = app.contacts(&location);
    app.report("contact.selected", &contacts[0], json!({})).await;
    app.settle().await;
    app.by_hand(Method::PUT, &format!("/contacts/{}", contacts[0]), json!({"city": "Paderborn"})).await;
    reconcile(&app, Purpose::Reconcile).await;
    assert_eq!(app.view(&contacts[0]).await.unwrap()["contact"]["city"], "Paderborn");
    assert_eq!(app.view(&contacts[1]).await, None);
    assert_eq!(app.calls(&location, call::GET_CONTACT), 1);
    app.finish().await;
}

#[tokio::test]
async fn without_the_scope_to_search_tasks_they_are_looked_through_with_the_notes() {
    let app = TestApp::working(Setup::default()).await;
    let location = app.location().id;
    app.set_scopes(json!([
        "contacts.readonly",
        "contacts.write",
        "locations.readonly",
        "locations/customFields.readonly",
        "calendars/events.readonly"
    ]))
    .await;
    import(&app).await;
    let contact = app.contacts(&location).into_iter().find(|contact| !app.held("tasks", contact).is_empty()).unwrap();
    let task = app.held("tasks", &contact)[0]["id"].as_str().unwrap().to_owned();
    app.by_hand(Method::PUT, &format!("/contacts/{contact}/tasks/{task}"), json!({"title": "Edited in GHL"})).await;
    let calls = app.calls(&location, call::LIST_TASKS);
    reconcile(&app, Purpose::Full).await;
    assert_eq!(app.calls(&location, call::LIST_TASKS), calls, "one contact after the other would be too dear so often");
    reconcile(&app, Purpose::Details).await;
    assert_eq!(mismatches(&app).await, []);
    app.finish().await;
}

#[tokio::test]
async fn what_is_due_is_begun_in_each_location() {
    let app = TestApp::idle(Setup { locations: 2, ..Setup::default() }).await;
    let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
    let periods = Periods { reconcile: hours(1), full: hours(2), details: hours(24) };
    let begun = async |after: SignedDuration| {
        let clock = Clock::fixed(Clock::system().now() + after);
        reconcile_scheduler::round(&app.app.records, &app.app.queue, &clock, periods).await.unwrap();
        let mut begun = Vec::new();
        for location in app.sandbox.locations() {
            for purpose in [Purpose::Reconcile, Purpose::Full, Purpose::Details] {
                begun
                    .extend(app.app.records.latest_scan(&location.id, purpose).await.unwrap().map(|scan| scan.purpose));
            }
        }
        begun
    };
    assert_eq!(begun(SignedDuration::from_mins(59)).await, []);
    assert_eq!(begun(SignedDuration::from_mins(61)).await, [Purpose::Reconcile; 2]);
    let all = [Purpose::Reconcile, Purpose::Full, Purpose::Details];
    assert_eq!(begun(SignedDuration::from_hours(25)).await, [all, all].concat());
    app.sql("update jobs set state = 'done', finished_at = 1 where finished_at is null").await;
    app.finish().await;
}

pub(super) async fn reconcile(app: &TestApp, purpose: Purpose) {
    let began =
        reconcile_scheduler::begin(&app.app.records, &app.app.queue, &app.location().id, purpose, 0).await.unwrap();
    assert!(began);
    app.settle().await;
}

/// Where records and sandbox differ, `lastActivity` aside, which GHL's lists leave out.
async fn mismatches(app: &TestApp) -> Vec<Mismatch> {
    let location = app.location();
    let mut found = app.mismatches(&location, &app.contacts(&location.id)).await;
    found.retain(|mismatch| mismatch.field != "lastActivity");
    // And nothing is left of what the sandbox no longer has.
    let held = app.contacts(&location.id);
    for contact in app.app.records.shown_contacts(&location.id, "", 1000).await.unwrap() {
        if !held.contains(&contact) {
            found.push(Mismatch { record: "contact", id: contact, field: "" });
        }
    }
    found
}
