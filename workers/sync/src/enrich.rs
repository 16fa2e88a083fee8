//! Enrichment: what is missing of a contact is looked up elsewhere, within a ceiling of money and below every person's word (law 20).
//!
//! A provider is data ([`Provider`]): what it is asked, what it costs, and which field of a contact its answer fills. The job asks the providers in the
//! order of the settings until everything wanted is there; `local` calls no one and comes first.
//!
//! The trap is money. The greatest cost of a call is reserved in a committed row before the call is sent, and settled after it. A call whose outcome is
//! unknown counts as paid and is not repeated by itself; so no crash and no race passes a ceiling or pays twice. The other trap is people: what they
//! typed or took away is never overwritten ([`sync_model::decide::enrichment`]), a contact without consent is not asked about, and an erasure takes it all.
//!
//! A new provider is a file in `deploy/enrich`, and no code.

use std::collections::HashMap;
use std::sync::Arc;

use secrecy::SecretString;
use sync_model::decide::enrichment::Overwrite;
use sync_model::record::Contact;

use crate::records::{Records, RecordsError};
use crate::vault::{Vault, VaultError};
use outbound::outside::Door;

mod ask;
mod countries;
pub mod free_mail;
mod keys;
mod metrics;
mod pace;
mod provider;
mod template;
#[cfg(test)]
mod tests;

use sync_model::money::Money;

pub use self::ask::Reply;
pub use self::keys::{KEYS, Keys};
pub use self::metrics::EnrichMetrics;
pub(crate) use self::metrics::LookupOutcome;
pub use self::pace::{Pace, Turn};
pub use self::provider::{Charged, FILLABLE, Limit, Provider, is_fillable};

/// The provider that calls no one.
pub const LOCAL: &str = "local";

/// On what ground people are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consent {
    /// The contact has this tag.
    Tag(String),
    /// The operator's legitimate interest, which the operator answers for.
    LegitimateInterest,
}

impl Consent {
    /// The words of the settings: `tag:marketing-ok` or `legitimate_interest`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("tag:").map(|tag| tag.trim().to_lowercase()) {
            Some(tag) if !tag.is_empty() => Some(Self::Tag(tag)),
            None if text == "legitimate_interest" => Some(Self::LegitimateInterest),
            _ => None,
        }
    }
}

impl std::fmt::Display for Consent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tag(tag) => write!(f, "tag:{tag}"),
            Self::LegitimateInterest => f.write_str("legitimate_interest"),
        }
    }
}

/// What the operator has decided.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The names of the providers, in the order in which they are asked.
    pub order: Vec<String>,
    /// The fields of a contact that are wanted.
    pub want: Vec<String>,
    /// On what ground people are looked up.
    pub consent: Consent,
    /// What of its own values enrichment replaces.
    pub overwrite: Overwrite,
    /// What one provider may cost in a month (UTC).
    pub provider_month: Money,
    /// What one location may cost on a day (UTC).
    pub location_day: Money,
}

impl Rules {
    /// Why the contact must not be looked up; none where it may.
    #[must_use]
    pub fn withheld(&self, contact: &Contact) -> Option<Withheld> {
        if contact.dnd == Some(true) {
            return Some(Withheld::DoNotDisturb);
        }
        match &self.consent {
            Consent::Tag(tag) if !contact.tags.iter().any(|own| own.trim().to_lowercase() == *tag) => {
                Some(Withheld::NoConsent)
            }
            Consent::Tag(_) | Consent::LegitimateInterest => None,
        }
    }
}

/// Why a contact is not looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withheld {
    /// It lacks the tag that says it agreed.
    NoConsent,
    /// It is not to be disturbed.
    DoNotDisturb,
}

impl Withheld {
    /// The word in metrics and lists.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoConsent => "no_consent",
            Self::DoNotDisturb => "do_not_disturb",
        }
    }
}

/// All that a job needs to look a contact up. Clones share it.
#[derive(Clone)]
pub struct Enricher {
    /// What the operator has decided.
    pub rules: Arc<Rules>,
    /// Those of the order, in that order.
    pub providers: Arc<[Provider]>,
    /// Sends the calls.
    pub door: Door,
    /// Opens the providers' keys; none without a master key.
    pub vault: Option<Vault>,
    /// How fast and whether each is called, in this process.
    pub paces: Arc<HashMap<String, Pace>>,
    /// What is counted.
    pub metrics: EnrichMetrics,
}

/// Why a provider can't be called.
#[derive(Debug, thiserror::Error)]
pub enum NoSecret {
    /// There is none.
    #[error("the provider has no key: run `clienty-sync enrich connect --provider {0} --key-file FILE`")]
    Missing(String),
    /// Nothing can be opened.
    #[error("no master key is set, so the key of a provider can't be kept: set CLIENTY_MASTER_KEYS")]
    NoMasterKey,
    /// It can't be opened.
    #[error("the key of the provider: {0}")]
    Vault(#[from] VaultError),
    /// The database.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

/// Whom a provider's key is sealed for.
pub(crate) fn owner(provider: &str) -> String {
    format!("enrich:{provider}")
}

impl Enricher {
    /// With these providers, of which the order of the rules takes those that it names.
    #[must_use]
    pub fn new(rules: Rules, all: &[Provider], door: Door, vault: Option<Vault>, metrics: EnrichMetrics) -> Self {
        let named = rules.order.iter().filter_map(|name| all.iter().find(|provider| provider.name == *name));
        let providers: Vec<_> = named.cloned().collect();
        let paces = providers.iter().map(|provider| (provider.name.clone(), Pace::new(provider.limit))).collect();
        for provider in &providers {
            metrics.begin(&provider.name);
        }
        Self { rules: Arc::new(rules), providers: providers.into(), door, vault, paces: Arc::new(paces), metrics }
    }

    /// The key that a provider's requests carry; none where they carry none.
    ///
    /// # Errors
    /// [`NoSecret`].
    pub async fn secret(&self, records: &Records, provider: &Provider) -> Result<Option<SecretString>, NoSecret> {
        if !provider.takes_secret() {
            return Ok(None);
        }
        let sealed = records.provider_key(&provider.name).await?;
        let Some(sealed) = sealed else {
            return if provider.keyless { Ok(None) } else { Err(NoSecret::Missing(provider.name.clone())) };
        };
        let vault = self.vault.as_ref().ok_or(NoSecret::NoMasterKey)?;
        Ok(Some(vault.open(&sealed, &owner(&provider.name))?))
    }

    /// Keeps the key of a provider, sealed.
    ///
    /// # Errors
    /// [`NoSecret`].
    pub async fn connect(&self, records: &Records, provider: &str, key: &SecretString) -> Result<(), NoSecret> {
        let vault = self.vault.as_ref().ok_or(NoSecret::NoMasterKey)?;
        let sealed = vault.seal(key, &owner(provider))?;
        Ok(records.save_provider_key(provider, &sealed).await?)
    }

    /// The names under which an answer is kept, that of the newest master key first. What was asked about is not in them.
    #[must_use]
    pub fn cache_names(&self, provider: &Provider, location_id: &str, keys: &Keys) -> Vec<String> {
        let identity = provider.identity(keys);
        let text = serde_json::json!([provider.name, location_id, identity]).to_string();
        self.vault.as_ref().map(|vault| vault.fingerprints("enrichment", &text)).unwrap_or_default()
    }
}
