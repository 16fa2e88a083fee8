//! What the client makes of each way to fail.

use scripted_server::reply;

use super::super::model::NewNote;
use super::super::{Class, GhlError, Subject};
use super::*;

/// The error of one create that the server answers so, and how often it was asked.
async fn create_fails(answer: Answer) -> (GhlError, usize) {
    let bench = Bench::with([answer]).await;
    let note = NewNote { body: "Jane owes 500".to_owned(), user_id: None };
    let error = bench.run().create_note("c1", &note).await.unwrap_err();
    let printed = format!("{error} {error:?}");
    assert!(!printed.contains("Jane") && !printed.contains(TOKEN), "{printed}");
    (error, bench.server.requests().len())
}

#[tokio::test]
async fn a_missing_contact_is_gone() {
    let (error, asked) = create_fails(Answer::json(400, r#"{"message":"Contact with id c1 not found"}"#)).await;
    assert_eq!((error, asked), (GhlError::Gone { what: Subject::Contact }, 1));
}

#[tokio::test]
async fn a_refusal_is_permanent_and_known() {
    let body = r#"{"message":["property x should not exist","body Jane owes 500 is too short"]}"#;
    let (error, asked) = create_fails(Answer::json(422, body)).await;
    let messages = vec!["property x should not exist".to_owned(), "body … is too short".to_owned()];
    assert_eq!(error, GhlError::Invalid { status: 422, messages });
    assert_eq!((error.class(), error.outcome_unknown(), asked), (Class::Permanent, false, 1));
}

#[tokio::test]
async fn a_rejected_token_breaks_the_lane() {
    let (error, asked) = create_fails(Answer::json(401, r#"{"message":"Invalid JWT"}"#)).await;
    assert_eq!((error.class(), error.outcome_unknown(), asked), (Class::Broken, false, 1));
}

#[tokio::test]
async fn a_server_error_leaves_the_outcome_unknown() {
    for answer in [Answer::json(500, r#"{"message":"Jane"}"#), Answer::page(502), Answer::json(503, "")] {
        let (error, asked) = create_fails(answer).await;
        assert!(matches!(error, GhlError::Server { .. }), "{error:?}");
        assert_eq!((error.class(), error.outcome_unknown(), asked), (Class::Passing, true, 1));
    }
}

#[tokio::test]
async fn a_success_that_cannot_be_read_leaves_the_outcome_unknown() {
    let truncated = Answer::json(201, r#"{"note":{"id":"n1","body":"Jane"#);
    for answer in [truncated, Answer::page(200), Answer::json(201, "{}"), Answer::json(201, "")] {
        let (error, asked) = create_fails(answer).await;
        assert!(matches!(error, GhlError::Undecodable { .. }), "{error:?}");
        assert_eq!((error.class(), error.outcome_unknown(), asked), (Class::Passing, true, 1));
    }
}

#[tokio::test]
async fn a_cut_connection_leaves_the_outcome_unknown_and_is_not_tried_again() {
    let mut half = reply(201, "application/json", &[], r#"{"note":{"id":"n1"}}"#);
    half.truncate(half.len() - 8);
    for answer in [Answer::Cut(Vec::new()), Answer::Cut(b"HTTP/1.1 201".to_vec()), Answer::Cut(half)] {
        let (error, asked) = create_fails(answer).await;
        assert!(matches!(error, GhlError::Network { sent: true, .. }), "{error:?}");
        assert_eq!((error.class(), error.outcome_unknown(), asked), (Class::Passing, true, 1));
    }
}

#[tokio::test]
async fn a_connection_cut_on_its_second_call_is_not_tried_again() {
    let first = Answer::json(200, r#"{"contact":{"id":"c1"}}"#);
    let bench = Bench::with([first, Answer::Cut(Vec::new()), Answer::json(201, r#"{"note":{"id":"n1"}}"#)]).await;
    bench.run().get_contact("c1").await.unwrap();
    let note = NewNote { body: "Hi".to_owned(), user_id: None };
    let error = bench.run().create_note("c1", &note).await.unwrap_err();
    assert!(error.outcome_unknown(), "{error:?}");
    assert_eq!((bench.server.requests().len(), bench.permits.used()), (2, 2));
}

#[tokio::test]
async fn silence_is_a_timeout_and_leaves_the_outcome_unknown() {
    let (error, asked) = create_fails(Answer::Silence).await;
    assert_eq!((error.outcome_unknown(), asked), (true, 1));
    assert_eq!(error, GhlError::Timeout);
}

#[tokio::test]
async fn without_a_connection_nothing_was_done() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let config =
        ClientConfig { base_url: format!("http://{nobody}"), timeout: Duration::from_secs(60), long_list: LONG_LIST };
    let ghl = Client::new(&config, GhlMetrics::register(&Registry::new()).unwrap()).unwrap();
    let error = ghl.for_run(&SecretString::from(TOKEN), &permits(1)).get_contact("c1").await.unwrap_err();
    assert!(matches!(error, GhlError::Network { sent: false, .. }), "{error:?}");
    assert!(!error.outcome_unknown());
}

#[tokio::test]
async fn a_reply_past_all_measure_is_not_read_to_its_end() {
    let huge = format!(r#"{{"note":{{"id":"n1","body":"{}"}}}}"#, "x".repeat(9 * 1024 * 1024));
    let (error, asked) = create_fails(Answer::json(201, &huge)).await;
    assert!(matches!(&error, GhlError::TooLong { operation: "create-note", .. }), "{error:?}");
    assert_eq!((error.outcome_unknown(), asked), (true, 1));
}

#[tokio::test]
async fn a_denied_delete_is_a_refusal() {
    let bench = Bench::with([Answer::json(200, r#"{"succeded":false}"#)]).await;
    let error = bench.run().delete_note("c1", "n1").await.unwrap_err();
    assert_eq!(error.class(), Class::Permanent);
}
