//! What leaves the client.

use serde_json::{Value, json};

use super::super::WireSecond;
use super::super::model::{NewNote, NewTask, UpdateNote, UpdateTask};
use super::*;

/// Method and path, and the body where there is one.
fn sent(request: &str) -> (String, Option<Value>) {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
    (line, (!body.is_empty()).then(|| serde_json::from_str(body).unwrap()))
}

#[tokio::test]
async fn a_call_carries_token_version_and_accept() {
    let bench = Bench::with([Answer::json(200, r#"{"contact":{"id":"c1","email":null}}"#)]).await;
    let contact = bench.run().get_contact("c1").await.unwrap();
    assert_eq!(contact.id, "c1");
    let requests = bench.server.requests();
    let lines: Vec<&str> = requests[0].lines().collect();
    assert_eq!(lines[0], "GET /contacts/c1 HTTP/1.1");
    for header in
        ["authorization: Bearer pit-secret-of-the-location", "version: 2021-07-28", "accept: application/json"]
    {
        assert!(lines.contains(&header), "{header} in {lines:?}");
    }
}

#[tokio::test]
async fn each_operation_goes_where_the_documents_say() {
    let task = || Answer::json(200, r#"{"task":{"id":"t1"}}"#);
    let note = || Answer::json(201, r#"{"note":{"id":"n1"}}"#);
    let done = || Answer::json(200, r#"{"succeded":true}"#);
    let bench = Bench::with([
        Answer::json(200, r#"{"location":{"id":"l1","timezone":"America/Chicago"}}"#),
        Answer::json(200, r#"{"tasks":[{"id":"t1"}]}"#),
        task(),
        task(),
        task(),
        task(),
        done(),
        Answer::json(200, r#"{"notes":[{"id":"n1"}]}"#),
        note(),
        note(),
        done(),
        Answer::json(200, r#"{"events":[{"id":"a1"}]}"#),
    ])
    .await;
    let permits = permits(12);
    let ghl = bench.ghl.for_run(&bench.token, &permits);

    assert_eq!(ghl.get_location("l1").await.unwrap().timezone.unwrap(), "America/Chicago");
    assert_eq!(ghl.list_tasks("c1").await.unwrap().len(), 1);
    assert_eq!(ghl.get_task("c1", "t1").await.unwrap().id, "t1");
    let due: jiff::Timestamp = "2020-10-25T11:00:00.5Z".parse().unwrap();
    let new_task = NewTask {
        title: "Call".to_owned(),
        body: None,
        due_date: WireSecond::from(due),
        completed: false,
        assigned_to: None,
    };
    ghl.create_task("c1", &new_task).await.unwrap();
    let update = UpdateTask { due_date: Some(WireSecond::from(due)), ..UpdateTask::default() };
    ghl.update_task("c1", "t1", &update).await.unwrap();
    ghl.complete_task("c1", "t1", true).await.unwrap();
    ghl.delete_task("c1", "t1").await.unwrap();
    assert_eq!(ghl.list_notes("c1").await.unwrap().len(), 1);
    ghl.create_note("c1", &NewNote { body: "Hi".to_owned(), user_id: None }).await.unwrap();
    ghl.update_note("c1", "n1", &UpdateNote { body: Some("Ho".to_owned()), user_id: None }).await.unwrap();
    ghl.delete_note("c1", "n1").await.unwrap();
    assert_eq!(ghl.list_appointments("c1").await.unwrap().len(), 1);

    let expected = [
        ("GET /locations/l1", None),
        ("GET /contacts/c1/tasks", None),
        ("GET /contacts/c1/tasks/t1", None),
        (
            "POST /contacts/c1/tasks",
            Some(json!({"title": "Call", "dueDate": "2020-10-25T11:00:00Z", "completed": false})),
        ),
        ("PUT /contacts/c1/tasks/t1", Some(json!({"dueDate": "2020-10-25T11:00:00Z"}))),
        ("PUT /contacts/c1/tasks/t1/completed", Some(json!({"completed": true}))),
        ("DELETE /contacts/c1/tasks/t1", None),
        ("GET /contacts/c1/notes", None),
        ("POST /contacts/c1/notes", Some(json!({"body": "Hi"}))),
        ("PUT /contacts/c1/notes/n1", Some(json!({"body": "Ho"}))),
        ("DELETE /contacts/c1/notes/n1", None),
        ("GET /contacts/c1/appointments", None),
    ];
    let arrived: Vec<_> = bench.server.requests().iter().map(|request| sent(request)).collect();
    assert_eq!(arrived, expected.map(|(line, body)| (line.to_owned(), body)));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let answer = Answer::with_headers(302, &[("location", "/elsewhere")], "");
    let bench = Bench::with([answer, Answer::json(200, r#"{"contact":{"id":"c1"}}"#)]).await;
    bench.run().get_contact("c1").await.unwrap_err();
    assert_eq!(bench.server.requests().len(), 1);
}

#[tokio::test]
async fn a_token_that_no_header_can_hold_is_refused_unseen() {
    let bench = Bench::with([]).await;
    let token = SecretString::from("two\nlines");
    let error = bench.ghl.for_run(&token, &bench.permits).get_contact("c1").await.unwrap_err();
    assert_eq!(error.class(), super::super::Class::Broken);
    assert!(!format!("{error:?}").contains("lines"), "{error:?}");
    assert_eq!((bench.server.requests().len(), bench.permits.used()), (0, 0));
}

#[test]
fn an_address_that_is_none_is_refused_by_name() {
    for base_url in ["services.example.com", "ftp://example.com", ""] {
        let config = ClientConfig { base_url: base_url.to_owned(), timeout: Duration::from_secs(1) };
        let error = Client::new(&config, GhlMetrics::register(&Registry::new()).unwrap()).unwrap_err();
        assert!(error.to_string().contains("GHL_API_URL"), "{error}");
    }
}
