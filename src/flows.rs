//! The files of flows: a folder of TOML, one flow a file, its stem the flow's name.
//!
//! What a flow is, and what is wrong with one, `sync_workers::flows` says of a document without lines; here each mistake gets the place in the
//! file where a person finds it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sync_workers::events::FieldError;
use sync_workers::flows::Flow;
use toml::de::{DeTable, DeValue};

use crate::config::{ConfigError, ConfigErrors};

pub mod gallery;

/// Reads all flows of a folder, by name. A folder that is not there holds none.
///
/// # Errors
/// Every mistake in every file.
pub fn load(folder: &Path) -> Result<Vec<Flow>, ConfigErrors> {
    read(&files(folder)?)
}

/// Reads these files.
///
/// # Errors
/// Every mistake in each of them.
pub fn read(files: &[PathBuf]) -> Result<Vec<Flow>, ConfigErrors> {
    let (mut flows, mut mistakes) = (Vec::new(), Vec::new());
    for file in files {
        match read_one(file) {
            Ok(flow) => flows.push(flow),
            Err(wrong) => mistakes.extend(wrong),
        }
    }
    if mistakes.is_empty() { Ok(flows) } else { Err(ConfigErrors(mistakes)) }
}

/// The files of a folder that hold flows, by name.
///
/// # Errors
/// A folder that can't be read.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>, ConfigErrors> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|error| ConfigErrors(vec![unreadable(folder, &error)]))?;
    let mut files: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    Ok(files)
}

fn read_one(file: &Path) -> Result<Flow, Vec<ConfigError>> {
    let text = fs::read_to_string(file).map_err(|error| vec![unreadable(file, &error)])?;
    let (table, syntax) = DeTable::parse_recoverable(&text);
    let place = |offset: usize| {
        let before = text.get(..offset).unwrap_or(&text);
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        format!("{}:{}:{column}", file.display(), 1 + before.matches('\n').count())
    };
    if !syntax.is_empty() {
        let mistake = |error: &toml::de::Error| ConfigError {
            place: place(error.span().map_or(0, |span| span.start)),
            key: String::new(),
            problem: format!("not TOML: {}", error.message().replace('\n', ", ")),
        };
        return Err(syntax.iter().map(mistake).collect());
    }
    let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Flow::checked(&name, &of_table(table.get_ref())).map_err(|mistakes| {
        let mistake = |FieldError { field, message }| {
            let at = locate(table.get_ref(), &field);
            (at, ConfigError { place: place(at), key: field, problem: message })
        };
        let mut mistakes: Vec<_> = mistakes.into_iter().map(mistake).collect();
        mistakes.sort_by_key(|(at, _)| *at);
        mistakes.into_iter().map(|(_, mistake)| mistake).collect()
    })
}

fn unreadable(path: &Path, error: &std::io::Error) -> ConfigError {
    let problem = format!("can't be read: {error}");
    ConfigError { place: path.display().to_string(), key: String::new(), problem }
}

/// Where `step[1].body.name` stands; of what is missing, where it would have to.
fn locate(table: &DeTable<'_>, field: &str) -> usize {
    let mut at = 0;
    let mut value: Option<&DeValue<'_>> = None;
    for name in field.split(['.', '[']).map(|name| name.trim_end_matches(']')) {
        let within = match value {
            None => Some(table),
            Some(DeValue::Table(table)) => Some(table),
            Some(DeValue::Array(items)) => {
                let Some(item) = name.parse::<usize>().ok().and_then(|index| items.get(index)) else { break };
                (at, value) = (item.span().start, Some(item.get_ref()));
                continue;
            }
            Some(_) => None,
        };
        let Some((key, below)) = within.and_then(|table| table.iter().find(|(key, _)| key.get_ref() == name)) else {
            break;
        };
        (at, value) = (key.span().start, Some(below.get_ref()));
    }
    at
}

fn of_table(table: &DeTable<'_>) -> Value {
    Value::Object(table.iter().map(|(name, value)| (name.get_ref().to_string(), of_value(value.get_ref()))).collect())
}

fn of_value(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Null, Value::from)
        }
        DeValue::Float(number) => number.as_str().parse::<f64>().map_or(Value::Null, Value::from),
        DeValue::Boolean(is) => Value::Bool(*is),
        // As events write them.
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Array(items) => items.iter().map(|item| of_value(item.get_ref())).collect(),
        DeValue::Table(table) => of_table(table),
    }
}
