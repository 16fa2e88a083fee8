//! Applies what GHL answered or reported about a contact to its row.

use std::collections::HashMap;

use jiff::Timestamp;
use job_engine::Priority;

use super::super::conflicts;
use super::super::custom_fields::name_by_id;
use super::super::erase;
use super::super::flows::happened;
use super::super::history::Via;
use super::super::job::JobKind;
use super::super::ledger::timestamp;
use super::super::merging::{self, Taken, Written};
use super::super::model::Contact;
use super::super::runs::{FollowUp, Tx};
use super::super::sql::sql;
use super::super::{RecordsError, occasions, refusals, told, unanswered};
use super::{ContactReply, ContactRow, find, follow, follow_to, join, move_to, save, take};
use crate::decide::absent::Unread;
use crate::decide::fields::{Fields, Record as _, fields, set, value, with_fields};
use crate::decide::last_edits;
use crate::decide::merge::{Side, TheirTimes};
use crate::decide::same::answers;
use crate::decide::unanswered::Unanswered;
use crate::decide::verify::SyncState;

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
        let state = self.write_down(row.clone(), row, reply).await?;
        Ok(Some(state))
    }

    /// Keeps with the contact that GHL refused to write it, and why, and reports it.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn refuse_contact(&mut self, row_id: &str, state: &SyncState) -> Result<(), RecordsError> {
        let location_id = self.run.key.location_id.clone();
        let Some(before) = take(&mut self.write, &location_id, row_id).await? else { return Ok(()) };
        let got = before.base.as_ref().map(fields).unwrap_or_default();
        let state = state.clone().keeping(before.sync.as_ref(), &Fields::new(), &got);
        refusals::keep_contact(&mut self.write, before, state).await
    }

    /// GHL holds `news` of a contact since `at`, and the rest as before: its row takes that in. `shown`: fields that were unread before.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn contact_told(
        &mut self,
        row_id: &str,
        news: &Fields,
        at: Timestamp,
        shown: &Unread,
    ) -> Result<(), RecordsError> {
        let location_id = self.run.key.location_id.clone();
        let Some(row) = take(&mut self.write, &location_id, row_id).await? else { return Ok(()) };
        let Some(base) = &row.base else { return Ok(()) };
        if row.is_in_flight() {
            let is_newer = row.is_answered_by(at);
            return unanswered::meet_contact(&mut self.write, row, news, is_newer).await;
        }
        if row.base_at().is_some_and(|base_at| at < base_at) {
            // Something newer was taken in since the event was judged.
            return Ok(());
        }
        let mut held = fields(base);
        for (name, value) in news {
            set(&mut held, name, value.clone());
        }
        let theirs = Contact { date_updated: Some(at), ..with_fields(base, &held) };
        let unread = row.unread.difference(shown).cloned().collect();
        let told = TheirTimes { fields: told::at(news, at), not_before: row.base_at(), not_after: Some(at) };
        Box::pin(follow_to(&mut self.write, row, theirs, unread, &told)).await
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

    /// GHL has the pending contact under its own id: as a create of ours made it, where `asked` tells what that sent; else as somebody made it. Returns the row that owes what is left: another one where a producer's word has made one contact of two.
    ///
    /// # Errors
    /// [`RecordsError::Raced`] where the contact that was there before is about to be deleted; [`RecordsError::Database`] or
    /// [`RecordsError::Corrupt`].
    pub async fn contact_linked(
        &mut self,
        row: &ContactRow,
        theirs: &Contact,
        asked: Option<&Fields>,
    ) -> Result<Option<String>, RecordsError> {
        Box::pin(self.link_contact(row, theirs, asked, asked.is_some(), asked.is_some())).await
    }

    /// As [`Tx::contact_linked`], for a contact that a create of ours made, as a look shows it afterwards.
    ///
    /// # Errors
    /// See [`Tx::contact_linked`].
    pub async fn contact_made(
        &mut self,
        row: &ContactRow,
        theirs: &Contact,
        asked: Option<&Fields>,
    ) -> Result<Option<String>, RecordsError> {
        Box::pin(self.link_contact(row, theirs, asked, true, false)).await
    }

    /// `is_made`: by a create of ours, whose very reply `theirs` is where `is_reply`.
    async fn link_contact(
        &mut self,
        row: &ContactRow,
        theirs: &Contact,
        asked: Option<&Fields>,
        is_made: bool,
        is_reply: bool,
    ) -> Result<Option<String>, RecordsError> {
        let location_id = self.run.key.location_id.clone();
        self.write.cause.via = if is_reply { Via::Reply } else { Via::Look };
        let Some(mut row) = take(&mut self.write, &location_id, &row.row_id).await? else {
            // Erased meanwhile: then the erasure holds under this id as well.
            erase::name_later(&mut self.write, &location_id, &row.contact_id, &theirs.id).await?;
            return Ok(None);
        };
        if row.base.is_some() && row.contact_id != theirs.id {
            // A producer has said meanwhile that GHL has it under another id: what the create made is a contact of its own.
            self.write.owed.push(FollowUp {
                kind: JobKind::PullContact,
                location_id,
                record_id: theirs.id.clone(),
                priority: Priority::Realtime,
            });
            return Ok(Some(row.row_id));
        }
        let pending = row.clone();
        match find(self.write.conn(), &location_id, &theirs.id).await?.filter(|other| other.row_id != row.row_id) {
            Some(other) => {
                let Some(other) = take(&mut self.write, &location_id, &other.row_id).await? else {
                    return Err(RecordsError::Raced);
                };
                if other.awaits_deletion() && row.is_shown() && asked.is_none() {
                    return Err(RecordsError::Raced);
                }
                let is_anothers = other.clienty_id.is_some() && other.clienty_id != row.clienty_id;
                if is_anothers && !is_made {
                    // It got an id of Clienty's since it was looked at: it is nobody else's now.
                    return Err(RecordsError::Raced);
                }
                row = join(&mut self.write, row, other, asked.unwrap_or(&Fields::new())).await?;
            }
            None => {
                move_to(&mut self.write, &location_id, &row.contact_id, &theirs.id).await?;
                row.contact_id.clone_from(&theirs.id);
            }
        }
        let before = if row.row_id == pending.row_id { pending } else { row.clone() };
        let row_id = row.row_id.clone();
        let sent = row.intent.take();
        row.intent_at_ms = None;
        // A pull that met it before read it after it was made: it tells all that the reply does, and is newer.
        let met = row.base.clone().filter(|_| is_reply && !row.is_unread());
        let theirs = met.as_ref().unwrap_or(theirs);
        row.created_by = Some(if is_made { Side::Clienty } else { row.created_by.unwrap_or(Side::Ghl) });
        if let Some(sent) = sent.as_ref().filter(|_| is_made) {
            occasions::tagged_since_made(&mut self.write, &row, sent, &theirs.tags).await?;
        }
        if row.base.is_none() {
            // What was refused before was refused of a create.
            row.sync = None;
        }
        match asked {
            Some(asked) => {
                // It holds what was sent, unless it shows something else.
                let contact = theirs.completed(sent.as_ref().unwrap_or(&row.doc));
                let unread = if met.is_some() { row.unread.clone() } else { theirs.unconfirmed(asked).collect() };
                let mut asked = asked.clone();
                if met.is_some() {
                    // What reads otherwise by then was edited since, which the two rows were joined by.
                    row.prints.remember(&asked, &fields(theirs));
                    let held = fields(theirs);
                    asked.retain(|name, sent| answers(name, sent, &value(&held, name)));
                }
                let reply = ContactReply { asked, contact, refused: Vec::new(), is_partial: false, unread };
                self.write_down(before, row, &reply).await?;
            }
            None => {
                if row.base.is_some() {
                    save(&mut self.write, &row, false).await?;
                    row.revision += 1;
                }
                follow(&mut self.write, row, theirs).await?;
            }
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
        name_by_id(&mut row, ids);
        save(&mut self.write, &row, false).await
    }

    /// Names custom fields of a contact by other ids: theirs were deleted in GHL and made again.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn rename_custom_fields(
        &mut self,
        row_id: &str,
        ids: &HashMap<String, String>,
    ) -> Result<(), RecordsError> {
        let location_id = self.run.key.location_id.clone();
        let Some(mut row) = take(&mut self.write, &location_id, row_id).await? else { return Ok(()) };
        for field in &mut row.doc.custom_fields {
            let Some(id) = ids.get(&field.id) else { continue };
            if let Some(at) = row.edits.remove(&format!("customFields.{}", field.id)) {
                row.edits.insert(format!("customFields.{id}"), at);
            }
            field.id.clone_from(id);
        }
        // GHL no longer knows them by the old ones.
        if let Some(base) = &mut row.base {
            base.custom_fields.retain(|field| !ids.contains_key(&field.id));
        }
        save(&mut self.write, &row, false).await
    }

    /// `before` is the row as readers last saw it.
    async fn write_down(
        &mut self,
        before: ContactRow,
        mut row: ContactRow,
        reply: &ContactReply,
    ) -> Result<(SyncState, bool), RecordsError> {
        let ContactReply { asked, contact, refused, is_partial, unread } = reply;
        let theirs = row.read(contact);
        occasions::tagged(&mut self.write, &row, &theirs).await?;
        let Written { agreed, unapplied, got } = merging::written(row.base.as_ref(), asked, &theirs);
        row.prints.remember(asked, &got);
        let edits = merging::unanswered(&row.edits, asked, &fields(&row.doc));
        let told = TheirTimes { not_before: row.base_at(), ..TheirTimes::default() };
        let Taken { doc, edits, conflicts } =
            told::take_in_contact(&mut self.write, &row, &agreed, &theirs, &edits, &told).await?;
        conflicts::keep(&mut self.write, &row.location_id, &row.contact_id, Contact::NAME, &row.row_id, &conflicts)
            .await?;
        let state = SyncState::written(unapplied, timestamp(self.write.now_ms));
        if !is_partial {
            row.unanswered = Unanswered { looks: row.unanswered.looks, ..Unanswered::default() };
        }
        let was_known = row.is_shown() && row.base.is_some() && !row.is_unread();
        if was_known {
            let now_ms = self.write.now_ms;
            last_edits::note(&mut row.last_edits, &agreed, &fields(&theirs), Side::Ghl, |_| now_ms);
        }
        let known = std::mem::replace(&mut row.doc, doc);
        (row.edits, row.base, row.unread) = (edits, Some(theirs), unread.clone());
        if was_known {
            happened::contact_changed(&mut self.write, &row, &known, asked).await?;
        }
        let held = row.owed().held.into_iter().chain(refused.iter().cloned()).collect();
        row.sync = Some(state.clone().keeping(row.sync.as_ref(), asked, &got).holding(held));
        self.outcome_of(row.sync.as_ref());
        row.synced_at_ms = self.write.now_ms;
        save(&mut self.write, &row, true).await?;
        if let Some(changed) = row.answered(&before) {
            self.write.report(changed);
        }
        Ok((state, row.is_settled()))
    }
}
