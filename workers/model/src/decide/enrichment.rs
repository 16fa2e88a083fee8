//! What enrichment may change of a contact: the third author, below people (law 20).
//!
//! It fills what is empty and was never emptied. What a person edited, on either side, is the person's from then on, also where the value is the same
//! again or nothing. Of its own values it may replace those that stand as it wrote them, where the settings allow that. An edit of enrichment that GHL
//! does not have yet loses against any other edit of the field, whatever the merge policy is ([`OF_A_MACHINE`]).

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::Value;

use super::absent::Unread;
use super::fields::{Fields, is_nothing, value};
use super::last_edits::LastEdits;
use super::same::answers;

/// In the place of an edit's time: no person made it. The merge takes any other edit of the field instead, and keeps no conflict.
pub const OF_A_MACHINE: i64 = -1;

/// What of its own values enrichment replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overwrite {
    /// Nothing.
    #[default]
    Never,
    /// Those of the same provider that no person has touched.
    Own,
}

impl Overwrite {
    /// The word in the settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Own => "own",
        }
    }
}

impl FromStr for Overwrite {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        [Self::Never, Self::Own].into_iter().find(|known| known.as_str() == word).ok_or(())
    }
}

/// A value that enrichment wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct Own {
    /// Where it came from.
    pub provider: String,
    /// As it was written.
    pub value: Value,
}

/// A contact as enrichment meets it.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// Its fields.
    pub now: &'a Fields,
    /// Who edited which of them last.
    pub last_edits: &'a LastEdits,
    /// Those whose value in GHL is not known yet.
    pub unread: &'a Unread,
    /// What enrichment wrote, by field.
    pub own: &'a BTreeMap<String, Own>,
}

impl Held<'_> {
    /// Whether the field stands as enrichment wrote it, and no person has touched it.
    #[must_use]
    pub fn is_own(&self, name: &str) -> bool {
        let stands = |own: &Own| answers(name, &own.value, &value(self.now, name));
        self.own.get(name).is_some_and(stands) && !self.is_touched(name)
    }

    /// Whether the field is empty, so that any value is welcome.
    #[must_use]
    pub fn is_open(&self, name: &str) -> bool {
        let top = name.split('.').next().unwrap_or(name);
        is_nothing(&value(self.now, name)) && !self.is_touched(name) && !self.unread.contains(top)
    }

    /// Whether the field takes what a provider found.
    #[must_use]
    pub fn takes(&self, name: &str, found: &Value, provider: &str, overwrite: Overwrite) -> bool {
        let own = self.own.get(name);
        if is_nothing(found) {
            return false;
        }
        if self.is_open(name) {
            // What GHL did not keep is not offered again.
            return own.is_none_or(|own| own.value != *found);
        }
        let is_same_source = own.is_some_and(|own| own.provider == provider && own.value != *found);
        overwrite == Overwrite::Own && is_same_source && self.is_own(name)
    }

    fn is_touched(&self, name: &str) -> bool {
        self.last_edits.contains_key(name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::fields;
    use super::super::last_edits::{LastEdit, note};
    use super::super::merge::Side;
    use super::*;

    /// Who does what to one field.
    #[derive(Debug, Clone)]
    enum Action {
        /// A person sets it, or takes it away.
        Person(Side, Option<u8>),
        /// A provider found something.
        Found(bool, u8),
        /// What a provider wrote is taken back.
        Undone(bool),
    }

    fn actions() -> impl Strategy<Value = Vec<Action>> {
        let side = prop_oneof![Just(Side::Clienty), Just(Side::Ghl)];
        let person = (side, proptest::option::of(0..4_u8)).prop_map(|(side, value)| Action::Person(side, value));
        let found = (any::<bool>(), 0..4_u8).prop_map(|(provider, value)| Action::Found(provider, value));
        proptest::collection::vec(prop_oneof![person, found, any::<bool>().prop_map(Action::Undone)], 0..24)
    }

    fn name_of(provider: bool) -> &'static str {
        if provider { "one" } else { "other" }
    }

    proptest! {
        /// Whatever comes before and after: once a person has edited the field, it reads as the last person left it.
        #[test]
        fn the_last_word_of_a_person_stands(actions in actions(), own in any::<bool>()) {
            let overwrite = if own { Overwrite::Own } else { Overwrite::Never };
            let (mut now, mut edits, mut written) = (Fields::new(), LastEdits::new(), BTreeMap::new());
            let mut said: Option<Value> = None;
            for (at, action) in (1..).zip(actions) {
                let held = Held { now: &now, last_edits: &edits, unread: &Unread::new(), own: &written };
                match action {
                    Action::Person(by, to) => {
                        let to = to.map_or(Value::Null, |number| json!(format!("v{number}")));
                        let mut after = now.clone();
                        fields::set(&mut after, "city", to.clone());
                        // Who says again what is there has edited nothing.
                        if after != now {
                            said = Some(to);
                        }
                        note(&mut edits, &now, &after, by, |_| at);
                        now = after;
                    }
                    Action::Found(provider, number) => {
                        let found = json!(format!("v{number}"));
                        let was_open = held.is_open("city");
                        if held.takes("city", &found, name_of(provider), overwrite) {
                            prop_assert!(was_open || overwrite == Overwrite::Own);
                            fields::set(&mut now, "city", found.clone());
                            written.insert("city".to_owned(), Own { provider: name_of(provider).to_owned(), value: found });
                        }
                    }
                    Action::Undone(provider) => {
                        if written.get("city").is_some_and(|own| own.provider == name_of(provider)) {
                            if held.is_own("city") {
                                fields::set(&mut now, "city", Value::Null);
                            }
                            written.remove("city");
                        }
                    }
                }
                if let Some(said) = &said {
                    prop_assert_eq!(&value(&now, "city"), said);
                    prop_assert!(!edits.is_empty());
                }
            }
        }
    }

    #[test]
    fn a_field_whose_value_is_unknown_takes_nothing() {
        let (now, edits, own) = (Fields::new(), LastEdits::new(), BTreeMap::new());
        let unread = Unread::from(["city".to_owned()]);
        let held = Held { now: &now, last_edits: &edits, unread: &unread, own: &own };
        assert!(!held.takes("city", &json!("Bonn"), "one", Overwrite::Own));
        assert!(held.takes("website", &json!("https://x.de"), "one", Overwrite::Never));
        assert!(!held.takes("website", &json!(""), "one", Overwrite::Never));
    }

    #[test]
    fn what_a_person_emptied_stays_empty_and_what_ghl_refused_is_not_offered_again() {
        let now = Fields::new();
        let edits = LastEdits::from([("city".to_owned(), LastEdit { at: 1, by: Side::Ghl })]);
        let own = BTreeMap::from([("website".to_owned(), Own { provider: "one".to_owned(), value: json!("x") })]);
        let held = Held { now: &now, last_edits: &edits, unread: &Unread::new(), own: &own };
        assert!(!held.takes("city", &json!("Bonn"), "one", Overwrite::Own));
        assert!(!held.takes("website", &json!("x"), "one", Overwrite::Own));
        assert!(held.takes("website", &json!("y"), "one", Overwrite::Never));
    }
}
