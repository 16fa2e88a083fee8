//! Appointments: two ways to say a time, statuses of their own, and what is refused.

use reqwest::Method;
use serde_json::{Value, json};

use super::Bench;

async fn calendar(bench: &Bench) -> String {
    let (_, body) = bench.get(&format!("/calendars/?locationId={}", bench.location)).await;
    body["calendars"][0]["id"].as_str().unwrap().to_owned()
}

async fn book(bench: &Bench, fields: Value) -> (u16, Value) {
    let mut new =
        json!({ "calendarId": calendar(bench).await, "locationId": bench.location, "contactId": bench.contact() });
    new.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    bench.send(Method::POST, "/calendars/events/appointments", new).await
}

#[tokio::test]
async fn a_calendar_says_a_time_with_its_offset_and_a_contact_the_wall_clocks() {
    let bench = Bench::plain().await;
    let (_, body) = book(&bench, json!({ "startTime": "2026-07-06T13:00:00Z" })).await;
    assert_eq!(body["startTime"], "2026-07-06T09:00:00-04:00");
    let (_, events) = bench.get(&format!("/contacts/{}/appointments", bench.contact())).await;
    let event = events["events"].as_array().unwrap().iter().find(|event| event["id"] == body["id"]).unwrap();
    assert_eq!(
        (&event["startTime"], &event["endTime"]),
        (&json!("2026-07-06 09:00:00"), &json!("2026-07-06 09:30:00"))
    );
}

#[tokio::test]
async fn a_moved_start_takes_the_end_along() {
    let bench = Bench::plain().await;
    let times = json!({ "startTime": "2026-07-06T13:00:00Z", "endTime": "2026-07-06T14:15:00Z" });
    let (_, body) = book(&bench, times).await;
    let path = format!("/calendars/events/appointments/{}", body["id"].as_str().unwrap());
    let (_, body) = bench.send(Method::PUT, &path, json!({ "startTime": "2026-07-07T13:00:00Z" })).await;
    assert_eq!(body["endTime"], "2026-07-07T10:15:00-04:00");
}

#[tokio::test]
async fn a_status_of_replies_an_end_before_the_start_and_strangers_are_refused() {
    let bench = Bench::plain().await;
    let start = "2026-07-06T13:00:00Z";
    for (fields, status) in [
        (json!({ "startTime": start, "appointmentStatus": "booked" }), 422),
        (json!({ "startTime": start, "endTime": "2026-07-06T12:00:00Z" }), 422),
        (json!({ "startTime": "tomorrow" }), 422),
        (json!({ "startTime": start, "calendarId": "none" }), 400),
        (json!({ "startTime": start, "contactId": "nobody" }), 400),
    ] {
        assert_eq!(book(&bench, fields.clone()).await.0, status, "{fields}");
    }
}

#[tokio::test]
async fn events_are_asked_for_in_milliseconds_and_of_somebody() {
    let bench = Bench::plain().await;
    let path = format!("/calendars/events?locationId={}", bench.location);
    let calendar = calendar(&bench).await;
    assert_eq!(bench.get(&format!("{path}&startTime=0&endTime=1")).await.0, 400);
    assert_eq!(bench.get(&format!("{path}&calendarId={calendar}&startTime=2026-07-06&endTime=1")).await.0, 422);
    let all = bench.get(&format!("{path}&calendarId={calendar}&startTime=0&endTime=4000000000000")).await.1;
    assert_eq!(all["events"].as_array().unwrap().len(), bench.state()["appointments"].as_array().unwrap().len());
    let (_, none) = bench.get(&format!("{path}&groupId=none&startTime=0&endTime=4000000000000")).await;
    assert_eq!(none["events"], json!([]));
}

#[tokio::test]
async fn calendars_have_a_version_of_their_own() {
    let bench = Bench::plain().await;
    let url = format!("{}/calendars/?locationId={}", bench.sandbox.url(), bench.location);
    let call = bench.client.get(url).bearer_auth(&bench.token).header("Version", "2021-07-28");
    let (status, body) = super::answer(call.send().await.unwrap()).await;
    assert_eq!((status, &body["message"]), (401, &json!("version header is invalid")));
}
