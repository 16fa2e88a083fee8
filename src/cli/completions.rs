//! `completions` and `man`: what a shell and `man` know of the commands.

use std::path::Path;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser};
use clap_complete::Shell;
use serde_json::json;

use super::{Cli, Outcome, Output, put};

const NAME: &str = "clienty-sync";

#[derive(Debug, Parser)]
pub(super) struct Completions {
    /// Shell that gets the completions
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Parser)]
pub(super) struct Man {
    /// Folder of the pages; created if it is missing
    #[arg(value_name = "DIR")]
    folder: std::path::PathBuf,
}

/// Prints the script that makes a shell complete the commands.
pub(super) fn completions(args: &Completions, output: Output) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), NAME, &mut script);
    // clap_complete 4.6 spells a name with a hyphen in two ways, so that bash completes no subcommand.
    let script = String::from_utf8_lossy(&script).replace("clienty__subcmd__sync", "clienty__sync");
    if output.json {
        output.print(&json!({"shell": args.shell.to_string(), "script": script}), |_| String::new())?;
    } else {
        put(&script)?;
    }
    Ok(Outcome::Done)
}

/// Writes a page for each command.
pub(super) fn man(args: &Man, output: Output) -> anyhow::Result<Outcome> {
    let folder: &Path = &args.folder;
    let wrong = || format!("can't write pages into {}", folder.display());
    std::fs::create_dir_all(folder).with_context(wrong)?;
    clap_mangen::generate_to(Cli::command(), folder).with_context(wrong)?;
    if output.json {
        output.print(&json!({"folder": folder}), |_| String::new())?;
    }
    Ok(Outcome::Done)
}
