//! Signatures by Standard Webhooks: over `id.timestamp.body`, with HMAC-SHA256 (`v1`) or Ed25519 (`v1a`).
//!
//! A secret reads `whsec_` and base64, as libraries of that specification take it. With `v1a` the receiver has a public key (`whpk_`) and can forge
//! nothing; the private one (`whsk_`) never leaves this program. Pure: no I/O.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// Random bytes of a secret; the specification asks for 24 to 64.
const SECRET_LEN: usize = 32;
const SHARED: &str = "whsec_";
const PRIVATE: &str = "whsk_";
const PUBLIC: &str = "whpk_";

/// How messages of a hook are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signature {
    /// HMAC-SHA256 with a secret that both sides have.
    #[default]
    V1,
    /// Ed25519: the receiver has the public key alone.
    V1a,
}

/// A secret that can't be made, or is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret of the hook can't be used")]
pub struct BadSecret;

impl Signature {
    /// Its name in headers and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1a => "v1a",
        }
    }

    /// The signature of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::V1, Self::V1a].into_iter().find(|known| known.as_str() == name)
    }

    /// A new secret.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn new_secret(self) -> Result<SecretString, BadSecret> {
        let mut bytes = [0; SECRET_LEN];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| BadSecret)?;
        let prefix = match self {
            Self::V1 => SHARED,
            Self::V1a => PRIVATE,
        };
        Ok(SecretString::from(format!("{prefix}{}", STANDARD.encode(bytes))))
    }
}

/// What a receiver needs to check messages that are signed with `secret`: the secret itself, or the public key.
///
/// # Errors
/// [`BadSecret`].
pub fn verifier(secret: &SecretString) -> Result<SecretString, BadSecret> {
    match read(secret)? {
        Key::Shared(_) => Ok(secret.clone()),
        Key::Pair(pair) => Ok(SecretString::from(format!("{PUBLIC}{}", STANDARD.encode(pair.public_key().as_ref())))),
    }
}

/// The signature of one message, as `v1,…`.
///
/// # Errors
/// [`BadSecret`].
pub fn sign(secret: &SecretString, id: &str, timestamp_s: i64, body: &str) -> Result<String, BadSecret> {
    let signed = format!("{id}.{timestamp_s}.{body}");
    Ok(match read(secret)? {
        Key::Shared(key) => format!("v1,{}", STANDARD.encode(hmac::sign(&key, signed.as_bytes()))),
        Key::Pair(pair) => format!("v1a,{}", STANDARD.encode(pair.sign(signed.as_bytes()))),
    })
}

/// Whether one of the signatures of a message, as its header has them, is by what a receiver was given: a secret, or a public key.
#[must_use]
pub fn verifies(verifier: &SecretString, id: &str, timestamp_s: i64, body: &str, header: &str) -> bool {
    let signed = format!("{id}.{timestamp_s}.{body}");
    let signatures = |version: &str| -> Vec<Vec<u8>> {
        let of_version = header.split(' ').filter_map(|part| part.split_once(','));
        let of_version = of_version.filter(|(given, _)| *given == version);
        of_version.filter_map(|(_, text)| STANDARD.decode(text).ok()).collect()
    };
    if let Some(text) = verifier.expose_secret().strip_prefix(PUBLIC) {
        let Ok(public) = STANDARD.decode(text) else { return false };
        let key = UnparsedPublicKey::new(&ED25519, &public);
        return signatures("v1a").iter().any(|signature| key.verify(signed.as_bytes(), signature).is_ok());
    }
    match read(verifier) {
        Ok(Key::Shared(key)) => {
            signatures("v1").iter().any(|signature| hmac::verify(&key, signed.as_bytes(), signature).is_ok())
        }
        Ok(Key::Pair(_)) | Err(BadSecret) => false,
    }
}

enum Key {
    Shared(Box<hmac::Key>),
    Pair(Box<Ed25519KeyPair>),
}

fn read(secret: &SecretString) -> Result<Key, BadSecret> {
    let text = secret.expose_secret();
    let decoded = |text: &str| STANDARD.decode(text).map_err(|_| BadSecret);
    if let Some(text) = text.strip_prefix(SHARED) {
        return Ok(Key::Shared(Box::new(hmac::Key::new(hmac::HMAC_SHA256, &decoded(text)?))));
    }
    let seed = decoded(text.strip_prefix(PRIVATE).ok_or(BadSecret)?)?;
    Ed25519KeyPair::from_seed_unchecked(&seed).map(|pair| Key::Pair(Box::new(pair))).map_err(|_| BadSecret)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn the_reference_message_has_the_reference_signature() {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_receiver_checks_with_the_public_key_alone() {
        let secret = Signature::V1a.new_secret().unwrap();
        let public = verifier(&secret).unwrap();
        let public = STANDARD.decode(public.expose_secret().strip_prefix("whpk_").unwrap()).unwrap();
        let signature = sign(&secret, "msg_1", 7, "{}").unwrap();
        let signature = STANDARD.decode(signature.strip_prefix("v1a,").unwrap()).unwrap();
        let key = UnparsedPublicKey::new(&ED25519, &public);
        assert!(key.verify(b"msg_1.7.{}", &signature).is_ok());
        assert!(key.verify(b"msg_1.8.{}", &signature).is_err());
    }

    #[test]
    fn a_message_is_verified_by_any_of_its_signatures_and_by_nothing_else() {
        for kind in [Signature::V1, Signature::V1a] {
            let (secret, other) = (kind.new_secret().unwrap(), kind.new_secret().unwrap());
            let header = format!("{} {}", sign(&other, "m", 7, "{}").unwrap(), sign(&secret, "m", 7, "{}").unwrap());
            let verifier = verifier(&secret).unwrap();
            assert!(verifies(&verifier, "m", 7, "{}", &header), "{kind:?}");
            for (id, at, body) in [("n", 7, "{}"), ("m", 8, "{}"), ("m", 7, "[]")] {
                assert!(!verifies(&verifier, id, at, body, &header), "{kind:?} {id} {at} {body}");
            }
            for header in ["", "v1", "v1,", "v1,%", "v2,AAAA"] {
                assert!(!verifies(&verifier, "m", 7, "{}", header), "{kind:?} {header}");
            }
        }
        assert!(!verifies(&SecretString::from("whpk_%"), "m", 7, "{}", "v1a,AAAA"));
    }

    #[test]
    fn what_is_no_secret_signs_nothing() {
        for text in ["", "secret", "whsec_%", "whsk_AAAA", "whpk_AAAA"] {
            assert_eq!(sign(&SecretString::from(text), "m", 1, ""), Err(BadSecret), "{text}");
        }
    }
}
