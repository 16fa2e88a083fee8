//! As much of JSON Schema as GHL's documents use, and where they are known to be wrong.

use serde_json::Value;

/// The schemas that one document can name.
pub(super) struct Schemas<'d> {
    pub(super) document: &'d Value,
    pub(super) common: &'d Value,
}

/// Where replies were captured that are not of the documented type: ends of paths.
const MISTYPED: [&str; 9] = [
    // Numbers, arrays and objects where a text is declared.
    "customFields[].value",
    // A text or epoch milliseconds.
    "lastActivity",
    // Arrays where a text is declared, objects where a text, objects where an array.
    "attachments",
    "responses[]",
    "tasks[]",
    // Objects, or texts, where the other is declared.
    "createdBy",
    "updatedBy",
    "scopes",
    "permissions",
];

impl Schemas<'_> {
    pub(super) fn check(&self, schema: &Value, value: &Value, at: &str, complaints: &mut Vec<String>) {
        if let Some(name) = schema["$ref"].as_str() {
            return self.check(self.named(name), value, at, complaints);
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.check(part, value, at, complaints);
        }
        // Explicit nulls are everywhere, and no document says so.
        if value.is_null() || MISTYPED.iter().any(|end| at.ends_with(end)) {
            return;
        }
        // Dates and numbers are declared as objects, with texts as their samples.
        let is_sample = schema["type"] == "object" && value.is_string();
        if !is_sample && !has_type(schema["type"].as_str(), value) {
            return complaints.push(format!("{at}: {} expected, {value} found", schema["type"]));
        }
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.contains(value)
        {
            complaints.push(format!("{at}: {value} is none of {allowed:?}"));
        }
        for (value, at) in value.as_array().into_iter().flatten().map(|item| (item, format!("{at}[]"))) {
            self.check(&schema["items"], value, &at, complaints);
        }
        if let Some(fields) = value.as_object() {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let missing = required.filter(|name| !fields.contains_key(*name));
            complaints.extend(missing.map(|name| format!("{at}.{name} is missing")));
            for (name, value) in fields {
                self.check(&schema["properties"][name], value, &format!("{at}.{name}"), complaints);
            }
        }
    }

    fn named(&self, name: &str) -> &Value {
        let (file, pointer) = name.split_once('#').unwrap();
        let document = if file.is_empty() { self.document } else { self.common };
        document.pointer(pointer).unwrap_or_else(|| panic!("{name} is nowhere"))
    }
}

fn has_type(wanted: Option<&str>, value: &Value) -> bool {
    match wanted {
        Some("string") => value.is_string(),
        Some("number") => value.is_number(),
        Some("integer") => value.is_i64(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    }
}
