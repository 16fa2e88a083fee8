//! JSON as GHL writes it, which is not always JSON.
//!
//! A text that JavaScript cut in the middle of an emoji holds a lone surrogate, which no strict parser takes; one such text must not cost
//! a page, an import or a webhook. So what the strict parser refuses is cleaned and read again: each part that can't be kept becomes U+FFFD or
//! a text, and the rest of the document stays as it is. A document that is right costs one look for NUL beside its parsing.

use std::borrow::Cow;

use serde_json::{Number, Value};

/// How deep a document may nest that had to be cleaned. The strict parser ends at 128, and what is read here is put into others.
const DEPTH: usize = 100;
/// Stands for what can't be kept.
pub(super) const LOST: char = '\u{fffd}';

/// A document, and whether it had to be cleaned.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What it says.
    pub value: Value,
    /// Whether its bytes are not what the value says.
    pub was_cleaned: bool,
}

/// Reads a document; where it is none, after cleaning it.
///
/// # Errors
/// What is still wrong with it then: it breaks off, say.
pub fn read(bytes: &[u8]) -> Result<Document, serde_json::Error> {
    match serde_json::from_slice(bytes) {
        Ok(value) if !holds_nul(bytes) => Ok(Document { value, was_cleaned: false }),
        _ => Ok(Document { value: serde_json::from_str(&clean(bytes))?, was_cleaned: true }),
    }
}

/// The value without what nests deeper than that.
#[must_use]
pub fn clip(value: Value, depth: usize) -> Value {
    match value {
        Value::Array(_) | Value::Object(_) if depth == 0 => LOST.to_string().into(),
        Value::Array(items) => items.into_iter().map(|item| clip(item, depth - 1)).collect(),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name, clip(value, depth - 1))).collect())
        }
        plain => plain,
    }
}

/// The only NUL that a strict parser lets through, and no database here keeps, is an escaped one.
fn holds_nul(bytes: &[u8]) -> bool {
    // Bytes that were parsed are UTF-8.
    str::from_utf8(bytes).is_ok_and(|text| text.contains("\\u0000"))
}

fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}');
    let mut cleaner = Cleaner { rest: text, out: String::with_capacity(text.len()) };
    let mut depth = 0_usize;
    while let Some(char) = cleaner.next() {
        match char {
            '"' => cleaner.string(),
            '{' | '[' if depth == DEPTH => {
                cleaner.skip();
                cleaner.quote(&LOST.to_string());
            }
            '{' | '[' => {
                depth += 1;
                cleaner.out.push(char);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                cleaner.out.push(char);
            }
            char if is_of_word(char) => cleaner.word(char),
            // Between the parts of a document there is nothing to keep of it.
            '\0' => {}
            char => cleaner.out.push(char),
        }
    }
    cleaner.out
}

/// Numbers and the three words of JSON are made of these, and so are `NaN` and `1e999`.
fn is_of_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || ['+', '-', '.'].contains(&char)
}

struct Cleaner<'a> {
    rest: &'a str,
    out: String,
}

impl Cleaner<'_> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next()?;
        self.rest = chars.as_str();
        Some(next)
    }

    /// A word whose first character is read. What is no number of ours stays as a text.
    fn word(&mut self, first: char) {
        let end = self.rest.find(|char| !is_of_word(char)).unwrap_or(self.rest.len());
        let (tail, rest) = self.rest.split_at(end);
        let word = format!("{first}{tail}");
        self.rest = rest;
        let is_json =
            ["true", "false", "null"].contains(&word.as_str()) || serde_json::from_str::<Number>(&word).is_ok();
        if is_json { self.out.push_str(&word) } else { self.quote(&word) }
    }

    fn quote(&mut self, text: &str) {
        self.out.push_str(&Value::from(text).to_string());
    }

    /// A text whose opening quote is read.
    fn string(&mut self) {
        self.out.push('"');
        while let Some(char) = self.next() {
            match char {
                '"' => {
                    self.out.push('"');
                    return;
                }
                '\\' => self.escape(),
                '\0' => self.out.push(LOST),
                char if char.is_control() && char.is_ascii() => {
                    self.out.push_str(&format!("\\u{:04x}", u32::from(char)));
                }
                char => self.out.push(char),
            }
        }
    }

    /// An escape whose backslash is read.
    fn escape(&mut self) {
        match self.next() {
            Some('u') => match self.code() {
                Some(high @ 0xd800..=0xdbff) => {
                    let low =
                        self.rest.strip_prefix("\\u").and_then(code_of).filter(|low| (0xdc00..=0xdfff).contains(low));
                    match low {
                        Some(low) => {
                            self.rest = &self.rest[6..];
                            self.out.push_str(&format!("\\u{high:04x}\\u{low:04x}"));
                        }
                        None => self.out.push(LOST),
                    }
                }
                Some(0 | 0xdc00..=0xdfff) | None => self.out.push(LOST),
                Some(code) => self.out.push_str(&format!("\\u{code:04x}")),
            },
            Some(char @ ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't')) => self.out.extend(['\\', char]),
            Some(_) => self.out.push(LOST),
            None => {}
        }
    }

    /// The four digits of a `\u`, if they are there.
    fn code(&mut self) -> Option<u32> {
        let code = code_of(self.rest)?;
        self.rest = &self.rest[4..];
        Some(code)
    }

    /// Passes over a list or object whose opening bracket is read.
    fn skip(&mut self) {
        let kept = self.out.len();
        let mut depth = 1_usize;
        while depth > 0
            && let Some(char) = self.next()
        {
            match char {
                '"' => self.string(),
                '{' | '[' => depth += 1,
                '}' | ']' => depth -= 1,
                _ => {}
            }
        }
        self.out.truncate(kept);
    }
}

fn code_of(text: &str) -> Option<u32> {
    let digits = text.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// The text of a document that [`read`] had to clean, for where only text is kept.
#[must_use]
pub fn text_of(document: &Document, bytes: &[u8]) -> String {
    match (document.was_cleaned, String::from_utf8_lossy(bytes)) {
        (false, Cow::Borrowed(text)) => text.to_owned(),
        _ => document.value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn value(bytes: &[u8]) -> Value {
        read(bytes).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes))).value
    }

    fn nested(depth: usize) -> String {
        format!("{}{}", "[".repeat(depth), "]".repeat(depth))
    }

    /// What stands in the place of a part that no strict parser or no database takes.
    fn odd() -> Vec<(Vec<u8>, Value)> {
        let text = |odd: &str, read: &str| (format!("\"{odd}\"").into_bytes(), json!(read));
        vec![
            text(r"cut \ud83d", "cut \u{fffd}"),
            text(r"\ude00 low", "\u{fffd} low"),
            text(r"\ud83d\ud83d\ude00", "\u{fffd}😀"),
            text(r"\ud83dx\ude00", "\u{fffd}x\u{fffd}"),
            text(r"\uD83D\u0041", "\u{fffd}A"),
            text(r"\ud83d\n", "\u{fffd}\n"),
            text(r"a\u0000b", "a\u{fffd}b"),
            text("a\0b", "a\u{fffd}b"),
            text("tab\there\nand\u{1}", "tab\there\nand\u{1}"),
            text(r"\q", "\u{fffd}"),
            text(r"\u12", "\u{fffd}12"),
            (b"\"\xff\xfe and \xe2\x82\"".to_vec(), json!("\u{fffd}\u{fffd} and \u{fffd}")),
            (b"1e999".to_vec(), json!("1e999")),
            (b"-1e999".to_vec(), json!("-1e999")),
            (b"NaN".to_vec(), json!("NaN")),
            (b"-Infinity".to_vec(), json!("-Infinity")),
            (b"undefined".to_vec(), json!("undefined")),
        ]
    }

    #[test]
    fn one_odd_part_is_replaced_and_the_rest_stays_to_the_letter() {
        for (odd, read) in odd() {
            let shown = String::from_utf8_lossy(&odd).into_owned();
            let document =
                [br#"{"a":"\"\\\u00e9","odd":"#.as_slice(), &odd, br#","b":[1.5,null,true,{}],"a2":"x"}"#].concat();
            let expected = json!({"a": "\"\\é", "odd": read, "b": [1.5, null, true, {}], "a2": "x"});
            assert_eq!(value(&document), expected, "{shown}");
            assert!(super::read(&document).unwrap().was_cleaned, "{shown}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_passed_over_and_of_two_members_of_one_name_the_last_counts() {
        assert_eq!(value("\u{feff}{\"a\":1}".as_bytes()), json!({"a": 1}));
        assert_eq!(value(br#"{"a":1,"a":2}"#), json!({"a": 2}));
        assert_eq!(value(br#"{"a":"\ud83d","a":2}"#), json!({"a": 2}));
    }

    #[test]
    fn what_nests_too_deep_is_cut_off_and_what_stands_beside_it_stays() {
        for depth in [127, 128, 200, 10_000] {
            let document = format!(r#"{{"deep":{},"tricky":"]]\"","id":"c"}}"#, nested(depth));
            let read = value(document.as_bytes());
            assert_eq!((&read["id"], &read["tricky"]), (&json!("c"), &json!("]]\"")), "{depth}");
            let text = read.to_string();
            assert!(serde_json::from_str::<Value>(&format!("[[{text}]]")).is_ok(), "{depth}");
        }
        assert_eq!(clip(json!({"a": [[1]], "b": 2}), 2), json!({"a": ["\u{fffd}"], "b": 2}));
    }

    #[test]
    fn what_breaks_off_is_unreadable_still() {
        for broken in [&b""[..], b"{", b"{\"a\":\"", b"{\"a\":\"\\", b"\xff", b"{\"a\":1}}", b"{\"a\" 1}", b"nul"] {
            let read = read(broken);
            assert!(read.is_err() || read.is_ok_and(|read| !read.value.is_object()), "{broken:?}");
        }
    }

    #[test]
    fn a_document_that_is_right_is_not_touched() {
        let document = r#"{ "a" : "\ud83d\ude00 é \\u0041", "n": [ -1.5E+3 , 0 ] }"#;
        let read = super::read(document.as_bytes()).unwrap();
        assert_eq!((read.was_cleaned, read.value), (false, json!({"a": "😀 é \\u0041", "n": [-1.5E+3, 0]})));
    }

    fn anything() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("\\PC{0,6}", inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn cleaning_changes_nothing_of_what_is_right(document in anything()) {
            for text in [document.to_string(), serde_json::to_string_pretty(&document).unwrap()] {
                let cleaned: Value = serde_json::from_str(&clean(text.as_bytes())).unwrap();
                let strict: Value = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(cleaned, strict);
            }
        }

        #[test]
        fn no_bytes_are_too_much(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(read) = read(&bytes) {
                prop_assert!(!read.value.to_string().contains("\\u0000"));
            }
        }
    }
}
