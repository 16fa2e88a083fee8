//! `flows try` and `flows test`: a flow without a database, a token or a call.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Parser;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use sync_model::clock::Clock;
use sync_workers::events::FieldError;

use super::super::{Context, Outcome, Output, config};
use super::run::{setting, wanted};
use crate::config::{ConfigError, ConfigErrors};
use crate::flows::cases::{self, Cases, Difference};
use crate::flows::trial::{self, Given, Trial};
use crate::flows::{in_file, read_one};

#[derive(Debug, Parser)]
pub(in crate::cli) struct Try {
    /// File of the flow
    file: PathBuf,
    /// JSON file with the contact, or with its unified view
    #[arg(long, value_name = "FILE")]
    contact: Option<PathBuf>,
    /// JSON file with what the trigger says
    #[arg(long, value_name = "FILE")]
    event: Option<PathBuf>,
    /// JSON file with the answers of steps, by name
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// A value of the flow's [set], or of its trigger (event.data.title=…); may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// Location of the run [default: the first of the flow]
    #[arg(long, value_name = "ID", value_parser = super::super::id)]
    location: Option<String>,
    /// Time at which the run begins, in RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    now: Option<Timestamp>,
    /// Time zone of the location, such as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
}

pub(in crate::cli) fn try_out(context: &Context, arguments: Try) -> anyhow::Result<Outcome> {
    let output = context.output;
    let flow = match read_one(&arguments.file) {
        Ok(flow) => flow,
        Err(mistakes) => {
            config::report(&ConfigErrors(mistakes), "the flow is wrong", output);
            return Ok(Outcome::WrongUsage);
        }
    };
    let contact = arguments.contact.as_deref().map(json_of).transpose()?;
    let mut event = arguments.event.as_deref().map(object_of).transpose()?.unwrap_or_default();
    let answers = arguments.answers.as_deref().map(object_of).transpose()?.unwrap_or_default();
    // Whether a contact is missing, the trial says.
    let set = match wanted(&flow, String::new(), Some(String::new()), &arguments.settings) {
        Ok(wanted) => {
            event.extend(wanted.event);
            wanted.set
        }
        Err(mistakes) => return refuse(output, &flow.name, &mistakes),
    };
    let now = arguments.now.unwrap_or_else(|| Clock::system().now());
    let zone = arguments.zone.as_deref().map(TimeZone::get).transpose().context("--zone is no time zone")?;
    let given = Given { now, zone, location_id: arguments.location, contact, event, set, answers };
    let trial = match trial::run(&flow, &given, &context.config.scripts) {
        Ok(trial) => trial,
        Err(mistakes) => {
            let option = |FieldError { field, message }: FieldError| format!("--{field} {message}");
            return refuse(output, &flow.name, &mistakes.into_iter().map(option).collect::<Vec<_>>());
        }
    };
    let Trial { outcome, only_if, steps } = &trial;
    let shown = json!({"flow": flow.name, "outcome": outcome, "onlyIf": only_if, "steps": steps});
    output.print(&shown, |_| in_words(&trial))?;
    Ok(if *outcome == "failed" { Outcome::Failed } else { Outcome::Done })
}

fn refuse(output: Output, name: &str, mistakes: &[String]) -> anyhow::Result<Outcome> {
    let error = format!("{name} was not tried");
    if output.json {
        output.print(&json!({"error": error, "mistakes": mistakes}), |_| String::new())?;
    }
    eprintln!("clienty-sync: {error}:");
    mistakes.iter().for_each(|mistake| eprintln!("  {mistake}"));
    Ok(Outcome::WrongUsage)
}

fn json_of(file: &Path) -> anyhow::Result<Value> {
    let text = fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))
}

fn object_of(file: &Path) -> anyhow::Result<Map<String, Value>> {
    match json_of(file)? {
        Value::Object(members) => Ok(members),
        _ => bail!("{} must hold a JSON object", file.display()),
    }
}

/// The run in lines: each step, below it its conditions, places and what it would send.
fn in_words(trial: &Trial) -> String {
    let mut lines = trial.only_if.iter().map(condition).collect::<Vec<_>>();
    for step in &trial.steps {
        let text = |name: &str| step[name].as_str().unwrap_or_default();
        lines.push(format!("{:<16} {:<10} {}", text("step"), text("state"), text("sentence")));
        let each = |name: &str| step[name].as_array().into_iter().flatten();
        lines.extend(each("onlyIf").map(condition));
        lines.extend(each("places").map(|place| format!("    {}", of_place(place))));
        for part in ["http", "headers", "data", "parameters", "body", "input", "answer"]
            .into_iter()
            .filter(|part| step.get(*part).is_some())
        {
            lines.push(format!("    {part}: {}", step[part]));
        }
        let printed = step["printed"].as_str().into_iter().flat_map(str::lines);
        lines.extend(printed.map(|line| format!("    printed: {line}")));
        lines.extend(step["error"].as_str().map(|error| format!("    {}: {error}", text("state"))));
    }
    lines.push(format!("the run would be {}", trial.outcome));
    lines.join("\n")
}

fn condition(condition: &Value) -> String {
    let holds = match (&condition["holds"], &condition["error"]) {
        (Value::Bool(true), _) => "holds".to_owned(),
        (Value::Bool(false), _) => "does not hold".to_owned(),
        (_, error) => error.as_str().unwrap_or_default().to_owned(),
    };
    let places = condition["places"].as_array().into_iter().flatten();
    let places: String = places.map(|place| format!("; {}", of_place(place))).collect();
    format!("    {} {holds}: {}{places}", condition["field"].as_str().unwrap_or_default(), found(&condition["found"]))
}

fn of_place(place: &Value) -> String {
    let text = |name: &str| place[name].as_str().unwrap_or_default();
    let value = match place["pipes"].as_array().map_or(&[][..], Vec::as_slice) {
        [] => found(&place["value"]),
        pipes => {
            let pipes = pipes
                .iter()
                .map(|pipe| format!(" | {} -> {}", pipe["pipe"].as_str().unwrap_or_default(), found(&pipe["gives"])));
            format!("{}{}", found(&place["found"]), pipes.collect::<String>())
        }
    };
    let value = place["error"].as_str().map_or(value.clone(), |error| match place["pipes"].as_array() {
        Some(pipes) if !pipes.is_empty() => format!("{value}: {error}"),
        _ => error.to_owned(),
    });
    format!("{} {{{}}} = {value}", text("field"), text("place"))
}

fn found(value: &Value) -> String {
    if value.is_null() { "nothing".to_owned() } else { value.to_string() }
}

/// Runs the tests of the files; of the folder of flows, if there are none.
pub(in crate::cli) fn test(context: &Context, files: Vec<PathBuf>) -> anyhow::Result<Outcome> {
    let (output, folder) = (context.output, &context.config.flows.dir);
    let files = if files.is_empty() { cases::files(folder)? } else { files };
    let (mut passed, mut tests, mut wrong) = (0, Vec::new(), Vec::new());
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))?;
        let read = Cases::read(file, &text).map_err(|mistakes| in_file(file, mistakes));
        let (cases, flow) = match read.and_then(|cases| read_one(&cases.flow).map(|flow| (cases, flow))) {
            Ok(read) => read,
            Err(mistakes) => {
                wrong.extend(mistakes);
                continue;
            }
        };
        for case in &cases.cases {
            match case.run(&flow, &text, &context.config.scripts) {
                Ok(differences) => {
                    passed += usize::from(differences.is_empty());
                    let differences: Vec<_> = differences.iter().map(|difference| reported(file, difference)).collect();
                    let place = format!("{}:{}", file.display(), case.line);
                    tests.push(json!({
                        "place": place, "flow": flow.name, "name": case.name, "passed": differences.is_empty(), "failures": differences,
                    }));
                }
                Err(mistakes) => wrong.extend(in_file(file, mistakes)),
            }
        }
    }
    let failed = tests.len() - passed;
    let is_right = failed == 0 && wrong.is_empty();
    let shown = json!({"ok": is_right, "passed": passed, "failed": failed, "tests": tests, "errors": wrong});
    output.print(&shown, |_| summary(&tests, &wrong, passed, failed, &folder.display().to_string()))?;
    Ok(if is_right { Outcome::Done } else { Outcome::Failed })
}

fn reported(file: &Path, difference: &Difference) -> Value {
    let Difference { line, field, expected, got } = difference;
    json!({"file": file.display().to_string(), "line": line, "field": field, "expected": expected, "got": got})
}

fn summary(tests: &[Value], wrong: &[ConfigError], passed: usize, failed: usize, folder: &str) -> String {
    let mut lines = wrong.iter().map(ToString::to_string).collect::<Vec<_>>();
    for test in tests {
        for failure in test["failures"].as_array().into_iter().flatten() {
            let text = |name: &str| failure[name].as_str().unwrap_or_default();
            lines.push(format!(
                "{}:{} {}: {} expected {}, got {}",
                text("file"),
                failure["line"],
                test["name"].as_str().unwrap_or_default(),
                text("field"),
                failure["expected"],
                found(&failure["got"])
            ));
        }
    }
    lines.push(match (tests.len(), wrong.len()) {
        (0, 0) => format!("there are no *.test.toml in {folder}"),
        (_, 0) => format!("{passed} passed, {failed} failed"),
        (_, mistakes) => format!("{passed} passed, {failed} failed, {mistakes} mistakes"),
    });
    lines.join("\n")
}
