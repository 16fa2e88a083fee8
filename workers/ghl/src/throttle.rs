//! What a reply's headers say of the limits.
//!
//! Documented are the `X-RateLimit-*` counts. `Retry-After` and `X-RateLimit-Daily-Reset` are not, and are honored where
//! they come: the first in seconds, the second in milliseconds, as it was captured. Times in them are measured from the reply's own `Date`, so that no clock of this machine plays a part.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;

use super::error::GhlError;

/// Calls that GHL says are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) interval: Option<u32>,
    pub(super) day: Option<u32>,
}

/// The limits that GHL says the location has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) interval: Option<u32>,
    pub(super) day: Option<u32>,
}

/// The interval of the documents, which those who set a limit go by.
const INTERVAL_MS: u32 = 10_000;

/// No limit of GHL's lasts longer: a header that asks for more is broken, and must not park the location for years.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads the counts; what is no number is as good as absent.
pub(super) fn left(headers: &HeaderMap) -> Left {
    Left { interval: count(headers, "x-ratelimit-remaining"), day: count(headers, "x-ratelimit-daily-remaining") }
}

/// Reads the limits: accounts may have less than the documents promise, and only these headers show it. One for a shorter interval bounds nothing.
pub(super) fn limits(headers: &HeaderMap) -> Limits {
    let is_shorter = count(headers, "x-ratelimit-interval-milliseconds").is_some_and(|ms| ms < INTERVAL_MS);
    Limits {
        interval: count(headers, "x-ratelimit-max").filter(|_| !is_shorter),
        day: count(headers, "x-ratelimit-limit-daily"),
    }
}

/// The error that a 429 is.
pub(super) fn throttled(headers: &HeaderMap) -> GhlError {
    let daily = left(headers).day == Some(0);
    let asked = wait(headers, "retry-after", 1.0);
    let reset = wait(headers, "x-ratelimit-daily-reset", 1e3).filter(|_| daily);
    GhlError::Throttled { retry_after: asked.max(reset).map(|wait| wait.min(LONGEST_WAIT)), daily }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn count(headers: &HeaderMap, name: &str) -> Option<u32> {
    // A server that has let one call too many through counts below zero: none are left.
    let number: i64 = text(headers, name)?.parse().ok()?;
    Some(u32::try_from(number.max(0)).unwrap_or(u32::MAX))
}

/// How long to wait: a number of which `per_second` make a second, a time since 1970 in seconds or milliseconds, an HTTP date, or RFC 3339.
fn wait(headers: &HeaderMap, name: &str, per_second: f64) -> Option<Duration> {
    let value = text(headers, name)?;
    let until = match value.parse::<f64>() {
        Ok(number) if !number.is_finite() => return None,
        Ok(number) if number < 1e8 => return Duration::try_from_secs_f64(number.max(0.0) / per_second).ok(),
        Ok(seconds) if seconds < 1e11 => Timestamp::from_second(seconds as i64).ok()?,
        Ok(millis) => Timestamp::from_millisecond(millis as i64).ok()?,
        Err(_) => http_date(value).or_else(|| value.parse().ok())?,
    };
    let answered = date(headers)?;
    Some(Duration::try_from(until.duration_since(answered)).unwrap_or_default())
}

/// When the reply was made, by the clock of who made it.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(text(headers, "date")?)
}

fn http_date(value: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn retry_after(pairs: &[(&'static str, &'static str)]) -> Option<Duration> {
        match throttled(&headers(pairs)) {
            GhlError::Throttled { retry_after, .. } => retry_after,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn counts_below_zero_leave_none_and_nonsense_leaves_it_open() {
        let reported = left(&headers(&[("x-ratelimit-remaining", "-1"), ("x-ratelimit-daily-remaining", "many")]));
        assert_eq!(reported, Left { interval: Some(0), day: None });
    }

    #[test]
    fn retry_after_may_be_seconds() {
        assert_eq!(retry_after(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
    }

    #[test]
    fn retry_after_may_be_a_date_counted_from_the_replys_own() {
        let date = ("date", "Wed, 21 Oct 2026 07:28:00 GMT");
        assert_eq!(
            retry_after(&[("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT"), date]),
            Some(Duration::from_secs(30))
        );
        assert_eq!(retry_after(&[("retry-after", "Wed, 21 Oct 2026 07:27:00 GMT"), date]), Some(Duration::ZERO));
        assert_eq!(retry_after(&[("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT")]), None);
    }

    #[test]
    fn absent_or_broken_retry_after_is_none() {
        assert_eq!(retry_after(&[]), None);
        assert_eq!(retry_after(&[("retry-after", "soon")]), None);
        let date = ("date", "Wed, 21 Oct 2026 07:28:00 GMT");
        assert_eq!(retry_after(&[("retry-after", "NaN"), date]), None);
        assert_eq!(retry_after(&[("retry-after", "9999999")]), Some(LONGEST_WAIT));
    }

    #[test]
    fn a_used_up_day_waits_for_its_reset() {
        let reported = throttled(&headers(&[
            ("x-ratelimit-daily-remaining", "0"),
            ("x-ratelimit-daily-reset", "2888000"),
            ("retry-after", "10"),
        ]));
        // As captured: 48 minutes, not 33 days.
        assert_eq!(reported, GhlError::Throttled { retry_after: Some(Duration::from_secs(2888)), daily: true });
    }

    #[test]
    fn the_days_reset_does_not_count_while_the_day_has_calls_left() {
        let reported =
            [("x-ratelimit-daily-remaining", "500"), ("x-ratelimit-daily-reset", "3600000"), ("retry-after", "10")];
        assert_eq!(retry_after(&reported), Some(Duration::from_secs(10)));
    }

    #[test]
    fn limits_are_those_of_the_interval_that_is_set_or_of_a_longer_one() {
        let reported = |interval| {
            let mut reported = vec![("x-ratelimit-max", "25"), ("x-ratelimit-limit-daily", "10000")];
            reported.extend(interval);
            limits(&headers(&reported))
        };
        let both = Limits { interval: Some(25), day: Some(10_000) };
        assert_eq!(reported(None), both);
        for (ms, taken) in [("10000", Some(25)), ("3600000", Some(25)), ("1000", None)] {
            assert_eq!(reported(Some(("x-ratelimit-interval-milliseconds", ms))), Limits { interval: taken, ..both });
        }
        assert_eq!(limits(&HeaderMap::new()), Limits { interval: None, day: None });
    }
}
