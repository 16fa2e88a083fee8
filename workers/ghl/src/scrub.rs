//! Takes values out of GHL's messages, so that what remains may be logged and shown.
//!
//! A refusal may quote what it refuses: an e-mail address, a phone number, a title. Dropped are every text that the
//! request itself carried, and words that look like an address, a number to dial or a token.

use std::collections::HashSet;

use serde_json::Value;
use sync_model::clean::{is_clean, one_line};
use sync_model::words::words_of;

use super::json::LOST;

const GAP: &str = "…";
/// What fields are called with: `Phone number`.
const COMMON: [&str; 6] = ["address", "code", "date", "name", "number", "user"];
/// Shorter texts of the request (a color, a yes) are in every sentence by chance.
const SHORTEST_ECHO: usize = 3;
const LONGEST_WORD: usize = 48;
const LONGEST_MESSAGE: usize = 300;

/// `message` without the values that `sent` holds and without what looks personal or secret.
pub fn scrub(message: &str, sent: Option<&Value>) -> String {
    let mut text = message.to_owned();
    if let Some(sent) = sent {
        let mut names = HashSet::from(COMMON.map(str::to_owned));
        collect_names(sent, &mut names);
        drop_echoes(&mut text, sent, &names);
    }
    // What is not clean ends a word, as a space does.
    let words = text.split(|c: char| c.is_whitespace() || !is_clean(c) || c == LOST).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.map(|word| if is_private(word) { GAP } else { word }).collect();
    one_line(&words.join(" "), LONGEST_MESSAGE)
}

/// `message` without any word of the texts that `sent` holds: for what quotes parts of them.
pub(super) fn without_words_of(message: &str, sent: Option<&Value>) -> String {
    let mut reported = HashSet::new();
    if let Some(sent) = sent {
        collect_words(sent, &mut reported);
    }
    let is_reported = |word: &str| plain_words(word).any(|word| reported.contains(&word));
    message.split(' ').map(|word| if is_reported(word) { GAP } else { word }).collect::<Vec<_>>().join(" ")
}

fn plain_words(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() >= SHORTEST_ECHO);
    words.map(str::to_lowercase)
}

fn collect_words(sent: &Value, words: &mut HashSet<String>) {
    match sent {
        Value::String(value) => words.extend(plain_words(value)),
        Value::Array(values) => values.iter().for_each(|value| collect_words(value, words)),
        Value::Object(fields) => fields.values().for_each(|value| collect_words(value, words)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The words of the names under which `sent` holds its values.
fn collect_names(sent: &Value, names: &mut HashSet<String>) {
    match sent {
        Value::Array(values) => values.iter().for_each(|value| collect_names(value, names)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            names.extend(words_of(name));
            collect_names(value, names);
        }),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Takes the texts of `sent` out, but for those that read as a field is called: they hold no personal data, and the name of the field must stay.
fn drop_echoes(text: &mut String, sent: &Value, names: &HashSet<String>) {
    match sent {
        Value::String(value) if value.trim().chars().count() >= SHORTEST_ECHO => {
            if !words_of(value).iter().all(|word| names.contains(word)) {
                *text = without_echo(text, value.trim());
            }
        }
        Value::Array(values) => values.iter().for_each(|value| drop_echoes(text, value, names)),
        Value::Object(fields) => fields.values().for_each(|value| drop_echoes(text, value, names)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// `text` without `echo`, where that is no part of a longer word: the `one` in `phone` is none. Scripts that set no spaces between words have no such words.
fn without_echo(text: &str, echo: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(echo) {
        let (before, found) = rest.split_at(at);
        let (echo, after) = found.split_at(echo.len());
        kept.push_str(before);
        let is_joined = |beside: Option<char>, own: Option<char>| {
            [beside, own].iter().all(|c| c.is_some_and(|c| c.is_ascii_alphanumeric()))
        };
        let is_part = is_joined(kept.chars().next_back(), echo.chars().next())
            || is_joined(after.chars().next(), echo.chars().next_back());
        kept.push_str(if is_part { echo } else { GAP });
        rest = after;
    }
    kept.push_str(rest);
    kept
}

fn is_private(word: &str) -> bool {
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let letters = word.chars().filter(|c| c.is_alphabetic()).count();
    word.contains('@') || (digits >= 6 && letters == 0) || word.chars().count() > LONGEST_WORD
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_request_carried_is_dropped() {
        let sent = json!({"title": "Call Jane", "completed": true, "dueDate": "2020-10-25T11:00:00Z"});
        assert_eq!(scrub("title \"Call Jane\" is taken", Some(&sent)), "title \"…\" is taken");
    }

    #[test]
    fn which_field_is_meant_stays_whatever_was_sent() {
        let sent = json!({"firstName": "phone", "lastName": "one", "city": "Phone number", "phone": "12 34 56 78", "tags": ["mail"]});
        for (message, kept) in [
            ("phone is not valid", "phone is not valid"),
            ("Phone number is invalid", "Phone number is invalid"),
            ("phone 12 34 56 78 of one is invalid, says mail", "phone … of … is invalid, says …"),
            ("email is invalid", "email is invalid"),
        ] {
            assert_eq!(scrub(message, Some(&sent)), kept, "{message}");
        }
        let sent = json!({"firstName": "Jane", "lastName": "Phone Smith", "phone": "+1"});
        assert_eq!(scrub("'Jane Phone Smith' (Jane) is taken", Some(&sent)), "'… …' (…) is taken");
    }

    #[test]
    fn addresses_numbers_and_tokens_are_dropped() {
        let token = "x".repeat(60);
        let message = format!("contact jane@example.com, phone +18832327657, token {token} refused");
        assert_eq!(scrub(&message, None), "contact … phone … token … refused");
    }

    #[test]
    fn what_no_line_can_hold_is_dropped() {
        assert_eq!(scrub("rejected: \u{0} junk\r\n\x1b[31mred\u{202e}", None), "rejected: junk [31mred");
        assert_eq!(scrub(&"no ".repeat(1_000), None).chars().count(), LONGEST_MESSAGE);
    }

    #[test]
    fn of_a_fault_not_even_a_word_of_the_request_stays() {
        let sent = json!({"body": "Jane owes 500", "tags": ["vip"]});
        assert_eq!(without_words_of("can't read Jane (owes), vip: timeout", Some(&sent)), "can't read … … … timeout");
    }

    #[test]
    fn names_of_fields_and_ids_stay() {
        assert_eq!(
            scrub("property dueDate of 9GHKSVtWNzGgo8f6D should not exist", None),
            "property dueDate of 9GHKSVtWNzGgo8f6D should not exist"
        );
    }
}
