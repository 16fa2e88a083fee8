//! The order of a search: by up to two fields, then by id, each way up or down.

use std::cmp::Ordering;

use serde_json::{Value, json};

use crate::api_error::ApiError;
use crate::contact::{date_ms, text};
use crate::store::Date;

/// What else than a date can be sorted by.
const TEXTS: [&str; 5] = ["firstNameLowerCase", "lastNameLowerCase", "businessName", "email", "source"];

const MOST: usize = 2;

pub(super) struct Order {
    by: Vec<Sort>,
}

struct Sort {
    field: String,
    date: Option<Date>,
    descending: bool,
}

/// A contact's place: a number or a text for each field of the order, then its id. As JSON it is its `searchAfter`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Number(i64),
    Text(String),
}

impl From<&Key> for Value {
    fn from(key: &Key) -> Self {
        match key {
            Key::Number(number) => json!(number),
            Key::Text(text) => json!(text),
        }
    }
}

impl Order {
    /// Newest first, if nothing else is asked for.
    pub(super) fn read(sorts: &[Value]) -> Result<Self, ApiError> {
        if sorts.len() > MOST {
            let complaint = format!("sort must contain no more than {MOST} elements");
            return Err(ApiError::unprocessable(vec![complaint]));
        }
        let mut by = sorts.iter().map(Sort::read).collect::<Result<Vec<_>, _>>()?;
        if by.is_empty() {
            by.push(Sort { field: "dateAdded".to_owned(), date: Some(Date::Added), descending: true });
        }
        Ok(Self { by })
    }

    /// The date, and whether it goes down, where that alone decides: then nothing has to be sorted.
    pub(super) fn one_date(&self) -> Option<(Date, bool)> {
        match self.by.as_slice() {
            [Sort { date: Some(date), descending, .. }] => Some((*date, *descending)),
            _ => None,
        }
    }

    pub(super) fn key(&self, contact: &Value) -> Vec<Key> {
        let fields = self.by.iter().map(|sort| match sort.date {
            Some(date) => Key::Number(date_ms(contact, date.field())),
            None => Key::Text(text(contact, &sort.field).to_lowercase()),
        });
        fields.chain([Key::Text(text(contact, "id").to_owned())]).collect()
    }

    /// The place after which to go on.
    pub(super) fn place(&self, search_after: &Value) -> Result<Vec<Key>, ApiError> {
        let wrong = || ApiError::unprocessable(vec!["searchAfter must be that of an item before".to_owned()]);
        let parts = search_after.as_array().filter(|parts| parts.len() == self.by.len() + 1).ok_or_else(wrong)?;
        let dates = self.by.iter().map(|sort| sort.date.is_some()).chain([false]);
        let key = |(part, is_date): (&Value, bool)| {
            if is_date { part.as_i64().map(Key::Number) } else { part.as_str().map(|text| Key::Text(text.to_owned())) }
        };
        parts.iter().zip(dates).map(key).collect::<Option<_>>().ok_or_else(wrong)
    }

    /// The id goes the way of the first field.
    pub(super) fn compare(&self, a: &[Key], b: &[Key]) -> Ordering {
        let ways = self.by.iter().chain(self.by.first()).map(|sort| sort.descending);
        let orders = a.iter().zip(b).zip(ways);
        orders.fold(Ordering::Equal, |order, ((a, b), descending)| {
            order.then_with(|| if descending { b.cmp(a) } else { a.cmp(b) })
        })
    }
}

impl Sort {
    fn read(sort: &Value) -> Result<Self, ApiError> {
        let field = text(sort, "field").to_owned();
        let date = Date::named(&field);
        let descending = match text(sort, "direction") {
            "asc" => false,
            "desc" | "" => true,
            other => return Err(ApiError::unprocessable(vec![format!("sort direction {other} is not supported")])),
        };
        if date.is_none() && !TEXTS.contains(&field.as_str()) {
            return Err(ApiError::unprocessable(vec![format!("sort field {field} is not supported")]));
        }
        Ok(Self { field, date, descending })
    }
}
