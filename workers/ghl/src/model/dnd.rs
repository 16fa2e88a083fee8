//! "Do not disturb": through which channels a contact may not be written to.
//!
//! A permanent one is the contact's own word, often the law's too, and is never lifted: the only way to write these
//! settings is a [`DndChange`], which is made from the contact as it is and leaves out what is permanent.

use std::collections::BTreeMap;

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::super::api::ApiVersion;
use super::contact::Contact;

/// A way to reach a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "a channel that says no more than its name has no more to say")]
pub enum Channel {
    Call,
    Email,
    Sms,
    WhatsApp,
    /// Google's business messages.
    Gmb,
    /// Facebook.
    Fb,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Call, Self::Email, Self::Sms, Self::WhatsApp, Self::Gmb, Self::Fb];

    /// What GHL calls it: the dated versions and v3 differ in their capitals.
    #[must_use]
    pub fn key(self, api: ApiVersion) -> &'static str {
        let (dated, v3) = match self {
            Self::Call => ("Call", "call"),
            Self::Email => ("Email", "email"),
            Self::Sms => ("SMS", "sms"),
            Self::WhatsApp => ("WhatsApp", "whatsApp"),
            Self::Gmb => ("GMB", "gmb"),
            Self::Fb => ("FB", "fb"),
        };
        if api == ApiVersion::V3 { v3 } else { dated }
    }
}

/// How a channel stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DndStatus {
    /// The contact may not be written to.
    Active,
    /// The contact may be written to.
    Inactive,
    /// The contact may not be written to, and this can't be changed.
    Permanent,
    /// A word that this client does not know; left alone, like a permanent one.
    Unknown,
}

/// The setting of one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dnd {
    /// How it stands.
    pub status: DndStatus,
    /// Why, in a person's words.
    pub message: Option<String>,
    /// Why, in GHL's words.
    pub code: Option<String>,
}

/// The settings of a contact, by channel. Read in the spelling of each version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DndSettings(pub BTreeMap<Channel, Dnd>);

impl DndSettings {
    /// Whether some channel may not be changed.
    #[must_use]
    pub fn hold_fast(&self) -> bool {
        self.0.values().any(|dnd| !dnd.status.may_change())
    }
}

impl DndStatus {
    fn may_change(self) -> bool {
        matches!(self, Self::Active | Self::Inactive)
    }
}

impl<'de> Deserialize<'de> for DndSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Value::Object(reported) = Value::deserialize(deserializer)? else { return Ok(Self::default()) };
        let channels = Channel::ALL.into_iter().filter_map(|channel| Some((channel, setting(&reported, channel)?)));
        Ok(Self(channels.collect()))
    }
}

fn setting(reported: &Map<String, Value>, channel: Channel) -> Option<Dnd> {
    let is_its = |key: &String| key.eq_ignore_ascii_case(channel.key(ApiVersion::V3));
    let dnd = reported.iter().find_map(|(key, dnd)| is_its(key).then_some(dnd)).filter(|dnd| dnd.is_object())?;
    let status = match dnd["status"].as_str().unwrap_or_default() {
        "active" => DndStatus::Active,
        "inactive" => DndStatus::Inactive,
        "permanent" => DndStatus::Permanent,
        _ => DndStatus::Unknown,
    };
    let text = |name: &str| dnd[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    Some(Dnd { status, message: text("message"), code: text("code") })
}

/// A change of the settings that lifts nothing permanent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DndChange {
    all: Option<bool>,
    channels: BTreeMap<Channel, bool>,
}

impl DndChange {
    /// The change of `current` to the wanted: `all` is the contact's main switch, `channels` those to switch. What is
    /// permanent stays out of it; and the main switch is not turned off over a permanent channel.
    #[must_use]
    pub fn of(current: &Contact, all: Option<bool>, channels: &[(Channel, bool)]) -> Self {
        let settings = &current.dnd_settings;
        let may_change = |channel: &Channel| settings.0.get(channel).is_none_or(|dnd| dnd.status.may_change());
        Self {
            all: all.filter(|on| *on || !settings.hold_fast()),
            channels: channels.iter().copied().filter(|(channel, _)| may_change(channel)).collect(),
        }
    }

    /// Whether nothing is left to change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_none() && self.channels.is_empty()
    }
}

impl Serialize for DndChange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(all) = self.all {
            map.serialize_entry("dnd", &all)?;
        }
        if !self.channels.is_empty() {
            let status = |on: bool| json!({"status": if on { "active" } else { "inactive" }});
            let settings: Map<String, Value> = self
                .channels
                .iter()
                .map(|(channel, on)| (channel.key(ApiVersion::Dated).to_owned(), status(*on)))
                .collect();
            map.serialize_entry("dndSettings", &settings)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(settings: Value) -> Contact {
        serde_json::from_value(json!({"id": "c1", "dndSettings": settings})).unwrap()
    }

    #[test]
    fn both_spellings_are_read() {
        let dated = contact(json!({"SMS": {"status": "active", "message": "", "code": "1"}, "WhatsApp": null}));
        let v3 = contact(json!({"sms": {"status": "active", "code": "1"}, "whatsApp": 3, "pigeon": {}}));
        assert_eq!(dated, v3);
        let sms = Dnd { status: DndStatus::Active, message: None, code: Some("1".to_owned()) };
        assert_eq!(dated.dnd_settings.0, [(Channel::Sms, sms)].into());
        assert_eq!(contact(json!([])).dnd_settings, DndSettings::default());
    }

    #[test]
    fn a_permanent_setting_is_never_lifted() {
        let settings = json!({"SMS": {"status": "permanent"}, "Email": {"status": "active"}, "Call": {"status": "?"}});
        let off = [(Channel::Sms, false), (Channel::Email, false), (Channel::Call, false), (Channel::Fb, false)];
        let change = DndChange::of(&contact(settings), Some(false), &off);
        let expected = json!({"dndSettings": {"Email": {"status": "inactive"}, "FB": {"status": "inactive"}}});
        assert_eq!(json!(change), expected);
    }

    #[test]
    fn a_change_of_nothing_is_empty() {
        let held = contact(json!({"sms": {"status": "permanent"}}));
        assert!(DndChange::of(&held, Some(false), &[(Channel::Sms, false)]).is_empty());
        assert_eq!(json!(DndChange::of(&held, Some(true), &[])), json!({"dnd": true}));
    }
}
