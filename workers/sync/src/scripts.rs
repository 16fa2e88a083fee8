//! Scripts of flows, in the language Rhai: a function `run(input)` that turns a map into another one.
//!
//! A script computes and does nothing else. The language has no function that opens a file, a connection or a process, asks the time or draws a
//! random number, and [`engine`] registers none. What is left is to take time or memory, which [`Limits`] bound. The engine counts operations and
//! the sizes of single values, not the memory of all values together, and a deep recursion ends a process. So workers run each script in a child
//! process ([`child`]) that the system holds to its memory, and which can open nothing and start nothing.
//!
//! The same script with the same input gives the same answer or the same failure, so a failure is never tried again by itself.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub mod child;
mod cpu_time;
mod engine;
mod runner;
#[cfg(test)]
mod tests;

pub use engine::{check, run};
pub use runner::{NotRun, Scripts};

/// Bytes of a script's text.
pub const LONGEST: usize = 32 * 1024;
/// Bytes of all scripts of a flow: each of its runs keeps them.
pub const LONGEST_TOGETHER: usize = 64 * 1024;
/// Bytes of what a script returns, as JSON.
pub const ANSWER: usize = 64 * 1024;
/// Bytes of what a script is given, as JSON.
pub const INPUT: usize = 256 * 1024;
/// Bytes that `print` may write.
pub const PRINTED: usize = 4 * 1024;

/// What one run of a script may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Steps of the interpreter.
    pub operations: u64,
    /// Of a processor.
    pub time: Duration,
    /// Of its process.
    pub memory_mib: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { operations: 200_000, time: Duration::from_millis(50), memory_mib: 64 }
    }
}

/// A script as a flow has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Of its file, as `score.rhai`.
    pub name: String,
    /// What it says.
    pub text: String,
}

impl Source {
    /// By which it is known whether two processes have the same script.
    #[must_use]
    pub fn sha256(&self) -> String {
        digest(&SHA256, self.text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ran {
    /// What `run` returned.
    pub answer: Result<Map<String, Value>, Failure>,
    /// What it printed.
    pub printed: String,
    /// The most memory that its process had; none if it ran in this one.
    pub peak_kib: Option<u64>,
}

/// Why a script gave no answer. No value of the input is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Line and column, each from 1, if it is known where.
    pub at: Option<(usize, usize)>,
    /// The limit that it ran into: `operations`, `time`, `memory`, `depth`, `size`, `variables`, `source`, `input` or `answer`.
    pub limit: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl Failure {
    fn over(limit: &str, message: impl Into<String>) -> Self {
        Self { at: None, limit: Some(limit.to_owned()), message: message.into() }
    }

    fn wrong(message: impl Into<String>) -> Self {
        Self { at: None, limit: None, message: message.into() }
    }

    /// With the name of the script's file.
    #[must_use]
    pub fn of(&self, name: &str) -> String {
        let limit = self.limit.as_ref().map_or(String::new(), |limit| format!(" (limit: {limit})"));
        match self.at {
            Some((line, column)) => format!("{name}, line {line}, column {column}: {}{limit}", self.message),
            None => format!("{name}: {}{limit}", self.message),
        }
    }
}

/// Whether a script may have this name: that of a file beside the flow.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let is_plain =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_' || letter == '-';
    let stem = name.strip_suffix(".rhai");
    stem.is_some_and(|stem| (1..=40).contains(&stem.len()) && stem.chars().all(is_plain))
}
