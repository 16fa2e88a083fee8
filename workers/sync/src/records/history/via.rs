//! How a change comes about.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use uuid::Uuid;

/// By what the program learnt of a change, or made it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase", tag = "via")]
pub enum Via {
    /// The record was read in GHL.
    #[default]
    Look,
    /// A list of GHL's showed it: an import, a reconciliation, a comparison.
    List,
    /// GHL answered so to a write.
    Reply,
    /// An event of a producer, of a flow, or of a person at the command line.
    Event,
    /// An operator discarded or cancelled the job that was to write it.
    Operator,
    /// A webhook said so, whose signature was checked.
    #[serde(rename_all = "camelCase")]
    Webhook {
        /// GHL's id of it.
        webhook_id: String,
    },
    /// A rule of the settings made it.
    Rule {
        /// Its name.
        rule: String,
    },
    /// A provider of enrichment gave it, or what it gave was taken back.
    Enrichment {
        /// Its name.
        provider: String,
    },
}

impl Via {
    /// What [`Via::text`] wrote; none for what another version did.
    pub(in super::super) fn parse(text: &str) -> Option<Self> {
        let (letter, named) = text.split_once(':').unwrap_or((text, ""));
        Some(match letter {
            "k" => Self::Look,
            "l" => Self::List,
            "r" => Self::Reply,
            "e" => Self::Event,
            "o" => Self::Operator,
            "w" => Self::Webhook { webhook_id: long(named) },
            "u" => Self::Rule { rule: named.to_owned() },
            "n" => Self::Enrichment { provider: named.to_owned() },
            _ => return None,
        })
    }

    /// As it is kept: a letter, and what it names.
    pub(in super::super) fn text(&self) -> String {
        match self {
            Self::Look => "k".to_owned(),
            Self::List => "l".to_owned(),
            Self::Reply => "r".to_owned(),
            Self::Event => "e".to_owned(),
            Self::Operator => "o".to_owned(),
            Self::Webhook { webhook_id } => format!("w:{}", short(webhook_id)),
            Self::Rule { rule } => format!("u:{rule}"),
            Self::Enrichment { provider } => format!("n:{provider}"),
        }
    }

    /// The word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::List => "list",
            Self::Reply => "reply",
            Self::Event => "event",
            Self::Operator => "operator",
            Self::Webhook { .. } => "webhook",
            Self::Rule { .. } => "rule",
            Self::Enrichment { .. } => "enrichment",
        }
    }
}

/// Before an id that is kept as it is.
const AS_IT_IS: char = '=';

/// A UUID takes 22 letters instead of 36.
fn short(id: &str) -> String {
    match Uuid::parse_str(id) {
        // Only what comes back letter by letter.
        Ok(uuid) if uuid.to_string() == id => URL_SAFE_NO_PAD.encode(uuid.as_bytes()),
        _ => format!("{AS_IT_IS}{id}"),
    }
}

fn long(text: &str) -> String {
    let uuid = || Uuid::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok();
    match text.strip_prefix(AS_IT_IS) {
        Some(id) => id.to_owned(),
        None => uuid().map_or_else(|| text.to_owned(), |uuid| uuid.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_comes_back_as_it_was_kept() {
        let ids = ["3fa85f64-5717-4562-b3fc-2c963f66afa6", "3FA85F64-5717-4562-B3FC-2C963F66AFA6", "k:1", "", "="];
        let webhooks = ids.map(|id| Via::Webhook { webhook_id: id.to_owned() });
        let rule = Via::Rule { rule: "call:new".to_owned() };
        let found = Via::Enrichment { provider: "pdl".to_owned() };
        let plain = [Via::Look, Via::List, Via::Reply, Via::Event, Via::Operator, rule, found];
        for via in plain.into_iter().chain(webhooks) {
            assert_eq!(Via::parse(&via.text()), Some(via));
        }
        let kept = Via::Webhook { webhook_id: ids[0].to_owned() }.text();
        assert_eq!(kept.len(), "w:".len() + 22, "{kept}");
        assert_eq!(Via::parse("telepathy"), None);
    }
}
