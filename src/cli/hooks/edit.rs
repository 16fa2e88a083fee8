//! `hooks edit`: another address or other filters for a hook.

use clap::Args;
use sync_workers::records::HookEdit;
use sync_workers::records::hook_event::Filters;

use crate::cli::WrongUsage;

/// Stands for every location, or for every field.
const ALL: &str = "*";

#[derive(Debug, Args)]
pub(in crate::cli) struct Changes {
    /// New address; it gets unsent messages, too
    #[arg(long)]
    url: Option<String>,
    /// Events to send from now on, instead of those before; may be given several times
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<String>,
    /// Only events of this location, instead of those before; `*` for all; may be given several times
    #[arg(long = "location", value_name = "ID", value_parser = crate::cli::id)]
    locations: Vec<String>,
    /// Only updates that change this field, instead of those before; `*` for all; may be given several times
    #[arg(long = "field", value_name = "NAME")]
    fields: Vec<String>,
    /// Whether changes by events of the hook's own API key are left out
    #[arg(long, value_name = "BOOL")]
    ignore_own: Option<bool>,
    /// Whether changes that imports find are sent
    #[arg(long, value_name = "BOOL")]
    imports: Option<bool>,
    /// New description
    #[arg(long)]
    description: Option<String>,
}

impl Changes {
    pub(super) fn edit(self) -> Result<HookEdit, WrongUsage> {
        let Self { url, events, locations, fields, ignore_own, imports, description } = self;
        let events = (!events.is_empty()).then(|| Filters::new(events)).transpose();
        let edit = HookEdit {
            url,
            events: events.map_err(|message| WrongUsage(format!("--event {message}")))?,
            locations: some_or_all(locations, "--location")?,
            fields: some_or_all(fields, "--field")?,
            ignore_own,
            include_imports: imports,
            description: description.map(Some),
        };
        match edit.names().is_empty() {
            true => Err(WrongUsage("nothing is to change: name at least one of the options".to_owned())),
            false => Ok(edit),
        }
    }
}

/// None if nothing is given; all of them for `*`, which stands alone.
fn some_or_all(given: Vec<String>, name: &str) -> Result<Option<Option<Vec<String>>>, WrongUsage> {
    match given.iter().any(|one| one == ALL) {
        true if given.len() == 1 => Ok(Some(None)),
        true => Err(WrongUsage(format!("{name}: `*` stands for all, and alone"))),
        false => Ok((!given.is_empty()).then_some(Some(given))),
    }
}
