use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// The field `x` of that type, with what else its table says.
fn field(value_type: ValueType, more: Value) -> MappedField {
    let mut table = json!({"ghl": "contact.x", "type": value_type.word()});
    if matches!(value_type, ValueType::Choice | ValueType::Choices) {
        table["values"] = json!({"lead": "Lead", "customer": "Kunde", "lost": "Crème brûlée"});
    }
    for (word, value) in more.as_object().into_iter().flatten() {
        table[word] = value.clone();
    }
    Mapping::read(&json!({"contact": {"x": table}})).unwrap().fields.remove(0)
}

fn mistakes(document: Value) -> Vec<(String, String)> {
    let mistakes = Mapping::read(&document).err().unwrap_or_default();
    mistakes.into_iter().map(|mistake| (mistake.field, mistake.message)).collect()
}

/// A value as GHL gives it back in a field of that type.
fn ghl_value(value_type: ValueType) -> BoxedStrategy<Value> {
    let day = (1900_i32..2100, 1_u32..13, 1_u32..29).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}"));
    let choice = || prop::sample::select(vec!["Lead", "Kunde", "Crème brûlée"]);
    match value_type {
        ValueType::Text => "[^\\x00]*[a-zäß€紫]".prop_map(Value::from).boxed(),
        ValueType::Number | ValueType::Money => prop_oneof![
            any::<i32>().prop_map(Value::from),
            (-100_000_000_i64..100_000_000).prop_map(|cents| json!(cents as f64 / 100.0)),
        ]
        .boxed(),
        ValueType::Date => day.prop_map(Value::from).boxed(),
        ValueType::Datetime => (day, 0_u32..24, 0_u32..60, 0_u32..60)
            .prop_map(|(day, h, m, s)| json!(format!("{day}T{h:02}:{m:02}:{s:02}Z")))
            .boxed(),
        ValueType::Bool => any::<bool>().prop_map(|is| json!(is.to_string())).boxed(),
        ValueType::Choice => choice().prop_map(Value::from).boxed(),
        ValueType::Choices => prop::collection::vec(choice(), 1..4).prop_map(Value::from).boxed(),
        ValueType::Email => "[a-z0-9.]{1,9}@[a-z]{1,9}\\.[a-z]{2,3}".prop_map(Value::from).boxed(),
        ValueType::Phone => "\\+49[1-9][0-9]{8,9}".prop_map(Value::from).boxed(),
        ValueType::Url => "https://[a-z]{1,9}\\.[a-z]{2,3}/[a-z]{1,9}".prop_map(Value::from).boxed(),
    }
}

/// Whatever GHL may have stored.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        "[0-9.,:TZ+-]{1,24}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,3}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_read_is_written_as_it_was(
        (value_type, raw) in prop::sample::select(ValueType::ALL.to_vec())
            .prop_flat_map(|value_type| (Just(value_type), ghl_value(value_type)))
    ) {
        let field = field(value_type, json!({}));
        let read = field.input(&raw);
        let Reading::Value(value) = read else { panic!("{value_type:?} does not read {raw}: {read:?}") };
        prop_assert_eq!(field.output(&value), Ok(raw));
    }

    #[test]
    fn what_any_value_reads_as_reads_the_same_once_it_is_written(
        value_type in prop::sample::select(ValueType::ALL.to_vec()), raw in anything()
    ) {
        let field = field(value_type, json!({}));
        if let Reading::Value(value) = field.input(&raw) {
            let written = field.output(&value);
            prop_assert_eq!(written.map(|written| field.input(&written)), Ok(Reading::Value(value)));
        }
    }
}

#[test]
fn forms_of_ghls_read_as_one() {
    let cases = [
        (ValueType::Date, json!(1_780_272_000_000_i64), json!("2026-06-01")),
        (ValueType::Date, json!("1780272000000"), json!("2026-06-01")),
        (ValueType::Date, json!("2026-06-01T23:00:00-05:00"), json!("2026-06-01")),
        (ValueType::Datetime, json!("2026-06-01T10:00:00+02:00"), json!("2026-06-01T08:00:00Z")),
        (ValueType::Number, json!("1,234.5"), json!(1234.5)),
        (ValueType::Money, json!("$1,234.50"), json!(1234.5)),
        (ValueType::Money, json!("99 EUR"), json!(99)),
        (ValueType::Bool, json!("Yes"), json!(true)),
        (ValueType::Choice, json!(["Lead"]), json!("lead")),
        (ValueType::Choice, json!(" KUNDE "), json!("customer")),
        (ValueType::Choices, json!("Lead"), json!(["lead"])),
        (ValueType::Email, json!(" Ada@Example.com"), json!("ada@example.com")),
        (ValueType::Text, json!(5), json!("5")),
    ];
    for (value_type, raw, expected) in cases {
        assert_eq!(field(value_type, json!({})).input(&raw), Reading::Value(expected), "{value_type:?} {raw}");
    }
}

#[test]
fn what_does_not_read_is_shown_with_its_reason() {
    let shown = field(ValueType::Number, json!({})).input(&json!("many")).shown();
    assert_eq!(shown, json!({"unmapped": {"raw": "many", "why": "expected a number, as 12.5"}}));
    let shown = field(ValueType::Choice, json!({})).input(&json!("Partner")).shown();
    assert_eq!(shown["unmapped"]["why"], "expected one of \"Kunde\", \"Lead\", \"Crème brûlée\", which values names");
    for nothing in [json!(null), json!(""), json!([])] {
        assert_eq!(field(ValueType::Choices, json!({})).input(&nothing), Reading::Nothing);
    }
}

#[test]
fn pipes_stand_between_ghl_and_the_type() {
    let pipes = json!({"in": "{value | number \",\"}", "out": "{value | text | replace \".\" \",\"}"});
    let field = field(ValueType::Number, pipes);
    assert_eq!(field.input(&json!("1.234,5")), Reading::Value(json!(1234.5)));
    assert_eq!(field.output(&json!(1234.5)), Ok(json!("1234,5")));
}

#[test]
fn the_sample_of_the_design_is_a_mapping() {
    let document = json!({"contact": {"lifecycle": {
        "ghl": "contact.lifecycle_stage", "type": "choice", "values": {"lead": "Lead", "customer": "Kunde"},
        "direction": "both", "wins": "clienty", "in": "{value | trim}", "out": "{value | upper}",
    }}});
    let mapping = Mapping::read(&document).unwrap();
    let said = [("lifecycle".to_owned(), json!("lead"))].into();
    assert_eq!(mapping.write(&said), Ok([("customFields.contact.lifecycle_stage".to_owned(), json!("LEAD"))].into()));
}

#[test]
fn every_mistake_is_named_with_its_remedy() {
    let document = json!({
        "task": {},
        "contact": {
            "1st": {"ghl": "contact.a", "type": "text"},
            "a": {"ghl": "contact.a", "type": "txt", "direction": "form_ghl", "wins": "me", "tpye": "text"},
            "b": {"ghl": "lifecycle", "type": "choice"},
            "c": {"ghl": "contact.c", "type": "text", "values": {"x": "X"}, "in": "{value | trm}"},
            "d": {"ghl": "dnd", "type": "text"},
            "e": {"ghl": "contact.e", "type": "number", "in": "{value | split}", "out": "value"},
            "f": {"ghl": "contact.f", "type": "choice", "values": {"x": "X", "y": "X"}},
            "g": {"ghl": "contact.g", "type": "choice", "values": {"x": "X", "y": "Y"}, "out": "{value | replace \"X\" \"Y\"}"},
            "h": {"ghl": "companyName", "type": "text"},
            "i": {"ghl": "companyName", "type": "text"},
            "j": {"type": "bool", "values": {"yes": "Ja"}},
        },
    });
    let found = mistakes(document);
    let fields: Vec<_> = found.iter().map(|(field, _)| field.as_str()).collect();
    let expected = [
        "task",
        "contact.1st",
        "contact.a.tpye",
        "contact.a.type",
        "contact.a.direction",
        "contact.a.wins",
        "contact.b.ghl",
        "contact.b.values",
        "contact.c.values",
        "contact.c.in",
        "contact.d.type",
        "contact.e.out",
        "contact.e.in",
        "contact.f.values.y",
        "contact.g.out",
        "contact.j.ghl",
        "contact.j.values",
        "contact.i.ghl",
    ];
    assert_eq!(fields, expected, "{found:#?}");
    let has = |field: &str, part: &str| found.iter().any(|(at, message)| at == field && message.contains(part));
    assert!(has("contact.a.direction", "did you mean from_ghl?"), "{found:#?}");
    assert!(has("contact.b.ghl", "contact.lifecycle"), "{found:#?}");
    assert!(has("contact.c.in", "character 10: there is no pipe trm; did you mean trim?"), "{found:#?}");
}

#[test]
fn producers_are_shown_what_they_may_write() {
    let document = json!({"contact": {
        "lifecycle": {"ghl": "contact.l", "type": "choice", "values": {"lead": "Lead"}},
        "score": {"ghl": "contact.s", "type": "number", "direction": "from_ghl"},
    }});
    let mapping = Mapping::read(&document).unwrap();
    let refused = |name: &str, value: Value| mapping.write(&[(name.to_owned(), value)].into()).unwrap_err().message;
    assert!(refused("lifecicle", json!("lead")).contains("did you mean lifecycle?"));
    assert!(refused("score", json!(5)).contains("from_ghl"));
    assert!(refused("lifecycle", json!("leed")).contains("did you mean lead?"));
    assert_eq!(
        mapping.write(&[("lifecycle".to_owned(), json!(null))].into()).unwrap()["customFields.contact.l"],
        json!(null)
    );
}

fn definitions() -> Vec<Definition> {
    let define = |key: &str, data_type: &str, options: &[&str]| Definition {
        id: format!("id-{key}"),
        key: key.to_owned(),
        name: Some(key.to_uppercase()),
        data_type: Some(data_type.to_owned()),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
    };
    vec![
        define("lifecycle_stage", "SINGLE_OPTIONS", &["Lead", "Kunde", "Crème brûlée"]),
        define("interests", "CHECKBOX", &["Chess", "chess", "2 x 2"]),
        define("balance", "MONETORY", &[]),
        define("contract", "FILE_UPLOAD", &[]),
        define("plan", "RADIO", &[]),
    ]
}

#[test]
fn a_mapping_is_held_against_the_fields_of_a_location() {
    let document = json!({"contact": {
        "a": {"ghl": "contact.lifecycle_stagee", "type": "text"},
        "b": {"ghl": "contact.lifecycle_stage", "type": "choice", "values": {"lead": "Leed", "customer": "Kunde"}},
        "c": {"ghl": "contact.balance", "type": "date"},
        "d": {"ghl": "contact.contract", "type": "text", "direction": "from_ghl"},
        "e": {"ghl": "contact.balance", "type": "text", "direction": "from_ghl"},
    }});
    let found = Mapping::read(&document).unwrap().check(&definitions());
    let found: Vec<_> = found.into_iter().map(|mistake| (mistake.field, mistake.message)).collect();
    let fields: Vec<_> = found.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["contact.a.ghl", "contact.b.values.lead", "contact.c.type", "contact.d.type"], "{found:#?}");
    assert!(found[0].1.contains("Did you mean contact.lifecycle_stage?"), "{found:#?}");
    assert!(found[1].1.contains("did you mean \"Lead\"?"), "{found:#?}");
    assert!(found[2].1.contains("money, number would"), "{found:#?}");
}

#[test]
fn what_is_suggested_has_a_word_for_each_choice() {
    let toml = suggest(&definitions());
    for line in [
        "[contact.balance] # BALANCE",
        "values = { lead = \"Lead\", kunde = \"Kunde\", cr_me_br_l_e = \"Crème brûlée\" }",
        "values = { chess = \"Chess\", chess_2 = \"chess\", field_2_x_2 = \"2 x 2\" }",
        "# CONTRACT: contact.contract holds FILE_UPLOAD, which has no type here",
        "[contact.lifecycleStage] # LIFECYCLE_STAGE",
    ] {
        assert!(toml.contains(line), "{line} is not in\n{toml}");
    }
}
