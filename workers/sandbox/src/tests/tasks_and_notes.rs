//! Tasks and notes, there and back.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Bench, answer};

#[tokio::test]
async fn a_task_is_created_read_updated_completed_and_deleted() {
    let bench = Bench::plain().await;
    let tasks = format!("/contacts/{}/tasks", bench.contact());
    let new = json!({ "title": "Call", "dueDate": "2026-10-25T11:00:00.250+02:00", "completed": false });
    let (status, body) = bench.send(Method::POST, &tasks, new).await;
    let task = &body["task"];
    assert_eq!((status, &task["dueDate"]), (201, &json!("2026-10-25T09:00:00.250Z")));
    assert_eq!(task["assignedTo"], Value::Null);
    let path = format!("{tasks}/{}", task["id"].as_str().unwrap());

    let (status, body) = bench.send(Method::PUT, &path, json!({ "title": "Call twice" })).await;
    assert_eq!(
        (status, &body["task"]["title"], &body["task"]["completed"]),
        (200, &json!("Call twice"), &json!(false))
    );
    let (status, body) = bench.send(Method::PUT, &format!("{path}/completed"), json!({ "completed": true })).await;
    assert_eq!((status, &body["task"]["completed"]), (200, &json!(true)));
    assert_eq!(bench.get(&path).await.1["task"], body["task"]);

    let (status, body) = answer(bench.call(Method::DELETE, &path).send().await.unwrap()).await;
    assert_eq!((status, &body["succeded"]), (200, &json!(true)));
    assert_eq!(bench.get(&path).await.0, 404);
    assert_eq!(answer(bench.call(Method::DELETE, &path).send().await.unwrap()).await.0, 404);
}

#[tokio::test]
async fn milliseconds_in_the_due_date_of_an_update_are_a_422() {
    let bench = Bench::plain().await;
    let tasks = format!("/contacts/{}/tasks", bench.contact());
    let new = json!({ "title": "Call", "dueDate": "2026-10-25T11:00:00Z", "completed": false });
    let (_, body) = bench.send(Method::POST, &tasks, new).await;
    let path = format!("{tasks}/{}", body["task"]["id"].as_str().unwrap());
    let (status, body) = bench.send(Method::PUT, &path, json!({ "dueDate": "2026-10-26T11:00:00.000Z" })).await;
    assert_eq!((status, &body["message"]), (422, &json!(["dueDate must be a valid ISO 8601 date string"])));
    let (status, body) = bench.send(Method::PUT, &path, json!({ "dueDate": "2026-10-26T11:00:00Z" })).await;
    assert_eq!((status, &body["task"]["dueDate"]), (200, &json!("2026-10-26T11:00:00.000Z")));
}

#[tokio::test]
async fn unknown_and_missing_fields_are_a_422_that_names_them_all() {
    let bench = Bench::plain().await;
    let path = format!("/contacts/{}/tasks", bench.contact());
    let (status, mut body) = bench.send(Method::POST, &path, json!({ "title": "Call", "status": "open" })).await;
    body.as_object_mut().unwrap().remove("traceId");
    let expected = json!({
        "statusCode": 422,
        "message": ["property status should not exist", "dueDate should not be empty", "completed should not be empty"],
        "error": "Unprocessable Entity",
    });
    assert_eq!((status, body), (422, expected));
}

#[tokio::test]
async fn a_body_without_a_json_content_type_counts_as_empty() {
    let bench = Bench::plain().await;
    let path = format!("/contacts/{}/notes", bench.contact());
    let reply = bench.call(Method::POST, &path).body(r#"{"body":"Hello"}"#).send().await.unwrap();
    let (status, body) = answer(reply).await;
    assert_eq!((status, &body["message"]), (422, &json!(["body should not be empty"])));
}

#[tokio::test]
async fn a_note_is_created_updated_and_deleted_and_only_by_a_user() {
    let bench = Bench::plain().await;
    let notes = format!("/contacts/{}/notes", bench.contact());
    let (status, _) = bench.send(Method::POST, &notes, json!({ "body": "x", "userId": "nobody" })).await;
    assert_eq!(status, 400);
    let (status, body) = bench.send(Method::POST, &notes, json!({ "body": "<p>Hi</p>" })).await;
    assert_eq!((status, &body["note"]["body"], &body["note"]["userId"]), (201, &json!("<p>Hi</p>"), &Value::Null));
    let path = format!("{notes}/{}", body["note"]["id"].as_str().unwrap());
    let (_, body) = bench.send(Method::PUT, &path, json!({ "body": "Bye" })).await;
    assert_eq!(bench.get(&path).await.1["note"], body["note"]);
    assert_eq!(answer(bench.call(Method::DELETE, &path).send().await.unwrap()).await.1["succeded"], true);
    assert_eq!(bench.get(&path).await.0, 404);
}
