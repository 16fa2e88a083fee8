//! Applies what GHL answered or reported about a task, note or appointment to its row.

use sync_model::decide::fields::{self, Fields, fields, with_fields};
use sync_model::decide::last_edits;
use sync_model::decide::merge::Side;
use sync_model::decide::refused::Owed;
use sync_model::decide::unanswered::Unanswered;
use sync_model::decide::verify::SyncState;
use uuid::Uuid;

use super::super::feed::{ChangeOp, Changed};
use super::super::flows::happened;
use super::super::history::Via;
use super::super::ledger::timestamp;
use super::super::merging::{self, Taken, Written, column};
use super::super::runs::Tx;
use super::super::sql::sql;
use super::super::{RecordsError, conflicts, page, refusals, reported_times, unanswered};
use super::{Entry, EntryRow, find_by_ghl_id, of_contact, save_edit, take, text_of};

impl Tx {
    /// GHL has `row` under `ghl_id` and answered with `base` to what was sent. Readers see the answer, unless the row was edited since
    /// it was read: then the edit stays and its own job will push it. Closes the intent.
    ///
    /// How it ended, and whether nothing more is pending.
    ///
    /// A pull may have met the new entry first and made a row of its own; that one is removed.
    ///
    /// # Errors
    /// [`RecordsError::Conflict`] when a producer already gave that other row an id; [`RecordsError::Database`].
    pub async fn pushed<E: Entry>(
        &mut self,
        row: &EntryRow<E>,
        ghl_id: &str,
        base: &E,
    ) -> Result<(SyncState, bool), RecordsError> {
        let asked = row.pending().fields;
        self.link(row, ghl_id, base, row.base.as_ref(), &asked, &asked).await
    }

    /// GHL has `row` under `ghl_id` since an earlier run, which never received so: its create sent the row's intent. Where readers see
    /// something else by now, a push is pending. Closes the intent.
    ///
    /// # Errors
    /// See [`Tx::pushed`].
    pub async fn adopted<E: Entry>(
        &mut self,
        row: &EntryRow<E>,
        ghl_id: &str,
        base: &E,
    ) -> Result<(SyncState, bool), RecordsError> {
        // Nothing was asked by this run; what GHL holds otherwise than the intent was edited there since.
        let sent = row.intent.as_ref().map(fields).unwrap_or_default();
        self.write.cause.via = Via::Look;
        self.link(row, ghl_id, base, row.intent.as_ref(), &Fields::new(), &sent).await
    }

    /// `asked` was written where GHL held `before`, and it holds `base` now. `sent` was written by this run or the one before.
    async fn link<E: Entry>(
        &mut self,
        row: &EntryRow<E>,
        ghl_id: &str,
        base: &E,
        before: Option<&E>,
        asked: &Fields,
        sent: &Fields,
    ) -> Result<(SyncState, bool), RecordsError> {
        let other = find_by_ghl_id::<E>(self.write.conn(), &row.location_id, ghl_id).await?;
        let mut is_gone = false;
        let mut met = None;
        if let Some(other) = other.filter(|other| other.row_id != row.row_id) {
            // GHL reported its deletion before its creation.
            is_gone = other.deleted && other.base.is_none();
            if let Some(clienty_id) = &other.clienty_id {
                return Err(RecordsError::Conflict {
                    kind: E::KIND,
                    own: row.clienty_id.clone().unwrap_or_else(|| row.row_id.clone()),
                    other: clienty_id.clone(),
                    ghl_id: ghl_id.to_owned(),
                });
            }
            sqlx::query(sql!("delete_entry")).bind(&other.row_id).execute(self.write.conn()).await?;
            if !other.deleted {
                // A pull met it first, under a record id of its own.
                self.write.report(Changed { sync: None, ..other.changed(ChangeOp::Deleted) });
            }
            let query = sqlx::query(sql!("move_jobs_of_entry")).bind(&row.row_id).bind(E::PUSH.as_str());
            let moved = query.bind(&row.location_id).bind(&other.row_id).execute(self.write.conn()).await?;
            if moved.rows_affected() > 0 {
                unanswered::owe_entry(&mut self.write, row);
            }
            met = Some(other).filter(|other| other.base.is_some());
        }
        let Written { agreed, unapplied, got } = merging::written(before, asked, base);
        // A pull that met it read it after it was made: that is newer than the reply, of which it takes nothing back.
        let base = met.as_ref().and_then(|met| met.base.as_ref()).unwrap_or(base);
        let now_ms = self.write.now_ms;
        let state = SyncState::written(unapplied, timestamp(now_ms));
        let Some(mut now) = take::<E>(&mut self.write, &row.row_id).await? else { return Ok((state, true)) };
        let known = now.doc.clone();
        now.fingerprints.remember(sent, &got);
        let mut edits = merging::unanswered(&now.edits, sent, &fields(&now.doc));
        if let Some(met) = &met {
            // What was edited under GHL's id meanwhile.
            let (mut doc, said) = (fields(&now.doc), fields(&met.doc));
            for (name, at) in &met.edits {
                fields::set(&mut doc, name, fields::value(&said, name));
                edits.insert(name.clone(), *at);
            }
            now.doc = with_fields(&now.doc, &doc);
            now.fingerprints.absorb(&met.fingerprints);
            now.unanswered.looks += met.unanswered.looks;
        }
        let fingerprints = now.fingerprints.clone();
        let Taken { doc, edits, conflicts } =
            reported_times::take_in_entry(&mut self.write, &now, &agreed, base, &edits, &fingerprints).await?;
        if row.base.is_some() {
            last_edits::note(&mut now.last_edits, &agreed, &fields(base), Side::Ghl, |_| now_ms);
        }
        conflicts::keep(&mut self.write, &now.location_id, &now.contact_id, E::KIND, &now.row_id, &conflicts).await?;
        if row.base.is_some() && !now.deleted {
            let ours: Fields = asked.iter().chain(sent).map(|(name, value)| (name.clone(), value.clone())).collect();
            happened::entry_changed(&mut self.write, &now, &doc, &ours).await?;
        }
        // What was refused of a create as a whole is no matter of its fields any more; what was left out of it is.
        let is_of_fields = |sync: &&SyncState| row.base.is_some() || sync.is_of_left_out::<E>();
        let refused = now.sync.as_ref().filter(is_of_fields);
        let combined = state.clone().keeping(refused, asked, &got);
        let sync = Some(combined.holding(Owed::of(Some(base), &doc, refused).held));
        self.outcome_of(sync.as_ref());
        sqlx::query(sql!("entry_pushed"))
            .bind(ghl_id)
            .bind(text_of(base))
            .bind(&row.row_id)
            .bind(text_of(&doc))
            .bind(now_ms)
            .bind(column(&edits))
            .bind(column(&now.fingerprints))
            .bind(column(&sync))
            .bind(column(&now.last_edits))
            .execute(self.write.conn())
            .await?;
        let before = EntryRow { doc: known, ..now.clone() };
        let unanswered = Unanswered { looks: now.unanswered.looks, ..Unanswered::default() };
        let ghl_id = Some(ghl_id.to_owned());
        let mut linked = EntryRow { ghl_id, doc, edits, sync, unanswered, intent: None, ..now };
        linked.base = Some(linked.with_ids_of(base));
        linked.doc = linked.with_ids_of(&linked.doc);
        if is_gone {
            self.removed(&linked).await?;
            return Ok((state, true));
        }
        if met.is_some_and(|met| met.deleted) && !linked.deleted {
            // It was deleted under GHL's id, and GHL does not know yet.
            linked.revision += 1;
            save_edit(&mut self.write, &linked, &linked.doc, linked.clienty_id.as_deref(), true).await?;
            linked.deleted = true;
        }
        if let Some(changed) = linked.answered(&before) {
            self.write.report(changed);
        }
        Ok((state, linked.is_settled()))
    }

    /// Keeps with the row that GHL refused to write it, and why, and reports it.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn refuse_entry<E: Entry>(&mut self, row_id: &str, state: &SyncState) -> Result<(), RecordsError> {
        let Some(before) = take::<E>(&mut self.write, row_id).await? else { return Ok(()) };
        let got = before.base.as_ref().map(fields).unwrap_or_default();
        let state = state.clone().keeping(before.sync.as_ref(), &Fields::new(), &got);
        refusals::keep_entry(&mut self.write, before, state).await
    }

    /// Whether `row` is another contact's by now: that GHL lacks it where it was reports nothing.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn has_moved<E: Entry>(&mut self, row: &EntryRow<E>) -> Result<bool, RecordsError> {
        let now = take::<E>(&mut self.write, &row.row_id).await?;
        Ok(now.is_some_and(|now| now.contact_id != row.contact_id))
    }

    /// GHL no longer has `row`: readers do not see it either, and nothing is pending.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn removed<E: Entry>(&mut self, row: &EntryRow<E>) -> Result<(), RecordsError> {
        let now_ms = self.write.now_ms;
        sqlx::query(sql!("entry_removed")).bind(now_ms).bind(&row.row_id).execute(self.write.conn()).await?;
        if !row.deleted {
            happened::entry_gone(&mut self.write, row).await?;
            self.write.report(Changed { sync: None, ..row.changed(ChangeOp::Deleted) });
        }
        Ok(())
    }

    /// GHL reported that it deleted what `row` is. An edit that GHL has not seen is the push's to decide: it will be reported that it came too late.
    async fn goes<E: Entry>(&mut self, row: &EntryRow<E>) -> Result<(), RecordsError> {
        if row.is_in_flight() {
            unanswered::look_at_entry(&mut self.write, row).await
        } else if row.is_settled() {
            self.removed(row).await
        } else {
            Ok(())
        }
    }

    /// GHL reported that it deleted `theirs`, which is of the contact: readers do not see it any more. One that was never known here leaves a mark,
    /// so that no older list brings it.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn reported_gone<E: Entry>(&mut self, contact_id: &str, theirs: &E) -> Result<(), RecordsError> {
        let Some(ghl_id) = theirs.ghl_id() else { return Ok(()) };
        page::flush(&mut self.write).await?;
        let location_id = self.run.key.location_id.clone();
        for row in of_contact::<E>(self.write.conn(), &location_id, contact_id).await? {
            let goes_along = row.ghl_id.as_deref().is_some_and(|id| E::belongs_to_series(id, ghl_id));
            if goes_along && !row.deleted {
                self.goes(&row).await?;
            }
        }
        match find_by_ghl_id::<E>(self.write.conn(), &location_id, ghl_id).await? {
            Some(row) if !row.deleted => self.goes(&row).await,
            Some(_) => Ok(()),
            None => {
                let now_ms = self.write.now_ms;
                sqlx::query(sql!("insert_gone_entry"))
                    .bind(Uuid::now_v7().to_string())
                    .bind(E::KIND)
                    .bind(location_id)
                    .bind(contact_id)
                    .bind(ghl_id)
                    .bind(text_of(theirs))
                    .bind(now_ms)
                    .execute(self.write.conn())
                    .await?;
                Ok(())
            }
        }
    }
}
