//! `up`: gateway and workers in one process.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use sync_workers::sweeper;
use tokio::task::JoinSet;

use super::serve::{Listeners, Signals, until_stopped};
use super::{Context, Outcome};
use crate::app::App;
use crate::sole::Sole;

pub(super) async fn run(context: Context) -> anyhow::Result<Outcome> {
    let signals = Signals::listen()?;
    let distributed = context.config.is_distributed();
    // Held to the end. First of all: what the other process has begun must not be touched.
    let _sole = if distributed { None } else { Some(Sole::take(&context.config.data.dir)?.or_refuse()?) };
    let listeners = Listeners::open(&context.config).await?;
    let app = match distributed {
        true => App::open(context.config).await?,
        false => App::open_alone(context.config).await?,
    };
    let presence = app.announce("up").await;
    let workers = app.start_workers()?;
    if !distributed {
        // A queue in memory begins empty, and no other process shares it: what the ledger owes is told at once, and what it says is
        // running is nobody's any more.
        let told = sweeper::sweep(&app.records, &app.queue, &app.clock, Duration::ZERO, Duration::ZERO).await;
        told.map_err(anyhow::Error::msg).context("the queue can't be told of the open jobs")?;
    }
    let servers = listeners.serve(&app)?;
    let (url, metrics) = (format!("http://{}", servers.address), format!("http://{}/metrics", servers.metrics));
    context.output.print(&json!({"url": url, "metrics": metrics}), |_| {
        format!("clienty-sync is up at {url}\nmetrics at {metrics}")
    })?;
    let mut watch = JoinSet::new();
    if !distributed {
        watch.spawn(sweeper::watch(app.records.clone(), app.queue.clone(), app.clock.clone()));
    }
    until_stopped(signals, servers, Some(workers)).await;
    presence.end().await;
    Ok(Outcome::Done)
}
