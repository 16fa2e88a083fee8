//! `import`: the first import of a location.
//!
//! Its work is bulk jobs like any other: clicks and webhooks go first, and it does not use up the day's calls. The command
//! starts it, works on it and shows its progress; if the command is killed, the import continues with other workers, or with `--resume`.

use anyhow::ensure;
use clap::Parser;
use serde_json::json;
use sync_workers::records::{MissingCount, MissingParts, Purpose, Scan};

use super::scan_progress::ScanProgress;
use super::{Context, Outcome};

#[derive(Debug, Parser)]
pub(super) struct Args {
    /// GHL's id of the location
    #[arg(long, value_name = "ID", value_parser = super::id)]
    location: String,
    /// Resume an interrupted import, or start one
    #[arg(long)]
    resume: bool,
}

pub(super) async fn run(context: Context, args: Args) -> anyhow::Result<Outcome> {
    let Context { config, output } = context;
    let Args { location, resume } = args;
    let mut scan_progress = ScanProgress::start(config, &location).await?;
    let outcome = import(&mut scan_progress, &location, resume, output.json).await;
    let missing = scan_progress.app.records.missing_parts(&location).await;
    scan_progress.stop().await;
    let (scan, missing) = (outcome?, missing?);
    output.print(&json!({ "import": scan, "missing": missing }), |_| {
        let Scan { contacts, tasks, notes, appointments, calls, passed_over, not_shown, .. } = &scan;
        let mut lines = vec![format!(
            "imported {contacts} contacts, {tasks} tasks, {notes} notes and {appointments} appointments with {calls} calls"
        )];
        if *passed_over > 0 {
            lines.push(format!("{passed_over} contacts could not be read and were skipped; the log names those that have an id"));
        }
        if *not_shown > 0 {
            lines.push(format!("GHL counts {not_shown} more contacts than its pages showed; `verify` compares both sides"));
        }
        lines.extend(in_words(&missing));
        lines.join("\n")
    })?;
    let is_whole = missing.contacts == 0 && scan.passed_over == 0 && scan.not_shown == 0;
    Ok(if is_whole { Outcome::Done } else { Outcome::Failed })
}

/// What is missing, and what to do about it; empty if everything came.
fn in_words(missing: &MissingParts) -> Vec<String> {
    let MissingParts { contacts, parts } = missing;
    if parts.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![format!("parts of {contacts} contacts are missing; their views name them under `missing`:")];
    let line = |MissingCount { part, reason, contacts }: &MissingCount| {
        format!("  {} of {contacts} contacts: {reason}", part.as_str())
    };
    lines.extend(parts.iter().map(line));
    lines.push("once the reason is fixed, `clienty-sync import` reads them again".to_owned());
    lines
}

async fn import(scan_progress: &mut ScanProgress, location: &str, resume: bool, quiet: bool) -> anyhow::Result<Scan> {
    let latest = scan_progress.app.records.latest_scan(location, Purpose::Import).await?;
    let scan = match latest.filter(|scan| scan.next_job().is_some()) {
        Some(scan) => {
            ensure!(
                resume,
                "an import of {location} has not finished ({} of {} contacts read, {} with notes and appointments): `clienty-sync import --location {location} \
                 --resume` continues it",
                scan.contacts,
                scan.total.map_or_else(|| "?".to_owned(), |total| total.to_string()),
                scan.detailed
            );
            scan_progress.go_on(&scan).await?;
            scan
        }
        None => scan_progress.begin(location, Purpose::Import).await?,
    };
    scan_progress.follow(&scan, quiet).await
}
