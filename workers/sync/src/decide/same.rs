//! Whether two values of a field mean the same, for each of the two questions that are asked about them.
//!
//! *Did somebody edit it?* ([`same`]) Only what GHL is known to rewrite without a person counts as the same: the case of an e-mail, the
//! punctuation of a phone, a number's spelling, a day's form. A looser comparison would take an edit for nothing, and lose it.
//!
//! *Does this answer what was asked?* ([`answers`]) A reply or a late webhook shows our own write in GHL's form: a note with markup around
//! it, choices in another order. Asked of anything but our own write, this question would lose edits.
//!
//! Where GHL keeps a value in a form that [`same`] does not know, the record's [`Prints`](super::echo::Prints) remember the pair.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde_json::Value;

use super::fields::is_nothing;

/// Digits that tell one phone from another; what comes before them is a country or a trunk prefix.
const OWN_DIGITS: usize = 7;
/// A whole number of days in milliseconds is midnight of a day.
const DAY_MS: i64 = 86_400_000;
/// Milliseconds since 1970 have at least so many digits; what has fewer is a number like any other.
const FEWEST_EPOCH_DIGITS: usize = 9;

/// Whether the value `b` of the field `name` is no edit of `a`, nor the other way round.
#[must_use]
pub fn same(name: &str, a: &Value, b: &Value) -> bool {
    if a == b || (is_nothing(a) && is_nothing(b)) {
        return true;
    }
    if name.starts_with("customFields.") {
        return same_custom(a, b);
    }
    let (Some(a), Some(b)) = (text(a), text(b)) else { return false };
    match name {
        "email" => a.trim().eq_ignore_ascii_case(b.trim()),
        "phone" => same_phone(a, b),
        // Markup is content: the address of a link is what a person may edit.
        "noteText" | "body" => false,
        "dateOfBirth" => day(a).is_some() && day(a) == day(b),
        "dueDate" | "startTime" | "endTime" => match (second(a), second(b)) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        },
        _ => a.trim() == b.trim(),
    }
}

/// Whether GHL, which shows the value `shown` of the field `name`, did as it was `asked`.
#[must_use]
pub fn answers(name: &str, asked: &Value, shown: &Value) -> bool {
    if same(name, asked, shown) {
        return true;
    }
    if name.starts_with("customFields.") {
        return loosely(asked) == loosely(shown);
    }
    match (text(asked), text(shown)) {
        (Some(asked), Some(shown)) if matches!(name, "noteText" | "body") => same_text(asked, shown),
        _ => false,
    }
}

/// Whether GHL's event, which shows the value `told` of the field `name`, is of a write that `asked` for that and has no answer yet. As [`answers`],
/// but for what only a person changes behind the same words: where a link leads, what an image shows.
#[must_use]
pub fn echoes(name: &str, asked: &Value, told: &Value) -> bool {
    let leads = |value: &Value| text(value).map(addresses).unwrap_or_default();
    answers(name, asked, told) && (!matches!(name, "noteText" | "body") || leads(asked) == leads(told))
}

/// Nothing is the empty text here, so that it can be compared with one of white space.
fn text(value: &Value) -> Option<&str> {
    if value.is_null() { Some("") } else { value.as_str() }
}

fn second(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

/// Custom fields bear no kind here, so a value speaks for itself: numbers compare as numbers, and days as days. GHL gives a single choice
/// back as a list of one, and choices in an order of its own.
fn same_custom(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(one), Value::Array(other)) => {
            let has = |list: &[Value], value: &Value| list.iter().any(|item| same_custom(item, value));
            one.len() == other.len()
                && one.iter().all(|item| has(other, item))
                && other.iter().all(|item| has(one, item))
        }
        (Value::Array(one), other) | (other, Value::Array(one)) => match one.as_slice() {
            [] => is_nothing(other),
            [one] => same_custom(one, other),
            _ => false,
        },
        (Value::Object(_), _) | (_, Value::Object(_)) => a == b,
        _ => a == b || same_number(a, b) || same_day(a, b) || trimmed(a).is_some_and(|a| Some(a) == trimmed(b)),
    }
}

fn trimmed(value: &Value) -> Option<&str> {
    text(value).map(str::trim)
}

/// Two texts are not compared as numbers: a text field may hold `1.0` as well as `1`.
fn same_number(a: &Value, b: &Value) -> bool {
    (a.is_number() || b.is_number()) && number(a).is_some_and(|a| Some(a) == number(b))
}

/// A number, or the text of one as GHL writes it: without an exponent, a plus or a leading zero, which would be a code and no number.
fn number(value: &Value) -> Option<f64> {
    let text = match value {
        Value::Number(number) => return number.as_f64(),
        Value::String(text) => text.trim(),
        _ => return None,
    };
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_plain = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_code = whole.len() > 1 && whole.starts_with('0');
    if is_plain(whole) && is_plain(rest) && !is_code { text.parse().ok() } else { None }
}

/// A date without a time is the same as any form of that day. Two forms with a time are the same day where both are midnight; else only the
/// same instant is the same.
fn same_day(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (Moment::read(a), Moment::read(b)) else { return false };
    match (a.is_day || b.is_day) || (a.is_midnight && b.is_midnight) {
        true => a.day == b.day,
        false => a.at.is_some() && a.at == b.at,
    }
}

/// A point in time as a custom field may hold it.
struct Moment {
    day: Date,
    at: Option<Timestamp>,
    /// It is written without a time.
    is_day: bool,
    is_midnight: bool,
}

impl Moment {
    fn read(value: &Value) -> Option<Self> {
        let text = match value {
            Value::Number(number) => return Self::of_ms(number.as_i64()?),
            Value::String(text) => text.trim(),
            _ => return None,
        };
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.len() >= FEWEST_EPOCH_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Self::of_ms(text.parse().ok()?);
        }
        let day = iso_day(text)?.parse().ok()?;
        let (rest, at) = (&text[10..], text.parse().ok());
        if !rest.is_empty() && at.is_none() && text.parse::<DateTime>().is_err() {
            return None;
        }
        let is_midnight = rest.starts_with("T00:00:00") || rest.starts_with(" 00:00:00");
        Some(Self { day, at, is_day: rest.is_empty(), is_midnight })
    }

    fn of_ms(ms: i64) -> Option<Self> {
        if ms.unsigned_abs().to_string().len() < FEWEST_EPOCH_DIGITS {
            return None;
        }
        let at = Timestamp::from_millisecond(ms).ok()?;
        let day = TimeZone::UTC.to_datetime(at).date();
        Some(Self { day, at: Some(at), is_day: false, is_midnight: ms % DAY_MS == 0 })
    }
}

/// The day at the beginning of an ISO date or time.
fn iso_day(text: &str) -> Option<&str> {
    let is_followed = text.len() == 10 || matches!(text.as_bytes().get(10), Some(b'T' | b' '));
    text.get(..10).filter(|_| is_followed)
}

/// The day that a text names, as a date of birth may be written.
fn day(text: &str) -> Option<Date> {
    let text = text.trim();
    iso_day(text).and_then(|day| day.parse().ok()).or_else(|| {
        let (month, rest) = text.split_once('/')?;
        let (day, year) = rest.split_once('/')?;
        Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
    })
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

/// Two numbers that both name their country are the same where they are equal in E.164. GHL puts the country of the location before a national one,
/// whose trunk prefix goes or stays as that country has it: so it is the same as a number that is a calling code and the rest of it.
fn same_phone(a: &str, b: &str) -> bool {
    match (international(a), international(b)) {
        (Some(a), Some(b)) => a == b,
        (one, other) => {
            let (has_a, has_b) = (one.is_some(), other.is_some());
            let texts = (a.trim(), b.trim());
            let (a, b) = (one.unwrap_or_else(|| digits(a)), other.unwrap_or_else(|| digits(b)));
            if a.bytes().chain(b.bytes()).all(|digit| digit == b'0') {
                return texts.0 == texts.1;
            }
            match (has_a, has_b) {
                (true, _) => is_national_of(&b, &a),
                (_, true) => is_national_of(&a, &b),
                _ => a == b || is_national_of(&a, &b) || is_national_of(&b, &a),
            }
        }
    }
}

/// Whether `national` is how people of some country write `whole`, which names that country.
fn is_national_of(national: &str, whole: &str) -> bool {
    let own = |trunk: &str| national.strip_prefix(trunk).filter(|own| own.len() >= OWN_DIGITS);
    // Italy's zero stays; elsewhere one goes, as do Russia's and Lithuania's 8 and Hungary's 06.
    let is_rest = |own: &str, codes: &dyn Fn(&str) -> bool| whole.strip_suffix(own).is_some_and(codes);
    let is_trunk = |trunk, codes: &[&str]| own(trunk).is_some_and(|own| is_rest(own, &|code| codes.contains(&code)));
    national == whole
        || own("").is_some_and(|own| is_rest(own, &is_calling_code))
        || own("0").is_some_and(|own| is_rest(own, &is_calling_code))
        || is_trunk("8", &["7", "370", "375", "993"])
        || is_trunk("06", &["36"])
}

/// Whether there is a country or region with that calling code (E.164): of one digit, of two, or of three.
fn is_calling_code(code: &str) -> bool {
    const TWO: [&str; 44] = [
        "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48", "49",
        "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66", "81", "82", "84",
        "86", "90", "91", "92", "93", "94", "95", "98",
    ];
    let is_of_three = |code: &str| {
        let zone = code.get(..2).unwrap_or_default();
        let has_three =
            matches!(zone, "21" | "22" | "23" | "24" | "25" | "26" | "29" | "35" | "37" | "38" | "42" | "50")
                || matches!(zone, "59" | "67" | "68" | "69" | "80" | "85" | "87" | "88" | "96" | "97" | "99");
        code.len() == 3 && has_three
    };
    matches!(code, "1" | "7") || TWO.contains(&code) || is_of_three(code)
}

/// The digits of a number that names its country; none of one that does not.
fn international(phone: &str) -> Option<String> {
    let first = phone.trim_start().trim_start_matches(|c: char| !c.is_ascii_digit() && c != '+');
    let digits = digits(phone);
    match first.starts_with('+') {
        true => Some(digits),
        false => digits.strip_prefix("00").map(str::to_owned),
    }
}

fn digits(phone: &str) -> String {
    phone.chars().filter(char::is_ascii_digit).collect()
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

/// Where the links and images of HTML lead, in their order.
fn addresses(html: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some(at) = ["href=", "src="].iter().filter_map(|name| Some(rest.find(name)? + name.len())).min() {
        rest = &rest[at..];
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
        let value = quote.map_or(rest, |quote| &rest[quote.len_utf8()..]);
        let end = value.find(|c: char| quote.map_or(c.is_whitespace() || c == '>', |quote| c == quote));
        found.push(value[..end.unwrap_or(value.len())].replace("&amp;", "&"));
    }
    found
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

    /// Each table is read both ways round.
    fn hold(question: fn(&str, &Value, &Value) -> bool, expected: bool, table: &[(&str, Value, Value)]) {
        for (name, a, b) in table {
            assert_eq!(question(name, a, b), expected, "{name}: {a} and {b}");
            assert_eq!(question(name, b, a), expected, "{name}: {b} and {a}");
        }
    }

    /// What is no edit is an answer as well.
    fn rewritten() -> Vec<(&'static str, Value, Value)> {
        vec![
            ("phone", json!("0151 2345678"), json!("+491512345678")),
            ("phone", json!("(415) 555-0100"), json!("+14155550100")),
            ("phone", json!("0049 151 2345678"), json!("+49 (151) 234-5678")),
            ("phone", json!(" +1 415 555 0100"), json!("+14155550100")),
            // As GHL keeps them where the location is in Italy, Great Britain, France, Brazil, Japan, India, Morocco, Russia, Hungary, the USA.
            ("phone", json!("06 6982 1234"), json!("+390669821234")),
            ("phone", json!("020 7946 0000"), json!("+442079460000")),
            ("phone", json!("01 42 68 53 00"), json!("+33142685300")),
            ("phone", json!("(11) 91234-5678"), json!("+5511912345678")),
            ("phone", json!("03-1234-5678"), json!("+81312345678")),
            ("phone", json!("098765 43210"), json!("+919876543210")),
            ("phone", json!("0522-123456"), json!("+212522123456")),
            ("phone", json!("8 (912) 345-67-89"), json!("+79123456789")),
            ("phone", json!("06 30 123 4567"), json!("+36301234567")),
            ("phone", json!("1 415 555 0100"), json!("+14155550100")),
            ("phone", json!("491512345678"), json!("+491512345678")),
            ("email", json!("Jane@Example.com"), json!("jane@example.com")),
            ("dueDate", json!("2026-03-01T09:00:00.500Z"), json!("2026-03-01T09:00:00Z")),
            ("dateOfBirth", json!("1969-07-20"), json!("1969-07-20T00:00:00.000Z")),
            ("dateOfBirth", json!("1969-07-20"), json!("07/20/1969")),
            ("dateOfBirth", json!("1969-07-20T00:00:00+05:30"), json!("7/20/1969")),
            ("city", json!(" Berlin "), json!("Berlin")),
            ("city", json!(""), Value::Null),
            ("noteText", json!(""), Value::Null),
            ("customFields.f", json!(5), json!("5")),
            ("customFields.f", json!(5.0), json!(5)),
            ("customFields.f", json!(5.0), json!("5")),
            ("customFields.f", json!("5.00"), json!(5)),
            ("customFields.f", json!(-0.5), json!("-0.50")),
            ("customFields.f", json!(["a"]), json!("a")),
            ("customFields.f", json!([5.0]), json!("5")),
            ("customFields.f", json!([]), Value::Null),
            ("customFields.f", json!(["b", "a"]), json!(["a", "b"])),
            ("customFields.f", json!("2027-03-01"), json!(1_803_859_200_000_i64)),
            ("customFields.f", json!("2027-03-01"), json!("1803859200000")),
            ("customFields.f", json!("2027-03-01"), json!("2027-03-01T00:00:00.000Z")),
            ("customFields.f", json!("2027-03-01"), json!("2027-03-01T00:00:00-05:00")),
            ("customFields.f", json!("2027-03-01T00:00:00.000Z"), json!(1_803_859_200_000_i64)),
            ("customFields.f", json!("2027-03-01T00:00:00.000Z"), json!("2027-03-01T00:00:00Z")),
            ("customFields.f", json!("2027-03-01T09:30:00Z"), json!("2027-03-01T10:30:00+01:00")),
        ]
    }

    /// GHL's form of our own write; of anything else it would be an edit.
    fn answered() -> Vec<(&'static str, Value, Value)> {
        vec![
            ("noteText", json!("Tea & cake"), json!("<p>Tea &amp; cake</p>")),
            ("body", json!("Call"), json!("<div>Call</div>")),
            ("noteText", json!("<a href='x'>Offer</a>"), json!("<a href='y'>Offer</a>")),
            ("noteText", json!("Hi"), json!(" Hi")),
        ]
    }

    /// What a person changed.
    fn edited() -> Vec<(&'static str, Value, Value)> {
        vec![
            ("phone", json!("+14155550100"), json!("+14155550101")),
            ("phone", json!("+1917894563210"), json!("+917894563210")),
            ("phone", json!("001917894563210"), json!("+917894563210")),
            ("phone", json!("+4915551234567"), json!("+15551234567")),
            ("phone", json!("+4915123456789"), json!("0015123456789")),
            ("phone", json!("100"), json!("+14155550100")),
            // What is before the digits is no country.
            ("phone", json!("5551234567"), json!("+4915551234567")),
            ("phone", json!("0151 2345678"), json!("+1999512345678")),
            ("phone", json!("2345678"), json!("+491512345678")),
            ("phone", json!("8 912 345 67 89"), json!("+499123456789")),
            ("phone", json!("+14155550100"), Value::Null),
            ("phone", json!("unknown"), Value::Null),
            ("email", json!("jane@example.com"), json!("jane@example.org")),
            ("firstName", json!("jane"), json!("Jane")),
            ("title", json!("Call"), json!("<b>Call</b>")),
            ("noteText", json!("<p>Hi</p>"), json!("<p>Ho</p>")),
            ("dateOfBirth", json!("1969-07-20"), json!("1969-07-21T00:00:00.000Z")),
            ("dateOfBirth", json!("1969-07-08"), json!("08/07/1969")),
            ("completed", json!(true), json!(false)),
            ("tags.vip", json!(true), Value::Null),
            ("customFields.f", json!(["a"]), json!(["a", "b"])),
            ("customFields.f", json!(5), json!("6")),
            ("customFields.f", json!(5.01), json!(5)),
            ("customFields.f", json!("007"), json!(7)),
            ("customFields.f", json!("1.0"), json!("1")),
            ("customFields.f", json!(0), Value::Null),
            ("customFields.f", json!(true), json!(1)),
            ("customFields.f", json!("2027-03-01"), json!(1_803_945_600_000_i64)),
            ("customFields.f", json!("2027-03-01"), json!("2027-03-02T00:00:00.000Z")),
            ("customFields.f", json!("2027-03-01T09:30:00Z"), json!("2027-03-01T10:30:00Z")),
            ("customFields.f", json!("2027-03-01 09:30:00"), json!("2027-03-02 10:30:00")),
            ("customFields.f", json!("2027-03-01 and more"), json!("2027-03-01")),
            ("customFields.f", json!({"a": 1}), json!({"a": 2})),
        ]
    }

    #[test]
    fn what_ghl_rewrites_is_no_edit() {
        hold(same, true, &rewritten());
        hold(answers, true, &rewritten());
    }

    #[test]
    fn ghls_form_of_our_own_write_answers_it_and_is_an_edit_of_anything_else() {
        hold(answers, true, &answered());
        hold(same, false, &answered());
    }

    #[test]
    fn an_event_is_of_our_own_write_where_the_words_and_what_is_behind_them_are_as_asked() {
        let link = |to: &str| json!(format!("<p>See <a href=\"{to}\">our offer</a></p>"));
        let table: Vec<(&str, Value, Value, bool)> = vec![
            ("noteText", json!("Tea & cake"), json!("<p>Tea &amp; cake</p>"), true),
            (
                "noteText",
                link("https://x.de/?a=1&b=2"),
                json!("<div>See <a target=_blank href='https://x.de/?a=1&amp;b=2'>our offer</a></div>"),
                true,
            ),
            ("noteText", link("https://x.de"), link("https://y.de"), false),
            ("noteText", link("https://x.de"), json!("<p>See our offer</p>"), false),
            ("noteText", json!("See our offer"), link("https://y.de"), false),
            ("noteText", json!("<img src=a.png> Plan"), json!("<img src=\"b.png\"> Plan"), false),
            ("body", link("https://x.de"), link("https://y.de"), false),
            ("customFields.f", json!(["b", "a"]), json!(["a", "b"]), true),
            ("customFields.f", json!("5"), json!(5), true),
            ("customFields.f", json!(7), json!("007"), false),
            ("customFields.f", json!("2027-03-01"), json!(1_803_859_200_000_i64), true),
            ("customFields.f", json!("2027-03-01"), json!("2027-03-02T00:00:00.000Z"), false),
        ];
        for (name, asked, told, expected) in table {
            assert_eq!(echoes(name, &asked, &told), expected, "{name}: {asked} and {told}");
        }
        for (name, asked, told) in rewritten() {
            assert!(echoes(name, &asked, &told) && echoes(name, &told, &asked), "{name}: {asked} and {told}");
        }
        for (name, asked, told) in edited() {
            assert!(!echoes(name, &asked, &told), "{name}: {asked} and {told}");
        }
    }

    #[test]
    fn what_a_person_changed_is_an_edit_and_answers_nothing() {
        hold(same, false, &edited());
        hold(answers, false, &edited());
    }
}
