//! What starts a flow, as its file says it.

use super::On;
use crate::events::KNOWN;
use crate::spelling::nearest;

/// Events of producers by which contacts come into being or get tags: as occasions they are those in GHL, as they are for rules.
const OF_GHL: [&str; 2] = ["contact.created", "contact.tagged"];

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
        Err(match nearest(text, events().chain(OF_GHL)) {
            Some(meant) => format!("is no occasion; did you mean {meant}?"),
            None => format!(
                "is no occasion; in GHL there are contact.created and contact.tagged=TAG, of producers {}",
                events().collect::<Vec<_>>().join(", ")
            ),
        })
    }
}
