//! How a run is begun by hand: what it knows of the event that it stands for, and of the flow's own values.

use serde_json::{Map, Value, json};
use sync_workers::events::FieldError;
use sync_workers::flows::Flow;
use sync_workers::records::Knows;

/// A run that somebody wants.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// GHL's location id.
    pub location_id: String,
    /// The contact that it is about, by any id.
    pub contact_id: Option<String>,
    /// Values of the flow's `[set]`, by name.
    pub set: Map<String, Value>,
    /// What its event would say beside type, location and contact.
    pub event: Map<String, Value>,
}

/// What the run knows as it begins.
///
/// # Errors
/// Every wrong setting, by its name: `contactId`, `locationId`, `set.NAME`.
pub fn knows(flow: &Flow, wanted: &Wanted) -> Result<Knows, Vec<FieldError>> {
    let Wanted { location_id, contact_id, set: settings, event: said } = wanted;
    let mut mistakes = Vec::new();
    let mut refuse = |field: &str, message: String| mistakes.push(FieldError { field: field.to_owned(), message });
    if contact_id.is_none() && flow.needs_contact() {
        refuse("contactId", "is missing: the flow is about a contact".to_owned());
    }
    if !flow.runs_in(location_id) {
        refuse("locationId", "is none of the locations that the flow is for".to_owned());
    }
    let mut set = flow.set.clone();
    for (name, value) in settings {
        match flow.set.get(name) {
            Some(like) if std::mem::discriminant(value) == std::mem::discriminant(like) => {
                set.insert(name.clone(), value.clone());
            }
            Some(_) => refuse(&format!("set.{name}"), "must be of the same type as in the flow".to_owned()),
            None => {
                let known: Vec<_> = flow.set.keys().map(String::as_str).collect();
                let known = if known.is_empty() { "the flow has none".to_owned() } else { known.join(", ") };
                refuse(&format!("set.{name}"), format!("is not known; known are {known}"));
            }
        }
    }
    let mut event = json!({"type": "flow.run", "locationId": location_id, "contactId": contact_id});
    if let Some(event) = event.as_object_mut() {
        event.extend(said.clone());
    }
    if mistakes.is_empty() { Ok(Knows { event, set, answers: Map::new(), ..Knows::default() }) } else { Err(mistakes) }
}
