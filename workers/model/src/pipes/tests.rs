use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

mod hostile;
mod page;
mod phones;
mod table;
mod writing;

fn pipes(text: &str) -> Pipes {
    Pipes::parse(text, 1).unwrap_or_else(|wrong| panic!("{text}: {wrong}"))
}

/// What comes out; null for nothing, and a text of the mistake.
fn through(text: &str, value: Value) -> Value {
    match pipes(text).apply(Some(value)) {
        Ok(value) => value.unwrap_or(Value::Null),
        Err(mistake) => json!({"mistake": mistake.to_string()}),
    }
}

/// Each pipe with arguments that it takes.
const EACH: [&str; 28] = [
    "trim",
    "lower",
    "upper",
    "title",
    "digits",
    "e164 'DE'",
    "url",
    "domain",
    "date 'DD.MM.YYYY HH:mm:ss' 'Europe/Berlin'",
    "time",
    "add_days 3 'America/New_York'",
    "number",
    "round 2",
    "money 'EUR' decimal=',' group='.'",
    "bool",
    "text",
    "split",
    "join",
    "first",
    "last",
    "unique",
    "count",
    "default 'x'",
    "map a='b'",
    "replace 'a' 'bb'",
    "hash",
    "truncate 5 '…'",
    "json",
];

#[test]
fn each_pipe_stands_among_those_that_are_tested() {
    let tested: BTreeSet<_> = EACH.iter().filter_map(|pipe| pipe.split(' ').next()).collect();
    assert_eq!(tested, names().collect());
}
