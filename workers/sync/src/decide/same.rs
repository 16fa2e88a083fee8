//! Whether two values of a field mean the same.
//!
//! GHL rewrites what it is sent: phones become E.164, e-mails and tags lower case, notes HTML, due dates lose their fractions. A comparison
//! that took the rewriting for an edit would write the old form back, and the two sides would play ping-pong for ever.

use jiff::Timestamp;
use serde_json::Value;

use super::fields::is_nothing;

/// Digits that tell one phone from another; what comes before them is a country or a trunk prefix.
const OWN_DIGITS: usize = 7;

/// Whether the values `a` and `b` of the field `name` mean the same.
#[must_use]
pub fn same(name: &str, a: &Value, b: &Value) -> bool {
    if a == b || (is_nothing(a) && is_nothing(b)) {
        return true;
    }
    if name.starts_with("customFields.") {
        return loosely(a) == loosely(b);
    }
    let (Some(a), Some(b)) = (text(a), text(b)) else { return false };
    match name {
        "email" => a.trim().eq_ignore_ascii_case(b.trim()),
        "phone" => same_phone(a, b),
        "noteText" | "body" => same_text(a, b),
        "dateOfBirth" => a.trim().get(..10).unwrap_or(a) == b.trim().get(..10).unwrap_or(b),
        "dueDate" | "startTime" | "endTime" => match (second(a), second(b)) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        },
        _ => a.trim() == b.trim(),
    }
}

/// Nothing is the empty text here, so that it can be compared with one of white space.
fn text(value: &Value) -> Option<&str> {
    if value.is_null() { Some("") } else { value.as_str() }
}

fn second(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

/// A custom field's value as GHL may give it back: numbers as texts, a single choice as a list of one, choices in another order.
fn loosely(value: &Value) -> Vec<String> {
    let mut texts = match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().flat_map(loosely).collect(),
        Value::String(text) => vec![text.trim().to_owned()],
        other => vec![other.to_string()],
    };
    texts.retain(|text| !text.is_empty());
    texts.sort();
    texts
}

fn same_phone(a: &str, b: &str) -> bool {
    let texts = (a, b);
    let digits = |phone: &str| phone.chars().filter(char::is_ascii_digit).collect::<String>();
    let (a, b) = (digits(a), digits(b));
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    if a.is_empty() && b.is_empty() {
        return texts.0.trim() == texts.1.trim();
    }
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    a == b || (short.len() >= OWN_DIGITS && long.ends_with(short))
}

/// Whether two texts say the same, with HTML around them or not.
#[must_use]
pub fn same_text(sent: &str, kept: &str) -> bool {
    let (sent, kept) = (sent.trim(), kept.trim());
    if sent == kept {
        return true;
    }
    let (sent, kept) = (without_tags(sent), without_tags(kept));
    let mut words = sent.split_whitespace().peekable();
    words.peek().is_some() && words.eq(kept.split_whitespace())
}

/// What a reader of HTML sees, roughly: enough to tell that `<p>Hi</p>` was `Hi`.
fn without_tags(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        text.push_str(&rest[..open]);
        let is_tag = rest[open + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
        match rest[open..].find('>').filter(|_| is_tag) {
            Some(close) => {
                text.push(' ');
                rest = &rest[open + close + 1..];
            }
            None => {
                text.push('<');
                rest = &rest[open + 1..];
            }
        }
    }
    text.push_str(rest);
    // `&amp;` last, or `&amp;lt;` would be unescaped twice.
    [("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
        .into_iter()
        .fold(text, |text, (escaped, plain)| text.replace(escaped, plain))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_ghl_rewrites_means_the_same() {
        let forms = [
            ("phone", json!("0151 2345678"), json!("+491512345678")),
            ("phone", json!("(415) 555-0100"), json!("+14155550100")),
            ("email", json!("Jane@Example.com"), json!("jane@example.com")),
            ("noteText", json!("Tea & cake"), json!("<p>Tea &amp; cake</p>")),
            ("dueDate", json!("2026-03-01T09:00:00.500Z"), json!("2026-03-01T09:00:00Z")),
            ("dateOfBirth", json!("1969-07-20"), json!("1969-07-20T00:00:00.000Z")),
            ("customFields.f", json!(5), json!("5")),
            ("customFields.f", json!(["b", "a"]), json!(["a", "b"])),
            ("city", json!(" Berlin "), json!("Berlin")),
            ("city", json!(""), Value::Null),
        ];
        for (name, a, b) in forms {
            assert!(same(name, &a, &b) && same(name, &b, &a), "{name}: {a} and {b}");
        }
    }

    #[test]
    fn what_a_person_changed_does_not() {
        let edits = [
            ("phone", json!("+14155550100"), json!("+14155550101")),
            ("phone", json!("100"), json!("+14155550100")),
            ("phone", json!("+14155550100"), Value::Null),
            ("phone", json!("unknown"), Value::Null),
            ("email", json!("jane@example.com"), json!("jane@example.org")),
            ("firstName", json!("jane"), json!("Jane")),
            ("title", json!("Call"), json!("<b>Call</b>")),
            ("completed", json!(true), json!(false)),
            ("tags.vip", json!(true), Value::Null),
            ("customFields.f", json!(["a"]), json!(["a", "b"])),
        ];
        for (name, a, b) in edits {
            assert!(!same(name, &a, &b) && !same(name, &b, &a), "{name}: {a} and {b}");
        }
    }
}
