//! What starts a flow, as its file says it.

use serde_json::Value;

use super::On;
use crate::catalog::{Found, Shape, Trigger, catalog};
use crate::events::KNOWN;
use crate::spelling::nearest;

/// Events of producers by which contacts come into being or get tags: as occasions they are those in GHL, as they are for rules.
const OF_GHL: [&str; 2] = ["contact.created", "contact.tagged"];

/// Areas whose webhooks tell of what Clienty keeps: there the occasions are contact.created and contact.tagged, or are none.
const KEPT: [&str; 3] = ["contacts", "locations", "marketplace"];
/// Where a webhook may say of what it tells.
const OBJECT: [&str; 3] = ["id", "_id", "messageId"];

/// The webhooks that may start a flow: those that GHL names, and that tell which object they are about.
fn webhooks() -> impl Iterator<Item = &'static str> {
    let has = |trigger: &Trigger, names: &[&str]| matches!(&trigger.payload, Some(Shape::Fields(fields)) if fields.iter().any(|field| names.contains(&field.name.as_str())));
    let may = move |trigger: &&Trigger| {
        trigger.found == Found::Webhook
            && !KEPT.contains(&trigger.area)
            && has(trigger, &["type"])
            && has(trigger, &OBJECT)
    };
    catalog().triggers().iter().filter(may).map(|trigger| trigger.name)
}

/// GHL's id of the object that a webhook is about.
#[must_use]
pub fn object_of(webhook: &Value) -> Option<&str> {
    OBJECT.iter().find_map(|name| webhook[*name].as_str())
}

impl On {
    /// Reads `contact.tagged=vip`, `task.completed`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Ok(occasion) = text.parse() {
            return Ok(Self::Contact(occasion));
        }
        if text.split('=').next() == Some("contact.tagged") {
            return Err("needs the tag: contact.tagged=vip".to_owned());
        }
        let events = || KNOWN.into_iter().filter(|event| !OF_GHL.contains(event));
        if events().any(|event| event == text) {
            return Ok(Self::Event(text.to_owned()));
        }
        if let Some(webhook) = webhooks().find(|webhook| *webhook == text) {
            return Ok(Self::Webhook(webhook));
        }
        Err(match nearest(text, events().chain(OF_GHL).chain(webhooks())) {
            Some(meant) => format!("is no occasion; did you mean {meant}?"),
            None => format!(
                "is no occasion; in GHL there are contact.created and contact.tagged=TAG, of producers {}, and GHL's webhooks {}",
                events().collect::<Vec<_>>().join(", "),
                webhooks().collect::<Vec<_>>().join(", ")
            ),
        })
    }
}
