//! `keys`: the API keys of producers and readers.

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use secrecy::ExposeSecret;
use serde_json::json;

use super::table::table;
use super::{Context, Outcome, open_records};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a key; it is shown only now
    Create {
        /// Whose key it is, for people
        #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
        name: String,
    },
    /// List keys, without the keys themselves
    List,
    /// Replace the secret of a key; the old one ends at once
    Rotate {
        /// From `keys list`
        id: String,
    },
    /// End a key
    Revoke {
        /// From `keys list`
        id: String,
    },
}

pub(super) async fn run(context: Context, command: Command) -> anyhow::Result<Outcome> {
    let records = open_records(&context.config).await?;
    let output = context.output;
    match command {
        Command::Create { name } => {
            let (key, plain) = records.create_key(&name).await?;
            let plain = plain.expose_secret();
            let made = json!({"id": key.id, "name": key.name, "key": plain});
            output.print(&made, |_| format!("{plain}\n\nThis is key {} of {name}. It is shown only now.", key.id))?;
        }
        Command::List => {
            let keys = records.list_keys().await?;
            output.print(&json!({ "keys": keys }), |_| {
                let rows: Vec<_> = keys
                    .iter()
                    .map(|key| {
                        let revoked = key.revoked_at.map_or("in force".to_owned(), |at| format!("revoked {at}"));
                        [key.id.clone(), key.name.clone(), key.created_at.to_string(), revoked]
                    })
                    .collect();
                table(["ID", "NAME", "CREATED", "STATE"], &rows)
            })?;
        }
        Command::Rotate { id } => {
            let plain = records.rotate_key(&id).await?.with_context(|| unknown(&id))?;
            let plain = plain.expose_secret();
            let made = json!({"id": id, "key": plain});
            output.print(&made, |_| format!("{plain}\n\nThis is key {id} from now on. It is shown only now."))?;
        }
        Command::Revoke { id } => {
            ensure!(records.revoke_key(&id).await?, unknown(&id));
            output.print(&json!({"id": id, "revoked": true}), |_| format!("key {id} is revoked"))?;
        }
    }
    Ok(Outcome::Done)
}

fn unknown(id: &str) -> String {
    format!("no key {id} is in force; `clienty-sync keys list` shows all")
}
