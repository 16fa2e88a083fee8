//! `version`: what this program is, for a report or a script.

use serde_json::json;
use sync_workers::records::Records;

use super::{Context, Outcome};

pub(super) fn run(context: &Context) -> anyhow::Result<Outcome> {
    let (version, schema) = (env!("CARGO_PKG_VERSION"), Records::newest_migration());
    context.output.print(&json!({"version": version, "schema": schema}), |_| {
        format!("clienty-sync {version}, schema {schema}")
    })?;
    Ok(Outcome::Done)
}
