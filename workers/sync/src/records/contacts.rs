//! Contacts: rows that both sides may edit.
//!
//! As with tasks and notes, `doc` is what readers see and `base` the last state agreed with GHL. A contact that a producer made is known by
//! the producer's id until GHL has given it one. Then the row, and all that hangs on it, moves to GHL's id, and the producer's
//! becomes an alias: whoever knows the contact by it finds it under both.
//!
//! A contact that a producer edits before it was ever pulled has an empty base and was never synced: the push reads it first.

use jiff::Timestamp;
use sync_model::decide::absent::Unread;
use sync_model::decide::echo::Fingerprints;
use sync_model::decide::fields::{Fields, Record as _, fields};
use sync_model::decide::last_edits::LastEdits;
use sync_model::decide::merge::Side;
use sync_model::decide::refused::Owed;
use sync_model::decide::sync_status::{Facts, SyncStatus};
use sync_model::decide::unanswered::Unanswered;
use sync_model::decide::verify::{SyncState, Unapplied};
use sync_model::job::JobKind;
use sync_model::record::{Contact, is_key};

use super::feed::{ChangeOp, Changed};
use super::history::Was;
use super::merging::{self, Edits};
use super::sql::sql;
use super::{Records, RecordsError};

pub(super) use self::following::{follow, follow_to, store};
pub(super) use self::joining::{join, move_to};
pub(super) use self::rows::{
    bare, document, find, find_by_any_id, insert, insert_all, lock, resolve, row_of, save, save_alias, take,
};
pub(crate) use self::steps::PushStep;

mod answers;
mod following;
pub(super) mod joining;
mod rows;
pub(super) mod steps;

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
    pub fingerprints: Fingerprints,
    /// How the last write ended.
    pub sync: Option<SyncState>,
    /// The write that has no answer yet, and what was met meanwhile.
    pub unanswered: Unanswered,
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
    /// The newest event of GHL's that reported it to be as `base` says.
    pub received_at: Option<Timestamp>,
    /// Fields whose value GHL has not shown yet.
    pub unread: Unread,
    /// Who created it; none where that is not known.
    pub created_by: Option<Side>,
    /// When and by whom each field was edited last, as far as that is known.
    pub last_edits: LastEdits,
}

/// What GHL answered to a write.
#[derive(Debug, Clone)]
pub struct ContactReply {
    /// What was asked: null for what was to be taken away.
    pub asked: Fields,
    /// The contact as GHL holds it now.
    pub contact: Contact,
    /// What was asked and GHL refused.
    pub refused: Vec<Unapplied>,
    /// Whether more was asked, of which nobody knows what came of it.
    pub is_partial: bool,
    /// What is unread after it.
    pub unread: Unread,
}

impl ContactRow {
    /// When `base` was the newest in GHL, as GHL said last.
    #[must_use]
    pub fn base_at(&self) -> Option<Timestamp> {
        self.base.as_ref().and_then(|base| base.date_updated).max(self.received_at)
    }

    /// Whether readers see it.
    #[must_use]
    pub fn is_visible(&self) -> bool {
        self.deleted_at_ms.is_none()
    }

    /// Whether GHL has yet to get it.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.base.is_none() && self.is_visible()
    }

    /// Whether GHL's word that it was created is no news: Clienty created it. Of rows of before that is not known; then one that has an id of
    /// Clienty's counts as such.
    #[must_use]
    pub fn is_made_here(&self) -> bool {
        self.created_by.map_or(self.clienty_id.is_some(), |by| by == Side::Clienty)
    }

    /// Whether it was deleted here, and GHL has it still.
    #[must_use]
    pub fn awaits_deletion(&self) -> bool {
        self.base.is_some() && !self.is_visible()
    }

    /// Whether GHL has it, but what GHL has was never read.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.base.is_some() && self.synced_at_ms == 0
    }

    /// Whether GHL has what readers see, but for what it refuses, so that no push is pending.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        match &self.base {
            Some(_) => {
                let is_read = self.unanswered.is_none() && !self.is_unread() && !self.takes_away_unread();
                self.is_visible() && is_read && !self.goes_back() && self.pending().fields.is_empty()
            }
            None => !self.is_visible() && self.intent.is_none() && !self.unanswered.needs_look(),
        }
    }

    /// Whether a write of GHL's record is on its way, or its outcome is unknown: until its reply is stored, nothing else that is met can be
    /// ordered (law: a reply is as old as its call). Nor can what was edited by keys be merged before they are known as ids.
    #[must_use]
    pub fn is_in_flight(&self) -> bool {
        self.base.is_some() && (self.unanswered.is_open() || !self.is_visible() || !self.unresolved().is_empty())
    }

    /// Whether an event of `at` is newer than what is agreed and than the write that has no answer.
    #[must_use]
    pub fn is_answered_by(&self, at: Timestamp) -> bool {
        let is_asked_before = self.unanswered.at_ms.is_none_or(|asked_at| at.as_millisecond() >= asked_at);
        is_asked_before && self.base_at().is_none_or(|base_at| at >= base_at)
    }

    /// Whether a field was taken away here that nobody has read.
    #[must_use]
    pub fn takes_away_unread(&self) -> bool {
        let Some(base) = self.base.as_ref().filter(|_| !self.unread.is_empty()) else { return false };
        merging::takes_away_unread(&self.edits, &self.unread, &fields(&self.doc), &fields(base))
    }

    /// Whether a field was edited back to what is agreed: GHL may hold something else by then.
    #[must_use]
    pub fn goes_back(&self) -> bool {
        let Some(base) = self.base.as_ref().filter(|_| !self.edits.is_empty()) else { return false };
        merging::goes_back(&self.edits, &self.unread, &fields(&self.doc), &fields(base))
    }

    /// What GHL does not have yet.
    #[must_use]
    pub fn pending(&self) -> Owed {
        Owed::of(self.base.as_ref(), &self.doc, self.sync.as_ref())
    }

    /// Why a push has nothing to do, though GHL does not have what readers see.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let is_whole = self.is_visible() && !self.is_unread() && self.intent.is_none() && self.unanswered.is_none();
        is_whole.then(|| self.pending().refusal().map(str::to_owned)).flatten()
    }

    /// The keys of custom fields whose ids are not known yet, also of those that were only taken away.
    #[must_use]
    pub fn unresolved(&self) -> Vec<&str> {
        let set = self.doc.custom_fields.iter().map(|field| field.id.as_str());
        let edited = self.edits.keys().filter_map(|name| name.strip_prefix("customFields."));
        let mut keys: Vec<_> = set.chain(edited).filter(|id| is_key(id)).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// How far GHL has it.
    #[must_use]
    pub fn status(&self) -> SyncStatus {
        SyncStatus::of(&Facts {
            base: self.base.as_ref(),
            doc: &self.doc,
            is_deleted: !self.is_visible(),
            is_unread: self.is_unread(),
            edits: &self.edits,
            last: self.sync.as_ref(),
        })
    }

    /// That it reads as it does now; `before`, where it was there.
    pub(super) fn stored(&self, before: Option<&Contact>) -> Changed {
        let op = if self.is_visible() { ChangeOp::Stored } else { ChangeOp::Deleted };
        let is_new = before.is_none() && op == ChangeOp::Stored;
        let (fields, was) = Was::of(op, before, &self.doc);
        Changed { fields, was, is_new, ..self.changed(op) }
    }

    /// What became of it since it was as `before`; none where readers see no difference.
    pub(super) fn answered(&self, before: &Self) -> Option<Changed> {
        let stored = self.stored(Some(&before.doc));
        if before.is_visible() != self.is_visible() || !stored.fields.is_empty() {
            return Some(stored.after(before.is_visible()));
        }
        let is_same = before.status().state == self.status().state && before.contact_id == self.contact_id;
        let op = if self.is_visible() { ChangeOp::Synced } else { ChangeOp::Deleted };
        (!is_same).then(|| self.changed(op).after(before.is_visible()))
    }

    pub(super) fn changed(&self, op: ChangeOp) -> Changed {
        // Until GHL has the contact, it is kept under the producer's own id.
        let ghl_id = (self.clienty_id.as_ref() != Some(&self.contact_id)).then(|| self.contact_id.clone());
        Changed {
            location_id: self.location_id.clone(),
            contact_id: self.contact_id.clone(),
            record: Contact::NAME,
            record_id: self.row_id.clone(),
            clienty_id: self.clienty_id.clone(),
            ghl_id,
            op,
            fields: Vec::new(),
            sync: Some(self.status().state),
            is_new: false,
            was: (op == ChangeOp::Deleted).then(|| Was::gone(&self.doc)),
        }
    }

    /// The whole contact that `theirs` shows, with the ids of this row, so that the two compare: what it leaves out is as it was known.
    pub(super) fn read(&self, theirs: &Contact) -> Contact {
        let whole = theirs.completed(self.base.as_ref().unwrap_or(&Contact::default()));
        Contact { id: self.contact_id.clone(), clienty_contact_id: self.clienty_id.clone(), ..whole }
    }

    /// What is unread after `theirs`.
    pub(super) fn unread_after(&self, theirs: &Contact) -> Unread {
        theirs.unread_after(&self.unread, self.base.as_ref().filter(|_| !self.is_unread()))
    }

    /// What the merge with GHL's state counts as agreed. Of a contact or field that was never read nothing is known to be agreed; what a
    /// producer edited blindly is meant to be.
    pub(super) fn agreed(&mut self, theirs: &Contact) -> Fields {
        let Some(base) = &self.base else { return Fields::new() };
        let agreed = merging::agreed(base, &self.unanswered.asked, theirs, &mut self.fingerprints);
        let is_unread = |name: &str| self.is_unread() || self.unread.contains(name);
        merging::with_blind_edits(agreed, &fields(theirs), &self.edits, is_unread)
    }
}

/// Whether a contact that is not known here is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bringing {
    /// A job fetches it.
    UnderWay,
    /// A job fetched it in vain, and an operator has yet to decide about it.
    GivenUp,
    /// No job fetches it: GHL has no such contact, or nobody asked for it.
    Over,
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
        find_by_any_id(&mut connection, location_id, id).await
    }

    /// Whether GHL has yet to get the contact, so that nothing can be hung on it there; none where no contact is kept under that id.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn is_pending(&self, location_id: &str, contact_id: &str) -> Result<Option<bool>, RecordsError> {
        let pending: Option<i64> = sqlx::query_scalar(sql!("pending_contact"))
            .bind(location_id)
            .bind(contact_id)
            .fetch_optional(&self.pool)
            .await?;
        Ok(pending.map(|pending| pending != 0))
    }

    /// What becomes of a contact that is not known here.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn bringing(&self, location_id: &str, contact_id: &str) -> Result<Bringing, RecordsError> {
        let query = sqlx::query_as(sql!("count_bringing")).bind(location_id).bind(contact_id);
        let (open, dead): (i64, i64) = query.fetch_one(&self.pool).await?;
        Ok(match (open, dead) {
            (1.., _) => Bringing::UnderWay,
            (_, 1..) => Bringing::GivenUp,
            _ => Bringing::Over,
        })
    }

    /// Whether a job is open that makes GHL's contact equal to the row.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn is_pushed(&self, row: &ContactRow) -> Result<bool, RecordsError> {
        let query = sqlx::query_scalar(sql!("count_open")).bind(JobKind::PushContact.as_str());
        let open: i64 = query.bind(&row.location_id).bind(&row.row_id).fetch_one(&self.pool).await?;
        Ok(open > 0)
    }
}
