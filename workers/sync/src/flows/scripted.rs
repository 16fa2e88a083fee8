//! The scripts of a flow, as its document has them: `scripts."score.rhai".text`, from the file beside the flow or from its own text.
//!
//! The document holds the SHA-256 beside each text, so a run keeps both, and a text that was altered since is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::events::{FieldError, Fields, kind_of};
use crate::scripts::{LONGEST_TOGETHER, Source, is_name};

/// The field of a flow's document that holds its scripts.
pub(super) const FIELD: &str = "scripts";

pub(super) type Scripts = BTreeMap<String, Arc<Source>>;

/// Reads them, by name.
pub(super) fn read(listed: Option<&Map<String, Value>>, mistakes: &mut Vec<FieldError>) -> Scripts {
    let mut scripts = Scripts::new();
    for (name, script) in listed.into_iter().flatten() {
        let mut refuse = |below: &str, message: String| {
            mistakes.push(FieldError { field: format!("{FIELD}.{name}{below}"), message });
        };
        if !is_name(name) {
            refuse("", "must be named as score.rhai is: 1 to 40 lower-case letters, digits, - and _".to_owned());
            continue;
        }
        let Some(object) = script.as_object() else {
            refuse("", format!("must be a table with text, not {}", kind_of(script)));
            continue;
        };
        let mut fields = Fields::new(object, format!("{FIELD}.{name}."));
        let source = Source { name: name.clone(), text: fields.required_text("text") };
        if fields.text("sha256").is_some_and(|reported| reported != source.sha256()) {
            fields.refuse("sha256", "is not that of the text: the script was altered");
        }
        mistakes.extend(fields.finish());
        scripts.insert(name.clone(), Arc::new(source));
    }
    let bytes: usize = scripts.values().map(|source| source.text.len()).sum();
    if bytes > LONGEST_TOGETHER {
        let message = format!("have {bytes} bytes; those of a flow have at most {LONGEST_TOGETHER} together");
        mistakes.push(FieldError { field: FIELD.to_owned(), message });
    }
    scripts
}

/// The document as a run keeps it.
pub(super) fn kept(document: &Value, scripts: &Scripts) -> Value {
    let mut kept = document.clone();
    for (name, source) in scripts {
        kept[FIELD][name] = json!({"text": source.text, "sha256": source.sha256()});
    }
    kept
}
