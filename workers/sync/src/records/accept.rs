//! Accepting events: all of a batch or none, in one transaction, each event once.
//!
//! The edits that events carry are applied in the same transaction, in the order of the batch. Two transactions may
//! meet the same event or the same row: the unique indexes and the revisions let one of them win, and the other begins
//! again and sees what the winner wrote.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::time::Duration;

use job_engine::Priority;
use serde::Serialize;
use serde_json::json;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use sync_model::change::{CLIENTY_ID, Change};
use sync_model::field_mapping::Unwritable;
use sync_model::ids;
use sync_model::job::{JobKey, JobKind, REFRESHES_FIELDS};
use tokio::time::timeout;
use uuid::Uuid;

use super::activity::Sign;
use super::audit::{Act, Action};
use super::change::contact::{CUSTOM_FIELDS, MAPPED};
use super::change::{self, Applied, Unapplied};
use super::event_ids::{Earlier, EventIds, ProducerId};
use super::feed::{Cause, Origin};
use super::history::Via;
use super::runs::FollowUp;
use super::sql::{CHUNK, Marks, look_up_pairs, sql, take_exactly, with_list, with_rows};
use super::{Records, RecordsError, WEBHOOK_SOURCE, Write, conflicts, contacts, erase, flows, order};
use crate::events::IncomingEvent;

mod together;

pub(super) use together::{Batch, Outcome};

/// The source of what producers send on purpose.
pub(super) const PRODUCERS: &str = "api";

/// How often a transaction that lost a race starts again. Each loss means that another made progress.
const MAX_RACES: u8 = 8;

/// Who sends an event waits so long for a database that does not answer, or for the turn to write.
pub(super) const ACCEPT_DUE: Duration = Duration::from_secs(2);

/// How long a database may take to show that it is busy and not gone.
const ALIVE_DUE: Duration = Duration::from_secs(1);

/// An accepted event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The event's own id, where its source gave one.
    pub event_id: Option<String>,
    /// The ledger row; of the first one where the event was a repetition.
    pub job_id: String,
    /// Whether it had been accepted before, or earlier in the batch.
    pub duplicate: bool,
    /// What to enqueue.
    pub key: JobKey,
    /// Who goes first.
    pub priority: Priority,
}

/// An event that cannot be accepted, and with it its batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {index}: {field}: {message}")]
pub struct Refusal {
    /// The event's place in the batch, from 0.
    pub index: usize,
    /// The field at fault, as the producer spells it.
    pub field: &'static str,
    /// What is wrong with it.
    pub message: String,
}

/// Why a batch was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The producer's to mend.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The producer's to mend: the event's id is that of another event of the producer's.
    #[error(transparent)]
    IdReused(Refusal),
    /// The producer's to mend: `data.fields` says what the mapping of the location does not take.
    #[error("event {index}: {field}: {message}")]
    Unmapped {
        /// The event's place in the batch, from 0.
        index: usize,
        /// The field at fault, as `data.fields.lifecycle`.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// Ours.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

impl From<sqlx::Error> for AcceptError {
    fn from(error: sqlx::Error) -> Self {
        Self::Records(error.into())
    }
}

impl Records {
    /// [`Records::accept_from`] a program that gives itself no name.
    ///
    /// # Errors
    /// See [`Records::accept_from`].
    pub async fn accept(&self, triggers: &[IncomingEvent]) -> Result<Vec<Accepted>, AcceptError> {
        self.accept_from(&ProducerId::Program(String::new()), triggers).await
    }

    /// Writes the events of one producer to the ledger and applies their edits: all or none. Once this returns, no crash of a process
    /// loses them.
    ///
    /// # Errors
    /// [`AcceptError::Refused`] and [`AcceptError::IdReused`] name the first event and field at fault; [`RecordsError::NoAnswer`] leaves it
    /// open whether they were stored.
    pub async fn accept_from(
        &self,
        producer: &ProducerId,
        triggers: &[IncomingEvent],
    ) -> Result<Vec<Accepted>, AcceptError> {
        self.check_seen(triggers).await?;
        if self.sqlite {
            return self.accept_in_group(producer, triggers).await;
        }
        let mut accepting = pin!(async {
            match together::is_plain(triggers) {
                true => self.accept_together(producer, triggers).await,
                false => self.accept_alone(producer, triggers).await,
            }
        });
        loop {
            match timeout(ACCEPT_DUE, &mut accepting).await {
                Ok(outcome) => return outcome,
                // Busy: others are at work on the same records.
                Err(_) if self.is_alive(ALIVE_DUE).await => {}
                Err(_) => return Err(RecordsError::NoAnswer(ACCEPT_DUE + ALIVE_DUE).into()),
            }
        }
    }

    async fn accept_alone(
        &self,
        producer: &ProducerId,
        triggers: &[IncomingEvent],
    ) -> Result<Vec<Accepted>, AcceptError> {
        let mut races = 0;
        loop {
            match self.try_accept(producer, triggers).await {
                Err(AcceptError::Records(error)) if error.is_race() && races < MAX_RACES => races += 1,
                Err(AcceptError::Refused(refusal)) if refusal.field == CUSTOM_FIELDS => {
                    if let Some(trigger) = triggers.get(refusal.index) {
                        self.look_for_fields(&trigger.event.location_id).await;
                    }
                    return Err(refusal.into());
                }
                outcome => return outcome,
            }
            order::after_race(races).await;
        }
    }

    async fn try_accept(
        &self,
        producer: &ProducerId,
        triggers: &[IncomingEvent],
    ) -> Result<Vec<Accepted>, AcceptError> {
        let mut write = self.write().await?;
        order::take_turns(&mut write, triggers).await?;
        let accepted = take_in(&mut write, producer, triggers).await?;
        write.commit().await?;
        Ok(accepted)
    }

    /// A field that is not known may have been added in GHL since its fields were read, of which GHL sends no webhook: they are read again,
    /// once in a while.
    pub async fn look_for_fields(&self, location_id: &str) {
        if !self.noted.is_due(location_id, Sign::UnknownField, self.clock.now_ms()) {
            return;
        }
        let look = async {
            let mut write = self.write().await?;
            write.pending.push(FollowUp {
                kind: JobKind::RefreshLocation,
                location_id: location_id.to_owned(),
                record_id: REFRESHES_FIELDS.to_owned(),
                priority: Priority::Realtime,
            });
            write.commit().await
        };
        if let Err(error) = look.await {
            tracing::warn!(ghl.location = location_id, %error, "the custom fields of the location are not read again");
        }
    }

    /// Those of `location_ids` that are connected.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn known_locations(&self, location_ids: &[String]) -> Result<HashSet<String>, RecordsError> {
        let mut connection = self.pool.acquire().await?;
        let distinct = location_ids.iter().map(String::as_str).collect();
        known_locations(&mut connection, distinct).await
    }
}

/// Writes the events to the ledger and applies their edits, as part of a transaction.
pub(super) async fn take_in(
    write: &mut Write,
    producer: &ProducerId,
    triggers: &[IncomingEvent],
) -> Result<Vec<Accepted>, AcceptError> {
    check_ids(triggers)?;
    check_locations(write.conn(), triggers).await?;
    let erased = settle_erased(write, triggers).await?;
    let since_ms = write.now_ms.saturating_sub(i64::try_from(write.remember_event_ids.as_millis()).unwrap_or(i64::MAX));
    let mut ids = EventIds::of(write.conn(), producer, triggers, since_ms).await?;
    let aliases = aliases(write, triggers).await?;
    let mut accepted = Vec::with_capacity(triggers.len());
    let mut rows = Vec::new();
    for (index, trigger) in triggers.iter().enumerate() {
        let IncomingEvent { event, kind, priority, change } = trigger;
        let (event_id, priority) = (event.id.clone(), *priority);
        if let Some(earlier) = ids.earlier(event) {
            if !earlier.is_repeated_by(event) {
                let message =
                    "was used for an event that said something else; send this one under an id of its own".to_owned();
                return Err(AcceptError::IdReused(Refusal { index, field: "id", message }));
            }
            let Earlier { job_id, key, .. } = earlier.clone();
            accepted.push(Accepted { event_id, job_id, duplicate: true, key, priority });
            continue;
        }
        let location_id = &event.location_id;
        let job_id = Uuid::now_v7().to_string();
        let now_ms = write.now_ms;
        write.occurred_ms = event.occurred_at.map(|at| at.as_millisecond().min(now_ms));
        let key = producer.key().filter(|_| event.source == PRODUCERS).map(str::to_owned);
        let origin = origin_of(&event.source);
        write.cause = Cause { origin, job: Some(job_id.clone()), key, via: Via::Event };
        if let Change::Undo { conflict_id } = change {
            let act = Act::new(Action::ConflictUndo).by(producer.actor()).at(location_id).on(conflict_id);
            write.act(act.with(json!({"job": job_id})));
        }
        let applied = match change {
            Change::None { record_id } if is_of_contact(*kind) => match &aliases {
                Some(aliases) => {
                    Ok(aliases.get(&(location_id.clone(), record_id.clone())).unwrap_or(record_id).clone())
                }
                None => contacts::resolve(write.conn(), location_id, record_id).await.map_err(Unapplied::Failed),
            }
            .map(Applied::contact),
            Change::None { record_id } => Ok(Applied { record_id: record_id.clone(), contact_id: None, edited: None }),
            Change::Task(change) => change::apply(write, location_id, change).await,
            Change::Note(change) => change::apply(write, location_id, change).await,
            Change::Appointment(change) => change::apply(write, location_id, change).await,
            Change::Contact(change) if *kind == JobKind::PullContact => {
                Box::pin(change::contact::link(write, location_id, change)).await
            }
            Change::Contact(change) => Box::pin(change::contact::apply(write, location_id, change)).await,
            Change::Undo { conflict_id } => conflicts::undo(write, location_id, conflict_id).await,
        };
        let Applied { record_id, contact_id, edited } = applied.map_err(|unapplied| match unapplied {
            Unapplied::Refused { field, message } => AcceptError::Refused(Refusal { index, field, message }),
            Unapplied::Unmapped(Unwritable { name, message }) => {
                AcceptError::Unmapped { index, field: format!("{MAPPED}.{name}"), message }
            }
            Unapplied::Failed(error) => AcceptError::Records(error),
        })?;
        let key = JobKey::new(*kind, location_id, record_id);
        // An event of a flow is no trigger for another.
        if event.source == PRODUCERS && !write.flows.is_empty() {
            flows::starting::start_by_event(write, trigger, &key, edited).await?;
        }
        rows.push(NewRow {
            id: job_id.clone(),
            source: event.source.clone(),
            event_id: ids.add(event, &job_id, &key),
            given_event_id: event_id.clone(),
            event_type: event.event_type.clone(),
            key: key.clone(),
            contact_id: event.contact_id.clone().or(contact_id),
            priority,
            data: match event.contact_id.as_ref().is_some_and(|id| erased.contains(&(location_id.clone(), id.clone())))
            {
                true => "{}".to_owned(),
                false => event.data.to_string(),
            },
            created_at_ms: write.now_ms,
        });
        accepted.push(Accepted { event_id, job_id, duplicate: false, key, priority });
    }
    write.occurred_ms = None;
    insert_rows(write, &rows).await?;
    let now_ms = write.now_ms;
    ids.store(write.conn(), now_ms).await?;
    Ok(accepted)
}

/// The ids under which contacts are kept that events name by others, where no event of the batch can give one another.
async fn aliases(
    write: &mut Write,
    triggers: &[IncomingEvent],
) -> Result<Option<HashMap<(String, String), String>>, RecordsError> {
    let mut named = Vec::new();
    for IncomingEvent { event, kind, change, .. } in triggers {
        match change {
            Change::None { record_id } if is_of_contact(*kind) => {
                named.push((event.location_id.as_str(), record_id.as_str()));
            }
            Change::None { .. } => {}
            _ => return Ok(None),
        }
    }
    named.sort_unstable();
    named.dedup();
    let rows = look_up_pairs(write.conn(), sql!("aliases_by_pair"), &named, true).await?;
    let alias = |row: &AnyRow| Ok(((row.try_get("location_id")?, row.try_get("alias")?), row.try_get("contact_id")?));
    rows.iter().map(alias).collect::<Result<_, sqlx::Error>>().map(Some).map_err(RecordsError::from)
}

/// Whether the record of such a job is a contact, by the id under which it is kept.
fn is_of_contact(kind: JobKind) -> bool {
    matches!(kind, JobKind::PullContact | JobKind::EnrichContact)
}

/// Whose edit an event of that source is.
fn origin_of(source: &str) -> Origin {
    match source {
        crate::flows::SOURCE => Origin::Flow,
        WEBHOOK_SOURCE => Origin::Ghl,
        _ => Origin::Clienty,
    }
}

/// Every id of every event, whatever its source: what is stored here must be packed, indexed and addressed.
fn check_ids(triggers: &[IncomingEvent]) -> Result<(), Refusal> {
    for (index, IncomingEvent { event, change, .. }) in triggers.iter().enumerate() {
        let of_event = [
            ("id", event.id.as_deref()),
            ("type", Some(event.event_type.as_str())),
            ("locationId", Some(event.location_id.as_str())),
            ("contactId", event.contact_id.as_deref()),
        ];
        for (field, id) in of_event.into_iter().chain(change.ids()) {
            if let Some(Err(bad)) = id.map(ids::check) {
                return Err(Refusal { index, field, message: bad.to_string() });
            }
        }
    }
    Ok(())
}

/// The contacts of the batch whose data was erased, by location. A producer who asks for one gets it again; its other events about one
/// are refused, and what others report one is accepted without what it reports.
async fn settle_erased(
    write: &mut Write,
    triggers: &[IncomingEvent],
) -> Result<HashSet<(String, String)>, AcceptError> {
    let about = |trigger: &IncomingEvent| {
        let clienty_id = match &trigger.change {
            Change::Contact(change) => change.clienty_id.clone(),
            _ => None,
        };
        let ids = [("contactId", trigger.event.contact_id.clone()), (CLIENTY_ID, clienty_id)];
        let location_id = trigger.event.location_id.clone();
        // A call may name people wherever its operation wants them.
        let called = (trigger.kind == JobKind::CallOperation).then(|| erase::ids_in(&trigger.event.data));
        let called: Vec<_> = called.into_iter().flatten().map(|id| ("contactId", Some(id.to_owned()))).collect();
        let ids = ids.into_iter().chain(called);
        ids.filter_map(move |(field, id)| Some((field, (location_id.clone(), id?))))
    };
    let contacts: Vec<(String, String)> = triggers.iter().flat_map(about).map(|(_, contact)| contact).collect();
    let pairs: Vec<(&str, &str)> = contacts.iter().map(|(l, c)| (l.as_str(), c.as_str())).collect();
    let mut erased = erase::erased_among(write.conn(), &pairs).await?;
    if erased.is_empty() {
        return Ok(erased);
    }
    let now_ms = write.now_ms;
    let says = |trigger: &IncomingEvent| {
        trigger.kind == JobKind::CallOperation
            || [PRODUCERS, crate::flows::SOURCE].contains(&trigger.event.source.as_str())
    };
    for (index, trigger) in triggers.iter().enumerate().filter(|(_, trigger)| says(trigger)) {
        for (field, contact) in about(trigger) {
            if !erased.contains(&contact) {
                continue;
            }
            if trigger.kind != JobKind::PullContact || trigger.event.source != PRODUCERS {
                let message =
                    "its data was erased on request; `contact.selected` with this id as contactId fetches it anew"
                        .to_owned();
                return Err(Refusal { index, field, message }.into());
            }
            let (location_id, contact_id) = &contact;
            let lift = sqlx::query(sql!("lift_erasure")).bind(now_ms).bind(location_id).bind(contact_id);
            lift.execute(write.conn()).await?;
            let restore = sqlx::query(sql!("restore_aliases")).bind(location_id).bind(contact_id).bind(now_ms);
            restore.execute(write.conn()).await?;
            erased.remove(&contact);
        }
    }
    Ok(erased)
}

async fn check_locations(connection: &mut AnyConnection, triggers: &[IncomingEvent]) -> Result<(), AcceptError> {
    let distinct = triggers.iter().map(|trigger| trigger.event.location_id.as_str()).collect();
    let known = known_locations(connection, distinct).await?;
    match triggers.iter().position(|trigger| !known.contains(&trigger.event.location_id)) {
        None => Ok(()),
        Some(index) => Err(Refusal { index, ..unknown_location() }.into()),
    }
}

/// The error of the first event of a batch whose location is not connected.
pub(super) fn unknown_location() -> Refusal {
    Refusal { index: 0, field: "locationId", message: "no such location is connected".to_owned() }
}

pub(super) async fn known_locations(
    connection: &mut AnyConnection,
    distinct: HashSet<&str>,
) -> Result<HashSet<String>, RecordsError> {
    let distinct: Vec<&str> = distinct.into_iter().collect();
    let mut known = HashSet::new();
    for chunk in distinct.chunks(CHUNK) {
        let mut query = sqlx::query_scalar(with_list(sql!("known_locations"), chunk.len())).persistent(false);
        for location_id in chunk {
            query = query.bind(*location_id);
        }
        known.extend(query.fetch_all(&mut *connection).await?);
    }
    Ok(known)
}

/// A ledger row to insert.
#[derive(Serialize)]
pub(super) struct NewRow {
    pub(super) id: String,
    pub(super) source: String,
    pub(super) event_id: Option<String>,
    /// The event's id, also where `event_id` has no room for it.
    pub(super) given_event_id: Option<String>,
    pub(super) event_type: String,
    #[serde(flatten)]
    pub(super) key: JobKey,
    /// The contact that the row is about, where it may hold data of a person.
    pub(super) contact_id: Option<String>,
    #[serde(serialize_with = "number")]
    pub(super) priority: Priority,
    pub(super) data: String,
    pub(super) created_at_ms: i64,
}

/// One statement for all of them on PostgreSQL, which reads them from one document; SQLite takes longer for that than for placeholders.
pub(super) async fn insert_rows(write: &mut Write, rows: &[NewRow]) -> Result<(), RecordsError> {
    if rows.is_empty() {
        return Ok(());
    }
    if !write.sqlite {
        // Texts and numbers have no way to fail.
        let rows = serde_json::to_string(rows).unwrap_or_default();
        sqlx::query(sql!("accept_events_postgres")).bind(rows).execute(write.conn()).await?;
        return Ok(());
    }
    let mut left = rows;
    while !left.is_empty() {
        let batch = take_exactly(&mut left);
        let mut insert = sqlx::query(with_rows(Marks::Plain, sql!("accept_events"), batch.len(), 12));
        for row in batch {
            let JobKey { kind, location_id, record_id } = &row.key;
            insert = insert
                .bind(&row.id)
                .bind(&row.source)
                .bind(&row.event_id)
                .bind(&row.given_event_id)
                .bind(&row.event_type)
                .bind(kind)
                .bind(location_id)
                .bind(record_id)
                .bind(&row.contact_id)
                .bind(i64::from(row.priority as u8))
                .bind(&row.data)
                .bind(row.created_at_ms);
        }
        insert.execute(write.conn()).await?;
    }
    Ok(())
}

fn number<S: serde::Serializer>(priority: &Priority, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u8(*priority as u8)
}
