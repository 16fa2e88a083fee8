//! `openapi`: the document that describes the HTTP API.

use serde_json::value::RawValue;

use super::{Context, Outcome};
use crate::gateway::OPENAPI;

/// As it is written: with `--json`, too.
pub(super) fn run(context: &Context) -> anyhow::Result<Outcome> {
    let document: &RawValue = serde_json::from_str(OPENAPI)?;
    context.output.print(&document, |document| document.get().to_owned())?;
    Ok(Outcome::Done)
}
