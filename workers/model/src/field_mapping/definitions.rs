//! A mapping held against the custom fields that a location has.

use crate::suggest::nearest;
use serde::Serialize;

use super::{GhlField, MappedField, Mapping, ValueType};
use crate::json_fields::FieldError;
use crate::record::key_of;

/// A custom field of a location, as GHL defined it when it was last read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Definition {
    /// GHL's id.
    pub id: String,
    /// `contact.lifecycle_stage`.
    pub key: String,
    /// As users of GHL see it.
    pub name: Option<String>,
    /// `TEXT`, `NUMERICAL`, `CHECKBOX`, …
    pub data_type: Option<String>,
    /// What a choice may be; empty where anything may, or where that was not read.
    pub options: Vec<String>,
}

impl Definition {
    /// The types that its values can have, the first of them the most likely; none of a type that GHL may have added since.
    pub(super) fn fits(&self) -> Option<&'static [ValueType]> {
        use ValueType::{Bool, Choice, Choices, Date, Datetime, Email, Money, Number, Phone, Text, Url};
        let data_type = self.data_type.as_deref()?.trim().to_ascii_uppercase();
        Some(match data_type.as_str() {
            "TEXT" | "LARGE_TEXT" => &[Text, Email, Phone, Url, Choice, Date, Datetime, Bool, Number, Money],
            "NUMERICAL" | "NUMBER" | "FLOAT" => &[Number, Money],
            // GHL misspells it.
            "MONETORY" | "MONETARY" => &[Money, Number],
            "DATE" => &[Date],
            "PHONE" => &[Phone, Text],
            "EMAIL" => &[Email, Text],
            "CHECKBOX" | "MULTIPLE_OPTIONS" => &[Choices],
            "SINGLE_OPTIONS" | "RADIO" => &[Choice, Text, Bool],
            "FILE_UPLOAD" | "SIGNATURE" | "TEXTBOX_LIST" => &[],
            _ => return None,
        })
    }
}

impl Mapping {
    /// What is wrong with it in a location that has these custom fields: a key that it lacks, a type that can't fit, a choice that GHL lacks.
    #[must_use]
    pub fn check(&self, definitions: &[Definition]) -> Vec<FieldError> {
        let mut mistakes = Vec::new();
        for field in &self.fields {
            let GhlField::Custom(key) = &field.ghl else { continue };
            let mistake =
                |word: &str, message: String| FieldError { field: format!("contact.{}.{word}", field.name), message };
            let Some(definition) = definitions.iter().find(|definition| key_of(&definition.key) == key) else {
                let keys = definitions.iter().map(|definition| key_of(&definition.key));
                let meant =
                    nearest(key, keys).map_or_else(String::new, |meant| format!(" Did you mean contact.{meant}?"));
                let message = format!(
                    "the location has no custom field contact.{key}.{meant} If it was added in GHL just now, try again in a minute"
                );
                mistakes.push(mistake("ghl", message));
                continue;
            };
            mistakes.extend(unfit(field, definition).map(|message| mistake("type", message)));
            mistakes.extend(
                lacking(field, definition).into_iter().map(|(own, message)| mistake(&format!("values.{own}"), message)),
            );
        }
        mistakes
    }
}

fn unfit(field: &MappedField, definition: &Definition) -> Option<String> {
    let (value_type, fits) = (field.value_type, definition.fits()?);
    // Whatever can be written out reads as a text.
    let reads_as_text = value_type == ValueType::Text && !field.direction.is_written() && fits != [ValueType::Choices];
    if fits.contains(&value_type) || (reads_as_text && !fits.is_empty()) {
        let needs_words = value_type == ValueType::Bool && field.values.is_empty() && !definition.options.is_empty();
        return needs_words.then(|| {
            let options = definition.options.join(", ");
            format!("needs GHL's choices for true and false, as values = {{ true = \"Yes\", false = \"No\" }}; GHL has {options}")
        });
    }
    let data_type = definition.data_type.as_deref().unwrap_or_default();
    Some(match fits {
        [] => format!("does not fit: contact.{} holds {data_type} in GHL, which no type fits", key_of(&definition.key)),
        fits => {
            let fits: Vec<_> = fits.iter().map(|one| one.word()).collect();
            format!(
                "does not fit: contact.{} holds {data_type} in GHL; {} would",
                key_of(&definition.key),
                fits.join(", ")
            )
        }
    })
}

/// The choices that GHL does not have, of a field that is written.
fn lacking(field: &MappedField, definition: &Definition) -> Vec<(String, String)> {
    let options = &definition.options;
    if !field.direction.is_written() || options.is_empty() {
        return Vec::new();
    }
    let lacks = |(own, ghls): &(String, String)| {
        let piped = field.out_pipes.apply(Some(ghls.as_str().into())).ok().flatten();
        let sent = piped.as_ref().and_then(|value| value.as_str()).unwrap_or(ghls);
        if options.iter().any(|option| option == sent) {
            return None;
        }
        let meant = nearest(sent, options.iter().map(String::as_str));
        let meant = meant.map_or_else(String::new, |meant| format!("; did you mean {meant:?}?"));
        Some((own.clone(), format!("GHL has no choice {sent:?} there{meant} It has {}", options.join(", "))))
    };
    field.values.iter().filter_map(lacks).collect()
}
