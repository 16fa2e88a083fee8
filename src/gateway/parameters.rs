//! Reads the query's parameters one by one, so that an error names its parameter, and reports all
//! errors at once.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

use axum::extract::Query;
use sync_model::ids;
use sync_workers::records::RecordsError;

use super::Problem;
use crate::triggers::FieldError;

/// The query of a request, and what is wrong with it so far.
pub(super) struct Parameters {
    query: HashMap<String, String>,
    wrong: Vec<FieldError>,
}

impl Parameters {
    /// Takes the query apart; a parameter not in `known` is refused, since ignoring it would answer another question.
    pub(super) fn new(Query(mut query): Query<HashMap<String, String>>, known: &[&str]) -> Self {
        let mut unknown: Vec<_> = query.keys().filter(|name| !known.contains(&name.as_str())).cloned().collect();
        unknown.sort();
        let message = format!("is not known; known are {}", known.join(", "));
        let mut wrong: Vec<_> =
            unknown.into_iter().map(|field| FieldError { field, message: message.clone() }).collect();
        // No database is asked for what none can hold.
        let mut with_nul: Vec<_> = query.extract_if(|_, text| text.contains('\0')).map(|(name, _)| name).collect();
        with_nul.sort();
        let holds_nul = "must not hold a NUL character (U+0000)";
        wrong.extend(with_nul.into_iter().map(|field| FieldError { field, message: holds_nul.to_owned() }));
        Self { query, wrong }
    }

    /// A text; empty counts as absent.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.query.get(name).filter(|text| !text.is_empty()).cloned()
    }

    /// An id. An empty one is refused: it comes from a program that lacks the id, and without a filter the answer would be all.
    pub(super) fn id(&mut self, name: &str) -> Option<String> {
        let id = self.filled(name)?;
        self.checked(name, id)
    }

    /// The last id of an earlier page; empty is the first page.
    pub(super) fn cursor(&mut self) -> Option<String> {
        let id = self.text("cursor")?;
        self.checked("cursor", id)
    }

    fn checked(&mut self, name: &str, id: String) -> Option<String> {
        match ids::check(&id) {
            Ok(()) => Some(id),
            Err(bad) => {
                self.wrong.push(FieldError { field: name.to_owned(), message: bad.to_string() });
                None
            }
        }
    }

    /// Anything that is written as one word; none also if it is wrong, which [`Parameters::check`] reports.
    pub(super) fn parse<T: FromStr>(&mut self, name: &str, expected: impl Display) -> Option<T> {
        let text = self.filled(name)?;
        let read = text.parse().ok();
        if read.is_none() {
            self.refuse(name, expected);
        }
        read
    }

    /// One word of several; none also if it is another, which [`Parameters::check`] reports.
    pub(super) fn word<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Option<T>,
        expected: impl Display,
    ) -> Option<T> {
        let text = self.filled(name)?;
        let word = read(&text);
        if word.is_none() {
            self.refuse(name, expected);
        }
        word
    }

    /// A whole number between the two.
    pub(super) fn number(&mut self, name: &str, least: u32, most: u32) -> Option<u32> {
        let expected = format!("a number from {least} to {most}");
        let number = self.parse(name, &expected)?;
        let fits = (least..=most).contains(&number);
        if !fits {
            self.refuse(name, expected);
        }
        fits.then_some(number)
    }

    /// `true` or `false`; absent is false.
    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.parse(name, "true or false").unwrap_or(false)
    }

    /// What was read by the parameters, or 400 that names every wrong one, including the cursor, which only the query can check.
    pub(super) fn page<T>(
        mut self,
        page: Result<T, RecordsError>,
        cursor: &str,
        problem: impl FnOnce(&RecordsError) -> Problem,
    ) -> Result<T, Problem> {
        if let Err(RecordsError::Cursor) = page {
            self.refuse("cursor", cursor);
        }
        self.check()?;
        page.map_err(|error| problem(&error))
    }

    /// 400 that names every parameter that was wrong; to be asked once all are read.
    pub(super) fn check(self) -> Result<(), Problem> {
        if self.wrong.is_empty() { Ok(()) } else { Err(Problem::parameters(self.wrong)) }
    }

    /// What the parameter says, or none where it is absent; it must say something.
    fn filled(&mut self, name: &str) -> Option<String> {
        let text = self.query.get(name).cloned()?;
        if text.is_empty() {
            let message = "must not be empty; leave it out instead".to_owned();
            self.wrong.push(FieldError { field: name.to_owned(), message });
            return None;
        }
        Some(text)
    }

    fn refuse(&mut self, name: &str, expected: impl Display) {
        self.wrong.push(FieldError { field: name.to_owned(), message: format!("must be {expected}") });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Empty, each of them would have asked for all.
    #[test]
    fn a_filter_without_a_value_is_refused_and_an_empty_cursor_is_the_first_page() {
        let known = ["locationId", "since", "limit", "state", "cursor"];
        let query = known.map(|name| (name.to_owned(), String::new())).into();
        let mut parameters = Parameters::new(Query(query), &known);
        assert_eq!((parameters.id("locationId"), parameters.number("limit", 1, 10)), (None, None));
        assert_eq!(parameters.parse::<jiff::Timestamp>("since", "a time"), None);
        assert_eq!(parameters.word("state", |word| Some(word.to_owned()), "a state"), None);
        assert_eq!(parameters.cursor(), None);
        let wrong: Vec<_> =
            parameters.wrong.iter().map(|error| (error.field.as_str(), error.message.as_str())).collect();
        let message = "must not be empty; leave it out instead";
        assert_eq!(wrong, ["locationId", "limit", "since", "state"].map(|field| (field, message)));
    }
}
