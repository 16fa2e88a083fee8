//! `audit`: the audit log.

use std::io::Write as _;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;
use sync_workers::records::{AuditFilter, AuditReport, AuditRow, Records};

use super::{Context, Outcome, Output, WrongUsage, open_records};

/// Rows of one page of an export.
const PAGE: i64 = 1_000;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List actions, newest first
    List(List),
    /// Verify the chain of hashes; exit code 3 if a row was changed or is missing
    Verify {
        /// Newest row of an earlier verification and its hash, as SEQ:HASH; the chain must contain it
        #[arg(long, value_name = "SEQ:HASH", value_parser = kept)]
        kept: Option<(i64, String)>,
    },
    /// Print each row as a line of JSON, oldest first
    Export {
        /// Only rows after this one
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        after: i64,
    },
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only since this time, in RFC 3339
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only this action, such as key.create or jobs.discard
    #[arg(long)]
    action: Option<String>,
    /// Only by this key or user
    #[arg(long)]
    actor: Option<String>,
    /// Only of this location
    #[arg(long, value_name = "ID", value_parser = super::id)]
    location: Option<String>,
    /// Maximum number of rows
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

pub(super) async fn run(context: Context, command: Command) -> anyhow::Result<Outcome> {
    let records = open_records(&context.config).await?;
    match command {
        Command::List(List { since, action, actor, location, limit }) => {
            let filter = AuditFilter { since, action, actor, location_id: location };
            let rows = records.list_audit(&filter, None, i64::from(limit)).await?.items;
            records.note_audit_read().await?;
            context.output.print(&json!({ "audit": rows }), |_| match rows.is_empty() {
                true => "nothing of that kind was done".to_owned(),
                false => rows.iter().map(in_lines).collect::<Vec<_>>().join("\n"),
            })?;
        }
        Command::Verify { kept } => {
            let kept = kept.as_ref().map(|(seq, hash)| (*seq, hash.as_str()));
            let report = records.verify_audit(kept).await?;
            context.output.print(&report, in_words)?;
            return Ok(if report.is_whole() { Outcome::Done } else { Outcome::Differs });
        }
        Command::Export { after } => {
            records.note_audit_read().await?;
            export(&records, after, context.output).await?;
        }
    }
    Ok(Outcome::Done)
}

/// With `--json` as one document, as every command has it.
async fn export(records: &Records, mut after: i64, output: Output) -> anyhow::Result<()> {
    let mut all = Vec::new();
    loop {
        let page = records.page_of_audit(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        if output.json {
            all.extend(page);
            continue;
        }
        let mut out = std::io::stdout().lock();
        for row in &page {
            writeln!(out, "{}", serde_json::to_string(row)?)?;
        }
    }
    if output.json {
        output.print(&json!({ "audit": all }), |_| String::new())?;
    }
    Ok(())
}

/// What was done, and below it to what.
fn in_lines(row: &AuditRow) -> String {
    let AuditRow { seq, at, actor_kind, actor, action, target, location_id, outcome, details, .. } = row;
    let failed = if outcome == "failed" { "  FAILED" } else { "" };
    let parts = [target.clone(), location_id.as_ref().map(|id| format!("location {id}"))];
    let mut to: Vec<String> = parts.into_iter().flatten().collect();
    to.extend(details.as_object().filter(|details| !details.is_empty()).map(|_| details.to_string()));
    let to = if to.is_empty() { String::new() } else { format!("\n    {}", to.join("  ")) };
    format!("{seq:>6}  {at:.0}  {action:<20} {actor_kind}:{actor}{failed}{to}")
}

fn in_words(report: &AuditReport) -> String {
    let AuditReport { rows, begins_behind, newest, hash, fault_count, faults } = report;
    let of = match begins_behind {
        0 => format!("{rows} rows"),
        behind => format!("{rows} rows (up to {behind} retention has deleted them)"),
    };
    if report.is_whole() {
        let kept = "keep this elsewhere, and give it to the next `audit verify --kept`";
        return format!("nothing is changed or missing: {of}\n{newest}:{hash}\n{kept}");
    }
    let reported = faults.iter().map(|found| format!("    row {} is {}", found.seq, found.fault.as_str()));
    let lines = std::iter::once(format!("{fault_count} faults in {of}")).chain(reported);
    lines.collect::<Vec<_>>().join("\n")
}

/// A row with its hash.
fn kept(text: &str) -> Result<(i64, String), WrongUsage> {
    let parts = text.split_once(':').and_then(|(seq, hash)| Some((seq.parse().ok()?, hash.to_owned())));
    parts.ok_or_else(|| WrongUsage("write SEQ:HASH, as `audit verify` prints it".to_owned()))
}
