//! `catalog call`: an operation as a job, and GHL's answer.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser;
use ghl::catalog::Wish;
use serde_json::{Map, Value, json};
use sync_workers::records::{AcceptError, JobState, LedgerEntry, Refusal};
use tokio::time::{Instant, sleep};

use super::super::json_argument::read_json;
use super::super::{Context, Outcome, Output};
use crate::app::App;
use crate::explain;
use crate::triggers::{FieldError, operation};

/// The name of this source in the ledger.
const SOURCE: &str = "cli";
/// Interval at which the job's state is read.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, Parser)]
pub(in crate::cli) struct Arguments {
    /// Name of the action, from `catalog list`
    name: String,
    /// GHL's id of the location to call it for
    #[arg(long, value_name = "ID", value_parser = super::super::id)]
    location: String,
    /// A parameter of path or query; repeat it for each parameter and each item of a list
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, String)>,
    /// Body as JSON; `@FILE` reads a file, `-` standard input
    #[arg(long, value_name = "JSON")]
    body: Option<String>,
    /// Version of GHL's API [default: the operation's first]
    #[arg(long = "api-version", value_name = "VERSION")]
    api_version: Option<String>,
    /// Confirm a call that can't be undone: a message, a payment, a post
    #[arg(long, visible_alias = "yes")]
    confirm: bool,
    /// Wait for the answer; this is the default
    #[arg(long, overrides_with = "no_wait")]
    wait: bool,
    /// Print the job's id and do not wait
    #[arg(long)]
    no_wait: bool,
    /// How long to wait, in seconds; the job continues afterwards
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,
}

pub(in crate::cli) async fn run(context: Context, arguments: Arguments) -> anyhow::Result<Outcome> {
    let Arguments { name, location, parameters, body, api_version, confirm, wait: _, no_wait, timeout } = arguments;
    let body = body.as_deref().map(|body| read_json(body, "--body")).transpose()?;
    let request = Wish {
        location_id: location,
        version: api_version,
        parameters: gathered(parameters),
        body,
        confirmed: confirm,
    };
    let output = context.output;
    let trigger = match operation::call(&name, request, SOURCE, None) {
        Ok(trigger) => trigger,
        Err(mistakes) => return refuse(output, &name, &mistakes),
    };
    let app = App::open_existing(context.config).await?;
    let accepted = match app.producer().send(&[trigger]).await {
        Ok(accepted) => accepted,
        Err(AcceptError::Refused(Refusal { field: "locationId", .. })) => {
            bail!("no such location is connected: run `clienty-sync connect --location ID --pit-file FILE`")
        }
        Err(error) => return Err(error.into()),
    };
    let id = accepted.into_iter().next().context("the ledger stored the call and returned no job")?.job_id;
    if no_wait {
        output
            .print(&json!({ "jobId": id }), |_| format!("job {id}; `clienty-sync jobs show {id}` shows its state"))?;
        return Ok(Outcome::Done);
    }
    if !app.config.is_distributed() {
        eprintln!("job {id} waits for `clienty-sync up`, which must be running");
    }
    let job = ended(&app, &id, Duration::from_secs(timeout)).await?;
    report(&app, output, &job).await
}

/// The job once it is done or dead.
async fn ended(app: &App, id: &str, patience: Duration) -> anyhow::Result<LedgerEntry> {
    let deadline = Instant::now() + patience;
    loop {
        let job = app.records.job(id).await?.context("the job was deleted")?;
        if job.state.is_over() {
            return Ok(job);
        }
        if Instant::now() >= deadline {
            let queue = app.config.is_distributed().then_some(&app.queue).ok_or_else(explain::elsewhere);
            let why = explain::why(&job, queue).await.unwrap_or_else(|| "a worker runs it".to_owned());
            bail!(
                "job {id} has not ended within {} s: {why}. It continues; `clienty-sync jobs show {id}` shows its state",
                patience.as_secs()
            );
        }
        sleep(LOOK).await;
    }
}

async fn report(app: &App, output: Output, job: &LedgerEntry) -> anyhow::Result<Outcome> {
    if job.state == JobState::Dead {
        let reason = job.last_error.as_deref().unwrap_or("no reason is stored");
        output.print(&json!({"jobId": job.id, "state": job.state, "error": reason}), |_| String::new())?;
        eprintln!("clienty-sync: job {} is a dead letter: {reason}", job.id);
        return Ok(Outcome::Failed);
    }
    if let Some(discarded) = &job.discarded {
        let reason = format!("{} discarded it: {}", discarded.by, discarded.why);
        output.print(&json!({"jobId": job.id, "state": job.state, "error": reason}), |_| String::new())?;
        eprintln!("clienty-sync: job {} was not done: {reason}", job.id);
        return Ok(Outcome::Failed);
    }
    let reply = app.records.reply(&job.id).await?.unwrap_or(Value::Null);
    output.print(&json!({"jobId": job.id, "state": job.state, "reply": reply}), |_| {
        serde_json::to_string_pretty(&reply["body"]).unwrap_or_default()
    })?;
    Ok(Outcome::Done)
}

fn refuse(output: Output, name: &str, mistakes: &[FieldError]) -> anyhow::Result<Outcome> {
    let each = |mistake: &FieldError| json!({"field": mistake.field, "message": mistake.message});
    let reported = format!("{name} was not called: {} wrong", mistakes.len());
    if output.json {
        let list: Vec<_> = mistakes.iter().map(each).collect();
        output.print(&json!({"error": reported, "mistakes": list}), |_| String::new())?;
    }
    eprintln!("clienty-sync: {reported}");
    for FieldError { field, message } in mistakes {
        let field = if field == "operation" { name } else { field };
        eprintln!("  {field} {message}");
    }
    Ok(Outcome::WrongUsage)
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a parameter is NAME=VALUE".to_owned()),
    }
}

/// A parameter that is given once is a text, a repeated one a list.
fn gathered(parameters: Vec<(String, String)>) -> Map<String, Value> {
    let mut gathered = Map::new();
    for (name, value) in parameters {
        let value = Value::from(value);
        match gathered.get_mut(&name) {
            None => drop(gathered.insert(name, value)),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = json!([first.take(), value]),
        }
    }
    gathered
}
