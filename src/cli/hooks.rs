//! `hooks`: addresses that get changes over HTTP.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sync_model::clock::Clock;
use sync_workers::hooks::{Hooks, Made, OVERLAP, read_message_id};
use sync_workers::records::hook_event::Filters;
use sync_workers::records::{Hook, HookKind, NewHook};
use sync_workers::signing::Signature;

use super::table::table;
use super::{Context, Outcome, WrongUsage, open_records};
use crate::app;
use crate::metrics::Metrics;

mod edit;
mod listen;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    #[command(flatten)]
    Manage(Manage),
    /// Receive messages on this machine, verify and print them, until interrupted
    Listen(listen::Listen),
}

/// What is done in the database, whose workers send the messages.
#[derive(Debug, Subcommand)]
pub(super) enum Manage {
    /// List all hooks
    List,
    /// Create a hook; its secret is shown only once
    Create(Create),
    /// Change the address or the filters of a hook; unsent messages keep their order
    Edit {
        /// Id of the hook, from `hooks list`
        id: String,
        #[command(flatten)]
        changes: edit::Changes,
    },
    /// Show one hook
    Show {
        /// Id of the hook, from `hooks list`
        id: String,
    },
    /// Send one signed test message now; exit code 1 if the receiver does not accept it
    Test {
        /// Id of the hook, from `hooks list`
        id: String,
        /// Event of the test message [default: the hook's first]
        #[arg(long)]
        event: Option<String>,
    },
    /// List the messages of a hook, sent and unsent, newest first
    Deliveries {
        /// Id of the hook, from `hooks list`
        id: String,
        /// Only messages in this state
        #[arg(long, value_enum)]
        state: Option<State>,
        /// Maximum number of messages
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Send a message again, whatever its state
    Resend {
        /// Id of the message, from `hooks deliveries`
        message: String,
    },
    /// Send a hook the messages again that it did not receive
    Recover {
        /// Id of the hook, from `hooks list`
        id: String,
        /// Since this time, such as 2026-11-30T09:00:00Z
        #[arg(long, value_name = "TIME")]
        since: Timestamp,
    },
    /// Give a hook a new secret; the old one signs too until the overlap ends
    Rotate {
        /// Id of the hook, from `hooks list`
        id: String,
        /// Hours of overlap [default: 24]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=720))]
        overlap_hours: Option<u32>,
    },
    /// Stop sending to a hook until it is enabled
    Disable {
        /// Id of the hook, from `hooks list`
        id: String,
    },
    /// Send to a hook again, including what it missed
    Enable {
        /// Id of the hook, from `hooks list`
        id: String,
    },
    /// Delete a hook and its unsent messages
    Delete {
        /// Id of the hook, from `hooks list`
        id: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Address that gets the messages
    #[arg(long)]
    url: String,
    /// Event to send: a name, `contact.*` or `*`; may be given several times
    #[arg(long = "event", value_name = "EVENT", required = true)]
    events: Vec<String>,
    /// Only events of this location; may be given several times
    #[arg(long = "location", value_name = "ID", value_parser = super::id)]
    locations: Vec<String>,
    /// Only updates that change this field; may be given several times
    #[arg(long = "field", value_name = "NAME")]
    fields: Vec<String>,
    /// Do not send changes that events of this API key made
    #[arg(long, value_name = "ID")]
    ignore_key: Option<String>,
    /// Send changes that imports find, too
    #[arg(long)]
    imports: bool,
    /// Sign with a private key, so that the receiver needs only a public key
    #[arg(long)]
    public_key: bool,
    /// Description of the hook
    #[arg(long)]
    description: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum State {
    Open,
    Sent,
    Failed,
    Dropped,
}

pub(super) async fn run(context: Context, command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Manage(command) => manage(context, command).await,
        Command::Listen(args) => listen::listen(context, args).await,
    }
}

async fn manage(context: Context, command: Manage) -> anyhow::Result<Outcome> {
    let records = open_records(&context.config).await?;
    let clock = Clock::system();
    let hooks = app::hooks(&context.config, &records, &clock, &Metrics::new(clock.clone())?)?;
    let output = context.output;
    match command {
        Manage::List => {
            let all = all(&hooks).await?;
            output.print(&json!({ "hooks": all }), |_| match all.is_empty() {
                true => "there are no hooks; `clienty-sync hooks create` creates one".to_owned(),
                false => table(["ID", "STATE", "EVENTS", "URL"], &all.iter().map(row).collect::<Vec<_>>()),
            })?;
        }
        Manage::Create(create) => {
            let made = hooks.create(new(create, context.config.operator.as_deref())?).await?;
            output.print(&reported(&made), |_| shown_once(&made))?;
        }
        Manage::Edit { id, changes } => {
            let hook = hooks.edit(&id, changes.edit()?).await?.with_context(|| unknown(&id))?;
            output.print(&json!(hook), in_lines)?;
        }
        Manage::Show { id } => output.print(&json!(hook(&hooks, &id).await?), in_lines)?,
        Manage::Test { id, event } => {
            let trial = hooks.try_out(&id, event.as_deref()).await?.with_context(|| unknown(&id))?;
            output.print(&json!(trial), in_lines)?;
            return Ok(if trial.taken { Outcome::Done } else { Outcome::Failed });
        }
        Manage::Deliveries { id, state, limit } => {
            let hook = hook(&hooks, &id).await?;
            let state = state.map(|state| match state {
                State::Open => "open",
                State::Sent => "sent",
                State::Failed => "failed",
                State::Dropped => "dropped",
            });
            let page = records.list_deliveries(&id, state, None, i64::from(limit)).await?;
            let reported = hooks.explained(&hook, &page.items).await;
            output.print(&json!({ "deliveries": reported }), |_| {
                table(["MESSAGE", "EVENT", "STATE", "TRIES", "WHY"], &reported.iter().map(delivery).collect::<Vec<_>>())
            })?;
        }
        Manage::Resend { message } => {
            let (id, sequence) = read_message_id(&message).with_context(|| unknown_message(&message))?;
            ensure!(hooks.resend(id, sequence).await?, unknown_message(&message));
            output
                .print(&json!({"id": message, "resent": true}), |_| format!("a worker sends {message} again soon"))?;
        }
        Manage::Recover { id, since } => {
            let recovered = hooks.recover(&id, since).await?.with_context(|| unknown(&id))?;
            output.print(&json!(recovered), |_| {
                format!("{} changes since {since}; a worker sends those that did not arrive", recovered.changes)
            })?;
        }
        Manage::Rotate { id, overlap_hours } => {
            let overlap = overlap_hours.map_or(OVERLAP, |hours| Duration::from_secs(u64::from(hours) * 3600));
            let made = hooks.rotate(&id, overlap).await?.with_context(|| unknown(&id))?;
            output.print(&reported(&made), |_| shown_once(&made))?;
        }
        Manage::Disable { id } => {
            records.disable_hook(&id, "by request").await?;
            output.print(&json!(hook(&hooks, &id).await?), |_| format!("{id} is disabled"))?;
        }
        Manage::Enable { id } => {
            let hook = hooks.enable(&id).await?.with_context(|| unknown(&id))?;
            output.print(&json!(hook), |_| format!("{id} is enabled; a worker sends what it missed"))?;
        }
        Manage::Delete { id } => {
            ensure!(records.delete_hook(&id).await?, unknown(&id));
            output.print(&json!({"id": id, "deleted": true}), |_| format!("{id} is deleted"))?;
        }
    }
    Ok(Outcome::Done)
}

/// A message as `jobs explain` shows it: its changes, sent or unsent.
pub(super) async fn explain(context: &Context, id: &str, hook_id: &str, message: i64) -> anyhow::Result<Outcome> {
    let records = open_records(&context.config).await?;
    let clock = Clock::system();
    let hooks = app::hooks(&context.config, &records, &clock, &Metrics::new(clock.clone())?)?;
    let deliveries = records.deliveries_of_message(hook_id, message).await?;
    ensure!(!deliveries.is_empty(), unknown_message(id));
    let reported = hooks.explained(&hook(&hooks, hook_id).await?, &deliveries).await;
    context.output.print(&json!({"id": id, "hookId": hook_id, "deliveries": reported}), |_| {
        reported.iter().map(in_lines).collect::<Vec<_>>().join("\n\n")
    })?;
    Ok(Outcome::Done)
}

async fn all(hooks: &Hooks) -> anyhow::Result<Vec<Hook>> {
    const PAGE: i64 = 500;
    let mut all: Vec<Hook> = Vec::new();
    loop {
        let page = hooks.records.list_hooks(all.last().map(|hook| hook.id.as_str()), PAGE).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

async fn hook(hooks: &Hooks, id: &str) -> anyhow::Result<Hook> {
    hooks.records.hook(id).await?.with_context(|| unknown(id))
}

fn new(create: Create, operator: Option<&str>) -> Result<NewHook, WrongUsage> {
    let Create { url, events, locations, fields, ignore_key, imports, public_key, description } = create;
    let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
    Ok(NewHook {
        url,
        kind: HookKind::Webhook,
        events: Filters::new(events).map_err(|message| WrongUsage(format!("--event {message}")))?,
        locations: some(locations),
        fields: some(fields),
        signature: if public_key { Signature::V1a } else { Signature::V1 },
        ignore_own: ignore_key.is_some(),
        include_imports: imports,
        key_id: ignore_key,
        created_by: format!("cli:{}", operator.unwrap_or_default()),
        description,
    })
}

fn reported(Made { hook, verifier }: &Made) -> Value {
    let mut reported = json!(hook);
    reported[verifier_name(verifier.expose_secret())] = verifier.expose_secret().into();
    reported
}

fn verifier_name(verifier: &str) -> &'static str {
    if verifier.starts_with("whpk_") { "publicKey" } else { "secret" }
}

fn shown_once(Made { hook, verifier }: &Made) -> String {
    format!(
        "{}\n\nThe receiver verifies messages of {} with this. It is shown only once.",
        verifier.expose_secret(),
        hook.id
    )
}

fn row(hook: &Hook) -> [String; 4] {
    let state = match (&hook.disabled_why, hook.failing_since) {
        (Some(_), _) => "disabled",
        (None, Some(_)) => "failing",
        (None, None) => "active",
    };
    [hook.id.clone(), state.to_owned(), hook.events.texts().join(","), hook.url.clone()]
}

fn delivery(reported: &Value) -> [String; 5] {
    let text = |name: &str| reported[name].as_str().unwrap_or_default().to_owned();
    [text("id"), text("event"), text("state"), reported["attempts"].to_string(), text("why")]
}

/// The fields that are not null, one a line.
fn in_lines(shown: &Value) -> String {
    let fields = shown.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let lines = fields.map(|(name, value)| match value {
        Value::String(text) => format!("{name:<14} {text}"),
        Value::Array(items) => {
            format!("{name:<14} {}", items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "))
        }
        other => format!("{name:<14} {other}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn unknown(id: &str) -> String {
    format!("there is no hook {id}; `clienty-sync hooks list` lists all")
}

fn unknown_message(id: &str) -> String {
    format!("there is no message {id}; `clienty-sync hooks deliveries` lists those of a hook")
}
