//! The two generations of GHL's API, and what a request of ours must look like in each.
//!
//! There is one model of ours. It writes in the words of the dated versions; for `v3` the few words that were renamed are
//! exchanged here, last before sending. Replies need no such step: the models read both spellings, since GHL mixes them.

use serde_json::Value;

use super::model::Channel;

/// Which generation of the API a location is called with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ApiVersion {
    /// The versions with a date for a name: `2021-07-28`, `2021-04-15`.
    #[default]
    Dated,
    /// `v3`.
    V3,
}

impl ApiVersion {
    /// Its name in settings and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dated => "v2",
            Self::V3 => "v3",
        }
    }

    /// The generation of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Dated, Self::V3].into_iter().find(|version| version.name() == name)
    }

    /// Puts the body of a request into this generation's words.
    pub(super) fn word(self, body: &mut Value) {
        if self == Self::Dated {
            return;
        }
        if let Some(fields) = body.get_mut("customFields").and_then(Value::as_array_mut) {
            for field in fields {
                rename(field, "field_value", "fieldValue");
            }
        }
        if let Some(settings) = body.get_mut("dndSettings") {
            for channel in Channel::ALL {
                rename(settings, channel.key(Self::Dated), channel.key(Self::V3));
            }
        }
    }
}

fn rename(object: &mut Value, from: &str, to: &str) {
    if let Some(fields) = object.as_object_mut()
        && let Some(value) = fields.remove(from)
    {
        fields.insert(to.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn v3_renames_the_keys_of_custom_fields_and_dnd_and_nothing_else() {
        let written = json!({
            "firstName": "Ada",
            "customFields": [{"id": "f1", "field_value": 1}, {"key": "k", "field_value": ["a"]}],
            "dndSettings": {"SMS": {"status": "active"}, "WhatsApp": {"status": "inactive"}},
        });
        let mut dated = written.clone();
        ApiVersion::Dated.word(&mut dated);
        assert_eq!(dated, written);
        let mut v3 = written;
        ApiVersion::V3.word(&mut v3);
        let expected = json!({
            "firstName": "Ada",
            "customFields": [{"id": "f1", "fieldValue": 1}, {"key": "k", "fieldValue": ["a"]}],
            "dndSettings": {"sms": {"status": "active"}, "whatsApp": {"status": "inactive"}},
        });
        assert_eq!(v3, expected);
    }

    #[test]
    fn a_version_is_found_by_its_name() {
        for version in [ApiVersion::Dated, ApiVersion::V3] {
            assert_eq!(ApiVersion::named(version.name()), Some(version));
        }
        assert_eq!(ApiVersion::named("v9"), None);
    }
}
