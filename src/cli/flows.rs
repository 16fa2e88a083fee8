//! `flows`: lists, checks, runs and keeps flows. What the HTTP API does under /v1/flows, for whoever has the database.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::Subcommand;
use serde_json::{Value, json};
use sync_workers::records::{Expected, KeptFlow, NewVersion, NoChange, Records};

use super::table::table;
use super::{Context, Outcome, config, open_records};
use crate::flows::found::{self, Found};
use crate::flows::{self, Mistake, parse_beside, stem, with_scripts};

mod backtest;
mod gallery;
mod run;
mod runs;
mod secret;
mod trial;

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
    /// Show what each placeholder, pipe and condition of a flow makes of a contact, without any call
    Try(trial::Try),
    /// Run the tests of flows, for CI: exit 0 if all pass, else 1 with file, line, expected and got of each failure
    Test {
        /// Files of tests [default: all *.test.toml of CLIENTY_FLOWS_DIR]
        files: Vec<PathBuf>,
    },
    /// Start a run and show the outcome of each step
    Run(run::Arguments),
    /// Show how often a flow would have run in the last days, and the calls of GHL; sends nothing
    Backtest(backtest::Arguments),
    /// List runs, newest first
    Runs(runs::Arguments),
    /// Show what became of each step of a run, and what it waits for
    Show {
        /// From `flows runs`
        run: String,
    },
    /// End a run where it is: no further step begins
    Stop {
        /// From `flows runs`
        run: String,
    },
    /// Keep these files as flows in the database, where they are in force at once
    Push {
        /// Each is the flow of its name
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Let them start no runs until they are enabled
        #[arg(long)]
        disabled: bool,
        /// Only if the flow is still in this state, as `flows pull --json` shows it
        #[arg(long, value_name = "ETAG")]
        if_match: Option<String>,
    },
    /// Print a flow of the database
    Pull {
        /// From `flows list`
        name: String,
        /// As that version says it [default: the one in force]
        #[arg(long, value_name = "N")]
        version: Option<i64>,
        /// Into this file instead
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Let a flow start runs again
    Enable {
        /// From `flows list`
        name: String,
    },
    /// Let a flow start no runs; those under way end as they would
    Disable {
        /// From `flows list`
        name: String,
        /// End the runs that are under way, too
        #[arg(long)]
        stop: bool,
        /// For people
        #[arg(long)]
        why: Option<String>,
    },
    /// Delete a flow of the database; its versions and its runs stay
    Delete {
        /// From `flows list`
        name: String,
    },
    /// Secrets that HTTP steps use: store, list and forget
    #[command(subcommand)]
    Secret(secret::Command),
    /// List the versions of a flow, newest first
    History {
        /// From `flows list`
        name: String,
    },
}

pub(super) async fn run(context: Context, command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::List => list(context).await,
        Command::Check { files } => check(&context, &files),
        Command::Gallery => gallery::list(context.output),
        Command::New(arguments) => gallery::new(&context, arguments),
        Command::Try(arguments) => trial::try_out(&context, arguments),
        Command::Test { files } => trial::test(&context, files),
        Command::Run(arguments) => run::run(context, arguments).await,
        Command::Backtest(arguments) => backtest::run(context, arguments).await,
        Command::Runs(arguments) => runs::list(context, arguments).await,
        Command::Show { run } => runs::show(context, &run).await,
        Command::Stop { run } => runs::stop(context, &run).await,
        Command::Push { files, disabled, if_match } => push(context, &files, disabled, if_match).await,
        Command::Pull { name, version, output } => pull(context, &name, version, output.as_deref()).await,
        Command::Enable { name } => switch(context, &name, true, None, false).await,
        Command::Disable { name, stop, why } => switch(context, &name, false, why.as_deref(), stop).await,
        Command::Delete { name } => delete(context, &name).await,
        Command::Secret(command) => secret::run(context, command).await,
        Command::History { name } => history(context, &name).await,
    }
}

fn check(context: &Context, files: &[PathBuf]) -> anyhow::Result<Outcome> {
    let loaded = match files {
        [] => flows::load(&context.config.flows.dir)?,
        files => flows::read(files),
    };
    let mistakes = loaded.mistakes();
    if !mistakes.0.is_empty() {
        config::report(&mistakes, &format!("{} wrong", mistakes.0.len()), context.output);
        return Ok(Outcome::WrongUsage);
    }
    let names: Vec<_> = loaded.flows.iter().map(|flow| &flow.name).collect();
    context.output.print(&json!({"ok": true, "errors": [], "flows": names}), |_| match names.len() {
        0 => format!("there are no flows in {}", context.config.flows.dir.display()),
        1 => "the flow is fine".to_owned(),
        count => format!("{count} flows are fine"),
    })?;
    Ok(Outcome::Done)
}

/// The records, with the flows of files that a process of these settings would have.
async fn records_and_files(context: &mut Context) -> anyhow::Result<Records> {
    context.config.load_flows()?;
    open_records(&context.config).await
}

async fn list(mut context: Context) -> anyhow::Result<Outcome> {
    let records = records_and_files(&mut context).await?;
    let mut counts = records.flow_counts().await?;
    let mut dead = BTreeMap::<String, Vec<String>>::new();
    for run in records.dead_flow_runs().await? {
        dead.entry(run.flow).or_default().push(run.job);
    }
    let mut listed = Vec::new();
    for found in found::all(&records).await? {
        let name = found.name().to_owned();
        let (counts, dead) = (counts.remove(&name).unwrap_or_default(), dead.remove(&name).unwrap_or_default());
        listed.push(summary(found.reported(), &counts, &dead));
    }
    // They are gone; what they began goes on.
    for (name, counts) in counts {
        let dead = dead.remove(&name).unwrap_or_default();
        let gone = json!({"name": name, "state": "gone", "source": null, "about": null, "on": null, "steps": null});
        listed.push(summary(gone, &counts, &dead));
    }
    context.output.print(&json!({ "flows": listed }), |_| {
        let rows: Vec<_> = listed.iter().map(row).collect();
        table(["NAME", "STATE", "VERSION", "ON", "STEPS", "IN PROGRESS", "DONE", "DEAD", "ABOUT"], &rows)
    })?;
    for listed in &listed {
        for mistake in listed["mistakes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            eprintln!("clienty-sync: {mistake}");
        }
    }
    Ok(Outcome::Done)
}

fn summary(mut reported: Value, counts: &BTreeMap<String, i64>, dead: &[String]) -> Value {
    let count = |outcome: &str| counts.get(outcome).copied().unwrap_or(0);
    reported["runs"] = json!({
        "underWay": count("underWay") - i64::try_from(dead.len()).unwrap_or(0),
        "done": count("done"),
        "dead": dead.len(),
        "skipped": count("skipped"),
        "stopped": count("stopped"),
        "discarded": count("discarded"),
        "erased": count("erased"),
    });
    reported["deadJobs"] = json!(dead);
    reported
}

fn row(listed: &Value) -> [String; 9] {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let steps = listed["steps"].as_array().map_or_else(String::new, |steps| steps.len().to_string());
    let version = listed["version"].as_i64().map_or_else(|| text(&listed["source"]), |version| version.to_string());
    let on = listed["on"].as_str().unwrap_or("started by hand").to_owned();
    let runs = |outcome: &str| listed["runs"][outcome].to_string();
    let (name, state, about) = (text(&listed["name"]), text(&listed["state"]), text(&listed["about"]));
    [name, state, version, on, steps, runs("underWay"), runs("done"), runs("dead"), about]
}

async fn push(
    mut context: Context,
    files: &[PathBuf],
    disabled: bool,
    if_match: Option<String>,
) -> anyhow::Result<Outcome> {
    ensure!(if_match.is_none() || files.len() == 1, "--if-match is the state of one flow: push one file with it");
    let expected = match if_match {
        Some(tag) => Expected::Tagged(vec![tag.trim_matches('"').to_owned()]),
        None => Expected::Anything,
    };
    let (mut texts, mut wrong) = (Vec::new(), Vec::new());
    for file in files {
        let text = fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))?;
        match parse_beside(&stem(file), &text, file.parent()) {
            Ok(flow) => texts.push((flow.clone(), with_scripts(&text, &flow))),
            Err(mistakes) => wrong.extend(mistakes.into_iter().map(|mistake| (file, mistake))),
        }
    }
    if !wrong.is_empty() {
        let errors = wrong.iter().map(|(file, Mistake { line, column, field, message })| {
            json!({"place": format!("{}:{line}:{column}", file.display()), "key": field, "problem": message})
        });
        let errors: Vec<_> = errors.collect();
        if context.output.json {
            context.output.print(&json!({"ok": false, "errors": errors}), |_| String::new())?;
        }
        eprintln!("clienty-sync: {} wrong, so nothing was pushed:", errors.len());
        for error in &errors {
            let text = |name: &str| error[name].as_str().unwrap_or_default();
            eprintln!("{} {}: {}", text("place"), text("key"), text("problem"));
        }
        return Ok(Outcome::WrongUsage);
    }
    let records = records_and_files(&mut context).await?;
    if let Some((flow, _)) = texts.iter().find(|(flow, _)| found::is_file(&records, &flow.name)) {
        bail!(
            "a file of {} is the flow {} already: one name is one flow",
            context.config.flows.dir.display(),
            flow.name
        );
    }
    let mut pushed = Vec::new();
    let secrets = records.flow_secrets().await?;
    for (flow, toml) in &texts {
        for name in flow.secrets() {
            if !secrets.iter().any(|secret| secret.name == name) {
                eprintln!(
                    "clienty-sync: {} needs the secret {name}, which is not stored: `clienty-sync flows secret set {name} --file F`",
                    flow.name
                );
            }
        }
        let enabled = disabled.then_some(false);
        let (kept, is_new) =
            records.put_flow(NewVersion { flow, toml, enabled }, &expected).await.map_err(no_change)?;
        pushed.push(reported(&kept, is_new));
    }
    context.output.print(&json!({ "flows": pushed }), |_| {
        let line = |reported: &Value| {
            let text = |name: &str| reported[name].as_str().unwrap_or_default();
            format!("{} is version {} now, {}", text("name"), reported["version"], text("state"))
        };
        pushed.iter().map(line).collect::<Vec<_>>().join("\n")
    })?;
    Ok(Outcome::Done)
}

fn reported(kept: &KeptFlow, is_new: bool) -> Value {
    let mut reported = Found::Kept(kept.clone()).reported();
    reported["etag"] = kept.tag().into();
    reported["created"] = is_new.into();
    reported
}

fn no_change(error: NoChange) -> anyhow::Error {
    match error {
        NoChange::Otherwise(_) => anyhow::anyhow!("{error}; nothing was changed"),
        error => error.into(),
    }
}

async fn pull(
    mut context: Context,
    name: &str,
    version: Option<i64>,
    output: Option<&Path>,
) -> anyhow::Result<Outcome> {
    let records = records_and_files(&mut context).await?;
    let kept = records.kept_flow(name).await?;
    let toml = match (version, &kept) {
        (Some(version), _) => {
            let text = records.flow_version(name, version).await?;
            text.with_context(|| {
                format!("{name} has no version {version}; `clienty-sync flows history {name}` lists them")
            })?
        }
        (None, Some(kept)) => kept.toml.clone(),
        (None, None) => bail!("there is no flow {name} in the database; `clienty-sync flows list` shows all"),
    };
    if let Some(file) = output {
        fs::write(file, &toml).with_context(|| format!("can't write {}", file.display()))?;
        return Ok(Outcome::Done);
    }
    let version = version.or(kept.as_ref().map(|kept| kept.version));
    let etag = kept.as_ref().map(KeptFlow::tag);
    context.output.print(&json!({"name": name, "version": version, "etag": etag, "toml": toml}), |_| {
        toml.trim_end().to_owned()
    })?;
    Ok(Outcome::Done)
}

async fn switch(
    mut context: Context,
    name: &str,
    enabled: bool,
    why: Option<&str>,
    stops: bool,
) -> anyhow::Result<Outcome> {
    let records = records_and_files(&mut context).await?;
    ensure!(
        !found::is_file(&records, name),
        "{name} is a file of {}: change it there",
        context.config.flows.dir.display()
    );
    let switched = records.enable_flow(name, enabled, why, stops).await?;
    let (kept, stopped) =
        switched.with_context(|| format!("there is no flow {name}; `clienty-sync flows list` shows all"))?;
    let mut shown = reported(&kept, false);
    shown["stoppedRuns"] = stopped.into();
    context.output.print(&shown, |_| {
        let runs = if stops { format!("; {stopped} runs were stopped") } else { String::new() };
        format!("{name} is {}{runs}", if enabled { "enabled" } else { "disabled" })
    })?;
    Ok(Outcome::Done)
}

async fn delete(mut context: Context, name: &str) -> anyhow::Result<Outcome> {
    let records = records_and_files(&mut context).await?;
    ensure!(
        !found::is_file(&records, name),
        "{name} is a file of {}: delete it there",
        context.config.flows.dir.display()
    );
    let deleted = records.delete_flow(name, &Expected::Anything).await.map_err(no_change)?;
    ensure!(deleted, "there is no flow {name}; `clienty-sync flows list` shows all");
    context.output.print(&json!({"name": name, "deleted": true}), |_| {
        format!("{name} is deleted; `clienty-sync flows history {name}` shows its versions")
    })?;
    Ok(Outcome::Done)
}

async fn history(context: Context, name: &str) -> anyhow::Result<Outcome> {
    let records = open_records(&context.config).await?;
    let versions = records.flow_versions(name).await?;
    ensure!(!versions.is_empty(), "there is no flow {name} in the database, and was none");
    context.output.print(&json!({"name": name, "versions": versions}), |_| {
        let row = |version: &sync_workers::records::FlowVersion| {
            let what = if version.deleted { "deleted" } else { "" };
            [version.version.to_string(), format!("{:.0}", version.at), version.author.clone(), what.to_owned()]
        };
        table(["VERSION", "AT", "BY", ""], &versions.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(Outcome::Done)
}
