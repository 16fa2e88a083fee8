//! Tests of a flow, in `NAME.test.toml` beside `NAME.toml`: what a run is given, and what is expected of it.
//!
//! What a test expects is a part of what [`trial`] says: what it does not name may be anything, a list is expected as a whole, and an `error` is
//! expected to contain the text. Each mistake and each difference has the line where it stands in the file.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use sync_workers::events::{FieldError, Fields, kind_of};
use sync_workers::flows::Flow;
use sync_workers::scripts::Limits;

use super::trial::{self, Given, Trial};
use super::{Mistake, stem};
use crate::toml_text::Document;

const SUFFIX: &str = ".test";
const OUTCOMES: [&str; 4] = ["done", "skipped", "failed", "open"];

/// The tests of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Cases {
    /// The flow's file: `flow` of the file, or the one beside it.
    pub flow: PathBuf,
    /// In order.
    pub cases: Vec<Case>,
}

/// One test.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Where it begins, from 1.
    pub line: usize,
    given: Given,
    expect: Map<String, Value>,
    index: usize,
}

/// What is otherwise than expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Of the expectation, from 1.
    pub line: usize,
    /// As `step.2.data.title`.
    pub field: String,
    /// What the file says.
    pub expected: Value,
    /// What the run does; none where nothing stands there.
    pub got: Option<Value>,
}

/// Whether it is a file of tests.
#[must_use]
pub fn is_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml") && stem(path).ends_with(SUFFIX)
}

/// The files of tests in a folder, by name; none where there is no folder.
///
/// # Errors
/// A folder that can't be read.
pub fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut files = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|file| is_file(file));
    files.sort();
    Ok(files)
}

impl Cases {
    /// Reads the text of a file of tests.
    ///
    /// # Errors
    /// Every mistake, in the order of the text.
    pub fn read(file: &Path, text: &str) -> Result<Self, Vec<Mistake>> {
        let read = Document::read("file of tests", text)?;
        let document = read.value();
        let empty = Map::new();
        let mut fields = Fields::new(document.as_object().unwrap_or(&empty), "");
        let own = stem(file);
        let own = own.strip_suffix(SUFFIX).unwrap_or(&own);
        let flow = fields.text("flow").unwrap_or_else(|| format!("{own}.toml"));
        let flow = file.parent().unwrap_or(Path::new("")).join(flow);
        let listed = fields.list("test");
        if listed.is_none_or(Vec::is_empty) && !fields.has_mistake("test") {
            fields.refuse("test", "is missing; a file has at least one test, under a line [[test]]");
        }
        let (mut mistakes, mut cases) = (Vec::new(), Vec::new());
        for (index, listed) in listed.into_iter().flatten().enumerate() {
            let path = format!("test[{index}]");
            match listed.as_object() {
                Some(object) => {
                    cases.push(case(object, index, read.line(&path), &mut mistakes));
                }
                None => {
                    let message = format!("must be a table, not {}", kind_of(listed));
                    mistakes.push(FieldError { field: path, message });
                }
            }
        }
        mistakes.extend(fields.finish());
        if mistakes.is_empty() { Ok(Self { flow, cases }) } else { Err(read.located(mistakes)) }
    }
}

fn case(object: &Map<String, Value>, index: usize, line: usize, mistakes: &mut Vec<FieldError>) -> Case {
    let path = format!("test[{index}]");
    let mut fields = Fields::new(object, format!("{path}."));
    let name = fields.text("name").unwrap_or_else(|| format!("test {}", index + 1));
    let empty = Map::new();
    let given = Given::read(fields.object("given").unwrap_or(&empty), &format!("{path}.given"), mistakes);
    let expect = fields.object("expect").cloned().unwrap_or_default();
    if expect.is_empty() && !fields.has_mistake("expect") {
        fields.refuse("expect", "is missing: say what the run does, as expect.outcome = \"done\"");
    }
    mistakes.extend(fields.finish());
    let mut expected = Fields::new(&expect, format!("{path}.expect."));
    if expected.text("outcome").is_some_and(|outcome| !OUTCOMES.contains(&outcome.as_str())) {
        expected.refuse("outcome", format!("must be one of {}", OUTCOMES.join(", ")));
    }
    expected.any("steps");
    expected.object("step");
    mistakes.extend(expected.finish());
    Case { name, line, given, expect, index }
}

impl Case {
    /// What is otherwise than expected; `text` is that of its file.
    ///
    /// # Errors
    /// Every mistake in what is given, and each step that the flow does not have.
    pub fn run(&self, flow: &Flow, text: &str, limits: &Limits) -> Result<Vec<Difference>, Vec<Mistake>> {
        let read = Document::read("file of tests", text)?;
        let path = format!("test[{}]", self.index);
        let wrong = |mistakes: Vec<FieldError>, below: &str| {
            let below =
                |mistake: FieldError| FieldError { field: format!("{path}.{below}.{}", mistake.field), ..mistake };
            read.located(mistakes.into_iter().map(below).collect())
        };
        let trial = trial::run(flow, &self.given, limits).map_err(|mistakes| wrong(mistakes, "given"))?;
        let got = document(&trial, flow);
        let mut mistakes = Vec::new();
        for name in self.expect.get("step").and_then(Value::as_object).into_iter().flat_map(Map::keys) {
            if got["step"].get(name).is_none() {
                let titles: Vec<_> = (0..flow.steps.len()).map(|index| key(flow, index)).collect();
                let message = format!("is no step of {}; there are {}", flow.name, titles.join(", "));
                mistakes.push(FieldError { field: format!("step.{name}"), message });
            }
        }
        if !mistakes.is_empty() {
            return Err(wrong(mistakes, "expect"));
        }
        let mut found = Vec::new();
        differ(&Value::Object(self.expect.clone()), Some(&got), "", &mut found);
        let with_line = |(field, expected, got): (String, Value, Option<Value>)| {
            let line = read.line(&format!("{path}.expect.{field}"));
            Difference { line, field, expected, got }
        };
        Ok(found.into_iter().map(with_line).collect())
    }
}

/// By what a test names a step: its name, or its number.
fn key(flow: &Flow, index: usize) -> String {
    let name = flow.steps.get(index).and_then(|step| step.name.clone());
    name.unwrap_or_else(|| (index + 1).to_string())
}

/// What a run does, as tests speak of it.
fn document(trial: &Trial, flow: &Flow) -> Value {
    let named = || trial.steps.iter().enumerate().map(|(index, step)| (key(flow, index), step));
    let done: Vec<_> = named().filter(|(_, step)| step["state"] == "done").map(|(name, _)| name).collect();
    let steps: Map<_, _> = named().map(|(name, step)| (name, step.clone())).collect();
    json!({"outcome": trial.outcome, "steps": done, "step": steps})
}

/// The parts of what is expected that are otherwise.
fn differ(expected: &Value, got: Option<&Value>, field: &str, found: &mut Vec<(String, Value, Option<Value>)>) {
    match (expected, got) {
        (Value::Object(members), Some(Value::Object(_))) => {
            for (name, expected) in members {
                let below = if field.is_empty() { name.clone() } else { format!("{field}.{name}") };
                differ(expected, got.and_then(|got| got.get(name)), &below, found);
            }
        }
        (Value::String(part), Some(Value::String(whole))) if field.ends_with(".error") && whole.contains(part) => {}
        (expected, Some(got)) if expected == got => {}
        (expected, got) => found.push((field.to_owned(), expected.clone(), got.cloned())),
    }
}

#[cfg(test)]
mod tests;
