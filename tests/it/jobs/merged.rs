//! GHL merges a contact into another one and informs nobody. What Clienty edited or deleted of the contact's tasks and notes meanwhile reaches GHL all
//! the same: the parts live on under the other contact (law 18, K19).

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::postgres::PostgresServer;
use crate::support::test_app::{Setup, TestApp};

const PHONE: &str = "+4930123456";

#[tokio::test]
async fn an_edit_of_what_a_merged_contact_had_is_sent_where_it_lives_on_over_sqlite() {
    an_edit_is_sent_where_it_lives_on(|_| None).await;
}

#[tokio::test]
async fn an_edit_of_what_a_merged_contact_had_is_sent_where_it_lives_on_over_postgres() {
    let server = PostgresServer::start();
    an_edit_is_sent_where_it_lives_on(|name| Some(server.create_database(name))).await;
}

/// Two contacts of one person, as the clerk finds them before the merge; the first has a task and a note of ours.
async fn two_of_one_person(app: &TestApp) -> (String, String) {
    let gone = app.contact_by_hand(None, json!({"firstName": "Ann", "phone": PHONE})).await;
    let heir = app.contact_by_hand(None, json!({"firstName": "Anne", "email": "ann@x.de"})).await;
    app.report("contact.selected", &gone, json!({})).await;
    let due = "2026-03-01T09:00:00Z";
    app.report("task.created", &gone, json!({"clientyTaskId": "t", "title": "Call", "dueDate": due})).await;
    app.report("note.created", &gone, json!({"clientyNoteId": "n", "noteText": "Called"})).await;
    app.settle().await;
    (gone, heir)
}

async fn merge(app: &TestApp, gone: &str, heir: &str) {
    let path = format!("/_sandbox/locations/{}/contacts/{gone}/merge", app.location().id);
    app.by_hand(Method::POST, &path, json!({"into": heir})).await;
}

async fn an_edit_is_sent_where_it_lives_on(database: impl Fn(&str) -> Option<String>) {
    // Whether the other contact is known here as well.
    for is_known in [false, true] {
        for (event, data, list, shows) in [
            (
                "task.updated",
                json!({"clientyTaskId": "t", "title": "Call back"}),
                "tasks",
                Some(("title", "Call back")),
            ),
            ("task.completed", json!({"clientyTaskId": "t"}), "tasks", Some(("title", "Call"))),
            ("note.updated", json!({"clientyNoteId": "n", "noteText": "Wrote"}), "notes", Some(("body", "Wrote"))),
            ("task.deleted", json!({"clientyTaskId": "t"}), "tasks", None),
            ("note.deleted", json!({"clientyNoteId": "n"}), "notes", None),
        ] {
            let place = format!("{event}, known: {is_known}");
            let app = {
                let name = format!("merged_{}_{is_known}", event.replace('.', "_"));
                TestApp::working(Setup { database_url: database(&name), ..Setup::default() }).await
            };
            let (gone, heir) = two_of_one_person(&app).await;
            if is_known {
                app.report("contact.selected", &heir, json!({})).await;
                app.settle().await;
            }
            merge(&app, &gone, &heir).await;
            let job = app.report(event, &gone, data).await;
            app.settle().await;
            let job = app.job(&job).await;
            assert_eq!(format!("{:?}", job.state), "Done", "{place}: {job:?}");
            let held: Vec<Value> = app.held(list, &heir);
            match shows {
                Some((field, value)) => assert!(held.len() == 1 && held[0][field] == value, "{place}: {held:?}"),
                None => assert_eq!(held, [json!(null); 0], "{place}"),
            }
            assert!(event != "task.completed" || held[0]["completed"] == true, "{place}: {held:?}");
            assert!(app.view(&gone).await.is_none_or(|view| view["contact"]["deleted"] == true), "{place}");
            app.assert_equal(&heir).await;
            app.finish().await;
        }
    }
}
