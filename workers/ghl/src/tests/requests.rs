//! What leaves the client.

use serde_json::Value;

use super::super::{ApiVersion, Class, GhlError, InV3, Scopes, UnauthorizedKind, endpoints};
use super::every::{Case, every};
use super::*;

/// Method and path, and the body where there is one.
pub(super) fn sent(request: &str) -> (String, Option<Value>) {
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

/// What an operation makes of an answer that says nothing.
const NOTHING: GhlError = GhlError::Server { status: 503, reason: String::new() };

/// Calls an operation that gets no answer worth reading: the error, and what was sent, if it was.
async fn ask(bench: &Bench, case: &Case, api: ApiVersion, scopes: Option<&Scopes>) -> (GhlError, Option<String>) {
    let before = bench.server.requests().len();
    let permits = permits(1);
    let run = bench.ghl.for_run(&bench.token, &permits).with_api(api);
    let run = scopes.map_or(run, |scopes| run.with_scopes(scopes));
    let error = (case.call)(run).await.unwrap_err();
    let request = bench.server.requests().split_off(before).pop();
    let operation = case.endpoint.operation;
    assert_eq!(permits.used(), if request.is_some() { case.endpoint.cost } else { 0 }, "{operation}");
    (error, request)
}

#[tokio::test]
async fn each_operation_goes_where_the_documents_say() {
    let bench = Bench::with(every().iter().map(|_| Answer::json(503, ""))).await;
    for case in every() {
        let operation = case.endpoint.operation;
        let (error, request) = ask(&bench, &case, ApiVersion::Dated, None).await;
        assert_eq!(error, NOTHING, "{operation}");
        let request = request.unwrap();
        let version = format!("version: {}", case.endpoint.version);
        assert!(request.lines().any(|line| line == version), "{operation}");
        assert_eq!(sent(&request), (case.line.to_owned(), case.body), "{operation}");
    }
}

#[tokio::test]
async fn a_location_on_v3_is_called_in_v3s_words() {
    let bench = Bench::with(every().iter().map(|_| Answer::json(503, ""))).await;
    for case in every() {
        let operation = case.endpoint.operation;
        let (error, request) = ask(&bench, &case, ApiVersion::V3, None).await;
        if case.endpoint.v3 == InV3::Absent {
            assert!(matches!(error, GhlError::Unsendable { .. }), "{operation}: {error:?}");
            assert_eq!(request, None, "{operation}");
            continue;
        }
        let request = request.unwrap();
        assert!(request.lines().any(|line| line == "version: v3"), "{operation}");
        let (line, body) = sent(&request);
        assert_eq!(line, case.line.replace("removeAll", "remove-all"), "{operation}");
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        assert!(!body.contains("field_value") && !body.contains("SMS"), "{operation}: {body}");
    }
}

#[tokio::test]
async fn a_missing_scope_that_ghl_does_not_name_is_named() {
    for status in [401, 403] {
        let said = r#"{"message":"The token is not authorized for this scope."}"#;
        let bench = Bench::with([Answer::json(status, said)]).await;
        let error = bench.run().list_notes("c1").await.unwrap_err();
        assert!(matches!(error, GhlError::Unauthorized { kind: UnauthorizedKind::MissingScope, .. }), "{error:?}");
        let reported = error.to_string();
        assert!(
            reported.contains("get-all-notes needs contacts.readonly") && reported.contains("install page"),
            "{reported}"
        );
    }
}

#[tokio::test]
async fn a_missing_scope_is_refused_by_its_name_before_the_call() {
    let bench = Bench::with(every().iter().map(|_| Answer::json(503, ""))).await;
    for case in every() {
        let (operation, scope) = (case.endpoint.operation, case.endpoint.scopes[0]);
        // All but the one that it needs.
        let others: Vec<_> = endpoints::ALL.iter().flat_map(|endpoint| endpoint.scopes).copied().collect();
        let others: Vec<_> = others.into_iter().filter(|other| *other != scope).collect();
        let granted = Scopes::parse(&others.join(" "));
        let (error, request) = ask(&bench, &case, ApiVersion::Dated, Some(&granted)).await;
        assert!(matches!(error, GhlError::Unauthorized { kind: UnauthorizedKind::MissingScope, .. }), "{error:?}");
        assert!(error.to_string().contains(scope) && error.to_string().contains(operation), "{error}");
        assert_eq!((error.class(), request), (Class::Permanent, None), "{operation}");

        let granted = Scopes::parse(&case.endpoint.scopes.join(" "));
        let (error, request) = ask(&bench, &case, ApiVersion::Dated, Some(&granted)).await;
        assert_eq!((error, request.is_some()), (NOTHING, true), "{operation}");
    }
}

#[tokio::test]
async fn the_word_for_all_campaigns_is_no_campaign() {
    let bench = Bench::with([]).await;
    for word in ["removeAll", "remove-all"] {
        let error = bench.run().remove_from_campaign("c1", word).await.unwrap_err();
        assert!(matches!(error, GhlError::Unsendable { .. }), "{error:?}");
    }
    assert_eq!(bench.server.requests().len(), 0);
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
    assert_eq!(error.class(), Class::Broken);
    assert!(!format!("{error:?}").contains("lines"), "{error:?}");
    assert_eq!((bench.server.requests().len(), bench.permits.used()), (0, 0));
}

#[test]
fn an_address_that_is_none_is_refused_by_name() {
    for base_url in ["services.example.com", "ftp://example.com", ""] {
        let config =
            ClientConfig { base_url: base_url.to_owned(), timeout: Duration::from_secs(1), long_list: LONG_LIST };
        let error = Client::new(&config, GhlMetrics::register(&Registry::new()).unwrap()).unwrap_err();
        assert!(error.to_string().contains("GHL_API_URL"), "{error}");
    }
}
