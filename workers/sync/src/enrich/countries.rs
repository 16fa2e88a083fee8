//! The country of a phone, where its calling code belongs to one country alone.

use sync_model::decide::same::countries_with;

/// The two letters (ISO 3166) of the country of a phone in E.164. None where several share the code, as those of +1 and +7 do.
pub(super) fn of_phone(e164: &str) -> Option<String> {
    let digits = e164.strip_prefix('+')?;
    // No calling code begins with another.
    let code = (1..=3).filter_map(|length| digits.get(..length)).find(|code| !countries_with(code).is_empty())?;
    match countries_with(code).as_slice() {
        [only] => Some((*only).to_owned()),
        several => main(code, several).map(str::to_owned),
    }
}

/// Codes that islands share with their mother country, in which nearly all phones are.
const MAIN: [(&str, &str); 7] =
    [("44", "GB"), ("61", "AU"), ("47", "NO"), ("358", "FI"), ("39", "IT"), ("64", "NZ"), ("212", "MA")];

fn main<'a>(code: &str, several: &[&'a str]) -> Option<&'a str> {
    let (_, main) = MAIN.iter().find(|(known, _)| *known == code)?;
    several.iter().find(|country| *country == main).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_has_its_country_where_the_code_says_one() {
        for (phone, country) in [
            ("+4915112345678", Some("DE")),
            ("+442071234567", Some("GB")),
            ("+390612345678", Some("IT")),
            ("+351212345678", Some("PT")),
            ("+12025550123", None),
            ("+77012345678", None),
            ("0151", None),
            ("", None),
        ] {
            assert_eq!(of_phone(phone).as_deref(), country, "{phone}");
        }
    }
}
