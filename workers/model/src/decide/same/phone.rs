//! Phones, which people write without their country and GHL keeps in E.164.

/// Digits that report one phone from another; what comes before them is a country or a trunk prefix.
const OWN_DIGITS: usize = 7;

/// Whether two phones are one as far as is known: numbers that both name their country are equal in E.164. One that does not is of the location's country,
/// whose calling `code` GHL puts before it; where that is not known, it is the same as its own digits alone.
pub(super) fn same_phone(a: &str, b: &str, code: Option<&str>) -> bool {
    if is_no_number(a) || is_no_number(b) {
        return a.trim() == b.trim();
    }
    match (international(a), international(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) if digits(a) == digits(b) => true,
        (one, other) => {
            let theirs = other.map_or_else(|| wholes(&digits(b), code), |whole| vec![whole]);
            let ours = one.map_or_else(|| wholes(&digits(a), code), |whole| vec![whole]);
            ours.iter().any(|whole| theirs.contains(whole))
        }
    }
}

/// Whether a phone that GHL shows may be its form of another: GHL puts the country of the location before a national one, whose trunk prefix goes or stays
/// as that country has it. So it is the same as a number that is a calling code, whichever, and the rest of it.
pub(super) fn answers_phone(a: &str, b: &str) -> bool {
    if is_no_number(a) || is_no_number(b) {
        return a.trim() == b.trim();
    }
    match (international(a), international(b)) {
        (Some(a), Some(b)) => a == b,
        (Some(a), None) => is_national_of(&digits(b), &a),
        (None, Some(b)) => is_national_of(&digits(a), &b),
        (None, None) => {
            let (a, b) = (digits(a), digits(b));
            a == b || is_national_of(&a, &b) || is_national_of(&b, &a)
        }
    }
}

/// A phone in E.164, `+491512345678`. One that does not name its country is of the country with that calling `code`; none of what is no phone, or could
/// be two.
#[must_use]
pub fn e164(phone: &str, code: Option<&str>) -> Option<String> {
    let is_phone =
        |letter: char| letter.is_ascii_digit() || letter.is_whitespace() || "+-–().·/\u{a0}".contains(letter);
    let is_inner_plus =
        phone.split_once('+').is_some_and(|(before, after)| !digits(before).is_empty() || after.contains('+'));
    // An extension, or a word, is not dialled.
    if is_no_number(phone) || !phone.chars().all(is_phone) || is_inner_plus {
        return None;
    }
    let whole = match (international(phone), code) {
        (Some(whole), _) => whole,
        (None, Some(code)) => {
            let national = digits(phone);
            let own = without_trunk(&national, code);
            let as_reported = is_own(own, code).then(|| format!("{code}{own}"));
            let without_plus = national.strip_prefix(code).filter(|own| own.len() >= OWN_DIGITS && is_own(own, code));
            match (as_reported, without_plus) {
                (Some(whole), None) => whole,
                (None, Some(_)) => national.clone(),
                _ => return None,
            }
        }
        (None, None) => return None,
    };
    let names_country = (1..=3).any(|length| whole.get(..length).is_some_and(is_calling_code));
    // The longest that there are, and no shorter than a country with its own digits.
    let is_whole = (OWN_DIGITS + 1..=15).contains(&whole.len());
    (is_whole && names_country).then(|| format!("+{whole}"))
}

/// Italy, San Marino, the Ivory Coast, the Congo and Benin, where the zero is a digit of the number.
const KEEP_ZERO: [&str; 5] = [ITALY, "378", "225", "242", "229"];

/// What is dialled after the country: most countries drop a zero, some another prefix, and some keep theirs.
fn without_trunk<'a>(national: &'a str, code: &str) -> &'a str {
    if KEEP_ZERO.contains(&code) {
        return national;
    }
    let trunks = TRUNKS.iter().filter(|(_, codes)| codes.contains(&code)).map(|(trunk, _)| *trunk).chain(["0"]);
    let own = trunks.filter_map(|trunk| national.strip_prefix(trunk)).find(|own| is_own(own, code));
    // Where the eight is also a digit of its own, the length reports.
    match own {
        Some(own) if national.starts_with('0') || !is_own(national, code) => own,
        _ => national,
    }
}

/// Whether there are numbers of that length behind the calling code.
fn is_own(own: &str, code: &str) -> bool {
    let lengths = match code {
        "1" | "7" | "52" | "91" => 10..=10,
        "33" | "34" | "41" | "48" | "351" | "375" | "420" | "421" => 9..=9,
        "45" | "47" | "370" | "993" => 8..=8,
        "44" => 9..=10,
        "49" => 6..=11,
        _ => 6..=12,
    };
    lengths.contains(&own.len()) && (!own.starts_with('0') || KEEP_ZERO.contains(&code))
}

fn is_no_number(phone: &str) -> bool {
    digits(phone).bytes().all(|digit| digit == b'0')
}

/// The numbers in E.164, without the plus, that a national one may be in a country with that calling code.
fn wholes(national: &str, code: Option<&str>) -> Vec<String> {
    let Some(code) = code else { return vec![national.to_owned()] };
    let mut wholes = Vec::new();
    if national.strip_prefix(code).is_some_and(|own| own.len() >= OWN_DIGITS) {
        // The plus alone is missing.
        wholes.push(national.to_owned());
    }
    let trunks =
        ["", "0"].into_iter().chain(TRUNKS.iter().filter(|(_, codes)| codes.contains(&code)).map(|(trunk, _)| *trunk));
    let owns = trunks.filter_map(|trunk| national.strip_prefix(trunk)).filter(|own| own.len() >= OWN_DIGITS);
    wholes.extend(owns.map(|own| format!("{code}{own}")));
    wholes
}

/// Trunk prefixes other than the zero, and whose they are: Russia's and Lithuania's 8, Hungary's 06.
const TRUNKS: [(&str, &[&str]); 2] = [("8", &["7", "370", "375", "993"]), ("06", &["36"])];

/// Whether `national` is how people of some country write `whole`, which names that country.
fn is_national_of(national: &str, whole: &str) -> bool {
    let own = |trunk: &str| national.strip_prefix(trunk).filter(|own| own.len() >= OWN_DIGITS);
    // Italy's zero stays; elsewhere one goes, as do other trunk prefixes.
    let is_rest = |own: &str, codes: &dyn Fn(&str) -> bool| whole.strip_suffix(own).is_some_and(codes);
    let is_trunk =
        |trunk: &str, codes: &[&str]| own(trunk).is_some_and(|own| is_rest(own, &|code| codes.contains(&code)));
    national == whole
        || own("").is_some_and(|own| is_rest(own, &is_calling_code))
        || own("0").is_some_and(|own| is_rest(own, &is_calling_code))
        || TRUNKS.iter().any(|(trunk, codes)| is_trunk(trunk, codes))
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

/// The digits of a number that names its country; none of one that does not. `+49 (0)151` says that the zero goes where the country is named, but in
/// Italy, whose zero stays.
fn international(phone: &str) -> Option<String> {
    let first = phone.trim_start().trim_start_matches(|c: char| !c.is_ascii_digit() && c != '+');
    let whole = |phone: &str| {
        let digits = digits(phone);
        if first.starts_with('+') { Some(digits) } else { digits.strip_prefix("00").map(str::to_owned) }
    };
    let reported = whole(phone)?;
    match phone.split_once("(0)") {
        Some((code, own)) if !digits(code).is_empty() && !reported.starts_with(ITALY) => whole(&format!("{code}{own}")),
        _ => Some(reported),
    }
}

/// Its calling code.
const ITALY: &str = "39";

fn digits(phone: &str) -> String {
    phone.chars().filter(char::is_ascii_digit).collect()
}
