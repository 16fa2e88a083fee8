//! Takes values out of GHL's messages, so that what remains may be logged and shown.
//!
//! A refusal may quote what it refuses: an e-mail address, a phone number, a title. Dropped are every text that the
//! request itself carried, and words that look like an address, a number to dial or a token.

use std::collections::HashSet;

use serde_json::Value;

use super::json::LOST;
use crate::clean::{is_clean, one_line};

const GAP: &str = "…";
/// Shorter texts of the request (a color, a yes) are in every sentence by chance.
const SHORTEST_ECHO: usize = 3;
const LONGEST_WORD: usize = 48;
const LONGEST_MESSAGE: usize = 300;

/// `message` without the values that `sent` holds and without what looks personal or secret.
pub(crate) fn scrub(message: &str, sent: Option<&Value>) -> String {
    let mut text = message.to_owned();
    if let Some(sent) = sent {
        drop_echoes(&mut text, sent);
    }
    // What is not clean ends a word, as a space does.
    let words = text.split(|c: char| c.is_whitespace() || !is_clean(c) || c == LOST).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.map(|word| if is_private(word) { GAP } else { word }).collect();
    one_line(&words.join(" "), LONGEST_MESSAGE)
}

/// `message` without any word of the texts that `sent` holds: for what quotes parts of them.
pub(super) fn without_words_of(message: &str, sent: Option<&Value>) -> String {
    let mut told = HashSet::new();
    if let Some(sent) = sent {
        collect_words(sent, &mut told);
    }
    let is_told = |word: &str| plain_words(word).any(|word| told.contains(&word));
    message.split(' ').map(|word| if is_told(word) { GAP } else { word }).collect::<Vec<_>>().join(" ")
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

fn drop_echoes(text: &mut String, sent: &Value) {
    match sent {
        Value::String(value) if value.trim().chars().count() >= SHORTEST_ECHO => {
            *text = text.replace(value.trim(), GAP)
        }
        Value::Array(values) => values.iter().for_each(|value| drop_echoes(text, value)),
        Value::Object(fields) => fields.values().for_each(|value| drop_echoes(text, value)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
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
