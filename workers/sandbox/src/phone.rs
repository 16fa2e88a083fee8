//! Phone numbers as GHL stores them: E.164, with the calling code of the location's country where none was given.

/// `None` where there is no digit to keep.
pub(super) fn e164(raw: &str, country: &str) -> Option<String> {
    let digits: String = raw.chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() {
        return None;
    }
    if raw.trim_start().starts_with('+') {
        return Some(format!("+{digits}"));
    }
    if let Some(international) = digits.strip_prefix("00") {
        return Some(format!("+{international}"));
    }
    let code = calling_code(country);
    if code == "1" && digits.len() == 11 && digits.starts_with('1') {
        return Some(format!("+{digits}"));
    }
    Some(format!("+{code}{}", digits.strip_prefix('0').unwrap_or(&digits)))
}

fn calling_code(country: &str) -> &'static str {
    match country {
        "DE" => "49",
        "IN" => "91",
        "AU" => "61",
        "NP" => "977",
        "GB" => "44",
        "NZ" => "64",
        "BR" => "55",
        "JP" => "81",
        "MA" => "212",
        _ => "1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_gets_the_calling_code_of_the_country_unless_it_has_one() {
        for (raw, country, stored) in [
            ("(555) 010-7788", "US", Some("+15550107788")),
            ("1 555 010 7788", "US", Some("+15550107788")),
            ("030 901820", "DE", Some("+4930901820")),
            ("0044 20 7946 0000", "DE", Some("+442079460000")),
            ("+91 98765-43210", "US", Some("+919876543210")),
            ("ask for Ann", "US", None),
        ] {
            assert_eq!(e164(raw, country).as_deref(), stored, "{raw}");
        }
    }
}
