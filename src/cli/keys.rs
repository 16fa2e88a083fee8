//! `keys`: API keys, with what each may do, where, and until when.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use serde_json::json;
use sync_model::clock::Clock;
use sync_workers::records::{ApiKey, KeyPlace, NewKey, Places, Role};

use super::period::period;
use super::table::table;
use super::{Context, Outcome, open_records};
use crate::gateway::MOST_EVENTS_A_MINUTE;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a key; it is shown only once
    Create(Create),
    /// List keys, without their secrets
    List,
    /// Give a key a new secret; the old one ends at once, or after --overlap
    Rotate {
        /// Id of the key, from `keys list`
        id: String,
        /// How long the old secret stays valid: 24h, 7d, …
        #[arg(long, value_name = "PERIOD", value_parser = period, default_value = "0m")]
        overlap: Duration,
        /// New end of the key, from now: 90d, …
        #[arg(long, value_name = "PERIOD", value_parser = period)]
        expires: Option<Duration>,
    },
    /// Revoke a key
    Revoke {
        /// Id of the key, from `keys list`
        id: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Name of the key's owner
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    name: String,
    /// Roles, separated by commas [default: producer,reader]
    #[arg(long = "role", value_name = "ROLE", value_enum, value_delimiter = ',')]
    roles: Vec<RoleName>,
    /// Locations, separated by commas: `*`, location ids, or `agency:COMPANY_ID` for those that an agency has installed
    #[arg(long, value_name = "L,…", value_delimiter = ',', default_value = "*")]
    locations: Vec<String>,
    /// Lifetime of the key: 90d, 24h, … [default: until it is revoked]
    #[arg(long, value_name = "PERIOD", value_parser = period)]
    expires: Option<Duration>,
    /// Number of events that the key may send in a minute to each gateway [default: no limit of its own]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_EVENTS_A_MINUTE)))]
    events_per_minute: Option<u32>,
    /// Let the key read ids and states only, no names and values
    #[arg(long)]
    ids_only: bool,
}

/// A role as an argument.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleName {
    /// Sends events and calls operations
    Producer,
    /// Reads records, changes, conflicts, locations and jobs
    Reader,
    /// Reads, and manages jobs and locations
    Operator,
    /// Everything
    Admin,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Producer => Self::Producer,
            RoleName::Reader => Self::Reader,
            RoleName::Operator => Self::Operator,
            RoleName::Admin => Self::Admin,
        }
    }
}

pub(super) async fn run(context: Context, command: Command) -> anyhow::Result<Outcome> {
    let new = match &command {
        Command::Create(create) => Some(create.key()?),
        _ => None,
    };
    let records = open_records(&context.config).await?;
    let output = context.output;
    match command {
        Command::Create(_) => {
            let (key, plain) = records.create_key(&new.context("what it is to be was read above")?).await?;
            let plain = plain.expose_secret();
            let made = json!({"id": key.id, "name": key.name, "key": plain});
            output.print(&made, |_| {
                format!("{plain}\n\nThis is key {} of {}: {}. It is shown only now.", key.id, key.name, powers(&key))
            })?;
        }
        Command::List => {
            let keys = records.list_keys().await?;
            let now = Clock::system().now();
            output.print(&json!({ "keys": keys }), |_| {
                let rows: Vec<_> = keys.iter().map(|key| row(key, now)).collect();
                table(["ID", "NAME", "ROLES", "LOCATIONS", "LAST USED", "STATE"], &rows)
            })?;
        }
        Command::Rotate { id, overlap, expires } => {
            let expires_at = expires.map(from_now).transpose()?;
            let plain = records.rotate_key(&id, overlap, expires_at).await?.with_context(|| unknown(&id))?;
            let plain = plain.expose_secret();
            let made = json!({"id": id, "key": plain});
            let old = match overlap.is_zero() {
                true => "the old one is refused from now on".to_owned(),
                false => format!("the old one ends at {:.0}", from_now(overlap)?),
            };
            output.print(&made, |_| format!("{plain}\n\nThis is key {id}, and {old}. It is shown only now."))?;
        }
        Command::Revoke { id } => {
            ensure!(records.revoke_key(&id).await?, unknown(&id));
            output.print(&json!({"id": id, "revoked": true}), |_| format!("key {id} is revoked"))?;
        }
    }
    Ok(Outcome::Done)
}

impl Create {
    fn key(&self) -> anyhow::Result<NewKey> {
        let Self { name, roles, locations, expires, events_per_minute, ids_only } = self;
        let before = NewKey::of_all(name);
        Ok(NewKey {
            roles: if roles.is_empty() { before.roles } else { roles.iter().copied().map(Role::from).collect() },
            locations: places(locations)?,
            reads_people: !ids_only,
            events_per_minute: *events_per_minute,
            expires_at: expires.map(from_now).transpose()?,
            name: before.name,
        })
    }
}

/// Every location, or those that are listed; both at once make no sense.
fn places(listed: &[String]) -> anyhow::Result<Places> {
    if listed == ["*"] {
        return Ok(Places::All);
    }
    let place = |text: &String| -> anyhow::Result<KeyPlace> {
        ensure!(text != "*", super::WrongUsage("--locations: `*` stands for every location, and alone".to_owned()));
        text.parse().map_err(|bad| super::WrongUsage(format!("--locations: an id {bad}")).into())
    };
    Ok(Places::Listed(listed.iter().map(place).collect::<anyhow::Result<_>>()?))
}

fn from_now(period: Duration) -> anyhow::Result<Timestamp> {
    let period = SignedDuration::try_from(period)?;
    Clock::system().now().checked_add(period).context("that is later than any time")
}

/// What a key may do, and where.
fn powers(key: &ApiKey) -> String {
    let end = key.expires_at.map(|end| format!(", until {end:.0}")).unwrap_or_default();
    format!("{} of {}{end}", roles(key), key.locations)
}

fn roles(key: &ApiKey) -> String {
    key.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(",")
}

fn row(key: &ApiKey, now: Timestamp) -> [String; 6] {
    let state = match (key.revoked_at, key.expires_at) {
        (Some(at), _) => format!("revoked {at:.0}"),
        (None, Some(end)) if end <= now => format!("ended {end:.0}"),
        (None, Some(end)) => format!("until {end:.0}"),
        (None, None) => "in force".to_owned(),
    };
    let last_used = key.last_used_at.map_or_else(|| "never".to_owned(), |at| format!("{at:.0}"));
    [key.id.clone(), key.name.clone(), roles(key), key.locations.to_string(), last_used, state]
}

fn unknown(id: &str) -> String {
    format!("no key {id} is in force; `clienty-sync keys list` shows all")
}
