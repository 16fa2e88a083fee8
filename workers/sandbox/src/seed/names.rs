//! Names that break things, then ordinary ones.

use rand::Rng;

use super::one_of;

/// Given to the first contacts of each location in turn. An absent part is `None`, an empty one is kept empty.
const AWKWARD: [(Option<&str>, Option<&str>); 20] = [
    (Some("Ada"), Some("Lovelace")),
    (Some("Siobhán"), Some("O'Brien")),
    (Some("Zoë"), Some("Müller-Lüdenscheidt")),
    (Some(""), Some("")),
    (None, None),
    (Some("小龍"), Some("李")),
    (Some("محمد"), Some("عبد الله")),
    (Some("שָׁלוֹם"), Some("כהן")),
    (Some("🦄 Sparkle"), Some("👨‍👩‍👧‍👦")),
    (Some("İrem"), Some("Işık")),
    (Some("Cher"), None),
    (None, Some("Madonna")),
    (Some("Robert'); DROP TABLE contacts;--"), Some("Tables")),
    (Some("  Spaced  "), Some(" Out ")),
    (Some("<b>Bold</b>"), Some("&amp; Sons")),
    (Some("Anne\tMarie"), Some("Line\nBreak")),
    (Some("Jose\u{301}"), Some("Nun\u{303}ez")),
    (Some("null"), Some("undefined")),
    (Some("\u{202E}gnirts"), Some("\u{200B}Zero")),
    (Some("ANNA-LENA"), Some("van der Wolfeschlegelsteinhausenbergerdorff")),
];

const FIRST: [&str; 12] =
    ["Maria", "Wei", "Omar", "Priya", "Jean-Luc", "Olga", "Kofi", "Yuki", "Søren", "Chloé", "Tomás", "Ngozi"];

const LAST: [&str; 12] =
    ["Silva", "Chen", "Haddad", "Sharma", "D'Angelo", "Ivanova", "Mensah", "Tanaka", "Ærø", "Dubois", "Peña", "Okafor"];

/// First and last name of the `number`-th contact of a location.
pub(super) fn name(rng: &mut impl Rng, number: usize) -> (Option<String>, Option<String>) {
    // One name is longer than a column of 255 characters.
    if number == AWKWARD.len() {
        return (Some("Llanfair".repeat(40)), Some("Pwllgwyngyll".to_owned()));
    }
    match AWKWARD.get(number) {
        Some((first, last)) => (first.map(str::to_owned), last.map(str::to_owned)),
        None => (Some(one_of(rng, &FIRST).to_owned()), Some(one_of(rng, &LAST).to_owned())),
    }
}
