//! `gateway`: HTTP only.

use anyhow::ensure;
use serde_json::json;

use super::serve::{Signals, until_stopped};
use super::{Context, Outcome};
use crate::app::App;
use crate::gateway::{Server, listen};

/// Why one process with a queue in memory is not enough.
pub(super) const NEEDS_REDIS: &str = "REDIS_URL is not set: without it the queue is in this process's memory, and no other can share it. Set it, or use `clienty-sync up`";

pub(super) async fn run(context: Context) -> anyhow::Result<Outcome> {
    ensure!(context.config.is_distributed(), NEEDS_REDIS);
    let signals = Signals::listen()?;
    let listener = listen(context.config.gateway.listen, "CLIENTY_LISTEN").await?;
    let app = App::open(context.config).await?;
    let server = Server::start(listener, app.gateway().routes())?;
    let started = json!({"url": format!("http://{}", server.address)});
    context.output.print(&started, |_| format!("the gateway is up at http://{}", server.address))?;
    until_stopped(signals, server, None).await;
    Ok(Outcome::Done)
}
