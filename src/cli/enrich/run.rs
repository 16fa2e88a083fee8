//! `enrich run`: looks up the contacts of a location, after it has reported how many, with how many calls, and for how much money at most.

use std::collections::BTreeMap;

use anyhow::ensure;
use clap::Parser;
use job_engine::Priority;
use serde::Serialize;
use serde_json::{Map, json};
use sync_model::money::Money;
use sync_workers::enrich::{Enricher, Keys};
use sync_workers::events::ENRICH;
use sync_workers::events::{IncomingEvent, NewEvent};
use sync_workers::records::{Action, AuditAct, Change, ContactRow, JobKind, KnownAnswer, ListQuery, Records};

use super::super::Context;
use crate::app::App;

/// The name of this source in the ledger.
const SOURCE: &str = "cli";
/// Contacts of one look, and events of one transaction.
const PAGE: u32 = 100;

#[derive(Debug, Parser)]
pub(in crate::cli) struct Arguments {
    /// GHL's id of the location
    #[arg(long, value_name = "ID", value_parser = super::super::id)]
    location: String,
    /// Only contacts that lack this field [default: any of enrich.want]
    #[arg(long, value_name = "FIELD", value_parser = super::field)]
    missing: Option<String>,
    /// Contacts at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Report contacts, calls and money, and look nothing up
    #[arg(long)]
    dry_run: bool,
}

/// What a run would do.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Plan {
    /// Contacts that would be looked up.
    contacts: u64,
    /// Contacts that lack something and must not be looked up: no consent, or not to be disturbed.
    withheld: u64,
    /// Calls at most.
    calls: u64,
    /// What they cost at most.
    money: Money,
    /// The same by provider.
    providers: BTreeMap<String, OfProvider>,
    #[serde(skip)]
    ids: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
struct OfProvider {
    calls: u64,
    money: Money,
}

pub(super) async fn run(context: Context, arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { location, missing, limit, dry_run } = arguments;
    let output = context.output;
    let app = App::open_existing(context.config).await?;
    let connection = app.records.connection(&location).await?;
    ensure!(
        connection.is_some_and(|connection| connection.is_connected()),
        "no such location is connected: run `clienty-sync connect --location ID --pit-file FILE`"
    );
    let plan = plan(&app.records, &app.enricher, &location, missing.as_deref(), limit).await?;
    let rules = &app.enricher.rules;
    let said = format!(
        "{} contacts, at most {} calls, at most {} (ceilings: {} a provider and month, {} for the location today){}",
        plan.contacts,
        plan.calls,
        super::money(plan.money),
        rules.provider_month,
        rules.location_day,
        match plan.withheld {
            0 => String::new(),
            withheld =>
                format!("; {withheld} more are not looked up: they lack {} or are not to be disturbed", rules.consent),
        }
    );
    let mut accepted = 0;
    if !dry_run {
        eprintln!("{said}");
        let act = AuditAct::new(Action::EnrichRun).at(&location);
        app.records.note_act(act.with(json!({"contacts": plan.contacts, "calls": plan.calls}))).await?;
        let producer = app.producer();
        for ids in plan.ids.chunks(usize::try_from(PAGE)?) {
            let triggers: Vec<IncomingEvent> = ids.iter().map(|id| trigger(&location, id)).collect();
            accepted += producer.send(&triggers).await?.len();
        }
    }
    let (provider_month, location_day) = (rules.provider_month, rules.location_day);
    let reported = json!({
        "location": location, "dryRun": dry_run, "accepted": accepted, "plan": plan,
        "providerMonth": provider_month, "locationDay": location_day,
    });
    output.print(&reported, |_| match dry_run {
        true => said,
        false => format!(
            "{accepted} contacts wait to be looked up; `clienty-sync jobs list --kind enrich_contact` shows them"
        ),
    })
}

fn trigger(location: &str, contact: &str) -> IncomingEvent {
    let event = NewEvent {
        id: None,
        source: SOURCE.to_owned(),
        occurred_at: None,
        event_type: ENRICH.to_owned(),
        location_id: location.to_owned(),
        contact_id: Some(contact.to_owned()),
        data: Map::new().into(),
    };
    let change = Change::None { record_id: contact.to_owned() };
    IncomingEvent { event, kind: JobKind::EnrichContact, priority: Priority::Bulk, change }
}

async fn plan(
    records: &Records,
    enricher: &Enricher,
    location: &str,
    missing: Option<&str>,
    limit: Option<u32>,
) -> anyhow::Result<Plan> {
    let mut plan = Plan::default();
    let mut query = ListQuery { limit: PAGE, ..ListQuery::default() };
    let most = limit.map_or(u64::MAX, u64::from);
    loop {
        let page = records.list_contacts(location, &query).await?;
        for shown in &page.items {
            if plan.contacts >= most {
                return Ok(plan);
            }
            let row = records.find_contact(location, &shown.record.id).await?;
            if let Some(row) = row.filter(ContactRow::is_visible) {
                add(&mut plan, records, enricher, &row, missing).await?;
            }
        }
        match page.next_cursor {
            Some(cursor) => query.cursor = Some(cursor),
            None => return Ok(plan),
        }
    }
}

async fn add(
    plan: &mut Plan,
    records: &Records,
    enricher: &Enricher,
    row: &ContactRow,
    missing: Option<&str>,
) -> anyhow::Result<()> {
    let rules = &enricher.rules;
    let open = records.open_fields(row, &rules.want, rules.overwrite).await?;
    if open.is_empty() || missing.is_some_and(|field| !open.iter().any(|open| open == field)) {
        return Ok(());
    }
    if rules.withheld(&row.doc).is_some() {
        plan.withheld += 1;
        return Ok(());
    }
    let keys = Keys::of(&row.doc);
    let mut is_asked = false;
    for provider in enricher.providers.iter() {
        let gives = provider.gives().any(|name| open.iter().any(|open| open == name));
        if !gives || !provider.can_ask(&keys) {
            continue;
        }
        is_asked = true;
        let names = enricher.cache_names(provider, &row.location_id, &keys);
        if !provider.calls() || records.known_answer(&names).await? != KnownAnswer::None {
            continue;
        }
        let one = plan.providers.entry(provider.name.clone()).or_default();
        one.calls += 1;
        one.money = one.money.plus(provider.cost());
        plan.calls += 1;
        plan.money = plan.money.plus(provider.cost());
    }
    if is_asked {
        plan.contacts += 1;
        plan.ids.push(row.contact_id.clone());
    }
    Ok(())
}
