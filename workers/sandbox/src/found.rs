//! An item of `POST /contacts/search`, in the shapes that GHL was seen to answer with.
//!
//! Learned from captured replies of January 2025, September 2025 and March 2026. An item has other names and fewer fields than the contact
//! by id: `address` for `address1`, a date of birth in milliseconds, never a `lastActivity`. A client that takes what is absent for
//! empty loses data, so the sandbox leaves out just what GHL does.

use std::str::FromStr;

use serde_json::{Map, Value, json};

use super::contact::{date_ms, strings};

/// When GHL's search answered so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SearchFields {
    /// January 2025: names in lower case alone, no time zone, no `dndSettings`.
    January2025,
    /// September 2025: names as typed as well.
    September2025,
    /// March 2026: also the full name, the time zone, and `dndSettings`, which is empty whatever is set.
    #[default]
    March2026,
}

impl SearchFields {
    /// What they are called, oldest first.
    pub const NAMES: [&'static str; 3] = ["2025-01", "2025-09", "2026-03"];
}

impl FromStr for SearchFields {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "2025-01" => Ok(Self::January2025),
            "2025-09" => Ok(Self::September2025),
            "2026-03" => Ok(Self::March2026),
            _ => Err(format!("one of {}", Self::NAMES.join(", "))),
        }
    }
}

/// What every shape copies from the contact; null where there is nothing.
const COPIED: [&str; 19] = [
    "id",
    "locationId",
    "companyName",
    "email",
    "phone",
    "dnd",
    "type",
    "source",
    "assignedTo",
    "city",
    "state",
    "postalCode",
    "country",
    "website",
    "dateAdded",
    "dateUpdated",
    "tags",
    "customFields",
    "businessId",
];

/// The contact as an item of the search.
pub(super) fn as_found(contact: &Value, shape: SearchFields) -> Value {
    let mut shown: Map<String, Value> =
        COPIED.into_iter().map(|field| (field.to_owned(), contact[field].clone())).collect();
    let mut show = |field: &str, value: Value| drop(shown.insert(field.to_owned(), value));
    show("address", contact["address1"].clone());
    let born = contact["dateOfBirth"].as_str().map(|_| date_ms(contact, "dateOfBirth"));
    show("dateOfBirth", json!(born));
    for part in ["firstNameLowerCase", "lastNameLowerCase"] {
        show(part, contact[part].clone());
    }
    for empty in ["additionalEmails", "additionalPhones", "opportunities"] {
        show(empty, json!([]));
    }
    for nothing in ["phoneLabel", "businessName", "validEmail"] {
        show(nothing, Value::Null);
    }
    show("followers", json!(strings(&contact["followers"])));
    if shape != SearchFields::January2025 {
        show("firstName", contact["firstName"].clone());
        show("lastName", contact["lastName"].clone());
    }
    if shape == SearchFields::March2026 {
        let parts = [&contact["firstName"], &contact["lastName"]];
        let parts: Vec<&str> = parts.into_iter().filter_map(Value::as_str).filter(|part| !part.is_empty()).collect();
        show("contactName", json!(parts.join(" ")));
        show("timezone", contact["timezone"].clone());
        show("dndSettings", json!({}));
        show("inboundDndSettings", json!({}));
    }
    Value::Object(shown)
}
