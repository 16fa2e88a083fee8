//! For how long a step waits: so long, until a time of day, or until working hours.
//!
//! Times are those on the wall of a zone: the one that is named, or that of the location. On a day on which the clocks change, a time that does not
//! exist is the one after the gap, and of one that comes twice the first counts.

use std::fmt;

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde_json::{Map, Value};
use sync_model::decide::span;

use crate::events::{FieldError, Fields};

/// The days of a week, as people write them.
const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// How a step waits.
#[derive(Debug, Clone, PartialEq)]
pub enum Wait {
    /// So long.
    For(SignedDuration),
    /// Until it is that time.
    Until(Hours),
}

/// A time of day, or a part of the day.
#[derive(Debug, Clone, PartialEq)]
pub struct Hours {
    from: Time,
    /// Where it is a part of the day: within it, there is nothing to wait for.
    to: Option<Time>,
    days: Vec<Weekday>,
    /// None for that of the location.
    zone: Option<TimeZone>,
    words: String,
}

impl Wait {
    /// Until when a step waits that begins now, in a location of that zone.
    #[must_use]
    pub fn until(&self, now: Timestamp, location: &TimeZone) -> Timestamp {
        match self {
            Self::For(long) => now.checked_add(*long).unwrap_or(now),
            Self::Until(hours) => hours.next(now, location),
        }
    }

    /// Reads `"2d"`, or a table with `until` or `within`.
    pub(super) fn read(value: &Value, path: &str) -> Result<Self, Vec<FieldError>> {
        let wrong = |message: String| vec![FieldError { field: path.to_owned(), message }];
        match value {
            Value::String(long) => {
                span::parse(long).map(Self::For).map_err(|expected| wrong(format!("must be {expected}")))
            }
            Value::Object(table) => hours(table, path).map(Self::Until),
            _ => Err(wrong("must be a time as 2d, or a table as { until = \"09:00\" }".to_owned())),
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(long) => f.write_str(&super::look::span(*long)),
            Self::Until(hours) => f.write_str(&hours.words),
        }
    }
}

impl Hours {
    fn next(&self, now: Timestamp, location: &TimeZone) -> Timestamp {
        let zone = self.zone.as_ref().unwrap_or(location);
        let local = zone.to_datetime(now);
        let is_a_day = |day: Weekday| self.days.contains(&day);
        let is_within = self.to.is_some_and(|to| (self.from..to).contains(&local.time()));
        if is_within && is_a_day(local.date().weekday()) {
            return now;
        }
        // A week on there is the same day again.
        let days = (0..=7_i32).filter_map(|days| local.date().checked_add(days.days()).ok());
        let mut times = days.filter(|date| is_a_day(date.weekday()));
        let next = times.find_map(|date| {
            let at = zone.to_timestamp(date.to_datetime(self.from)).ok()?;
            (at > now).then_some(at)
        });
        next.unwrap_or(now)
    }
}

fn hours(table: &Map<String, Value>, path: &str) -> Result<Hours, Vec<FieldError>> {
    let mut fields = Fields::new(table, format!("{path}."));
    let (until, within) = (fields.text("until"), fields.text("within"));
    let (days, zone) = (fields.text("days"), fields.text("zone"));
    let mut words = String::new();
    let (mut from, mut to) = (None, None);
    match (&until, &within) {
        (Some(until), None) => {
            from = time(until);
            words = format!("until {until}");
            if from.is_none() {
                fields.refuse("until", "must be a time of day, as 09:00");
            }
        }
        (None, Some(within)) => {
            let part = within.split_once('-').map(|(from, to)| (time(from), time(to)));
            if let Some((Some(start), Some(end))) = part.filter(|(start, end)| start < end) {
                (from, to) = (Some(start), Some(end));
            } else {
                fields.refuse("within", "must be a part of the day, as 09:00-17:00");
            }
            words = format!("for {within}");
        }
        _ => fields.refuse("", "must say one of until and within, as until = \"09:00\" or within = \"09:00-17:00\""),
    }
    let listed = days.as_deref().map_or_else(|| Some(DAYS.map(|(_, day)| day).to_vec()), week);
    if listed.is_none() {
        fields.refuse("days", "must be days, as mon-fri or sat,sun");
    }
    if let Some(days) = &days {
        words.push_str(&format!(" on {days}"));
    }
    let named = zone.as_deref().filter(|zone| *zone != "location");
    let found = named.map(TimeZone::get);
    if matches!(found, Some(Err(_))) {
        fields.refuse("zone", "must be a time zone, as Europe/Berlin, or location");
    }
    words.push_str(&named.map_or(String::new(), |zone| format!(" ({zone})")));
    let mistakes = fields.finish();
    let zone = found.and_then(Result::ok);
    match (from, listed) {
        (Some(from), Some(days)) if mistakes.is_empty() => Ok(Hours { from, to, days, zone, words }),
        _ => Err(mistakes),
    }
}

/// `09:00`
fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    let is_plain = hour.len() == 2 && minute.len() == 2;
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok().filter(|_| is_plain)
}

/// `mon-fri,sun`
fn week(text: &str) -> Option<Vec<Weekday>> {
    let place = |name: &str| DAYS.iter().position(|(known, _)| *known == name.trim().to_lowercase());
    let mut days = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (place(first)?, place(last)?);
        // From Saturday to Monday goes over the end of the week.
        let count = (last + 7 - first) % 7 + 1;
        days.extend((0..count).map(|offset| DAYS[(first + offset) % 7].1));
    }
    (!days.is_empty()).then_some(days)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn next(wait: Value, now: &str, location: &str) -> String {
        let wait = Wait::read(&wait, "wait").unwrap();
        let zone = TimeZone::get(location).unwrap();
        zone.to_datetime(wait.until(now.parse().unwrap(), &zone)).strftime("%a %F %H:%M").to_string()
    }

    #[test]
    fn a_time_of_day_is_the_next_one_on_the_wall_of_the_zone() {
        let at_nine = json!({"until": "09:00"});
        assert_eq!(next(at_nine.clone(), "2026-03-02T07:30:00Z", "Europe/Berlin"), "Mon 2026-03-02 09:00");
        assert_eq!(next(at_nine.clone(), "2026-03-02T08:00:00Z", "Europe/Berlin"), "Tue 2026-03-03 09:00");
        assert_eq!(next(at_nine.clone(), "2026-03-02T20:00:00Z", "America/New_York"), "Tue 2026-03-03 09:00");
        // Over the night in which the clocks change.
        assert_eq!(next(at_nine, "2026-03-28T20:00:00Z", "Europe/Berlin"), "Sun 2026-03-29 09:00");
        assert_eq!(next(json!({"until": "02:30"}), "2026-03-28T20:00:00Z", "Europe/Berlin"), "Sun 2026-03-29 03:30");
        let weekdays = json!({"until": "09:00", "days": "mon-fri"});
        assert_eq!(next(weekdays, "2026-03-06T12:00:00Z", "Europe/Berlin"), "Mon 2026-03-09 09:00");
        let elsewhere = json!({"until": "09:00", "zone": "Asia/Tokyo"});
        assert_eq!(next(elsewhere, "2026-03-02T20:00:00Z", "Europe/Berlin"), "Tue 2026-03-03 01:00");
    }

    #[test]
    fn within_working_hours_there_is_nothing_to_wait_for() {
        let office = json!({"within": "09:00-17:00", "days": "mon-fri", "zone": "location"});
        assert_eq!(next(office.clone(), "2026-03-02T10:15:00Z", "Europe/Berlin"), "Mon 2026-03-02 11:15");
        assert_eq!(next(office.clone(), "2026-03-02T16:00:00Z", "Europe/Berlin"), "Tue 2026-03-03 09:00");
        assert_eq!(next(office.clone(), "2026-03-02T06:00:00Z", "Europe/Berlin"), "Mon 2026-03-02 09:00");
        assert_eq!(next(office, "2026-03-07T10:00:00Z", "Europe/Berlin"), "Mon 2026-03-09 09:00");
        assert_eq!(
            next(json!({"until": "08:00", "days": "sat-mon"}), "2026-03-03T10:00:00Z", "UTC"),
            "Sat 2026-03-07 08:00"
        );
    }

    #[test]
    fn what_is_no_time_is_a_mistake() {
        for (wait, field) in [
            (json!("soon"), "wait"),
            (json!(7), "wait"),
            (json!({}), "wait."),
            (json!({"until": "9:00"}), "wait.until"),
            (json!({"until": "25:00"}), "wait.until"),
            (json!({"until": "09:00", "within": "09:00-17:00"}), "wait."),
            (json!({"within": "17:00-09:00"}), "wait.within"),
            (json!({"until": "09:00", "days": "someday"}), "wait.days"),
            (json!({"until": "09:00", "zone": "Mars/Base"}), "wait.zone"),
            (json!({"until": "09:00", "hour": 9}), "wait.hour"),
        ] {
            assert_eq!(Wait::read(&wait, "wait").unwrap_err()[0].field, field, "{wait}");
        }
    }
}
