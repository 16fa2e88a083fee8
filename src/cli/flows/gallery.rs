//! `flows gallery` and `flows new`: flows to start from.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Parser;
use serde_json::{Value, json};

use super::super::table::table;
use super::super::{Context, Outcome, Output, WrongUsage};
use super::run;
use crate::flows::gallery::{self, TEMPLATES};

#[derive(Debug, Parser)]
pub(in crate::cli) struct New {
    /// Name of the flow, and of its file
    name: String,
    /// Template, from `flows gallery`
    #[arg(long, value_name = "TEMPLATE")]
    from: String,
    /// A value of the template's [set]; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = run::setting)]
    settings: Vec<(String, String)>,
    /// Folder of the file [default: CLIENTY_FLOWS_DIR]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn list(output: Output) -> anyhow::Result<Outcome> {
    let mut listed = Vec::new();
    for template in TEMPLATES {
        let flow = gallery::read(template.name, template.text).map_err(|mistakes| wrong(template.name, &mistakes))?;
        let mut one = json!(template.head().map_err(anyhow::Error::msg)?);
        one["name"] = template.name.into();
        one["about"] = flow.about.as_str().into();
        one["on"] = json!(flow.on_words());
        one["set"] = json!(flow.set);
        listed.push(one);
    }
    output.print(&json!({ "templates": listed }), |_| {
        let rows: Vec<_> = listed.iter().map(row).collect();
        table(["NAME", "ON", "CALLS", "NEEDS", "ABOUT"], &rows)
    })?;
    Ok(Outcome::Done)
}

fn row(listed: &Value) -> [String; 5] {
    let text = |name: &str| listed[name].as_str().unwrap_or_default().to_owned();
    let needs: Vec<_> = listed["needs"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    [text("name"), text("on"), listed["costs"].to_string(), needs.join(" "), text("about")]
}

/// Writes the template as a flow of that name, which must be new.
pub(super) fn new(context: &Context, arguments: New) -> anyhow::Result<Outcome> {
    let New { name, from, settings, dir } = arguments;
    let template = gallery::find(&from)
        .map_err(|unknown| WrongUsage(format!("--from: {unknown}; `clienty-sync flows gallery` lists all")))?;
    let made = template.filled(&settings).and_then(|text| Ok((gallery::read(&name, &text)?, text)));
    let (flow, text) = match made {
        Ok(made) => made,
        Err(mistakes) => {
            let refused = format!("{name} was not written");
            if context.output.json {
                context.output.print(&json!({"error": refused, "mistakes": mistakes}), |_| String::new())?;
            }
            eprintln!("clienty-sync: {refused}:");
            mistakes.iter().for_each(|mistake| eprintln!("  {mistake}"));
            return Ok(Outcome::WrongUsage);
        }
    };
    let usual = &context.config.flows.dir;
    let dir = dir.unwrap_or_else(|| usual.clone());
    let file = dir.join(format!("{name}.toml"));
    fs::create_dir_all(&dir).with_context(|| format!("can't create {}", dir.display()))?;
    let written = OpenOptions::new().write(true).create_new(true).open(&file);
    match written.and_then(|mut opened| opened.write_all(text.as_bytes())) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} exists, and was not changed; choose another name", file.display())
        }
        Err(error) => return Err(error).with_context(|| format!("can't write {}", file.display())),
    }
    let folder = if dir == *usual { String::new() } else { format!("CLIENTY_FLOWS_DIR={} ", dir.display()) };
    let contact = if flow.needs_contact() { " --contact ID" } else { "" };
    let next = format!("{folder}clienty-sync flows run {name} --location ID{contact} --dry-run");
    let document =
        json!({"flow": name, "from": from, "file": file.display().to_string(), "set": flow.set, "next": next});
    context.output.print(&document, |_| {
        let values = flow.set.iter().map(|(name, value)| format!("  {name} = {value}"));
        let wrote = format!("wrote {}", file.display());
        let next = format!("see what it would send: {next}");
        [wrote].into_iter().chain(values).chain([next]).collect::<Vec<_>>().join("\n")
    })?;
    Ok(Outcome::Done)
}

fn wrong(name: &str, mistakes: &[String]) -> anyhow::Error {
    anyhow::anyhow!("the template {name} is wrong: {}", mistakes.join("; "))
}
