//! Each question over tables of values.

use serde_json::json;

use super::*;

/// Each table is read both ways round.
fn hold(question: fn(&str, &Value, &Value) -> bool, expected: bool, table: &[(&str, Value, Value)]) {
    for (name, a, b) in table {
        assert_eq!(question(name, a, b), expected, "{name}: {a} and {b}");
        assert_eq!(question(name, b, a), expected, "{name}: {b} and {a}");
    }
}

/// What is no edit is an answer as well.
fn rewritten() -> Vec<(&'static str, Value, Value)> {
    vec![
        ("phone", json!("0049 151 2345678"), json!("+49 (151) 234-5678")),
        ("phone", json!(" +1 415 555 0100"), json!("+14155550100")),
        ("phone", json!("+49 (0)151 2345678"), json!("+491512345678")),
        ("phone", json!("0049(0)151-2345678"), json!("+491512345678")),
        ("phone", json!("0151 2345678"), json!("(0151) 234-5678")),
        ("phone", json!("491512345678"), json!("+491512345678")),
        ("phone", json!("1 415 555 0100"), json!("+14155550100")),
        ("email", json!("Jane@Example.com"), json!("jane@example.com")),
        ("dueDate", json!("2026-03-01T09:00:00.500Z"), json!("2026-03-01T09:00:00Z")),
        ("dateOfBirth", json!("1969-07-20"), json!("1969-07-20T00:00:00.000Z")),
        ("dateOfBirth", json!("1969-07-20"), json!("07/20/1969")),
        ("dateOfBirth", json!("1969-07-20T00:00:00+05:30"), json!("7/20/1969")),
        ("city", json!(" Berlin "), json!("Berlin")),
        ("city", json!(""), Value::Null),
        ("noteText", json!(""), Value::Null),
        ("customFields.f", json!(5), json!("5")),
        ("customFields.f", json!(5.0), json!(5)),
        ("customFields.f", json!(5.0), json!("5")),
        ("customFields.f", json!("5.00"), json!(5)),
        ("customFields.f", json!(-0.5), json!("-0.50")),
        ("customFields.f", json!(["a"]), json!("a")),
        ("customFields.f", json!([5.0]), json!("5")),
        ("customFields.f", json!([]), Value::Null),
        ("customFields.f", json!(["b", "a"]), json!(["a", "b"])),
        ("customFields.f", json!("2027-03-01"), json!(1_803_859_200_000_i64)),
        ("customFields.f", json!("2027-03-01"), json!("1803859200000")),
        ("customFields.f", json!("2027-03-01"), json!("2027-03-01T00:00:00.000Z")),
        ("customFields.f", json!("2027-03-01"), json!("2027-03-01T00:00:00-05:00")),
        ("customFields.f", json!("2027-03-01T00:00:00.000Z"), json!(1_803_859_200_000_i64)),
        ("customFields.f", json!("2027-03-01T00:00:00.000Z"), json!("2027-03-01T00:00:00Z")),
        ("customFields.f", json!("2027-03-01T09:30:00Z"), json!("2027-03-01T10:30:00+01:00")),
    ]
}

/// GHL's form of our own write; of anything else it would be an edit.
fn answered() -> Vec<(&'static str, Value, Value)> {
    let kept = vec![
        ("noteText", json!("Tea & cake"), json!("<p>Tea &amp; cake</p>")),
        ("body", json!("Call"), json!("<div>Call</div>")),
        ("noteText", json!("<a href='x'>Offer</a>"), json!("<a href='y'>Offer</a>")),
        ("noteText", json!("Hi"), json!(" Hi")),
    ];
    let phones = national().into_iter().map(|(_, national, whole)| ("phone", json!(national), json!(whole)));
    kept.into_iter().chain(phones).collect()
}

/// Phones without their country, as GHL keeps them where the location is there.
fn national() -> Vec<(&'static str, &'static str, &'static str)> {
    vec![
        ("DE", "0151 2345678", "+491512345678"),
        ("US", "(415) 555-0100", "+14155550100"),
        ("IT", "06 6982 1234", "+390669821234"),
        ("GB", "020 7946 0000", "+442079460000"),
        ("FR", "01 42 68 53 00", "+33142685300"),
        ("BR", "(11) 91234-5678", "+5511912345678"),
        ("JP", "03-1234-5678", "+81312345678"),
        ("IN", "098765 43210", "+919876543210"),
        ("MA", "0522-123456", "+212522123456"),
        ("RU", "8 (912) 345-67-89", "+79123456789"),
        ("HU", "06 30 123 4567", "+36301234567"),
    ]
}

/// What a person changed.
fn edited() -> Vec<(&'static str, Value, Value)> {
    vec![
        ("phone", json!("+14155550100"), json!("+14155550101")),
        ("phone", json!("+1917894563210"), json!("+917894563210")),
        ("phone", json!("001917894563210"), json!("+917894563210")),
        ("phone", json!("+4915551234567"), json!("+15551234567")),
        ("phone", json!("+4915123456789"), json!("0015123456789")),
        ("phone", json!("100"), json!("+14155550100")),
        // What is before the digits is no country.
        ("phone", json!("5551234567"), json!("+4915551234567")),
        ("phone", json!("0151 2345678"), json!("+1999512345678")),
        ("phone", json!("2345678"), json!("+491512345678")),
        ("phone", json!("8 912 345 67 89"), json!("+499123456789")),
        ("phone", json!("+39 (0)6 6982 1234"), json!("+39669821234")),
        ("phone", json!("+14155550100"), Value::Null),
        ("phone", json!("unknown"), Value::Null),
        ("email", json!("jane@example.com"), json!("jane@example.org")),
        ("firstName", json!("jane"), json!("Jane")),
        ("title", json!("Call"), json!("<b>Call</b>")),
        ("noteText", json!("<p>Hi</p>"), json!("<p>Ho</p>")),
        ("dateOfBirth", json!("1969-07-20"), json!("1969-07-21T00:00:00.000Z")),
        ("dateOfBirth", json!("1969-07-08"), json!("08/07/1969")),
        ("completed", json!(true), json!(false)),
        ("tags.vip", json!(true), Value::Null),
        ("customFields.f", json!(["a"]), json!(["a", "b"])),
        ("customFields.f", json!(5), json!("6")),
        ("customFields.f", json!(5.01), json!(5)),
        ("customFields.f", json!("007"), json!(7)),
        ("customFields.f", json!("1.0"), json!("1")),
        ("customFields.f", json!(0), Value::Null),
        ("customFields.f", json!(true), json!(1)),
        ("customFields.f", json!("2027-03-01"), json!(1_803_945_600_000_i64)),
        ("customFields.f", json!("2027-03-01"), json!("2027-03-02T00:00:00.000Z")),
        ("customFields.f", json!("2027-03-01T09:30:00Z"), json!("2027-03-01T10:30:00Z")),
        ("customFields.f", json!("2027-03-01 09:30:00"), json!("2027-03-02 10:30:00")),
        ("customFields.f", json!("2027-03-01 and more"), json!("2027-03-01")),
        ("customFields.f", json!("2027-03-01"), json!("2027-03-01 15:30")),
        ("customFields.f", json!("2027-03-01"), json!("2027-03-01T15:30:00Z")),
        ("customFields.f", json!("0123456789"), json!("123456789")),
        ("customFields.f", json!("01803859200000"), json!("1803859200000")),
        ("customFields.f", json!("4930901820"), json!("4930901821")),
        ("customFields.f", json!({"a": 1}), json!({"a": 2})),
    ]
}

#[test]
fn what_ghl_rewrites_is_no_edit() {
    hold(same, true, &rewritten());
    hold(answers, true, &rewritten());
}

#[test]
fn ghls_form_of_our_own_write_answers_it_and_is_an_edit_of_anything_else() {
    hold(answers, true, &answered());
    hold(same, false, &answered());
}

#[test]
fn an_event_is_of_our_own_write_where_the_words_and_what_is_behind_them_are_as_asked() {
    let link = |to: &str| json!(format!("<p>See <a href=\"{to}\">our offer</a></p>"));
    let table: Vec<(&str, Value, Value, bool)> = vec![
        ("noteText", json!("Tea & cake"), json!("<p>Tea &amp; cake</p>"), true),
        (
            "noteText",
            link("https://x.de/?a=1&b=2"),
            json!("<div>See <a target=_blank href='https://x.de/?a=1&amp;b=2'>our offer</a></div>"),
            true,
        ),
        ("noteText", link("https://x.de"), link("https://y.de"), false),
        ("noteText", link("https://x.de"), json!("<p>See our offer</p>"), false),
        ("noteText", json!("See our offer"), link("https://y.de"), false),
        ("noteText", json!("<img src=a.png> Plan"), json!("<img src=\"b.png\"> Plan"), false),
        ("body", link("https://x.de"), link("https://y.de"), false),
        ("customFields.f", json!(["b", "a"]), json!(["a", "b"]), true),
        ("customFields.f", json!("5"), json!(5), true),
        ("customFields.f", json!(7), json!("007"), false),
        ("customFields.f", json!("2027-03-01"), json!(1_803_859_200_000_i64), true),
        ("customFields.f", json!("2027-03-01"), json!("2027-03-02T00:00:00.000Z"), false),
    ];
    for (name, asked, reported, expected) in table {
        assert_eq!(echoes(name, &asked, &reported), expected, "{name}: {asked} and {reported}");
    }
    for (name, asked, reported) in rewritten() {
        assert!(echoes(name, &asked, &reported) && echoes(name, &reported, &asked), "{name}: {asked} and {reported}");
    }
    for (name, asked, reported) in edited() {
        assert!(!echoes(name, &asked, &reported), "{name}: {asked} and {reported}");
    }
}

#[test]
fn what_a_person_changed_is_an_edit_and_answers_nothing() {
    hold(same, false, &edited());
    hold(answers, false, &edited());
}

/// A national number is a number of the location's country, and of no other.
#[test]
fn a_national_phone_is_the_same_as_that_of_the_locations_country_alone() {
    for (country, national, whole) in national() {
        let here = Habits::of(Some(country), None);
        assert!(same_in(&here, "phone", &json!(national), &json!(whole)), "{country}: {national}");
        assert!(same_in(&here, "phone", &json!(whole), &json!(national)), "{country}: {national}");
        for (elsewhere, ..) in national_of_others(country) {
            let there = Habits::of(Some(elsewhere), None);
            assert!(!same_in(&there, "phone", &json!(national), &json!(whole)), "{elsewhere}: {national} and {whole}");
        }
    }
    let us = Habits::of(Some("US"), None);
    let (asked, indian) = (json!("(789) 456-3210"), json!("+917894563210"));
    assert!(!same_in(&us, "phone", &asked, &indian) && same_in(&us, "phone", &asked, &json!("+17894563210")));
    assert!(same_in(&us, "phone", &asked, &json!("1 789 456 3210")));
}

fn national_of_others(country: &str) -> Vec<(&'static str, &'static str, &'static str)> {
    let mut others = national();
    others.retain(|(other, ..)| *other != country);
    others
}

/// By the kind of the field: (a `DATE` is a day, a `NUMERICAL` or `MONETORY` a number, a `TEXT` its characters; unknown.)
#[test]
fn a_custom_field_of_a_known_kind_compares_as_what_it_holds() {
    let kinds = Habits::kinds_text([("d", "DATE"), ("n", "NUMERICAL"), ("t", "TEXT"), ("u", "RADIO")].into_iter());
    let habits = Habits::of(None, Some(&kinds));
    let day_ms = 1_803_859_200_000_i64;
    let table: Vec<(Value, Value, [bool; 4])> = vec![
        // day, number, text, unknown
        (json!("0123456789"), json!("123456789"), [true, true, false, false]),
        (json!("2027-03-01"), json!("2027-03-01 15:30"), [true, false, false, false]),
        (json!("2027-03-01"), json!("2027-03-01T15:30:00Z"), [true, false, false, false]),
        (json!("2027-03-01"), json!("2027-03-01T00:00:00.000Z"), [true, false, false, true]),
        (json!("2027-03-01"), json!(day_ms), [true, false, false, true]),
        (json!("2027-03-01"), json!("1803859200000"), [true, false, false, true]),
        (json!("2027-03-01"), json!(day_ms + 86_400_000), [false, false, false, false]),
        (json!("5.0"), json!("5"), [false, true, false, false]),
        (json!("5.0"), json!(5), [false, true, true, true]),
        (json!("007"), json!(7), [false, true, false, false]),
        (json!(" x "), json!("x"), [true, true, true, true]),
        (json!("x"), json!("y"), [false, false, false, false]),
        (json!(["a", "b"]), json!(["b", "a"]), [true, true, true, true]),
        (json!(""), Value::Null, [true, true, true, true]),
        (json!("inf"), json!("nan"), [false, false, false, false]),
    ];
    for (a, b, expected) in table {
        for (id, expected) in ["d", "n", "t", "u"].into_iter().zip(expected) {
            let name = format!("customFields.{id}");
            assert_eq!(same_in(&habits, &name, &a, &b), expected, "{id}: {a} and {b}");
            assert_eq!(same_in(&habits, &name, &b, &a), expected, "{id}: {b} and {a}");
        }
    }
}
