//! `connect`: prints the link at which a customer connects a location, or stores its Private Integration Token, sealed.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::{ArgGroup, Parser};
use ghl::ApiVersion;
use secrecy::SecretString;
use serde_json::json;
use sync_model::clock::Clock;
use sync_workers::oauth::{Begun, InstallError};
use sync_workers::records::{ConnectionKind, Records};

use self::check::Seen;
pub(super) use self::check::ask;
use super::{Context, Outcome, open_records};
use crate::app::{client, oauth_app, open_oauth, vault};
use crate::metrics::Metrics;

mod check;

#[derive(Debug, Parser)]
#[command(group(ArgGroup::new("way").args(["pit_file", "api"]).multiple(true)))]
pub(super) struct Args {
    /// GHL's id of the location; without it, the customer chooses one in GHL
    #[arg(long, value_name = "ID", requires = "way", value_parser = location_id)]
    location: Option<String>,
    /// File that holds the Private Integration Token; `-` reads standard input
    #[arg(long, value_name = "FILE", requires = "location")]
    pit_file: Option<PathBuf>,
    /// Time zone of the location, such as Europe/Berlin [default: GHL's setting]
    #[arg(long, value_name = "NAME", requires = "pit_file", value_parser = zone_name)]
    time_zone: Option<String>,
    /// Store the token without a check by GHL: for a machine that can't reach GHL
    #[arg(long, requires = "pit_file")]
    unchecked: bool,
    /// Generation of GHL's API for this location: v2 or v3; with --location alone, moves a connected location
    #[arg(long, value_name = "VERSION", requires = "location", value_parser = api_version)]
    api: Option<ApiVersion>,
}

pub(super) async fn run(context: Context, args: Args) -> anyhow::Result<Outcome> {
    if let (Some(location), None, Some(api)) = (&args.location, &args.pit_file, args.api) {
        let records = open_records(&context.config).await?;
        return move_to(&context, &records, location, api).await;
    }
    let Some(file) = args.pit_file else { return print_link(context).await };
    let Some(location) = args.location else { bail!("--pit-file needs --location: the token does not contain it") };
    let token = read_token(&file)?;
    let vault = vault(&context.config)?;
    let records = open_records(&context.config).await?;
    let seen = match args.unchecked {
        true => Seen::default(),
        false => ask(&context.config, &location, &token, args.api.unwrap_or_default()).await?,
    };
    let sealed = vault.seal(&token, &location)?;
    let zone = args.time_zone.as_deref().or(seen.time_zone.as_deref());
    records.save_connection(&location, ConnectionKind::Pit, &sealed, seen.name.as_deref(), zone).await?;
    if let Some(api) = args.api {
        records.set_api(&location, api.name()).await?;
    }
    let checked = !args.unchecked;
    let reported =
        json!({"locationId": location, "kind": "pit", "checked": checked, "name": seen.name, "timeZone": zone});
    context.output.print(&reported, |_| match (checked, &seen.name) {
        (true, name) => {
            let name = name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
            format!("{location}{name} is connected: GHL accepts the token, and the gateway accepts its events from now on")
        }
        (false, _) => {
            format!("{location} is stored without a check by GHL; its events are accepted, and its first job shows whether the token is valid")
        }
    })?;
    Ok(Outcome::Done)
}

/// Moves a connected location to another generation of the API.
async fn move_to(context: &Context, records: &Records, location: &str, api: ApiVersion) -> anyhow::Result<Outcome> {
    ensure!(records.set_api(location, api.name()).await?, "{location} is not connected");
    context.output.print(&json!({"locationId": location, "api": api.name()}), |_| {
        format!("{location} uses {} of GHL's API from its next job on", api.name())
    })?;
    Ok(Outcome::Done)
}

/// The link at which a customer chooses a location: valid once, for a day.
async fn print_link(context: Context) -> anyhow::Result<Outcome> {
    let config = &context.config;
    ensure!(
        oauth_app(&config.ghl).is_some(),
        "{}; or make a Private Integration Token in GHL under Settings, Private Integrations, and run \
         `clienty-sync connect --location ID --pit-file FILE`",
        InstallError::NoApp
    );
    vault(config)?;
    let (clock, records) = (Clock::system(), open_records(config).await?);
    let metrics = Metrics::new(clock.clone())?;
    let ghl = client(config, &clock, &metrics)?;
    let oauth = open_oauth(config, &clock, &records, &metrics, &ghl)?.context("no master key is set")?;
    let Begun { url, invitation, expires_at } = oauth.begin_install(None)?;
    let reported = json!({"url": url, "invitation": invitation, "expiresAt": expires_at});
    context.output.print(&reported, |_| {
        let invitation = invitation.as_ref().map(|link| {
            format!("\n\nTo send a link to a customer, use this one, which works only in the browser that opens it:\n\n{link}")
        });
        format!(
            "{url}\n\nOpen this in a browser to connect a location or an agency. It is valid once, until {expires_at}.{}",
            invitation.unwrap_or_default()
        )
    })?;
    Ok(Outcome::Done)
}

/// Checks an id: a typo here would make a location whose events are accepted and whose calls all fail.
fn location_id(id: &str) -> Result<String, String> {
    let id = super::id(id)?;
    let is_plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_plain { Ok(id) } else { Err("an id has letters and digits only".to_owned()) }
}

fn api_version(name: &str) -> Result<ApiVersion, String> {
    ApiVersion::named(name).ok_or_else(|| "must be v2 or v3".to_owned())
}

/// The name, if there is such a zone: a wrong one would shift every appointment.
fn zone_name(name: &str) -> Result<String, String> {
    sync_model::time_zone::zone(name).map(|_| name.trim().to_owned()).map_err(|error| error.to_string())
}

fn read_token(file: &Path) -> anyhow::Result<SecretString> {
    let (text, place) = match file.to_str() {
        Some("-") => (std::io::read_to_string(std::io::stdin()), "standard input".to_owned()),
        _ => (std::fs::read_to_string(file), file.display().to_string()),
    };
    let text = text.with_context(|| format!("can't read the token from {place}"))?;
    let token = text.trim();
    ensure!(!token.is_empty(), "{place} is empty; it must hold the token");
    ensure!(
        token.bytes().all(|byte| byte.is_ascii_graphic()),
        "{place} does not hold a token: a token is one line of letters, digits and signs without spaces"
    );
    Ok(token.into())
}
