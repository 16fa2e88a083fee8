//! The secrets of hooks: sealed for the hook's id, so that one that was moved to another row opens nothing.

use secrecy::SecretString;

use crate::records::Hook;
use crate::vault::{Vault, VaultError};

/// Whom a secret is sealed for.
pub(crate) fn owner(hook_id: &str) -> String {
    format!("hook:{hook_id}")
}

/// The secrets that sign at `now_ms`: the present one, and the one before it while both are in force.
pub(crate) fn in_force(vault: &Vault, hook: &Hook, now_ms: i64) -> Result<Vec<SecretString>, VaultError> {
    let owner = owner(&hook.id);
    let mut secrets = vec![vault.open(&hook.secret, &owner)?];
    let is_in_force = hook.old_secret_until.is_some_and(|until| until.as_millisecond() > now_ms);
    if let Some(old) = hook.old_secret.as_ref().filter(|_| is_in_force) {
        secrets.push(vault.open(old, &owner)?);
    }
    Ok(secrets)
}
