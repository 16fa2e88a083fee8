//! TOML that people write: read to a document, with the place in the text of each mistake that is found in it.

use serde::Serialize;
use serde_json::Value;
use sync_workers::events::FieldError;
use toml::de::{DeTable, DeValue};

/// Bytes of one text.
pub const LONGEST: usize = 64 * 1024;

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

/// A text that was read, which knows where each value stands.
pub struct Document<'a> {
    text: &'a str,
    table: DeTable<'a>,
}

impl<'a> Document<'a> {
    /// Reads the text of `what`, as `flow`.
    ///
    /// # Errors
    /// Every mistake of its TOML, in the order of the text.
    pub fn read(what: &str, text: &'a str) -> Result<Self, Vec<Mistake>> {
        if text.len() > LONGEST {
            let message = format!("the {what} has {} bytes; one has at most {LONGEST}", text.len());
            return Err(vec![Mistake { line: 1, column: 1, field: String::new(), message }]);
        }
        let (table, syntax) = DeTable::parse_recoverable(text);
        if syntax.is_empty() {
            return Ok(Self { text, table: table.into_inner() });
        }
        let mistake = |error: &toml::de::Error| {
            let (line, column) = place(text, error.span().map_or(0, |span| span.start));
            let message = format!("not TOML: {}", error.message().replace('\n', ", "));
            Mistake { line, column, field: String::new(), message }
        };
        Err(syntax.iter().map(mistake).collect())
    }

    /// What it says.
    #[must_use]
    pub fn value(&self) -> Value {
        of_table(&self.table)
    }

    /// The line of `step[1].body.name`, from 1.
    #[must_use]
    pub fn line(&self, field: &str) -> usize {
        place(self.text, locate(&self.table, field)).0
    }

    /// The mistakes with their places, in the order of the text.
    #[must_use]
    pub fn located(&self, mistakes: Vec<FieldError>) -> Vec<Mistake> {
        let at = |FieldError { field, message }| (locate(&self.table, &field), field, message);
        let mut mistakes: Vec<_> = mistakes.into_iter().map(at).collect();
        mistakes.sort_by_key(|(at, ..)| *at);
        let mistake = |(at, field, message)| {
            let (line, column) = place(self.text, at);
            Mistake { line, column, field, message }
        };
        mistakes.into_iter().map(mistake).collect()
    }
}

/// Reads the text of `what`, as `flow`, and makes of its document what `checked` makes of it.
///
/// # Errors
/// Every mistake, in the order of the text.
pub fn read<T>(
    what: &str,
    text: &str,
    checked: impl FnOnce(&Value) -> Result<T, Vec<FieldError>>,
) -> Result<T, Vec<Mistake>> {
    let document = Document::read(what, text)?;
    checked(&document.value()).map_err(|mistakes| document.located(mistakes))
}

/// Line and column of a byte, each from 1.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    (1 + before.matches('\n').count(), column)
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
