//! `worker`: a pool of workers and its /metrics.

use anyhow::ensure;
use clap::Parser;
use serde_json::json;

use super::gateway::NEEDS_REDIS;
use super::serve::{Servers, Signals, monitoring_listener, until_stopped};
use super::{Context, Outcome};
use crate::app::App;

#[derive(Debug, Parser)]
pub(super) struct Args {
    /// Number of concurrent jobs [default: CLIENTY_WORKER_CONCURRENCY]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    concurrency: Option<u16>,
}

pub(super) async fn run(mut context: Context, args: Args) -> anyhow::Result<Outcome> {
    ensure!(context.config.is_distributed(), NEEDS_REDIS);
    if let Some(concurrency) = args.concurrency {
        context.config.worker.concurrency = usize::from(concurrency);
    }
    let signals = Signals::listen()?;
    let listener = monitoring_listener(&context.config).await?;
    // The pool reports a queue that does not answer, and waits for it.
    let (app, _) = App::open_to_serve(context.config).await?;
    let presence = app.announce("worker").await;
    let workers = app.start_workers()?;
    let servers = Servers::monitoring(listener, &app)?;
    let metrics = format!("http://{}/metrics", servers.metrics);
    context.output.print(&json!({"metrics": metrics}), |_| format!("working; metrics at {metrics}"))?;
    until_stopped(signals, servers, Some(workers)).await;
    presence.end().await;
    Ok(Outcome::Done)
}
