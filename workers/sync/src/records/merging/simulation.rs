//! Any interleaving of edits on both sides, webhooks (lost, doubled, out of order), lost replies and echoes ends equal.
//!
//! A tiny model of GHL and the decisions that rows, pushes and pulls are made of; no I/O, so that thousands of interleavings are tried. The
//! model rewrites what it is sent as GHL does: e-mails and phones get its form, and one field is dropped without a word.

use std::collections::BTreeSet;

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use sync_model::decide::absent::{Absent, Unread};
use sync_model::decide::echo::{EchoDecision, Known, ReportedFields, confirms, judge};
use sync_model::decide::fields::difference;
use sync_model::decide::merge::Policy;
use sync_model::decide::push_contact::plan;
use sync_model::decide::unanswered::Unanswered;
use sync_model::record::Contact;

use super::*;
use crate::mapping::contact::reported;

#[derive(Debug, Clone)]
enum Step {
    /// A person edits in Clienty.
    Ours(usize, u8),
    /// A person edits in GHL.
    Theirs(usize, u8),
    /// The push runs; its reply may be lost, or leave out the fields of the mask.
    Push { lost: bool, mask: u8 },
    /// A webhook arrives, whichever; it may come again. It leaves out the fields of the mask.
    Webhook { which: prop::sample::Index, again: bool, mask: u8 },
    /// A webhook never arrives.
    Lost(prop::sample::Index),
    /// A pull reads GHL.
    Pull,
    /// A list shows what GHL holds, without the fields of the mask.
    List(u8),
}

const NAMES: [&str; 6] = ["city", "email", "phone", "tags.a", "tags.b", "source"];

/// What a source may leave out.
const CARRIED: [&str; 5] = ["city", "email", "phone", "tags", "source"];

/// `whole` as a source shows it that leaves out the fields of the mask: a field that it does not carry reads as nothing.
fn without(whole: &Contact, mask: u8) -> Contact {
    let mut shown = fields(whole);
    let mut absent = Absent::partial();
    for (_, name) in CARRIED.iter().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0) {
        shown.retain(|field, _| field.split('.').next() != Some(*name));
        absent.add(name);
    }
    Contact { absent, ..with_fields(whole, &shown) }
}

/// A value of a field; none takes it away.
fn value_of(name: &str, pick: u8) -> Value {
    match (name, pick % 4) {
        (_, 0) => Value::Null,
        ("phone", n) => json!(format!("0151 234567{n}")),
        ("email", n) => json!(format!("Jane{n}@x.de")),
        (name, _) if name.starts_with("tags.") => json!(true),
        (_, n) => json!(format!("v{n}")),
    }
}

struct World {
    ghl: Contact,
    ours: Contact,
    base: Contact,
    /// The newest webhook that reported `base`.
    received: Option<Timestamp>,
    /// The newest webhook that came at all.
    reported: Option<Timestamp>,
    edits: Edits,
    fingerprints: Fingerprints,
    unread: Unread,
    /// The write whose reply was lost, and what was met since.
    open: Unanswered,
    policies: Policies,
    webhooks: Vec<Contact>,
    now: i64,
    edits_made: usize,
    replies_lost: usize,
    writes: usize,
    /// What people left in each field, by side.
    left: [Fields; 2],
    /// Fields that were said to be edited by both sides.
    disputed: BTreeSet<String>,
    /// How often that was said.
    disputes: usize,
}

impl World {
    fn new(policy: Policy) -> Self {
        let start = Contact { date_updated: Some(Timestamp::UNIX_EPOCH), ..Contact::default() };
        Self {
            ghl: start.clone(),
            ours: start.clone(),
            base: start,
            received: None,
            reported: None,
            edits: Edits::new(),
            fingerprints: Fingerprints::default(),
            unread: Unread::new(),
            open: Unanswered::default(),
            policies: Policies { default: policy, ..Policies::default() },
            webhooks: Vec::new(),
            now: 0,
            edits_made: 0,
            replies_lost: 0,
            writes: 0,
            left: Default::default(),
            disputed: BTreeSet::new(),
            disputes: 0,
        }
    }

    fn tick(&mut self) -> Timestamp {
        self.now += 1;
        Timestamp::from_millisecond(self.now).unwrap()
    }

    /// GHL takes a change, in its own form, and reports it.
    fn change_ghl(&mut self, change: &Fields) {
        let at = self.tick();
        let mut held = fields(&self.ghl);
        for (name, value) in change {
            let value = match (name.as_str(), value.as_str()) {
                ("source", _) => continue,
                ("email", Some(text)) => json!(text.to_lowercase()),
                ("phone", Some(text)) => {
                    json!(format!("+49{}", text.trim_start_matches("+49").trim_start_matches('0').replace(' ', "")))
                }
                _ => value.clone(),
            };
            fields::set(&mut held, name, value);
        }
        self.ghl = Contact { date_updated: Some(at), ..with_fields(&self.ghl, &held) };
        self.webhooks.push(self.ghl.clone());
    }

    /// GHL held something before anybody here looked, and an import shows it without the fields of the mask.
    fn imported(policy: Policy, mask: u8) -> Self {
        let mut world = Self::new(policy);
        let held = NAMES.iter().map(|name| ((*name).to_owned(), value_of(name, 3))).collect();
        world.change_ghl(&held);
        world.webhooks.clear();
        let listed = without(&world.ghl, mask);
        world.unread = listed.unread_after(&world.unread, None);
        world.base = listed.completed(&Contact::default());
        world.ours = world.base.clone();
        world
    }

    /// A list, a page or a webhook shows `theirs`.
    fn meet(&mut self, theirs: &Contact) {
        if self.open.is_none() {
            return self.follow(theirs);
        }
        let base = fields(&self.base);
        let shows = difference(&base, &fields(&theirs.completed(&self.base)));
        let before = self.open.clone();
        let agreed = self.open.meet(&base, &shows, true, &mut self.fingerprints);
        let mut answered = before.asked;
        answered.retain(|name, _| !self.open.asked.contains_key(name));
        self.edits = super::unanswered(&self.edits, &answered, &fields(&self.ours));
        self.base = with_fields(&self.base, &agreed);
    }

    fn follow(&mut self, theirs: &Contact) {
        let (base, ours, disputes) = (fields(&self.base), fields(&self.ours), self.disputes);
        let whole = theirs.completed(&self.base);
        let agreed = agreed(&self.base, &self.open.asked, &whole, &mut self.fingerprints);
        let agreed = with_blind_edits(agreed, &fields(&whole), &self.edits, |name| self.unread.contains(name));
        self.unread = theirs.unread_after(&self.unread, Some(&self.base));
        let unmet = unmet(&self.edits, &self.unread);
        self.take(&agreed, &whole);
        self.edits.extend(unmet);
        for name in NAMES.iter().filter(|name| theirs.absent.has(name)) {
            let held = |fields: &Fields| fields::value(fields, name);
            assert_eq!(held(&fields(&self.base)), held(&base), "{name} was not carried");
            let (now, before) = (held(&fields(&self.ours)), held(&ours));
            assert!(self.fingerprints.same(name, &now, &before), "{name} was not carried, and {before} became {now}");
        }
        if NAMES.iter().all(|name| theirs.absent.has(name)) {
            assert_eq!(self.disputes, disputes, "nothing was carried that could win");
        }
    }

    fn take(&mut self, agreed: &Fields, theirs: &Contact) {
        let reported = TheirTimes { not_after: theirs.date_updated, ..TheirTimes::default() };
        let taken = take_in(&self.policies, agreed, &self.ours, theirs, &self.edits, &self.fingerprints, &reported);
        self.disputes += taken.conflicts.len();
        self.disputed.extend(taken.conflicts.into_iter().map(|conflict| conflict.field));
        (self.ours, self.edits, self.base) = (taken.doc, taken.edits, theirs.clone());
    }

    fn push(&mut self, lost: bool, mask: u8) {
        if !self.open.is_none() || self.goes_back() {
            self.follow(&self.ghl.clone());
            self.open = Unanswered::default();
        }
        if takes_away_unread(&self.edits, &self.unread, &fields(&self.ours), &fields(&self.base)) {
            self.follow(&self.ghl.clone());
        }
        let plan = plan(&fields(&self.ours), &fields(&self.base), &self.fingerprints);
        let asked = plan.asked();
        let mut sent = asked.clone();
        sent.retain(|name, _| !plan.unsendable.contains_key(name));
        if !sent.is_empty() {
            self.writes += 1;
            self.open.asked = difference(&fields(&self.base), &fields(&self.ours));
            self.open.at_ms = Some(self.now);
            self.change_ghl(&sent);
            if lost {
                self.replies_lost += 1;
                return;
            }
        } else if asked.is_empty() {
            return;
        }
        let reply = if sent.is_empty() { self.base.clone() } else { self.replied(&sent, mask) };
        let Written { agreed, unapplied: _, got } = written(Some(&self.base), &asked, &reply);
        self.fingerprints.remember(&asked, &got);
        self.open = Unanswered::default();
        self.edits = super::unanswered(&self.edits, &asked, &fields(&self.ours));
        self.take(&agreed, &reply);
    }

    fn goes_back(&self) -> bool {
        goes_back(&self.edits, &self.unread, &fields(&self.ours), &fields(&self.base))
    }

    /// The contact that the reply to a write of `sent` shows, completed as a push does it.
    fn replied(&mut self, sent: &Fields, mask: u8) -> Contact {
        let reply = without(&self.ghl, mask);
        let mut expected = fields(&self.base);
        for (name, value) in sent {
            fields::set(&mut expected, name, value.clone());
        }
        let expected = with_fields(&self.base, &expected);
        self.unread = reply.unread_after(&self.unread, Some(&expected));
        self.unread.extend(reply.unconfirmed(sent));
        reply.completed(&expected)
    }

    fn receive(&mut self, webhook: &Contact, mask: u8) {
        self.reported = self.reported.max(webhook.date_updated);
        let webhook = &without(webhook, mask);
        let base = fields(&self.base);
        let Some(reported) = reported(webhook, &base) else { return self.meet(&self.ghl.clone()) };
        let known = Known {
            asked: &self.open.asked,
            base: Some(&base),
            base_at: self.base_at(),
            fingerprints: &self.fingerprints,
        };
        match judge(&ReportedFields { fields: &reported, at: webhook.date_updated }, &known) {
            EchoDecision::Echo if confirms(&reported, &base, &self.fingerprints) => {
                self.received = self.received.max(webhook.date_updated)
            }
            EchoDecision::Echo => {}
            EchoDecision::Pull => self.meet(&self.ghl.clone()),
            EchoDecision::Apply(news) => {
                let mut held = base;
                for (name, value) in &news {
                    fields::set(&mut held, name, value.clone());
                }
                // What nobody has read and the webhook does not show stays unread.
                let mut absent = Absent::partial();
                for name in CARRIED {
                    if self.unread.contains(name) && webhook.absent.has(name) {
                        absent.add(name);
                    }
                }
                let theirs = Contact { date_updated: webhook.date_updated, absent, ..with_fields(&self.base, &held) };
                self.meet(&theirs);
            }
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Ours(which, pick) => {
                let at = self.tick();
                let name = NAMES[which % NAMES.len()];
                let mut now = fields(&self.ours);
                fields::set(&mut now, name, value_of(name, *pick));
                self.left[0].insert(name.to_owned(), value_of(name, *pick));
                let doc = with_fields(&self.ours, &now);
                self.edits = edited(&self.edits, &self.ours, &doc, at.as_millisecond());
                let is_said_again = says_again(name, &fields(&doc), &fields(&self.base));
                if self.unread.contains(name.split('.').next().unwrap()) && !is_said_again {
                    self.edits.insert(name.to_owned(), at.as_millisecond());
                }
                self.edits_made += 1;
                self.ours = doc;
            }
            Step::Theirs(which, pick) => {
                let name = NAMES[which % NAMES.len()];
                self.left[1].insert(name.to_owned(), value_of(name, *pick));
                self.change_ghl(&Fields::from([(name.to_owned(), value_of(name, *pick))]));
            }
            Step::Push { lost, mask } => self.push(*lost, *mask),
            Step::List(mask) => self.meet(&without(&self.ghl, *mask)),
            Step::Webhook { which, again, mask } if !self.webhooks.is_empty() => {
                let which = which.index(self.webhooks.len());
                let webhook = self.webhooks[which].clone();
                if !again {
                    self.webhooks.remove(which);
                }
                self.receive(&webhook, *mask);
            }
            Step::Lost(which) if !self.webhooks.is_empty() => {
                self.webhooks.remove(which.index(self.webhooks.len()));
            }
            Step::Pull => self.meet(&self.ghl.clone()),
            Step::Webhook { .. } | Step::Lost(_) => {}
        }
    }

    fn base_at(&self) -> Option<Timestamp> {
        self.base.date_updated.max(self.received)
    }

    fn is_equal(&self) -> bool {
        fields(&self.ours) == fields(&self.ghl)
    }
}

/// Half of all sources carry every field.
fn mask() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0), any::<u8>()]
}

fn step() -> impl Strategy<Value = Step> {
    let which = || any::<prop::sample::Index>();
    prop_oneof![
        4 => (0..NAMES.len(), any::<u8>()).prop_map(|(name, pick)| Step::Ours(name, pick)),
        3 => (0..NAMES.len(), any::<u8>()).prop_map(|(name, pick)| Step::Theirs(name, pick)),
        3 => (prop::bool::weighted(0.3), mask()).prop_map(|(lost, mask)| Step::Push { lost, mask }),
        3 => (which(), prop::bool::weighted(0.2), mask())
            .prop_map(|(which, again, mask)| Step::Webhook { which, again, mask }),
        2 => mask().prop_map(Step::List),
        1 => which().prop_map(Step::Lost),
        1 => Just(Step::Pull),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_ends_equal_without_ping_pong(
        steps in vec(step(), 0..40), policy in 0_usize..3, import in prop::option::of(any::<u8>()),
    ) {
        let policy = [Policy::Newest, Policy::Ghl, Policy::Clienty][policy];
        let mut world = import.map_or_else(|| World::new(policy), |mask| World::imported(policy, mask));
        for step in &steps {
            world.step(step);
        }
        // The reconciliation, and the push that is pending since the last edit.
        world.step(&Step::Pull);
        world.push(false, 0);
        world.step(&Step::Pull);
        prop_assert!(world.is_equal(), "{:?} and {:?}", fields(&world.ours), fields(&world.ghl));
        prop_assert!(world.edits.is_empty(), "no write is pending: {:?}", world.edits);
        prop_assert!(world.writes <= world.edits_made + world.replies_lost, "{} writes", world.writes);
        let [ours, theirs] = &world.left;
        for name in NAMES.iter().filter(|name| **name != "source") {
            let (alone, disputed) = (ours.contains_key(*name) != theirs.contains_key(*name), world.disputed.contains(*name));
            if let Some(left) = ours.get(*name).or(theirs.get(*name)).filter(|_| alone) {
                let held = fields::value(&fields(&world.ghl), name);
                prop_assert!(answers(name, left, &held), "{name} is {held}, and only one side edited it, to {left}");
                prop_assert!(!disputed, "{name} was edited by one side alone");
            }
        }

        // Every webhook that is still in progress, twice, and another reconciliation: nobody writes any more.
        let (writes, changes) = (world.writes, world.ghl.clone());
        for webhook in world.webhooks.clone().iter().rev().cycle().take(2 * world.webhooks.len()) {
            world.receive(webhook, 0);
            world.push(false, 0);
        }
        world.step(&Step::Pull);
        world.push(false, 0);
        prop_assert_eq!((world.writes, &world.ghl), (writes, &changes));
        prop_assert!(world.is_equal());
    }

    /// Edits in GHL alone, whose webhooks arrive in any order, some of them again, some never: what is held is at any time what GHL held when
    /// it reported the newest of those that came.
    #[test]
    fn no_webhook_takes_a_record_back_in_time(steps in vec(step(), 0..40)) {
        let mut world = World::new(Policy::Newest);
        let mut history = vec![(Some(Timestamp::UNIX_EPOCH), fields(&world.ghl))];
        for step in steps.iter().filter(|step| !matches!(step, Step::Ours(..) | Step::Push { .. } | Step::Pull | Step::List(_))) {
            // What leaves something out is asked for, and GHL may hold something newer.
            match step {
                Step::Webhook { which, again, .. } => {
                    world.step(&Step::Webhook { which: *which, again: *again, mask: 0 });
                }
                step => world.step(step),
            }
            history.push((world.ghl.date_updated, fields(&world.ghl)));
            let newest = world.reported.or(Some(Timestamp::UNIX_EPOCH));
            let then = history.iter().find(|(at, _)| *at == newest).map(|(_, held)| held);
            prop_assert_eq!(Some(&fields(&world.base)), then);
        }
    }
}
