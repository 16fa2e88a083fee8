//! Logs, always to standard error: standard output is for results that scripts read.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

mod screen;

pub(crate) use screen::screen;

/// Starts logging for the whole process. A second call changes nothing.
pub(crate) fn init(log: &Log) {
    let filter = EnvFilter::try_new(&log.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let is_terminal = io::stderr().is_terminal();
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| screen::Lines);
    // The error says only that a subscriber is set already, as it is in a process that runs several tests.
    let _ = match log.format {
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
        LogFormat::Auto if !is_terminal => subscriber.json().flatten_event(true).try_init(),
        LogFormat::Text | LogFormat::Auto => subscriber.with_ansi(is_terminal).try_init(),
    };
    if log.otlp_endpoint.is_some() {
        tracing::warn!(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but this version sends no traces: it logs to standard error and serves \
             /metrics"
        );
    }
}
