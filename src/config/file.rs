//! A settings file as a flat list of dotted keys, each with its line.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, ConfigErrors};

/// A file's name, its keys, and the lines that are not TOML.
pub(super) struct ConfigFile {
    pub(super) name: String,
    pub(super) entries: BTreeMap<String, Entry>,
    pub(super) errors: Vec<ConfigError>,
}

/// What stands behind a key.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) line: usize,
    pub(super) given: Given,
}

/// A value as it was written, before anything is known of what it should be.
#[derive(Debug, Clone)]
pub(super) enum Given {
    Word(String),
    List(Vec<String>),
    /// A type that no setting has, by its name.
    Other(&'static str),
}

impl ConfigFile {
    pub(super) fn open(path: &Path) -> Result<Self, ConfigErrors> {
        let name = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Ok(Self::parse(&name, &text)),
            Err(error) => {
                let problem = format!("cannot be read: {error}");
                Err(ConfigErrors(vec![ConfigError { place: name, key: String::new(), problem }]))
            }
        }
    }

    /// Reads on after a line that is not TOML, so that the mistakes behind it are reported as well.
    pub(super) fn parse(name: &str, text: &str) -> Self {
        let (table, syntax) = DeTable::parse_recoverable(text);
        let lines = Lines(text);
        let mut entries = BTreeMap::new();
        collect(table.get_ref(), "", &lines, &mut entries);

        // The first thing said of a line is the one that helps.
        let mut broken = BTreeMap::new();
        for error in syntax {
            let line = error.span().map_or(1, |span| lines.at(span.start));
            broken.entry(line).or_insert_with(|| error.message().replace('\n', ", "));
        }
        // The parser's guess at a broken line's value is not what the person wrote.
        entries.retain(|_, entry| !broken.contains_key(&entry.line));

        let errors = broken.into_iter().map(|(line, problem)| ConfigError {
            place: format!("{name}:{line}"),
            key: String::new(),
            problem: format!("not TOML: {problem}"),
        });
        Self { name: name.to_owned(), entries, errors: errors.collect() }
    }
}

fn collect(table: &DeTable<'_>, prefix: &str, lines: &Lines<'_>, entries: &mut BTreeMap<String, Entry>) {
    for (name, value) in table {
        let key = format!("{prefix}{}", name.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) => collect(inner, &format!("{key}."), lines, entries),
            plain => {
                let entry = Entry { line: lines.at(name.span().start), given: Given::from(plain) };
                entries.insert(key, entry);
            }
        }
    }
}

impl From<&DeValue<'_>> for Given {
    fn from(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Word(text.to_string()),
            DeValue::Integer(number) => Self::Word(number.to_string()),
            DeValue::Boolean(is) => Self::Word(is.to_string()),
            DeValue::Array(items) => {
                let words: Option<Vec<String>> =
                    items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect();
                words.map_or(Self::Other("an array of other things than strings"), Self::List)
            }
            DeValue::Float(_) => Self::Other("a number with a fraction"),
            DeValue::Datetime(_) => Self::Other("a date"),
            DeValue::Table(_) => Self::Other("a table"),
        }
    }
}

/// Finds the line of a place in a text.
struct Lines<'a>(&'a str);

impl Lines<'_> {
    fn at(&self, offset: usize) -> usize {
        1 + self.0.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }
}
