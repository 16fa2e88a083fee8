//! Foreign words made fit for the ledger, logs and screens.
//!
//! GHL's messages, and those of proxies before it, may hold NUL, which PostgreSQL refuses, escape sequences, which move
//! a terminal's cursor, marks that turn the direction of writing, and megabytes. What is stored or shown of them goes
//! through here first.

/// The longest reason that is kept, in characters.
pub const LONGEST_REASON: usize = 1_000;

/// Whether the character is fit to be stored and shown as part of a line.
#[must_use]
pub fn is_clean(c: char) -> bool {
    let turns_or_hides = matches!(
        c,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    !(c.is_control() || turns_or_hides)
}

/// `text` as one line of at most `longest` characters. What is not [clean](is_clean) becomes a space.
#[must_use]
pub fn one_line(text: &str, longest: usize) -> String {
    let mut line: String = text.chars().take(longest).map(|c| if is_clean(c) { c } else { ' ' }).collect();
    if text.chars().nth(longest).is_some() {
        line.pop();
        line.push('…');
    }
    line
}

/// A reason as it is kept.
#[must_use]
pub fn reason(text: &str) -> String {
    one_line(text, LONGEST_REASON)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_words_of_all_languages_stay_as_they_are() {
        for text in ["", "GHL refuses the call with 422: phone is odd", "Müller–Łódź, 東京, 👍🏽, שלום"]
        {
            assert_eq!(one_line(text, 100), text);
        }
    }

    #[test]
    fn what_moves_hides_or_ends_a_line_is_a_space() {
        assert_eq!(one_line("a\0b\x1b[2Jc\nd\u{202e}e\u{85}f\u{feff}", 100), "a b [2Jc d e f ");
        assert_eq!(one_line("abcdef", 4), "abc…");
        assert_eq!(one_line("abcd", 4), "abcd");
    }

    proptest! {
        #[test]
        fn whatever_comes_the_result_is_clean_and_bounded(text in any::<String>(), longest in 1_usize..50) {
            let line = one_line(&text, longest);
            prop_assert!(line.chars().all(is_clean), "{line:?}");
            prop_assert!(line.chars().count() <= longest);
        }
    }
}
