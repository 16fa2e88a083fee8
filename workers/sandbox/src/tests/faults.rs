//! What goes wrong, and whether the effect was committed.

use reqwest::Method;
use serde_json::{Value, json};

use super::Bench;
use crate::Faults;

#[tokio::test]
async fn a_cut_connection_answers_nothing_and_yet_commits() {
    let bench = Bench::plain().await;
    let path = format!("/contacts/{}/notes", bench.contact());
    let before = bench.state()["notes"].as_array().unwrap().len();
    for (faults, committed) in [
        (Faults { cut: 1000, at_most: Some(1), ..Faults::default() }, 0),
        (Faults { cut_after: 1000, at_most: Some(1), ..Faults::default() }, 1),
    ] {
        bench.sandbox.set_faults(faults);
        let lost = bench.call(Method::POST, &path).json(&json!({ "body": "Lost?" })).send().await;
        assert!(lost.is_err(), "not even a status line arrives");
        assert_eq!(bench.state()["notes"].as_array().unwrap().len(), before + committed);
    }
    assert_eq!(bench.get(&path).await.0, 200, "no more faults happen after one");
    let struck = bench.sandbox.stats().faults;
    assert_eq!((struck["cut"], struck["cutAfter"]), (1, 1));
}

#[tokio::test]
async fn a_server_error_says_nothing_of_whether_the_effect_was_committed() {
    let bench = Bench::plain().await;
    let path = format!("/contacts/{}/notes", bench.contact());
    let before = bench.state()["notes"].as_array().unwrap().len();
    for (faults, committed) in [
        (Faults { server_error: 1000, ..Faults::default() }, 0),
        (Faults { server_error_after: 1000, ..Faults::default() }, 1),
    ] {
        bench.sandbox.set_faults(faults);
        let (status, body) = bench.send(Method::POST, &path, json!({ "body": "Lost?" })).await;
        assert!(status == 500 || status == 502, "{status}");
        assert_eq!(body["statusCode"], status);
        assert_eq!(bench.state()["notes"].as_array().unwrap().len(), before + committed);
    }
}

#[tokio::test]
async fn truncated_json_arrives_whole_as_http_and_html_instead_of_json() {
    let bench = Bench::plain().await;
    let path = format!("/contacts/{}", bench.contact());
    bench.sandbox.set_faults(Faults { truncate: 1000, ..Faults::default() });
    let reply = bench.call(Method::GET, &path).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    let text = reply.text().await.unwrap();
    assert!(text.starts_with("{\"contact\"") && serde_json::from_str::<Value>(&text).is_err());

    bench.sandbox.set_faults(Faults { html: 1000, ..Faults::default() });
    let reply = bench.call(Method::GET, &path).send().await.unwrap();
    assert!(reply.status() == 200 || reply.status() == 502);
    assert!(reply.text().await.unwrap().starts_with("<html>"));
}

#[tokio::test]
async fn a_stop_ends_calls_that_hang() {
    let bench = Bench::plain().await;
    bench.sandbox.set_faults(Faults { hang_after: 1000, hang_ms: 3_600_000, ..Faults::default() });
    let path = format!("/contacts/{}/notes", bench.contact());
    let before = bench.state()["notes"].as_array().unwrap().len();
    let call = tokio::spawn(bench.call(Method::POST, &path).json(&json!({ "body": "Lost?" })).send());
    while bench.state()["notes"].as_array().unwrap().len() == before {
        tokio::task::yield_now().await;
    }
    bench.sandbox.stop().await;
    assert!(call.await.unwrap().is_err());
}

#[tokio::test]
async fn a_422_says_nothing_of_whether_the_create_was_committed() {
    let bench = Bench::plain().await;
    bench.sandbox.set_faults(Faults { unprocessable_after: 1000, at_most: Some(1), ..Faults::default() });
    let new = json!({ "locationId": bench.location, "email": "lost@example.com" });
    assert_eq!(bench.send(Method::POST, "/contacts/", new.clone()).await.0, 422);
    let (status, body) = bench.send(Method::POST, "/contacts/", new).await;
    assert_eq!((status, &body["meta"]["matchingField"]), (400, &json!("email")));
}

#[tokio::test]
async fn a_storm_answers_429_to_so_many_calls_in_a_row_and_says_how_long_to_wait() {
    let bench = Bench::plain().await;
    let storm =
        Faults { storm: 1000, storm_calls: 3, at_most: Some(3), retry_after_seconds: Some(7), ..Faults::default() };
    bench.sandbox.set_faults(storm);
    let path = format!("/contacts/{}", bench.contact());
    for _ in 0..3 {
        let reply = bench.call(Method::GET, &path).send().await.unwrap();
        assert_eq!((reply.status().as_u16(), reply.headers()["Retry-After"].to_str().unwrap()), (429, "7"));
    }
    assert_eq!(bench.get(&path).await.0, 200);
    assert_eq!(bench.sandbox.stats().faults["storm"], 3);
}

#[tokio::test]
async fn errors_on_request_are_taken_by_their_fields_alone() {
    let bench = Bench::plain().await;
    let ask = async |error: Value| {
        let url = format!("{}/_sandbox/errors", bench.sandbox.url());
        bench.client.post(url).json(&json!([error])).send().await.unwrap().status().as_u16()
    };
    let get = "GET /contacts/{contactId}";
    for taken in [
        json!({"operation": get, "error": "missingScope"}),
        json!({"operation": get, "locationId": bench.location, "status": 418, "body": {"message": "no"}, "after": 1, "times": 2, "carriedOut": true}),
        json!({"operation": get, "status": 204}),
    ] {
        assert_eq!(ask(taken.clone()).await, 204, "{taken}");
    }
    for refused in [
        json!({"operation": get}),
        json!({"error": "missingScope"}),
        json!({"operation": get, "error": "noSuchWording"}),
        json!({"operation": get, "error": "missingScope", "time": 1}),
        json!({"operation": get, "error": "missingScope", "carried_out": true}),
        json!({"operation": get, "error": "missingScope", "status": 401}),
        json!({"operation": get, "error": "missingScope", "body": {}}),
    ] {
        assert_eq!(ask(refused.clone()).await, 422, "{refused}");
    }
}
