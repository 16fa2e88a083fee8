//! `flows backtest`: how often a flow would have run, and what that would have cost.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser;
use sync_model::clock::Clock;

use super::super::{Context, Outcome};
use super::records_and_files;
use crate::flows::backtest::{Asked, MOST_DAYS, backtest, sentence};
use crate::flows::{found, read_one};

/// A person waits so long.
const BUDGET: Duration = Duration::from_secs(60);

#[derive(Debug, Parser)]
pub(in crate::cli) struct Arguments {
    /// From `flows list`
    #[arg(required_unless_present = "file")]
    name: Option<String>,
    /// A flow that is not in force yet
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    file: Option<PathBuf>,
    /// How far back, in days
    #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_DAYS)))]
    days: u32,
}

pub(super) async fn run(mut context: Context, arguments: Arguments) -> anyhow::Result<Outcome> {
    let records = records_and_files(&mut context).await?;
    let flow = match (&arguments.file, &arguments.name) {
        (Some(file), _) => read_one(file).map_err(|mistakes| {
            anyhow::anyhow!(mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        })?,
        (None, Some(name)) => {
            let found = found::find(&records, name).await?;
            let found =
                found.with_context(|| format!("there is no flow {name}; `clienty-sync flows list` shows all"))?;
            found.flow().with_context(|| format!("{name} is broken: `clienty-sync flows check` says why"))?
        }
        (None, None) => bail!("name a flow, or a file with --file"),
    };
    let asked = Asked { days: arguments.days, budget: BUDGET, daily_limit: context.config.ghl.daily_limit };
    let reported = backtest(&records, &flow, Clock::system().now(), &asked).await?;
    context.output.print(&reported, |reported| {
        let mut lines = vec![sentence(reported)];
        for day in reported["perDay"].as_array().into_iter().flatten() {
            lines.push(format!(
                "{}  {} runs, {} calls",
                day["date"].as_str().unwrap_or_default(),
                day["runs"],
                day["calls"]
            ));
        }
        lines.extend(
            reported["notes"].as_array().into_iter().flatten().filter_map(|note| note.as_str().map(str::to_owned)),
        );
        lines.join("\n")
    })?;
    Ok(Outcome::Done)
}
