//! Reads the query's parameters one by one, so that a mistake names its parameter.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

use axum::extract::Query;

use super::Problem;

/// The query of a request.
pub(super) struct Parameters(HashMap<String, String>);

impl Parameters {
    /// Takes the query apart; a parameter not in `known` is refused, since ignoring it would answer another question.
    pub(super) fn new(Query(query): Query<HashMap<String, String>>, known: &[&str]) -> Result<Self, Problem> {
        match query.keys().find(|name| !known.contains(&name.as_str())) {
            Some(unknown) => Err(Problem::parameter(unknown, format!("is not known; known are {}", known.join(", ")))),
            None => Ok(Self(query)),
        }
    }

    /// A text; empty counts as absent.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|text| !text.is_empty()).cloned()
    }

    /// Anything that is written as one word.
    pub(super) fn parse<T: FromStr>(&self, name: &str, expected: impl Display) -> Result<Option<T>, Problem> {
        let read = |text: String| text.parse().map_err(|_| Problem::parameter(name, format!("must be {expected}")));
        self.text(name).map(read).transpose()
    }

    /// A whole number between the two.
    pub(super) fn number(&self, name: &str, least: u32, most: u32) -> Result<Option<u32>, Problem> {
        let expected = format!("a number from {least} to {most}");
        match self.parse(name, &expected)? {
            Some(number) if !(least..=most).contains(&number) => {
                Err(Problem::parameter(name, format!("must be {expected}")))
            }
            number => Ok(number),
        }
    }

    /// `true` or `false`; absent is false.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        Ok(self.parse(name, "true or false")?.unwrap_or(false))
    }
}
