//! `flows secret`: what HTTP steps put into headers, and sign with.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use sync_workers::flows::is_secret_name;
use sync_workers::http_steps::seal;
use sync_workers::signing::Signature;

use super::super::table::table;
use super::super::{Context, Outcome, WrongUsage, open_records};
use crate::app::vault;

/// Bytes of a secret.
const LONGEST: usize = 4096;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Store a secret, sealed, in the place of an earlier one of that name
    Set {
        /// Steps write it as {secret.NAME}
        name: String,
        /// File with the secret, or - for standard input
        #[arg(long, value_name = "F", required_unless_present = "generate")]
        file: Option<PathBuf>,
        /// Make a new one that signs requests (`sign` of a step), and print it once, for the receiver
        #[arg(long, conflicts_with = "file")]
        generate: bool,
    },
    /// List the names of the secrets, with who set each and when
    List,
    /// Forget a secret
    Remove {
        /// From `flows secret list`
        name: String,
    },
}

pub(super) async fn run(context: Context, command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Set { name, file, generate: _ } => set(&context, &name, file).await,
        Command::List => list(&context).await,
        Command::Remove { name } => remove(&context, &name).await,
    }
}

async fn set(context: &Context, name: &str, file: Option<PathBuf>) -> anyhow::Result<Outcome> {
    ensure!(is_secret_name(name), WrongUsage(format!("{name} is no name of a secret: letters, digits, - and _")));
    let is_new = file.is_none();
    let secret = match file {
        None => Signature::V1.new_secret()?,
        Some(file) => read(&file)?,
    };
    let sealed = seal(&vault(&context.config)?, name, &secret)?;
    open_records(&context.config).await?.set_flow_secret(name, &sealed).await?;
    let shown = if is_new { Some(secret.expose_secret()) } else { None };
    context.output.print(&json!({"name": name, "secret": shown}), |_| match shown {
        Some(secret) => format!("{secret}\n{name} is stored, sealed; the receiver checks signatures with the line above, which is shown once"),
        None => format!("{name} is stored, sealed"),
    })?;
    Ok(Outcome::Done)
}

fn read(file: &PathBuf) -> anyhow::Result<SecretString> {
    let mut secret = String::new();
    if file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut secret).context("the secret can't be read from standard input")?;
    } else {
        secret = fs::read_to_string(file).with_context(|| format!("can't read {} (--file)", file.display()))?;
    }
    let secret = secret.trim();
    let is_plain = !secret.is_empty()
        && secret.len() <= LONGEST
        && secret.chars().all(|letter| letter.is_ascii_graphic() || letter == ' ');
    let wrong = format!("--file must hold the secret alone: one line of ASCII, {LONGEST} bytes at most");
    ensure!(is_plain, WrongUsage(wrong));
    Ok(SecretString::from(secret))
}

async fn list(context: &Context) -> anyhow::Result<Outcome> {
    let secrets = open_records(&context.config).await?.flow_secrets().await?;
    let reported: Vec<_> = secrets
        .iter()
        .map(|secret| json!({"name": secret.name, "author": secret.author, "setAt": secret.set_at}))
        .collect();
    context.output.print(&json!({ "secrets": reported }), |_| {
        let row = |secret: &sync_workers::records::FlowSecret| {
            [secret.name.clone(), format!("{:.0}", secret.set_at), secret.author.clone()]
        };
        table(["NAME", "SET", "BY"], &secrets.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(Outcome::Done)
}

async fn remove(context: &Context, name: &str) -> anyhow::Result<Outcome> {
    let removed = open_records(&context.config).await?.remove_flow_secret(name).await?;
    ensure!(removed, "there is no secret {name}; `clienty-sync flows secret list` shows all");
    context.output.print(&json!({"name": name, "removed": true}), |_| format!("{name} is forgotten"))?;
    Ok(Outcome::Done)
}
