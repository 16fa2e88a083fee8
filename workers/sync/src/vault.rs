//! Seals the tokens that give access to customers' accounts, so that a copy of the database opens none of them.
//!
//! AES-256-GCM with a random nonce. What a token belongs to goes in as associated data: a sealed token moved to another
//! location's row does not open. The id of the master key is kept beside the ciphertext, so keys can be rotated: the
//! newest seals, every configured one opens.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

/// Bytes of a master key.
const KEY_LEN: usize = 32;

/// The master keys, newest first; at least one.
pub struct MasterKeys(Vec<(String, RandomizedNonceKey)>);

/// What is wrong with the list of master keys. Positions count from 1; no message holds key material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeysError {
    /// Nothing but white space.
    #[error("no master key given; expected `id:base64(32 bytes)`, comma separated, newest first")]
    Empty,
    /// Without a colon there is no telling which part is secret, so the entry is named by its place alone.
    #[error("master key entry {position} is not of the form `id:base64(32 bytes)`")]
    Malformed {
        /// Place in the list.
        position: usize,
    },
    /// Not base64 of the standard alphabet with padding.
    #[error("master key entry {position} (`{id}`) is not valid base64")]
    NotBase64 {
        /// Place in the list.
        position: usize,
        /// The key's id.
        id: String,
    },
    /// Too short or too long.
    #[error("master key entry {position} (`{id}`) has {length} bytes; {KEY_LEN} are needed")]
    WrongLength {
        /// Place in the list.
        position: usize,
        /// The key's id.
        id: String,
        /// Bytes after decoding.
        length: usize,
    },
    /// Two entries with one id: it would be left to chance which one opens.
    #[error("master key entry {position} repeats the id `{id}`")]
    Repeated {
        /// Place in the list.
        position: usize,
        /// The key's id.
        id: String,
    },
}

impl MasterKeys {
    /// Reads `id:base64(32 bytes)` entries, comma separated, newest first.
    ///
    /// # Errors
    /// [`MasterKeysError`] names the first entry at fault.
    pub fn parse(text: &str) -> Result<Self, MasterKeysError> {
        let mut keys = Vec::new();
        let mut ids = HashSet::new();
        if text.trim().is_empty() {
            return Err(MasterKeysError::Empty);
        }
        for (index, entry) in text.split(',').enumerate() {
            let position = index + 1;
            let (id, encoded) = entry.trim().split_once(':').ok_or(MasterKeysError::Malformed { position })?;
            if id.is_empty() {
                return Err(MasterKeysError::Malformed { position });
            }
            let id = id.to_owned();
            let Ok(bytes) = STANDARD.decode(encoded) else {
                return Err(MasterKeysError::NotBase64 { position, id });
            };
            let Ok(key) = RandomizedNonceKey::new(&AES_256_GCM, &bytes) else {
                return Err(MasterKeysError::WrongLength { position, id, length: bytes.len() });
            };
            if !ids.insert(id.clone()) {
                return Err(MasterKeysError::Repeated { position, id });
            }
            keys.push((id, key));
        }
        Ok(Self(keys))
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(id, _)| id)).finish()
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

    /// Seals `secret` for the owner named by `associated`, with the newest key.
    ///
    /// # Errors
    /// [`VaultError::NotSealed`].
    pub fn seal(&self, secret: &SecretString, associated: &str) -> Result<Sealed, VaultError> {
        let (key_id, key) = self.newest();
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
        let (_, key) = self
            .keys
            .0
            .iter()
            .find(|(id, _)| id == key_id)
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

    fn newest(&self) -> &(String, RandomizedNonceKey) {
        // `MasterKeys::parse` returns at least one.
        &self.keys.0[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, byte: u8) -> String {
        format!("{id}:{}", STANDARD.encode([byte; KEY_LEN]))
    }

    fn vault(text: &str) -> Vault {
        Vault::new(MasterKeys::parse(text).unwrap())
    }

    #[test]
    fn a_sealed_secret_opens_for_its_owner_only() {
        let vault = vault(&entry("k1", 1));
        let sealed = vault.seal(&SecretString::from("pit-token"), "connection:loc1").unwrap();
        assert_eq!(vault.open(&sealed, "connection:loc1").unwrap().expose_secret(), "pit-token");
        let elsewhere = vault.open(&sealed, "connection:loc2").unwrap_err();
        assert_eq!(elsewhere, VaultError::NotOpened { key_id: "k1".to_owned() });
    }

    #[test]
    fn another_key_under_the_same_id_does_not_open() {
        let sealed = vault(&entry("k1", 1)).seal(&SecretString::from("pit-token"), "a").unwrap();
        let refused = vault(&entry("k1", 2)).open(&sealed, "a").unwrap_err();
        assert_eq!(refused, VaultError::NotOpened { key_id: "k1".to_owned() });
    }

    #[test]
    fn an_altered_or_cut_secret_does_not_open() {
        let vault = vault(&entry("k1", 1));
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
        let old = vault(&entry("k1", 1)).seal(&SecretString::from("pit-token"), "a").unwrap();
        let both = vault(&format!("{}, {}", entry("k2", 2), entry("k1", 1)));
        assert_eq!(both.open(&old, "a").unwrap().expose_secret(), "pit-token");
        assert_eq!(both.seal(&SecretString::from("x"), "a").unwrap().key_id, "k2");
        let forgotten = vault(&entry("k2", 2)).open(&old, "a").unwrap_err();
        assert_eq!(forgotten, VaultError::UnknownKey { key_id: "k1".to_owned() });
    }

    #[test]
    fn a_bad_list_names_its_entry_and_shows_no_key() {
        let short = STANDARD.encode([7; 16]);
        let cases = [
            (" ".to_owned(), MasterKeysError::Empty),
            (format!("{},{short}", entry("k1", 1)), MasterKeysError::Malformed { position: 2 }),
            ("k1:?".to_owned(), MasterKeysError::NotBase64 { position: 1, id: "k1".to_owned() }),
            (format!("k1:{short}"), MasterKeysError::WrongLength { position: 1, id: "k1".to_owned(), length: 16 }),
            (
                format!("{},{}", entry("k1", 1), entry("k1", 2)),
                MasterKeysError::Repeated { position: 2, id: "k1".to_owned() },
            ),
        ];
        for (text, expected) in cases {
            let refused = MasterKeys::parse(&text).unwrap_err();
            assert_eq!(refused, expected);
            assert!(!refused.to_string().contains(&short));
        }
    }

    #[test]
    fn debug_shows_ids_only() {
        let text = entry("k1", 1);
        let vault = vault(&text);
        let sealed = vault.seal(&SecretString::from("pit-token"), "a").unwrap();
        let shown = format!("{vault:?} {sealed:?}");
        assert_eq!(shown, "Vault { keys: [\"k1\"] } Sealed(k1, 37 bytes)");
    }
}
