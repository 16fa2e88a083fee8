//! Custom fields: compared by their kind where it is known; else a value speaks for itself.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde_json::Value;

use super::habits::Kind;
use super::{iso_day, text};
use crate::decide::fields::is_nothing;

/// A whole number of days in milliseconds is midnight of a day.
const DAY_MS: i64 = 86_400_000;
/// Milliseconds since 1970 have at least so many digits; what has fewer is a number like any other.
const FEWEST_EPOCH_DIGITS: usize = 9;

/// Whether two values of a custom field are the same: as days, numbers or texts where its kind is known. Else a value speaks for itself: numbers compare as
/// numbers, and days as days, but no two texts of digits as moments. GHL gives a single choice back as a list of one, and choices in an order of its own.
pub(super) fn same_custom(a: &Value, b: &Value, kind: Option<Kind>) -> bool {
    match (a, b) {
        (Value::Array(one), Value::Array(other)) => {
            let has = |list: &[Value], value: &Value| list.iter().any(|item| same_custom(item, value, kind));
            one.len() == other.len()
                && one.iter().all(|item| has(other, item))
                && other.iter().all(|item| has(one, item))
        }
        (Value::Array(one), other) | (other, Value::Array(one)) => match one.as_slice() {
            [] => is_nothing(other),
            [one] => same_custom(one, other, kind),
            _ => false,
        },
        (Value::Object(_), _) | (_, Value::Object(_)) => a == b,
        _ if a == b || trimmed(a).is_some_and(|a| Some(a) == trimmed(b)) => true,
        _ => match kind {
            Some(Kind::Day) => day(a).is_some_and(|a| Some(a) == day(b)),
            Some(Kind::Number) => amount(a).is_some_and(|a| Some(a) == amount(b)),
            Some(Kind::Text) => same_number(a, b),
            None => same_number(a, b) || same_day(a, b),
        },
    }
}

/// The calendar day that a value of a field of days means, in whatever form.
fn day(value: &Value) -> Option<Date> {
    Moment::read(value).map(|moment| moment.day)
}

/// The number that a value of a field of numbers means; there, a leading zero makes no code of it.
fn amount(value: &Value) -> Option<f64> {
    let text = match value {
        Value::Number(number) => return number.as_f64(),
        Value::String(text) => text.trim(),
        _ => return None,
    };
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.'));
    if is_plain { text.parse().ok() } else { None }
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

/// A date without a time is the same as midnight of that day. Two forms with a time are the same day where both are midnight; else only the
/// same instant is the same. Two texts of digits are no times, whatever they read like.
fn same_day(a: &Value, b: &Value) -> bool {
    let (Some(one), Some(other)) = (Moment::read(a), Moment::read(b)) else { return false };
    if is_digits(a) && is_digits(b) {
        return false;
    }
    let (a, b) = (one, other);
    match (a.is_day || a.is_midnight) && (b.is_day || b.is_midnight) {
        true => a.day == b.day,
        false => a.at.is_some() && a.at == b.at,
    }
}

fn is_digits(value: &Value) -> bool {
    value.as_str().is_some_and(|text| {
        let text = text.trim();
        let digits = text.strip_prefix('-').unwrap_or(text);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
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

/// A custom field's value as GHL may give it back: numbers as texts, a single choice as a list of one, choices in another order.
pub(super) fn loosely(value: &Value) -> Vec<String> {
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
