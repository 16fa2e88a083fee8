//! `jobs list` on a terminal of 80 columns: two lines a job, the id alone in its column so that it can be copied.

use jiff::Timestamp;
use sync_workers::records::LedgerEntry;

/// The width that every line keeps to, unless an id alone is longer.
const WIDTH: usize = 80;
/// Indents the lines below a job's first line.
const INDENT: &str = "    ";

/// The jobs, newest first, as they come.
pub(super) fn text(jobs: &[LedgerEntry]) -> String {
    if jobs.is_empty() {
        return "no jobs".to_owned();
    }
    jobs.iter().flat_map(lines).collect::<Vec<_>>().join("\n")
}

/// Id, state and kind; below it time and location; below that the last error, if there is one.
fn lines(job: &LedgerEntry) -> Vec<String> {
    let state = match job.outcome {
        Some(outcome) => format!("{} ({})", job.state.as_str(), outcome.as_str()),
        None => job.state.as_str().to_owned(),
    };
    let mut lines = vec![
        fit(&format!("{}  {state:<20} {}", job.id, job.key.kind)),
        fit(&format!(
            "{INDENT}{}  {}  attempts {}{}",
            to_the_second(job.created_at),
            job.key.location_id,
            job.attempts,
            job.due_at.map(|at| format!("  next {}", to_the_second(at))).unwrap_or_default()
        )),
    ];
    lines.extend(job.last_error.as_ref().map(|error| fit(&format!("{INDENT}{}", error.replace('\n', " ")))));
    lines
}

/// To the second, which is enough in a list.
fn to_the_second(time: Timestamp) -> String {
    format!("{time:.0}")
}

/// Cut to the width; `jobs show` has the rest.
fn fit(line: &str) -> String {
    match line.chars().count() > WIDTH {
        true => line.chars().take(WIDTH - 1).chain(['…']).collect(),
        false => line.trim_end().to_owned(),
    }
}
