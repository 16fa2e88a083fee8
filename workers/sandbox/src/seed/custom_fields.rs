//! Custom fields: one definition of each kind of data, and values that are not always texts.

use rand::{Rng, RngExt};
use serde_json::{Value, json};

use super::{ids, one_of};

const FIELDS: [(&str, &str, &str); 10] = [
    ("Favourite colour", "favourite_colour", "TEXT"),
    ("History", "history", "LARGE_TEXT"),
    ("Visits", "visits", "NUMERICAL"),
    ("Balance", "balance", "MONETORY"),
    ("Interests", "interests", "CHECKBOX"),
    ("Channels", "channels", "MULTIPLE_OPTIONS"),
    ("Plan", "plan", "SINGLE_OPTIONS"),
    ("Newsletter", "newsletter", "RADIO"),
    ("Renewal", "renewal", "DATE"),
    ("Contract", "contract", "FILE_UPLOAD"),
];

/// The definitions of a location, as GHL lists them. The misspelling `MONETORY` is GHL's.
pub(super) fn definitions(rng: &mut impl Rng, location: &str) -> Vec<Value> {
    let define = |(position, (name, key, data_type)): (usize, (&str, &str, &str))| {
        let mut field = json!({
            "id": ids::record(rng),
            "name": name,
            "fieldKey": format!("contact.{key}"),
            "dataType": data_type,
            "model": "contact",
            "placeholder": "",
            "position": position * 50,
            "locationId": location,
        });
        if let Some(options) = options(data_type) {
            field["picklistOptions"] = json!(options);
        }
        field
    };
    FIELDS.into_iter().enumerate().map(define).collect()
}

fn options(data_type: &str) -> Option<[&'static str; 3]> {
    match data_type {
        "CHECKBOX" => Some(["Gardening", "Chess", "Crème brûlée"]),
        "MULTIPLE_OPTIONS" => Some(["E-mail", "SMS", "Phone"]),
        "SINGLE_OPTIONS" => Some(["Free", "Pro", "Enterprise"]),
        "RADIO" => Some(["Yes", "No", "Later"]),
        _ => None,
    }
}

/// The values of one contact: for some of the fields, at times null.
pub(super) fn values(rng: &mut impl Rng, definitions: &[Value]) -> Vec<Value> {
    let mut values = Vec::new();
    for definition in definitions {
        if rng.random_bool(0.4) {
            let value = if rng.random_bool(0.1) { Value::Null } else { value(rng, definition) };
            values.push(json!({ "id": definition["id"], "value": value }));
        }
    }
    values
}

fn value(rng: &mut impl Rng, definition: &Value) -> Value {
    let data_type = definition["dataType"].as_str().unwrap_or_default();
    match (data_type, options(data_type)) {
        ("NUMERICAL", _) => rng.random_range(0..400).into(),
        ("MONETORY", _) => (f64::from(rng.random_range(-5_000..500_000)) / 100.0).into(),
        ("CHECKBOX" | "MULTIPLE_OPTIONS", Some(options)) => options[..rng.random_range(0..=3)].into(),
        (_, Some(options)) => one_of(rng, &options).into(),
        // A date is reported as a day or as epoch milliseconds.
        ("DATE", _) if rng.random_bool(0.5) => 1_780_272_000_000_i64.into(),
        ("DATE", _) => "2026-06-01".into(),
        ("FILE_UPLOAD", _) => json!({
            "f31175d4-2b06-4fc6-b7bc-74cd814c68cb": {
                "meta": { "originalname": "contract.pdf", "mimetype": "application/pdf", "size": 82_345 },
                "url": "https://files.example.com/contract.pdf",
                "documentId": "rlU0kCqAfyzfGYpUD2Ga",
            },
        }),
        ("LARGE_TEXT", _) => "First line\nSecond line, with “quotes” and a tab\t.".into(),
        _ => one_of(rng, &["teal", "rot", "", "紫"]).into(),
    }
}
