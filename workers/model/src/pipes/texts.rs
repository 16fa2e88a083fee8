//! Pipes of texts.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;
use url::Url;

use super::decimal::Decimal;
use super::{Fit, LONGEST, Unfit, too_long};
use crate::decide::same::e164;

/// A value written out; numbers without an exponent.
pub(super) fn written(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Number(number) => {
            let decimal = Decimal::of(value);
            Cow::Owned(decimal.map_or_else(|| number.to_string(), |decimal| decimal.plain()))
        }
        other => Cow::Owned(other.to_string()),
    }
}

/// Each word begins with a capital, also behind a hyphen; an apostrophe is within a word.
pub(super) fn title(text: &str) -> String {
    let mut titled = String::with_capacity(text.len());
    let mut begins = true;
    for letter in text.chars() {
        let is_part = letter.is_alphanumeric() || (letter == '\'' || letter == '’');
        if begins && letter.is_alphanumeric() {
            let mut capital = letter.to_uppercase();
            titled.extend(capital.next());
            titled.extend(capital.flat_map(char::to_lowercase));
        } else {
            titled.extend(letter.to_lowercase());
        }
        begins = !is_part && (letter.is_whitespace() || "-–/(\"„“".contains(letter) || begins);
    }
    titled
}

/// SHA-256, in hexadecimal digits.
pub(super) fn hash(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// At most so many characters, `end` among them where something was cut off. What belongs to the character before it, as an accent does, is not
/// parted from it.
pub(super) fn truncate(text: &str, most: usize, end: &str) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    let mut keep = most.saturating_sub(end.chars().count());
    let belongs = |at: usize| letters.get(at).is_some_and(|letter| is_mark(*letter));
    let joins = |at: usize| at > 0 && letters[at - 1] == JOINER;
    while keep > 0 && (belongs(keep) || joins(keep)) {
        keep -= 1;
    }
    letters[..keep].iter().copied().chain(end.chars()).collect()
}

/// Of two pictures it makes one.
const JOINER: char = '\u{200d}';

fn is_mark(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{20d0}'..='\u{20ff}')
        || matches!(letter, JOINER | '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}')
}

/// Every `from` becomes `to`; how long that is, is known before it is made.
pub(super) fn replace(text: &str, from: &str, to: &str) -> Fit<Value> {
    let found = text.matches(from).count();
    let length =
        text.len().saturating_sub(found.saturating_mul(from.len())).saturating_add(found.saturating_mul(to.len()));
    if length > LONGEST { Err(too_long()) } else { Ok(text.replace(from, to).into()) }
}

/// A phone in E.164; a national one is of the country with that calling code.
pub(super) fn phone(text: &str, code: Option<&str>) -> Fit<Value> {
    let expected = match code {
        Some(code) => format!("a phone that begins with + or is a national one of the country +{code}"),
        None => "a phone that begins with +, or a country for national ones, as e164 \"DE\"".to_owned(),
    };
    e164(text, code).map(Value::String).ok_or(Unfit(expected, "another text"))
}

/// An address of the web; `https` goes without saying.
pub(super) fn url(text: &str) -> Fit<Value> {
    let url = address(text)?;
    let mut text = String::from(url.clone());
    if url.path() == "/" && url.query().is_none() && url.fragment().is_none() {
        text.truncate(text.trim_end_matches('/').len());
    }
    Ok(text.into())
}

/// The host of an address of the web or of mail, in small letters, without `www.`.
pub(super) fn domain(text: &str) -> Fit<Value> {
    let text = text.trim();
    let of_mail = if text.contains("://") { None } else { text.rsplit_once('@').map(|(_, domain)| domain) };
    let url = address(of_mail.unwrap_or(text))?;
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    Ok(host.strip_prefix("www.").filter(|rest| rest.contains('.')).unwrap_or(host).into())
}

fn address(text: &str) -> Fit<Url> {
    let unfit =
        || Unfit("an address of the web, as example.com or https://example.com/page".to_owned(), "another text");
    let text = text.trim();
    let text = text.strip_prefix("//").unwrap_or(text);
    if text.contains(char::is_control) {
        return Err(unfit());
    }
    let whole = if text.contains("://") { Cow::Borrowed(text) } else { Cow::Owned(format!("https://{text}")) };
    let url = Url::parse(&whole).map_err(|_| unfit())?;
    let host = url.host_str().unwrap_or_default();
    // A number alone would be read as an address of the old internet.
    let is_host = match host.parse::<Ipv4Addr>() {
        Ok(_) => text.contains(host),
        Err(_) => host.trim_end_matches('.').contains('.') || host.starts_with('['),
    };
    let is_web = matches!(url.scheme(), "http" | "https");
    let is_open = url.username().is_empty() && url.password().is_none();
    if is_host && is_web && is_open { Ok(url) } else { Err(unfit()) }
}

/// What people write for yes and no, the author's words before the usual ones; a number is one or zero.
pub(super) fn boolean(value: &Value, yes: Option<&str>, no: Option<&str>) -> Fit<Value> {
    let text = written(value).trim().to_lowercase();
    let said = match text.as_str() {
        text if yes == Some(text) => true,
        text if no == Some(text) => false,
        "true" | "yes" | "y" | "on" | "1" => true,
        "false" | "no" | "n" | "off" | "0" => false,
        _ => {
            let expected = "true, yes, on or 1, false, no, off or 0, or a word that it was given for one of them";
            return Err(Unfit(expected.to_owned(), "another value"));
        }
    };
    Ok(said.into())
}
