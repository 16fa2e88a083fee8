//! From a text to pipes: `date "DD.MM.YYYY" zone="Europe/Berlin" | default "none"`.
//!
//! An argument is a text in quotes of either sort, a number, `true` or `false`, and may have a name before it. Within quotes a backslash takes the
//! next character as it is; `\n` and `\t` are a line's end and a tab.

use std::collections::VecDeque;

use crate::suggest::nearest;
use serde_json::Value;

use super::decimal::Decimal;
use super::functions::{self, KNOWN};
use super::{MOST, Misread, Pipe};

/// Reads a row of pipes.
pub(super) fn row(text: &str, column: usize) -> Result<Vec<Pipe>, Misread> {
    let mut reader = Reader { rest: text.chars().collect(), column };
    let mut pipes = Vec::new();
    loop {
        reader.skip_space();
        let pipe = reader.pipe()?;
        if pipes.len() == MOST {
            return Err(Misread { column: pipe.column, message: format!("at most {MOST} pipes stand in a row") });
        }
        pipes.push(pipe);
        // What a pipe leaves is another, or the end.
        if reader.next().is_none() {
            return Ok(pipes);
        }
    }
}

struct Reader {
    rest: VecDeque<char>,
    column: usize,
}

/// A name or an argument.
enum Word {
    Quoted(String),
    Bare(String),
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.rest.front().copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.pop_front();
        self.column += usize::from(next.is_some());
        next
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next();
        }
    }

    fn pipe(&mut self) -> Result<Pipe, Misread> {
        let column = self.column;
        let name = self.bare();
        let known = || KNOWN.iter().map(|known| known.name);
        if name.is_empty() {
            let message =
                format!("the name of a pipe is missing; known are {}", known().collect::<Vec<_>>().join(", "));
            return Err(Misread { column, message });
        }
        let Some(known) = KNOWN.iter().find(|known| known.name == name) else {
            let meant = nearest(&name, known()).map(|meant| format!("did you mean {meant}?"));
            let meant = meant.unwrap_or_else(|| format!("known are {}", known().collect::<Vec<_>>().join(", ")));
            return Err(Misread { column, message: format!("there is no pipe {name}; {meant}") });
        };
        let mut arguments =
            Arguments { pipe: known.name, column, plain: VecDeque::new(), named: Vec::new(), asked: Vec::new() };
        while let Some(argument) = self.argument()? {
            match argument {
                (column, None, value) => arguments.plain.push_back((column, value)),
                (column, Some(name), value) => arguments.named.push((column, name, value)),
            }
        }
        let function = functions::build(known.name, &mut arguments)?;
        arguments.finish()?;
        Ok(Pipe { name: known.name, column, takes: known.takes, function })
    }

    /// The next argument with its column and its name; none at the end of the pipe.
    fn argument(&mut self) -> Result<Option<(usize, Option<String>, Value)>, Misread> {
        self.skip_space();
        let column = self.column;
        let Some(word) = self.word()? else { return Ok(None) };
        self.skip_space();
        if self.peek() != Some('=') {
            return Ok(Some((column, None, literal(word, column)?)));
        }
        self.next();
        self.skip_space();
        let (Word::Quoted(name) | Word::Bare(name)) = word;
        let at = self.column;
        let Some(value) = self.word()? else {
            return Err(Misread { column: at, message: format!("a value is missing after {name}=") });
        };
        Ok(Some((column, Some(name), literal(value, at)?)))
    }

    fn word(&mut self) -> Result<Option<Word>, Misread> {
        let column = self.column;
        match self.peek() {
            None | Some('|') => Ok(None),
            Some(quote @ ('"' | '\'')) => self.quoted(quote).map(|text| Some(Word::Quoted(text))),
            Some(other) => {
                let bare = self.bare();
                if bare.is_empty() {
                    return Err(Misread {
                        column,
                        message: format!("{other} is not expected here; texts stand in quotes"),
                    });
                }
                Ok(Some(Word::Bare(bare)))
            }
        }
    }

    fn bare(&mut self) -> String {
        let mut bare = String::new();
        while let Some(letter) = self.peek().filter(|letter| letter.is_alphanumeric() || "_-+.".contains(*letter)) {
            bare.push(letter);
            self.next();
        }
        bare
    }

    fn quoted(&mut self, quote: char) -> Result<String, Misread> {
        let column = self.column;
        self.next();
        let mut text = String::new();
        while let Some(letter) = self.next() {
            match letter {
                '\\' => match self.next() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(other) => text.push(other),
                    None => break,
                },
                letter if letter == quote => return Ok(text),
                letter => text.push(letter),
            }
        }
        Err(Misread { column, message: format!("the quote {quote} is never closed") })
    }
}

fn literal(word: Word, column: usize) -> Result<Value, Misread> {
    match word {
        Word::Quoted(text) => Ok(text.into()),
        Word::Bare(word) => match word.as_str() {
            "true" => Ok(true.into()),
            "false" => Ok(false.into()),
            _ => match Decimal::parse(&word, '.').and_then(Decimal::number) {
                Some(number) => Ok(Value::Number(number)),
                None => Err(Misread {
                    column,
                    message: format!("{word} is no number; a text stands in quotes: \"{word}\""),
                }),
            },
        },
    }
}

/// The arguments of a pipe, from which its function takes what it knows.
pub(super) struct Arguments {
    pipe: &'static str,
    column: usize,
    plain: VecDeque<(usize, Value)>,
    named: Vec<(usize, String, Value)>,
    asked: Vec<&'static str>,
}

impl Arguments {
    /// The argument of that name, or the next without one.
    pub(super) fn take(&mut self, name: &'static str) -> Option<(usize, Value)> {
        self.asked.push(name);
        match self.named.iter().position(|(_, named, _)| named == name) {
            Some(at) => {
                let (column, _, value) = self.named.remove(at);
                Some((column, value))
            }
            None => self.plain.pop_front(),
        }
    }

    /// All that have a name.
    pub(super) fn named(&mut self) -> Vec<(usize, String, Value)> {
        std::mem::take(&mut self.named)
    }

    /// A text that may be left out.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<(usize, String)>, Misread> {
        match self.take(name) {
            None => Ok(None),
            Some((column, Value::String(text))) => Ok(Some((column, text))),
            Some((column, _)) => Err(self.wrong(column, &format!("{name} must be a text in quotes"))),
        }
    }

    /// A whole number that may be left out.
    pub(super) fn whole(&mut self, name: &'static str, from: i64, to: i64) -> Result<Option<i64>, Misread> {
        let Some((column, value)) = self.take(name) else { return Ok(None) };
        let number = value.as_i64().filter(|number| (from..=to).contains(number));
        number
            .map(Some)
            .ok_or_else(|| self.wrong(column, &format!("{name} must be a whole number from {from} to {to}")))
    }

    /// What is there, or that it is missing.
    pub(super) fn needed<T>(&self, found: Option<T>, example: &str) -> Result<T, Misread> {
        found.ok_or_else(|| Misread { column: self.column, message: format!("{} needs more: {example}", self.pipe) })
    }

    /// A mistake in an argument.
    pub(super) fn wrong(&self, column: usize, message: &str) -> Misread {
        Misread { column, message: format!("{}: {message}", self.pipe) }
    }

    fn finish(self) -> Result<(), Misread> {
        if let Some((column, name, _)) = self.named.first() {
            let meant = match nearest(name, self.asked.iter().copied()) {
                Some(meant) if self.asked.contains(&name.as_str()) => format!("{meant} is said twice"),
                Some(meant) => format!("there is no {name}; did you mean {meant}?"),
                None if self.asked.is_empty() => format!("there is no {name}; it takes no arguments"),
                None => format!("there is no {name}; it takes {}", self.asked.join(", ")),
            };
            return Err(self.wrong(*column, &meant));
        }
        match self.plain.front() {
            None => Ok(()),
            Some((column, _)) if self.asked.is_empty() => Err(self.wrong(*column, "takes no arguments")),
            Some((column, _)) => Err(self.wrong(*column, &format!("takes no more than {}", self.asked.join(", ")))),
        }
    }
}
