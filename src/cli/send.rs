//! `send`: an event from the command line, and what becomes of it.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use super::json_argument::read_json;
use super::remote::{self, Remote};
use super::{Context, Outcome, Output, WrongUsage};

/// Interval at which the job's state is read.
const LOOK: Duration = Duration::from_millis(250);

#[derive(Debug, Parser)]
pub(super) struct Args {
    /// Type of the event: contact.selected, contact.updated, task.created, note.created, …
    #[arg(value_name = "TYPE")]
    event_type: String,
    /// GHL's id of the location [default: the only one that the key sees]
    #[arg(long, value_name = "ID", value_parser = super::id)]
    location: Option<String>,
    /// Id of the contact, GHL's or Clienty's
    #[arg(long, value_name = "ID", value_parser = super::id)]
    contact: Option<String>,
    /// A field of the event's data, as text; may be given several times
    #[arg(long = "field", value_name = "NAME=VALUE", value_parser = field)]
    fields: Vec<(String, String)>,
    /// The event's data as JSON; `@FILE` reads a file, `-` standard input
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
    /// Id of the event: the same event sent twice under one id is accepted once
    #[arg(long, value_name = "ID", value_parser = super::id)]
    id: Option<String>,
    /// Wait for the outcome; exit code 1 if the job is dead
    #[arg(long)]
    wait: bool,
    /// How long to wait, in seconds; the job continues afterwards
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,
    #[command(flatten)]
    remote: remote::Arguments,
}

pub(super) async fn run(context: Context, args: Args) -> anyhow::Result<Outcome> {
    let Args { event_type, location, contact, fields, data, id, wait, timeout, remote } = args;
    let mut event = json!({ "type": event_type });
    let data = data_of(fields, data.as_deref())?;
    if !data.is_empty() {
        event["data"] = data.into();
    }
    for (name, value) in [("contactId", contact), ("id", id)] {
        if let Some(value) = value {
            event[name] = value.into();
        }
    }
    let gateway = Remote::new(&context.config, remote)?;
    event["locationId"] = gateway.location(location).await?.into();
    let answer = gateway.submit("/v1/events", &event).await?;
    let accepted = &answer["accepted"][0];
    let job = accepted["jobId"].as_str().context("the gateway accepted the event and returned no job")?;
    if !wait {
        context.output.print(accepted, |accepted| {
            let before = if accepted["duplicate"] == true { ", as it was before" } else { "" };
            format!("accepted{before} as {}\njob {job}", accepted["id"].as_str().unwrap_or_default())
        })?;
        return Ok(Outcome::Done);
    }
    let job = ended(&gateway, job, Duration::from_secs(timeout)).await?;
    report(context.output, accepted, &job)
}

fn data_of(fields: Vec<(String, String)>, data: Option<&str>) -> anyhow::Result<Map<String, Value>> {
    let mut all = match data.map(|data| read_json(data, "--data")).transpose()? {
        None => Map::new(),
        Some(Value::Object(all)) => all,
        Some(_) => return Err(WrongUsage("--data must be an object".to_owned()).into()),
    };
    for (name, value) in fields {
        if all.insert(name.clone(), value.into()).is_some() {
            return Err(WrongUsage(format!("{name} is given twice")).into());
        }
    }
    Ok(all)
}

/// The job once nothing is left to do.
async fn ended(gateway: &Remote, id: &str, patience: Duration) -> anyhow::Result<Value> {
    let deadline = Instant::now() + patience;
    loop {
        let job = gateway.fetch(&format!("/v1/jobs/{id}"), &[], Duration::ZERO).await?;
        if ["done", "dead", "discarded"].iter().any(|state| job["state"] == *state) {
            return Ok(job);
        }
        if Instant::now() >= deadline {
            let why = job["why"].as_str().unwrap_or("a worker runs it");
            bail!(
                "job {id} has not ended within {} s: {why}. It continues; GET /v1/jobs/{id} shows its state",
                patience.as_secs()
            );
        }
        sleep(LOOK).await;
    }
}

fn report(output: Output, accepted: &Value, job: &Value) -> anyhow::Result<Outcome> {
    let is_done = job["state"] == "done";
    output.print(&json!({"accepted": accepted, "job": job}), |_| {
        let text = |name: &str| job[name].as_str().unwrap_or_default();
        let attempts = job["attempts"].as_i64().unwrap_or_default();
        let error = if is_done { String::new() } else { format!(": {}", text("lastError")) };
        format!("{} {}, job {}, attempts {attempts}{error}", text("kind"), text("state"), text("id"))
    })?;
    Ok(if is_done { Outcome::Done } else { Outcome::Failed })
}

fn field(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a field is NAME=VALUE".to_owned()),
    }
}
