//! `flows run`: a run by hand, through the ledger like any other.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Parser;
use jiff::Timestamp;
use job_engine::Priority;
use serde_json::{Map, Value, json};
use sync_workers::events::FieldError;
use sync_workers::flows::Flow;
use sync_workers::jobs::new_job;
use sync_workers::records::{DeadRun, FlowRun, Knows, NewRun};
use tokio::time::{Instant, sleep};

use super::super::{Context, Outcome, Output, config};
use crate::app::App;
use crate::config::ConfigErrors;
use crate::flows::begin::{Wanted, knows};
use crate::flows::dry_run::dry_run;
use crate::flows::found;

/// Between two looks at the run.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, Parser)]
pub(in crate::cli) struct Arguments {
    /// Name of the flow, from `flows list`
    name: String,
    /// GHL's id of the location
    #[arg(long, value_name = "ID", value_parser = super::super::id)]
    location: String,
    /// Contact of the run, by any of its ids
    #[arg(long, value_name = "ID", value_parser = super::super::id)]
    contact: Option<String>,
    /// A value of the flow's [set], or of its trigger (event.data.title=…); may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// Show what each step would send, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// How long to wait, in seconds; the run continues afterwards
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,
}

pub(in crate::cli) async fn run(mut context: Context, arguments: Arguments) -> anyhow::Result<Outcome> {
    let Arguments { name, location, contact, settings, dry_run, timeout } = arguments;
    let output = context.output;
    context.config.load_flows()?;
    if let Some(broken) = context.config.flows.broken.iter().find(|broken| broken.name == name) {
        config::report(&ConfigErrors(broken.mistakes.clone()), "the flow is wrong", output);
        return Ok(Outcome::WrongUsage);
    }
    let app = App::open_existing(context.config).await?;
    let found = found::find(&app.records, &name).await?;
    let folder = app.config.flows.dir.display().to_string();
    let found = found.with_context(|| {
        format!("there is no flow {name} in {folder}, nor in the database; `clienty-sync flows list` shows all")
    })?;
    let flow = found.flow().with_context(|| format!("{name} can't be read by this release"))?;
    let wanted = match wanted(&flow, location.clone(), contact.clone(), &settings) {
        Ok(wanted) => wanted,
        Err(mistakes) => return refuse(output, &name, &mistakes),
    };
    let knows = match knows(&flow, &wanted) {
        Ok(knows) => knows,
        Err(mistakes) => {
            let reported = |FieldError { field, message }: FieldError| match field.as_str() {
                "contactId" => format!("--contact {message}"),
                "locationId" => format!("--location {message}"),
                field => format!("--set {} {message}", field.trim_start_matches("set.")),
            };
            return refuse(output, &name, &mistakes.into_iter().map(reported).collect::<Vec<_>>());
        }
    };
    if dry_run {
        return dry(&app, output, &flow, &location, contact.as_deref(), &knows).await;
    }
    ensure!(found.state() == "enabled", "{name} is {}; `clienty-sync flows enable {name}` ends that", found.state());
    let connection = app.records.connection(&location).await?;
    ensure!(
        connection.is_some_and(|connection| connection.is_connected()),
        "no such location is connected: run `clienty-sync connect --location ID --pit-file FILE`"
    );
    let new = NewRun { flow: &flow, location_id: &location, contact_id: contact.as_deref(), knows };
    let Some((id, key)) = app.records.start_flow(new).await? else {
        bail!("no such contact is known here; an event contact.selected fetches it")
    };
    if let Err(error) = app.queue.push(&[new_job(&key, Priority::Interactive)]).await {
        tracing::warn!(%error, "the run's job was not enqueued; the requeuer enqueues it");
    }
    if !app.config.is_distributed() {
        eprintln!("run {id} waits for `clienty-sync up`, which must be running");
    }
    follow(&app, output, &flow, &id, Duration::from_secs(timeout)).await
}

fn refuse(output: Output, name: &str, mistakes: &[String]) -> anyhow::Result<Outcome> {
    let reported = format!("{name} was not started");
    if output.json {
        output.print(&json!({"error": reported, "mistakes": mistakes}), |_| String::new())?;
    }
    eprintln!("clienty-sync: {reported}:");
    mistakes.iter().for_each(|mistake| eprintln!("  {mistake}"));
    Ok(Outcome::WrongUsage)
}

/// What is typed is text; what the flow has otherwise is JSON.
pub(super) fn wanted(
    flow: &Flow,
    location_id: String,
    contact_id: Option<String>,
    settings: &[(String, String)],
) -> Result<Wanted, Vec<String>> {
    let (mut mistakes, mut set, mut event) = (Vec::new(), Map::new(), json!({}));
    for (name, text) in settings {
        if let Some(path) = name.strip_prefix("event.") {
            put(&mut event, path, text);
            continue;
        }
        let value = match flow.set.get(name) {
            Some(Value::String(_)) | None => Value::from(text.as_str()),
            Some(_) => serde_json::from_str(text).unwrap_or(Value::Null),
        };
        match (flow.set.get(name), &value) {
            (Some(like), value) if std::mem::discriminant(like) != std::mem::discriminant(value) => {
                mistakes.push(format!("--set {name} must be JSON of the same type as in the file"));
            }
            (None, _) => {
                let known: Vec<_> = flow.set.keys().map(String::as_str).chain(["event.…"]).collect();
                mistakes.push(format!("--set {name} is not known; known are {}", known.join(", ")));
            }
            _ => drop(set.insert(name.clone(), value)),
        }
    }
    if contact_id.is_none() && flow.needs_contact() && !mistakes.is_empty() {
        mistakes.push("--contact is missing: the flow is about one".to_owned());
    }
    let event = event.as_object().cloned().unwrap_or_default();
    if mistakes.is_empty() { Ok(Wanted { location_id, contact_id, set, event }) } else { Err(mistakes) }
}

fn put(event: &mut Value, path: &str, text: &str) {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let Some(members) = event.as_object_mut() else { return };
    match rest {
        None => drop(members.insert(name.to_owned(), text.into())),
        Some(rest) => {
            let below = members.entry(name).or_insert_with(|| json!({}));
            if !below.is_object() {
                *below = json!({});
            }
            put(below, rest, text);
        }
    }
}

/// What each step would send.
async fn dry(
    app: &App,
    output: Output,
    flow: &Flow,
    location: &str,
    contact: Option<&str>,
    knows: &Knows,
) -> anyhow::Result<Outcome> {
    let row = match contact {
        None => None,
        Some(id) => {
            let row = app.records.find_contact(location, id).await?;
            Some(row.context("no such contact is known here; an event contact.selected fetches it")?)
        }
    };
    let dry_run = dry_run(&app.records, app.clock.now(), flow, location, row.as_ref(), knows).await?;
    let reported = json!({"flow": flow.name, "onlyIf": dry_run.would_begin, "steps": dry_run.steps});
    output.print(&reported, |_| {
        let begins = (dry_run.would_begin == Some(false))
            .then(|| "its conditions do not hold: a run would end at once".to_owned());
        begins.into_iter().chain(dry_run.steps.iter().map(report)).collect::<Vec<_>>().join("\n")
    })?;
    Ok(if dry_run.is_wrong() { Outcome::Failed } else { Outcome::Done })
}

/// The step in a sentence, and what it would send below it.
fn report(step: &Value) -> String {
    let sends = match (&step["event"], &step["call"]) {
        (Value::Object(_), _) => format!("\n{:<17}event {}", "", step["event"]),
        (_, Value::Object(call)) => {
            format!("\n{:<17}call  {} {}", "", call["operation"].as_str().unwrap_or_default(), call["wish"])
        }
        _ => String::new(),
    };
    let mistakes = step["mistakes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mistakes: String = mistakes.map(|mistake| format!("\n{:<17}wrong: {mistake}", "")).collect();
    let text = |name: &str| step[name].as_str().unwrap_or_default();
    format!("{:<16} {}{sends}{mistakes}", text("step"), text("sentence"))
}

/// The state of a run, as the command shows it.
enum Standing {
    Ended(String),
    WaitsUntil(Timestamp),
    Dead(DeadRun),
    UnderWay,
}

async fn look(app: &App, id: &str) -> anyhow::Result<(FlowRun, Standing)> {
    // First, as a run may die or go on meanwhile, but never ends with a dead job.
    let dead = app.records.dead_flow_runs().await?.into_iter().find(|dead| dead.run == id);
    let run = app.records.flow_run(id).await?.context("the run was deleted")?;
    let standing = match (&run.outcome, dead, run.wait_until_ms) {
        (Some(outcome), ..) => Standing::Ended(outcome.clone()),
        (None, Some(dead), _) => Standing::Dead(dead),
        (None, None, Some(until)) => Standing::WaitsUntil(Timestamp::from_millisecond(until)?),
        (None, None, None) => Standing::UnderWay,
    };
    Ok((run, standing))
}

/// Prints a line for each step that is over, and how the run stands once there is nothing more to wait for.
async fn follow(app: &App, output: Output, flow: &Flow, id: &str, patience: Duration) -> anyhow::Result<Outcome> {
    let deadline = Instant::now() + patience;
    let mut reported = 0;
    loop {
        let (run, standing) = look(app, id).await?;
        let lines: Vec<_> = run
            .log
            .iter()
            .map(|logged| (flow.title(logged.step), if logged.done { "done" } else { "skipped" }))
            .collect();
        if !output.json {
            for (step, outcome) in lines.iter().skip(reported) {
                output.print(&Value::Null, |_| format!("{step:<16} {outcome}"))?;
            }
            reported = lines.len();
        }
        let steps: Vec<_> = lines.iter().map(|(step, outcome)| json!({"step": step, "outcome": outcome})).collect();
        let mut document = json!({"runId": id, "flow": flow.name, "steps": steps});
        let step = flow.title(run.step);
        let (state, line, outcome) = match standing {
            Standing::UnderWay if Instant::now() < deadline => {
                sleep(LOOK).await;
                continue;
            }
            Standing::UnderWay => bail!(
                "run {id} has not ended within {} s; it continues, and `clienty-sync jobs list` shows what it waits for",
                patience.as_secs()
            ),
            Standing::Ended(outcome) => (outcome.clone(), format!("run {id} is {outcome}"), Outcome::Done),
            Standing::WaitsUntil(until) => {
                document["waitsUntil"] = json!(until);
                (
                    "waiting".to_owned(),
                    format!("{step:<16} waits until {until:.0}; the run goes on by itself"),
                    Outcome::Done,
                )
            }
            Standing::Dead(DeadRun { job, reason, .. }) => {
                let reason = reason.unwrap_or_else(|| "no reason was kept".to_owned());
                let line = format!(
                    "{step:<16} dead: {reason}\n`clienty-sync jobs retry {job}` goes on from there, `jobs discard` ends the run"
                );
                document["jobId"] = job.into();
                document["error"] = reason.into();
                ("dead".to_owned(), line, Outcome::Failed)
            }
        };
        document["state"] = state.into();
        output.print(&document, |_| line)?;
        return Ok(outcome);
    }
}

pub(super) fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a setting is NAME=VALUE".to_owned()),
    }
}
