//! Numbers as people write them: whole digits and a place for the point, so that no amount ever shows what binary fractions do to it.

use serde_json::{Number, Value};

use super::{Fit, Unfit};

/// A decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    is_negative: bool,
    /// All digits, without the point.
    digits: u128,
    /// So many of them stand behind the point.
    scale: u32,
}

/// Digits of a number, of those before and behind the point each.
const MOST_DIGITS: usize = 18;
/// Digits that a binary fraction of 64 bits keeps.
const EXACT: u128 = 1_000_000_000_000_000;
/// What people put between thousands, beside the other sign.
const GROUPS: [char; 5] = [' ', '\u{a0}', '\u{202f}', '\'', '’'];

/// How an amount of money is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) currency: String,
    pub(super) places: u32,
    pub(super) decimal: char,
    pub(super) group: Option<char>,
}

impl Decimal {
    /// Reads `-1,234.5`, where `point` is the sign before decimals and groups are of three.
    pub(super) fn parse(text: &str, point: char) -> Option<Self> {
        let text = text.trim();
        let (is_negative, text) = match text.strip_prefix(['-', '−']) {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = match text.split_once(point) {
            Some((_, "")) => return None,
            Some((whole, fraction)) => (whole, fraction),
            None => (text, ""),
        };
        let other = if point == '.' { ',' } else { '.' };
        let group = whole.chars().find(|letter| !letter.is_ascii_digit());
        let whole = match group {
            None => whole.to_owned(),
            Some(group) if group == other || GROUPS.contains(&group) => ungrouped(whole, group)?,
            Some(_) => return None,
        };
        Self::of_digits(is_negative, &whole, fraction)
    }

    /// A number of JSON, or a text that is one.
    pub(super) fn of(value: &Value) -> Option<Self> {
        let number = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => return Self::parse(text, '.'),
            _ => return None,
        };
        let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((&number, "0"));
        let exponent = exponent.parse::<i32>().ok()?;
        let (is_negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let shift = usize::try_from(exponent.unsigned_abs()).ok().filter(|shift| *shift <= 2 * MOST_DIGITS)?;
        let all = format!("{whole}{fraction}");
        // The point of `1.5e2` moves to the right, over zeros that are not written.
        let point = i64::try_from(whole.len()).ok()? + i64::from(exponent);
        let (padded, point) = match usize::try_from(point) {
            Ok(point) => (format!("{all}{}", "0".repeat(shift)), point),
            Err(_) => (format!("{}{all}", "0".repeat(shift.saturating_sub(whole.len()))), 0),
        };
        let (whole, fraction) = match point {
            0 => ("", padded.as_str()),
            point => padded.split_at_checked(point)?,
        };
        Self::of_digits(is_negative, whole, fraction)
    }

    fn of_digits(is_negative: bool, whole: &str, fraction: &str) -> Option<Self> {
        let fraction = fraction.trim_end_matches('0');
        let all = format!("{whole}{fraction}");
        let is_number = all.bytes().all(|digit| digit.is_ascii_digit());
        let (whole_digits, places) = (whole.trim_start_matches('0').len(), fraction.len());
        if !is_number || whole_digits > MOST_DIGITS + 2 || places > MOST_DIGITS {
            return None;
        }
        // A point alone, or a sign, is no number; `.50` and `0` are.
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let digits: u128 = all.parse().ok()?;
        Some(Self { is_negative: is_negative && digits != 0, digits, scale: u32::try_from(places).ok()? })
    }

    /// Half goes away from zero.
    fn rounded(self, places: u32) -> Self {
        let Some(cut) = self.scale.checked_sub(places).filter(|cut| *cut > 0) else { return self };
        let unit = 10_u128.pow(cut);
        let (kept, rest) = (self.digits / unit, self.digits % unit);
        let digits = kept + u128::from(rest * 2 >= unit);
        Self { is_negative: self.is_negative && digits != 0, digits, scale: places }
    }

    /// As a number of JSON; none of one with more digits than such numbers keep.
    pub(super) fn number(self) -> Option<Number> {
        let plain = self.plain();
        if !plain.contains('.') {
            return plain.parse::<i64>().map(Number::from).or_else(|_| plain.parse::<u64>().map(Number::from)).ok();
        }
        // The nearest binary fraction of so few digits is written as those digits again.
        if self.digits >= EXACT { None } else { plain.parse::<f64>().ok().and_then(Number::from_f64) }
    }

    /// Without zeros at the end.
    pub(super) fn plain(self) -> String {
        let text = self.text(self.scale, '.', None);
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    }

    /// With so many digits behind the point, which are no fewer than it has.
    fn text(self, places: u32, point: char, group: Option<char>) -> String {
        let missing = usize::try_from(places.saturating_sub(self.scale)).unwrap_or(0);
        let places = usize::try_from(places).unwrap_or(0);
        let digits = format!("{:0>width$}", format!("{}{}", self.digits, "0".repeat(missing)), width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let mut text = if self.is_negative { "-".to_owned() } else { String::new() };
        for (at, digit) in whole.chars().enumerate() {
            if let Some(group) = group.filter(|_| at > 0 && (whole.len() - at).is_multiple_of(3)) {
                text.push(group);
            }
            text.push(digit);
        }
        if !fraction.is_empty() {
            text.push(point);
            text.push_str(fraction);
        }
        text
    }
}

fn ungrouped(whole: &str, group: char) -> Option<String> {
    let mut groups = whole.split(group);
    let first = groups.next().filter(|first| (1..=3).contains(&first.len()))?;
    let mut digits = first.to_owned();
    for three in groups {
        if three.len() != 3 {
            return None;
        }
        digits.push_str(three);
    }
    Some(digits)
}

fn unfit(value: &Value) -> Unfit {
    let found = if value.is_number() { "a longer one" } else { "another text" };
    Unfit("a number of at most 15 digits with a point, or a whole one".to_owned(), found)
}

/// The number that a text says.
pub(super) fn number(value: Value, point: char) -> Fit<Value> {
    let Value::String(text) = &value else { return Ok(value) };
    let number = Decimal::parse(text, point).and_then(Decimal::number);
    number.map(Value::Number).ok_or_else(|| unfit(&value))
}

/// The number to so many decimals.
pub(super) fn round(value: &Value, places: u32) -> Fit<Value> {
    let number = Decimal::of(value).and_then(|decimal| decimal.rounded(places).number());
    number.map(Value::Number).ok_or_else(|| unfit(value))
}

/// An amount of money.
pub(super) fn money(value: &Value, form: &Form) -> Fit<Value> {
    let amount = Decimal::of(value).ok_or_else(|| unfit(value))?.rounded(form.places);
    Ok(format!("{} {}", amount.text(form.places, form.decimal, form.group), form.currency).into())
}

/// Decimals of a currency (ISO 4217).
pub(super) fn places_of(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}
