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
mod producers;
mod pull;
mod push;
mod rows;
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

/// A call that nobody waits for any more, and that may still arrive. GHL takes it without asking what it replaces, so it is as old as its
/// sending: a re-read since then does not let it know more.
#[derive(Debug, Clone)]
struct Straggler {
    row_id: String,
    call: Call,
    /// The words that Clienty had been reported when it was sent.
    seen: BTreeSet<u32>,
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
    wire: Vec<Straggler>,
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
                    let seen = self.oracle.seen_by_call(row_id);
                    let came = self.arrive(row_id, &call, &seen)?;
                    if let Some(PushRun { stage: Stage::Sent { answer, .. }, .. }) = self.pushes.get_mut(row_id) {
                        *answer = Some(came);
                    }
                }
            }
            Step::Answer(row_id) => self.answer(row_id)?,
            Step::LoseCall(row_id) | Step::LoseAnswer(row_id) => self.lose(row_id, false),
            Step::Straggle(row_id) => self.lose(row_id, true),
            Step::StragglerArrives(index) => {
                let Straggler { row_id, call, seen } = self.wire.remove(*index);
                self.arrive(&row_id, &call, &seen)?;
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
                let seen = self.oracle.seen_by_call(row_id);
                self.wire.push(Straggler { row_id: row_id.to_owned(), call, seen });
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
