//! Lists by pages: what is asked, a page of the answer, and where to go on.

#![expect(missing_docs, reason = "a field that says no more than its name has no more to say")]

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::error::GhlError;
use super::super::lenient;
use super::contact::Contact;
use super::task::Task;

/// A list as GHL gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<T> {
    pub items: Vec<T>,
    /// Items that could not be read. With any of them, what is not among the others may still be there.
    pub passed_over: usize,
}

impl<T> Listed<T> {
    /// All that GHL has; an error if an item could not be read, so that it does not count as missing.
    ///
    /// # Errors
    /// [`GhlError::Undecodable`].
    pub fn whole(self, operation: &'static str) -> Result<Vec<T>, GhlError> {
        self.unread(operation).map_or(Ok(self.items), Err)
    }

    /// What can't be read of it, where there is something.
    #[must_use]
    pub fn unread(&self, operation: &'static str) -> Option<GhlError> {
        (self.passed_over > 0).then(|| GhlError::Undecodable {
            operation,
            field: "items".to_owned(),
            status: 200,
            content_type: "application/json".to_owned(),
            length: self.items.len(),
            reason: format!("{} of them are no records", self.passed_over),
        })
    }
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { items: Vec::new(), passed_over: 0 }
    }
}

/// A search of contacts. The index lags behind writes by seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchContacts {
    pub location_id: String,
    /// Contacts a page, 1 to 500.
    pub page_limit: u16,
    /// Where an earlier page ended. With another order or other filters it means nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search_after: Option<SearchAfter>,
    /// All must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Filter>,
    /// At most two.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sort: Vec<Sort>,
    /// Words to look for, at most 75 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Contacts that the pages before have shown: compared with GHL's total, they show whether a page that is not full is the last.
    #[serde(skip)]
    pub shown: u64,
}

impl SearchContacts {
    /// The most contacts that a page holds.
    pub const LONGEST_PAGE: u16 = 500;
    /// The longest query, in characters.
    pub const LONGEST_QUERY: usize = 75;
    /// The most orders at once.
    pub const MOST_SORTS: usize = 2;

    /// All contacts of a location, by the longest pages.
    #[must_use]
    pub fn all(location_id: impl Into<String>) -> Self {
        Self {
            location_id: location_id.into(),
            page_limit: Self::LONGEST_PAGE,
            search_after: None,
            filters: Vec::new(),
            sort: Vec::new(),
            query: None,
            shown: 0,
        }
    }

    /// All contacts of a location, the oldest change first: to continue after any page then loses nothing, since what changes
    /// meanwhile moves to the end.
    #[must_use]
    pub fn by_change(location_id: impl Into<String>) -> Self {
        let sort = vec![Sort { field: "dateUpdated".to_owned(), direction: Direction::Asc }];
        Self { sort, ..Self::all(location_id) }
    }

    /// Of these, those that changed in a span of time, both ends of it included.
    #[must_use]
    pub fn changed(location_id: impl Into<String>, from: Timestamp, to: Option<Timestamp>) -> Self {
        Self { filters: vec![Filter::changed(from, to)], ..Self::by_change(location_id) }
    }

    /// The one contact with this id, if the index has it.
    #[must_use]
    pub fn of_id(location_id: impl Into<String>, contact_id: &str) -> Self {
        let filter = Filter { field: "id".to_owned(), operator: "eq".to_owned(), value: json!(contact_id) };
        Self { page_limit: 1, filters: vec![filter], ..Self::all(location_id) }
    }
}

/// A condition on contacts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Filter {
    pub field: String,
    /// `eq`, `not_eq`, `contains`, `exists`, `range`, …
    pub operator: String,
    #[serde(skip_serializing_if = "Value::is_null")]
    pub value: Value,
}

impl Filter {
    /// Contacts that changed in a span of time, both ends of it included.
    #[must_use]
    pub fn changed(from: Timestamp, to: Option<Timestamp>) -> Self {
        let mut value = json!({"gte": from});
        if let Some(to) = to {
            value["lte"] = json!(to);
        }
        Self { field: "dateUpdated".to_owned(), operator: "range".to_owned(), value }
    }
}

/// An order of contacts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sort {
    pub field: String,
    pub direction: Direction,
}

/// Upwards or downwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Asc,
    Desc,
}

/// Where a page of contacts ended: GHL's own words, to be kept as JSON and given back as they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SearchAfter(Vec<Value>);

/// A contact of a search, with its place in the order.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct FoundContact {
    #[serde(flatten)]
    pub contact: Contact,
    /// Absent where the reply is not of the search.
    #[serde(default, rename = "searchAfter", deserialize_with = "lenient::cursor")]
    pub search_after: Option<SearchAfter>,
}

impl SearchAfter {
    /// Whether a search that began at `other` has got on. One that stands still, or goes back though its order `ascends`, would never end.
    pub(in super::super) fn is_after(&self, other: &Self, ascends: bool) -> bool {
        let place = |cursor: &Self| cursor.0.first().and_then(Value::as_f64);
        let goes_back = place(self).zip(place(other)).is_some_and(|(end, began)| end < began);
        self != other && !(ascends && goes_back)
    }

    /// The cursor that this value is: a list that holds something.
    pub(in super::super) fn read(value: Value) -> Option<Self> {
        match value {
            Value::Array(parts) if !parts.is_empty() => Some(Self(parts)),
            _ => None,
        }
    }
}

/// A page of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct ContactPage {
    pub contacts: Vec<FoundContact>,
    /// Contacts that could not be read.
    pub passed_over: usize,
    /// How many the whole search finds, if GHL reports it.
    pub total: Option<u64>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<SearchAfter>,
    /// Contacts that GHL counts, and that neither this page nor one before has shown, though it is the last.
    pub not_shown: u64,
    /// How long the reply was, in bytes.
    pub bytes: usize,
}

/// Where a page of `GET /contacts/` ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListCursor {
    pub start_after_id: String,
    /// Milliseconds since 1970.
    pub start_after: u64,
}

/// A page of `GET /contacts/`, or of the contacts of a business.
#[derive(Debug, Clone, PartialEq)]
pub struct ListPage {
    pub contacts: Vec<Contact>,
    /// Contacts that could not be read.
    pub passed_over: usize,
    /// How many there are in all, if GHL reports it.
    pub total: Option<u64>,
    /// Where the next page begins; `None` after the last, and always for a business, which counts instead.
    pub next: Option<ListCursor>,
}

/// A search of the tasks of a whole location.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchTasks {
    /// Of these contacts; of all where empty.
    #[serde(rename = "contactId", skip_serializing_if = "Vec::is_empty")]
    pub contact_ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed: Option<bool>,
    /// Of these users; of all where empty.
    #[serde(rename = "assignedTo", skip_serializing_if = "Vec::is_empty")]
    pub assigned_to: Vec<String>,
    /// Words of the title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Tasks a page; GHL may give fewer.
    pub limit: u32,
    /// Tasks before the page.
    pub skip: u32,
}

/// A page of tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskPage {
    pub tasks: Vec<Task>,
    /// Tasks that could not be read.
    pub passed_over: usize,
    /// The `skip` of the next page; `None` after the last.
    pub next: Option<u32>,
}

/// The counts and cursors beside a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in super::super) struct ListNews {
    #[serde(deserialize_with = "lenient::count")]
    pub(in super::super) total: Option<u64>,
    #[serde(deserialize_with = "lenient::count")]
    pub(in super::super) count: Option<u64>,
    #[serde(deserialize_with = "lenient::object")]
    pub(in super::super) meta: Option<ListMeta>,
}

/// The `meta` of `GET /contacts/`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in super::super) struct ListMeta {
    #[serde(deserialize_with = "lenient::count")]
    pub(in super::super) total: Option<u64>,
    #[serde(deserialize_with = "lenient::text")]
    pub(in super::super) start_after_id: Option<String>,
    #[serde(deserialize_with = "lenient::count")]
    pub(in super::super) start_after: Option<u64>,
}
