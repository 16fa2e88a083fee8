//! The settings as people may see them: secrets masked, each with where it came from.

use std::fmt::Write;

use serde::Serialize;

/// One setting as people may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// `section.name`, as in the file.
    pub key: String,
    /// The name in the environment.
    pub variable: String,
    /// None where it is not set and has no default.
    pub value: Option<String>,
    pub origin: Origin,
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    Default,
    File,
    Environment,
}

/// How much of a value people may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Privacy {
    Open,
    /// A URL whose credentials are hidden.
    Credentials,
    Secret,
}

impl Privacy {
    pub(super) fn mask(self, text: &str) -> String {
        match self {
            Self::Open => text.to_owned(),
            Self::Credentials => without_credentials(text),
            Self::Secret => "***".to_owned(),
        }
    }
}

/// Hides what stands before the `@`, and the query: PostgreSQL reads a password from both.
fn without_credentials(url: &str) -> String {
    let (url, query) = url.split_once('?').map_or((url, ""), |(url, _)| (url, "?***"));
    match url.split_once("://") {
        Some((scheme, rest)) => match rest.rsplit_once('@') {
            Some((_, host)) => format!("{scheme}://***@{host}{query}"),
            None => format!("{scheme}://{rest}{query}"),
        },
        // Not a URL: it is unknown which part of it is the password.
        None => "***".to_owned(),
    }
}

/// The settings as a commented settings file.
pub(super) fn as_toml(settings: &[Shown]) -> String {
    let mut text = String::new();
    let mut section = "";
    for Shown { key, variable, value, origin } in settings {
        let (own_section, name) = key.split_once('.').unwrap_or(("", key.as_str()));
        if own_section != section {
            let missing = if section.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{missing}[{own_section}]");
            section = own_section;
        }
        let origin = match origin {
            Origin::Default => "default".to_owned(),
            Origin::File => "file".to_owned(),
            Origin::Environment => format!("environment {variable}"),
        };
        let _ = match value {
            // As the defaults are written; a text of digits is read from a number too.
            Some(value) if value.parse::<u64>().is_ok_and(|number| number.to_string() == *value) => {
                writeln!(text, "{name} = {value}  # {origin}")
            }
            Some(value) => writeln!(text, "{name} = {value:?}  # {origin}"),
            None => writeln!(text, "# {name} is not set"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_credentials() {
        let mask = |url| Privacy::Credentials.mask(url);
        assert_eq!(mask("postgres://me:p@ss@db:5432/clienty"), "postgres://***@db:5432/clienty");
        assert_eq!(mask("postgres://db/clienty?password=x"), "postgres://db/clienty?***");
        assert_eq!(mask("redis://localhost:6379/0"), "redis://localhost:6379/0");
        assert_eq!(mask("hunter2"), "***");
    }
}
