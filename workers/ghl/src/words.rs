//! The words of a reply that is no success: for logs, dead letters and people, so they are few and hold no markup.
//!
//! GHL writes `message` as a text, a list or an object; a proxy before it writes a page or plain text.

use serde_json::Value;

use super::json;
use super::reply::Reply;
use super::scrub::scrub;

/// More messages than these repeat each other.
const MOST: usize = 10;
/// So much of a page or a text is looked at.
const LONGEST_TEXT: usize = 4 * 1024;
/// An object in an object in an object says no more.
const DEEPEST: u8 = 3;
/// The fields of an object that hold a sentence; where one is there, the others are codes.
const SENTENCES: [&str; 6] = ["message", "msg", "error_description", "description", "detail", "reason"];

/// The messages of an error body: `{message: "…" | ["…"] | {…}}` of v2, `{error: {message}}` of v3, `{error, error_description}` of OAuth.
pub fn messages(body: &Value) -> Vec<String> {
    let places =
        [&body["message"], &body["error"]["message"], &body["msg"], &body["error_description"], &body["error"]];
    let found = places.into_iter().map(|place| texts(place, DEEPEST)).find(|texts| !texts.is_empty());
    let mut found = found.unwrap_or_else(|| match body {
        Value::String(_) | Value::Array(_) => texts(body, DEEPEST),
        _ => Vec::new(),
    });
    found.truncate(MOST);
    found
}

fn texts(value: &Value, depth: u8) -> Vec<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => vec![text.clone()],
        Value::Array(values) if depth > 0 => values.iter().flat_map(|value| texts(value, depth - 1)).collect(),
        Value::Object(fields) if depth > 0 => {
            let sentence = SENTENCES.iter().filter_map(|name| fields.get(*name));
            let sentence = sentence.map(|value| texts(value, depth - 1)).find(|texts| !texts.is_empty());
            sentence.unwrap_or_else(|| {
                let named = |(name, value): (&String, &Value)| -> Vec<String> {
                    texts(value, depth - 1).into_iter().map(|text| format!("{name}: {text}")).collect()
                };
                fields.iter().flat_map(named).collect()
            })
        }
        _ => Vec::new(),
    }
}

impl Reply {
    /// What an error reply says, without values that `sent` holds. Empty where it says nothing.
    pub(super) fn words(&self, sent: Option<&Value>) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(LONGEST_TEXT)]);
        let raw = if self.is_page() {
            vec![of_page(&text)]
        } else {
            match json::read(&self.body) {
                Ok(document) => messages(&document.value),
                Err(_) if looks_like_json(&text) => Vec::new(),
                Err(_) => vec![text.into_owned()],
            }
        };
        let cleaned = raw.iter().map(|message| scrub(message, sent));
        cleaned.filter(|message| !message.is_empty()).collect()
    }
}

/// What breaks off is no sentence.
fn looks_like_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}

/// Title and headline of a page, else what remains of it without its markup.
fn of_page(page: &str) -> String {
    let lower = page.to_ascii_lowercase();
    let element = |name: &str| -> Option<String> {
        let start = lower.find(&format!("<{name}"))?;
        let inner = start + lower[start..].find('>')? + 1;
        let end = inner + lower[inner..].find(&format!("</{name}"))?;
        Some(without_markup(&page[inner..end])).filter(|text| !text.is_empty())
    };
    let mut parts: Vec<String> = ["title", "h1"].into_iter().filter_map(element).collect();
    parts.dedup();
    if parts.is_empty() { without_markup(page) } else { parts.join(": ") }
}

fn without_markup(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        text.push_str(&rest[..start]);
        text.push(' ');
        let tag = &rest[start..];
        // The contents of these are no text.
        let hidden = ["script", "style"].into_iter().find(|name| {
            tag.as_bytes().get(1..=name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name.as_bytes()))
        });
        let end = hidden.and_then(|name| tag.to_ascii_lowercase().find(&format!("</{name}"))).unwrap_or(0);
        rest = tag[end..].find('>').map_or("", |close| &tag[end + close + 1..]);
    }
    text.push_str(rest);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(content_type: &'static str, body: &str) -> Vec<String> {
        Reply::canned(422, content_type, body.as_bytes()).words(None)
    }

    #[test]
    fn a_reason_is_kept_whatever_its_form() {
        let cases = [
            (json!({"message": "no"}), "no"),
            (json!({"message": ["no", "never"]}), "no; never"),
            (json!({"message": {"message": "no", "code": "E1"}}), "no"),
            (json!({"message": {"phone": "is invalid", "email": ["is taken"]}}), "email: is taken; phone: is invalid"),
            (json!({"message": [{"field": "phone", "message": "is odd"}]}), "is odd"),
            (json!({"error": {"code": "E1", "message": "no"}}), "no"),
            (json!({"error": "invalid_request", "error_description": "no code"}), "no code"),
            (json!({"error": "Forbidden"}), "Forbidden"),
            (json!(["no"]), "no"),
            (json!("no"), "no"),
            (json!({"message": {}}), ""),
            (json!({}), ""),
        ];
        for (body, expected) in cases {
            assert_eq!(said("application/json", &body.to_string()).join("; "), expected, "{body}");
        }
        assert_eq!(said("text/plain", "upstream \u{0} request\r\n timeout").join("; "), "upstream request timeout");
        assert_eq!(said("text/plain", "").join("; "), "");
        assert_eq!(said("application/json", r#"{"message": "cut o"#).join("; "), "");
    }

    #[test]
    fn of_a_page_its_title_and_headline_are_kept() {
        for (page, expected) in [
            (
                "<!DOCTYPE html><html><head><title>Error 1015</title></head><body><h1>Slow down</h1>",
                "Error 1015: Slow down",
            ),
            ("<html><TITLE>502</TITLE><h1 class=a>502</h1>", "502"),
            ("<div><style>p{}</style>Not <b>here</b><script>x<1</script></div>", "Not here"),
            ("<title>cut off", "cut off"),
            ("<", ""),
        ] {
            assert_eq!(said("text/html", page).join("; "), expected, "{page}");
        }
    }

    #[test]
    fn a_long_reason_is_cut() {
        let long = "word ".repeat(10_000);
        for words in [said("text/plain", &long), said("text/html", &format!("<p>{long}"))] {
            assert!(words[0].chars().count() <= 300, "{}", words[0].len());
        }
        let many = json!({"message": vec!["no"; 1000]}).to_string();
        assert_eq!(said("application/json", &many).len(), MOST);
    }
}
