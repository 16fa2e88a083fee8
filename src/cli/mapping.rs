//! `mapping`: what the fields of contacts are here and in GHL. What the HTTP API does under …/mapping, for whoever has the database.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::Subcommand;
use serde_json::{Value, json};
use sync_model::field_mapping::{self, EVERYWHERE};
use sync_workers::records::{Expected, FieldPreview, MappingVersion, Preview, Records};

use super::table::table;
use super::{Context, Outcome, id, open_records};
use crate::flows::stem;
use crate::mapping::{Written, parse, read_for, shown, shown_own};
use crate::toml_text::Mistake;

/// The file of the mapping of all locations, since not every system takes `*` in a name.
const DEFAULT_FILE: &str = "default";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List all mappings, or show the one in force for a location
    Show {
        /// GHL's id of the location, or `*` for the default of all
        #[arg(long, value_name = "ID", value_parser = id)]
        location: Option<String>,
        /// As that version of the location's own says it [default: the one in force]
        #[arg(long, value_name = "N", requires = "location")]
        version: Option<i64>,
    },
    /// Report every mistake in a file, with line and column
    Check {
        /// The mapping, as TOML
        file: PathBuf,
        /// Compare it with the custom fields of this location, too
        #[arg(long, value_name = "ID", value_parser = id)]
        location: Option<String>,
    },
    /// Print a mapping of every custom field that a location has
    Suggest {
        /// GHL's id of the location
        #[arg(long, value_name = "ID", value_parser = id)]
        location: String,
    },
    /// Show what would read differently under a file: contacts, and values that do not parse
    Preview {
        /// The mapping, as TOML
        file: PathBuf,
        /// GHL's id of the location, or `*` for all without a mapping of their own
        #[arg(long, value_name = "ID", value_parser = id, default_value = EVERYWHERE)]
        location: String,
    },
    /// Put a file in force, at once and without a call to GHL
    Apply {
        /// The mapping, as TOML
        file: PathBuf,
        /// GHL's id of the location, or `*` for the default of all
        #[arg(long, value_name = "ID", value_parser = id, default_value = EVERYWHERE)]
        location: String,
        /// Only if the mapping is still in this state, as `mapping show --json` shows it
        #[arg(long, value_name = "ETAG")]
        if_match: Option<String>,
    },
    /// Print the mapping of a location, or write all mappings into a folder, a file each
    Export {
        /// Write each as LOCATION.toml, the default of all as default.toml
        folder: Option<PathBuf>,
        /// GHL's id of the location, or `*` for the default of all
        #[arg(long, value_name = "ID", value_parser = id, conflicts_with = "folder", default_value = EVERYWHERE)]
        location: String,
    },
    /// Put files in force that `mapping export` wrote: all of them, or none if one is wrong
    Import {
        /// Each is the mapping of the location of its name
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Delete the mapping of a location; its versions stay, and the default of all is in force
    Delete {
        /// GHL's id of the location, or `*` for the default of all
        #[arg(long, value_name = "ID", value_parser = id)]
        location: String,
    },
    /// List the versions of the mapping of a location, newest first
    History {
        /// GHL's id of the location, or `*` for the default of all
        #[arg(long, value_name = "ID", value_parser = id, default_value = EVERYWHERE)]
        location: String,
    },
}

pub(super) async fn run(context: Context, command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Show { location: None, .. } => list(&context).await,
        Command::Show { location: Some(location), version } => show(&context, &location, version).await,
        Command::Check { file, location } => check(&context, &file, location.as_deref()).await,
        Command::Suggest { location } => suggest(&context, &location).await,
        Command::Preview { file, location } => preview(&context, &file, &location).await,
        Command::Apply { file, location, if_match } => apply(&context, &file, &location, if_match).await,
        Command::Export { folder: Some(folder), .. } => export(&context, &folder).await,
        Command::Export { folder: None, location } => show(&context, &location, None).await,
        Command::Import { files } => import(&context, &files).await,
        Command::Delete { location } => delete(&context, &location).await,
        Command::History { location } => history(&context, &location).await,
    }
}

async fn list(context: &Context) -> anyhow::Result<Outcome> {
    let records = open_records(&context.config).await?;
    let mappings: Vec<Value> = records.kept_mappings().await?.into_iter().map(shown_own).collect();
    context.output.print(&json!({ "mappings": mappings }), |_| {
        let row = |shown: &Value| {
            let text = |name: &str| shown[name].as_str().unwrap_or_default().to_owned();
            let fields = shown["definition"]["contact"].as_object().map_or(0, serde_json::Map::len);
            [text("locationId"), shown["version"].to_string(), fields.to_string(), text("author"), text("updatedAt")]
        };
        table(["LOCATION", "VERSION", "FIELDS", "BY", "AT"], &mappings.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(Outcome::Done)
}

async fn show(context: &Context, location: &str, version: Option<i64>) -> anyhow::Result<Outcome> {
    let records = open_records(&context.config).await?;
    ensure_known(&records, location).await?;
    let body = match version {
        None => shown(location, &records.held_mapping(location).await?),
        Some(version) => {
            let text = records.mapping_version(location, version).await?.with_context(|| {
                format!(
                    "there is no version {version}; `clienty-sync mapping history --location {location}` lists them"
                )
            })?;
            json!({"locationId": location, "version": version, "toml": text})
        }
    };
    context.output.print(&body, |body| {
        let toml = body["toml"].as_str().unwrap_or_default().trim_end();
        let nothing = "# Nothing is mapped; `clienty-sync mapping suggest` prints a mapping to begin with.";
        if body["source"] == "none" { nothing.to_owned() } else { toml.to_owned() }
    })?;
    Ok(Outcome::Done)
}

fn text_of(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))
}

async fn check(context: &Context, file: &Path, location: Option<&str>) -> anyhow::Result<Outcome> {
    let text = text_of(file)?;
    let (checked, knows_fields) = match location {
        None => (parse(&text), false),
        Some(location) => {
            let records = open_records(&context.config).await?;
            ensure_known(&records, location).await?;
            let definitions = records.field_definitions(location).await?;
            (read_for(&records, location, &text).await?, !definitions.is_empty())
        }
    };
    let written = match checked {
        Ok(written) => written,
        Err(mistakes) => return refuse(context, &[(file, mistakes)]),
    };
    let fields = written.mapping.fields.len();
    context.output.print(&json!({"ok": true, "errors": [], "fields": fields, "knowsFields": knows_fields}), |_| {
        let unread = "; the custom fields of the location were not read yet, so it was not compared with them";
        let unread = if location.is_some() && !knows_fields { unread } else { "" };
        format!("the mapping of {fields} fields is fine{unread}")
    })?;
    Ok(Outcome::Done)
}

/// Reports the mistakes of files.
fn refuse(context: &Context, wrong: &[(&Path, Vec<Mistake>)]) -> anyhow::Result<Outcome> {
    let errors = wrong.iter().flat_map(|(file, mistakes)| mistakes.iter().map(move |mistake| (file, mistake)));
    let errors = errors.map(|(file, Mistake { line, column, field, message })| {
        json!({"place": format!("{}:{line}:{column}", file.display()), "key": field, "problem": message})
    });
    let errors: Vec<_> = errors.collect();
    if context.output.json {
        context.output.print(&json!({"ok": false, "errors": errors}), |_| String::new())?;
    }
    eprintln!("clienty-sync: {} wrong, so nothing was changed:", errors.len());
    for error in &errors {
        let text = |name: &str| error[name].as_str().unwrap_or_default();
        eprintln!("{} {}: {}", text("place"), text("key"), text("problem"));
    }
    Ok(Outcome::WrongUsage)
}

async fn ensure_known(records: &Records, location: &str) -> anyhow::Result<()> {
    let is_known = location == EVERYWHERE || records.known_locations(&[location.to_owned()]).await?.contains(location);
    ensure!(is_known, "no location {location} is connected; `clienty-sync locations list` lists those that are");
    Ok(())
}

async fn suggest(context: &Context, location: &str) -> anyhow::Result<Outcome> {
    let records = open_records(&context.config).await?;
    ensure_known(&records, location).await?;
    let definitions = records.field_definitions(location).await?;
    if definitions.is_empty() {
        records.look_for_fields(location).await;
        bail!(
            "the custom fields of {location} were not read yet; a running worker reads them now: try again in a minute"
        );
    }
    let toml = field_mapping::suggest(&definitions);
    context.output.print(&json!({"locationId": location, "toml": toml, "customFields": definitions}), |_| {
        toml.trim_end().to_owned()
    })?;
    Ok(Outcome::Done)
}

async fn preview(context: &Context, file: &Path, location: &str) -> anyhow::Result<Outcome> {
    let text = text_of(file)?;
    let records = open_records(&context.config).await?;
    ensure_known(&records, location).await?;
    let written = match read_for(&records, location, &text).await? {
        Ok(written) => written,
        Err(mistakes) => return refuse(context, &[(file, mistakes)]),
    };
    let preview = records.preview_mapping(location, &written.mapping).await?;
    context.output.print(&preview, sentences)?;
    Ok(Outcome::Done)
}

/// `3 of 12 contacts would read differently; 1 value does not parse`, and what does not.
fn sentences(preview: &Preview) -> String {
    let Preview { contacts, changed, unmapped, fields } = preview;
    let values = if *unmapped == 1 { "1 value does" } else { &format!("{unmapped} values do") };
    let mut lines = vec![format!("{changed} of {contacts} contacts would read differently; {values} not parse")];
    for (name, FieldPreview { values, changed, unmapped, examples }) in fields {
        lines.push(format!("  {name}: {values} values, {changed} would read differently, {unmapped} do not parse"));
        lines.extend(examples.iter().map(|one| format!("    {} of contact {}: {}", one.raw, one.contact_id, one.why)));
    }
    lines.join("\n")
}

async fn apply(context: &Context, file: &Path, location: &str, if_match: Option<String>) -> anyhow::Result<Outcome> {
    let expected = match if_match {
        Some(tag) => Expected::Tagged(vec![tag.trim_matches('"').to_owned()]),
        None => Expected::Anything,
    };
    let text = text_of(file)?;
    let records = open_records(&context.config).await?;
    ensure_known(&records, location).await?;
    match read_for(&records, location, &text).await? {
        Ok(written) => put(context, &records, &[(location.to_owned(), written)], &expected).await,
        Err(mistakes) => refuse(context, &[(file, mistakes)]),
    }
}

async fn put(
    context: &Context,
    records: &Records,
    mappings: &[(String, Written)],
    expected: &Expected,
) -> anyhow::Result<Outcome> {
    let mut applied = Vec::new();
    for (location, Written { toml, document, .. }) in mappings {
        let put = records.put_mapping(location, toml, document, expected).await;
        let (kept, _) = put.with_context(|| format!("the mapping of {location} was not changed"))?;
        applied.push(shown_own(kept));
    }
    context.output.print(&json!({ "mappings": applied }), |_| {
        let line = |shown: &Value| {
            let location = shown["locationId"].as_str().unwrap_or_default();
            format!("version {} of the mapping of {location} is in force", shown["version"])
        };
        applied.iter().map(line).collect::<Vec<_>>().join("\n")
    })?;
    Ok(Outcome::Done)
}

async fn export(context: &Context, folder: &Path) -> anyhow::Result<Outcome> {
    let records = open_records(&context.config).await?;
    fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
    let mut files = Vec::new();
    for kept in records.kept_mappings().await? {
        let name = if kept.location_id == EVERYWHERE { DEFAULT_FILE } else { &kept.location_id };
        ensure!(!name.contains(['/', '\\']), "{name} can't be the name of a file; use --location instead");
        let file = folder.join(format!("{name}.toml"));
        fs::write(&file, &kept.toml).with_context(|| format!("can't write {}", file.display()))?;
        files.push(file.display().to_string());
    }
    context.output.print(&json!({ "files": files }), |_| match files.len() {
        0 => "there are no mappings".to_owned(),
        _ => files.join("\n"),
    })?;
    Ok(Outcome::Done)
}

async fn import(context: &Context, files: &[PathBuf]) -> anyhow::Result<Outcome> {
    let records = open_records(&context.config).await?;
    let (mut mappings, mut wrong) = (Vec::new(), Vec::new());
    for file in files {
        let name = stem(file);
        let location = if name == DEFAULT_FILE { EVERYWHERE.to_owned() } else { name };
        ensure_known(&records, &location).await?;
        match read_for(&records, &location, &text_of(file)?).await? {
            Ok(written) => mappings.push((location, written)),
            Err(mistakes) => wrong.push((file.as_path(), mistakes)),
        }
    }
    if wrong.is_empty() {
        put(context, &records, &mappings, &Expected::Anything).await
    } else {
        refuse(context, &wrong)
    }
}

async fn delete(context: &Context, location: &str) -> anyhow::Result<Outcome> {
    let records = open_records(&context.config).await?;
    let deleted = records.delete_mapping(location, &Expected::Anything).await?;
    ensure!(deleted, "{location} has no mapping of its own; `clienty-sync mapping show` lists all");
    context.output.print(&json!({"locationId": location, "deleted": true}), |_| {
        format!("the mapping of {location} is deleted; `clienty-sync mapping history --location {location}` shows its versions")
    })?;
    Ok(Outcome::Done)
}

async fn history(context: &Context, location: &str) -> anyhow::Result<Outcome> {
    let records = open_records(&context.config).await?;
    let versions = records.mapping_versions(location).await?;
    context.output.print(&json!({"locationId": location, "versions": versions}), |_| {
        let row = |version: &MappingVersion| {
            let what = if version.deleted { "deleted" } else { "" };
            [version.version.to_string(), format!("{:.0}", version.at), version.author.clone(), what.to_owned()]
        };
        table(["VERSION", "AT", "BY", ""], &versions.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(Outcome::Done)
}
