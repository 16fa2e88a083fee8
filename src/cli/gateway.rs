//! `gateway`: HTTP only.

use anyhow::ensure;
use serde_json::json;

use super::serve::{Listeners, Signals, until_stopped};
use super::{Context, Outcome};
use crate::app::{App, remedy};

/// Why a queue in memory is not enough for this command.
pub(super) const NEEDS_REDIS: &str = "REDIS_URL is not set: without it the queue is in this process's memory, and other processes can't share it. Set it, or use `clienty-sync up`";

pub(super) async fn run(context: Context) -> anyhow::Result<Outcome> {
    ensure!(context.config.is_distributed(), NEEDS_REDIS);
    let signals = Signals::listen()?;
    let listeners = Listeners::open(&context.config).await?;
    let (app, unreached) = App::open_to_serve(context.config).await?;
    if let Some(error) = unreached {
        tracing::warn!(
            %error,
            "the queue's Redis does not answer: events are accepted, and run when it answers again; {}",
            remedy(&error)
        );
    }
    let presence = app.announce("gateway").await;
    let servers = listeners.serve(&app)?;
    let (url, metrics) = (format!("http://{}", servers.address), format!("http://{}/metrics", servers.metrics));
    context.output.print(&json!({"url": url, "metrics": metrics}), |_| {
        format!("the gateway is up at {url}\nmetrics at {metrics}")
    })?;
    until_stopped(signals, servers, None).await;
    presence.end().await;
    Ok(Outcome::Done)
}
