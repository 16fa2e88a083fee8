//! `flows`: lists, checks and runs flows.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};
use sync_workers::flows::{Deed, Flow};

use super::table::table;
use super::{Context, Outcome, config, open_records};
use crate::flows;

mod gallery;
mod rehearsal;
mod run;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the flows with their runs in progress, done and dead
    List,
    /// Report every mistake in the flows, with file, line and column
    Check {
        /// Only these files [default: all of CLIENTY_FLOWS_DIR]
        files: Vec<PathBuf>,
    },
    /// List flows to start from: what each does, the scopes it needs, the calls it costs
    Gallery,
    /// Write a flow from a template of the gallery into the folder of flows
    New(gallery::New),
    /// Start a run and show the outcome of each step
    Run(run::Arguments),
}

pub(super) async fn run(context: Context, command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::List => list(context).await,
        Command::Check { files } => check(&context, &files),
        Command::Gallery => gallery::list(context.output),
        Command::New(arguments) => gallery::new(&context, arguments),
        Command::Run(arguments) => run::run(context, arguments).await,
    }
}

fn check(context: &Context, files: &[PathBuf]) -> anyhow::Result<Outcome> {
    let found = if files.is_empty() { flows::load(&context.config.flows.dir) } else { flows::read(files) };
    let flows = match found {
        Ok(flows) => flows,
        Err(mistakes) => {
            config::tell(&mistakes, &format!("{} wrong", mistakes.0.len()), context.output);
            return Ok(Outcome::WrongUsage);
        }
    };
    let names: Vec<_> = flows.iter().map(|flow| &flow.name).collect();
    context.output.print(&json!({"ok": true, "errors": [], "flows": names}), |_| match flows.len() {
        0 => format!("there are no flows in {}", context.config.flows.dir.display()),
        1 => "the flow is fine".to_owned(),
        count => format!("{count} flows are fine"),
    })?;
    Ok(Outcome::Done)
}

async fn list(mut context: Context) -> anyhow::Result<Outcome> {
    if let Err(mistakes) = context.config.load_flows() {
        config::tell(&mistakes, "a flow is wrong", context.output);
        return Ok(Outcome::WrongUsage);
    }
    let records = open_records(&context.config).await?;
    let mut counts = records.flow_counts().await?;
    let mut dead = BTreeMap::<String, Vec<String>>::new();
    for run in records.dead_flow_runs().await? {
        dead.entry(run.flow).or_default().push(run.job);
    }
    let mut listed = Vec::new();
    for flow in &context.config.flows.loaded {
        let (counts, dead) =
            (counts.remove(&flow.name).unwrap_or_default(), dead.remove(&flow.name).unwrap_or_default());
        listed.push(summary(&flow.name, Some(flow), &counts, &dead));
    }
    // Their files are gone; what they began goes on.
    for (name, counts) in counts {
        let dead = dead.remove(&name).unwrap_or_default();
        listed.push(summary(&name, None, &counts, &dead));
    }
    context.output.print(&json!({ "flows": listed }), |_| {
        let rows: Vec<_> = listed.iter().map(row).collect();
        table(["NAME", "ON", "STEPS", "IN PROGRESS", "DONE", "DEAD", "ABOUT"], &rows)
    })?;
    Ok(Outcome::Done)
}

fn summary(name: &str, flow: Option<&Flow>, counts: &BTreeMap<String, i64>, dead: &[String]) -> Value {
    let count = |outcome: &str| counts.get(outcome).copied().unwrap_or(0);
    let steps = flow.map(|flow| (0..flow.steps.len()).map(|index| step(flow, index)).collect::<Vec<_>>());
    json!({
        "name": name,
        "about": flow.map(|flow| &flow.about),
        "on": flow.and_then(Flow::on_words),
        "steps": steps,
        "runs": {
            "underWay": count("underWay") - dead.len() as i64,
            "done": count("done"),
            "dead": dead.len(),
            "skipped": count("skipped"),
            "discarded": count("discarded"),
            "erased": count("erased"),
        },
        "deadJobs": dead,
    })
}

fn step(flow: &Flow, index: usize) -> Value {
    let does = match &flow.steps[index].deed {
        Deed::Wait(_) => json!({"wait": flow.definition["step"][index]["wait"]}),
        Deed::Event(event) => json!({"event": event.event_type}),
        Deed::Call(call) => json!({"call": call.operation}),
    };
    let mut step = json!({"step": flow.title(index)});
    if let (Some(step), Value::Object(does)) = (step.as_object_mut(), does) {
        step.extend(does);
    }
    step
}

fn row(listed: &Value) -> [String; 7] {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let steps = listed["steps"].as_array().map_or_else(|| "file gone".to_owned(), |steps| steps.len().to_string());
    let on = listed["on"].as_str().unwrap_or("started by hand").to_owned();
    let runs = |outcome: &str| listed["runs"][outcome].to_string();
    [text(&listed["name"]), on, steps, runs("underWay"), runs("done"), runs("dead"), text(&listed["about"])]
}
