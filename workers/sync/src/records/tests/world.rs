//! Both sides as a model, with an oracle that knows what every author said.
//!
//! The model carries out what the real decisions come to: those of a contact's row
//! ([`steps`](super::super::contacts::steps)), of webhooks (`jobs::pull_plan`, `jobs::webhook_diff`), of merges and
//! identity (`decide`). It has no I/O, so it can try every order of edits, calls, replies,
//! webhooks, pulls and faults. What it replaces is the storage, the queue and GHL.
//!
//! Checked at every step: (d) a record that owes something has an open job; (h) readers see what
//! somebody said, and nothing that its author has replaced; (c) nothing that is said of one
//! contact gets to another one. Checked when all is quiet: (a) both sides are equal; (b) no
//! author's last word is lost unless a conflict reports; (f) at most one write for each edit and
//! each lost answer, and the quiet comes; (e) each create is made once.
//!
//! Not checked here: triggers other than creates (e), since the transaction that starts them
//! reads tables; erasures (g); activities, time zones, keys of custom fields, and two webhooks of
//! one change. Of a contact that was deleted once, (b) and (h) are not checked. Tests of the real
//! program check these (docs/SYNC.md names each).
//!
//! The oracle excuses a lost word of GHL's side where nobody could know of it: no webhook or
//! reading had reported it when the write was sent, or when the look before it began; both sides
//! said the same (T7); GHL went back to what was agreed; Clienty edited what nobody had read.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use self::ghl::{Answer, Call, Event, Ghl};
use self::oracle::Oracle;
use super::super::change::contact::ids::named;
use super::super::change::contact::{blind, edited, new};
use super::super::contacts::joining::joined;
use super::super::contacts::steps::{Followed, Linked, Linking, Pull, PullPlan, PushStep};
use super::super::contacts::{ContactReply, ContactRow, bare};
use super::super::merging::{self, Edits, Taken};
use super::super::reported_times;
use super::super::settling::ReportedContact;
use super::super::webhooks::StoredWebhook;
use crate::jobs::push_contact::create::{held, is_somebody, shared, without_held};
use crate::jobs::straggler::may_still_arrive;
use crate::jobs::{pull_plan, webhook_diff};
use sync_model::change::ContactPatch;
use sync_model::decide::absent::Unread;
use sync_model::decide::fields::{Fields, difference, fields, set, value, with_fields};
use sync_model::decide::identity::{self, Identity, Meant, meant};
use sync_model::decide::match_lost_create;
use sync_model::decide::merge::{Policies, Policy, Side, TheirTimes, first_reported};
use sync_model::decide::push_contact::plan;
use sync_model::decide::refused::{self, Refusal};
use sync_model::decide::same::answers;
use sync_model::decide::unanswered::Unanswered;
use sync_model::decide::verify::SyncState;
use sync_model::record::Contact;

mod explore;
mod ghl;
mod oracle;
mod scenes;

const LOCATION: &str = "L";
/// The fields that are compared.
const FIELDS: [&str; 5] = ["city", "email", "firstName", "phone", "tags.vip"];

/// What people and programs say.
#[derive(Debug, Clone, PartialEq)]
enum Edit {
    /// A producer's event, by GHL's id, Clienty's id or both.
    Ours { contact_id: Option<&'static str>, clienty_id: Option<&'static str>, act: Act },
    /// A GHL user, or an automation.
    Theirs { id: &'static str, act: Act },
    /// GHL merges the first contact into the second.
    Merge(&'static str, &'static str),
}

#[derive(Debug, Clone, PartialEq)]
enum Act {
    Create(&'static [(&'static str, &'static str)]),
    Set(&'static str, Option<&'static str>),
    Delete,
    Restore,
}

/// What may go on next.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    Edit(usize),
    StartPush(String),
    /// GHL does what the push has called.
    Arrive(String),
    /// The push takes in the answer.
    Answer(String),
    /// The call never arrives, and nobody knows.
    LoseCall(String),
    /// GHL did it, and the answer is lost.
    LoseAnswer(String),
    /// The worker dies or gives up; the call is still on its way.
    Straggle(String),
    StragglerArrives(usize),
    /// Nothing that was sent can arrive any more.
    TimePasses,
    StartPull(String),
    StorePull(String),
    /// The worker dies during a pull.
    LosePull(String),
    Deliver(usize),
    LoseWebhook(usize),
    /// A scan reads the contact.
    Reconcile(String),
}

impl Step {
    fn is_fault(&self) -> bool {
        matches!(
            self,
            Self::LoseCall(_) | Self::LoseAnswer(_) | Self::Straggle(_) | Self::LosePull(_) | Self::LoseWebhook(_)
        )
    }
}

#[derive(Debug, Clone)]
enum Stage {
    Look { theirs: Option<Contact>, is_back: bool },
    Search { found: Option<Contact> },
    Sent { call: Call, answer: Option<Answer>, rest: Vec<Call>, reached: Option<ContactReply>, refused: bool },
}

#[derive(Debug, Clone)]
struct PushRun {
    row: ContactRow,
    stage: Stage,
    began: i64,
}

#[derive(Debug, Clone)]
struct PullRun {
    taken: usize,
    is_wished: bool,
    carried: Vec<Contact>,
    reported: Option<ReportedContact>,
    /// What the call showed, where one was needed.
    read: Option<Option<Contact>>,
    revision: i64,
    began: i64,
}

/// A job of a row.
#[derive(Debug, Clone, Default)]
struct LedgerEntry {
    /// Something came during the run.
    again: bool,
    /// It waits until what was sent can't arrive.
    waits: bool,
}

#[derive(Debug, Clone)]
struct Left {
    edits: usize,
    faults: usize,
    scans: usize,
}

#[derive(Debug, Clone)]
struct World {
    now: i64,
    policies: Policies,
    alphabet: &'static [Edit],
    left: Left,
    ghl: Ghl,
    rows: Vec<ContactRow>,
    aliases: BTreeMap<String, String>,
    jobs: BTreeMap<String, LedgerEntry>,
    /// Ended with a refusal that a person has to see to.
    dead: BTreeSet<String>,
    pushes: BTreeMap<String, PushRun>,
    requests: BTreeSet<String>,
    inbox: BTreeMap<String, Vec<StoredWebhook>>,
    pulls: BTreeMap<String, PullRun>,
    /// Webhooks that were received, by contact.
    received: BTreeMap<String, Vec<StoredWebhook>>,
    post: Vec<Event>,
    wire: Vec<(String, Call)>,
    /// Rows of which a write may still arrive.
    fresh: BTreeSet<String>,
    oracle: Oracle,
    /// Which contact of GHL's a create of which id of Clienty's made.
    made_by: BTreeMap<String, String>,
    /// Whose person each contact of GHL's is, by the first digit of its values.
    person_of: BTreeMap<String, String>,
    is_after_look: bool,
    /// What was seen to be wrong during a step.
    wrong: Option<String>,
}

type Outcome = Result<(), String>;

impl World {
    fn tick(&mut self) -> i64 {
        self.now += 1;
        self.now
    }

    fn row(&self, row_id: &str) -> Option<&ContactRow> {
        self.rows.iter().find(|row| row.row_id == row_id)
    }

    fn by_contact(&self, contact_id: &str) -> Option<&ContactRow> {
        self.rows.iter().find(|row| row.contact_id == contact_id)
    }

    fn by_any(&self, id: &str) -> Option<&ContactRow> {
        self.by_contact(self.aliases.get(id).map_or(id, String::as_str))
    }

    fn save(&mut self, mut row: ContactRow) {
        row.revision += 1;
        match self.rows.iter_mut().find(|kept| kept.row_id == row.row_id) {
            Some(kept) => *kept = row,
            None => self.rows.push(row),
        }
    }

    fn owe(&mut self, row_id: &str) {
        self.dead.remove(row_id);
        let job = self.jobs.entry(row_id.to_owned()).or_default();
        job.again |= self.pushes.contains_key(row_id);
        job.waits = false;
    }

    /// The run ends, and serves all that was open when it began.
    fn close(&mut self, row_id: &str) {
        self.pushes.remove(row_id);
        if let Some(job) = self.jobs.get_mut(row_id)
            && !std::mem::take(&mut job.again)
        {
            self.jobs.remove(row_id);
        }
    }

    fn keep_open(&mut self, row_id: &str) {
        self.pushes.remove(row_id);
        self.jobs.entry(row_id.to_owned()).or_default().again = false;
    }

    fn wait(&mut self, row_id: &str) {
        self.keep_open(row_id);
        self.jobs.entry(row_id.to_owned()).or_default().waits = true;
    }

    fn refuse(&mut self, row_id: &str) {
        self.close(row_id);
        self.dead.insert(row_id.to_owned());
    }

    fn emit(&mut self, event: Option<Event>) {
        if let Some(event) = event {
            self.post.push(event);
            self.post.sort_by_key(|event| event.at);
        }
    }

    fn take_in(
        &self,
        row: &ContactRow,
        base: &Fields,
        theirs: &Contact,
        edits: &Edits,
        reported: &TheirTimes,
    ) -> Taken<Contact> {
        let taken = merging::take_in(&self.policies, base, &row.doc, theirs, edits, &row.fingerprints, reported);
        if reported_times::undated_since::<Contact>(&self.policies, &taken, edits, reported).is_none() {
            return taken;
        }
        let received = self.received.get(&row.contact_id).into_iter().flatten();
        let said = received.filter_map(|webhook| {
            let contact = crate::mapping::contact::from_part(serde_json::from_value(webhook.contact()?).ok()?);
            Some((webhook.time()?, reported_times::of_edits(edits, &fields(&contact), &contact.absent)))
        });
        let mut first = first_reported(&fields(theirs), said.collect(), &row.fingerprints);
        first.extend(reported.fields.clone());
        let reported = TheirTimes { fields: first, ..reported.clone() };
        merging::take_in(&self.policies, base, &row.doc, theirs, edits, &row.fingerprints, &reported)
    }

    fn keep_conflicts(&mut self, row: &ContactRow, conflicts: &[sync_model::decide::merge::Conflict]) {
        for conflict in conflicts {
            let is_obeyed = match self.policies.default {
                Policy::Newest => true,
                Policy::Ghl => conflict.winner == Side::Ghl,
                Policy::Clienty => conflict.winner == Side::Clienty,
            };
            if !is_obeyed {
                self.wrong = Some(format!("(b) {} wins against the policy", conflict.winner.as_str()));
            }
            let key = (row.row_id.clone(), conflict.field.clone());
            for word in self.oracle.words.get_mut(&key).into_iter().flatten() {
                let (loser, lost) = match conflict.winner {
                    Side::Ghl => (Side::Clienty, &conflict.ours),
                    Side::Clienty => (Side::Ghl, &conflict.theirs),
                };
                word.is_reported |= word.by == loser && answers(&conflict.field, &word.value, lost);
            }
        }
    }

    fn follow(&mut self, row: ContactRow, theirs: &Contact) {
        if row.is_as_known(theirs) && !row.goes_back() {
            return;
        }
        let (theirs, unread) = (row.read(theirs), row.unread_after(theirs));
        let reported = row.times_of_reading(&theirs);
        self.follow_to(row, theirs, unread, &reported);
    }

    fn follow_to(&mut self, mut row: ContactRow, theirs: Contact, unread: Unread, reported: &TheirTimes) {
        let taken = row.is_visible().then(|| {
            let agreed = row.agreed(&theirs);
            self.take_in(&row, &agreed, &theirs, &row.edits, reported)
        });
        let Followed { row, conflicts, .. } = row.followed(taken, theirs, unread, reported, self.now);
        self.keep_conflicts(&row, &conflicts);
        self.save(row);
    }

    fn meet(&mut self, mut row: ContactRow, shows: &Fields, is_newer: bool) {
        if row.met(shows, is_newer) {
            self.owe(&row.row_id.clone());
            self.save(row);
        }
    }

    fn written(&mut self, row_id: &str, reply: &ContactReply) -> bool {
        let Some(row) = self.row(row_id).cloned() else { return true };
        self.write_down(row, reply)
    }

    fn write_down(&mut self, mut row: ContactRow, reply: &ContactReply) -> bool {
        let answer = row.answer(reply);
        let taken = self.take_in(&row, &answer.agreed, &answer.theirs, &answer.edits, &answer.reported);
        self.keep_conflicts(&row, &taken.conflicts);
        row.answered_by(reply, answer, taken, self.now);
        let is_settled = row.is_settled();
        self.save(row);
        is_settled
    }

    fn reported_of_contact(&mut self, reported: ReportedContact) {
        match reported {
            ReportedContact::Fields { row_id, fields, at, shown, .. } => {
                let Some(row) = self.row(&row_id).filter(|row| row.base.is_some()).cloned() else { return };
                match row.received(&fields, at, &shown) {
                    PullPlan::Older => {}
                    PullPlan::Unordered { is_newer } => self.meet(row, &fields, is_newer),
                    PullPlan::Follow { theirs, unread, reported } => self.follow_to(row, *theirs, unread, &reported),
                }
            }
            ReportedContact::Confirmed { row_id, at } => {
                if let Some(row) = self.rows.iter_mut().find(|row| row.row_id == row_id) {
                    row.received_at = row.received_at.max(Some(at));
                }
            }
        }
    }

    /// `sql/mark_contact_gone.sql`
    fn mark_gone(&mut self, contact_id: &str) {
        let now = self.now;
        let Some(row) = self.by_contact(contact_id).filter(|row| row.base.is_some()).cloned() else { return };
        self.forget_words(contact_id);
        let deleted_at_ms = row.deleted_at_ms.or(Some(now));
        let (base, unanswered) = (None, Unanswered::default());
        self.save(ContactRow { deleted_at_ms, base, unanswered, edits: Edits::new(), synced_at_ms: now, ..row });
    }

    fn is_gone_since(&mut self, contact_id: &str, began: i64) -> bool {
        let was_met = self.by_contact(contact_id).is_some_and(|row| row.was_met_since(began));
        if !was_met {
            self.mark_gone(contact_id);
        }
        !was_met
    }

    fn look_again(&mut self, row_id: &str) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.row_id == row_id) {
            row.unanswered.looks += 1;
        }
    }

    // Producers.

    fn link_alias(&mut self, id: &str, contact_id: &str) {
        self.aliases.insert(id.to_owned(), contact_id.to_owned());
    }

    fn move_to(&mut self, old: &str, new: &str) {
        if old != new {
            for target in self.aliases.values_mut().filter(|target| *target == old) {
                new.clone_into(target);
            }
            self.link_alias(old, new);
        }
    }

    fn join(&mut self, pending: ContactRow, other: ContactRow, agreed: &Fields) -> ContactRow {
        let keeps_other = other.clienty_id.is_some() && other.clienty_id != pending.clienty_id;
        let (row, found) = joined(&self.policies, &pending, &other, agreed, keeps_other);
        let gone = if keeps_other { &pending } else { &other };
        let gone_id = gone.row_id.clone();
        self.rows.retain(|kept| kept.row_id != gone_id);
        if !keeps_other || !self.pushes.contains_key(&gone_id) {
            self.pushes.remove(&gone_id);
            if self.jobs.remove(&gone_id).is_some() {
                self.owe(&row.row_id);
            }
        }
        if self.dead.remove(&gone_id) && !self.jobs.contains_key(&row.row_id) {
            self.dead.insert(row.row_id.clone());
        }
        self.move_to(&pending.contact_id, &row.contact_id);
        self.oracle.join(&gone_id, &row.row_id);
        self.keep_conflicts(&row, &found);
        self.save(row.clone());
        self.row(&row.row_id).cloned().unwrap_or(row)
    }

    /// `change/contact/ids.rs`: the row that both ids mean; an error where the event is refused.
    fn settle_ids(
        &mut self,
        contact_id: &str,
        clienty_id: Option<&str>,
        deletes: bool,
    ) -> Result<Option<ContactRow>, ()> {
        let row = self.by_any(contact_id).cloned();
        let Some(clienty_id) = clienty_id else { return Ok(row) };
        let other = self.by_any(clienty_id).cloned();
        let is_one = row.as_ref().zip(other.as_ref()).is_some_and(|(row, other)| row.row_id == other.row_id);
        match meant(named(row.as_ref(), None), named(other.as_ref(), row.as_ref()), is_one, deletes) {
            Meant::One => Ok(row.map(|mut row| {
                if row.contact_id != clienty_id {
                    row.clienty_id.get_or_insert_with(|| clienty_id.to_owned());
                    row.doc.clienty_contact_id.clone_from(&row.clienty_id);
                }
                row
            })),
            Meant::Link => {
                if let Some(left) = other.filter(|other| other.clienty_id.as_deref() == Some(clienty_id)) {
                    self.save(ContactRow { clienty_id: None, ..left });
                }
                let Some(mut row) = row else { return Ok(None) };
                self.link_alias(clienty_id, &row.contact_id);
                row.clienty_id.get_or_insert_with(|| clienty_id.to_owned());
                row.doc.clienty_contact_id.clone_from(&row.clienty_id);
                Ok(Some(row))
            }
            Meant::Join => match (other, row) {
                (Some(pending), Some(row)) => {
                    let in_doubt = pending.intent.is_some();
                    let joined = self.join(pending, row, &Fields::new());
                    let created_by = joined.created_by.filter(|_| !in_doubt);
                    Ok(Some(ContactRow { intent: None, intent_at_ms: None, created_by, ..joined }))
                }
                (Some(pending), None) => {
                    self.move_to(&pending.contact_id, contact_id);
                    Ok(Some(pending.under(contact_id)))
                }
                (None, row) => Ok(row),
            },
            Meant::InDoubt | Meant::Contradiction => Err(()),
        }
    }

    /// Whether the event is accepted.
    fn accept(&mut self, contact_id: Option<&str>, clienty_id: Option<&str>, act: &Act) -> Result<String, ()> {
        let patch = patch(act);
        let deletes = *act == Act::Delete;
        let at = self.now;
        let row = match (contact_id, clienty_id) {
            (Some(contact_id), clienty_id) => match self.settle_ids(contact_id, clienty_id, deletes)? {
                Some(row) => row,
                None => {
                    let clienty = clienty_id.map(str::to_owned);
                    let mut row = blind(bare(LOCATION, contact_id), clienty.as_ref(), &patch, at);
                    row.deleted_at_ms = deletes.then_some(at);
                    if let Some(id) = clienty_id {
                        self.link_alias(id, contact_id);
                    }
                    self.rows.push(row);
                    return Ok(contact_id.to_owned());
                }
            },
            (None, Some(clienty_id)) => match self.by_any(clienty_id).cloned() {
                Some(row) => row,
                None if matches!(act, Act::Create(_)) => {
                    self.rows.push(new(bare(LOCATION, clienty_id), &patch, at));
                    return Ok(clienty_id.to_owned());
                }
                None => return Err(()),
            },
            (None, None) => return Err(()),
        };
        if !row.is_visible() {
            return if deletes { Ok(row.row_id) } else { Err(()) };
        }
        let mut row = row;
        edited(&mut row, &patch, None, at);
        if deletes {
            row.deleted_at_ms = Some(at);
        }
        let row_id = row.row_id.clone();
        self.save(row);
        Ok(row_id)
    }

    fn edit(&mut self, edit: &Edit) -> Outcome {
        let at = self.tick();
        match edit {
            Edit::Ours { contact_id, clienty_id, act } => {
                self.oracle.edits += 1;
                let before: Vec<_> =
                    self.rows.iter().map(|row| (row.row_id.clone(), row.doc.clone(), row.is_visible())).collect();
                let mut tried = self.clone();
                let Ok(row_id) = tried.accept(*contact_id, *clienty_id, act) else { return Ok(()) };
                *self = tried;
                self.owe(&row_id);
                let is_blind = self.row(&row_id).is_some_and(|row| row.is_unread() || !row.unread.is_empty());
                let own = before.iter().find(|(id, ..)| *id == row_id);
                if own.is_none_or(|(.., shown)| *shown) {
                    if let Some(contact_id) = self.row(&row_id).map(|row| row.contact_id.clone()) {
                        self.oracle.join(&contact_id, &row_id);
                    }
                    if is_blind {
                        self.oracle.overwrite_blindly(&row_id);
                    }
                    let doc = own.filter(|_| !is_blind).map(|(_, doc, _)| fields(doc));
                    // Who says what readers see already says nothing.
                    let is_news = |name: &str, said: &Value| doc.as_ref().is_none_or(|doc| *said != value(doc, name));
                    for (name, said) in said(act).into_iter().filter(|(name, said)| is_news(name, said)) {
                        self.oracle.say(&row_id, &name, Side::Clienty, said);
                    }
                }
                if *act == Act::Delete {
                    self.oracle.forgotten.insert(row_id.clone());
                }
                let others = before.iter().filter(|(id, ..)| *id != row_id);
                for (id, doc, _) in others {
                    if self.row(id).is_some_and(|row| fields(&row.doc) != fields(doc)) {
                        return Err(format!("(c) an event about {row_id} changes {id}"));
                    }
                }
            }
            Edit::Theirs { id, act: Act::Delete } => {
                let event = self.ghl.delete(id, at);
                if event.is_some() {
                    self.forget_words(id);
                }
                self.emit(event);
            }
            Edit::Theirs { id, act: Act::Restore } => {
                let event = self.ghl.restore(id, at);
                self.emit(event);
            }
            Edit::Theirs { act: act @ Act::Create(_), .. } => {
                let wanted = patch(act).apply(&Contact::default());
                if let Ok(event) = self.ghl.create(&wanted, at) {
                    self.person_of.insert(event.contact.id.clone(), person(&event.contact));
                    let key = self.key_of(&event.contact.id);
                    for (name, value) in fields(&event.contact) {
                        self.oracle.say(&key, &name, Side::Ghl, value);
                    }
                    if self.row(&key).is_some_and(ContactRow::is_unread) {
                        self.oracle.overwrite_blindly(&key);
                    }
                    self.emit(Some(event));
                }
            }
            Edit::Theirs { id, act: act @ Act::Set(..) } => {
                let changes: Fields = said(act).into_iter().collect();
                if let Ok(event) = self.ghl.change(id, &changes, at) {
                    let key = self.key_of(id);
                    let base = self.row(&key).and_then(|row| row.base.as_ref()).map(fields).unwrap_or_default();
                    for (name, said) in changes {
                        let is_back = answers(&name, &said, &value(&base, &name));
                        self.oracle.say(&key, &name, Side::Ghl, said);
                        if is_back {
                            // Nobody can show that GHL went back to what is agreed.
                            self.oracle.excuse_last(&key, &name);
                        }
                    }
                    if self.row(&key).is_some_and(ContactRow::is_unread) {
                        self.oracle.overwrite_blindly(&key);
                    }
                    self.emit(Some(event));
                }
            }
            Edit::Merge(from, into) => {
                if let Some(contact) = self.ghl.people.remove(*from) {
                    self.forget_words(from);
                    let missing = difference(&Fields::new(), &fields(&contact));
                    let held = self.ghl.people.get(*into).map(fields).unwrap_or_default();
                    let missing: Fields = missing.into_iter().filter(|(name, _)| !held.contains_key(name)).collect();
                    if self.ghl.change(into, &missing, at).is_ok() {
                        let key = self.key_of(into);
                        for (name, value) in missing {
                            self.oracle.say(&key, &name, Side::Ghl, value);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// A deletion wins: what was said of the contact counts no more.
    fn forget_words(&mut self, contact_id: &str) {
        let row_id = self.key_of(contact_id);
        self.oracle.forgotten.insert(row_id.clone());
        self.oracle.words.retain(|(of, _), _| *of != row_id);
        self.oracle.seen.retain(|(of, _), _| *of != row_id);
    }

    // The push.

    fn start_push(&mut self, row_id: &str) {
        let began = self.tick();
        if let Some(job) = self.jobs.get_mut(row_id) {
            job.again = false;
        }
        let Some(row) = self.row(row_id).cloned() else { return self.close(row_id) };
        match row.push_step() {
            PushStep::Refused(_) => self.refuse(row_id),
            PushStep::Close => self.close(row_id),
            PushStep::LookWhetherBack => self.look(row, began, true),
            PushStep::SettleAnnouncement => {
                let found = row.intent.as_ref().and_then(|announced| self.search(&row, announced));
                self.begin(row, began, Stage::Search { found });
            }
            PushStep::Create => self.send_create(row, began),
            PushStep::Delete => {
                let mut now = row.clone();
                now.unanswered = Unanswered::default();
                self.put(now);
                let call = Call::Delete { id: row.contact_id.clone() };
                self.send(row, began, call, Vec::new(), None, false);
            }
            PushStep::Change => {
                let unanswered = self.inbox.get(&row.contact_id).map(Vec::as_slice).unwrap_or_default();
                if row.looks_first(&self.policies) || webhook_diff::are_news(&row, unanswered) {
                    self.look(row, began, false);
                } else {
                    self.change(row, began);
                }
            }
        }
    }

    /// Writes a row without counting it as a change.
    fn put(&mut self, row: ContactRow) {
        if let Some(kept) = self.rows.iter_mut().find(|kept| kept.row_id == row.row_id) {
            *kept = row;
        }
    }

    fn begin(&mut self, row: ContactRow, began: i64, stage: Stage) {
        self.pushes.insert(row.row_id.clone(), PushRun { row, stage, began });
    }

    fn look(&mut self, row: ContactRow, began: i64, is_back: bool) {
        // A webhook that comes during the look is not weighed before the write (O7).
        self.oracle.call(&row.row_id);
        let theirs = self.ghl.people.get(&row.contact_id).cloned();
        self.begin(row, began, Stage::Look { theirs, is_back });
    }

    fn send(
        &mut self,
        row: ContactRow,
        began: i64,
        call: Call,
        rest: Vec<Call>,
        reached: Option<ContactReply>,
        refused: bool,
    ) {
        self.fresh.insert(row.row_id.clone());
        if !std::mem::take(&mut self.is_after_look) {
            self.oracle.call(&row.row_id);
        }
        self.begin(row, began, Stage::Sent { call, answer: None, rest, reached, refused });
    }

    fn send_create(&mut self, row: ContactRow, began: i64) {
        let wanted = without_held(&row);
        let mut now = row.clone();
        (now.intent, now.intent_at_ms) = (Some(wanted.clone()), Some(self.now));
        self.put(now);
        self.send(row, began, Call::Create(Box::new(wanted)), Vec::new(), None, false);
    }

    fn change(&mut self, row: ContactRow, began: i64) {
        let Some(base) = row.base.clone() else { return self.close(&row.row_id.clone()) };
        let pending = row.pending();
        let plan = plan(&pending.sendable, &fields(&base), &row.fingerprints);
        let id = row.contact_id.clone();
        let mut calls = Vec::new();
        if !plan.update.is_empty() {
            calls.push(Call::Update { id: id.clone(), fields: plan.update });
        }
        for (tags, adds) in [(plan.add_tags, true), (plan.remove_tags, false)] {
            if !tags.is_empty() {
                calls.push(Call::Tags { id: id.clone(), adds, tags });
            }
        }
        let unread = row.unread.clone();
        let reached =
            ContactReply { asked: plan.unsendable, contact: base, refused: Vec::new(), is_partial: false, unread };
        if calls.is_empty() {
            return self.finish_change(&row.row_id.clone(), &reached, false);
        }
        let mut now = row.clone();
        (now.unanswered.asked, now.unanswered.at_ms) = (pending.fields, Some(self.now));
        self.put(now);
        let first = calls.remove(0);
        self.send(row, began, first, calls, Some(reached), false);
    }

    fn finish_change(&mut self, row_id: &str, reached: &ContactReply, is_refused: bool) {
        let is_settled = self.written(row_id, reached);
        match (is_refused, is_settled) {
            (true, _) => self.refuse(row_id),
            (false, true) => self.close(row_id),
            (false, false) => self.keep_open(row_id),
        }
    }

    /// `push_contact/create.rs`: what the announced create made.
    fn search(&self, row: &ContactRow, announced: &Contact) -> Option<Contact> {
        let is_new = |there: &Contact| {
            there.date_added.is_some() && !match_lost_create::predates(there.date_added, row.intent_at_ms)
        };
        let there = self.ghl.by_identity(announced);
        if there.is_none() && (announced.email.is_some() || announced.phone.is_some()) {
            return None;
        }
        if let Some(there) = there.filter(|there| !match_lost_create::predates(there.date_added, row.intent_at_ms)) {
            let fits = match_lost_create::is_of(announced, &there)
                && (row.is_visible() || match_lost_create::fits_contact(announced, &there));
            if !matches!(self.judge(row, announced, &there), Judged::Another) && fits && is_new(&there) {
                return Some(there);
            }
        }
        let mut others = self.ghl.people.values();
        others
            .find(|reported| {
                let fits = match_lost_create::fits_contact(announced, reported)
                    && !match_lost_create::is_namesake(announced, reported);
                let known = self.by_contact(&reported.id);
                fits && is_new(reported) && known.is_none_or(|known| known.was_first_met_since(row.intent_at_ms))
            })
            .cloned()
    }

    fn judge(&self, row: &ContactRow, wanted: &Contact, there: &Contact) -> Judged {
        if let Some(known) = self.by_any(&there.id).filter(|known| known.row_id != row.row_id) {
            if known.awaits_deletion() && self.jobs.contains_key(&known.row_id) {
                return Judged::GoesSoon;
            }
            if known.awaits_deletion() || known.clienty_id.is_some() {
                return Judged::Another;
            }
        }
        match identity::compare(wanted, there) {
            Identity::Same => Judged::Same,
            Identity::Contradicts | Identity::Unknown => Judged::Another,
        }
    }

    /// GHL does what a call asks.
    fn arrive(&mut self, row_id: &str, call: &Call) -> Result<Answer, String> {
        let at = self.tick();
        let clienty_id = self.row(row_id).and_then(|row| row.clienty_id.clone());
        if let Call::Delete { id } = call
            && let (Some(clienty_id), Some(person)) = (&clienty_id, self.person_of.get(id))
            && clienty_id.trim_start_matches('k') != person
        {
            return Err(format!("(c) the deletion of {clienty_id} deletes {id}, another person"));
        }
        let (answer, event) = self.ghl.answer(call, at);
        if let Some(event) = &event {
            self.oracle.writes += 1;
            let held = fields(&event.contact);
            let changed = match call {
                Call::Create(_) => {
                    if let Some(clienty_id) = &clienty_id {
                        self.made_by.insert(event.contact.id.clone(), clienty_id.clone());
                        self.person_of.insert(event.contact.id.clone(), clienty_id.trim_start_matches('k').to_owned());
                    }
                    held.clone()
                }
                Call::Update { fields, .. } => fields.clone(),
                Call::Tags { adds, tags, .. } => {
                    let value = if *adds { Value::Bool(true) } else { Value::Null };
                    tags.iter().map(|tag| (format!("tags.{tag}"), value.clone())).collect()
                }
                Call::Delete { .. } => Fields::new(),
            };
            for (name, wrote) in changed {
                let words = self.oracle.words.get_mut(&(row_id.to_owned(), name.clone()));
                for word in words.into_iter().flatten() {
                    match word.by {
                        Side::Clienty => word.has_arrived |= answers(&name, &word.value, &wrote),
                        Side::Ghl if !answers(&name, &word.value, &wrote) => {
                            word.is_overwritten_unseen |= word.is_unseen_by_call;
                        }
                        Side::Ghl => {}
                    }
                }
            }
            if matches!(call, Call::Delete { .. }) {
                self.forget_words(&event.contact.id.clone());
            }
        }
        self.emit(event);
        Ok(answer)
    }

    fn answer(&mut self, row_id: &str) -> Outcome {
        let Some(PushRun { row, stage, began }) = self.pushes.get(row_id).cloned() else { return Ok(()) };
        match stage {
            Stage::Look { theirs, is_back } => self.looked(row, theirs, began, is_back),
            Stage::Search { found } => {
                let announced = row.intent.clone().unwrap_or_default();
                match found {
                    Some(there) => {
                        let asked = fields(&announced);
                        let is_as_sent = match_lost_create::fits_contact(&announced, &there);
                        self.link(&row, &there, is_as_sent.then_some(&asked), true, false);
                    }
                    None if self.fresh.contains(row_id) => self.wait(row_id),
                    None => {
                        if let Some(mut now) = self.row(row_id).cloned() {
                            (now.intent, now.intent_at_ms) = (None, None);
                            self.put(now);
                        }
                        if row.is_visible() { self.keep_open(row_id) } else { self.close(row_id) }
                    }
                }
            }
            Stage::Sent { call, answer, rest, reached, refused, .. } => {
                let Some(answer) = answer else { return Ok(()) };
                match call {
                    Call::Create(wanted) => self.created(row, &wanted, answer, began),
                    Call::Delete { .. } => self.deleted(&row),
                    call => self.changed(row, call, answer, rest, reached, refused, began),
                }
            }
        }
        Ok(())
    }

    fn looked(&mut self, row: ContactRow, theirs: Option<Contact>, began: i64, is_back: bool) {
        let row_id = row.row_id.clone();
        let Some(theirs) = theirs else {
            if !self.is_gone_since(&row.contact_id, began) {
                return self.keep_open(&row_id);
            }
            let Some(mut now) = self.row(&row_id).cloned() else { return self.close(&row_id) };
            if is_back {
                if !now.is_looked_at_as(&row) && now.unanswered.needs_look() {
                    return self.keep_open(&row_id);
                }
                now.unanswered = Unanswered::default();
                self.put(now);
                return self.close(&row_id);
            }
            return self.gone(&row, began);
        };
        let base = row.base.as_ref().map(fields).unwrap_or_default();
        let is_fresh = row.unanswered.at_ms.is_some() && self.fresh.contains(&row_id);
        if is_fresh && may_still_arrive(&row.unanswered.asked, &row.pending().fields, &base, &fields(&theirs), &[]) {
            return self.wait(&row_id);
        }
        if let Some(now) = self.row(&row_id).cloned() {
            if now.is_looked_at_as(&row) {
                self.follow(now, &theirs);
                if let Some(mut now) = self.row(&row_id).cloned() {
                    now.unanswered = Unanswered::default();
                    self.put(now);
                }
            } else {
                self.look_again(&row_id);
            }
        }
        match self.row(&row_id).cloned() {
            None => self.close(&row_id),
            Some(row) if row.unanswered.needs_look() => self.keep_open(&row_id),
            Some(_) if is_back => self.close(&row_id),
            Some(row) if row.is_settled() => self.close(&row_id),
            Some(row) => {
                let began = self.tick();
                self.is_after_look = true;
                self.change(row, began);
                self.is_after_look = false;
            }
        }
    }

    fn gone(&mut self, row: &ContactRow, began: i64) {
        if !self.is_gone_since(&row.contact_id, began) {
            self.look_again(&row.row_id);
            return self.keep_open(&row.row_id);
        }
        self.refuse(&row.row_id);
    }

    fn deleted(&mut self, row: &ContactRow) {
        let now = self.row(&row.row_id).cloned();
        match now {
            Some(now) if now.is_visible() => self.close(&row.row_id),
            Some(now) if now.unanswered.needs_look() => {
                self.mark_gone(&row.contact_id);
                self.look_again(&row.row_id);
                self.keep_open(&row.row_id);
            }
            _ => {
                self.mark_gone(&row.contact_id);
                self.close(&row.row_id);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the state of a run")]
    fn changed(
        &mut self,
        row: ContactRow,
        call: Call,
        answer: Answer,
        rest: Vec<Call>,
        reached: Option<ContactReply>,
        mut is_refused: bool,
        began: i64,
    ) {
        let Some(mut reached) = reached else { return };
        let row_id = row.row_id.clone();
        let asked: Fields = match &call {
            Call::Update { fields, .. } => fields.clone(),
            Call::Tags { adds, tags, .. } => {
                let value = if *adds { Value::Bool(true) } else { Value::Null };
                tags.iter().map(|tag| (format!("tags.{tag}"), value.clone())).collect()
            }
            Call::Create(_) | Call::Delete { .. } => Fields::new(),
        };
        let mut rest = rest;
        match answer {
            Answer::Gone => return self.gone(&row, began),
            Answer::Contact(reply) => {
                let mut expected = fields(&reached.contact);
                for (name, value) in &asked {
                    set(&mut expected, name, value.clone());
                }
                let expected = with_fields(&reached.contact, &expected);
                reached.unread = reply.unread_after(&reached.unread, Some(&expected));
                reached.unread.extend(reply.unconfirmed(&asked));
                reached.contact = reply.completed(&expected);
                reached.asked.extend(asked);
            }
            Answer::Tags(tags) => {
                reached.asked.extend(asked);
                reached.holds_tags(tags);
            }
            Answer::Duplicate { field, .. } => {
                let refusal = Refusal { at: self.timestamp(), reason: "duplicate".to_owned() };
                let blamed = refused::blamed::<Contact>(&asked, &[field]);
                reached.refused.extend(refused::refused(
                    &blamed,
                    &row.base.as_ref().map(fields).unwrap_or_default(),
                    &refusal,
                ));
                is_refused = true;
                let left: Fields = asked.into_iter().filter(|(name, _)| !blamed.contains_key(name)).collect();
                if !left.is_empty() {
                    rest.insert(0, Call::Update { id: row.contact_id.clone(), fields: left });
                }
            }
            Answer::Done => {}
        }
        if !rest.is_empty() {
            let next = rest.remove(0);
            if let Some(mut now) = self.row(&row_id).cloned() {
                (now.unanswered.asked, now.unanswered.at_ms) = (row.pending().fields, Some(self.now));
                self.put(now);
            }
            return self.send(row, began, next, rest, Some(reached), is_refused);
        }
        if Some(&reached.contact) == row.base.as_ref() && is_refused && reached.asked.is_empty() {
            if let Some(mut now) = self.row(&row_id).cloned() {
                (now.unanswered.asked, now.unanswered.at_ms) = (Fields::new(), None);
                let refusal = Refusal { at: self.timestamp(), reason: "duplicate".to_owned() };
                now.sync = Some(SyncState::refused(refusal, reached.refused, row.pending().held));
                self.save(now);
            }
            return self.refuse(&row_id);
        }
        self.finish_change(&row_id, &reached, is_refused);
    }

    fn timestamp(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now).unwrap()
    }

    fn created(&mut self, row: ContactRow, wanted: &Contact, answer: Answer, began: i64) {
        let row_id = row.row_id.clone();
        let (contact_id, field) = match answer {
            Answer::Contact(made) => return self.link(&row, &made, Some(&fields(wanted)), true, true),
            Answer::Duplicate { contact_id, field } => (contact_id, field),
            Answer::Tags(_) | Answer::Done | Answer::Gone => return,
        };
        if let Some(mut now) = self.row(&row_id).cloned() {
            (now.intent, now.intent_at_ms) = (None, None);
            self.put(now);
        }
        let there = self.ghl.people.get(&contact_id).cloned();
        match there.as_ref().map(|there| self.judge(&row, wanted, there)) {
            Some(Judged::Same) => self.link(&row, &there.unwrap_or_default(), None, false, false),
            Some(Judged::GoesSoon) => self.wait(&row_id),
            Some(Judged::Another) | None => {
                let shared = shared(wanted, there.as_ref(), Some(field));
                let (left_out, rest): (Fields, Fields) =
                    fields(wanted).into_iter().partition(|(name, _)| shared.contains(&name.as_str()));
                let is_somebody = is_somebody(&rest) && !left_out.is_empty();
                let left_out = if is_somebody { left_out } else { left_out.into_iter().chain(rest).collect() };
                let refusal = Refusal { at: self.timestamp(), reason: "another".to_owned() };
                if let Some(mut now) = self.row(&row_id).cloned() {
                    let earlier = held(&now);
                    let values = refused::refused(&left_out, &Fields::new(), &refusal);
                    now.sync = Some(SyncState::refused(refusal, values, earlier));
                    self.save(now);
                }
                if is_somebody { self.keep_open(&row_id) } else { self.refuse(&row_id) }
            }
        }
        let _ = began;
    }

    /// `contacts/answers.rs`: GHL has the pending contact.
    fn link(&mut self, before: &ContactRow, theirs: &Contact, asked: Option<&Fields>, is_made: bool, is_reply: bool) {
        let run = before.row_id.clone();
        let Some(mut row) = self.row(&run).cloned() else { return self.close(&run) };
        let other = self.by_contact(&theirs.id).filter(|other| other.row_id != row.row_id).cloned();
        match (row.linking(&theirs.id, other.as_ref(), is_made, asked.is_some()), other) {
            (Linking::IsAnother, _) => {
                self.requests.insert(theirs.id.clone());
                return if row.is_settled() { self.close(&run) } else { self.keep_open(&run) };
            }
            (Linking::Raced, _) => return self.keep_open(&run),
            (Linking::Join, Some(other)) => {
                if !self.person_of.contains_key(&theirs.id) {
                    self.person_of.insert(theirs.id.clone(), person(&other.doc));
                }
                row = self.join(row, other, asked.unwrap_or(&Fields::new()));
            }
            (Linking::Join | Linking::Move, _) => {
                let old = row.contact_id.clone();
                self.move_to(&old, &theirs.id);
                row.contact_id.clone_from(&theirs.id);
                self.oracle.join(&theirs.id, &row.row_id);
            }
        }
        let row_id = row.row_id.clone();
        let sent = row.intent.take();
        row.intent_at_ms = None;
        let (theirs, linked) = row.linked(theirs, sent.as_ref(), asked, is_made, is_reply);
        match linked {
            Linked::Reply(reply) => {
                self.write_down(row, &reply);
            }
            Linked::Follow { .. } => {
                self.save(row);
                if let Some(row) = self.row(&row_id).cloned() {
                    self.follow(row, &theirs);
                }
            }
        }
        if row_id != run {
            self.close(&run);
            self.owe(&row_id);
        } else if self.row(&run).is_some_and(|row| !row.is_settled()) {
            self.keep_open(&run);
        } else {
            self.close(&run);
        }
    }

    // The pull.

    fn start_pull(&mut self, id: &str) {
        let began = self.tick();
        let hooks = self.inbox.get(id).cloned().unwrap_or_default();
        let is_wished = self.requests.remove(id);
        let row = self.by_contact(id).cloned();
        let taken = hooks.len();
        let mut pull =
            PullRun { taken, is_wished, carried: Vec::new(), reported: None, read: None, revision: 0, began };
        if row.as_ref().is_some_and(ContactRow::is_pending) {
            self.pulls.insert(id.to_owned(), pull);
            return;
        }
        pull.carried = webhook_diff::carried(&hooks, row.as_ref());
        let known = row.filter(|row| row.base.is_some() && row.is_visible() && !row.is_unread());
        let mut needs = known.is_none() || is_wished;
        if let Some(row) = known.filter(|_| !is_wished) {
            needs |= hooks.iter().any(|hook| hook.event_type == "ContactDelete");
            let whole: Vec<_> = hooks.iter().filter(|hook| hook.event_type != "ContactDelete").collect();
            match pull_plan::of_contact(&row, &whole, |_| {}) {
                Some(reported) => pull.reported = reported,
                None => needs = true,
            }
        }
        if needs {
            if let Some(reported) = pull.reported.take() {
                self.reported_of_contact(reported);
            }
            pull.read = Some(self.ghl.people.get(id).cloned());
        }
        pull.revision = self.by_contact(id).map_or(0, |row| row.revision);
        self.pulls.insert(id.to_owned(), pull);
    }

    fn store_pull(&mut self, id: &str) {
        let Some(pull) = self.pulls.remove(id) else { return };
        let PullRun { taken, is_wished, carried, reported, read, revision, began } = pull;
        match read {
            Some(None) if !self.is_gone_since(id, began) => {
                if is_wished {
                    self.requests.insert(id.to_owned());
                }
                return;
            }
            Some(None) | None => {}
            Some(Some(mut theirs)) => {
                self.report(id);
                for carried in &carried {
                    theirs = theirs.supplemented(carried);
                }
                let row = self.by_contact(id).cloned();
                match (ContactRow::pull(row.as_ref(), revision), row) {
                    (Pull::Meet, _) => self.rows.push(bare(LOCATION, id).first_met(&theirs, self.now)),
                    (Pull::Follow, Some(row)) => self.follow(row, &theirs),
                    (Pull::Unordered { is_newer }, Some(row)) => {
                        let shows =
                            row.base.as_ref().map(|base| difference(&fields(base), &fields(&row.read(&theirs))));
                        if let Some(shows) = shows {
                            self.meet(row, &shows, is_newer);
                        }
                    }
                    (Pull::Nothing | Pull::Follow | Pull::Unordered { .. }, _) => {}
                }
            }
        }
        if let Some(reported) = reported {
            self.reported_of_contact(reported);
        }
        if let Some(hooks) = self.inbox.get_mut(id) {
            hooks.drain(..taken.min(hooks.len()));
            if hooks.is_empty() {
                self.inbox.remove(id);
            }
        }
    }

    /// Clienty has been reported all that GHL's side said of the contact.
    fn report(&mut self, contact_id: &str) {
        let key = self.key_of(contact_id);
        for (_, words) in self.oracle.words.iter_mut().filter(|((of, _), _)| *of == key) {
            words.iter_mut().filter(|word| word.by == Side::Ghl).for_each(|word| word.is_reported = true);
        }
    }

    /// Under what the words about a contact of GHL's are kept.
    fn key_of(&self, contact_id: &str) -> String {
        self.by_contact(contact_id).map_or(contact_id, |row| row.row_id.as_str()).to_owned()
    }

    fn deliver(&mut self, index: usize) {
        self.tick();
        let event = self.post.remove(index);
        let id = event.contact.id.clone();
        let webhook = StoredWebhook {
            id: format!("w{}", event.at),
            event_type: event.kind.to_owned(),
            body: event.body(),
            received_at: Timestamp::from_millisecond(event.at + 1).unwrap(),
            is_late: false,
        };
        self.report_of(&event);
        self.inbox.entry(id.clone()).or_default().push(webhook.clone());
        self.received.entry(id).or_default().push(webhook);
    }

    fn report_of(&mut self, event: &Event) {
        let (key, held) = (self.key_of(&event.contact.id), fields(&event.contact));
        for ((_, field), words) in self.oracle.words.iter_mut().filter(|((of, _), _)| *of == key) {
            let is_it =
                |word: &&mut oracle::Word| word.by == Side::Ghl && answers(field, &word.value, &value(&held, field));
            words.iter_mut().filter(is_it).for_each(|word| word.is_reported = true);
        }
    }

    // All of it.

    fn enabled(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.left.edits > 0 {
            steps.extend((0..self.alphabet.len()).map(Step::Edit));
        }
        let has_faults = self.left.faults > 0;
        for (row_id, job) in &self.jobs {
            if !self.pushes.contains_key(row_id) && !job.waits {
                steps.push(Step::StartPush(row_id.clone()));
            }
        }
        for (row_id, run) in &self.pushes {
            match &run.stage {
                Stage::Sent { answer: None, .. } => {
                    steps.push(Step::Arrive(row_id.clone()));
                    if has_faults {
                        steps.extend([Step::LoseCall(row_id.clone()), Step::Straggle(row_id.clone())]);
                    }
                }
                stage => {
                    steps.push(Step::Answer(row_id.clone()));
                    if has_faults && matches!(stage, Stage::Sent { .. }) {
                        steps.push(Step::LoseAnswer(row_id.clone()));
                    }
                }
            }
        }
        steps.extend((0..self.wire.len()).map(Step::StragglerArrives));
        if self.jobs.values().any(|job| job.waits) {
            steps.push(Step::TimePasses);
        }
        let due: BTreeSet<&String> = self.inbox.keys().chain(&self.requests).collect();
        steps.extend(due.into_iter().filter(|id| !self.pulls.contains_key(*id)).cloned().map(Step::StartPull));
        for id in self.pulls.keys() {
            steps.push(Step::StorePull(id.clone()));
            if has_faults {
                steps.push(Step::LosePull(id.clone()));
            }
        }
        for index in 0..self.post.len() {
            steps.push(Step::Deliver(index));
            if has_faults {
                steps.push(Step::LoseWebhook(index));
            }
        }
        if self.left.scans > 0 {
            let known: BTreeSet<String> = self.known_ids();
            steps.extend(known.into_iter().filter(|id| !self.pulls.contains_key(id)).map(Step::Reconcile));
        }
        steps
    }

    fn known_ids(&self) -> BTreeSet<String> {
        let rows = self.rows.iter().filter(|row| row.base.is_some()).map(|row| row.contact_id.clone());
        rows.chain(self.ghl.people.keys().cloned()).collect()
    }

    fn step(&mut self, step: &Step) -> Outcome {
        self.tick();
        if step.is_fault() {
            self.left.faults = self.left.faults.saturating_sub(1);
        }
        match step {
            Step::Edit(index) => {
                self.left.edits = self.left.edits.saturating_sub(1);
                let edit = self.alphabet[*index].clone();
                self.edit(&edit)?;
            }
            Step::StartPush(row_id) => self.start_push(row_id),
            Step::Arrive(row_id) => {
                let sent = match self.pushes.get(row_id).map(|run| &run.stage) {
                    Some(Stage::Sent { call, .. }) => Some(call.clone()),
                    _ => None,
                };
                if let Some(call) = sent {
                    let came = self.arrive(row_id, &call)?;
                    if let Some(PushRun { stage: Stage::Sent { answer, .. }, .. }) = self.pushes.get_mut(row_id) {
                        *answer = Some(came);
                    }
                }
            }
            Step::Answer(row_id) => self.answer(row_id)?,
            Step::LoseCall(row_id) | Step::LoseAnswer(row_id) => self.lose(row_id, false),
            Step::Straggle(row_id) => self.lose(row_id, true),
            Step::StragglerArrives(index) => {
                let (row_id, call) = self.wire.remove(*index);
                self.arrive(&row_id, &call)?;
            }
            Step::TimePasses => {
                self.now += 60_000;
                self.wire.clear();
                self.fresh.clear();
                self.jobs.values_mut().for_each(|job| job.waits = false);
            }
            Step::StartPull(id) => self.start_pull(id),
            Step::StorePull(id) => self.store_pull(id),
            Step::LosePull(id) => {
                if self.pulls.remove(id).is_some_and(|pull| pull.is_wished) {
                    self.requests.insert(id.clone());
                }
            }
            Step::Deliver(index) => self.deliver(*index),
            Step::LoseWebhook(index) => drop(self.post.remove(*index)),
            Step::Reconcile(id) => {
                self.left.scans = self.left.scans.saturating_sub(1);
                self.requests.insert(id.clone());
            }
        }
        self.check()
    }

    /// The answer to what a push has called is lost. What was answered before is kept.
    fn lose(&mut self, row_id: &str, straggles: bool) {
        self.oracle.lost += 1;
        let Some(PushRun { row, stage, .. }) = self.pushes.remove(row_id) else { return };
        if let Stage::Sent { call, reached, .. } = stage {
            if straggles {
                self.wire.push((row_id.to_owned(), call));
            }
            if let Some(mut reached) = reached.filter(|reached| Some(&reached.contact) != row.base.as_ref()) {
                reached.is_partial = true;
                self.written(row_id, &reached);
            }
        }
        self.keep_open(row_id);
    }

    fn check(&mut self) -> Outcome {
        if let Some(wrong) = &self.wrong {
            return Err(wrong.clone());
        }
        for row in &self.rows {
            let is_pending = !row.is_settled() && row.refusal().is_none();
            if is_pending && !self.jobs.contains_key(&row.row_id) && !self.dead.contains(&row.row_id) {
                return Err(format!("(d) {} has pending work, and no job", row.row_id));
            }
        }
        for row in self.rows.iter().filter(|row| row.is_visible()) {
            let held = fields(&row.doc);
            // What nobody has read yet is shown as nothing.
            let is_known = |name: &str| held.contains_key(name) || !(row.is_unread() || row.unread.contains(name));
            for name in FIELDS.into_iter().filter(|name| is_known(name)) {
                self.oracle.show(&row.row_id, name, &value(&held, name))?;
            }
        }
        for row in self.rows.iter().filter(|row| row.is_visible() && row.base.is_some()) {
            let base = row.base.as_ref().map(fields).unwrap_or_default();
            for name in FIELDS {
                let words = self.oracle.words.get_mut(&(row.row_id.clone(), name.to_owned()));
                for word in words.into_iter().flatten() {
                    let is_agreed = answers(name, &word.value, &value(&base, name));
                    // Both sides agree on it (T7), once no edit of it waits.
                    word.has_arrived |= is_agreed && (word.by == Side::Ghl || !row.edits.contains_key(name));
                    word.is_reported |= is_agreed && word.by == Side::Clienty && !row.edits.contains_key(name);
                }
            }
        }
        for (id, contact) in &self.ghl.people {
            let Some(person) = self.person_of.get(id) else { continue };
            for name in ["city", "email", "firstName"] {
                let value = value(&fields(contact), name);
                let owner = value.as_str().and_then(|text| text.split_once(':')).map(|(owner, _)| owner.to_owned());
                if owner.is_some_and(|owner| owner != *person) {
                    return Err(format!("(c) {id} is person {person}, and holds {name} = {value}"));
                }
            }
        }
        Ok(())
    }

    fn is_quiet(&self) -> bool {
        self.jobs.is_empty()
            && self.pulls.is_empty()
            && self.inbox.is_empty()
            && self.requests.is_empty()
            && self.post.is_empty()
            && self.wire.is_empty()
    }

    /// All that is on its way comes to its end.
    fn calm(&mut self) -> Outcome {
        self.left = Left { edits: 0, faults: 0, scans: 0 };
        for _ in 0..120 {
            match self.enabled().into_iter().next() {
                Some(step) => self.step(&step)?,
                None => {
                    return if self.is_quiet() {
                        Ok(())
                    } else {
                        Err("(f) nothing goes on, and something is open".to_owned())
                    };
                }
            }
        }
        Err("(f) it never comes to rest".to_owned())
    }

    /// What holds once all is quiet and a reconciliation has read everything.
    fn finish(mut self) -> Outcome {
        self.calm()?;
        self.requests = self.known_ids();
        self.calm()?;
        let writes = self.oracle.writes;
        if writes > self.oracle.edits + self.oracle.lost {
            return Err(format!(
                "(f) {writes} writes for {} edits and {} lost answers",
                self.oracle.edits, self.oracle.lost
            ));
        }
        for row in &self.rows {
            let there = self.ghl.people.get(&row.contact_id);
            match (row.is_visible(), there) {
                (false, None) => {}
                (true, None) if self.dead.contains(&row.row_id) => {}
                (true, None) => return Err(format!("(a) {} is shown, and GHL lacks it", row.row_id)),
                (false, Some(_)) => return Err(format!("(a) {} is hidden, and GHL has it", row.row_id)),
                (true, Some(there)) => {
                    let (ours, theirs) = (fields(&row.doc), fields(there));
                    let held: Vec<_> = row.pending().held.into_iter().map(|one| one.field).collect();
                    for name in FIELDS.into_iter().filter(|name| !held.iter().any(|held| held == name)) {
                        let (our, their) = (value(&ours, name), value(&theirs, name));
                        if !row.fingerprints.same(name, &our, &their) {
                            return Err(format!("(a) {} has {name} = {our}, and GHL {their}", row.row_id));
                        }
                        self.oracle.settle(&row.row_id, name, &their)?;
                    }
                }
            }
        }
        if let Some(id) = self.ghl.people.keys().find(|id| self.by_contact(id).is_none()) {
            return Err(format!("(a) GHL has {id}, and no reader sees it"));
        }
        let mut made = BTreeSet::new();
        match self.made_by.iter().find(|(id, by)| self.ghl.people.contains_key(*id) && !made.insert((*by).clone())) {
            Some((id, by)) => Err(format!("(e) the create of {by} made {id}, and another one")),
            None => Ok(()),
        }
    }
}

enum Judged {
    Same,
    GoesSoon,
    Another,
}

fn patch(act: &Act) -> ContactPatch {
    ContactPatch { fields: said(act).into_iter().collect(), ..ContactPatch::default() }
}

fn said(act: &Act) -> Vec<(String, Value)> {
    let value = |name: &str, text: Option<&str>| match text {
        None => Value::Null,
        Some(_) if name.starts_with("tags.") => Value::Bool(true),
        Some(text) => text.into(),
    };
    match act {
        Act::Create(set) => set.iter().map(|(name, text)| ((*name).to_owned(), value(name, Some(text)))).collect(),
        Act::Set(name, text) => vec![((*name).to_owned(), value(name, *text))],
        Act::Delete | Act::Restore => Vec::new(),
    }
}

/// Whose values a contact has.
fn person(contact: &Contact) -> String {
    let texts = [&contact.first_name, &contact.email, &contact.city];
    let owner = texts.into_iter().flatten().find_map(|text| text.split_once(':')).map(|(owner, _)| owner.to_owned());
    owner.unwrap_or_default()
}
