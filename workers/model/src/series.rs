//! Appointments that repeat.
//!
//! GHL's lists and events do not show whether an appointment repeats: only its id does. Each of a
//! series is an appointment of its own, with an id that GHL makes of the event that heads the
//! series, the start in ms and the length in s.

/// The event that heads the series of `id`: `ocQHyuzHvysMo5N5VsXc` of `ocQHyuzHvysMo5N5VsXc_1729821600000_1800`. None for any other id.
#[must_use]
pub fn head_of(id: &str) -> Option<&str> {
    let mut parts = id.rsplitn(3, '_');
    let (length, start) = (parts.next()?, parts.next()?);
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.next().filter(|head| !head.is_empty() && is_number(length) && is_number(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_an_instance_names_the_head_of_its_series() {
        assert_eq!(head_of("ocQHyuzHvysMo5N5VsXc_1729821600000_1800"), Some("ocQHyuzHvysMo5N5VsXc"));
        assert_eq!(head_of("a_b_1_2"), Some("a_b"));
        for id in ["ocQHyuzHvysMo5N5VsXc", "a_1", "_1_2", "a__2", "a_1_", "a_b_c", ""] {
            assert_eq!(head_of(id), None, "{id}");
        }
    }
}
