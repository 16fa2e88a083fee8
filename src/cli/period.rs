//! Spans of time as arguments: `90d`, `24h`, `30m`.

use std::time::Duration;

/// So many days, hours or minutes.
pub(super) fn period(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number with d, h or m behind it, for instance 90d, 24h or 30m".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let seconds = match unit {
        'd' => 24 * 60 * 60,
        'h' => 60 * 60,
        'm' => 60,
        _ => return Err(wrong()),
    };
    let count: u32 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(count) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_a_number_and_a_unit() {
        let days = |count: u64| Ok(Duration::from_secs(count * 24 * 60 * 60));
        assert_eq!(period("90d"), days(90));
        assert_eq!(period("48h"), days(2));
        assert_eq!(period("1440m"), days(1));
        for wrong in ["", "d", "90", "90 d", "-1d", "1.5h", "9999999999d", "1w", "1é"] {
            assert!(period(wrong).is_err(), "{wrong:?}");
        }
    }
}
