//! Contacts: rows that both sides may edit.
//!
//! As with tasks and notes, `doc` is what readers see and `base` the last state agreed with GHL. A contact that a producer made is known by
//! the producer's id until GHL has given it one. Then the row, and all that hangs on it, moves to GHL's id, and the producer's
//! becomes an alias: whoever knows the contact by it finds it under both.
//!
//! A contact that a producer edits before it was ever pulled has an empty base and was never synced: the push reads it first.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::conflicts;
use super::feed::{ChangeOp, Changed};
use super::merging::{self, Edits, Taken, Written, column};
use super::model::{Contact, CustomField, is_key};
use super::runs::Tx;
use super::sql::sql;
use super::{Records, RecordsError, Run, Write, rules};
use crate::decide::echo::Prints;
use crate::decide::fields::{Fields, Record as _, fields, set, with_fields};
use crate::decide::verify::SyncState;

/// A contact as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct ContactRow {
    /// Never changes: the record id of push jobs.
    pub row_id: String,
    /// GHL's location id.
    pub location_id: String,
    /// GHL's id; the producer's own until GHL has the contact.
    pub contact_id: String,
    /// The producer's own id.
    pub clienty_id: Option<String>,
    /// As readers see it.
    pub doc: Contact,
    /// The last state agreed with GHL; none while there is none there.
    pub base: Option<Contact>,
    /// When each field that GHL does not have yet was edited here.
    pub edits: Edits,
    /// What was written to GHL.
    pub prints: Prints,
    /// How the last write ended.
    pub sync: Option<SyncState>,
    /// What a create is about to send, or sent with an unknown outcome.
    pub intent: Option<Contact>,
    /// When that was written, in ms since 1970.
    pub intent_at_ms: Option<i64>,
    /// When readers ceased to see it, in ms since 1970.
    pub deleted_at_ms: Option<i64>,
    /// When GHL's answer was last stored, in ms since 1970; 0 for never.
    pub synced_at_ms: i64,
    /// Counts its changes.
    pub revision: i64,
    /// The newest event of GHL's that told it to be as `base` says.
    pub heard_at: Option<Timestamp>,
}

/// What GHL answered to a write.
#[derive(Debug, Clone)]
pub struct ContactReply {
    /// What was asked: null for what was to be taken away.
    pub asked: Fields,
    /// The contact as GHL holds it now.
    pub contact: Contact,
}

impl ContactRow {
    /// Whether readers see it.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.deleted_at_ms.is_none()
    }

    /// Whether GHL has yet to get it.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.base.is_none() && self.is_shown()
    }

    /// Whether GHL has it, but what GHL has was never read.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.base.is_some() && self.synced_at_ms == 0
    }

    /// Whether GHL has what readers see, so that no push is owed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        match &self.base {
            Some(base) => self.is_shown() && !self.is_unread() && fields(base) == fields(&self.doc),
            None => !self.is_shown() && self.intent.is_none(),
        }
    }

    /// The keys of custom fields whose ids are not known yet.
    #[must_use]
    pub fn unresolved(&self) -> Vec<&str> {
        self.doc.custom_fields.iter().map(|field| field.id.as_str()).filter(|id| is_key(id)).collect()
    }

    pub(super) fn changed(&self, op: ChangeOp) -> Changed {
        Changed {
            location_id: self.location_id.clone(),
            contact_id: self.contact_id.clone(),
            record: Contact::NAME,
            record_id: self.contact_id.clone(),
            op,
        }
    }

    /// `theirs` with the ids of this row, so that the two compare.
    fn with_ids_of(&self, theirs: &Contact) -> Contact {
        Contact { id: self.contact_id.clone(), clienty_contact_id: self.clienty_id.clone(), ..theirs.clone() }
    }

    /// What the merge with GHL's state counts as agreed. Of a contact that was never read nothing is known to be agreed; what a
    /// producer edited blindly is meant to be.
    fn agreed(&self, theirs: &Contact) -> Fields {
        let Some(base) = &self.base else { return Fields::new() };
        let mut agreed = fields(base);
        if self.is_unread() {
            agreed.extend(fields(theirs).into_iter().filter(|(name, _)| self.edits.contains_key(name)));
        }
        agreed
    }
}

impl Records {
    /// The contact of that row id.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn contact_row(&self, location_id: &str, row_id: &str) -> Result<Option<ContactRow>, RecordsError> {
        let row = sqlx::query(sql!("find_contact_by_row")).bind(location_id).bind(row_id).fetch_optional(&self.pool);
        row.await?.as_ref().map(row_of).transpose()
    }

    /// The contact of that id, GHL's or the producer's.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn find_contact(&self, location_id: &str, id: &str) -> Result<Option<ContactRow>, RecordsError> {
        let mut connection = self.pool.acquire().await?;
        let id = resolve(&mut connection, location_id, id).await?;
        find(&mut connection, location_id, &id).await
    }

    /// Whether GHL has yet to get the contact, so that nothing can be hung on it there.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn is_pending(&self, location_id: &str, contact_id: &str) -> Result<bool, RecordsError> {
        let row: Option<String> = sqlx::query_scalar(sql!("pending_contact"))
            .bind(location_id)
            .bind(contact_id)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.is_some())
    }

    /// Whether a row has this id of GHL's: such a contact is not what a lost create made.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn is_linked(&self, location_id: &str, contact_id: &str) -> Result<bool, RecordsError> {
        let row: Option<String> = sqlx::query_scalar(sql!("linked_contact"))
            .bind(location_id)
            .bind(contact_id)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.is_some())
    }

    /// Keeps what a create is about to send, or forgets it (none) once it is known not to have arrived, while `run` still holds its ledger
    /// rows.
    ///
    /// # Errors
    /// [`RecordsError::LostRun`] when it does not, or the row is gone: nothing may be sent then.
    pub async fn set_contact_intent(&self, run: &Run, sent: Option<&Contact>) -> Result<(), RecordsError> {
        self.announce(sql!("set_contact_intent"), run, &run.key.record_id, sent.map(document)).await
    }

    /// Keeps with the contact that GHL refused to write it, and why.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn refuse_contact(&self, location_id: &str, row_id: &str, state: &SyncState) -> Result<(), RecordsError> {
        let _gate = self.gate().await;
        let text = serde_json::to_string(state).ok();
        sqlx::query(sql!("refuse_contact")).bind(text).bind(location_id).bind(row_id).execute(&self.pool).await?;
        Ok(())
    }
}

impl Tx {
    /// GHL did what `reply` says. Readers see GHL's form of it, unless they edited it since: then the edit stays and its own job will push it.
    /// How the write ended and whether nothing more is owed, where the contact is still there.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn contact_written(
        &mut self,
        row_id: &str,
        reply: &ContactReply,
    ) -> Result<Option<(SyncState, bool)>, RecordsError> {
        let location_id = self.run.key.location_id.clone();
        let Some(row) = take(&mut self.write, &location_id, row_id).await? else { return Ok(None) };
        let state = self.write_down(row, reply).await?;
        Ok(Some(state))
    }

    /// GHL holds `theirs` of a contact: its row takes it in, edits stay.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn contact_read(&mut self, row_id: &str, theirs: &Contact) -> Result<(), RecordsError> {
        let location_id = self.run.key.location_id.clone();
        match take(&mut self.write, &location_id, row_id).await? {
            Some(row) => follow(&mut self.write, row, theirs).await,
            None => Ok(()),
        }
    }

    /// GHL holds `news` of a contact since `at`, and the rest as before: its row takes that in.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn contact_told(&mut self, row_id: &str, news: &Fields, at: Timestamp) -> Result<(), RecordsError> {
        let location_id = self.run.key.location_id.clone();
        let Some(row) = take(&mut self.write, &location_id, row_id).await? else { return Ok(()) };
        let Some(base) = &row.base else { return Ok(()) };
        let mut held = fields(base);
        for (name, value) in news {
            set(&mut held, name, value.clone());
        }
        let theirs = Contact { date_updated: Some(at), ..with_fields(base, &held) };
        follow(&mut self.write, row, &theirs).await
    }

    /// An event of `at` told the contact to be as it is known already: what is older tells nothing new from now on.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn contact_heard(&mut self, row_id: &str, at: Timestamp) -> Result<(), RecordsError> {
        let location_id = self.run.key.location_id.clone();
        let query = sqlx::query(sql!("contact_heard")).bind(at.as_millisecond()).bind(location_id).bind(row_id);
        query.execute(self.write.conn()).await?;
        Ok(())
    }

    /// GHL has the pending contact under its own id: as a create of ours made it, where `asked` tells what that sent; else as it was there
    /// before. Returns the row that owes what is left: another one where two contacts of the producer are one in GHL.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn contact_linked(
        &mut self,
        row: &ContactRow,
        theirs: &Contact,
        asked: Option<&Fields>,
    ) -> Result<Option<String>, RecordsError> {
        let location_id = self.run.key.location_id.clone();
        let Some(mut row) = take(&mut self.write, &location_id, &row.row_id).await? else { return Ok(None) };
        let old_id = std::mem::replace(&mut row.contact_id, theirs.id.clone());
        let other = find(self.write.conn(), &location_id, &theirs.id).await?;
        if old_id != theirs.id {
            self.move_to(&location_id, &old_id, &theirs.id).await?;
            self.write.changed.push(Changed {
                record_id: old_id.clone(),
                contact_id: old_id,
                ..row.changed(ChangeOp::Deleted)
            });
        }
        if let Some(other) = other.filter(|other| other.row_id != row.row_id) {
            sqlx::query(sql!("delete_contact"))
                .bind(&location_id)
                .bind(if other.clienty_id.is_some() { &row.row_id } else { &other.row_id })
                .execute(self.write.conn())
                .await?;
            if other.clienty_id.is_some() {
                // Two of the producer's contacts are one person in GHL: what this one says counts as an edit of the other.
                let mut other = other;
                let said = Contact { date_updated: None, ..row.doc.clone() };
                let policies = self.write.policies.clone();
                let none = Fields::new();
                let Taken { doc, edits, conflicts } =
                    merging::take_in(&policies, &none, &said, &other.doc, &row.edits, other.doc.date_updated);
                conflicts::keep(
                    &mut self.write,
                    &location_id,
                    &other.contact_id,
                    Contact::NAME,
                    &other.row_id,
                    &conflicts,
                )
                .await?;
                other.edits.extend(edits);
                other.doc = other.with_ids_of(&doc);
                save(&mut self.write, &other, true).await?;
                self.write.changed.push(other.changed(ChangeOp::Stored));
                return Ok(Some(other.row_id));
            }
            if row.is_shown() {
                row.synced_at_ms = other.synced_at_ms;
            }
        }
        let row_id = row.row_id.clone();
        (row.intent, row.intent_at_ms) = (None, None);
        match asked {
            Some(asked) => {
                let reply = ContactReply { asked: asked.clone(), contact: theirs.clone() };
                self.write_down(row, &reply).await?;
            }
            None => follow(&mut self.write, row, theirs).await?,
        }
        Ok(Some(row_id))
    }

    /// Names custom fields by the ids of their definitions, which are told by key.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn name_custom_fields(
        &mut self,
        row_id: &str,
        ids: &HashMap<String, String>,
    ) -> Result<(), RecordsError> {
        let location_id = self.run.key.location_id.clone();
        let Some(mut row) = take(&mut self.write, &location_id, row_id).await? else { return Ok(()) };
        let (keyed, mut kept): (Vec<_>, Vec<_>) =
            row.doc.custom_fields.into_iter().partition(|field| ids.contains_key(&field.id));
        for CustomField { id: key, value } in keyed {
            let Some(id) = ids.get(&key) else { continue };
            if let Some(at) = row.edits.remove(&format!("customFields.{key}")) {
                row.edits.insert(format!("customFields.{id}"), at);
            }
            match kept.iter_mut().find(|field| field.id == *id) {
                Some(field) => field.value = value,
                None => kept.push(CustomField { id: id.clone(), value }),
            }
        }
        row.doc.custom_fields = kept;
        save(&mut self.write, &row, false).await
    }

    async fn move_to(&mut self, location_id: &str, old_id: &str, new_id: &str) -> Result<(), RecordsError> {
        for text in [sql!("move_aliases"), sql!("move_entries"), sql!("move_conflicts")] {
            sqlx::query(text).bind(new_id).bind(location_id).bind(old_id).execute(self.write.conn()).await?;
        }
        save_alias(&mut self.write, location_id, old_id, new_id).await
    }

    async fn write_down(
        &mut self,
        mut row: ContactRow,
        reply: &ContactReply,
    ) -> Result<(SyncState, bool), RecordsError> {
        let ContactReply { asked, contact } = reply;
        let theirs = row.with_ids_of(contact);
        rules::tagged(&mut self.write, &row, &theirs).await?;
        let Written { agreed, unapplied, got } = merging::written(row.base.as_ref(), asked, &theirs);
        let policies = self.write.policies.clone();
        let Taken { doc, edits, conflicts } =
            merging::take_in(&policies, &agreed, &row.doc, &theirs, &row.edits, theirs.date_updated);
        conflicts::keep(&mut self.write, &row.location_id, &row.contact_id, Contact::NAME, &row.row_id, &conflicts)
            .await?;
        let state = SyncState::written(unapplied, super::ledger::timestamp(self.write.now_ms));
        row.prints.remember(asked, &got);
        row.sync = Some(state.clone());
        (row.doc, row.edits, row.base) = (doc, edits, Some(theirs));
        row.synced_at_ms = self.write.now_ms;
        save(&mut self.write, &row, true).await?;
        self.write.changed.push(row.changed(if row.is_shown() { ChangeOp::Stored } else { ChangeOp::Deleted }));
        Ok((state, row.is_settled()))
    }
}

/// Stores what a pull brought, unless the row moved since the pull began, at `revision`. Whether it was stored.
pub(super) async fn store(
    write: &mut Write,
    location_id: &str,
    theirs: &Contact,
    revision: i64,
) -> Result<bool, RecordsError> {
    match find(write.conn(), location_id, &theirs.id).await? {
        None if revision == 0 => {
            let row = ContactRow {
                base: Some(theirs.clone()),
                doc: theirs.clone(),
                synced_at_ms: write.now_ms,
                ..bare(location_id, &theirs.id)
            };
            let is_new = insert(write, &row).await?;
            if is_new {
                write.changed.push(row.changed(ChangeOp::Stored));
            }
            Ok(is_new)
        }
        Some(row) if row.revision == revision => {
            follow(write, row, theirs).await?;
            Ok(true)
        }
        None | Some(_) => Ok(false),
    }
}

/// Makes a row follow what GHL holds. What was edited here stays owed; what was deleted here stays deleted.
pub(super) async fn follow(write: &mut Write, mut row: ContactRow, theirs: &Contact) -> Result<(), RecordsError> {
    let theirs = row.with_ids_of(theirs);
    let now_ms = write.now_ms;
    if row.base.as_ref() == Some(&theirs) && !row.is_unread() {
        sqlx::query(sql!("touch_contact"))
            .bind(now_ms)
            .bind(&row.location_id)
            .bind(&row.row_id)
            .execute(write.conn())
            .await?;
        return Ok(());
    }
    rules::tagged(write, &row, &theirs).await?;
    let before = (row.doc.clone(), row.is_shown());
    if row.is_shown() {
        let policies = write.policies.clone();
        let agreed = row.agreed(&theirs);
        let Taken { doc, edits, conflicts } =
            merging::take_in(&policies, &agreed, &row.doc, &theirs, &row.edits, theirs.date_updated);
        conflicts::keep(write, &row.location_id, &row.contact_id, Contact::NAME, &row.row_id, &conflicts).await?;
        (row.doc, row.edits) = (doc, edits);
    } else if row.base.is_none() {
        // It was gone from GHL and is back.
        (row.doc, row.deleted_at_ms) = (theirs.clone(), None);
    }
    let shows = before != (Contact { date_updated: before.0.date_updated, ..row.doc.clone() }, row.is_shown());
    row.base = Some(theirs);
    row.synced_at_ms = now_ms;
    save(write, &row, shows).await?;
    if shows {
        write.changed.push(row.changed(ChangeOp::Stored));
    }
    Ok(())
}

/// A row without content.
pub(super) fn bare(location_id: &str, contact_id: &str) -> ContactRow {
    ContactRow {
        row_id: contact_id.to_owned(),
        location_id: location_id.to_owned(),
        contact_id: contact_id.to_owned(),
        clienty_id: None,
        doc: Contact { id: contact_id.to_owned(), ..Contact::default() },
        base: None,
        edits: BTreeMap::new(),
        prints: Prints::default(),
        sync: None,
        intent: None,
        intent_at_ms: None,
        deleted_at_ms: None,
        synced_at_ms: 0,
        revision: 1,
        heard_at: None,
    }
}

/// The id under which the contact is kept that is known as `id`.
pub(super) async fn resolve(
    connection: &mut sqlx::AnyConnection,
    location_id: &str,
    id: &str,
) -> Result<String, RecordsError> {
    let known: Option<String> =
        sqlx::query_scalar(sql!("contact_alias")).bind(location_id).bind(id).fetch_optional(connection).await?;
    Ok(known.unwrap_or_else(|| id.to_owned()))
}

pub(super) async fn save_alias(
    write: &mut Write,
    location_id: &str,
    alias: &str,
    contact_id: &str,
) -> Result<(), RecordsError> {
    sqlx::query(sql!("save_alias")).bind(location_id).bind(alias).bind(contact_id).execute(write.conn()).await?;
    Ok(())
}

pub(super) async fn find(
    connection: &mut sqlx::AnyConnection,
    location_id: &str,
    contact_id: &str,
) -> Result<Option<ContactRow>, RecordsError> {
    let row = sqlx::query(sql!("find_contact")).bind(location_id).bind(contact_id).fetch_optional(connection).await?;
    row.as_ref().map(row_of).transpose()
}

/// Reads a row and keeps it from others until the commit.
pub(super) async fn take(
    write: &mut Write,
    location_id: &str,
    row_id: &str,
) -> Result<Option<ContactRow>, RecordsError> {
    let row = sqlx::query(sql!("take_contact")).bind(location_id).bind(row_id).fetch_optional(write.conn()).await?;
    row.as_ref().map(row_of).transpose()
}

/// Whether the row is new.
pub(super) async fn insert(write: &mut Write, row: &ContactRow) -> Result<bool, RecordsError> {
    let now_ms = write.now_ms;
    let inserted = sqlx::query(sql!("insert_contact"))
        .bind(&row.location_id)
        .bind(&row.contact_id)
        .bind(&row.row_id)
        .bind(&row.clienty_id)
        .bind(document(&row.doc))
        .bind(row.base.as_ref().map(document))
        .bind(column(&row.edits))
        .bind(column(&row.prints))
        .bind(column(&row.sync))
        .bind(search_text(&row.doc))
        .bind(updated_ms(&row.doc, now_ms))
        .bind(row.synced_at_ms)
        .bind(now_ms)
        .bind(row.deleted_at_ms)
        .execute(write.conn())
        .await?;
    Ok(inserted.rows_affected() > 0)
}

/// Writes a row that was read at `row.revision`. `shows`: readers see a difference.
pub(super) async fn save(write: &mut Write, row: &ContactRow, shows: bool) -> Result<(), RecordsError> {
    let now_ms = write.now_ms;
    let saved = sqlx::query(sql!("save_contact"))
        .bind(&row.location_id)
        .bind(&row.row_id)
        .bind(row.revision)
        .bind(&row.contact_id)
        .bind(&row.clienty_id)
        .bind(document(&row.doc))
        .bind(row.base.as_ref().map(document))
        .bind(column(&row.edits))
        .bind(column(&row.prints))
        .bind(column(&row.sync))
        .bind(search_text(&row.doc))
        .bind(updated_ms(&row.doc, now_ms))
        .bind(row.synced_at_ms)
        .bind(i64::from(shows))
        .bind(now_ms)
        .bind(row.deleted_at_ms)
        .bind(row.intent.as_ref().map(document))
        .bind(row.intent_at_ms)
        .execute(write.conn())
        .await?;
    if saved.rows_affected() == 0 { Err(RecordsError::Raced) } else { Ok(()) }
}

fn updated_ms(contact: &Contact, now_ms: i64) -> i64 {
    contact.date_updated.or(contact.date_added).map_or(now_ms, |at| at.as_millisecond())
}

fn document(contact: &Contact) -> String {
    // A struct of texts, numbers and times has no way to fail.
    serde_json::to_string(contact).unwrap_or_default()
}

/// What a query is looked for in. PostgreSQL keeps no NUL in a text.
fn search_text(contact: &Contact) -> String {
    let parts = [&contact.name, &contact.email, &contact.phone];
    let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    parts.join(" ").to_lowercase().replace('\0', "")
}

fn row_of(row: &AnyRow) -> Result<ContactRow, RecordsError> {
    let row_id: String = row.try_get("row_id")?;
    let contact_id: String = row.try_get("contact_id")?;
    let clienty_id: Option<String> = row.try_get("clienty_id")?;
    let parse = |text: String| -> Result<Contact, RecordsError> {
        let doc: Contact =
            serde_json::from_str(&text).map_err(|error| RecordsError::corrupt("contacts", &row_id, &error))?;
        Ok(Contact { id: contact_id.clone(), clienty_contact_id: clienty_id.clone(), ..doc })
    };
    Ok(ContactRow {
        location_id: row.try_get("location_id")?,
        doc: parse(row.try_get("doc")?)?,
        base: row.try_get::<Option<String>, _>("base")?.map(&parse).transpose()?,
        edits: merging::read("contacts", &row_id, row.try_get("edits")?)?,
        prints: merging::read("contacts", &row_id, row.try_get("prints")?)?,
        sync: merging::read("contacts", &row_id, row.try_get("sync")?)?,
        intent: row.try_get::<Option<String>, _>("intent")?.map(&parse).transpose()?,
        intent_at_ms: row.try_get("intent_at")?,
        deleted_at_ms: row.try_get("deleted_at")?,
        synced_at_ms: row.try_get("synced_at")?,
        revision: row.try_get("revision")?,
        heard_at: row.try_get::<Option<i64>, _>("heard_at")?.map(super::ledger::timestamp),
        row_id,
        contact_id,
        clienty_id,
    })
}
