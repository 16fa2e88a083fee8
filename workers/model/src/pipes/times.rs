//! Pipes of times. A time is RFC 3339, or has no offset and is UTC; a day alone is its midnight wherever it is; a number is milliseconds since 1970.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::Value;

use super::{Fit, Unfit};

/// How a time is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Year,
    ShortYear,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Letter(char),
}

const TOKENS: [(&str, Piece); 7] = [
    ("YYYY", Piece::Year),
    ("YY", Piece::ShortYear),
    ("MM", Piece::Month),
    ("DD", Piece::Day),
    ("HH", Piece::Hour),
    ("mm", Piece::Minute),
    ("ss", Piece::Second),
];

impl Pattern {
    /// Reads `DD.MM.YYYY HH:mm`; letters that are to stand as they are, stand in brackets: `HH:mm [Uhr]`.
    pub(super) fn parse(format: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = format;
        while let Some(letter) = rest.chars().next() {
            // The same letter once more would be another token of other systems, as MMM is the month's name.
            let longer = rest.chars().take_while(|other| *other == letter).count();
            if let Some((token, piece)) =
                TOKENS.iter().find(|(token, _)| rest.starts_with(token) && longer == token.len())
            {
                pieces.push(*piece);
                rest = &rest[token.len()..];
            } else if letter == '[' {
                let Some((text, after)) = rest[1..].split_once(']') else {
                    return Err("format has a [ that nothing closes".to_owned());
                };
                pieces.extend(text.chars().map(Piece::Letter));
                rest = after;
            } else if letter.is_alphanumeric() || letter == ']' {
                let tokens: Vec<_> = TOKENS.iter().map(|(token, _)| *token).collect();
                return Err(format!("format knows {}; other letters stand in brackets, as [at]", tokens.join(", ")));
            } else {
                pieces.push(Piece::Letter(letter));
                rest = &rest[letter.len_utf8()..];
            }
        }
        if pieces.is_empty() { Err("format must not be empty".to_owned()) } else { Ok(Self(pieces)) }
    }

    /// Whether what it writes is a date that can be read again.
    pub(super) fn is_day(&self) -> bool {
        self.0 == [Piece::Year, Piece::Letter('-'), Piece::Month, Piece::Letter('-'), Piece::Day]
    }

    fn write(&self, at: DateTime) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Year => format!("{:04}", at.year()),
            Piece::ShortYear => format!("{:02}", at.year().rem_euclid(100)),
            Piece::Month => format!("{:02}", at.month()),
            Piece::Day => format!("{:02}", at.day()),
            Piece::Hour => format!("{:02}", at.hour()),
            Piece::Minute => format!("{:02}", at.minute()),
            Piece::Second => format!("{:02}", at.second()),
            Piece::Letter(letter) => letter.to_string(),
        };
        self.0.iter().map(piece).collect()
    }
}

enum Moment {
    Day(Date),
    Instant(Timestamp),
}

/// The time as the clocks of the zone show it.
pub(super) fn write(value: &Value, pattern: &Pattern, zone: &TimeZone) -> Fit<Value> {
    let at = match moment(value)? {
        Moment::Day(day) => day.to_datetime(Time::midnight()),
        Moment::Instant(instant) => zone.to_datetime(instant),
    };
    Ok(pattern.write(at).into())
}

/// So many calendar days on: the clocks of the zone show the same time then. To the second, since GHL refuses more of the dates of tasks.
pub(super) fn add_days(value: &Value, days: i64, zone: &TimeZone) -> Fit<Value> {
    let unfit = || Unfit("a time whose sum is within the years 1 to 9999".to_owned(), "another");
    let span = Span::new().try_days(days).map_err(|_| unfit())?;
    let is_writable = |day: Date| (1..=9999).contains(&day.year());
    match moment(value)? {
        Moment::Day(day) => {
            let day = day.checked_add(span).ok().filter(|day| is_writable(*day)).ok_or_else(unfit)?;
            Ok(day.to_string().into())
        }
        Moment::Instant(instant) => {
            let instant = Timestamp::from_second(instant.as_second()).map_err(|_| unfit())?;
            let at = zone.to_datetime(instant).checked_add(span).map_err(|_| unfit())?;
            let at = zone.to_timestamp(at).ok().filter(|at| is_writable(TimeZone::UTC.to_datetime(*at).date()));
            Ok(at.ok_or_else(unfit)?.to_string().into())
        }
    }
}

fn moment(value: &Value) -> Fit<Moment> {
    let read = match value {
        Value::Number(ms) => ms.as_i64().and_then(|ms| Timestamp::from_millisecond(ms).ok()).map(Moment::Instant),
        Value::String(text) => read(text.trim()),
        _ => None,
    };
    let expected = "a time, as 2026-03-01T09:00:00Z, or a day, as 2026-03-01";
    read.ok_or_else(|| Unfit(expected.to_owned(), if value.is_number() { "another number" } else { "another text" }))
}

fn read(text: &str) -> Option<Moment> {
    // `2026` alone, or digits, are no time.
    if text.len() < 10 || text.as_bytes().get(4) != Some(&b'-') {
        return None;
    }
    if text.len() == 10 {
        return text.parse().ok().map(Moment::Day);
    }
    let to_local_time = || text.parse::<DateTime>().ok().and_then(|wall| TimeZone::UTC.to_timestamp(wall).ok());
    text.parse().ok().or_else(to_local_time).map(Moment::Instant)
}
