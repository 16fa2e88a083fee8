//! Whatever the search of GHL leaves out of a contact: an import ends with complete views, and nothing that is known is emptied afterwards.

use ghl_sandbox::SearchFields;
use reqwest::Method;
use serde_json::{Value, json};
use sync_workers::records::Purpose;

use super::import::import;
use super::reconciliations::reconcile;
use crate::support::postgres::PostgresServer;
use crate::support::test_app::{Setup, TestApp};

#[tokio::test]
async fn an_import_of_january_2025_ends_with_complete_views_that_stay() {
    views_are_complete_and_stay(SearchFields::January2025, None).await;
}

#[tokio::test]
async fn an_import_of_september_2025_ends_with_complete_views_that_stay() {
    views_are_complete_and_stay(SearchFields::September2025, None).await;
}

#[tokio::test]
async fn an_import_over_postgres_ends_with_complete_views_that_stay() {
    let server = PostgresServer::start();
    views_are_complete_and_stay(SearchFields::March2026, Some(server.create_database("shapes"))).await;
}

async fn views_are_complete_and_stay(search_fields: SearchFields, database_url: Option<String>) {
    let setup = Setup { contacts: 24, burst: 1000, search_fields, database_url, ..Setup::default() };
    let app = TestApp::working(setup).await;
    let location = app.location();
    import(&app).await;
    let contacts = app.contacts(&location.id);
    let mut mismatches = app.mismatches(&location, &contacts).await;
    // No list shows it in any shape.
    mismatches.retain(|mismatch| mismatch.field != "lastActivity");
    assert_eq!(mismatches, []);
    for contact in &contacts {
        let (view, held) = (app.view(contact).await.unwrap()["contact"].take(), held(&app, contact));
        assert_eq!(view["unread"], Value::Null, "{view}");
        for field in ["timezone", "address1", "firstName", "lastName"] {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            assert_eq!(text(&view[field]), text(&held[field]), "{field} of {contact}");
        }
    }

    // A click on each, a reconciliation, a full walk: the feed has nothing to report.
    let before = app.app.records.last_change().await.unwrap();
    for contact in &contacts {
        app.report("contact.selected", contact, json!({})).await;
    }
    app.settle().await;
    for purpose in [Purpose::Reconcile, Purpose::Full, Purpose::Details] {
        reconcile(&app, purpose).await;
    }
    assert_eq!(app.app.records.last_change().await.unwrap(), before);

    // An edit of Clienty's that waits is not undone by a list that lacks the field, nor a conflict.
    let [edited, renamed, ..] = &contacts[..] else { panic!("two contacts") };
    app.report("contact.updated", edited, json!({"address1": "Clienty's street 1", "timezone": "Europe/Berlin"})).await;
    reconcile(&app, Purpose::Full).await;
    app.settle().await;
    let (view, there) = (app.view(edited).await.unwrap(), held(&app, edited));
    for (field, value) in [("address1", "Clienty's street 1"), ("timezone", "Europe/Berlin")] {
        assert_eq!((&view["contact"][field], &there[field]), (&json!(value), &json!(value)));
    }
    let conflicts = app.app.records.list_conflicts(&location.id, None, None, 10).await.unwrap();
    assert_eq!(conflicts.items, []);

    // A name that was edited in GHL is found and spelt as there, even if the list has it in lower case alone.
    app.by_hand(Method::PUT, &format!("/contacts/{renamed}"), json!({"firstName": "DeeDee", "lastName": "O'Hara"}))
        .await;
    reconcile(&app, Purpose::Reconcile).await;
    app.settle().await;
    let view = app.view(renamed).await.unwrap();
    assert_eq!((&view["contact"]["name"], &view["contact"]["unread"]), (&json!("DeeDee O'Hara"), &Value::Null));
    app.finish().await;
}

fn held(app: &TestApp, contact: &str) -> Value {
    let state = app.state(&app.location().id);
    state["contacts"].as_array().unwrap().iter().find(|one| one["id"] == contact).unwrap().clone()
}
