//! Small parts of pages: a time, an id, a state, a number. What comes from outside is escaped here or by the template, and nowhere else.

use std::fmt;

use askama::filters::HtmlSafe;
use jiff::Timestamp;

/// Markup that is ready. Made by the functions below alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Markup(String);

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Markup {}

/// Letters of an id that are shown whole.
const SHORT: usize = 16;

/// A time as people say it, with the exact one beside it; the script keeps it up to date.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> Markup {
    let exact = format!("{at:.0}");
    let title = exact.replace('T', " ").replace('Z', " UTC");
    Markup(format!("<time data-ago datetime=\"{exact}\" title=\"{title}\">{}</time>", since(at, now)))
}

/// [`ago`], or a dash.
pub(super) fn ago_or_none(at: Option<Timestamp>, now: Timestamp) -> Markup {
    at.map_or_else(dash, |at| ago(at, now))
}

pub(super) fn dash() -> Markup {
    Markup("<span class=\"dim\">–</span>".to_owned())
}

/// A text that is no markup.
pub(super) fn plain(text: &str) -> Markup {
    Markup(escaped(text))
}

/// A distance in time in words.
pub(super) fn since(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs();
    match seconds {
        -1..=1 => "now".to_owned(),
        2.. => format!("{} ago", span(seconds)),
        _ => format!("in {}", span(-seconds)),
    }
}

/// So many seconds, as people say it.
pub(super) fn span(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// An id, short enough for a table; a click copies all of it.
pub(super) fn id(text: &str) -> Markup {
    let (whole, short) = (escaped(text), escaped(&shortened(text)));
    Markup(format!("<code class=\"id\" title=\"{whole}\" data-copy>{short}</code>"))
}

/// An id that leads to its page.
pub(super) fn id_link(text: &str, href: &str) -> Markup {
    let (whole, short, href) = (escaped(text), escaped(&shortened(text)), escaped(href));
    Markup(format!("<a class=\"id\" href=\"{href}\" title=\"{whole}\">{short}</a>"))
}

fn shortened(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= SHORT {
        return text.to_owned();
    }
    letters[..6].iter().chain(['…'].iter()).chain(&letters[letters.len() - 4..]).collect()
}

/// A state: the API's own word as attribute, and as people say it. Color and shape follow from the attribute.
pub(super) fn state(word: &str) -> Markup {
    state_as(word, &word.replace('_', " "))
}

/// A state in other words.
pub(super) fn state_as(word: &str, words: &str) -> Markup {
    Markup(format!("<span class=\"state\" data-state=\"{}\">{}</span>", escaped(word), escaped(words)))
}

/// A number with its thousands apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number that was counted up to `most` and not further.
pub(super) fn counted(number: i64, most: i64) -> String {
    let number = number.max(0).unsigned_abs();
    let most = most.max(0).unsigned_abs();
    if number > most { format!("{}+", grouped(most)) } else { grouped(number) }
}

/// A text as one segment of a path.
pub(super) fn segment(text: &str) -> String {
    encoded(text, b"-_.~")
}

/// A text as a value of a query.
pub(super) fn query_part(text: &str) -> String {
    encoded(text, b"-_.~/")
}

fn encoded(text: &str, plain: &[u8]) -> String {
    let letter = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() || plain.contains(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
}

pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter => safe.push(letter),
        }
    }
    safe
}

/// A field's value in a cell.
pub(super) fn value(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_becomes_no_markup() {
        let hostile = "<script>alert('1')</script>&\"x\"";
        for markup in [id(hostile), id_link("label", hostile), state(hostile), state_as("dead", hostile)] {
            assert!(!markup.0.contains("<script") && !markup.0.contains("\"x\""), "{markup}");
        }
        assert_eq!(segment("a/b?<é"), "a%2Fb%3F%3C%C3%A9");
        assert_eq!(query_part("/ui/jobs?a=b&c"), "/ui/jobs%3Fa%3Db%26c");
    }

    #[test]
    fn numbers_and_times_read_as_people_write_them() {
        assert_eq!(
            ["0", "999", "1,000", "2,317", "1,000,000"],
            [0, 999, 1000, 2317, 1_000_000].map(grouped).each_ref().map(String::as_str)
        );
        assert_eq!((counted(10_000, 10_000), counted(10_001, 10_000)), ("10,000".to_owned(), "10,000+".to_owned()));
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        for (at, reported) in [
            ("2026-11-30T11:59:59Z", "now"),
            ("2026-11-30T11:59:00Z", "60 s ago"),
            ("2026-11-30T11:30:00Z", "30 min ago"),
            ("2026-11-30T00:00:00Z", "12 h ago"),
            ("2026-11-27T12:00:00Z", "3 days ago"),
            ("2026-11-30T12:00:30Z", "in 30 s"),
        ] {
            assert_eq!(since(at.parse().unwrap(), now), reported);
        }
        assert_eq!(shortened("0193a7ec-2b4f-7c8d-9eaf-3c5d7e9f1b2a"), "0193a7…1b2a");
        assert_eq!(shortened("مركز الشفاء الطبي الكبير").chars().count(), 11);
    }
}
