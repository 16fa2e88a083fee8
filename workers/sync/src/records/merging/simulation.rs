//! Any interleaving of edits on both sides, webhooks (lost, doubled, out of order), lost replies and echoes ends equal.
//!
//! A tiny model of GHL and the decisions that rows, pushes and pulls are made of; no I/O, so that thousands of interleavings are tried. The
//! model rewrites what it is sent as GHL does: e-mails and phones get its form, and one field is dropped without a word.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::decide::echo::{Known, Prints, Told, Verdict, confirms, judge};
use crate::decide::fields::difference;
use crate::decide::merge::Policy;
use crate::decide::push_contact::plan;
use crate::records::model::Contact;

#[derive(Debug, Clone)]
enum Step {
    /// A person edits in Clienty.
    Ours(usize, u8),
    /// A person edits in GHL.
    Theirs(usize, u8),
    /// The push runs; its reply may be lost.
    Push { lost: bool },
    /// A webhook arrives, whichever; it may come again.
    Webhook { which: prop::sample::Index, again: bool },
    /// A webhook never arrives.
    Lost(prop::sample::Index),
    /// A pull reads GHL.
    Pull,
}

const NAMES: [&str; 6] = ["city", "email", "phone", "tags.a", "tags.b", "source"];

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
    /// The newest webhook that told of `base`.
    heard: Option<Timestamp>,
    /// The newest webhook that came at all.
    told: Option<Timestamp>,
    edits: Edits,
    prints: Prints,
    /// What a write asked whose reply was lost.
    asked: Fields,
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
}

impl World {
    fn new(policy: Policy) -> Self {
        let start = Contact { date_updated: Some(Timestamp::UNIX_EPOCH), ..Contact::default() };
        Self {
            ghl: start.clone(),
            ours: start.clone(),
            base: start,
            heard: None,
            told: None,
            edits: Edits::new(),
            prints: Prints::default(),
            asked: Fields::new(),
            policies: Policies { default: policy, ..Policies::default() },
            webhooks: Vec::new(),
            now: 0,
            edits_made: 0,
            replies_lost: 0,
            writes: 0,
            left: Default::default(),
            disputed: BTreeSet::new(),
        }
    }

    fn tick(&mut self) -> Timestamp {
        self.now += 1;
        Timestamp::from_millisecond(self.now).unwrap()
    }

    /// GHL takes a change, in its own form, and tells of it.
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

    fn follow(&mut self, theirs: &Contact) {
        let agreed = agreed(&self.base, &self.asked, theirs);
        self.take(&agreed, theirs);
    }

    fn take(&mut self, agreed: &Fields, theirs: &Contact) {
        let taken = take_in(&self.policies, agreed, &self.ours, theirs, &self.edits, theirs.date_updated);
        self.disputed.extend(taken.conflicts.into_iter().map(|conflict| conflict.field));
        (self.ours, self.edits, self.base) = (taken.doc, taken.edits, theirs.clone());
    }

    fn push(&mut self, lost: bool) {
        if !self.asked.is_empty() && self.asked != difference(&fields(&self.base), &fields(&self.ours)) {
            self.follow(&self.ghl.clone());
            self.asked.clear();
        }
        let plan = plan(&fields(&self.ours), &fields(&self.base));
        let asked = plan.asked();
        let mut sent = asked.clone();
        sent.retain(|name, _| !plan.unsendable.contains_key(name));
        if !sent.is_empty() {
            self.writes += 1;
            self.asked = difference(&fields(&self.base), &fields(&self.ours));
            self.change_ghl(&sent);
            if lost {
                self.replies_lost += 1;
                return;
            }
        } else if asked.is_empty() {
            return;
        }
        let reply = if sent.is_empty() { self.base.clone() } else { self.ghl.clone() };
        let Written { agreed, unapplied: _, got } = written(Some(&self.base), &asked, &reply);
        self.prints.remember(&asked, &got);
        self.asked.clear();
        self.take(&agreed, &reply);
    }

    fn hear(&mut self, webhook: &Contact) {
        self.told = self.told.max(webhook.date_updated);
        let (said, base, ours) = (fields(webhook), fields(&self.base), fields(&self.ours));
        let told = base.keys().chain(said.keys()).map(|name| (name.clone(), fields::value(&said, name))).collect();
        let known = Known { ours: &ours, base: Some(&base), base_at: self.base_at(), prints: &self.prints };
        match judge(&Told { fields: &told, at: webhook.date_updated }, &known) {
            Verdict::Echo if confirms(&told, &base) => self.heard = self.heard.max(webhook.date_updated),
            Verdict::Echo => {}
            Verdict::Pull => self.follow(&self.ghl.clone()),
            Verdict::Apply(news) => {
                let mut held = base;
                for (name, value) in &news {
                    fields::set(&mut held, name, value.clone());
                }
                let theirs = Contact { date_updated: webhook.date_updated, ..with_fields(&self.base, &held) };
                self.follow(&theirs);
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
                self.edits_made += 1;
                self.ours = doc;
            }
            Step::Theirs(which, pick) => {
                let name = NAMES[which % NAMES.len()];
                self.left[1].insert(name.to_owned(), value_of(name, *pick));
                self.change_ghl(&Fields::from([(name.to_owned(), value_of(name, *pick))]));
            }
            Step::Push { lost } => self.push(*lost),
            Step::Webhook { which, again } if !self.webhooks.is_empty() => {
                let which = which.index(self.webhooks.len());
                let webhook = self.webhooks[which].clone();
                if !again {
                    self.webhooks.remove(which);
                }
                self.hear(&webhook);
            }
            Step::Lost(which) if !self.webhooks.is_empty() => {
                self.webhooks.remove(which.index(self.webhooks.len()));
            }
            Step::Pull => self.follow(&self.ghl.clone()),
            Step::Webhook { .. } | Step::Lost(_) => {}
        }
    }

    fn base_at(&self) -> Option<Timestamp> {
        self.base.date_updated.max(self.heard)
    }

    fn is_equal(&self) -> bool {
        fields(&self.ours) == fields(&self.ghl)
    }
}

fn step() -> impl Strategy<Value = Step> {
    let which = || any::<prop::sample::Index>();
    prop_oneof![
        4 => (0..NAMES.len(), any::<u8>()).prop_map(|(name, pick)| Step::Ours(name, pick)),
        3 => (0..NAMES.len(), any::<u8>()).prop_map(|(name, pick)| Step::Theirs(name, pick)),
        3 => prop::bool::weighted(0.3).prop_map(|lost| Step::Push { lost }),
        3 => (which(), prop::bool::weighted(0.2)).prop_map(|(which, again)| Step::Webhook { which, again }),
        1 => which().prop_map(Step::Lost),
        1 => Just(Step::Pull),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_ends_equal_without_ping_pong(steps in vec(step(), 0..40), policy in 0_usize..3) {
        let mut world = World::new([Policy::Newest, Policy::Ghl, Policy::Clienty][policy]);
        for step in &steps {
            world.step(step);
        }
        // The sweep, and the push that is owed since the last edit.
        world.step(&Step::Pull);
        world.push(false);
        prop_assert!(world.is_equal(), "{:?} and {:?}", fields(&world.ours), fields(&world.ghl));
        prop_assert!(world.edits.is_empty(), "nothing is owed: {:?}", world.edits);
        prop_assert!(world.writes <= world.edits_made + world.replies_lost, "{} writes", world.writes);
        let [ours, theirs] = &world.left;
        for name in NAMES.iter().filter(|name| **name != "source") {
            let (alone, disputed) = (ours.contains_key(*name) != theirs.contains_key(*name), world.disputed.contains(*name));
            if let Some(left) = ours.get(*name).or(theirs.get(*name)).filter(|_| alone) {
                let held = fields::value(&fields(&world.ghl), name);
                prop_assert!(same(name, left, &held), "{name} is {held}, and only one side edited it, to {left}");
                prop_assert!(!disputed, "{name} was edited by one side alone");
            }
        }

        // Every webhook that is still under way, twice, and another sweep: nobody writes any more.
        let (writes, changes) = (world.writes, world.ghl.clone());
        for webhook in world.webhooks.clone().iter().rev().cycle().take(2 * world.webhooks.len()) {
            world.hear(webhook);
            world.push(false);
        }
        world.step(&Step::Pull);
        world.push(false);
        prop_assert_eq!((world.writes, &world.ghl), (writes, &changes));
        prop_assert!(world.is_equal());
    }

    /// Edits in GHL alone, whose webhooks arrive in any order, some of them again, some never: what is held is at any time what GHL held when
    /// it told of the newest of those that came.
    #[test]
    fn no_webhook_takes_a_record_back_in_time(steps in vec(step(), 0..40)) {
        let mut world = World::new(Policy::Newest);
        let mut history = vec![(Some(Timestamp::UNIX_EPOCH), fields(&world.ghl))];
        for step in steps.iter().filter(|step| !matches!(step, Step::Ours(..) | Step::Push { .. } | Step::Pull)) {
            world.step(step);
            history.push((world.ghl.date_updated, fields(&world.ghl)));
            let newest = world.told.or(Some(Timestamp::UNIX_EPOCH));
            let then = history.iter().find(|(at, _)| *at == newest).map(|(_, held)| held);
            prop_assert_eq!(Some(&fields(&world.base)), then);
        }
    }
}
