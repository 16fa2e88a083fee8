//! The texts of mappings: read, held against the fields of a location, and shown.
//!
//! What a mapping is, and what is wrong with one, `sync_model::field_mapping` says of a document without lines; here each mistake gets its place.

use serde_json::{Value, json};
use sync_model::field_mapping::{EVERYWHERE, Mapping};
use sync_workers::records::{Held, KeptMapping, Records, RecordsError};

use crate::toml_text::{self, Mistake};

/// A mapping with the document that it was read from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Written {
    /// As its author wrote it.
    pub toml: String,
    /// What it says.
    pub mapping: Mapping,
    /// As the database keeps it.
    pub document: Value,
}

/// Reads the text of a mapping.
///
/// # Errors
/// Every mistake, in the order of the text.
pub fn parse(text: &str) -> Result<Written, Vec<Mistake>> {
    toml_text::read("mapping", text, |document| {
        let mapping = Mapping::read(document)?;
        Ok(Written { toml: text.to_owned(), mapping, document: document.clone() })
    })
}

/// The mistakes of a mapping in a location that has other fields. Where its fields were never read, and of `*`, none is known.
///
/// # Errors
/// When the database does not answer.
pub async fn unfit(records: &Records, location_id: &str, written: &Written) -> Result<Vec<Mistake>, RecordsError> {
    if location_id == EVERYWHERE {
        return Ok(Vec::new());
    }
    let definitions = records.field_definitions(location_id).await?;
    if definitions.is_empty() {
        return Ok(Vec::new());
    }
    let mistakes = written.mapping.check(&definitions);
    if mistakes.iter().any(|mistake| mistake.field.ends_with(".ghl")) {
        // One may have been added in GHL since.
        records.look_for_fields(location_id).await;
    }
    let checked = |_: &Value| if mistakes.is_empty() { Ok(()) } else { Err(mistakes) };
    Ok(toml_text::read("mapping", &written.toml, checked).err().unwrap_or_default())
}

/// Reads a text for a location, with all that is wrong in it there.
///
/// # Errors
/// When the database does not answer.
pub async fn read_for(
    records: &Records,
    location_id: &str,
    text: &str,
) -> Result<Result<Written, Vec<Mistake>>, RecordsError> {
    let written = match parse(text) {
        Ok(written) => written,
        Err(mistakes) => return Ok(Err(mistakes)),
    };
    let mistakes = unfit(records, location_id, &written).await?;
    Ok(if mistakes.is_empty() { Ok(written) } else { Err(mistakes) })
}

/// The mapping of a location as programs read it.
#[must_use]
pub fn shown(location_id: &str, held: &Held) -> Value {
    let source = match held {
        Held::Own(_) => "own",
        Held::Default(_) => "default",
        Held::None => "none",
    };
    let kept = held.kept();
    let toml = kept.map(|kept| kept.toml.as_str()).unwrap_or_default();
    json!({
        "locationId": location_id,
        "source": source,
        "version": kept.map_or(0, |kept| kept.version),
        "etag": held.tag(),
        "author": kept.map(|kept| &kept.author),
        "createdAt": kept.map(|kept| kept.created_at),
        "updatedAt": kept.map(|kept| kept.updated_at),
        "toml": toml,
        "definition": parse(toml).unwrap_or_default().document,
    })
}

/// One that a location has of its own.
#[must_use]
pub fn shown_own(kept: KeptMapping) -> Value {
    shown(&kept.location_id.clone(), &Held::Own(kept))
}
