//! Pausing and resuming a location.

use anyhow::ensure;
use serde_json::json;

use super::super::{Context, Outcome};
use crate::app::App;

pub(super) async fn run(context: Context, location: &str, pause: bool) -> anyhow::Result<Outcome> {
    ensure!(
        context.config.is_distributed(),
        "REDIS_URL is not set: a queue in memory is known to its own process alone, and can't be steered from here"
    );
    let app = App::open(context.config).await?;
    ensure!(
        app.records.connection(location).await?.is_some(),
        "no location {location} is connected; `clienty-sync connect` makes one known"
    );
    if pause {
        app.queue.pause(location).await?;
    } else {
        app.queue.resume(location).await?;
    }
    context.output.print(&json!({"locationId": location, "paused": pause}), |_| match pause {
        true => format!("{location} is paused: its jobs are kept and wait until `clienty-sync jobs resume {location}`"),
        false => format!("{location} goes on"),
    })?;
    Ok(Outcome::Done)
}
