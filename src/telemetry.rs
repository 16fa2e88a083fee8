//! Logs, always to standard error, since standard output is for results that scripts read; and traces, where a collector is set.

use std::io::{self, IsTerminal};

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::{Log, LogFormat};

mod terminal;
mod traces;

pub(crate) use terminal::terminal;
use traces::Traces;

/// Starts logging and traces for the whole process, within its runtime. A second call changes nothing. The traces are sent to their end as
/// what is returned is dropped, which has to be before the runtime.
pub(crate) fn init(log: &Log) -> Option<Traces> {
    let filter = EnvFilter::try_new(&log.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let is_terminal = io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(|| terminal::Lines);
    let lines = match log.format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Auto if !is_terminal => lines.json().flatten_event(true).boxed(),
        LogFormat::Text | LogFormat::Auto => lines.with_ansi(is_terminal).boxed(),
    };
    let traces = log.otlp_endpoint.as_deref().map(Traces::start).transpose();
    let layer = traces.as_ref().ok().and_then(Option::as_ref).map(Traces::layer);
    // The error says only that a subscriber is set already, as it is in a process that runs several tests.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).with(layer).try_init();
    traces.unwrap_or_else(|error| {
        tracing::warn!(%error, "no traces are sent to OTEL_EXPORTER_OTLP_ENDPOINT");
        None
    })
}
