//! The texts of flows: a folder of TOML files, one flow a file, its stem the flow's name; or what somebody pushed.
//!
//! What a flow is, and what is wrong with one, `sync_workers::flows` says of a document without lines; here each mistake gets the place in the
//! text where a person finds it. A broken file takes its own flow out of force, and no other.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;
use sync_workers::events::FieldError;
use sync_workers::flows::Flow;
use sync_workers::records::BrokenFlow;
use toml::de::{DeTable, DeValue};

use crate::config::{ConfigError, ConfigErrors};

pub mod begin;
pub mod cases;
pub mod found;
pub mod gallery;
pub mod rehearsal;
pub mod told;
pub mod trial;
pub mod watch;

/// Bytes of one flow.
pub const LONGEST: usize = 64 * 1024;

/// The flows of a folder.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Those that can run, by name.
    pub flows: Vec<Flow>,
    /// The others, each with its mistakes.
    pub broken: Vec<Broken>,
}

/// A file that is no flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Its stem.
    pub name: String,
    /// What is wrong with it.
    pub mistakes: Vec<ConfigError>,
}

/// What is wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// As `step[1].body.name`; empty where the text can't be read.
    pub field: String,
    /// What is expected there.
    pub message: String,
}

impl Broken {
    /// As the records keep it for those who ask.
    #[must_use]
    pub fn kept(&self) -> BrokenFlow {
        BrokenFlow { name: self.name.clone(), mistakes: self.mistakes.iter().map(ToString::to_string).collect() }
    }
}

impl Loaded {
    /// Every mistake of every file.
    #[must_use]
    pub fn mistakes(&self) -> ConfigErrors {
        ConfigErrors(self.broken.iter().flat_map(|broken| broken.mistakes.iter().cloned()).collect())
    }
}

/// Reads all flows of a folder, by name. A folder that is not there holds none.
///
/// # Errors
/// A folder that can't be read.
pub fn load(folder: &Path) -> Result<Loaded, ConfigErrors> {
    Ok(read(&files(folder)?))
}

/// Reads these files.
#[must_use]
pub fn read(files: &[PathBuf]) -> Loaded {
    let mut loaded = Loaded::default();
    for file in files {
        let name = stem(file);
        match read_one(file) {
            Ok(flow) => loaded.flows.push(flow),
            Err(mistakes) => loaded.broken.push(Broken { name, mistakes }),
        }
    }
    loaded
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
    // Beside a flow stand its tests.
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml") && !cases::is_file(file));
    files.sort();
    Ok(files)
}

/// The name of the flow that a file holds.
#[must_use]
pub fn stem(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The flow of a file.
///
/// # Errors
/// A file that can't be read, or every mistake in it.
pub fn read_one(file: &Path) -> Result<Flow, Vec<ConfigError>> {
    let text = fs::read_to_string(file).map_err(|error| vec![unreadable(file, &error)])?;
    parse(&stem(file), &text).map_err(|mistakes| in_file(file, mistakes))
}

/// Mistakes with the file that they are in.
#[must_use]
pub fn in_file(file: &Path, mistakes: Vec<Mistake>) -> Vec<ConfigError> {
    let in_file = |Mistake { line, column, field, message }| {
        let place = format!("{}:{line}:{column}", file.display());
        ConfigError { place, key: field, problem: message }
    };
    mistakes.into_iter().map(in_file).collect()
}

/// Reads the text of the flow `name`, and holds it against the events, the catalogue and itself.
///
/// # Errors
/// Every mistake, in the order of the text.
pub fn parse(name: &str, text: &str) -> Result<Flow, Vec<Mistake>> {
    if text.len() > LONGEST {
        let message = format!("the flow has {} bytes; one has at most {LONGEST}", text.len());
        return Err(vec![Mistake { line: 1, column: 1, field: String::new(), message }]);
    }
    document(text, |document| Flow::checked(name, document))
}

/// Reads a text as TOML, and what `read` makes of it; mistakes get their places.
///
/// # Errors
/// Every mistake, in the order of the text.
pub(crate) fn document<T>(
    text: &str,
    read: impl FnOnce(&Value) -> Result<T, Vec<FieldError>>,
) -> Result<T, Vec<Mistake>> {
    let table = read_table(text)?;
    read(&of_table(&table)).map_err(|mistakes| located(text, &table, mistakes))
}

/// Reads a text as TOML that knows where each value stands.
fn read_table(text: &str) -> Result<DeTable<'_>, Vec<Mistake>> {
    let (table, syntax) = DeTable::parse_recoverable(text);
    if syntax.is_empty() {
        return Ok(table.into_inner());
    }
    let mistake = |error: &toml::de::Error| {
        let (line, column) = place(text, error.span().map_or(0, |span| span.start));
        let message = format!("not TOML: {}", error.message().replace('\n', ", "));
        Mistake { line, column, field: String::new(), message }
    };
    Err(syntax.iter().map(mistake).collect())
}

/// Line and column of a byte, each from 1.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    (1 + before.matches('\n').count(), column)
}

/// The mistakes with their places, in the order of the text.
fn located(text: &str, table: &DeTable<'_>, mistakes: Vec<FieldError>) -> Vec<Mistake> {
    let at = |FieldError { field, message }| (locate(table, &field), field, message);
    let mut mistakes: Vec<_> = mistakes.into_iter().map(at).collect();
    mistakes.sort_by_key(|(at, ..)| *at);
    let mistake = |(at, field, message)| {
        let (line, column) = place(text, at);
        Mistake { line, column, field, message }
    };
    mistakes.into_iter().map(mistake).collect()
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
