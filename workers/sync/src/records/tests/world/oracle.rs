//! What every author said, and whether both sides still mean it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use sync_model::decide::merge::Side;
use sync_model::decide::same::answers;

/// What an author said of a field.
#[derive(Debug, Clone)]
pub(super) struct Word {
    pub(super) by: Side,
    pub(super) value: Value,
    /// How many words were said before it.
    pub(super) number: u32,
    /// The other side has held it.
    pub(super) has_arrived: bool,
    /// The other side said something after it had held it.
    pub(super) is_answered: bool,
    /// A webhook or a reading has reported Clienty of it.
    pub(super) is_reported: bool,
    /// It was not reported when Clienty's last call was sent.
    pub(super) is_unseen_by_call: bool,
    /// A write that Clienty sent before it could know of it has taken its place.
    pub(super) is_overwritten_unseen: bool,
    /// A conflict holds it: its author can read that it lost.
    pub(super) is_in_conflict: bool,
}

/// The words about one field of one contact, oldest first.
pub(super) type Words = Vec<Word>;

#[derive(Debug, Clone, Default)]
pub(super) struct Oracle {
    /// By row and field.
    pub(super) words: BTreeMap<(String, String), Words>,
    /// The newest word of each side that readers have seen in a field.
    pub(super) seen: BTreeMap<(String, String), [usize; 2]>,
    /// Rows of which a contact was deleted: what was said of them counts no more, and what comes back may be anything.
    pub(super) forgotten: BTreeSet<String>,
    pub(super) said: u32,
    pub(super) edits: u32,
    pub(super) writes: u32,
    pub(super) lost: u32,
}

impl Oracle {
    pub(super) fn say(&mut self, of: &str, field: &str, by: Side, value: Value) {
        self.said += 1;
        let words = self.words.entry((of.to_owned(), field.to_owned())).or_default();
        for word in words.iter_mut().filter(|word| word.by != by) {
            word.is_answered |= word.has_arrived;
        }
        // Where both say the same, nobody can show whose it is (T7).
        let is_same = |word: &Word| word.by != by && answers(field, &word.value, &value);
        let is_said_by_both = words.iter().any(is_same);
        words
            .iter_mut()
            .filter(|word| is_same(word))
            .for_each(|word| word.is_overwritten_unseen |= word.by == Side::Ghl);
        let is_overwritten_unseen = is_said_by_both && by == Side::Ghl;
        words.push(Word {
            by,
            value,
            number: self.said,
            has_arrived: false,
            is_answered: false,
            is_reported: false,
            is_unseen_by_call: true,
            is_overwritten_unseen,
            is_in_conflict: false,
        });
    }

    /// What was said of one is said of the other.
    pub(super) fn join(&mut self, gone: &str, kept: &str) {
        if gone == kept {
            return;
        }
        for ((of, field), words) in std::mem::take(&mut self.words) {
            let of = if of == gone { kept.to_owned() } else { of };
            let all = self.words.entry((of, field)).or_default();
            all.extend(words);
            all.sort_by_key(|word| word.number);
        }
        self.seen.retain(|(of, _), _| of != gone && of != kept);
    }

    /// An edit of what nobody has read is meant to take the place of whatever is there.
    pub(super) fn overwrite_blindly(&mut self, row_id: &str) {
        for (_, words) in self.words.iter_mut().filter(|((of, _), _)| of == row_id) {
            words.iter_mut().filter(|word| word.by == Side::Ghl).for_each(|word| word.is_overwritten_unseen = true);
        }
    }

    /// The last word about a field may be lost.
    pub(super) fn excuse_last(&mut self, of: &str, field: &str) {
        let words = self.words.get_mut(&(of.to_owned(), field.to_owned()));
        words.into_iter().flatten().next_back().into_iter().for_each(|word| word.is_overwritten_unseen = true);
    }

    /// A call of Clienty's is sent.
    pub(super) fn call(&mut self, row_id: &str) {
        for (_, words) in self.words.iter_mut().filter(|((of, _), _)| of == row_id) {
            words.iter_mut().for_each(|word| word.is_unseen_by_call = !word.is_reported);
        }
    }

    /// The words, by number, that Clienty had been reported when it sent its last call of a row.
    pub(super) fn seen_by_call(&self, row_id: &str) -> BTreeSet<u32> {
        let words = self.words.iter().filter(|((of, _), _)| of == row_id).flat_map(|(_, words)| words);
        words.filter(|word| !word.is_unseen_by_call).map(|word| word.number).collect()
    }

    /// Readers see `value` in a field: it was said, and nothing that they saw before comes back.
    pub(super) fn show(&mut self, of: &str, field: &str, value: &Value) -> Result<(), String> {
        let key = (of.to_owned(), field.to_owned());
        let Some(words) = self.words.get(&key).filter(|_| !self.forgotten.contains(of)) else { return Ok(()) };
        let newest = |by| words.iter().rposition(|word| word.by == by && answers(field, &word.value, value));
        let found = [newest(Side::Clienty), newest(Side::Ghl)];
        if found == [None, None] {
            return Err(format!("(h) readers see {field} = {value}, which no author said"));
        }
        let seen = self.seen.entry(key).or_insert([0, 0]);
        let goes_back = found.iter().zip(seen.iter()).all(|(found, seen)| found.is_none_or(|found| found + 1 < *seen));
        if goes_back {
            return Err(format!("(h) readers see {field} = {value} again, which its author has replaced"));
        }
        // What both have said may be either's.
        for (seen, found) in seen.iter_mut().zip(found).filter(|_| found.contains(&None)) {
            *seen = (*seen).max(found.map_or(0, |found| found + 1));
        }
        Ok(())
    }

    /// No author's last word is lost, unless a conflict reports, or the other side had it before its own word, or MERGING.md says that it may be.
    pub(super) fn settle(&self, of: &str, field: &str, value: &Value) -> Result<(), String> {
        if self.forgotten.contains(of) {
            return Ok(());
        }
        let Some(words) = self.words.get(&(of.to_owned(), field.to_owned())) else { return Ok(()) };
        for by in [Side::Clienty, Side::Ghl] {
            let Some(last) = words.iter().rposition(|word| word.by == by) else { continue };
            let word = &words[last];
            let has_won = answers(field, &word.value, value);
            if !has_won && !word.is_answered && !word.is_in_conflict && !word.is_overwritten_unseen {
                return Err(format!(
                    "(b) {field} = {value}: the last word of {}, {}, is lost without a conflict",
                    by.as_str(),
                    word.value
                ));
            }
        }
        Ok(())
    }
}
