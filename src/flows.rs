//! The texts of flows: a folder of TOML files, one flow a file, its stem the flow's name; or what somebody pushed.
//!
//! What a flow is, and what is wrong with one, `sync_workers::flows` says of a document without lines; here each mistake gets the place in the
//! text where a person finds it. A broken file takes its own flow out of force, and no other.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sync_workers::events::FieldError;
use sync_workers::flows::Flow;
use sync_workers::records::BrokenFlow;
use sync_workers::scripts::is_name;

use crate::config::{ConfigError, ConfigErrors};
use crate::toml_text;

pub use crate::toml_text::{LONGEST, Mistake};

pub mod backtest;
pub mod begin;
pub mod cases;
pub mod dry_run;
pub mod found;
pub mod gallery;
pub mod reports;
pub mod trial;
pub mod watch;

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
    parse_beside(&stem(file), &text, file.parent()).map_err(|mistakes| in_file(file, mistakes))
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
    parse_beside(name, text, None)
}

/// [`parse`], for a flow whose scripts are files of a folder.
///
/// # Errors
/// Every mistake, in the order of the text.
pub fn parse_beside(name: &str, text: &str, folder: Option<&Path>) -> Result<Flow, Vec<Mistake>> {
    toml_text::read("flow", text, |document| {
        let mut document = document.clone();
        let mut mistakes = Vec::new();
        if let Some(folder) = folder {
            mistakes = add_scripts(&mut document, folder);
        }
        match Flow::checked(name, &document) {
            Ok(flow) if mistakes.is_empty() => Ok(flow),
            Ok(_) => Err(mistakes),
            Err(further) => Err(mistakes.into_iter().chain(further).collect()),
        }
    })
}

/// Puts the scripts of files into a flow's document, where it does not have them itself.
fn add_scripts(document: &mut Value, folder: &Path) -> Vec<FieldError> {
    let mut mistakes = Vec::new();
    let names: Vec<_> = document["step"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
        .filter_map(|(index, step)| Some((index, step["script"].as_str()?.to_owned())))
        .filter(|(_, name)| is_name(name))
        .collect();
    for (index, name) in names {
        if !document["scripts"][&name].is_null() || !(document["scripts"].is_null() || document["scripts"].is_object())
        {
            continue;
        }
        match fs::read_to_string(folder.join(&name)) {
            Ok(text) => document["scripts"][&name] = json!({ "text": text }),
            // That it is not there is said of the step.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                let message = format!("{name} can't be read: {error}");
                mistakes.push(FieldError { field: format!("step[{index}].script"), message });
            }
        }
    }
    mistakes
}

/// The text of a flow with its scripts in it, so that it needs no files beside it.
#[must_use]
pub fn with_scripts(text: &str, flow: &Flow) -> String {
    let own: Value = toml::from_str(text).unwrap_or_default();
    let mut whole = text.trim_end().to_owned();
    whole.push('\n');
    for source in flow.scripts() {
        if own["scripts"][&source.name].is_null() {
            whole.push_str(&format!("\n[scripts.\"{}\"]\ntext = {}\n", source.name, quoted(&source.text)));
        }
    }
    whole
}

/// As TOML has a text of several lines.
fn quoted(text: &str) -> String {
    let is_plain = |letter: char| matches!(letter, '\n' | '\t') || !letter.is_control();
    if !text.contains("'''") && !text.ends_with('\'') && text.chars().all(is_plain) {
        return format!("'''\n{text}'''");
    }
    let escaped = text.chars().map(|letter| match letter {
        '\\' => "\\\\".to_owned(),
        '"' => "\\\"".to_owned(),
        '\n' | '\t' => letter.to_string(),
        letter if letter.is_control() => format!("\\u{:04X}", u32::from(letter)),
        letter => letter.to_string(),
    });
    format!("\"\"\"\n{}\"\"\"", escaped.collect::<String>())
}

fn unreadable(path: &Path, error: &std::io::Error) -> ConfigError {
    let problem = format!("can't be read: {error}");
    ConfigError { place: path.display().to_string(), key: String::new(), problem }
}
