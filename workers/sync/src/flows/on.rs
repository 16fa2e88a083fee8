//! What starts a flow, as its file says it.
//!
//! `RECORD.updated=FIELD` waits for one field; `=*` of a tag for any tag.

use ghl::webhooks::{Event, Starts};
use sync_model::decide::fields::check_name;
use sync_model::suggest::nearest;

use super::On;
use super::change::IN_A_CHANGE;
use crate::events::KNOWN;

/// Triggers that exist in GHL alone: what Clienty itself creates or tags is none.
const OF_GHL: [&str; 3] = ["contact.created", "contact.tagged", "contact.untagged"];

/// The webhooks that start the flows that name them.
fn webhooks() -> impl Iterator<Item = &'static str> {
    Event::ALL.iter().filter(|event| event.starts() == Starts::Flow).map(|event| event.as_str())
}

/// The events that start flows, whether a producer sends one or it is what happened in GHL.
fn events() -> impl Iterator<Item = &'static str> {
    KNOWN.into_iter().filter(|event| !OF_GHL.contains(event)).chain(IN_A_CHANGE)
}

impl On {
    /// What the event of a record is called that it waits for, and what of the record it is; none where it is no event of a record.
    pub(super) fn event(&self) -> Option<(String, &str)> {
        match self {
            Self::Event(name) => Some((name.clone(), name.split('.').next().unwrap_or_default())),
            Self::Changed { record, field: _ } => Some((format!("{record}.updated"), record)),
            Self::Contact(_) | Self::Webhook(_) => None,
        }
    }

    /// Whether a record was there before what it waits for, and is there still.
    pub(super) fn is_change(&self) -> bool {
        let Some((event, _)) = self.event() else { return false };
        event.ends_with(".updated") || event == "task.completed" || IN_A_CHANGE.contains(&event.as_str())
    }

    /// Reads `contact.tagged=vip`, `task.completed`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Ok(trigger) = text.parse() {
            return Ok(Self::Contact(trigger));
        }
        if let Some(name @ ("contact.tagged" | "contact.untagged")) = text.split('=').next() {
            return Err(format!("needs the tag: {name}=vip, or {name}=* for any"));
        }
        if let Some((event, field)) = text.split_once('=')
            && let Some(record) = event.strip_suffix(".updated")
        {
            let full = format!("{record}.{field}");
            return match check_name(&full) {
                Ok(()) => Ok(Self::Changed { record: record.to_owned(), field: field.to_owned() }),
                Err(known) => Err(format!("must name {known}")),
            };
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
                 GHL, contact.updated=FIELD (task, note and appointment likewise), and GHL's webhooks {}",
                events().collect::<Vec<_>>().join(", "),
                webhooks().collect::<Vec<_>>().join(", ")
            ),
        })
    }
}
