//! Mapping: which field of GHL's a field of Clienty's is, of what type it is, and which way it goes.
//!
//! All here is pure. A mapping is a document, read by [`Mapping::read`], and every mistake in it is named at once. A value goes in by
//! [`MappedField::input`] and out by [`MappedField::output`]: what was read is written as it was, for every type (`tests.rs` proves it).
//! What does not read is shown with its reason and never written back. A field that no mapping names is touched by none of this.
//!
//! A new type: a variant of [`ValueType`], its words in `value.rs`, the fields of GHL's that it fits in `definitions.rs`, a row in docs/MAPPING.md.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::decide::fields::{Fields, fields, is_nothing};
use crate::decide::merge::Policy;
use crate::pipes::Pipes;
use crate::record::Contact;

mod definitions;
mod read;
mod suggest;
#[cfg(test)]
mod tests;
mod value;

pub use definitions::Definition;
pub use suggest::suggest;
pub use value::ValueType;

/// Fields in one mapping.
pub const MOST_FIELDS: usize = 200;

/// The location of the mapping that holds wherever there is no other.
pub const EVERYWHERE: &str = "*";

/// What the fields of a location's contacts are here and in GHL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapping {
    /// By Clienty's name.
    pub fields: Vec<MappedField>,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedField {
    /// Clienty's: readers get it as `contact.fields.NAME`, producers send it as `data.fields.NAME`.
    pub name: String,
    /// GHL's.
    pub ghl: GhlField,
    /// What its values are.
    pub value_type: ValueType,
    /// Clienty's word and GHL's, of each choice.
    pub values: Vec<(String, String)>,
    /// Which way it goes.
    pub direction: Direction,
    /// Who wins if both sides edit it; else the setting `merge.policy` decides.
    pub wins: Option<Policy>,
    /// Before a value of GHL's is read.
    pub in_pipes: Pipes,
    /// After a value for GHL is written.
    pub out_pipes: Pipes,
}

/// A field of GHL's contacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GhlField {
    /// A custom field, by its key without `contact.`.
    Custom(String),
    /// One that every contact has, by the name that it has in the unified view.
    Standard(&'static str),
}

/// Which way a field goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Readers see it, and producers write it.
    #[default]
    Both,
    /// Readers see it.
    FromGhl,
    /// Producers write it.
    ToGhl,
}

/// What a value of GHL's reads as.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// It is empty.
    Nothing,
    /// In Clienty's form.
    Value(Value),
    /// It is none of the field's type.
    Unmapped {
        /// As GHL has it.
        raw: Value,
        /// What was expected.
        why: String,
    },
}

/// A mapped value that can't be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unwritable {
    /// The name under `fields`.
    pub name: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl GhlField {
    /// As a mapping writes it.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Custom(key) => format!("contact.{key}"),
            Self::Standard(name) => (*name).to_owned(),
        }
    }

    /// Its name among the fields of a contact, where custom fields stand by their key.
    #[must_use]
    pub fn field(&self) -> String {
        match self {
            Self::Custom(key) => format!("customFields.contact.{key}"),
            Self::Standard(name) => (*name).to_owned(),
        }
    }
}

impl Direction {
    /// Whether readers see the field.
    #[must_use]
    pub fn is_read(self) -> bool {
        self != Self::ToGhl
    }

    /// Whether producers write it.
    #[must_use]
    pub fn is_written(self) -> bool {
        self != Self::FromGhl
    }
}

impl Reading {
    /// As readers get it.
    #[must_use]
    pub fn shown(self) -> Value {
        match self {
            Self::Nothing => Value::Null,
            Self::Value(value) => value,
            Self::Unmapped { raw, why } => json!({"unmapped": {"raw": raw, "why": why}}),
        }
    }
}

/// Whether a value says no more than its absence would.
fn is_blank(value: &Value) -> bool {
    is_nothing(value) || value.as_array().is_some_and(Vec::is_empty)
}

impl MappedField {
    /// A value of GHL's in Clienty's form.
    #[must_use]
    pub fn input(&self, raw: &Value) -> Reading {
        if is_blank(raw) {
            return Reading::Nothing;
        }
        let unmapped = |why: String| Reading::Unmapped { raw: raw.clone(), why };
        match self.in_pipes.apply(Some(raw.clone())) {
            Err(mistake) => unmapped(mistake.to_string()),
            Ok(None) => Reading::Nothing,
            Ok(Some(value)) if is_blank(&value) => Reading::Nothing,
            Ok(Some(value)) => match self.value_type.read(&value, &self.values) {
                Ok(read) => Reading::Value(read),
                Err(expected) => unmapped(format!("expected {expected}")),
            },
        }
    }

    /// A value of Clienty's in GHL's form; null takes it away.
    ///
    /// # Errors
    /// What would be right, as `must be a number`.
    pub fn output(&self, value: &Value) -> Result<Value, String> {
        if is_blank(value) {
            return match self.ghl {
                GhlField::Standard("dnd" | "dateOfBirth") => {
                    Err("can't be emptied in GHL, where it can only be changed; leave it out instead".to_owned())
                }
                _ => Ok(Value::Null),
            };
        }
        let is_flag = self.ghl == GhlField::Standard("dnd");
        let written = self.value_type.write(value, &self.values, is_flag)?;
        let piped = self.out_pipes.apply(Some(written)).map_err(|mistake| format!("can't be written: {mistake}"))?;
        Ok(piped.unwrap_or_default())
    }
}

impl Mapping {
    /// The field of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&MappedField> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// What readers get as `contact.fields`, of a contact whose custom fields are shown by key. What is empty is left out.
    #[must_use]
    pub fn show(&self, contact: &Contact) -> BTreeMap<String, Value> {
        let has_value = |(_, reading): &(&MappedField, Reading)| *reading != Reading::Nothing;
        let readings = self.readings(contact).into_iter().filter(has_value);
        readings.map(|(field, reading)| (field.name.clone(), reading.shown())).collect()
    }

    /// What each field that is read holds in a contact whose custom fields are shown by key.
    #[must_use]
    pub fn readings(&self, contact: &Contact) -> Vec<(&MappedField, Reading)> {
        let has_standard = self.fields.iter().any(|field| matches!(field.ghl, GhlField::Standard(_)));
        let standard = if has_standard { fields(contact) } else { Fields::new() };
        let reading = |field: &MappedField| match &field.ghl {
            GhlField::Custom(key) => contact.custom_fields_by_key.get(key).map(|raw| field.input(raw)),
            GhlField::Standard(name) => standard.get(*name).map(|raw| field.input(raw)),
        };
        let is_read = |field: &&MappedField| field.direction.is_read();
        self.fields.iter().filter(is_read).map(|field| (field, reading(field).unwrap_or(Reading::Nothing))).collect()
    }

    /// What `data.fields` of an event sets, by the names of a contact's fields.
    ///
    /// # Errors
    /// The first value that can't be written.
    pub fn write(&self, said: &Fields) -> Result<Fields, Unwritable> {
        let mut written = Fields::new();
        for (name, value) in said {
            let unwritable = |message| Unwritable { name: name.clone(), message };
            let Some(field) = self.field(name) else {
                return Err(unwritable(self.unknown(name)));
            };
            if !field.direction.is_written() {
                return Err(unwritable(
                    "goes from GHL to Clienty alone (direction = \"from_ghl\"); leave it out".to_owned(),
                ));
            }
            written.insert(field.ghl.field(), field.output(value).map_err(unwritable)?);
        }
        Ok(written)
    }

    fn unknown(&self, name: &str) -> String {
        let mut names = self.fields.iter().filter(|field| field.direction.is_written()).map(|field| &*field.name);
        match crate::suggest::nearest(name, names.clone()) {
            Some(meant) => format!("is not in the mapping of the location; did you mean {meant}?"),
            None if self.fields.is_empty() => {
                "is not in the mapping of the location, which is empty: see docs/MAPPING.md".to_owned()
            }
            None => {
                format!(
                    "is not in the mapping of the location; it has {}",
                    names.by_ref().collect::<Vec<_>>().join(", ")
                )
            }
        }
    }
}
