//! A mapping to begin with, from the custom fields that a location has.

use std::fmt::Write as _;

use super::{Definition, ValueType};
use crate::record::key_of;

/// A mapping of every custom field that has a type here, as TOML; the others are named in comments.
#[must_use]
pub fn suggest(definitions: &[Definition]) -> String {
    let mut sorted: Vec<&Definition> = definitions.iter().collect();
    sorted.sort_by(|one, other| one.key.cmp(&other.key));
    let mut names: Vec<String> = Vec::new();
    let mut toml = String::new();
    for definition in sorted {
        let key = key_of(&definition.key);
        let data_type = definition.data_type.as_deref().unwrap_or("an unknown type");
        let label = definition.name.as_deref().unwrap_or(key).replace(char::is_control, " ");
        let missing = if toml.is_empty() { "" } else { "\n" };
        let value_type = match definition.fits() {
            Some([]) => {
                // Writing into a text has no way to fail, here and below.
                let _ = writeln!(toml, "{missing}# {label}: contact.{key} holds {data_type}, which has no type here");
                continue;
            }
            Some([first, ..]) => *first,
            None => ValueType::Text,
        };
        let has_choices = matches!(value_type, ValueType::Choice | ValueType::Choices);
        // Without its choices it can still be read as text.
        let value_type = if has_choices && definition.options.is_empty() { ValueType::Text } else { value_type };
        let name = unique(camel(key), &mut names);
        let _ = write!(toml, "{missing}[contact.{name}] # {label}\nghl = {}\n", quoted(&format!("contact.{key}")));
        let _ = writeln!(toml, "type = \"{}\"", value_type.word());
        match (has_choices, definition.options.is_empty()) {
            (true, true) => toml.push_str("direction = \"from_ghl\"\n"),
            (true, false) => {
                let mut own = Vec::new();
                let pair = |option: &String| format!("{} = {}", unique(snake(option), &mut own), quoted(option));
                let pairs: Vec<_> = definition.options.iter().map(pair).collect();
                let _ = writeln!(toml, "values = {{ {} }}", pairs.join(", "));
            }
            _ => {}
        }
    }
    toml
}

/// A text of JSON is one of TOML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

fn unique(name: String, taken: &mut Vec<String>) -> String {
    let mut unique = name.clone();
    let mut number = 2;
    while taken.contains(&unique) {
        unique = format!("{name}_{number}");
        number += 1;
    }
    taken.push(unique.clone());
    unique
}

/// `lifecycleStage` of `lifecycle_stage`.
fn camel(key: &str) -> String {
    let mut name = String::new();
    for part in key.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|part| !part.is_empty()) {
        let mut letters = part.chars();
        match letters.next() {
            Some(first) if !name.is_empty() => name.extend(first.to_uppercase()),
            Some(first) => name.push(first),
            None => {}
        }
        name.push_str(letters.as_str());
    }
    named(name, 56)
}

/// `e_mail` of `E-mail`.
fn snake(option: &str) -> String {
    let parts = option.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    named(parts.map(str::to_lowercase).collect::<Vec<_>>().join("_"), 56)
}

/// With a letter at its beginning, and no longer than a name may be.
fn named(mut name: String, most: usize) -> String {
    if !name.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
        name.insert_str(0, "field_");
    }
    name.truncate(most);
    name
}
