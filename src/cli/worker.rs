//! `worker`: a pool of workers and its /metrics.

use std::net::SocketAddr;

use anyhow::ensure;
use clap::Parser;
use serde_json::json;
use tokio::net::TcpListener;

use super::gateway::NEEDS_REDIS;
use super::serve::{Signals, until_stopped};
use super::{Context, Outcome};
use crate::app::App;
use crate::config::Config;
use crate::gateway::{ListenError, Server, listen};

#[derive(Debug, Parser)]
pub(super) struct Args {
    /// Jobs that run side by side [default: CLIENTY_WORKER_CONCURRENCY]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    concurrency: Option<u16>,
}

pub(super) async fn run(mut context: Context, args: Args) -> anyhow::Result<Outcome> {
    ensure!(context.config.is_distributed(), NEEDS_REDIS);
    if let Some(concurrency) = args.concurrency {
        context.config.worker.concurrency = usize::from(concurrency);
    }
    let signals = Signals::listen()?;
    let listener = metrics_listener(&context.config).await?;
    let app = App::open(context.config).await?;
    let workers = app.start_workers()?;
    let server = Server::start(listener, app.gateway().worker_routes())?;
    let started = json!({"metrics": format!("http://{}/metrics", server.address)});
    context.output.print(&started, |_| format!("working; metrics at http://{}/metrics", server.address))?;
    until_stopped(signals, server, Some(workers)).await;
    Ok(Outcome::Done)
}

/// Several workers on one machine need no settings: where nobody chose the address and another has it, any free port will do.
async fn metrics_listener(config: &Config) -> Result<TcpListener, ListenError> {
    const SETTING: &str = "CLIENTY_METRICS_LISTEN";
    let wanted = config.metrics.listen;
    match listen(wanted, SETTING).await {
        Err(error) if error.is_taken() && config.is_default("metrics.listen") => {
            tracing::info!(metrics.wanted = %wanted, "another process has the default address for metrics; taking a free port");
            listen(SocketAddr::new(wanted.ip(), 0), SETTING).await
        }
        listener => listener,
    }
}
