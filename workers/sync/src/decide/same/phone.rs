//! Phones, which people write without their country and GHL keeps in E.164.

/// Digits that tell one phone from another; what comes before them is a country or a trunk prefix.
const OWN_DIGITS: usize = 7;

/// Two numbers that both name their country are the same where they are equal in E.164. GHL puts the country of the location before a national one,
/// whose trunk prefix goes or stays as that country has it: so it is the same as a number that is a calling code and the rest of it.
pub(super) fn same_phone(a: &str, b: &str) -> bool {
    match (international(a), international(b)) {
        (Some(a), Some(b)) => a == b,
        (one, other) => {
            let (has_a, has_b) = (one.is_some(), other.is_some());
            let texts = (a.trim(), b.trim());
            let (a, b) = (one.unwrap_or_else(|| digits(a)), other.unwrap_or_else(|| digits(b)));
            if a.bytes().chain(b.bytes()).all(|digit| digit == b'0') {
                return texts.0 == texts.1;
            }
            match (has_a, has_b) {
                (true, _) => is_national_of(&b, &a),
                (_, true) => is_national_of(&a, &b),
                _ => a == b || is_national_of(&a, &b) || is_national_of(&b, &a),
            }
        }
    }
}

/// Whether `national` is how people of some country write `whole`, which names that country.
fn is_national_of(national: &str, whole: &str) -> bool {
    let own = |trunk: &str| national.strip_prefix(trunk).filter(|own| own.len() >= OWN_DIGITS);
    // Italy's zero stays; elsewhere one goes, as do Russia's and Lithuania's 8 and Hungary's 06.
    let is_rest = |own: &str, codes: &dyn Fn(&str) -> bool| whole.strip_suffix(own).is_some_and(codes);
    let is_trunk = |trunk, codes: &[&str]| own(trunk).is_some_and(|own| is_rest(own, &|code| codes.contains(&code)));
    national == whole
        || own("").is_some_and(|own| is_rest(own, &is_calling_code))
        || own("0").is_some_and(|own| is_rest(own, &is_calling_code))
        || is_trunk("8", &["7", "370", "375", "993"])
        || is_trunk("06", &["36"])
}

/// Whether there is a country or region with that calling code (E.164): of one digit, of two, or of three.
fn is_calling_code(code: &str) -> bool {
    const TWO: [&str; 44] = [
        "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48", "49",
        "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66", "81", "82", "84",
        "86", "90", "91", "92", "93", "94", "95", "98",
    ];
    let is_of_three = |code: &str| {
        let zone = code.get(..2).unwrap_or_default();
        let has_three =
            matches!(zone, "21" | "22" | "23" | "24" | "25" | "26" | "29" | "35" | "37" | "38" | "42" | "50")
                || matches!(zone, "59" | "67" | "68" | "69" | "80" | "85" | "87" | "88" | "96" | "97" | "99");
        code.len() == 3 && has_three
    };
    matches!(code, "1" | "7") || TWO.contains(&code) || is_of_three(code)
}

/// The digits of a number that names its country; none of one that does not.
fn international(phone: &str) -> Option<String> {
    let first = phone.trim_start().trim_start_matches(|c: char| !c.is_ascii_digit() && c != '+');
    let digits = digits(phone);
    match first.starts_with('+') {
        true => Some(digits),
        false => digits.strip_prefix("00").map(str::to_owned),
    }
}

fn digits(phone: &str) -> String {
    phone.chars().filter(char::is_ascii_digit).collect()
}
