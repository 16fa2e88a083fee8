//! Pipes that can never do with what comes to them: a `date` of a list, or of a value of the flow's own that is none.

use ghl::catalog::{Shape, catalog};
use serde_json::{Map, Value};
use sync_model::pipes::Kind;

use super::super::templates::{Known, MissingValue, Place};
use super::super::{Flow, On};

/// Why the pipes of a place can never do with what stands there; none where they can.
pub(super) fn wrong(flow: &Flow, place: &Place) -> Option<String> {
    let Place::Piped(piped) = place else { return None };
    if let Err(wrong) = piped.pipes.gives(kind(flow, &piped.of)) {
        return Some(format!("{{{}}}, {wrong}", piped.text));
    }
    match found(flow, &piped.of) {
        // Who starts a run is to say what is left blank.
        Some(Value::String(text)) if text.trim().is_empty() || text.contains('{') => None,
        Some(_) => unfit(flow, place),
        None => None,
    }
}

/// What the flow's own values make of the pipes.
fn unfit(flow: &Flow, place: &Place) -> Option<String> {
    let nothing = Map::new();
    let known = Known {
        now: jiff::Timestamp::UNIX_EPOCH,
        contact: None,
        event: &Value::Null,
        set: &flow.set,
        answers: &nothing,
        is_dry_run: true,
    };
    match known.find(place) {
        Err(missing @ MissingValue::Unfit { .. }) => Some(missing.to_string()),
        _ => None,
    }
}

/// The value of the flow's own that stands there.
fn found<'a>(flow: &'a Flow, place: &Place) -> Option<&'a Value> {
    let Place::Path(path) = place else { return None };
    let [root, first, rest @ ..] = path.as_slice() else { return None };
    if root != "set" {
        return None;
    }
    rest.iter().try_fold(flow.set.get(first)?, |value, name| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        value => value.get(name),
    })
}

/// The kind of what stands at a place, as far as it is known before a run.
fn kind(flow: &Flow, place: &Place) -> Kind {
    let path = match place {
        Place::Now | Place::In(_) => return Kind::Time,
        Place::Secret(_) => return Kind::Text,
        Place::Piped(_) => return Kind::Any,
        Place::Path(path) => path,
    };
    let path: Vec<_> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["contact", field] => of_contact(field),
        ["set", ..] => match found(flow, place) {
            Some(Value::String(text)) if text.contains('{') => Kind::Any,
            value => value.map_or(Kind::Any, Kind::of),
        },
        ["event", rest @ ..] => match &flow.on {
            Some(On::Contact(_)) => Kind::Text,
            Some(On::Webhook(name)) => {
                let payload = catalog().trigger(name).and_then(|trigger| trigger.payload.as_ref());
                payload.map_or(Kind::Any, |payload| of_shape(payload, rest))
            }
            Some(_) => of_event(rest),
            None => Kind::Any,
        },
        // What a call answers is not always as the documents have it.
        _ => Kind::Any,
    }
}

fn of_contact(field: &str) -> Kind {
    match field {
        "id" | "clientyContactId" | "name" | "firstName" | "lastName" | "email" | "phone" | "companyName"
        | "address1" | "city" | "state" | "country" | "postalCode" | "website" | "source" | "assignedTo"
        | "timezone" => Kind::Text,
        "dateOfBirth" => Kind::Date,
        "lastActivity" | "dateAdded" | "dateUpdated" => Kind::Time,
        "dnd" => Kind::Bool,
        "tags" | "customFields" => Kind::List,
        "customFieldsByKey" | "fields" => Kind::Object,
        _ => Kind::Any,
    }
}

fn of_event(path: &[&str]) -> Kind {
    match path {
        ["id" | "type" | "locationId" | "contactId" | "origin"] => Kind::Text,
        [_] => Kind::Object,
        [_, "tags" | "removeTags" | "customFields"] => Kind::List,
        [_, "completed" | "dnd"] => Kind::Bool,
        [_, "title" | "noteText" | "status" | "name" | "email" | "phone"] => Kind::Text,
        _ => Kind::Any,
    }
}

fn of_shape(shape: &Shape, path: &[&str]) -> Kind {
    match (shape, path) {
        (Shape::OrNull(inner), path) => of_shape(inner, path),
        (Shape::Fields(fields), [name, rest @ ..]) => {
            let field = fields.iter().find(|field| field.name == *name);
            field.map_or(Kind::Any, |field| of_shape(&field.shape, rest))
        }
        (Shape::List(inner), [_, rest @ ..]) => of_shape(inner, rest),
        (_, [_, ..]) | (Shape::Any | Shape::OneOf(_), []) => Kind::Any,
        (Shape::Text | Shape::Words(_), []) => Kind::Text,
        (Shape::Number, []) => Kind::Number,
        (Shape::Flag, []) => Kind::Bool,
        (Shape::Object | Shape::Fields(_), []) => Kind::Object,
        (Shape::List(_), []) => Kind::List,
    }
}
