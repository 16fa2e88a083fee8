//! What may change a record while a write of ours is unanswered (law 19).
//!
//! From the moment a write is announced until its reply is stored, the state that the reply shows
//! and the state that a list, a page or a webhook shows meanwhile can't be ordered. So only one
//! thing is believed meanwhile: the written values have arrived if something newer than the last
//! agreed state shows them. Anything else is re-read after the reply.

use serde::{Deserialize, Serialize};

use super::echo::Fingerprints;
use super::fields::{self, Fields};
use super::same::echoes;

/// What is open between a record and GHL beside the record's values.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Unanswered {
    /// What an update is about to ask, or asked with an unknown outcome.
    pub asked: Fields,
    /// When that was written down, in ms since 1970: it was sent after that. Stays until the reply is stored or a look has been made, even where all
    /// that was asked is shown before.
    pub at_ms: Option<i64>,
    /// How many states GHL showed that could not be ordered: if any, it has to be looked at before anything is sent. Counted, so that a look that was
    /// begun before the last of them is known by it.
    pub looks: i64,
}

impl Unanswered {
    /// Whether nothing is open.
    #[must_use]
    pub fn is_none(&self) -> bool {
        !self.is_open() && !self.needs_look()
    }

    /// Whether GHL's state has to be looked at.
    #[must_use]
    pub fn needs_look(&self) -> bool {
        self.looks > 0
    }

    /// Whether a look that was begun at `before` still shows the newest state. While a write is unanswered, an edit during the look (`is_edited`) counts
    /// as another state: that the write may still arrive was no reason to wait only because the same was about to be sent again.
    #[must_use]
    pub fn is_looked_at_as(&self, before: &Self, is_edited: bool) -> bool {
        self.looks == before.looks && (before.asked.is_empty() || !is_edited)
    }

    /// Whether a write has no answer yet.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.at_ms.is_some() || !self.asked.is_empty()
    }

    /// Takes in what GHL `shows` of some fields of a record that was last agreed to be as `base`: null for what is not there. `is_newer`: the state
    /// is known to be newer than `base`. Returns `base` with the values that were asked and are shown. Anything else that is shown needs a re-read.
    #[must_use]
    pub fn meet(&mut self, base: &Fields, shows: &Fields, is_newer: bool, fingerprints: &mut Fingerprints) -> Fields {
        let mut agreed = base.clone();
        let mut is_unlike = false;
        for (name, shown) in shows {
            if fingerprints.same(name, shown, &fields::value(base, name)) {
                continue;
            }
            match self.asked.get(name).filter(|asked| echoes(name, asked, shown)).cloned() {
                Some(asked) if is_newer => {
                    fingerprints.remember(&Fields::from([(name.clone(), asked)]), shows);
                    fields::set(&mut agreed, name, shown.clone());
                    self.asked.remove(name);
                }
                // An older state that reads as what was asked proves nothing.
                Some(_) => {}
                None => is_unlike = true,
            }
        }
        self.looks += i64::from(is_unlike);
        agreed
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(fields: Value) -> Fields {
        serde_json::from_value(fields).unwrap()
    }

    /// What becomes of a record that is agreed to be `{city: A, email: a@x.de}` and of which `asked` is unanswered, where GHL shows `shows`.
    fn met(asked: Value, shows: Value, is_newer: bool) -> (Fields, Fields, bool) {
        let mut open = Unanswered { asked: of(asked), at_ms: Some(1), looks: 0 };
        let base = of(json!({"city": "A", "email": "a@x.de"}));
        let agreed = open.meet(&base, &of(shows), is_newer, &mut Fingerprints::default());
        (agreed, open.asked.clone(), open.needs_look())
    }

    #[test]
    fn what_was_asked_and_is_shown_is_agreed_and_anything_else_is_looked_at() {
        let (before, after) = (json!({"city": "A", "email": "a@x.de"}), json!({"city": "B", "email": "a@x.de"}));
        let asked = json!({"city": "B"});
        let table = [
            // shows, newer, agreed, still asked, look
            (json!({"city": "B"}), true, &after, json!({}), false),
            (json!({"city": "B"}), false, &before, asked.clone(), false),
            (json!({"city": "A"}), true, &before, asked.clone(), false),
            (json!({"city": "C"}), true, &before, asked.clone(), true),
            (json!({"city": "C"}), false, &before, asked.clone(), true),
            (json!({"city": "B", "email": "b@x.de"}), true, &after, json!({}), true),
            (json!({"city": null}), true, &before, asked.clone(), true),
            (json!({"email": "A@x.de"}), true, &before, asked.clone(), false),
        ];
        for (shows, is_newer, agreed, left, look) in table {
            let expected = (of(agreed.clone()), of(left), look);
            assert_eq!(met(asked.clone(), shows.clone(), is_newer), expected, "{shows}, newer: {is_newer}");
        }
    }

    #[test]
    fn what_was_asked_to_be_taken_away_is_agreed_once_it_is_shown_to_be_gone() {
        let (agreed, asked, look) = met(json!({"city": null}), json!({"city": null}), true);
        assert_eq!((agreed, asked, look), (of(json!({"email": "a@x.de"})), Fields::new(), false));
    }
}
