//! Words of GHL's that no database or screen should hold.

use axum::http::StatusCode;
use reqwest::Method;
use serde_json::json;
use sync_workers::records::JobState;

use crate::support::postgres::PostgresServer;
use crate::support::test_app::{Setup, TestApp};

/// NUL, an escape sequence and a mark that turns the direction of writing.
const SAID: &str = r#"{"statusCode":422,"message":["rejected: \u0000 junk","\u001b[31mred\u202e","\u0000"]}"#;

#[tokio::test]
async fn a_refusal_in_words_that_the_database_cannot_hold_ends_the_job_and_reads_clean() {
    let server = PostgresServer::start();
    for database_url in [None, Some(server.create_database("unsayable"))] {
        let (app, contact) = TestApp::knowing_one(Setup { database_url, gate: true, ..Setup::impatient() }).await;
        let notes = format!("/contacts/{contact}/notes");
        app.gate().say(Method::POST, &notes, StatusCode::UNPROCESSABLE_ENTITY, SAID);
        let job = app.report("note.created", &contact, json!({"clientyNoteId": "n1", "noteText": "Hello"})).await;
        let dead = app.ended(&job).await;
        assert_eq!(dead.state, JobState::Dead);
        let reason = dead.last_error.unwrap();
        assert!(reason.contains("rejected: junk"), "{reason:?}");
        assert!(!reason.contains(|c: char| c.is_control() || c == '\u{202e}'), "{reason:?}");
        app.gate().open();
        app.finish_with_dead(1).await;
    }
}
