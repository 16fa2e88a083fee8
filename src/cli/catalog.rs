//! `catalog`: every action and trigger of GHL, to look up and to call.

use anyhow::bail;
use clap::{Args, Subcommand};
use ghl::catalog::{Form, Operation, Place, Trigger, catalog as complete, page};
use serde_json::json;

use super::table::table;
use super::{Context, Outcome};
use crate::catalog::{self, Kind};
use crate::triggers::operation::unknown;

mod call;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List actions and triggers
    List(Filter),
    /// Show an action or trigger: parameters, body, versions, scopes, and whether a call may be repeated
    Show {
        /// Name, from `catalog list`
        name: String,
    },
    /// Run an action as a job, within the location's limit, and print GHL's answer
    Call(call::Arguments),
    /// Print the whole catalog as a Markdown page
    Page,
}

/// Which are listed.
#[derive(Debug, Args)]
pub(super) struct Filter {
    /// Only this area, such as contacts
    #[arg(long)]
    area: Option<String>,
    /// Only actions
    #[arg(long, conflicts_with = "triggers")]
    actions: bool,
    /// Only triggers
    #[arg(long)]
    triggers: bool,
    /// Only those with these words in name, description or path
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
}

pub(super) async fn run(context: Context, command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::List(filter) => list(&context, filter)?,
        Command::Show { name } => show(&context, &name)?,
        Command::Call(arguments) => return call::run(context, arguments).await,
        Command::Page => {
            let page = page(complete());
            context.output.print(&json!({ "page": page }), |_| page.trim_end().to_owned())?;
        }
    }
    Ok(Outcome::Done)
}

fn list(context: &Context, filter: Filter) -> anyhow::Result<()> {
    let Filter { area, actions, triggers, search } = filter;
    let kind = match (actions, triggers) {
        (true, _) => Some(Kind::Action),
        (_, true) => Some(Kind::Trigger),
        _ => None,
    };
    let filter = catalog::Filter { kind, area, search: search.unwrap_or_default() };
    let Some(found) = filter.find() else {
        let area = filter.area.unwrap_or_default();
        bail!("there is no area {area}; there are {}", complete().areas().join(", "));
    };
    context.output.print(&found.document(), |_| {
        let actions = found
            .actions
            .iter()
            .map(|operation| [operation.name, operation.area, operation.replay.as_str(), &operation.does]);
        let triggers = found.triggers.iter().map(|trigger| [trigger.name, trigger.area, "trigger", &trigger.does]);
        let rows: Vec<_> = actions.chain(triggers).map(|row| row.map(str::to_owned)).collect();
        let count = format!("{} actions, {} triggers", found.actions.len(), found.triggers.len());
        format!("{}\n\n{count}", table(["NAME", "AREA", "AGAIN", "DOES"], &rows))
    })
}

fn show(context: &Context, name: &str) -> anyhow::Result<()> {
    let Some(document) = catalog::entry(name) else { bail!("{name} {}", unknown(name)) };
    context.output.print(&document, |_| match complete().operation(name) {
        Some(operation) => report_operation(operation),
        None => complete().trigger(name).map(report_trigger).unwrap_or_default(),
    })
}

fn report_operation(operation: &Operation) -> String {
    let Operation { name, documented_as: _, area, does, cost, replay, deprecated, corrections, versions } = operation;
    let mut lines = vec![format!("{name}: {does}"), String::new()];
    lines.push(format!("area     {area}"));
    lines.push(format!("cost     {cost} request of the location's limit"));
    lines.push(format!("again    {}", replay.as_str()));
    if *deprecated {
        lines.push("GHL advises against it".to_owned());
    }
    lines.extend(corrections.iter().map(|(field, reason)| format!("not as documented: {field}, for {reason}")));
    lines.extend(versions.iter().map(report_form));
    lines.join("\n")
}

fn report_form(form: &Form) -> String {
    let Form { version, method, path, scopes, tokens: _, parameters, body } = form;
    let mut lines = vec![String::new(), format!("{version}  {method} {path}")];
    if !scopes.is_empty() {
        lines.push(format!("  scopes   {}", scopes.join(", ")));
    }
    for parameter in parameters {
        let place = match parameter.place {
            Place::Path => "path",
            Place::Query => "query",
        };
        let need = if parameter.field.required { "needed" } else { "" };
        let shape = parameter.field.shape.to_value();
        let shape = shape.as_str().map_or_else(|| shape.to_string(), str::to_owned);
        lines.push(format!("  {place:<6} {:<28} {need:<7} {shape}", parameter.field.name));
    }
    if let Some(body) = body {
        let shape = serde_json::to_string_pretty(&body.shape).unwrap_or_default();
        lines.push(format!("  body{}", if body.required { ", needed" } else { "" }));
        lines.extend(shape.lines().map(|line| format!("    {line}")));
    }
    lines.join("\n")
}

fn report_trigger(trigger: &Trigger) -> String {
    let Trigger { name, area, does, found: _, by, payload } = trigger;
    let mut lines = vec![format!("{name}: {does}"), String::new(), format!("area     {area}")];
    match payload {
        Some(payload) => {
            lines.push("found    GHL sends a webhook:".to_owned());
            let shape = serde_json::to_string_pretty(payload).unwrap_or_default();
            lines.extend(shape.lines().map(|line| format!("    {line}")));
        }
        None => lines.push(format!("found    by reading ({}) and comparing with the records", by.join(", "))),
    }
    lines.join("\n")
}
