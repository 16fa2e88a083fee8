//! What enrichment asks, of whom, on what ground, and what it has cost.
//!
//! Money is of the whole deployment, so who sees some locations alone does not see it.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::SignedDuration;
use sync_model::money::Money;
use sync_workers::records::Spend;

use super::Console;
use super::frame::{Frame, rendered};
use super::show::{Markup, ago, ago_or_none, grouped, state_as};
use super::trouble::{Trouble, in_time};
use super::visitor::Visitor;
use crate::gateway::Operates;

/// Rows of what was spent.
const ROWS: usize = 100;
/// So far back they go.
const BACK: SignedDuration = SignedDuration::from_hours(24 * 62);

#[derive(Template)]
#[template(path = "console/enrichment.html")]
struct Page {
    frame: Frame,
    lead: String,
    want: String,
    ground: String,
    providers: Vec<Provider>,
    spent: Vec<Row>,
}

struct Provider {
    name: String,
    about: String,
    key: Markup,
    costs: String,
    sends: String,
    fills: String,
}

struct Row {
    period: String,
    of: String,
    calls: String,
    spent: String,
    ceiling: String,
    last: Markup,
}

pub(super) async fn page(visitor: Visitor<Operates>, State(console): State<Console>) -> Result<Response, Trouble> {
    visitor.sees_all()?;
    let records = visitor.records();
    let keys = in_time(records.provider_keys()).await?;
    let connected: HashMap<_, _> = keys.iter().map(|key| (key.provider.as_str(), key.connected_at)).collect();
    let since = visitor.now.checked_sub(BACK).unwrap_or(visitor.now);
    let mut spend = in_time(records.enrich_spend(since.as_millisecond())).await?;
    spend.truncate(ROWS);
    let rules = &console.enricher.rules;
    let providers = console.enricher.providers.iter().map(|provider| Provider {
        name: provider.name.clone(),
        about: provider.about.clone(),
        key: match connected.get(provider.name.as_str()) {
            Some(at) => ago(*at, visitor.now),
            None if !provider.takes_secret() => state_as("off", "not needed"),
            None if provider.keyless => state_as("off", "none, and optional"),
            None => state_as("failing", "missing: it is passed over"),
        },
        costs: if provider.cost() == Money::ZERO { "nothing".to_owned() } else { provider.cost().to_string() },
        sends: listed(&provider.sends()),
        fills: listed(&provider.gives().map(str::to_owned).collect::<Vec<_>>()),
    });
    let providers: Vec<_> = providers.collect();
    let lead = match providers.len() {
        0 => "No provider is asked.".to_owned(),
        1 => "One provider is asked for what is missing of contacts.".to_owned(),
        count => format!("{count} providers are asked in this order, until everything wanted is there."),
    };
    let row = |Spend { scope, period, spent, calls, last_at }: Spend| {
        let (kind, of) = scope.split_once(':').unwrap_or(("", &scope));
        Row {
            period,
            of: if kind == "location" { format!("location {of}") } else { of.to_owned() },
            calls: grouped(u64::try_from(calls).unwrap_or(0)),
            spent: spent.to_string(),
            ceiling: if kind == "location" { rules.location_day } else { rules.provider_month }.to_string(),
            last: ago_or_none(Some(last_at), visitor.now),
        }
    };
    Ok(rendered(&Page {
        frame: visitor.frame("/ui/enrichment", "Enrichment"),
        lead,
        want: rules.want.join(", "),
        ground: rules.consent.to_string(),
        providers,
        spent: spend.into_iter().map(row).collect(),
    }))
}

fn listed(words: &[String]) -> String {
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}
