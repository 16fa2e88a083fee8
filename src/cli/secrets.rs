//! `secrets`: sealing stored tokens with the newest master key.

use clap::Subcommand;
use sync_workers::key_rotation::rotate;

use super::{Context, Outcome, open_records};
use crate::app::vault;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Seal every stored token with the newest master key; workers may keep running
    Rotate,
}

pub(super) async fn run(context: Context, command: Command) -> anyhow::Result<Outcome> {
    let Command::Rotate = command;
    let vault = vault(&context.config)?;
    let records = open_records(&context.config).await?;
    let reported = rotate(&records, &vault).await?;
    let newest = vault.newest_key_id();
    context.output.print(&reported, |reported| {
        let mut lines = vec![format!(
            "sealed {} of {} tokens with {newest}; {} were sealed with it before",
            reported.resealed, reported.tokens, reported.current
        )];
        match reported.left.len() {
            0 => lines.push("older master keys are no longer needed, once every process has the new one".to_owned()),
            left => lines.push(format!(
                "{left} tokens are left: {}\nAdd the keys that sealed them to CLIENTY_MASTER_KEYS, or connect them again; restart workers \
                 without the newest key, and run this again",
                reported.left.join(", ")
            )),
        }
        lines.join("\n")
    })?;
    Ok(if reported.left.is_empty() { Outcome::Done } else { Outcome::Failed })
}
