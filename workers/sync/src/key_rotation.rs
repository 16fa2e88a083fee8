//! Seals every stored token, every secret of a hook or of flows and every key of a provider with the newest master key, while workers go on.
//!
//! A few rows at a time, each put in place only where the same token still stands there: a refresh that is faster wins, and seals with
//! the newest key itself. It may be interrupted at any time and begun again.

use secrecy::SecretString;
use serde::Serialize;
use serde_json::json;

use crate::enrich;
use crate::hooks::secrets;
use crate::records::{Action, AuditAct, Holder, Records, RecordsError, StoredToken};
use crate::vault::{Sealed, Vault, VaultError, of_flows};

const PAGE: i64 = 100;
/// A token that changes under every one of these passes is being refreshed by a process that has the old keys only.
const PASSES: usize = 3;

/// What a rotation found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rotated {
    /// Tokens, secrets of hooks and of flows, and keys of providers that are stored.
    pub tokens: usize,
    /// Sealed again.
    pub resealed: usize,
    /// Were sealed with the newest key already.
    pub current: usize,
    /// Still sealed with an older key, since they can't be opened or were changed again and again; by the name of their holder.
    pub left: Vec<String>,
}

/// Seals what an older key has sealed.
///
/// # Errors
/// When the database does not answer. What was sealed again until then stays so.
pub async fn rotate(records: &Records, vault: &Vault) -> Result<Rotated, RecordsError> {
    records.note_act(AuditAct::new(Action::SecretsRotate).with(json!({"masterKey": vault.newest_key_id()}))).await?;
    let mut reported = pass(records, vault).await?;
    for _ in 1..PASSES {
        if reported.left.is_empty() {
            break;
        }
        let next = pass(records, vault).await?;
        let resealed = reported.resealed + next.resealed;
        let current = next.tokens - next.left.len() - resealed.min(next.tokens - next.left.len());
        reported = Rotated { resealed, current, ..next };
    }
    Ok(reported)
}

async fn pass(records: &Records, vault: &Vault) -> Result<Rotated, RecordsError> {
    let mut reported = Rotated::default();
    tokens(records, vault, &mut reported).await?;
    hooks(records, vault, &mut reported).await?;
    providers(records, vault, &mut reported).await?;
    flows(records, vault, &mut reported).await?;
    Ok(reported)
}

async fn flows(records: &Records, vault: &Vault, reported: &mut Rotated) -> Result<(), RecordsError> {
    for stored in records.flow_secrets().await? {
        reported.tokens += 1;
        if vault.is_newest(&stored.secret) {
            reported.current += 1;
            continue;
        }
        let owner = of_flows(&stored.name);
        match vault.open(&stored.secret, &owner).and_then(|secret| vault.seal(&secret, &owner)) {
            Ok(secret) if records.reseal_flow_secret(&stored, &secret).await? => reported.resealed += 1,
            _ => reported.left.push(owner),
        }
    }
    Ok(())
}

async fn providers(records: &Records, vault: &Vault, reported: &mut Rotated) -> Result<(), RecordsError> {
    for stored in records.provider_keys().await? {
        reported.tokens += 1;
        if vault.is_newest(&stored.secret) {
            reported.current += 1;
            continue;
        }
        let owner = enrich::owner(&stored.provider);
        match vault.open(&stored.secret, &owner).and_then(|key| vault.seal(&key, &owner)) {
            Ok(secret) if records.reseal_provider_key(&stored, &secret).await? => reported.resealed += 1,
            _ => reported.left.push(owner),
        }
    }
    Ok(())
}

async fn hooks(records: &Records, vault: &Vault, reported: &mut Rotated) -> Result<(), RecordsError> {
    let mut after: Option<String> = None;
    loop {
        let page = records.list_hooks(after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id.clone());
        for hook in &page {
            reported.tokens += 1;
            if [Some(&hook.secret), hook.old_secret.as_ref()].into_iter().flatten().all(|part| vault.is_newest(part)) {
                reported.current += 1;
                continue;
            }
            let owner = secrets::owner(&hook.id);
            let again = |sealed: &Sealed| vault.open(sealed, &owner).and_then(|secret| vault.seal(&secret, &owner));
            match (again(&hook.secret), hook.old_secret.as_ref().map(again).transpose()) {
                (Ok(secret), Ok(old)) if records.reseal_hook(hook, &secret, old.as_ref()).await? => {
                    reported.resealed += 1
                }
                _ => reported.left.push(owner),
            }
        }
    }
}

async fn tokens(records: &Records, vault: &Vault, reported: &mut Rotated) -> Result<(), RecordsError> {
    let mut after = None;
    loop {
        let page = records.list_tokens(after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.holder.clone());
        for stored in &page {
            reported.tokens += 1;
            let older = [&stored.access, &stored.refresh].into_iter().flatten().any(|part| !vault.is_newest(part));
            if !older {
                reported.current += 1;
                continue;
            }
            match sealed_anew(vault, stored) {
                Ok((access, refresh)) if records.reseal_token(stored, access.as_ref(), refresh.as_ref()).await? => {
                    reported.resealed += 1;
                }
                Ok(_) | Err(_) => reported.left.push(stored.holder.key()),
            }
        }
    }
}

type Pair = (Option<Sealed>, Option<Sealed>);

fn sealed_anew(vault: &Vault, stored: &StoredToken) -> Result<Pair, VaultError> {
    let again = |sealed: &Option<Sealed>, owner: &str| -> Result<Option<Sealed>, VaultError> {
        let Some(sealed) = sealed else { return Ok(None) };
        let secret: SecretString = vault.open(sealed, owner)?;
        vault.seal(&secret, owner).map(Some)
    };
    let holder: &Holder = &stored.holder;
    Ok((again(&stored.access, &holder.key())?, again(&stored.refresh, &holder.refresh_key())?))
}
