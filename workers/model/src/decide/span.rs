//! A stretch of time as people write it.

use jiff::SignedDuration;

/// Reads `30m`, `4h` or `2d`.
///
/// # Errors
/// What is expected instead.
pub fn parse(text: &str) -> Result<SignedDuration, String> {
    let expected = || "a time from 1m to 3650d, in minutes, hours or days: 30m, 4h, 2d".to_owned();
    let (count, minutes) = match text.char_indices().last() {
        Some((end, 'm')) => (&text[..end], 1),
        Some((end, 'h')) => (&text[..end], 60),
        Some((end, 'd')) => (&text[..end], 24 * 60),
        _ => return Err(expected()),
    };
    let most = 3650 * 24 * 60;
    let minutes = count.parse::<u32>().ok().and_then(|count| count.checked_mul(minutes));
    let minutes = minutes.filter(|minutes| (1..=most).contains(minutes)).ok_or_else(expected)?;
    Ok(SignedDuration::from_mins(minutes.into()))
}
