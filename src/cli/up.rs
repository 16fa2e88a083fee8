//! `up`: gateway and workers in one process.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use sync_workers::{requeuer, suspects};
use tokio::task::JoinSet;

use super::serve::{Listeners, Signals, stop, until_stopped};
use super::{Context, Outcome};
use crate::app::{App, Workers};
use crate::instance_lock::InstanceLock;

pub(super) async fn run(context: Context) -> anyhow::Result<Outcome> {
    let mut signals = Signals::listen()?;
    let distributed = context.config.is_distributed();
    // Held to the end. First of all: what the other process has begun must not be touched.
    let _sole =
        if distributed { None } else { Some(InstanceLock::take(&context.config.working_folders())?.or_refuse()?) };
    let listeners = Listeners::open(&context.config).await?;
    let app = match distributed {
        true => App::open(context.config).await?,
        false => App::open_alone(context.config).await?,
    };
    let presence = app.announce("up").await;
    let has_suspects = !distributed && suspects::count(&app.records).await?;
    let workers = if has_suspects { app.start_one_worker()? } else { app.start_workers()? };
    if !distributed && !has_suspects {
        report_all(&app).await?;
    }
    let servers = listeners.serve(&app)?;
    let (url, metrics) = (format!("http://{}", servers.address), format!("http://{}/metrics", servers.metrics));
    // A link in a log that others read would be theirs as well: only where nobody else reaches the address.
    let link = if servers.address.ip().is_loopback() { app.console_link() } else { None };
    let link = link.map(|path| format!("{url}{path}"));
    context.output.print(&json!({"url": url, "metrics": metrics, "console": link}), |_| {
        let first = link
            .as_ref()
            .map_or_else(String::new, |link| format!("\nthe console, once and within a quarter of an hour: {link}"));
        format!("clienty-sync is up at {url}\nmetrics at {metrics}{first}")
    })?;
    let mut watch = JoinSet::new();
    let mut workers = workers;
    if has_suspects {
        tokio::select! {
            () = suspects::run_first(&app.records, &app.queue) => {}
            () = signals.next() => {
                stop(signals, servers, Some(workers)).await;
                presence.end().await;
                return Ok(Outcome::Done);
            }
        }
        workers = all_at_once(&app, workers).await?;
    }
    if !distributed {
        watch.spawn(requeuer::watch(app.records.clone(), app.queue.clone(), app.clock.clone()));
    }
    until_stopped(signals, servers, Some(workers)).await;
    presence.end().await;
    Ok(Outcome::Done)
}

/// A queue in memory starts empty, and no other process shares it: open ledger rows are enqueued at once, and no process holds those that are
/// marked as running.
async fn report_all(app: &App) -> anyhow::Result<()> {
    let reported = requeuer::reconcile(&app.records, &app.queue, &app.clock, Duration::ZERO, Duration::ZERO).await;
    reported.map_err(anyhow::Error::msg).context("can't enqueue the open jobs")?;
    Ok(())
}

/// The whole pool instead of the one worker, and all open ledger rows.
async fn all_at_once(app: &App, one: Workers) -> anyhow::Result<Workers> {
    one.stop().await;
    let workers = app.start_workers()?;
    report_all(app).await?;
    Ok(workers)
}
