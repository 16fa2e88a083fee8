//! Traces to an OpenTelemetry collector: OTLP as protobuf over HTTP.
//!
//! Spans go into a queue of bounded length, and a thread of the SDK's own sends them in batches. So a collector that is slow or gone takes nothing from the
//! work: what does not fit is dropped, and that it can't be reached is said once until it can again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use ghl::trace::TARGET;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{KeyValue, Value};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

/// As the standard has it for one request to a collector.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long the end of the process waits for its last spans to be taken.
const FLUSH: Duration = Duration::from_secs(5);
/// Where a collector takes traces, below its address.
const PATH: &str = "/v1/traces";

/// Sends traces until it is dropped, and then what is left.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
}

/// Why no traces can be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TracesError {
    #[error("the HTTP client could not be set up: {0}")]
    Client(#[from] reqwest::Error),
    #[error(transparent)]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

impl Traces {
    /// Begins to send to the collector at `endpoint`. Headers, name and sampling are the exporter's own matter, in the standard's variables
    /// (`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER`, `OTEL_BSP_*`). Within a runtime.
    pub(crate) fn start(endpoint: &str) -> Result<Self, TracesError> {
        let client = reqwest::Client::builder().retry(reqwest::retry::never()).timeout(TIMEOUT).build()?;
        let collector = Collector { client, runtime: Handle::current(), is_lost: AtomicBool::new(false) };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector)
            .with_endpoint(format!("{}{PATH}", endpoint.trim_end_matches('/')))
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(TIMEOUT)
            // The next batch comes soon enough; the SDK would sleep on the thread that also flushes.
            .with_retry_policy(RetryPolicy::disabled())
            .build()?;
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource()).build();
        Ok(Self { provider })
    }

    /// What gathers the spans of [`TARGET`] and no others.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: tracing::Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(env!("CARGO_PKG_NAME")))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target() == TARGET))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH) {
            tracing::debug!(%error, "the last traces were not sent");
        }
    }
}

/// The environment's, with our name where it gives none.
fn resource() -> Resource {
    let found = Resource::builder().build();
    let named = found.get(&"service.name".into()).filter(|name| !name.as_str().starts_with("unknown_service"));
    Resource::builder()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_service_name(named.unwrap_or(Value::from(env!("CARGO_PKG_NAME"))))
        .build()
}

/// The SDK's thread has no runtime, so requests are made on ours.
#[derive(Debug)]
struct Collector {
    client: reqwest::Client,
    runtime: Handle,
    is_lost: AtomicBool,
}

impl HttpClient for Collector {
    // As the trait's macro writes it; the macro itself would be one more dependency.
    fn send_bytes<'life, 'run>(
        &'life self,
        request: Request<Bytes>,
    ) -> BoxFuture<'run, Result<Response<Bytes>, HttpError>>
    where
        'life: 'run,
        Self: 'run,
    {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let mut answer = client.execute(request.try_into()?).await?;
            let mut response = Response::builder().status(answer.status());
            if let Some(headers) = response.headers_mut() {
                *headers = std::mem::take(answer.headers_mut());
            }
            Ok::<_, HttpError>(response.body(answer.bytes().await?)?)
        });
        Box::pin(async move {
            let response = sent.await.map_err(HttpError::from).flatten();
            let trouble = match &response {
                Ok(response) if response.status().is_success() => None,
                Ok(response) => Some(format!("it answered {}", response.status())),
                Err(error) => Some(error.to_string()),
            };
            let was_lost = self.is_lost.swap(trouble.is_some(), Ordering::Relaxed);
            match trouble {
                Some(trouble) if !was_lost => {
                    tracing::warn!(
                        error = trouble,
                        "the collector of OTEL_EXPORTER_OTLP_ENDPOINT takes no traces; work goes on without"
                    );
                }
                None if was_lost => tracing::info!("the collector takes traces again"),
                _ => {}
            }
            response
        })
    }
}
