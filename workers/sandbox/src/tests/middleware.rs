//! Who gets in, how often, and in which words the others are refused.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::{Bench, VERSION, answer, header};
use crate::{Limits, SandboxConfig, Window};

#[tokio::test]
async fn a_missing_or_unknown_version_is_a_401() {
    let bench = Bench::plain().await;
    let url = format!("{}/contacts/{}", bench.sandbox.url(), bench.contact());
    let missing = answer(bench.client.get(&url).bearer_auth(&bench.token).send().await.unwrap()).await;
    assert_eq!(missing, (401, json!({ "statusCode": 401, "message": "version header was not found." })));
    let unknown = bench.client.get(&url).bearer_auth(&bench.token).header("Version", "1999-01-01");
    let unknown = answer(unknown.send().await.unwrap()).await;
    assert_eq!(unknown, (401, json!({ "statusCode": 401, "message": "version header is invalid" })));
}

#[tokio::test]
async fn an_unknown_token_is_a_401_and_a_foreign_location_a_403() {
    let bench = Bench::start(SandboxConfig { locations: 2, ..SandboxConfig::default() }).await;
    let path = format!("/contacts/{}", bench.contact());
    let stranger = bench.client.get(format!("{}{path}", bench.sandbox.url())).bearer_auth("pit-none");
    let (status, body) = answer(stranger.header("Version", VERSION).send().await.unwrap()).await;
    assert_eq!((status, &body["message"]), (401, &json!("Invalid Private Integration token")));
    assert_eq!(bench.sandbox.stats().strangers, 1);

    let other = bench.sandbox.locations().remove(1);
    let their_contact = bench.sandbox.state(&other.id).unwrap()["contacts"][0]["id"].as_str().unwrap().to_owned();
    for path in [format!("/contacts/{their_contact}"), format!("/locations/{}", other.id)] {
        let (status, body) = bench.get(&path).await;
        assert_eq!((status, &body["message"]), (403, &json!("The token does not have access to this location.")));
    }
}

#[tokio::test]
async fn the_call_after_the_burst_is_a_429_under_either_reading() {
    for window in [Window::Fixed, Window::Sliding, Window::Both] {
        // An hour, so that no speed of the machine lets a window end during the test.
        let limits = Limits { interval: Duration::from_secs(3600), window, ..Limits::default() };
        let bench = Bench::start(SandboxConfig { limits, ..SandboxConfig::default() }).await;
        let path = format!("/locations/{}", bench.location);
        for number in 1..=100 {
            let reply = bench.call(Method::GET, &path).send().await.unwrap();
            assert_eq!(reply.status(), 200, "{window:?} {number}");
            assert_eq!(header(&reply, "X-RateLimit-Remaining"), 100 - number);
            assert_eq!(header(&reply, "X-RateLimit-Daily-Remaining"), 200_000 - number);
        }
        let reply = bench.call(Method::GET, &path).send().await.unwrap();
        assert_eq!(header(&reply, "X-RateLimit-Max"), 100);
        assert_eq!(header(&reply, "X-RateLimit-Remaining"), 0);
        assert_eq!(header(&reply, "X-RateLimit-Interval-Milliseconds"), 3_600_000);
        assert_eq!(header(&reply, "X-RateLimit-Limit-Daily"), 200_000);
        assert_eq!(answer(reply).await, (429, json!({ "statusCode": 429, "message": "Too Many Requests" })));
        let stats = bench.sandbox.stats().locations.remove(&bench.location).unwrap();
        assert_eq!((stats.calls, stats.throttled, stats.over_fixed, stats.over_sliding), (101, 1, 1, 1));
        assert_eq!(stats.operations["GET /locations/{locationId}"], 101);
        assert!(stats.arrivals_micros.is_sorted());
    }
}

#[tokio::test]
async fn an_unknown_route_is_a_404_and_still_counts() {
    let bench = Bench::plain().await;
    let (status, body) = bench.get("/conversations/search").await;
    assert_eq!((status, &body["message"]), (404, &json!("Cannot GET /conversations/search")));
    let (status, _) = bench.send(Method::PATCH, &format!("/contacts/{}", bench.contact()), json!({})).await;
    assert_eq!(status, 404);
    assert_eq!(bench.sandbox.stats().locations[&bench.location].calls, 2);
}
