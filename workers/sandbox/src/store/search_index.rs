//! Contacts as the search sees them: in the order of their dates, and, where a lag is set, as they were a while ago.
//!
//! GHL's search index lags by seconds: a contact that was just created is not found, one that was changed is found under
//! its old date. Without a lag, the sandbox's default, tests need no sleep.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::{Bound, RangeInclusive};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::contacts::{Contacts, Id};
use super::packed::Packed;
use crate::contact::date_ms;

/// A date that contacts are put in the order of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Date {
    Added,
    Updated,
}

impl Date {
    pub(crate) fn named(field: &str) -> Option<Self> {
        match field {
            "dateAdded" => Some(Self::Added),
            "dateUpdated" => Some(Self::Updated),
            _ => None,
        }
    }

    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::Added => "dateAdded",
            Self::Updated => "dateUpdated",
        }
    }
}

type Order = BTreeSet<(i64, Id)>;

#[derive(Default)]
pub(super) struct SearchIndex {
    lag: Duration,
    added: Order,
    updated: Order,
    /// What the search shows of contacts that changed less than a lag ago; nothing of those that are new.
    outdated: HashMap<Id, Option<Packed>>,
    /// When each of them is seen as it is.
    due: VecDeque<(Instant, Id)>,
}

impl SearchIndex {
    pub(super) fn changed(&mut self, id: Id, before: Option<Packed>, opened: Option<&Value>, after: &Value) {
        if self.is_prompt() {
            self.replace(&id, opened, Some(after));
        } else {
            self.postpone(id, before);
        }
    }

    pub(super) fn removed(&mut self, id: Id, before: Packed, opened: &Value) {
        if self.is_prompt() {
            self.replace(&id, Some(opened), None);
        } else {
            self.postpone(id, Some(before));
        }
    }

    /// Nothing waits to be seen, and nothing has to.
    fn is_prompt(&self) -> bool {
        self.lag.is_zero() && self.due.is_empty()
    }

    /// Of several changes within one lag, the first decides what is shown and until when.
    fn postpone(&mut self, id: Id, shown: Option<Packed>) {
        if !self.outdated.contains_key(&id) {
            self.due.push_back((Instant::now() + self.lag, Arc::clone(&id)));
            self.outdated.insert(id, shown);
        }
    }

    fn replace(&mut self, id: &Id, before: Option<&Value>, after: Option<&Value>) {
        for (order, date) in [(&mut self.added, Date::Added), (&mut self.updated, Date::Updated)] {
            if let Some(before) = before {
                order.remove(&(date_ms(before, date.field()), Arc::clone(id)));
            }
            order.extend(after.map(|after| (date_ms(after, date.field()), Arc::clone(id))));
        }
    }

    fn catch_up(&mut self, kept: &BTreeMap<Id, Packed>, now: Option<Instant>) {
        while let Some((_, id)) = self.due.pop_front_if(|(due, _)| now.is_none_or(|now| *due <= now)) {
            let shown = self.outdated.remove(&id).flatten().map(|packed| packed.open());
            self.replace(&id, shown.as_ref(), kept.get(&id).map(Packed::open).as_ref());
        }
    }
}

/// What the search sees.
impl Contacts {
    /// From now on changes are seen so much later; those before are seen at once.
    pub(crate) fn set_search_lag(&mut self, lag: Duration) {
        self.index.catch_up(&self.kept, None);
        self.index.lag = lag;
    }

    /// Lets the search see what is due.
    pub(crate) fn search_due(&mut self) {
        self.index.catch_up(&self.kept, Some(Instant::now()));
    }

    /// The contacts whose date, in milliseconds since 1970, is in this time: oldest first, then by id.
    pub(crate) fn dated(
        &self,
        date: Date,
        time_ms: RangeInclusive<i64>,
    ) -> impl DoubleEndedIterator<Item = (i64, &str)> {
        let order = match date {
            Date::Added => &self.index.added,
            Date::Updated => &self.index.updated,
        };
        let from = Bound::Included((*time_ms.start(), Id::from("")));
        let to = match time_ms.end().checked_add(1) {
            Some(end) => Bound::Excluded((end, Id::from(""))),
            None => Bound::Unbounded,
        };
        // A set panics where a range ends before it begins.
        let range = (!time_ms.is_empty()).then(|| order.range((from, to)));
        range.into_iter().flatten().map(|(at_ms, id)| (*at_ms, &**id))
    }

    /// A contact as the search shows it.
    pub(crate) fn shown(&self, id: &str) -> Option<Value> {
        match self.index.outdated.get(id) {
            Some(shown) => shown.as_ref().map(Packed::open),
            None => self.get(id),
        }
    }
}
