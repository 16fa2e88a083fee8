//! Permits, the limits that GHL reports, and the counters.

use job_engine::PermitError;

use super::super::{Class, GhlError};
use super::*;

const COUNTS: [(&str, &str); 2] = [("X-RateLimit-Remaining", "41"), ("X-RateLimit-Daily-Remaining", "199000")];

#[tokio::test]
async fn the_counts_of_a_success_reach_the_permits() {
    let bench = Bench::with([Answer::with_headers(200, &COUNTS, r#"{"contact":{"id":"c1"}}"#)]).await;
    bench.run().get_contact("c1").await.unwrap();
    assert_eq!((bench.permits.remaining(), bench.permits.daily_remaining()), (Some(41), Some(199_000)));
}

#[tokio::test]
async fn the_counts_of_a_refusal_and_of_an_unreadable_reply_reach_the_permits() {
    for (status, body) in [(429, ""), (400, "{}"), (401, "{}"), (500, ""), (200, "{")] {
        let bench = Bench::with([Answer::with_headers(status, &COUNTS, body)]).await;
        bench.run().get_contact("c1").await.unwrap_err();
        assert_eq!((bench.permits.remaining(), bench.permits.daily_remaining()), (Some(41), Some(199_000)), "{status}");
    }
}

#[tokio::test]
async fn a_429_says_how_long_to_wait_and_was_not_carried_out() {
    let bench = Bench::with([Answer::with_headers(429, &[("Retry-After", "7")], "Too many requests")]).await;
    let error = bench.run().get_contact("c1").await.unwrap_err();
    assert_eq!(error, GhlError::Throttled { retry_after: Some(Duration::from_secs(7)), daily: false });
    assert_eq!((error.class(), error.outcome_unknown()), (Class::Throttling, false));
    assert_eq!(bench.server.requests().len(), 1);
}

#[tokio::test]
async fn a_429_whose_body_is_cut_is_still_a_429() {
    let cut = b"HTTP/1.1 429 Told\r\ncontent-length: 100\r\nX-RateLimit-Daily-Remaining: 0\r\n\r\nToo".to_vec();
    let bench = Bench::with([Answer::Cut(cut)]).await;
    let error = bench.run().get_contact("c1").await.unwrap_err();
    assert_eq!(error, GhlError::Throttled { retry_after: None, daily: true });
}

#[tokio::test]
async fn without_a_permit_nothing_is_sent() {
    let bench = Bench::with([Answer::json(200, r#"{"contact":{"id":"c1"}}"#)]).await;
    let permits = permits(1);
    let ghl = bench.ghl.for_run(&bench.token, &permits);
    ghl.get_contact("c1").await.unwrap();
    let error = ghl.get_contact("c1").await.unwrap_err();
    assert_eq!(error, GhlError::Permit(PermitError::Exhausted { granted: 1 }));
    assert_eq!(bench.server.requests().len(), 1);
}

#[tokio::test]
async fn after_the_lease_nothing_is_sent() {
    let bench = Bench::with([]).await;
    let lease = Lease::begin(Instant::now(), Duration::from_secs(3600));
    let permits = Permits::new(1, lease.clone());
    lease.revoke();
    let error = bench.ghl.for_run(&bench.token, &permits).get_contact("c1").await.unwrap_err();
    assert_eq!((error.class(), error), (Class::Passing, GhlError::Permit(PermitError::LeaseLost)));
    assert_eq!(bench.server.requests().len(), 0);
}

#[tokio::test]
async fn a_call_that_cannot_be_built_spends_no_permit() {
    let bench = Bench::with([]).await;
    let error = bench.run().get_contact("").await.unwrap_err();
    assert!(matches!(error, GhlError::Unsendable { operation: "get-contact", .. }), "{error:?}");
    assert_eq!((bench.server.requests().len(), bench.permits.used()), (0, 0));
}

#[tokio::test]
async fn every_request_is_counted_once_by_operation_and_status() {
    let bench = Bench::with([
        Answer::json(200, r#"{"contact":{"id":"c1"}}"#),
        Answer::json(429, "{}"),
        Answer::Cut(Vec::new()),
        Answer::Silence,
    ])
    .await;
    for _ in 0..4 {
        let _ = bench.run().get_contact("c1").await;
    }
    let metrics = bench.metrics();
    for line in [
        r#"clienty_ghl_requests_total{operation="get-contact",status="200"} 1"#,
        r#"clienty_ghl_requests_total{operation="get-contact",status="429"} 1"#,
        r#"clienty_ghl_requests_total{operation="get-contact",status="network"} 1"#,
        r#"clienty_ghl_requests_total{operation="get-contact",status="timeout"} 1"#,
        r#"clienty_ghl_request_duration_seconds_count{operation="get-contact"} 4"#,
        "clienty_ghl_throttled_total 1",
    ] {
        assert!(metrics.lines().any(|reported| reported == line), "{line} in {metrics}");
    }
}
