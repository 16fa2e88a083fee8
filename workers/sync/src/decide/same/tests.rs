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
        ("phone", json!("0151 2345678"), json!("+491512345678")),
        ("phone", json!("(415) 555-0100"), json!("+14155550100")),
        ("phone", json!("0049 151 2345678"), json!("+49 (151) 234-5678")),
        ("phone", json!(" +1 415 555 0100"), json!("+14155550100")),
        // As GHL keeps them where the location is in Italy, Great Britain, France, Brazil, Japan, India, Morocco, Russia, Hungary, the USA.
        ("phone", json!("06 6982 1234"), json!("+390669821234")),
        ("phone", json!("020 7946 0000"), json!("+442079460000")),
        ("phone", json!("01 42 68 53 00"), json!("+33142685300")),
        ("phone", json!("(11) 91234-5678"), json!("+5511912345678")),
        ("phone", json!("03-1234-5678"), json!("+81312345678")),
        ("phone", json!("098765 43210"), json!("+919876543210")),
        ("phone", json!("0522-123456"), json!("+212522123456")),
        ("phone", json!("8 (912) 345-67-89"), json!("+79123456789")),
        ("phone", json!("06 30 123 4567"), json!("+36301234567")),
        ("phone", json!("1 415 555 0100"), json!("+14155550100")),
        ("phone", json!("491512345678"), json!("+491512345678")),
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
    vec![
        ("noteText", json!("Tea & cake"), json!("<p>Tea &amp; cake</p>")),
        ("body", json!("Call"), json!("<div>Call</div>")),
        ("noteText", json!("<a href='x'>Offer</a>"), json!("<a href='y'>Offer</a>")),
        ("noteText", json!("Hi"), json!(" Hi")),
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
    for (name, asked, told, expected) in table {
        assert_eq!(echoes(name, &asked, &told), expected, "{name}: {asked} and {told}");
    }
    for (name, asked, told) in rewritten() {
        assert!(echoes(name, &asked, &told) && echoes(name, &told, &asked), "{name}: {asked} and {told}");
    }
    for (name, asked, told) in edited() {
        assert!(!echoes(name, &asked, &told), "{name}: {asked} and {told}");
    }
}

#[test]
fn what_a_person_changed_is_an_edit_and_answers_nothing() {
    hold(same, false, &edited());
    hold(answers, false, &edited());
}
