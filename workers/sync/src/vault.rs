//! Seals the tokens that give access to customers' accounts, so that a copy of the database opens none of them.
//!
//! AES-256-GCM with a random nonce. What a token belongs to goes in as associated data: a sealed token moved to another
//! location's row does not open. The id of the master key is kept beside the ciphertext, so keys can be rotated: the
//! newest seals, every configured one opens.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use secrecy::{ExposeSecret, SecretString};

/// Bytes of a master key.
pub const KEY_LEN: usize = 32;

/// The master keys, newest first; at least one.
pub struct MasterKeys(Vec<(String, RandomizedNonceKey, hmac::Key)>);

/// What keys of fingerprints are made of, with a master key: a key that seals does nothing else.
const FINGERPRINTS: &[u8] = b"clienty-sync fingerprints";

impl MasterKeys {
    /// Keys with their ids, newest first; none where there are none, or an id is there twice: it would be left to chance
    /// which one opens.
    #[must_use]
    pub fn new<'a>(keys: impl IntoIterator<Item = (String, &'a [u8; KEY_LEN])>) -> Option<Self> {
        let mut ids = HashSet::new();
        let mut usable = Vec::new();
        for (id, bytes) in keys {
            if !ids.insert(id.clone()) {
                return None;
            }
            let derived = hmac::sign(&hmac::Key::new(HMAC_SHA256, bytes), FINGERPRINTS);
            let fingerprints = hmac::Key::new(HMAC_SHA256, derived.as_ref());
            usable.push((id, RandomizedNonceKey::new(&AES_256_GCM, bytes).ok()?, fingerprints));
        }
        (!usable.is_empty()).then_some(Self(usable))
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(id, ..)| id)).finish()
    }
}

/// A sealed secret, fit for the database.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The master key that sealed it.
    pub key_id: String,
    /// Nonce, then ciphertext, then tag.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({}, {} bytes)", self.key_id, self.bytes.len())
    }
}

/// Why a secret was not sealed or opened. None of them passes by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The key was taken out of the settings too early.
    #[error("the master key `{key_id}` that sealed this is not configured; add it to CLIENTY_MASTER_KEYS again")]
    UnknownKey {
        /// The missing key's id.
        key_id: String,
    },
    /// Another key under the same id, another owner, or altered bytes.
    #[error("what the master key `{key_id}` should open was sealed by another key, for another owner, or was altered")]
    NotOpened {
        /// The key's id.
        key_id: String,
    },
    /// The system gave no random numbers.
    #[error("the secret could not be sealed")]
    NotSealed,
}

/// Seals and opens secrets with the master keys. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Vault {
    keys: Arc<MasterKeys>,
}

/// Whom a secret of flows is sealed for, by its name.
#[must_use]
pub fn of_flows(name: &str) -> String {
    format!("flow-secret:{name}")
}

impl Vault {
    /// A vault over `keys`.
    #[must_use]
    pub fn new(keys: MasterKeys) -> Self {
        Self { keys: Arc::new(keys) }
    }

    /// The id of the key that seals; a secret sealed by another one waits for rotation.
    #[must_use]
    pub fn newest_key_id(&self) -> &str {
        &self.newest().0
    }

    pub(crate) fn is_newest(&self, sealed: &Sealed) -> bool {
        sealed.key_id == self.newest().0
    }

    /// Seals `secret` for the owner named by `associated`, with the newest key.
    ///
    /// # Errors
    /// [`VaultError::NotSealed`].
    pub fn seal(&self, secret: &SecretString, associated: &str) -> Result<Sealed, VaultError> {
        let (key_id, key, _) = self.newest();
        let mut sealed = secret.expose_secret().as_bytes().to_vec();
        let nonce = key
            .seal_in_place_append_tag(Aad::from(associated.as_bytes()), &mut sealed)
            .map_err(|_| VaultError::NotSealed)?;
        let bytes = [nonce.as_ref().as_slice(), &sealed].concat();
        Ok(Sealed { key_id: key_id.clone(), bytes })
    }

    /// Opens what was sealed for the owner named by `associated`.
    ///
    /// # Errors
    /// [`VaultError::UnknownKey`] or [`VaultError::NotOpened`].
    pub fn open(&self, sealed: &Sealed, associated: &str) -> Result<SecretString, VaultError> {
        let Sealed { key_id, bytes } = sealed;
        let (_, key, _) = self
            .keys
            .0
            .iter()
            .find(|(id, ..)| id == key_id)
            .ok_or_else(|| VaultError::UnknownKey { key_id: key_id.clone() })?;
        let not_opened = || VaultError::NotOpened { key_id: key_id.clone() };
        let (nonce, ciphertext) = bytes.split_at_checked(NONCE_LEN).ok_or_else(not_opened)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| not_opened())?;
        let mut buffer = ciphertext.to_vec();
        let opened =
            key.open_in_place(nonce, Aad::from(associated.as_bytes()), &mut buffer).map_err(|_| not_opened())?;
        let secret = std::str::from_utf8(opened).map_err(|_| not_opened())?;
        Ok(SecretString::from(secret))
    }

    /// By what a text is known again without being kept, under each master key, the newest first. What it is for separates those of one purpose from
    /// all others.
    #[must_use]
    pub fn fingerprints(&self, purpose: &str, text: &str) -> Vec<String> {
        let tagged = format!("{purpose}\0{text}");
        let sign = |key| hmac::sign(key, tagged.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        self.keys.0.iter().map(|(_, _, key)| sign(key)).collect()
    }

    fn newest(&self) -> &(String, RandomizedNonceKey, hmac::Key) {
        // `MasterKeys::new` returns at least one.
        &self.keys.0[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(keys: &[(&str, u8)]) -> Vault {
        let keys: Vec<_> = keys.iter().map(|(id, byte)| ((*id).to_owned(), [*byte; KEY_LEN])).collect();
        Vault::new(MasterKeys::new(keys.iter().map(|(id, key)| (id.clone(), key))).unwrap())
    }

    #[test]
    fn a_sealed_secret_opens_for_its_owner_only() {
        let vault = vault(&[("k1", 1)]);
        let sealed = vault.seal(&SecretString::from("pit-token"), "connection:loc1").unwrap();
        assert_eq!(vault.open(&sealed, "connection:loc1").unwrap().expose_secret(), "pit-token");
        let elsewhere = vault.open(&sealed, "connection:loc2").unwrap_err();
        assert_eq!(elsewhere, VaultError::NotOpened { key_id: "k1".to_owned() });
    }

    #[test]
    fn another_key_under_the_same_id_does_not_open() {
        let sealed = vault(&[("k1", 1)]).seal(&SecretString::from("pit-token"), "a").unwrap();
        let refused = vault(&[("k1", 2)]).open(&sealed, "a").unwrap_err();
        assert_eq!(refused, VaultError::NotOpened { key_id: "k1".to_owned() });
    }

    #[test]
    fn an_altered_or_cut_secret_does_not_open() {
        let vault = vault(&[("k1", 1)]);
        let sealed = vault.seal(&SecretString::from("pit-token"), "a").unwrap();
        for at in 0..sealed.bytes.len() {
            let mut altered = sealed.clone();
            altered.bytes[at] ^= 1;
            assert!(vault.open(&altered, "a").is_err(), "byte {at} was changed");
            altered.bytes.truncate(at);
            assert!(vault.open(&altered, "a").is_err(), "cut at byte {at}");
        }
    }

    #[test]
    fn the_newest_key_seals_and_older_ones_still_open() {
        let old = vault(&[("k1", 1)]).seal(&SecretString::from("pit-token"), "a").unwrap();
        let both = vault(&[("k2", 2), ("k1", 1)]);
        assert_eq!(both.open(&old, "a").unwrap().expose_secret(), "pit-token");
        assert_eq!(both.seal(&SecretString::from("x"), "a").unwrap().key_id, "k2");
        let forgotten = vault(&[("k2", 2)]).open(&old, "a").unwrap_err();
        assert_eq!(forgotten, VaultError::UnknownKey { key_id: "k1".to_owned() });
    }

    #[test]
    fn no_key_and_a_repeated_id_are_refused() {
        assert!(MasterKeys::new([]).is_none());
        assert!(MasterKeys::new([("k1".to_owned(), &[1; KEY_LEN]), ("k1".to_owned(), &[2; KEY_LEN])]).is_none());
    }

    #[test]
    fn a_fingerprint_is_of_its_key_its_purpose_and_its_text() {
        let both = vault(&[("k2", 2), ("k1", 1)]);
        let fingerprints = both.fingerprints("a", "ada@x.de");
        assert_eq!((fingerprints.len(), fingerprints[0].len()), (2, 64));
        assert_eq!(
            fingerprints[1],
            vault(&[("k1", 1)]).fingerprints("a", "ada@x.de")[0],
            "an older key still knows it"
        );
        for other in [both.fingerprints("b", "ada@x.de"), both.fingerprints("a", "bob@x.de")] {
            assert_ne!(fingerprints[0], other[0]);
        }
    }

    #[test]
    fn debug_shows_ids_only() {
        let vault = vault(&[("k1", 1)]);
        let sealed = vault.seal(&SecretString::from("pit-token"), "a").unwrap();
        let shown = format!("{vault:?} {sealed:?}");
        assert_eq!(shown, "Vault { keys: [\"k1\"] } Sealed(k1, 37 bytes)");
    }
}
