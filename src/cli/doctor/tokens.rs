//! What opens GHL: the OAuth app of the settings, and the stored tokens.

use ghl::ApiVersion;
use jiff::{SignedDuration, Timestamp};
use sync_model::clock::Clock;
use sync_workers::records::{Holder, Records, RecordsError, StoredToken, TokenState};
use sync_workers::vault::Vault;

use super::{Check, named};
use crate::app::vault;
use crate::config::Config;

const PAGE: i64 = 500;

/// Whether an OAuth app is set, and completely.
pub(super) fn app(config: &Config) -> Check {
    const NAME: &str = "oauth app";
    let ghl = &config.ghl;
    let settings = [
        ("GHL_CLIENT_ID", ghl.client_id.is_some()),
        ("GHL_CLIENT_SECRET", ghl.client_secret.is_some()),
        ("GHL_REDIRECT_URI", ghl.redirect_uri.is_some()),
    ];
    let missing: Vec<_> = settings.into_iter().filter(|(_, is_set)| !is_set).map(|(name, _)| name).collect();
    let redirect = ghl.redirect_uri.as_deref().unwrap_or_default();
    if missing.len() == settings.len() {
        return Check::ok(NAME, "none is set: locations are connected by Private Integration Tokens");
    }
    if !missing.is_empty() {
        let found = format!("{} not set", missing.join(" and "));
        return Check::failed(NAME, found, "set all three as GHL's marketplace shows them, or none");
    }
    if !redirect.ends_with("/oauth/callback") {
        let remedy = "set GHL_REDIRECT_URI to the public address of the gateway's /oauth/callback, and the same in the marketplace";
        return Check::failed(
            NAME,
            format!("GHL sends customers back to {redirect}, which is not the gateway's /oauth/callback"),
            remedy,
        );
    }
    if ghl.scopes.is_empty() {
        return Check::failed(NAME, "it asks for no scope, so its tokens allow nothing", "set GHL_SCOPES");
    }
    Check::ok(NAME, format!("asks for {}; comes back to {redirect}", ghl.scopes.join(" ")))
}

/// The stored tokens, by what is wrong with them.
#[derive(Default)]
struct Found {
    all: usize,
    sealed: Vec<String>,
    revoked: Vec<String>,
    expired: Vec<String>,
    failing: Vec<String>,
    expiring: usize,
    lacking: Vec<String>,
    older_key: usize,
}

impl Found {
    async fn look(records: &Records, vault: &Vault) -> Result<Self, RecordsError> {
        let (mut found, mut after) = (Self::default(), None);
        let now = Clock::system().now();
        loop {
            let page = records.list_tokens(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = Some(last.holder.clone());
            page.iter().for_each(|stored| found.add(stored, vault, now));
        }
    }

    fn add(&mut self, stored: &StoredToken, vault: &Vault, now: Timestamp) {
        self.all += 1;
        let name = match &stored.holder {
            Holder::Location(id) => id.clone(),
            Holder::Company(id) => format!("agency {id}"),
        };
        let parts = [(&stored.access, stored.holder.key()), (&stored.refresh, stored.holder.refresh_key())];
        let sealed = || parts.iter().filter_map(|(sealed, owner)| sealed.as_ref().map(|sealed| (sealed, owner)));
        self.older_key += usize::from(sealed().any(|(sealed, _)| sealed.key_id != vault.newest_key_id()));
        if !stored.missing_scopes.is_empty() {
            self.lacking.push(format!("{name} ({})", stored.missing_scopes));
        }
        let soon = now.checked_add(SignedDuration::from_mins(60)).unwrap_or(Timestamp::MAX);
        if sealed().any(|(sealed, owner)| vault.open(sealed, owner).is_err()) {
            self.sealed.push(name);
        } else if stored.state != TokenState::Active {
            self.revoked.push(name);
        } else if stored.expires_at.is_some_and(|end| end <= now) {
            self.expired.push(name);
        } else if stored.failures > 0 {
            self.failing.push(format!("{name} ({})", stored.reason.as_deref().unwrap_or("no reason given")));
        } else if stored.expires_at.is_some_and(|end| end <= soon) {
            self.expiring += 1;
        }
    }

    fn checks(self) -> Vec<Check> {
        const NAME: &str = "tokens";
        let Self { all, sealed, revoked, expired, failing, expiring, lacking, older_key } = self;
        let failed = [
            (
                &sealed,
                "can't be opened with these master keys",
                "add the key that sealed them to CLIENTY_MASTER_KEYS, or connect the locations again",
            ),
            (
                &revoked,
                "withdrawn by GHL, or lost in a refresh",
                "connect them again: open the link that `clienty-sync connect` prints, or store a new Private Integration Token",
            ),
        ];
        let warned = [
            (
                &expired,
                "expired",
                "start a worker (or `up`) with GHL_CLIENT_ID, GHL_CLIENT_SECRET and GHL_REDIRECT_URI set: it refreshes a token when it needs it",
            ),
            (&failing, "could not be refreshed", "see the reason; workers retry by themselves"),
            (
                &lacking,
                "were granted less than GHL_SCOPES asks for",
                "connect them again to grant the missing scopes, or remove these from GHL_SCOPES",
            ),
        ];
        let mut checks = Vec::new();
        for (names, what, remedy) in failed {
            if !names.is_empty() {
                checks.push(Check::failed(NAME, reported(names, all, what), remedy));
            }
        }
        for (names, what, remedy) in warned {
            if !names.is_empty() {
                checks.push(Check::warning(NAME, reported(names, all, what), remedy));
            }
        }
        if older_key > 0 {
            let found = format!("{older_key} of {all} are sealed with an older master key");
            checks.push(Check::warning(NAME, found, "run `clienty-sync secrets rotate`; workers may keep running"));
        }
        if checks.is_empty() {
            checks.push(match (all, expiring) {
                (0, _) => Check::warning(
                    NAME,
                    "no location is connected",
                    "open the link that `clienty-sync connect` prints, or run `clienty-sync connect --location ID --pit-file FILE`; \
                     events of other locations are rejected",
                ),
                (all, 0) => Check::ok(NAME, format!("{all} of {all} can be opened")),
                (all, expiring) => {
                    let found = format!("{all} of {all} can be opened; {expiring} expire within the hour, and workers refresh them");
                    Check::ok(NAME, found)
                }
            });
        }
        checks
    }
}

fn reported(names: &[String], all: usize, what: &str) -> String {
    format!("{} of {all} {what}: {}", names.len(), named(names))
}

/// The stored tokens. Silent if the schema or the keys are missing, which other checks report.
pub(super) async fn check(config: &Config, records: &Records) -> Vec<Check> {
    let Ok(vault) = vault(config) else { return Vec::new() };
    Found::look(records, &vault).await.map_or_else(|_| Vec::new(), Found::checks)
}

/// Whether GHL accepts the stored token of each location.
pub(super) async fn live(config: &Config, records: &Records) -> Check {
    const NAME: &str = "live tokens";
    let look = async {
        let vault = vault(config)?;
        let (mut taken, mut refused, mut after) = (0, Vec::new(), None);
        loop {
            let page = records.list_tokens(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return anyhow::Ok((taken, refused)) };
            after = Some(last.holder.clone());
            for stored in &page {
                let (Holder::Location(id), Some(sealed)) = (&stored.holder, &stored.access) else { continue };
                let api = records.connection(id).await?.and_then(|connection| connection.api);
                let api = api.as_deref().and_then(ApiVersion::named).unwrap_or_default();
                let token = vault.open(sealed, &stored.holder.key())?;
                match super::super::connect::ask(config, id, &token, api).await {
                    Ok(_) => taken += 1,
                    Err(error) => refused.push(format!("{id} ({})", error.root_cause())),
                }
            }
        }
    };
    match look.await {
        Ok((taken, refused)) if refused.is_empty() => Check::ok(NAME, format!("GHL takes all {taken}")),
        Ok((taken, refused)) => Check::failed(
            NAME,
            format!("GHL takes {taken} and refuses {}: {}", refused.len(), named(&refused)),
            "connect those locations again: `clienty-sync connect --location ID --pit-file FILE`, or the link that `connect` prints",
        ),
        Err(error) => Check::failed(NAME, format!("{error:#}"), "see the other checks"),
    }
}
