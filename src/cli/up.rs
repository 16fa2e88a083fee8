//! `up`: gateway and workers in one process.

use serde_json::json;

use super::serve::{Signals, until_stopped};
use super::{Context, Outcome};
use crate::app::App;
use crate::gateway::{Server, listen};

pub(super) async fn run(context: Context) -> anyhow::Result<Outcome> {
    let signals = Signals::listen()?;
    let listener = listen(context.config.gateway.listen, "CLIENTY_LISTEN").await?;
    let app = App::open(context.config).await?;
    let workers = app.start_workers()?;
    let server = Server::start(listener, app.gateway().routes())?;
    let started = json!({"url": format!("http://{}", server.address)});
    context.output.print(&started, |_| format!("clienty-sync is up at http://{}", server.address))?;
    until_stopped(signals, server, Some(workers)).await;
    Ok(Outcome::Done)
}
