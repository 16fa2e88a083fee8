//! What is wrong with the settings, all of it.

use std::fmt;

use serde::Serialize;

/// Every mistake found, in the order of the settings. Its `Display` is one line for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct ConfigErrors(pub Vec<ConfigError>);

/// One mistake: where it is and what is expected there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    /// `clienty-sync.toml:12` or `environment`.
    pub place: String,
    /// The key in the file, or the variable's name. Empty where the file itself cannot be read.
    pub key: String,
    /// What was got (never a secret) and what is expected.
    pub problem: String,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, key, problem } = self;
        match key.as_str() {
            "" => write!(f, "{place}: {problem}"),
            key => write!(f, "{place} {key}: {problem}"),
        }
    }
}
