//! Pipes: what a place does to the value that stands there before it is used, `{contact.phone | digits | default "none"}`.
//!
//! A row of pipes is pure and total: it reads no clock, calls nothing, always ends, and keeps its bounds, so that authors who write no code can be
//! let at values that strangers sent. It is read once ([`Pipes::parse`]), held against the kind of value that comes in ([`Pipes::gives`]), and applied
//! as often as it is needed ([`Pipes::apply`]). Nothing here knows of flows.
//!
//! What is absent stays absent, and null is absent, but for `default` and `count`. A value of another kind than the pipe takes, and a text that does
//! not say what the pipe reads (a number, a time, a phone), is a [`Mistake`]; it names the pipe and what it expects, and never the value.
//!
//! A new pipe: a variant of `Function`, a row in `functions.rs`, what it does in the file of its like, and a row in docs/FLOWS.md, which a test runs.

use serde_json::Value;

use self::functions::Function;

mod decimal;
mod functions;
mod kind;
mod lists;
mod parse;
#[cfg(test)]
mod tests;
mod texts;
mod times;

pub use self::functions::names;
pub use self::kind::Kind;

/// Pipes in one row.
pub const MOST: usize = 8;
/// Bytes of text in a value, before the first pipe and after each.
pub const LONGEST: usize = 64 * 1024;
/// Values in a list or an object, and in what they hold, likewise.
pub const MOST_VALUES: usize = 5_000;

/// Pipes, one after the other. None at all leave a value as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pipes(Vec<Pipe>);

/// One pipe.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pipe {
    name: &'static str,
    /// Where its name begins, in characters.
    column: usize,
    takes: &'static [Kind],
    function: Function,
}

/// What is wrong with pipes as they are written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("character {column}: {message}")]
pub struct Misread {
    /// Where, in characters.
    pub column: usize,
    /// What, and what would be right.
    pub message: String,
}

/// A value that a pipe can do nothing with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pipe {pipe} expects {expected}, not {found}")]
pub struct Mistake {
    /// Its name.
    pub pipe: &'static str,
    /// What it takes.
    pub expected: String,
    /// Of what sort the value is, never what it says.
    pub found: &'static str,
}

/// What a function expects, and what it found instead.
#[derive(Debug)]
struct Unfit(String, &'static str);

type Fit<T> = Result<T, Unfit>;

impl Pipes {
    /// Reads what stands after the first `|`; `column` is that of its first character, counted from 1.
    ///
    /// # Errors
    /// The first thing that can't be read.
    pub fn parse(text: &str, column: usize) -> Result<Self, Misread> {
        parse::row(text, column).map(Self)
    }

    /// The kind of what comes out, where a value of the kind `from` goes in.
    ///
    /// # Errors
    /// The first pipe that never takes what comes to it.
    pub fn gives(&self, from: Kind) -> Result<Kind, Misread> {
        self.0.iter().try_fold(from, |from, pipe| {
            if from == Kind::Any || pipe.takes.contains(&from) {
                return Ok(pipe.function.gives(from));
            }
            let (name, takes) = (pipe.name, kind::list(pipe.takes));
            Err(Misread { column: pipe.column, message: format!("{name} takes {takes}, not {}", from.words()) })
        })
    }

    /// Whether anything can come out where nothing goes in.
    #[must_use]
    pub fn take_absent(&self) -> bool {
        self.0.iter().any(|pipe| pipe.function.takes_absent())
    }

    /// What comes out; none where nothing does.
    ///
    /// # Errors
    /// The first pipe that can't do with what came to it.
    pub fn apply(&self, value: Option<Value>) -> Result<Option<Value>, Mistake> {
        let mut value = value.filter(|value| !value.is_null());
        for pipe in &self.0 {
            value = pipe.apply(value)?.filter(|value| !value.is_null());
        }
        Ok(value)
    }

    /// What comes out of each, by its name, up to the first that can't do with what came to it; for authors who look for it.
    #[must_use]
    pub fn stages(&self, value: Option<Value>) -> Vec<(&'static str, Option<Value>)> {
        let (mut value, mut stages) = (value.filter(|value| !value.is_null()), Vec::new());
        for pipe in &self.0 {
            let Ok(next) = pipe.apply(value) else { break };
            value = next.filter(|value| !value.is_null());
            stages.push((pipe.name, value.clone()));
        }
        stages
    }
}

impl Pipe {
    fn apply(&self, value: Option<Value>) -> Result<Option<Value>, Mistake> {
        let mistake = |Unfit(expected, found)| Mistake { pipe: self.name, expected, found };
        if let Some(value) = &value {
            within_bounds(value).map_err(mistake)?;
            let kind = Kind::of(value);
            if !self.takes.contains(&kind) {
                return Err(mistake(Unfit(kind::list(self.takes), kind.words())));
            }
        }
        let value = self.function.apply(value).map_err(mistake)?;
        if let Some(value) = &value {
            within_bounds(value).map_err(mistake)?;
        }
        Ok(value)
    }
}

fn within_bounds(value: &Value) -> Fit<()> {
    let (mut bytes, mut values) = (0_usize, 0_usize);
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        values += 1;
        match value {
            Value::String(text) => bytes = bytes.saturating_add(text.len()),
            Value::Array(items) => open.extend(items.iter().take(MOST_VALUES + 1)),
            Value::Object(members) => {
                open.extend(members.values().take(MOST_VALUES + 1));
                bytes = members.keys().fold(bytes, |bytes, name| bytes.saturating_add(name.len()));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        if bytes > LONGEST {
            return Err(too_long());
        }
        // The list itself is one more.
        if values > MOST_VALUES + 1 {
            return Err(Unfit(format!("at most {MOST_VALUES} values"), "more"));
        }
    }
    Ok(())
}

fn too_long() -> Unfit {
    Unfit(format!("at most {} KiB of text", LONGEST / 1024), "more")
}
