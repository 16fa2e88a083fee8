//! Whatever is written and whatever comes: every row ends, keeps its bounds and panics at nothing.

use super::*;

/// Numbers that look like chance, the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(most).unwrap()).unwrap()
    }

    fn one_of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

fn bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(bytes).sum(),
        Value::Object(members) => members.iter().map(|(name, value)| name.len() + bytes(value)).sum(),
        _ => 0,
    }
}

fn values() -> Vec<Value> {
    let texts = [
        "",
        " ",
        "\0",
        "\u{feff}",
        "{}",
        "|",
        "-",
        "+",
        "0",
        "00",
        "-0",
        "1e999",
        "9999-12-31",
        "0000-00-00",
        "-009999-01-01",
        "2026-03-29T02:30:00",
        "2026-12-31T23:59:60Z",
        "2026-03-01T00:00:00+25:00",
        "2026-é3-01",
        "éééé-éé-éé",
        "ß",
        "ŉ",
        "İ",
        "\u{1f469}\u{200d}\u{1f469}",
        "\u{301}\u{301}",
        "http://[",
        "http://[::1]",
        "a@b@c.de",
        "+++",
        "+49",
        "(0)",
        "\u{202e}abc",
        "true",
        "99999999999999999999",
        "0.00000000000000000000000000000000001",
        "1,,2",
        "''",
        "ﷺ",
    ];
    let mut values: Vec<Value> = texts.map(Value::from).into();
    values.extend([
        json!(null),
        json!(true),
        json!(0),
        json!(-0.0),
        json!(1e308),
        json!(5e-324),
        json!(f64::MIN),
        json!(i64::MIN),
        json!(u64::MAX),
    ]);
    values.extend([json!([]), json!({}), json!([[[[]]]]), json!([null]), json!({"": null})]);
    values.extend(
        ["a", "ß", "1", ",", "\0", "ﷺ", "😀", "-", "A "].map(|piece| Value::from(piece.repeat(LONGEST / piece.len()))),
    );
    values.push(vec![json!("a"); MOST_VALUES].into());
    values.push(vec![json!(1.5); MOST_VALUES + 1].into());
    values.push(vec![json!("x".repeat(LONGEST)); 3].into());
    values
}

#[test]
fn every_pipe_of_every_value_ends_within_bounds() {
    for each in EACH {
        let row = pipes(each);
        for value in values() {
            if let Ok(Some(came)) = row.apply(Some(value)) {
                assert!(bytes(&came) <= LONGEST, "{each} gives {} bytes", bytes(&came));
                assert!(came.as_array().is_none_or(|items| items.len() <= MOST_VALUES), "{each}");
            }
        }
    }
}

#[test]
fn rows_of_pipes_of_every_value_end_within_bounds() {
    let mut chance = Chance(0x5eed_cafe);
    let values = values();
    for _ in 0..400 {
        let row: Vec<&str> = (0..=chance.below(MOST)).map(|_| chance.one_of(&EACH)).collect();
        let row = row[..row.len().min(MOST)].join(" | ");
        let value = values[chance.below(values.len())].clone();
        let (one, other) = (pipes(&row).apply(Some(value.clone())), pipes(&row).apply(Some(value)));
        assert_eq!(one, other, "{row} gives the same each time");
        if let Ok(Some(came)) = one {
            assert!(bytes(&came) <= LONGEST, "{row} gives {} bytes", bytes(&came));
        }
    }
}

#[test]
fn what_grows_is_stopped_before_it_is_made() {
    let long = "a".repeat(LONGEST);
    let to = "b".repeat(LONGEST);
    for (text, value) in [
        (format!("replace 'a' '{to}'"), json!(long)),
        (format!("join '{to}'"), vec![json!("a"); MOST_VALUES].into()),
        ("upper".to_owned(), json!("ŉ".repeat(LONGEST / 2))),
        ("json".to_owned(), json!("\0".repeat(LONGEST))),
        ("split 'a'".to_owned(), json!("b".repeat(LONGEST + 1))),
        ("split ' '".to_owned(), json!("b ".repeat(MOST_VALUES + 1))),
        ("default 'x'".to_owned(), json!(format!("{long}a"))),
        ("count".to_owned(), vec![json!(1); MOST_VALUES + 1].into()),
        (format!("truncate 1 | default 'x' | replace 'a' '{to}b'"), json!(long)),
    ] {
        let mistake = pipes(&text).apply(Some(value)).unwrap_err();
        assert!(mistake.expected.starts_with("at most "), "{mistake}");
    }
    // Not only refused afterwards: it would be 4 GiB by then.
    assert!(texts::replace(&long, "a", &to).is_err());
    assert!(lists::join(&vec![json!("a"); MOST_VALUES].into(), &to).is_err());
    // The bound itself is within.
    assert_eq!(through("lower", json!(long)), json!(long));
    assert_eq!(through("count", vec![json!(1); MOST_VALUES].into()), json!(MOST_VALUES));
}

#[test]
fn whatever_is_written_is_read_or_refused() {
    let pieces = [
        "trim",
        "date",
        "map",
        "default",
        "replace",
        "|",
        "||",
        " ",
        "\"",
        "'",
        "\\",
        "=",
        "a=",
        "1",
        "-",
        "1e9",
        ".",
        "é",
        "{",
        "}",
        "\u{1f600}",
        "\0",
        "\n",
        "true",
        "'DD'",
        "'Europe/Berlin'",
        "\u{301}",
        "99999999999999999999999999",
    ];
    let mut chance = Chance(0xfeed_beef);
    for _ in 0..20_000 {
        let text: String = (0..chance.below(12)).map(|_| chance.one_of(&pieces)).collect();
        match Pipes::parse(&text, 1) {
            Ok(row) => drop(row.apply(Some(json!("2026-03-01")))),
            Err(wrong) => assert!((1..=text.chars().count() + 1).contains(&wrong.column), "{text:?}: {wrong}"),
        }
    }
}
