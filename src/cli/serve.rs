//! What every long-running command does: serve until a signal, then shut down in order.

use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{PATIENCE, Workers};
use crate::gateway::Server;

/// How long giving back may take before the process ends without it: leases run out by themselves.
const GRACE: Duration = Duration::from_secs(5);

/// SIGTERM and SIGINT.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to listen; from here on a signal no longer kills the process.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let terminate = signal(SignalKind::terminate()).context("can't listen for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("can't listen for SIGINT")?;
        Ok(Self { terminate, interrupt })
    }

    /// The next of either.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Serves until the first signal, then takes nothing new and finishes what runs; a second signal gives it back at once.
pub(super) async fn until_stopped(mut signals: Signals, server: Server, workers: Option<Workers>) {
    signals.next().await;
    tracing::info!("stopping: finishing what runs; a second signal gives it back at once");
    let hurry = workers.as_ref().map(Workers::hurry);
    let working = async {
        if let Some(workers) = workers {
            workers.stop().await;
        }
    };
    // At once: a server that goes on while jobs end would take requests until the last of them.
    let stopping = async { tokio::join!(working, server.stop()) };
    let impatient = async {
        tokio::select! {
            () = signals.next() => tracing::warn!("second signal: giving back what runs"),
            () = tokio::time::sleep(PATIENCE) => tracing::warn!("still running after {PATIENCE:?}: giving it back"),
        }
        if let Some(hurry) = hurry {
            hurry.now();
        }
        // What is left is a client that does not send its request to the end, or a job that does not hear.
        tokio::time::sleep(GRACE).await;
        tracing::warn!("ending with requests or jobs open");
    };
    tokio::select! {
        ((), ()) = stopping => {}
        () = impatient => {}
    }
}
