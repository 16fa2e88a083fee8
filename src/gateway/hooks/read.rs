//! Reads a hook from the body of a request.

use serde_json::{Map, Value};
use sync_model::ids;
use sync_workers::records::hook_event::Filters;
use sync_workers::records::{HookEdit, HookKind, NewHook};
use sync_workers::signing::Signature;

use super::kind_of;
use crate::triggers::{self, FieldError, Fields};

/// Of a list.
const MOST: usize = 200;

/// A hook that is wished for, and the names of the fields that its address and its locations came in.
pub(super) struct Wish {
    pub(super) new: NewHook,
    pub(super) address: &'static str,
    pub(super) places: &'static str,
}

pub(super) fn request(body: &Value) -> Result<Wish, Vec<FieldError>> {
    let object = object(body)?;
    match kind_of(object) {
        HookKind::Webhook => webhook(object),
        HookKind::Rest => subscription(object),
    }
}

/// What is to change. Null, or `*`, is all locations and all fields; what is not named stays.
pub(super) fn edit(body: &Value) -> Result<HookEdit, Vec<FieldError>> {
    let object = object(body)?;
    let mut fields = Fields::new(object, "");
    for name in ["url", "events", "ignoreOwn", "includeImports"] {
        fields.refuse_null(name, "can't be emptied; leave it out instead");
    }
    let events = texts(&mut fields, "events");
    let edit = HookEdit {
        url: fields.text("url"),
        events: events.map(|events| filters(&mut fields, "events", Some(events))),
        locations: fields.has("locations").then(|| locations(&mut fields)),
        fields: fields.has("fields").then(|| texts(&mut fields, "fields")),
        ignore_own: fields.flag("ignoreOwn"),
        include_imports: fields.flag("includeImports"),
        description: fields.has("description").then(|| fields.text("description")),
    };
    if object.is_empty() {
        fields.refuse(
            "",
            "names nothing that changes: url, events, locations, fields, ignoreOwn, includeImports or description",
        );
    }
    let errors = fields.finish();
    if errors.is_empty() { Ok(edit) } else { Err(errors) }
}

fn object(body: &Value) -> Result<&Map<String, Value>, Vec<FieldError>> {
    body.as_object().ok_or_else(|| {
        let message = format!("a hook is an object, not {}", triggers::kind_of(body));
        vec![FieldError { field: String::new(), message }]
    })
}

fn locations(fields: &mut Fields<'_>) -> Option<Vec<String>> {
    let locations = texts(fields, "locations");
    if let Some(bad) = locations.iter().flatten().find_map(|id| ids::check(id).err()) {
        fields.refuse("locations", bad.to_string());
    }
    locations
}

fn webhook(object: &Map<String, Value>) -> Result<Wish, Vec<FieldError>> {
    let mut fields = Fields::new(object, "");
    let url = fields.required_text("url");
    let events = texts(&mut fields, "events");
    if events.is_none() && !fields.has_mistake("events") {
        fields.refuse("events", "is missing");
    }
    let events = filters(&mut fields, "events", events);
    let locations = locations(&mut fields);
    let signature = fields.text("signature");
    let known = signature.as_deref().map_or(Some(Signature::V1), Signature::parse);
    if known.is_none() {
        fields.refuse("signature", "must be v1 (a shared secret) or v1a (a public key)");
    }
    let new = NewHook {
        url,
        kind: HookKind::Webhook,
        events,
        locations,
        fields: texts(&mut fields, "fields"),
        signature: known.unwrap_or_default(),
        ignore_own: fields.flag("ignoreOwn").unwrap_or(true),
        include_imports: fields.flag("includeImports").unwrap_or(false),
        key_id: None,
        created_by: String::new(),
        description: fields.text("description"),
    };
    finish(fields, Wish { new, address: "url", places: "locations" })
}

/// One address, one event, one location or all.
fn subscription(object: &Map<String, Value>) -> Result<Wish, Vec<FieldError>> {
    let mut fields = Fields::new(object, "");
    let url = fields.required_text("targetUrl");
    let event = fields.required_text("event");
    let events = filters(&mut fields, "event", (!event.is_empty()).then(|| vec![event]));
    let new = NewHook {
        url,
        kind: HookKind::Rest,
        events,
        locations: fields.id("locationId").map(|id| vec![id]),
        fields: None,
        signature: Signature::V1,
        ignore_own: fields.flag("ignoreOwn").unwrap_or(true),
        include_imports: false,
        key_id: None,
        created_by: String::new(),
        description: None,
    };
    finish(fields, Wish { new, address: "targetUrl", places: "locationId" })
}

fn finish(fields: Fields<'_>, request: Wish) -> Result<Wish, Vec<FieldError>> {
    let errors = fields.finish();
    if errors.is_empty() { Ok(request) } else { Err(errors) }
}

/// A list of texts, not empty; `*` alone means all, as where nothing is said.
fn texts(fields: &mut Fields<'_>, name: &'static str) -> Option<Vec<String>> {
    let value = fields.any(name)?;
    if value == "*" && name != "events" {
        return None;
    }
    let list = match value {
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>(),
        Value::String(text) => Some(vec![text.clone()]),
        _ => None,
    };
    match list.filter(|list| (1..=MOST).contains(&list.len())) {
        Some(list) => Some(list),
        None => {
            fields.refuse(name, format!("must be an array of 1 to {MOST} strings"));
            None
        }
    }
}

fn filters(fields: &mut Fields<'_>, name: &'static str, texts: Option<Vec<String>>) -> Filters {
    match texts.map(Filters::new) {
        Some(Ok(filters)) => filters,
        Some(Err(message)) => {
            fields.refuse(name, message);
            Filters::default()
        }
        None => Filters::default(),
    }
}
