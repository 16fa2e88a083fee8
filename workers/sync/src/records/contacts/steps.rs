//! What becomes of a contact's row when something is read, answered or about to be sent, decided
//! from values alone. Transactions and jobs carry it out; the model of both sides
//! (`records/tests/world`) tries every order of it.

use jiff::{SignedDuration, Timestamp};
use sync_model::decide::absent::Unread;
use sync_model::decide::enrichment::OF_A_MACHINE;
use sync_model::decide::fields::{Fields, fields, set, value, with_fields};
use sync_model::decide::last_edits;
use sync_model::decide::merge::{Conflict, Policies, Policy, Side, TheirTimes};
use sync_model::decide::same::answers;
use sync_model::decide::unanswered::Unanswered;
use sync_model::decide::verify::{SyncState, Unapplied};
use sync_model::record::Contact;

use super::super::ledger::timestamp;
use super::super::merging::{self, Taken, Written};
use super::super::reported_times;
use super::{ContactReply, ContactRow};

/// What distinguishes two times .
const MOMENT: SignedDuration = SignedDuration::from_millis(1);
/// The revision of a row that was not changed since it was inserted.
const FIRST: i64 = 1;

/// What a push does first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PushStep {
    /// GHL refused all there is to send, for this reason.
    Refused(String),
    /// GHL has what readers see.
    Close,
    /// It was met while its deletion was on its way, so it may have been brought back.
    LookWhetherBack,
    /// An earlier run announced a create.
    SettleAnnouncement,
    /// GHL has yet to get it.
    Create,
    /// It was deleted here.
    Delete,
    /// What differs is sent, after a look if one is due.
    Change,
}

/// What a pull does with what it read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pull {
    /// It is met for the first time.
    Meet,
    /// The row follows.
    Follow,
    /// It can't be ordered with what is on its way, or with what happened since.
    Unordered {
        /// Whether it is newer than the base.
        is_newer: bool,
    },
    /// The row came during the reading.
    Nothing,
}

/// What becomes of the fields that an event of a contact carries.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PullPlan {
    /// Something newer was taken in since the event was judged.
    Older,
    /// A write is on its way.
    Unordered {
        /// Whether it is newer than the base.
        is_newer: bool,
    },
    /// The row follows.
    Follow {
        /// The contact as the event shows it.
        theirs: Box<Contact>,
        /// What nobody has read of it.
        unread: Unread,
        /// When it was edited.
        reported: TheirTimes,
    },
}

/// A row that followed GHL.
pub(in crate::records) struct Followed {
    pub(in crate::records) row: ContactRow,
    pub(in crate::records) conflicts: Vec<Conflict>,
    /// Whether readers see a difference.
    pub(in crate::records) shows: bool,
    pub(in crate::records) is_tagged: bool,
    pub(in crate::records) was_known: bool,
}

/// What a reply shows, before the row takes it in.
pub(in crate::records) struct Answer {
    pub(in crate::records) theirs: Contact,
    pub(in crate::records) agreed: Fields,
    pub(in crate::records) edits: merging::Edits,
    pub(in crate::records) reported: TheirTimes,
    unapplied: Vec<Unapplied>,
    got: Fields,
}

/// How two rows come to be one, or not, where GHL is found to have what a pending one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Linking {
    /// A producer has said meanwhile that GHL has it under another id: what is there is a contact of its own.
    IsAnother,
    /// What was looked at has changed: it is judged again.
    Raced,
    /// The row that has it already becomes one with this one.
    Join,
    /// No other row has it.
    Move,
}

/// How a linked row takes in what GHL holds.
#[derive(Debug, Clone)]
pub(in crate::records) enum Linked {
    /// As the answer to a create.
    Reply(Box<ContactReply>),
    /// As a reading; `is_known`: of a row that was read before.
    Follow { is_known: bool },
}

impl ContactReply {
    /// GHL answered to a call about tags that it holds these. That reply has no time, and is newer than all that was known before the call: an event
    /// of the time of that takes no tag back.
    pub(crate) fn holds_tags(&mut self, tags: Vec<String>) {
        self.contact.tags = tags;
        self.unread.remove("tags");
        let known_at = self.contact.date_updated;
        self.contact.date_updated = known_at.map(|at| at.checked_add(MOMENT).unwrap_or(at));
    }
}

impl ContactRow {
    /// What a push does first.
    pub(crate) fn push_step(&self) -> PushStep {
        if let Some(reason) = self.refusal() {
            PushStep::Refused(reason)
        } else if self.is_settled() {
            PushStep::Close
        } else if self.base.is_none() && !self.is_visible() && self.intent.is_none() {
            PushStep::LookWhetherBack
        } else if self.base.is_none() {
            if self.intent.is_some() { PushStep::SettleAnnouncement } else { PushStep::Create }
        } else if !self.is_visible() {
            PushStep::Delete
        } else {
            PushStep::Change
        }
    }

    /// Whether what GHL holds has to be known before it is overwritten: where GHL is to win, where it was never read, where a write was never
    /// answered, where something was met meanwhile, and where what is to be written is no person's word, which must not take the place of one.
    pub(crate) fn looks_first(&self, policies: &Policies) -> bool {
        let ghl_wins = || self.edits.keys().any(|name| policies.of("contact", name) == Policy::Ghl);
        let of_a_machine = self.edits.values().any(|at| *at == OF_A_MACHINE);
        self.is_unread()
            || self.takes_away_unread()
            || ghl_wins()
            || of_a_machine
            || !self.unanswered.is_none()
            || self.goes_back()
    }

    /// What a pull does that began when the row was at `revision`, 0 where there was none.
    pub(crate) fn pull(row: Option<&Self>, revision: i64) -> Pull {
        match row {
            None if revision == 0 => Pull::Meet,
            Some(row) if row.revision == revision && !row.is_in_flight() => Pull::Follow,
            Some(row) => Pull::Unordered { is_newer: row.revision == revision },
            None => Pull::Nothing,
        }
    }

    /// Whether GHL is known to hold all that `theirs` shows.
    pub(crate) fn is_as_known(&self, theirs: &Contact) -> bool {
        self.base.as_ref() == Some(&self.read(theirs)) && !self.is_unread() && self.unread == self.unread_after(theirs)
    }

    /// The row of a contact that is met for the first time.
    pub(in crate::records) fn first_met(self, theirs: &Contact, now_ms: i64) -> Self {
        let whole = self.read(theirs);
        let unread = self.unread_after(theirs);
        let (base, created_by) = (Some(whole.clone()), Some(Side::Ghl));
        Self { base, doc: whole, synced_at_ms: now_ms, unread, created_by, ..self }
    }

    /// When what a reading of the whole contact shows was edited.
    pub(in crate::records) fn times_of_reading(&self, theirs: &Contact) -> TheirTimes {
        TheirTimes { not_before: self.base_at(), not_after: theirs.date_updated, ..TheirTimes::default() }
    }

    /// The row after it took in `theirs`, the whole contact; `taken` is the merge, where it is shown. What was edited here stays pending; what was deleted
    /// here stays deleted.
    pub(in crate::records) fn followed(
        mut self,
        taken: Option<Taken<Contact>>,
        theirs: Contact,
        unread: Unread,
        reported: &TheirTimes,
        now_ms: i64,
    ) -> Followed {
        let before = (self.doc.clone(), self.is_visible());
        let mut conflicts = Vec::new();
        if let Some(Taken { doc, edits, conflicts: found }) = taken {
            conflicts = found;
            let unmet = merging::unmet(&self.edits, &unread);
            (self.doc, self.edits) = (doc, edits);
            self.edits.extend(unmet);
        } else if self.base.is_none() {
            // It was gone from GHL and is back.
            (self.doc, self.deleted_at_ms) = (theirs.clone(), None);
        }
        let shows = before != (with_times_of(&self.doc, &before.0), self.is_visible());
        let is_tagged = self.base.as_ref().is_some_and(|base| base.tags != theirs.tags);
        let was_known = before.1 && self.base.is_some() && !self.is_unread();
        if let Some(base) = self.base.as_ref().filter(|_| was_known) {
            let at = |name: &str| reported.fields.get(name).map_or(now_ms, |at| at.as_millisecond());
            last_edits::note(&mut self.last_edits, &fields(base), &fields(&theirs), Side::Ghl, at);
        }
        (self.base, self.unread) = (Some(theirs), unread);
        self.synced_at_ms = now_ms;
        Followed { row: self, conflicts, shows, is_tagged, was_known }
    }

    /// GHL `shows` something of it that can't be ordered. Whether that changes anything: then its push is pending.
    pub(in crate::records) fn met(&mut self, shows: &Fields, is_newer: bool) -> bool {
        let Some(base) = &self.base else { return false };
        let before = self.unanswered.clone();
        let agreed = self.unanswered.meet(&fields(base), shows, is_newer, &mut self.fingerprints);
        // Either the deletion is yet to arrive, or somebody brought the contact back.
        self.unanswered.looks += i64::from(!self.is_visible());
        if self.unanswered == before {
            return false;
        }
        let mut answered = before.asked;
        answered.retain(|name, _| !self.unanswered.asked.contains_key(name));
        self.edits = merging::unanswered(&self.edits, &answered, &fields(&self.doc));
        self.base = Some(with_fields(base, &agreed));
        true
    }

    /// GHL holds `news` since `at`, and the rest as before. `shown`: fields that were unread before.
    pub(in crate::records) fn received(&self, news: &Fields, at: Timestamp, shown: &Unread) -> PullPlan {
        if self.is_in_flight() {
            return PullPlan::Unordered { is_newer: self.is_answered_by(at) };
        }
        let Some(base) = self.base.as_ref().filter(|_| self.base_at().is_none_or(|base_at| at >= base_at)) else {
            return PullPlan::Older;
        };
        let mut held = fields(base);
        for (name, value) in news {
            set(&mut held, name, value.clone());
        }
        let theirs = Contact { date_updated: Some(at), ..with_fields(base, &held) };
        let unread = self.unread.difference(shown).cloned().collect();
        let reported =
            TheirTimes { fields: reported_times::at(news, at), not_before: self.base_at(), not_after: Some(at) };
        PullPlan::Follow { theirs: Box::new(theirs), unread, reported }
    }

    /// Whether a look that was begun when the row was as `before` shows its newest state.
    pub(in crate::records) fn is_looked_at_as(&self, before: &Self) -> bool {
        self.base == before.base && self.unanswered.is_looked_at_as(&before.unanswered, self.doc != before.doc)
    }

    /// Whether a reading met it for the first time since then, in ms since 1970, and nothing was done with it after that: then a create that was
    /// announced at that time can have made it.
    pub(crate) fn was_first_met_since(&self, announced_at_ms: Option<i64>) -> bool {
        let is_untouched =
            self.revision == FIRST && self.clienty_id.is_none() && self.is_visible() && self.base.is_some();
        is_untouched && announced_at_ms.is_some_and(|at| self.synced_at_ms >= at)
    }

    /// Whether it was met in GHL since then, in ms since 1970: that may be newer than a 404 of that time.
    pub(in crate::records) fn was_met_since(&self, since_ms: i64) -> bool {
        self.is_visible() && self.base.is_some() && self.synced_at_ms >= since_ms
    }

    /// What a reply shows. One whose later calls have no answer is as old as the calls before them, and something newer may have been shown since: it says
    /// nothing but what it was asked, and the look that is pending reads the rest.
    pub(in crate::records) fn answer(&mut self, reply: &ContactReply) -> Answer {
        let mut theirs = self.read(&reply.contact);
        if let Some(base) = self.base.as_ref().filter(|_| reply.is_partial) {
            let (mut held, shown) = (fields(base), fields(&theirs));
            reply.asked.keys().for_each(|name| set(&mut held, name, value(&shown, name)));
            theirs = with_fields(base, &held);
        }
        let Written { agreed, unapplied, got } = merging::written(self.base.as_ref(), &reply.asked, &theirs);
        self.fingerprints.remember(&reply.asked, &got);
        let edits = merging::unanswered(&self.edits, &reply.asked, &fields(&self.doc));
        let reported = TheirTimes { not_before: self.base_at(), ..TheirTimes::default() };
        Answer { theirs, agreed, edits, reported, unapplied, got }
    }

    /// Takes in an answer; `taken` is its merge. How the write ended, and whether readers knew the contact before.
    pub(in crate::records) fn answered_by(
        &mut self,
        reply: &ContactReply,
        answer: Answer,
        taken: Taken<Contact>,
        now_ms: i64,
    ) -> (SyncState, bool) {
        let Answer { theirs, agreed, edits: _, reported: _, unapplied, got } = answer;
        let state = SyncState::written(unapplied, timestamp(now_ms));
        if !reply.is_partial {
            self.unanswered = Unanswered { looks: self.unanswered.looks, ..Unanswered::default() };
        }
        let was_known = self.is_visible() && self.base.is_some() && !self.is_unread();
        if was_known {
            last_edits::note(&mut self.last_edits, &agreed, &fields(&theirs), Side::Ghl, |_| now_ms);
        }
        (self.doc, self.edits) = (taken.doc, taken.edits);
        (self.base, self.unread) = (Some(theirs), reply.unread.clone());
        let held = self.pending().held.into_iter().chain(reply.refused.iter().cloned()).collect();
        self.sync = Some(state.clone().keeping(self.sync.as_ref(), &reply.asked, &got).holding(held));
        self.synced_at_ms = now_ms;
        (state, was_known)
    }

    /// Whether the pending row becomes one with `other`, the row that has GHL's id `ghl_id` already. `is_made`: by a create of ours; `is_answered`: it
    /// shows what that sent.
    pub(crate) fn linking(&self, ghl_id: &str, other: Option<&Self>, is_made: bool, is_answered: bool) -> Linking {
        if self.base.is_some() && self.contact_id != ghl_id {
            return Linking::IsAnother;
        }
        let Some(other) = other else { return Linking::Move };
        let is_anothers = other.clienty_id.is_some() && other.clienty_id != self.clienty_id;
        // It got an id of Clienty's since it was looked at: it is nobody else's now.
        let is_raced = (other.awaits_deletion() && self.is_visible() && !is_answered) || (is_anothers && !is_made);
        if is_raced { Linking::Raced } else { Linking::Join }
    }

    /// The row has GHL's id by now; how it takes in `theirs`. `sent` is what the create announced, `asked` what of it `theirs` answers, whose very reply
    /// it is where `is_reply`.
    pub(in crate::records) fn linked(
        &mut self,
        theirs: &Contact,
        sent: Option<&Contact>,
        asked: Option<&Fields>,
        is_made: bool,
        is_reply: bool,
    ) -> (Contact, Linked) {
        // A pull that met it before read it after it was made: it reports all that the reply does, and is newer.
        let met = self.base.clone().filter(|_| is_reply && !self.is_unread());
        let theirs = met.as_ref().unwrap_or(theirs);
        self.created_by = Some(if is_made { Side::Clienty } else { self.created_by.unwrap_or(Side::Ghl) });
        if self.base.is_none() {
            // What was refused before was refused of a create.
            self.sync = None;
        }
        let Some(asked) = asked else {
            return (theirs.clone(), Linked::Follow { is_known: self.base.is_some() });
        };
        // It holds what was sent, unless it shows something else.
        let contact = theirs.completed(sent.unwrap_or(&self.doc));
        let unread = if met.is_some() { self.unread.clone() } else { theirs.unconfirmed(asked).collect() };
        let mut asked = asked.clone();
        if met.is_some() {
            // What reads otherwise by then was edited since, which the two rows were joined by.
            self.fingerprints.remember(&asked, &fields(theirs));
            let held = fields(theirs);
            asked.retain(|name, sent| answers(name, sent, &value(&held, name)));
        }
        let reply = ContactReply { asked, contact, refused: Vec::new(), is_partial: false, unread };
        (theirs.clone(), Linked::Reply(Box::new(reply)))
    }

    /// The pending row under an id of GHL's of which nothing is known here: what GHL holds of it has yet to be read.
    pub(in crate::records) fn under(mut self, contact_id: &str) -> Self {
        let unread =
            Contact { id: contact_id.to_owned(), clienty_contact_id: self.clienty_id.clone(), ..Contact::default() };
        (self.contact_id, self.doc.id) = (contact_id.to_owned(), contact_id.to_owned());
        (self.base, self.synced_at_ms, self.sync) = (Some(unread), 0, None);
        // What a create in doubt has made may be this very contact.
        self.created_by = self.intent.is_none().then_some(Side::Ghl);
        (self.intent, self.intent_at_ms) = (None, None);
        self
    }
}

/// `contact` with what moves without an edit as in `other`: alone it is no change of the feed.
fn with_times_of(contact: &Contact, other: &Contact) -> Contact {
    let Contact { date_updated, last_activity, .. } = other;
    Contact { date_updated: *date_updated, last_activity: *last_activity, ..contact.clone() }
}
