//! What starts a flow, as its file says it.

use super::On;
use crate::events::KNOWN;
use crate::ghl::webhooks::{Event, Starts};
use crate::spelling::nearest;

/// Triggers that exist in GHL alone: what Clienty itself creates or tags is none.
const OF_GHL: [&str; 3] = ["contact.created", "contact.tagged", "contact.untagged"];

/// The webhooks that start the flows that name them.
fn webhooks() -> impl Iterator<Item = &'static str> {
    Event::ALL.iter().filter(|event| event.starts() == Starts::Flow).map(|event| event.as_str())
}

/// The events that start flows, whether a producer sends one or it is what happened in GHL.
fn events() -> impl Iterator<Item = &'static str> {
    KNOWN.into_iter().filter(|event| !OF_GHL.contains(event))
}

impl On {
    /// Reads `contact.tagged=vip`, `task.completed`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Ok(occasion) = text.parse() {
            return Ok(Self::Contact(occasion));
        }
        if let Some(name @ ("contact.tagged" | "contact.untagged")) = text.split('=').next() {
            return Err(format!("needs the tag: {name}=vip"));
        }
        if events().any(|event| event == text) {
            return Ok(Self::Event(text.to_owned()));
        }
        if let Some(webhook) = webhooks().find(|webhook| *webhook == text) {
            return Ok(Self::Webhook(webhook));
        }
        let own = Event::ALL.iter().find(|event| event.as_str() == text).map(|event| event.starts());
        Err(match (own, nearest(text, events().chain(OF_GHL).chain(webhooks()))) {
            (Some(Starts::Own(Some(trigger))), _) => {
                format!("is a webhook about what is kept here; the trigger of what it changes is {trigger}")
            }
            (Some(_), _) => "is a webhook that starts no flow".to_owned(),
            (None, Some(meant)) => format!("is no trigger; did you mean {meant}?"),
            (None, None) => format!(
                "is no trigger; there are contact.created, contact.tagged=TAG and contact.untagged=TAG in GHL, {} of producers and in \
                 GHL, and GHL's webhooks {}",
                events().collect::<Vec<_>>().join(", "),
                webhooks().collect::<Vec<_>>().join(", ")
            ),
        })
    }
}
