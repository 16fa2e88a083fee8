//! The ids of events, by which a repetition is known.
//!
//! An id belongs to its producer, within one location: two API keys may use the same id. A hash of
//! the event is stored with it, so that the same event again is a repetition, and another event
//! under the same id is an error. Ids are remembered for [`super::Options::remember_event_ids`],
//! whether their jobs are or not.
//!
//! The trap is what earlier releases wrote, and still write while a deployment is upgraded: they
//! know an id by its source alone, and the ledger has a unique index over both. Their rows match
//! for every producer of the location.

use std::collections::{HashMap, HashSet};
use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sqlx::{AnyConnection, Row};
use sync_model::job::JobKey;

use super::accept::PRODUCERS;
use super::ledger::key_of;
use super::sql::{CHUNK, Marks, ROWS, sql, take_batch, take_exactly, with_list, with_rows};
use super::{Actor, RecordsError};
use crate::events::operation;
use crate::events::{IncomingEvent, NewEvent};

/// Who sends events on purpose. The ids of its events are its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProducerId {
    /// The owner of the API key with this id.
    Key(String),
    /// A program that uses this crate, by the name that it gives itself.
    Program(String),
}

impl ProducerId {
    /// Whose acts they are that its events ask for.
    pub(super) fn actor(&self) -> Actor {
        match self {
            Self::Key(id) => Actor::Key(id.clone()),
            Self::Program(_) => Actor::System,
        }
    }

    /// The API key's id, where it is one.
    pub(super) fn key(&self) -> Option<&str> {
        match self {
            Self::Key(id) => Some(id),
            Self::Program(_) => None,
        }
    }
}

impl fmt::Display for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => write!(f, "key:{id}"),
            Self::Program(name) => write!(f, "program:{name}"),
        }
    }
}

/// An earlier event with the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Earlier {
    pub(super) job_id: String,
    pub(super) key: JobKey,
    /// The hash of what it said; none where that is not known, and anything counts as the same.
    content: Option<String>,
}

/// What an id is unique within.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Identity {
    event_id: String,
    location_id: String,
    producer: String,
}

/// The ids of one batch: those that were met before, and those that it adds.
pub(super) struct EventIds {
    producer: String,
    earlier: HashMap<Identity, Earlier>,
    /// Of earlier releases, by event id, location and source.
    without_producer: HashMap<(String, String, String), Earlier>,
    /// Event ids and sources that rows of the ledger have.
    taken: HashSet<(String, String)>,
    /// Remembered long enough, and met again.
    expired: Vec<Identity>,
    new: Vec<(Identity, Earlier)>,
}

impl EventIds {
    /// Looks up the ids of the batch, among those that were accepted since `since_ms`.
    pub(super) async fn of(
        connection: &mut AnyConnection,
        producer: &ProducerId,
        triggers: &[IncomingEvent],
        since_ms: i64,
    ) -> Result<Self, RecordsError> {
        let mut found = Self {
            producer: producer.to_string(),
            earlier: HashMap::new(),
            without_producer: HashMap::new(),
            taken: HashSet::new(),
            expired: Vec::new(),
            new: Vec::new(),
        };
        let ids: HashSet<&str> = triggers.iter().filter_map(|trigger| trigger.event.id.as_deref()).collect();
        let ids: Vec<&str> = ids.into_iter().collect();
        let mut left = ids.as_slice();
        while !left.is_empty() {
            let batch = take_batch(&mut left, CHUNK);
            found.look_up(connection, &batch, since_ms).await?;
        }
        Ok(found)
    }

    async fn look_up(
        &mut self,
        connection: &mut AnyConnection,
        ids: &[&&str],
        since_ms: i64,
    ) -> Result<(), RecordsError> {
        let with_ids = |text| {
            let query = sqlx::query(with_list(text, ids.len())).persistent(ids.len() <= ROWS);
            ids.iter().fold(query, |query, id| query.bind(**id))
        };
        for row in with_ids(sql!("find_event_ids")).fetch_all(&mut *connection).await? {
            let key = key_of(&row)?;
            let identity = Identity {
                event_id: row.try_get("event_id")?,
                location_id: key.location_id.clone(),
                producer: row.try_get("producer")?,
            };
            if row.try_get::<i64, _>("accepted_at")? < since_ms {
                self.expired.push(identity);
                continue;
            }
            let content = Some(row.try_get::<String, _>("content")?).filter(|content| !content.is_empty());
            self.earlier.insert(identity, Earlier { job_id: row.try_get("job_id")?, key, content });
        }
        for row in with_ids(sql!("find_events")).fetch_all(&mut *connection).await? {
            let (event_id, source): (String, String) = (row.try_get("event_id")?, row.try_get("source")?);
            let key = key_of(&row)?;
            let is_earlier_releases = row.try_get::<Option<String>, _>("given_event_id")?.is_none();
            if is_earlier_releases && row.try_get::<i64, _>("created_at")? >= since_ms {
                let identity = (event_id.clone(), key.location_id.clone(), source.clone());
                self.without_producer.insert(identity, Earlier { job_id: row.try_get("id")?, key, content: None });
            }
            self.taken.insert((event_id, source));
        }
        Ok(())
    }

    /// The earlier event with the id of this one, of the batch or of before.
    pub(super) fn earlier(&self, event: &NewEvent) -> Option<&Earlier> {
        let identity = self.identity(event)?;
        let of_release = (identity.event_id.clone(), identity.location_id.clone(), event.source.clone());
        self.earlier.get(&identity).or_else(|| self.without_producer.get(&of_release))
    }

    /// Remembers the id of an event that was accepted. Returns what the ledger row keeps as its `event_id`.
    pub(super) fn add(&mut self, event: &NewEvent, job_id: &str, key: &JobKey) -> Option<String> {
        let identity = self.identity(event)?;
        let (job_id, key) = (job_id.to_owned(), key.clone());
        let earlier = Earlier { job_id, key, content: Some(content_of(event)) };
        self.earlier.insert(identity.clone(), earlier.clone());
        let event_id = identity.event_id.clone();
        self.new.push((identity, earlier));
        self.taken.insert((event_id.clone(), event.source.clone())).then_some(event_id)
    }

    /// Stores what was added.
    pub(super) async fn store(self, connection: &mut AnyConnection, now_ms: i64) -> Result<(), RecordsError> {
        for Identity { event_id, location_id, producer } in &self.expired {
            let query = sqlx::query(sql!("forget_event_id")).bind(event_id).bind(location_id).bind(producer);
            query.execute(&mut *connection).await?;
        }
        let marks = Marks::of(connection);
        let mut left = self.new.as_slice();
        while !left.is_empty() {
            let chunk = take_exactly(&mut left);
            let mut insert = sqlx::query(with_rows(marks, sql!("insert_event_ids"), chunk.len(), 8));
            for (Identity { event_id, location_id, producer }, Earlier { job_id, key, content }) in chunk {
                insert = insert
                    .bind(event_id)
                    .bind(location_id)
                    .bind(producer)
                    .bind(content.as_deref().unwrap_or_default())
                    .bind(job_id)
                    .bind(&key.kind)
                    .bind(&key.record_id)
                    .bind(now_ms);
            }
            insert.execute(&mut *connection).await?;
        }
        Ok(())
    }

    fn identity(&self, event: &NewEvent) -> Option<Identity> {
        // Other sources are parts of this program, whose ids are unique.
        let producer = if event.source == PRODUCERS { &self.producer } else { &event.source };
        let (location_id, producer) = (event.location_id.clone(), producer.clone());
        Some(Identity { event_id: event.id.clone()?, location_id, producer })
    }
}

impl Earlier {
    /// Whether it said the same. What a part of this program repeats it may say in other words: it knows more by then.
    pub(super) fn is_repeated_by(&self, event: &NewEvent) -> bool {
        event.source != PRODUCERS || self.content.as_ref().is_none_or(|content| *content == content_of(event))
    }
}

/// The hash of what an event says: its type, location, contact and data, whatever the order of the data's members.
fn content_of(event: &NewEvent) -> String {
    let NewEvent { id: _, source: _, occurred_at: _, event_type, location_id, contact_id, data } = event;
    // A call's contact is taken from its data. Earlier releases did not: their events are repeated under the same hash.
    let contact_id = contact_id.clone().filter(|_| event_type != operation::EVENT_TYPE);
    let mut hash = Context::new(&SHA256);
    let said = [Value::from(event_type.as_str()), location_id.as_str().into(), contact_id.into()];
    said.iter().for_each(|value| add_value(&mut hash, value));
    add_value(&mut hash, data);
    URL_SAFE_NO_PAD.encode(hash.finish())
}

fn add_value(hash: &mut Context, value: &Value) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            hash.update(b"{");
            for (name, value) in members {
                hash.update(Value::from(name.as_str()).to_string().as_bytes());
                hash.update(b":");
                add_value(hash, value);
            }
            hash.update(b"}");
        }
        Value::Array(items) => {
            hash.update(b"[");
            items.iter().for_each(|item| add_value(hash, item));
            hash.update(b"]");
        }
        plain => {
            hash.update(plain.to_string().as_bytes());
            hash.update(b",");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(data: &str) -> NewEvent {
        let data = serde_json::from_str(data).unwrap();
        let (source, event_type) = (PRODUCERS.to_owned(), "contact.updated".to_owned());
        let (occurred_at, contact_id) = (None, None);
        NewEvent {
            id: Some("e1".to_owned()),
            source,
            occurred_at,
            event_type,
            location_id: "l".to_owned(),
            contact_id,
            data,
        }
    }

    #[test]
    fn the_order_of_members_says_nothing_and_all_else_does() {
        let content = |data| content_of(&event(data));
        assert_eq!(
            content(r#"{"a": 1, "b": {"c": [1, 2], "d": null}}"#),
            content(r#"{"b":{"d":null,"c":[1,2]},"a":1}"#)
        );
        let others = [
            r#"{"a": 1}"#,
            r#"{"a": "1"}"#,
            r#"{"a": 2}"#,
            r#"{"b": 1}"#,
            r#"{"a": [1]}"#,
            r#"{"a": [[1]]}"#,
            r#"{"a": [1, 2]}"#,
            r#"{"a": [2, 1]}"#,
            r#"{"a": [12]}"#,
            r#"{"a": null}"#,
            r#"{"a": {}}"#,
            r#"{"a": []}"#,
            "{}",
            r#"{"a": {"b": 1}, "c": 2}"#,
            r#"{"a": {"b": 1, "c": 2}}"#,
        ];
        let distinct: HashSet<_> = others.iter().map(|data| content(data)).collect();
        assert_eq!(distinct.len(), others.len());
        let contact = NewEvent { contact_id: Some("c".to_owned()), ..event("{}") };
        let other_type = NewEvent { event_type: "contact.deleted".to_owned(), ..event("{}") };
        let other_place = NewEvent { location_id: "m".to_owned(), ..event("{}") };
        for other in [contact, other_type, other_place] {
            assert_ne!(content_of(&other), content("{}"), "{other:?}");
        }
        assert_eq!(
            content_of(&NewEvent { id: None, data: json!({}), ..event("{}") }),
            content("{}"),
            "its id is not what it says"
        );
    }
}
