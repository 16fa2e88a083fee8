//! Checks values by JSON Schema, as far as the document of the API uses it. A keyword that it does not know is a panic: it would pass over what that
//! one promises.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value, json};
use sync_model::ids;

/// Schemas of a document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schemas<'a> {
    pub(super) document: &'a Value,
}

/// What a member is that no schema names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unnamed {
    /// Taken, as clients have to.
    Taken,
    /// A fault: the document lacks it.
    Fault,
}

impl<'a> Schemas<'a> {
    /// The part of the document that `$ref` leads to, or the value itself.
    pub(super) fn resolved(self, value: &'a Value) -> &'a Value {
        let Some(to) = value["$ref"].as_str() else { return value };
        let pointer = to.strip_prefix('#').unwrap_or_else(|| panic!("{to} leads out of the document"));
        let found = self.document.pointer(pointer).unwrap_or_else(|| panic!("{to} leads nowhere"));
        self.resolved(found)
    }

    /// What is wrong with `value`.
    pub(super) fn faults(self, schema: &Value, value: &Value, unnamed: Unnamed) -> Vec<String> {
        let mut faults = Vec::new();
        Check { schemas: self, unnamed, faults: &mut faults }.check(schema, value, "");
        faults
    }
}

struct Check<'a, 'f> {
    schemas: Schemas<'a>,
    unnamed: Unnamed,
    faults: &'f mut Vec<String>,
}

impl Check<'_, '_> {
    fn check(&mut self, schema: &Value, value: &Value, place: &str) {
        let schema = schema.as_object().unwrap_or_else(|| panic!("{place}: {schema} is no schema"));
        for (keyword, wanted) in schema {
            let fits = match keyword.as_str() {
                "description" | "default" | "discriminator" => true,
                "$ref" => {
                    let Schemas { document } = self.schemas;
                    let pointer = wanted.as_str().and_then(|to| to.strip_prefix('#')).expect("within the document");
                    let found = document.pointer(pointer).unwrap_or_else(|| panic!("{wanted} leads nowhere"));
                    self.check(found, value, place);
                    true
                }
                "type" => types(wanted).any(|name| is(value, name)),
                "enum" => list(wanted).contains(value),
                "oneOf" => {
                    let tried: Vec<_> = list(wanted).iter().map(|one| self.faults_of(one, value, place)).collect();
                    let fitting = tried.iter().filter(|faults| faults.is_empty()).count();
                    if fitting == 0 {
                        // The one that comes nearest reports the most.
                        self.faults.extend(tried.into_iter().min_by_key(Vec::len).unwrap_or_default());
                    }
                    fitting <= 1
                }
                "properties" | "required" | "additionalProperties" => {
                    // Each of the three says something of objects, and once is enough.
                    if let Some(object) = value.as_object()
                        && schema.keys().find(|name| OF_OBJECTS.contains(&name.as_str())) == Some(keyword)
                    {
                        self.members(schema, object, place);
                    }
                    true
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(wanted, item, &format!("{place}[{index}]"));
                    }
                    true
                }
                "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= number(wanted)),
                "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= number(wanted)),
                "minLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 >= number(wanted)),
                "maxLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 <= number(wanted)),
                "uniqueItems" => value.as_array().is_none_or(|items| {
                    let later = |index: usize| items[index + 1..].iter();
                    items.iter().enumerate().all(|(index, item)| later(index).all(|other| other != item))
                }),
                "pattern" => {
                    assert_eq!(wanted, OF_IDS, "{place}: the pattern is not known to the checker");
                    value.as_str().is_none_or(ids::is_id)
                }
                "minimum" => value.as_f64().is_none_or(|got| Some(got) >= wanted.as_f64()),
                "maximum" => value.as_f64().is_none_or(|got| Some(got) <= wanted.as_f64()),
                "format" => value.as_str().is_none_or(|text| match wanted.as_str() {
                    Some("date-time") => text.parse::<Timestamp>().is_ok(),
                    Some("date") => text.parse::<Date>().is_ok(),
                    _ => panic!("{place}: the format {wanted} is not known to the checker"),
                }),
                other => panic!("{place}: the keyword {other} is not known to the checker"),
            };
            if !fits {
                self.faults.push(format!("{place}: {value} is not {keyword} {wanted}"));
            }
        }
    }

    fn faults_of(&self, schema: &Value, value: &Value, place: &str) -> Vec<String> {
        let mut faults = Vec::new();
        Check { schemas: self.schemas, unnamed: self.unnamed, faults: &mut faults }.check(schema, value, place);
        faults
    }

    fn members(&mut self, schema: &Map<String, Value>, object: &Map<String, Value>, place: &str) {
        let missing = schema.get("required").map(list).into_iter().flatten().filter_map(Value::as_str);
        for name in missing.filter(|name| !object.contains_key(*name)) {
            self.faults.push(format!("{place}.{name} is missing"));
        }
        let named = schema.get("properties").and_then(Value::as_object);
        for (name, value) in object {
            let place = format!("{place}.{name}");
            match (named.and_then(|named| named.get(name)), schema.get("additionalProperties")) {
                (Some(schema), _) => self.check(schema, value, &place),
                (None, Some(Value::Bool(true))) => {}
                (None, Some(Value::Bool(false))) => {
                    self.faults.push(format!("{place} is not named, and none else may be"))
                }
                (None, Some(schema)) => self.check(schema, value, &place),
                (None, None) if self.unnamed == Unnamed::Taken => {}
                (None, None) => self.faults.push(format!("{place} is not in the document")),
            }
        }
    }
}

/// No control character, as of the program's own rule for ids.
const OF_IDS: &str = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]+$";

const OF_OBJECTS: [&str; 3] = ["properties", "required", "additionalProperties"];

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

/// One name or several.
fn types(value: &Value) -> impl Iterator<Item = &str> {
    let several = value.as_array().into_iter().flatten();
    value.as_str().into_iter().chain(several.filter_map(Value::as_str))
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("there is no type {other}"),
    }
}

/// Each keyword once with a value that fits and one that does not: a checker that never objects would prove nothing.
#[test]
fn the_checker_objects_to_what_a_schema_forbids() {
    let document = json!({"words": {"type": "string", "enum": ["a", "b"]}});
    let schemas = Schemas { document: &document };
    let object = json!({"type": "object", "required": ["a"], "properties": {"a": {"type": ["integer", "null"]}}});
    let closed = json!({"type": "object", "properties": {"a": {}}, "additionalProperties": false});
    let counts = json!({"type": "object", "additionalProperties": {"type": "integer"}});
    for (schema, good, bad) in [
        (json!({"$ref": "#/words"}), json!("b"), json!("c")),
        (json!({"type": ["string", "null"]}), json!(null), json!(5)),
        (json!({"type": "integer"}), json!(5), json!(5.5)),
        (json!({"enum": ["x", null]}), json!(null), json!("y")),
        (json!({"oneOf": [{"type": "string"}, {"type": "null"}]}), json!("x"), json!(7)),
        (json!({"oneOf": [{"type": "string"}, {"type": ["string", "null"]}]}), json!(null), json!("twice")),
        (object.clone(), json!({"a": null}), json!({})),
        (object.clone(), json!({"a": 1}), json!({"a": "1"})),
        (object.clone(), json!({"a": 1}), json!({"a": 1, "b": 2})),
        (closed, json!({"a": "anything"}), json!({"b": 2})),
        (counts, json!({"x": 1}), json!({"x": "1"})),
        (json!({"type": "array", "items": {"$ref": "#/words"}}), json!(["a", "b"]), json!(["a", "c"])),
        (json!({"minItems": 1, "maxItems": 2}), json!([1]), json!([])),
        (json!({"minItems": 1, "maxItems": 2}), json!([1, 2]), json!([1, 2, 3])),
        (json!({"minLength": 1, "maxLength": 2}), json!("é"), json!("")),
        (json!({"minLength": 1, "maxLength": 2}), json!("ab"), json!("abc")),
        (json!({"minimum": 1, "maximum": 5}), json!(1), json!(0)),
        (json!({"minimum": 1, "maximum": 5}), json!(5), json!(6)),
        (json!({"format": "date-time"}), json!("2026-11-30T09:00:00Z"), json!("2026-11-30")),
        (json!({"format": "date"}), json!("2026-11-30"), json!("November")),
    ] {
        assert_eq!(schemas.faults(&schema, &good, Unnamed::Fault), Vec::<String>::new(), "{schema} {good}");
        assert!(!schemas.faults(&schema, &bad, Unnamed::Fault).is_empty(), "{schema} takes {bad}");
    }
    assert!(schemas.faults(&object, &json!({"a": 1, "b": 2}), Unnamed::Taken).is_empty());
}

#[test]
#[should_panic(expected = "the keyword contains is not known")]
fn a_keyword_that_the_checker_does_not_know_is_no_promise_kept() {
    let document = json!({});
    Schemas { document: &document }.faults(&json!({"contains": {}}), &json!("b"), Unnamed::Taken);
}
