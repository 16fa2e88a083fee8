//! `connect`: stores the Private Integration Token of a location, sealed.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::Parser;
use secrecy::SecretString;
use serde_json::json;
use sync_workers::records::ConnectionKind;

use super::{Context, Outcome, open_records};
use crate::app::vault;

#[derive(Debug, Parser)]
pub(super) struct Args {
    /// GHL's id of the location
    #[arg(long, value_name = "ID")]
    location: Option<String>,
    /// File that holds the Private Integration Token; `-` reads standard input
    #[arg(long, value_name = "FILE", requires = "location")]
    pit_file: Option<PathBuf>,
    /// Time zone of the location, as Europe/Berlin [default: asked of GHL]
    #[arg(long, value_name = "NAME", requires = "pit_file", value_parser = zone_name)]
    time_zone: Option<String>,
}

pub(super) async fn run(context: Context, args: Args) -> anyhow::Result<Outcome> {
    let (Some(location), Some(file)) = (args.location, args.pit_file) else {
        bail!(
            "this version connects by Private Integration Token only: make one in GHL under Settings, Private Integrations, and run \
             `clienty-sync connect --location ID --pit-file FILE`"
        );
    };
    let token = read_token(&file)?;
    let vault = vault(&context.config)?;
    let records = open_records(&context.config).await?;
    let sealed = vault.seal(&token, &location)?;
    records.save_connection(&location, ConnectionKind::Pit, &sealed, None, args.time_zone.as_deref()).await?;
    context.output.print(&json!({"locationId": location, "kind": "pit"}), |_| {
        format!("{location} is connected; events of it are accepted from now on")
    })?;
    Ok(Outcome::Done)
}

/// The name, if there is such a zone: a wrong one would shift every appointment.
fn zone_name(name: &str) -> Result<String, String> {
    sync_workers::mapping::location::zone(name).map(|_| name.trim().to_owned()).map_err(|error| error.to_string())
}

fn read_token(file: &Path) -> anyhow::Result<SecretString> {
    let (text, place) = match file.to_str() {
        Some("-") => (std::io::read_to_string(std::io::stdin()), "standard input".to_owned()),
        _ => (std::fs::read_to_string(file), file.display().to_string()),
    };
    let text = text.with_context(|| format!("can't read the token from {place}"))?;
    let token = text.trim();
    ensure!(!token.is_empty(), "{place} holds no token");
    ensure!(
        token.bytes().all(|byte| byte.is_ascii_graphic()),
        "{place} does not hold a token, which is one line of letters, digits and signs without spaces"
    );
    Ok(token.into())
}
