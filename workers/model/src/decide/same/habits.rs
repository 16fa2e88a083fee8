//! What is known of a location that says how GHL keeps values there: the country of its phones, and what its custom fields hold.

use std::collections::HashMap;
use std::fmt::Write as _;

/// What a custom field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A calendar day, in whatever form.
    Day,
    /// A number, or an amount of money.
    Number,
    /// What was typed, character by character.
    Text,
}

impl Kind {
    /// That of a `dataType`; none of one that needs no care, or is not known.
    #[must_use]
    fn of(data_type: &str) -> Option<Self> {
        Some(match data_type.trim().to_ascii_uppercase().as_str() {
            "DATE" => Self::Day,
            // GHL misspells it.
            "NUMERICAL" | "NUMBER" | "FLOAT" | "MONETORY" | "MONETARY" => Self::Number,
            "TEXT" | "LARGE_TEXT" => Self::Text,
            _ => return None,
        })
    }

    fn letter(self) -> char {
        match self {
            Self::Day => 'D',
            Self::Number => 'N',
            Self::Text => 'T',
        }
    }
}

/// What is known of a location.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Habits {
    calling_code: Option<&'static str>,
    kinds: HashMap<String, Kind>,
}

impl Habits {
    /// Of a location in a country (ISO 3166) whose custom fields are of these kinds, as [`Habits::kinds_text`] writes them.
    #[must_use]
    pub fn of(country: Option<&str>, kinds: Option<&str>) -> Self {
        let kind = |item: &str| {
            let (letter, id) = (item.chars().next()?, item.get(1..)?);
            let kind = [Kind::Day, Kind::Number, Kind::Text].into_iter().find(|kind| kind.letter() == letter)?;
            Some((id.to_owned(), kind))
        };
        let kinds = kinds.unwrap_or_default().split(' ').filter_map(kind).collect();
        Self { calling_code: country.and_then(calling_code), kinds }
    }

    /// The kinds of custom fields as they are kept: `DabcDef…`, a letter and the id of each.
    #[must_use]
    pub fn kinds_text<'a>(data_types: impl Iterator<Item = (&'a str, &'a str)>) -> String {
        let mut text = String::new();
        for (id, kind) in data_types.filter_map(|(id, data_type)| Some((id, Kind::of(data_type)?))) {
            // Writing into a text has no way to fail.
            let _ = write!(text, "{}{}{id}", if text.is_empty() { "" } else { " " }, kind.letter());
        }
        text
    }

    pub(super) fn calling_code(&self) -> Option<&'static str> {
        self.calling_code
    }

    /// Of the field `name`, such as `customFields.abc`.
    pub(super) fn kind(&self, name: &str) -> Option<Kind> {
        self.kinds.get(name.strip_prefix("customFields.")?).copied()
    }
}

/// Countries by their ISO 3166 code, each with its calling code (E.164).
const CODES: &str = "AC247 AD376 AE971 AF93 AG1 AI1 AL355 AM374 AO244 AR54 AS1 AT43 AU61 AW297 AX358 AZ994 BA387 BB1 BD880 BE32 BF226 BG359 \
    BH973 BI257 BJ229 BL590 BM1 BN673 BO591 BQ599 BR55 BS1 BT975 BW267 BY375 BZ501 CA1 CC61 CD243 CF236 CG242 CH41 CI225 CK682 CL56 CM237 CN86 \
    CO57 CR506 CU53 CV238 CW599 CX61 CY357 CZ420 DE49 DJ253 DK45 DM1 DO1 DZ213 EC593 EE372 EG20 EH212 ER291 ES34 ET251 FI358 FJ679 FK500 FM691 \
    FO298 FR33 GA241 GB44 GD1 GE995 GF594 GG44 GH233 GI350 GL299 GM220 GN224 GP590 GQ240 GR30 GT502 GU1 GW245 GY592 HK852 HN504 HR385 HT509 HU36 \
    ID62 IE353 IL972 IM44 IN91 IO246 IQ964 IR98 IS354 IT39 JE44 JM1 JO962 JP81 KE254 KG996 KH855 KI686 KM269 KN1 KP850 KR82 KW965 KY1 KZ7 LA856 \
    LB961 LC1 LI423 LK94 LR231 LS266 LT370 LU352 LV371 LY218 MA212 MC377 MD373 ME382 MF590 MG261 MH692 MK389 ML223 MM95 MN976 MO853 MP1 MQ596 \
    MR222 MS1 MT356 MU230 MV960 MW265 MX52 MY60 MZ258 NA264 NC687 NE227 NF672 NG234 NI505 NL31 NO47 NP977 NR674 NU683 NZ64 OM968 PA507 PE51 PF689 \
    PG675 PH63 PK92 PL48 PM508 PR1 PS970 PT351 PW680 PY595 QA974 RE262 RO40 RS381 RU7 RW250 SA966 SB677 SC248 SD249 SE46 SG65 SH290 SI386 SJ47 \
    SK421 SL232 SM378 SN221 SO252 SR597 SS211 ST239 SV503 SX1 SY963 SZ268 TA290 TC1 TD235 TG228 TH66 TJ992 TK690 TL670 TM993 TN216 TO676 TR90 TT1 \
    TV688 TW886 TZ255 UA380 UG256 US1 UY598 UZ998 VA39 VC1 VE58 VG1 VI1 VN84 VU678 WF681 WS685 XK383 YE967 YT262 ZA27 ZM260 ZW263";

/// The calling code (E.164) of a country by its two letters (ISO 3166).
#[must_use]
pub fn calling_code(country: &str) -> Option<&'static str> {
    let country = country.trim();
    CODES.split_whitespace().find_map(|item| {
        let (name, code) = item.split_at(2);
        name.eq_ignore_ascii_case(country).then_some(code)
    })
}

/// The countries (ISO 3166) that share a calling code; none of what is no code.
#[must_use]
pub fn countries_with(code: &str) -> Vec<&'static str> {
    let items = CODES.split_whitespace().map(|item| item.split_at(2));
    items.filter(|(_, own)| *own == code).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_has_its_code_and_what_is_none_has_none() {
        for (country, code) in [
            ("US", Some("1")),
            ("de", Some("49")),
            (" IN ", Some("91")),
            ("CI", Some("225")),
            ("", None),
            ("XX", None),
            ("Germany", None),
        ] {
            assert_eq!(Habits::of(Some(country), None).calling_code(), code, "{country}");
        }
    }

    #[test]
    fn kinds_come_back_as_they_were_kept() {
        let types =
            [("d1", "DATE"), ("n1", "NUMERICAL"), ("m1", "MONETORY"), ("t1", "TEXT"), ("c1", "CHECKBOX"), ("x", "")];
        let text = Habits::kinds_text(types.into_iter());
        assert_eq!(text, "Dd1 Nn1 Nm1 Tt1");
        let habits = Habits::of(None, Some(&text));
        let kinds = ["d1", "m1", "t1", "c1"].map(|id| habits.kind(&format!("customFields.{id}")));
        assert_eq!(kinds, [Some(Kind::Day), Some(Kind::Number), Some(Kind::Text), None]);
        assert_eq!(habits.kind("phone"), None);
    }
}
