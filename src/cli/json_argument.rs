//! An argument that is JSON: as it stands, `@FILE`, or `-` for standard input.

use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

use super::WrongUsage;

/// Reads it; a mistake names its place, and quotes nothing of it.
pub(super) fn read_json(argument: &str, option: &str) -> anyhow::Result<Value> {
    let (text, place) = match (argument, argument.strip_prefix('@')) {
        ("-", _) => (std::io::read_to_string(std::io::stdin()).context("can't read standard input")?, "standard input"),
        (_, Some(file)) => {
            let text = std::fs::read_to_string(Path::new(file));
            (text.with_context(|| format!("can't read {file}, which {option} names"))?, file)
        }
        (text, None) => (text.to_owned(), option),
    };
    // The words of serde may quote what stands there.
    let wrong =
        |error: serde_json::Error| format!("{place} is no JSON: line {}, column {}", error.line(), error.column());
    Ok(serde_json::from_str(&text).map_err(|error| WrongUsage(wrong(error)))?)
}
