//! `disconnect`: deletes the login of a location and keeps its records, as an UNINSTALL webhook does.

use anyhow::{bail, ensure};
use clap::Parser;
use serde_json::json;

use super::{Context, Outcome, open_records};

#[derive(Debug, Parser)]
pub(super) struct Args {
    /// GHL's id of the location
    #[arg(long, value_name = "ID", value_parser = super::id)]
    location: String,
}

pub(super) async fn run(context: Context, Args { location }: Args) -> anyhow::Result<Outcome> {
    let records = open_records(&context.config).await?;
    let connection = records.connection(&location).await?.filter(|connection| connection.is_connected());
    if let Some(company) = connection.and_then(|connection| connection.company_id) {
        bail!(
            "the install of agency {company} opens {location} and would connect it again: remove the app from the location in GHL, whose \
             UNINSTALL webhook disconnects it"
        );
    }
    ensure!(records.disconnect(&location).await?, "{location} is not connected");
    context.output.print(&json!({"locationId": location, "disconnected": true}), |_| {
        format!(
            "{location} is disconnected: its login is deleted here, its reconciliations have stopped, and its events are rejected. Its records stay, \
             and accepted jobs wait until it is connected again. The token itself is still valid: delete it in GHL"
        )
    })?;
    Ok(Outcome::Done)
}
