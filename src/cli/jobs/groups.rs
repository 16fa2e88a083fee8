//! `jobs list --group`: dead jobs by what they died of.

use serde_json::json;

use super::super::Output;
use crate::causes::{self, Group, Groups, LOOKED_THROUGH};

/// Prints the groups, those first that have the newest dead job.
pub(super) async fn list(
    records: &sync_workers::records::Records,
    location: Option<&str>,
    output: Output,
) -> anyhow::Result<()> {
    let Groups { groups, is_cut } = causes::groups(records, location).await?;
    output.print(&json!({ "groups": groups, "isCut": is_cut }), |_| {
        if groups.is_empty() {
            return "no dead jobs".to_owned();
        }
        let more = is_cut.then(|| format!("there are more: the newest {LOOKED_THROUGH} were looked through"));
        groups.iter().map(text).chain(more).collect::<Vec<_>>().join("\n")
    })?;
    Ok(())
}

fn text(group: &Group) -> String {
    let Group { kind, cause, count, first_at, last_at, locations, sample_job_id, remedy, .. } = group;
    let places = if *locations == 1 { "1 location".to_owned() } else { format!("{locations} locations") };
    format!("{count} {kind}: {cause}\n    {first_at:.0} to {last_at:.0}  {places}  as {sample_job_id}\n    -> {remedy}")
}
