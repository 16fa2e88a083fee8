//! `enrich`: providers, their keys, what they cost, and looking up the contacts of a location.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::{Value, json};
use sync_model::clock::Clock;
use sync_model::money::Money;
use sync_model::suggest::nearest;
use sync_workers::enrich::{Enricher, Provider, is_fillable};
use sync_workers::records::{Spend, Undone};

use super::table::table;
use super::{Context, Outcome, WrongUsage, config, open_records};
use crate::app;
use crate::config::{Config, ConfigErrors};
use crate::enrich::providers;
use crate::metrics::Metrics;

mod run;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the providers: what each costs, fills and is sent, and whether it has a key
    #[command(visible_alias = "list")]
    Providers,
    /// Store the key of a provider, sealed
    Connect {
        /// Name of the provider, from `enrich providers`
        #[arg(long, value_name = "P")]
        provider: String,
        /// File with the key, or - for standard input
        #[arg(long, value_name = "F")]
        key_file: PathBuf,
    },
    /// Look up what is missing of the contacts of a location; reports contacts, calls and money first
    Run(run::Arguments),
    /// Show what enrichment has cost, by provider and month and by location and day
    Spend {
        /// How far back
        #[arg(long, value_name = "DAYS", default_value_t = 62, value_parser = clap::value_parser!(u32).range(1..=400))]
        days: u32,
    },
    /// Take back every value of a provider that no person has edited since
    Undo(Undo),
}

#[derive(Debug, Args)]
pub(super) struct Undo {
    /// Name of the provider
    #[arg(long, value_name = "P")]
    provider: String,
    /// GHL's id of the location
    #[arg(long, value_name = "ID", value_parser = super::id)]
    location: String,
    /// Only values that were found since this time, such as 2026-11-30T09:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
}

pub(super) async fn run(context: Context, command: Command) -> anyhow::Result<Outcome> {
    let all = match providers(&context.config.enrich) {
        Ok(all) => all,
        Err(mistakes) => return Ok(wrong(&mistakes, &context)),
    };
    match command {
        Command::Providers => list(&context, &all).await?,
        Command::Connect { provider, key_file } => connect(&context, &all, &provider, &key_file).await?,
        Command::Run(arguments) => run::run(context, arguments).await?,
        Command::Spend { days } => spend(&context, days).await?,
        Command::Undo(undo) => take_back(&context, &undo).await?,
    }
    Ok(Outcome::Done)
}

fn wrong(mistakes: &ConfigErrors, context: &Context) -> Outcome {
    config::report(mistakes, "a provider of enrichment is wrong", context.output);
    Outcome::WrongUsage
}

fn enricher(config: &Config) -> anyhow::Result<Enricher> {
    Ok(app::enricher(config, &Metrics::new(Clock::system())?)?)
}

async fn list(context: &Context, all: &[Provider]) -> anyhow::Result<()> {
    let order = &context.config.enrich.rules.order;
    // Without a database no key is known; the list is of use all the same.
    let connected: Vec<String> = match open_records(&context.config).await {
        Ok(records) => records.provider_keys().await?.into_iter().map(|key| key.provider).collect(),
        Err(_) => Vec::new(),
    };
    let reported = |provider: &Provider| {
        let place = order.iter().position(|name| *name == provider.name);
        let key = match provider {
            provider if !provider.takes_secret() => "not needed",
            provider if connected.contains(&provider.name) => "connected",
            provider if provider.keyless => "optional",
            _ => "missing",
        };
        json!({
            "name": provider.name, "about": provider.about, "order": place.map(|place| place + 1), "key": key,
            "costs": provider.cost(), "fills": provider.gives().collect::<Vec<_>>(), "sends": provider.sends(),
        })
    };
    let reported: Vec<Value> = all.iter().map(reported).collect();
    let rules = &context.config.enrich.rules;
    let printed = json!({
        "providers": reported, "want": rules.want, "consent": rules.consent.to_string(),
        "providerMonth": rules.provider_month, "locationDay": rules.location_day,
    });
    context.output.print(&printed, |_| {
        let words = |list: &Value| {
            let words: Vec<_> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
        };
        let row = |provider: &Value| {
            let place = provider["order"].as_u64().map_or_else(|| "-".to_owned(), |place| place.to_string());
            let text = |name: &str| provider[name].as_str().unwrap_or_default().to_owned();
            [place, text("name"), text("key"), text("costs"), words(&provider["sends"]), words(&provider["fills"])]
        };
        table(["ORDER", "NAME", "KEY", "COSTS", "SENDS", "FILLS"], &reported.iter().map(row).collect::<Vec<_>>())
    })
}

async fn connect(context: &Context, all: &[Provider], name: &str, file: &PathBuf) -> anyhow::Result<()> {
    let provider = named(all, name)?;
    ensure!(provider.takes_secret(), WrongUsage(format!("--provider {name} takes no key")));
    let mut key = String::new();
    if file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut key).context("the key can't be read from standard input")?;
    } else {
        key = fs::read_to_string(file).with_context(|| format!("can't read {} (--key-file)", file.display()))?;
    }
    let key = key.trim();
    let is_plain = !key.is_empty() && key.len() <= 4096 && key.chars().all(|letter| letter.is_ascii_graphic());
    ensure!(
        is_plain,
        WrongUsage("--key-file must hold the key alone: one word of ASCII, 4,096 bytes at most".to_owned())
    );
    let records = open_records(&context.config).await?;
    enricher(&context.config)?.connect(&records, name, &SecretString::from(key)).await?;
    let is_ordered = context.config.enrich.rules.order.iter().any(|known| known == name);
    context.output.print(&json!({"provider": name, "connected": true, "inOrder": is_ordered}), |_| {
        let next = if is_ordered { "" } else { "; it is asked once enrich.order names it" };
        format!("the key of {name} is stored, sealed{next}")
    })
}

fn named<'a>(all: &'a [Provider], name: &str) -> anyhow::Result<&'a Provider> {
    if let Some(provider) = all.iter().find(|provider| provider.name == name) {
        return Ok(provider);
    }
    let names: Vec<&str> = all.iter().map(|provider| provider.name.as_str()).collect();
    let meant = nearest(name, names.iter().copied());
    let hint =
        meant.map_or_else(|| format!("known are {}", names.join(", ")), |meant| format!("did you mean {meant}?"));
    bail!(WrongUsage(format!("--provider {name:?} is no provider; {hint}")))
}

async fn spend(context: &Context, days: u32) -> anyhow::Result<()> {
    let records = open_records(&context.config).await?;
    let since = Clock::system().now().checked_sub(SignedDuration::from_hours(24 * i64::from(days)))?;
    let all = records.enrich_spend(since.as_millisecond()).await?;
    let rules = &context.config.enrich.rules;
    let reported = json!({"providerMonth": rules.provider_month, "locationDay": rules.location_day, "spend": all});
    context.output.print(&reported, |_| {
        if all.is_empty() {
            return "no provider was called".to_owned();
        }
        let row = |Spend { scope, period, spent, calls, last_at: _ }: &Spend| {
            let ceiling = if scope.starts_with("provider:") { rules.provider_month } else { rules.location_day };
            [period.clone(), scope.clone(), calls.to_string(), spent.to_string(), ceiling.to_string()]
        };
        table(["PERIOD", "OF", "CALLS", "SPENT", "CEILING"], &all.iter().map(row).collect::<Vec<_>>())
    })
}

async fn take_back(context: &Context, undo: &Undo) -> anyhow::Result<()> {
    let records = open_records(&context.config).await?;
    let Undo { provider, location, since } = undo;
    ensure!(
        !records.known_locations(std::slice::from_ref(location)).await?.is_empty(),
        "no such location is connected; `clienty-sync locations list` lists them"
    );
    let since_ms = since.map_or(0, Timestamp::as_millisecond);
    let Undone { contacts, fields, kept } = records.undo_enrichments(location, provider, since_ms).await?;
    let reported =
        json!({"provider": provider, "location": location, "contacts": contacts, "fields": fields, "kept": kept});
    context.output.print(&reported, |_| {
        format!(
            "took back {fields} values of {provider} from {contacts} contacts; {kept} stay, as people have edited them. \
             A worker writes that to GHL"
        )
    })
}

/// A field that enrichment may fill.
fn field(text: &str) -> Result<String, String> {
    if is_fillable(text) { Ok(text.to_owned()) } else { Err("enrichment can't fill this field".to_owned()) }
}

/// What it costs, as people read it.
fn money(amount: Money) -> String {
    if amount == Money::ZERO { "nothing".to_owned() } else { amount.to_string() }
}
