//! A contact with all that hangs on it as it is now, and the changes that led there: what the past is made of.

use std::collections::{BTreeMap, HashMap};

use sync_model::decide::fields::{Fields, Record, fields, is_nothing, set, value};
use sync_model::record::{Appointment, Contact, Note, Task};

use super::super::contacts;
use super::super::entries::{self, AnyEntry, Entry, EntryRow};
use super::super::feed::ChangeOp;
use super::super::ledger::timestamp;
use super::super::sql::sql;
use super::super::{ContactRow, Records, RecordsError};
use super::{FieldChange, Row};

/// So many changes of one contact are looked through; what came before them counts as forgotten.
const MOST: i64 = 20_000;

/// A record at a moment of the past.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) kind: String,
    /// The contact that it was, or belonged to, by the id of then.
    pub(super) contact_id: String,
    pub(super) clienty_id: Option<String>,
    pub(super) ghl_id: Option<String>,
    /// Whether readers saw it.
    pub(super) is_there: bool,
    /// Whether it was not known yet.
    pub(super) is_unmet: bool,
    pub(super) fields: Fields,
    /// As it is now, where it has a row still.
    pub(super) now: Option<Now>,
}

/// A record as it is now.
#[derive(Debug, Clone)]
pub(super) enum Now {
    Contact(Box<Contact>),
    Entry(Box<AnyEntry>),
}

/// Goes back in time, a change at a time.
pub(super) struct Scan {
    /// The contact as it is now; none where it has no row any more.
    pub(super) contact: Option<ContactRow>,
    pub(super) records: BTreeMap<String, Held>,
    /// The changes that are left to take back, the oldest first.
    rows: Vec<Row>,
    /// The ids of custom fields by their keys.
    ids: HashMap<String, String>,
    /// The history is forgotten up to then, in ms since 1970.
    pub(super) forgotten_ms: i64,
    /// Whether the contact's data was erased since what is left.
    pub(super) is_erased: bool,
}

impl Records {
    /// The contact that is known by the id, with its history; none where there is neither.
    pub(super) async fn scan_back(&self, location_id: &str, contact_id: &str) -> Result<Option<Scan>, RecordsError> {
        let keys = self.custom_field_keys(location_id).await?;
        // One state of the database, or a change of meanwhile would be taken back that is not there yet.
        let begin = if self.sqlite { "begin" } else { "begin isolation level repeatable read read only" };
        let mut tx = self.pool.begin_with(begin).await?;
        let contact = contacts::find_by_any_id(&mut tx, location_id, contact_id).await?;
        let contact_id = match &contact {
            Some(contact) => contact.contact_id.clone(),
            None => contacts::resolve(&mut tx, location_id, contact_id).await?,
        };
        let query = sqlx::query_scalar(sql!("aliases_of_contact")).bind(location_id).bind(&contact_id);
        let mut names: Vec<String> = query.fetch_all(&mut *tx).await?;
        names.push(contact_id.clone());
        let mut rows = Vec::new();
        for name in &names {
            // Planned anew each time: a plan of when the table was empty may read all of it.
            let query = sqlx::query(sql!("history_of_contact")).persistent(false);
            let query = query.bind(location_id).bind(name).bind(MOST);
            for row in query.fetch_all(&mut *tx).await? {
                rows.extend(Row::read(&row)?);
            }
        }
        rows.sort_unstable_by_key(|row| row.seq);
        let end = sqlx::query_scalar(sql!("history_end")).bind(self.clock.now_ms());
        let mut forgotten_ms: i64 = end.fetch_one(&mut *tx).await?;
        let most = usize::try_from(MOST).unwrap_or(usize::MAX);
        if rows.len() > most {
            rows.drain(..rows.len() - most);
            forgotten_ms = rows.first().map_or(forgotten_ms, |row| row.at_ms);
        }
        let mut scan = Scan {
            contact,
            records: BTreeMap::new(),
            rows,
            ids: keys.into_iter().map(|(id, key)| (key, id)).collect(),
            forgotten_ms,
            is_erased: false,
        };
        if let Some(row) = &scan.contact {
            let held = Held {
                kind: Contact::NAME.to_owned(),
                contact_id: row.contact_id.clone(),
                clienty_id: row.clienty_id.clone(),
                ghl_id: Some(row.contact_id.clone()),
                is_there: row.is_visible(),
                is_unmet: false,
                fields: scan.named(fields(&row.doc)),
                now: Some(Now::Contact(Box::new(row.doc.clone()))),
            };
            scan.records.insert(row.row_id.clone(), held);
        }
        scan.add(entries::of_contact::<Task>(&mut tx, location_id, &contact_id).await?);
        scan.add(entries::of_contact::<Note>(&mut tx, location_id, &contact_id).await?);
        scan.add(entries::of_contact::<Appointment>(&mut tx, location_id, &contact_id).await?);
        tx.rollback().await?;
        Ok((!scan.records.is_empty() || !scan.rows.is_empty()).then_some(scan))
    }
}

impl Scan {
    fn add<E: Entry>(&mut self, rows: Vec<EntryRow<E>>) {
        for row in rows {
            let EntryRow { row_id, contact_id, clienty_id, ghl_id, doc, deleted, .. } = row;
            let (kind, fields) = (E::KIND.to_owned(), fields(&doc));
            let now = Some(Now::Entry(Box::new(doc.into())));
            let held = Held { kind, contact_id, clienty_id, ghl_id, is_there: !deleted, is_unmet: false, fields, now };
            self.records.insert(row_id, held);
        }
    }

    /// The newest change that is left, unless it is of `until_ms` or earlier, taken back, with what it had done.
    ///
    /// # Errors
    /// [`RecordsError::Forgotten`] where nobody knows any more what was there before it.
    pub(super) fn back(&mut self, until_ms: i64) -> Result<Option<(Row, Vec<FieldChange>)>, RecordsError> {
        if self.rows.last().is_none_or(|row| row.at_ms <= until_ms) {
            return Ok(None);
        }
        let Some(row) = self.rows.pop() else { return Ok(None) };
        let changes = self.take_back(&row)?;
        Ok(Some((row, changes)))
    }

    /// As [`Scan::back`], as far as it goes.
    pub(super) fn step(&mut self) -> Result<Option<(Row, Vec<FieldChange>)>, RecordsError> {
        match self.back(i64::MIN) {
            Err(RecordsError::Forgotten { .. }) => Ok(None),
            step => step,
        }
    }

    fn take_back(&mut self, row: &Row) -> Result<Vec<FieldChange>, RecordsError> {
        if row.op == ChangeOp::Erased {
            // What was before is nobody's to know.
            self.rows.clear();
            self.records.clear();
            self.is_erased = true;
            return Ok(Vec::new());
        }
        let was = row.was.as_ref();
        let forgotten = || RecordsError::Forgotten { since: timestamp(row.at_ms) };
        let fields: Vec<(String, serde_json::Value)> = was
            .map(|was| was.fields(if row.record == Contact::NAME { Contact::SETS } else { &[] }))
            .unwrap_or_default()
            .into_iter()
            .map(|(name, was)| (self.name(name), was.clone()))
            .collect();
        let doc = was.and_then(|was| was.rest.doc.clone()).map(|doc| self.named(doc));
        let held = self.records.entry(row.record_id.clone()).or_insert_with(|| Held {
            kind: row.record.clone(),
            contact_id: row.contact_id.clone(),
            clienty_id: row.clienty_id.clone(),
            ghl_id: row.ghl_id.clone(),
            is_there: row.op != ChangeOp::Deleted,
            is_unmet: false,
            fields: Fields::new(),
            now: None,
        });
        held.is_unmet = match row.op {
            ChangeOp::Stored => row.is_new,
            _ => was.is_some_and(|was| was.rest.unmet),
        };
        let mut changes = Vec::new();
        match (row.op, was) {
            (ChangeOp::Erased | ChangeOp::Synced, _) => {}
            (ChangeOp::Stored, _) if row.is_new => {
                changes =
                    whole(&held.fields, |field, value| FieldChange { field, from: Default::default(), to: value });
                held.is_there = false;
            }
            (ChangeOp::Stored, Some(was)) => {
                for (field, from) in fields {
                    let to = value(&held.fields, &field);
                    set(&mut held.fields, &field, from.clone());
                    changes.push(FieldChange { field, from, to });
                }
                held.is_there = !was.rest.hidden;
            }
            (ChangeOp::Deleted, Some(was)) => {
                held.is_there = !was.rest.hidden;
                if let Some(doc) = doc {
                    changes = whole(&doc, |field, value| FieldChange { field, from: value, to: Default::default() });
                    held.fields = doc;
                }
                for part in was.rest.parts.clone() {
                    let held = self.records.entry(part.id).or_insert_with(|| Held {
                        kind: part.record,
                        contact_id: row.contact_id.clone(),
                        clienty_id: None,
                        ghl_id: None,
                        is_there: true,
                        is_unmet: false,
                        fields: Fields::new(),
                        now: None,
                    });
                    (held.is_there, held.fields) = (true, part.doc);
                }
            }
            (ChangeOp::Stored | ChangeOp::Deleted, None) => {
                self.rows.clear();
                self.forgotten_ms = self.forgotten_ms.max(row.at_ms);
                return Err(forgotten());
            }
        }
        Ok(changes)
    }

    /// Whether every change that is known was taken back.
    pub(super) fn is_at_end(&self) -> bool {
        self.rows.is_empty()
    }

    /// The changes that are left, the newest first.
    pub(super) fn earlier(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().rev()
    }

    /// The name of a field as a document of now has it: custom fields that GHL knows by their id, whatever they were called.
    pub(super) fn name(&self, name: String) -> String {
        let key = name.strip_prefix("customFields.").map(|key| key.strip_prefix("contact.").unwrap_or(key));
        match key.and_then(|key| self.ids.get(key)) {
            Some(id) => format!("customFields.{id}"),
            None => name,
        }
    }

    fn named(&self, fields: Fields) -> Fields {
        fields.into_iter().map(|(name, value)| (self.name(name), value)).collect()
    }
}

fn whole(fields: &Fields, change: impl Fn(String, serde_json::Value) -> FieldChange) -> Vec<FieldChange> {
    let held = fields.iter().filter(|(_, value)| !is_nothing(value));
    held.map(|(name, value)| change(name.clone(), value.clone())).collect()
}
