//! Applies what GHL answered or reported about a contact to its row.

use std::collections::HashMap;

use jiff::Timestamp;
use job_engine::Priority;
use sync_model::decide::absent::Unread;
use sync_model::decide::fields::{Fields, Record as _, fields};
use sync_model::decide::verify::SyncState;
use sync_model::job::JobKind;
use sync_model::record::Contact;

use super::super::conflicts;
use super::super::custom_fields::name_by_id;
use super::super::erase;
use super::super::flows::happened;
use super::super::history::Via;
use super::super::runs::{FollowUp, Tx};
use super::super::sql::sql;
use super::super::{RecordsError, refusals, reported_times, triggers, unanswered};
use super::steps::{Linked, Linking, PullPlan};
use super::{ContactReply, ContactRow, find, follow, follow_to, join, move_to, save, take};

impl Tx {
    /// GHL did what `reply` says. Readers see GHL's form of it, unless they edited it since: then the edit stays and its own job will push it.
    /// How the write ended and whether nothing more is pending, where the contact is still there.
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
    pub async fn contact_reported(
        &mut self,
        row_id: &str,
        news: &Fields,
        at: Timestamp,
        shown: &Unread,
    ) -> Result<(), RecordsError> {
        let location_id = self.run.key.location_id.clone();
        let Some(row) = take(&mut self.write, &location_id, row_id).await? else { return Ok(()) };
        if row.base.is_none() {
            return Ok(());
        }
        match row.received(news, at, shown) {
            PullPlan::Older => Ok(()),
            PullPlan::Unordered { is_newer } => unanswered::meet_contact(&mut self.write, row, news, is_newer).await,
            PullPlan::Follow { theirs, unread, reported } => {
                Box::pin(follow_to(&mut self.write, row, *theirs, unread, &reported)).await
            }
        }
    }

    /// An event of `at` reported the contact to be as it is known already: what is older reports nothing new from now on.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn contact_received(&mut self, row_id: &str, at: Timestamp) -> Result<(), RecordsError> {
        let location_id = self.run.key.location_id.clone();
        let query = sqlx::query(sql!("contact_received")).bind(at.as_millisecond()).bind(location_id).bind(row_id);
        query.execute(self.write.conn()).await?;
        Ok(())
    }

    /// GHL has the pending contact under its own id: as a create of ours made it, where `asked` shows what that sent; else as somebody made it. Returns the row that owes what is left: another one where a producer's word has made one contact of two.
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
        let pending = row.clone();
        let find = find(self.write.conn(), &location_id, &theirs.id).await?;
        let other = match find.filter(|other| other.row_id != row.row_id) {
            // One that goes between the two looks is looked for again.
            Some(other) => Some(take(&mut self.write, &location_id, &other.row_id).await?.ok_or(RecordsError::Raced)?),
            None => None,
        };
        match (row.linking(&theirs.id, other.as_ref(), is_made, asked.is_some()), other) {
            (Linking::IsAnother, _) => {
                self.write.pending.push(FollowUp {
                    kind: JobKind::PullContact,
                    location_id,
                    record_id: theirs.id.clone(),
                    priority: Priority::Realtime,
                });
                return Ok(Some(row.row_id));
            }
            (Linking::Raced, _) => return Err(RecordsError::Raced),
            (Linking::Join, Some(other)) => {
                row = join(&mut self.write, row, other, asked.unwrap_or(&Fields::new())).await?;
            }
            (Linking::Join | Linking::Move, _) => {
                move_to(&mut self.write, &location_id, &row.contact_id, &theirs.id).await?;
                row.contact_id.clone_from(&theirs.id);
            }
        }
        let before = if row.row_id == pending.row_id { pending } else { row.clone() };
        let row_id = row.row_id.clone();
        let sent = row.intent.take();
        row.intent_at_ms = None;
        let (theirs, linked) = row.linked(theirs, sent.as_ref(), asked, is_made, is_reply);
        if let Some(sent) = sent.as_ref().filter(|_| is_made) {
            triggers::tagged_since_made(&mut self.write, &row, sent, &theirs.tags).await?;
        }
        match linked {
            Linked::Reply(reply) => {
                self.write_down(before, row, &reply).await?;
            }
            Linked::Follow { is_known } => {
                if is_known {
                    save(&mut self.write, &row, false).await?;
                    row.revision += 1;
                }
                follow(&mut self.write, row, &theirs).await?;
            }
        }
        Ok(Some(row_id))
    }

    /// Names custom fields by the ids of their definitions, which are reported by key.
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
        let answer = row.answer(reply);
        triggers::tagged(&mut self.write, &row, &answer.theirs).await?;
        let taken = reported_times::take_in_contact(
            &mut self.write,
            &row,
            &answer.agreed,
            &answer.theirs,
            &answer.edits,
            &answer.reported,
        )
        .await?;
        let conflicts = &taken.conflicts;
        conflicts::keep(&mut self.write, &row.location_id, &row.contact_id, Contact::NAME, &row.row_id, conflicts)
            .await?;
        let known = row.doc.clone();
        let (state, was_known) = row.answered_by(reply, answer, taken, self.write.now_ms);
        if was_known {
            happened::contact_changed(&mut self.write, &row, &known, &reply.asked).await?;
        }
        self.outcome_of(row.sync.as_ref());
        save(&mut self.write, &row, true).await?;
        if let Some(changed) = row.answered(&before) {
            self.write.report(changed);
        }
        Ok((state, row.is_settled()))
    }
}
