//! The one rule for ids of all sources: a producer, GHL, or an operator at the command line.
//!
//! An id is a part of a job's key, of database indexes and of a URL's path. What passes this rule fits all three: the queue can pack it, both
//! databases can store and index it, and it is one segment of a path. Everything that reads ids from outside asks here, and the ledger and the
//! path of a call ask once more.

/// The most bytes of an id.
///
/// A queued job has 255 bytes for `kind/record`, and the longest kind has 16; PostgreSQL takes 2704 bytes for a row of an index, and the widest
/// index over ids has a location, a record and a kind. GHL's own ids have 20 to 36 bytes.
pub const LONGEST: usize = 200;

/// Why a text is no id. The message never quotes the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    /// Nothing, or blanks alone.
    #[error("must not be empty")]
    Empty,
    /// It has more than [`LONGEST`] bytes.
    #[error("is {bytes} bytes long; an id has at most {LONGEST} bytes")]
    TooLong {
        /// What it has.
        bytes: usize,
    },
    /// It holds a character that can be neither seen nor sent: a control character or the end of a line.
    #[error("holds the control character U+{code:04X} at byte {at}; an id has none")]
    Control {
        /// The character.
        code: u32,
        /// Where it is.
        at: usize,
    },
    /// `.` and `..` are steps in a path, and address something else.
    #[error("must not be `.` or `..`, which address something else in a path")]
    Dots,
}

/// Whether `text` can be an id.
///
/// # Errors
/// The first reason why not.
pub fn check(text: &str) -> Result<(), BadId> {
    if text.len() > LONGEST {
        return Err(BadId::TooLong { bytes: text.len() });
    }
    if let Some((at, character)) = text.char_indices().find(|(_, character)| is_control(*character)) {
        return Err(BadId::Control { code: u32::from(character), at });
    }
    match text {
        "." | ".." => Err(BadId::Dots),
        blank if blank.trim().is_empty() => Err(BadId::Empty),
        _ => Ok(()),
    }
}

/// Whether `text` can be an id.
#[must_use]
pub fn is_id(text: &str) -> bool {
    check(text).is_ok()
}

/// C0, DEL, C1, and the two separators that end a line.
fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use job_engine::{Key, NewJob, Priority, Queue};
    use proptest::prelude::*;

    use super::*;
    use crate::job::JobKind;

    #[test]
    fn what_is_no_id_says_why() {
        let long = "x".repeat(LONGEST + 1);
        let cases = [
            ("", BadId::Empty),
            (" \u{a0}", BadId::Empty),
            (".", BadId::Dots),
            ("..", BadId::Dots),
            (".\t.", BadId::Control { code: 9, at: 1 }),
            ("a\r", BadId::Control { code: 13, at: 1 }),
            ("\n", BadId::Control { code: 10, at: 0 }),
            ("é\0", BadId::Control { code: 0, at: 2 }),
            ("a\u{7f}", BadId::Control { code: 0x7f, at: 1 }),
            ("a\u{85}", BadId::Control { code: 0x85, at: 1 }),
            ("a\u{2028}", BadId::Control { code: 0x2028, at: 1 }),
            (&long, BadId::TooLong { bytes: LONGEST + 1 }),
        ];
        for (text, why) in cases {
            assert_eq!(check(text), Err(why), "{text:?}");
        }
        // Bytes count, not characters.
        assert_eq!(check(&"中".repeat(67)), Err(BadId::TooLong { bytes: 201 }));
        for text in ["ocQHyuzHvysMo5N5VsXc", "a b", "a/b", "%2e%2e", "…", "中文", &"x".repeat(LONGEST)] {
            assert_eq!(check(text), Ok(()), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_an_id_can_be_queued_with_any_kind(
            lane in "\\PC{1,200}", record in "\\PC{1,200}", kind in 0..JobKind::ALL.len(),
        ) {
            prop_assume!(is_id(&lane) && is_id(&record));
            let key = Key { lane, kind: JobKind::ALL[kind].as_str().to_owned(), record };
            prop_assert_eq!(Queue::can_hold(&NewJob::new(key, Priority::Bulk, 1).key), Ok(()));
        }
    }

    #[test]
    fn the_longest_id_can_be_queued_with_every_kind() {
        for kind in JobKind::ALL {
            let id = "x".repeat(LONGEST);
            let key = Key { lane: id.clone(), kind: kind.as_str().to_owned(), record: id };
            assert_eq!(Queue::can_hold(&key), Ok(()), "{kind:?}");
        }
    }
}
