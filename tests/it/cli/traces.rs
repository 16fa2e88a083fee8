//! Traces: what a collector is sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use serde_json::Value;
use tokio::net::TcpListener;

use super::demo::Demo;
use crate::support::ports::free_port;
use crate::support::program::{clienty_sync, run};
use crate::support::wait_until_async;

/// A span as a collector reads it.
#[derive(Debug, Clone)]
struct Span {
    name: String,
    kind: i32,
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    failed: bool,
    attributes: BTreeMap<String, String>,
    service: String,
}

impl Span {
    fn says(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    /// Takes what is sent with the right header, and its address.
    async fn start() -> (Self, String) {
        let collector = Self::default();
        let routes = Router::new().route("/v1/traces", post(Self::take)).with_state(collector.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, routes).await });
        (collector, url)
    }

    async fn take(State(collector): State<Self>, headers: HeaderMap, body: Bytes) {
        assert_eq!(headers["content-type"], "application/x-protobuf");
        assert_eq!(headers["x-token"], "of-the-collector");
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        let mut spans = collector.spans.lock().unwrap();
        for sent in request.resource_spans {
            let resource = texts(sent.resource.unwrap().attributes);
            for span in sent.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                spans.push(Span {
                    name: span.name,
                    kind: span.kind,
                    trace: span.trace_id,
                    id: span.span_id,
                    parent: span.parent_span_id,
                    failed: span.status.is_some_and(|status| status.code == 2),
                    attributes: texts(span.attributes),
                    service: resource["service.name"].clone(),
                });
            }
        }
    }

    fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value| match value {
        any_value::Value::StringValue(text) => text,
        any_value::Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let pairs = attributes.into_iter().filter_map(|pair| Some((pair.key, text(pair.value?.value?))));
    pairs.collect()
}

/// The collector answers while the test waits for the program's end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_the_job_that_it_caused_and_the_calls_of_that_are_traced() {
    let (collector, url) = Collector::start().await;
    let settings =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_EXPORTER_OTLP_HEADERS", "x-token=of-the-collector")];
    let mut demo = Demo::start_with(&settings);
    // Nothing is known of the contact, so its webhook makes calls necessary.
    demo.curl(demo.about["edit"].as_str().unwrap()).await;
    let path = format!("/v1/locations/{}/contacts/{}", demo.location, demo.contact);
    let is_edited = async || {
        let answer = demo.api.get(&path).await;
        answer.status == 200 && answer.json()["contact"]["city"] == "Paderborn"
    };
    wait_until_async("the edit is in the records", is_edited).await;
    demo.api.pulled(&demo.location, &demo.contact).await;
    // What was not sent by then is sent at the end.
    demo.program.terminate();
    assert_eq!(demo.program.wait().code(), Some(0));

    let spans = collector.spans();
    assert!(spans.iter().all(|span| span.service == "clienty-sync"), "{spans:#?}");
    let webhook = spans.iter().find(|span| span.says("webhook.event") == "ContactUpdate");
    let webhook = webhook.unwrap_or_else(|| panic!("no webhook in {spans:#?}"));
    assert_eq!((webhook.name.as_str(), webhook.kind), ("POST /webhooks/ghl", SpanKind::Server as i32));
    assert_eq!(webhook.says("http.response.status_code"), "200");
    let id = webhook.says("job.id");
    assert!(!id.is_empty(), "{webhook:#?}");
    let is_its_last = |span: &&Span| span.says("job.id").contains(id) && span.says("job.outcome") == "done";
    let job = spans.iter().filter(|span| span.name == "pull_contact").find(is_its_last);
    let job = job.unwrap_or_else(|| panic!("no run of {id} in {spans:#?}"));
    assert_eq!((job.says("ghl.location"), job.failed), (&*demo.location, false));
    let calls: Vec<_> = spans.iter().filter(|span| span.trace == job.trace && span.id != job.id).collect();
    assert!(!calls.is_empty(), "no calls of {job:#?} in {spans:#?}");
    for call in calls {
        assert_eq!((&call.parent, call.kind), (&job.id, SpanKind::Client as i32));
        assert_eq!(call.says("http.response.status_code"), "200");
        assert_eq!(call.says("ghl.operation"), call.name);
    }
    let event = spans.iter().find(|span| span.name == "POST /v1/events").unwrap();
    assert_eq!(event.says("http.response.status_code"), "202");
    assert!(spans.iter().any(|span| span.name == "pull_contact" && span.says("job.id") == event.says("job.id")));
}

#[test]
fn a_collector_that_is_not_there_is_reported_once_and_holds_up_nothing() {
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", nobody.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "10")];
    let ended = run(clienty_sync(&["demo", "--once", "--json", "--contacts", "30"], &settings));
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let reported = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(reported.matches("takes no traces").count(), 1, "{reported}");
    assert!(serde_json::from_slice::<Value>(&ended.stdout).unwrap()["mismatches"] == 0);
}
