//! `config`: the settings and where each came from.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::{Context, Outcome, Output};
use crate::config::{ConfigErrors, DEFAULTS};
use crate::{enrich, flows};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print every setting with its value and origin; secrets are masked
    Show {
        /// Print the defaults as a settings file to start from
        #[arg(long)]
        defaults: bool,
    },
    /// Check file, environment, flows and providers, and report every mistake at once
    Check,
}

pub(super) fn run(context: Context, command: &Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Show { defaults: true } => {
            context.output.print(&json!({"file": DEFAULTS}), |_| DEFAULTS.trim_end().to_owned())?;
        }
        Command::Show { defaults: false } => {
            context.output.print(&context.config.show(), |_| context.config.show_toml().trim_end().to_owned())?;
        }
        Command::Check => {
            let mistakes = match flows::load(&context.config.flows.dir) {
                Ok(loaded) => loaded.mistakes(),
                Err(mistakes) => mistakes,
            };
            if !mistakes.0.is_empty() {
                report(&mistakes, "a flow is wrong", context.output);
                return Ok(Outcome::WrongUsage);
            }
            if let Err(mistakes) = enrich::providers(&context.config.enrich) {
                report(&mistakes, "a provider of enrichment is wrong", context.output);
                return Ok(Outcome::WrongUsage);
            }
            let ignored = &context.config.ignored_variables;
            context.output.print(&json!({"ok": true, "errors": [], "ignoredVariables": ignored}), |_| {
                let lines = ignored.iter().map(|name| format!("{name} is set and is no setting of this program"));
                lines.chain(["the settings are fine".to_owned()]).collect::<Vec<_>>().join("\n")
            })?
        }
    }
    Ok(Outcome::Done)
}

/// Reports what is wrong with the settings. Exit code 2, as for any wrong usage.
pub(super) fn refuse(errors: &ConfigErrors, output: Output) -> ExitCode {
    report(errors, "the settings are wrong", output);
    ExitCode::from(2)
}

/// Reports every mistake.
pub(super) fn report(errors: &ConfigErrors, what: &str, output: Output) {
    if output.json {
        // Nothing is left to do where not even this can be printed.
        let _ = output.print(&json!({"ok": false, "errors": errors.0}), |_| String::new());
    }
    eprintln!("clienty-sync: {what}:\n{errors}");
}
