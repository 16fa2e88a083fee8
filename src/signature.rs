//! Whether a webhook is GHL's: a signature over the bytes of its body, checked with public keys.
//!
//! The bytes are checked as they came. A body that was read and written again may have its keys in another order, and GHL's own
//! client fails at that.

use std::fmt;

use aws_lc_rs::signature::{ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The key that GHL publishes for `X-GHL-Signature`.
const GHL_ED25519: &str = include_str!("signature/ghl_ed25519.pem");
/// The key that GHL publishes for `X-WH-Signature`.
const GHL_RSA: &str = include_str!("signature/ghl_rsa.pem");

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// How a signature was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Ed25519,
    /// PKCS#1 v1.5 with SHA-256, 2048 to 8192 bits.
    Rsa,
}

impl Algorithm {
    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Ed25519 => &ED25519,
            Self::Rsa => &RSA_PKCS1_2048_8192_SHA256,
        }
    }

    fn published(self) -> &'static str {
        match self {
            Self::Ed25519 => GHL_ED25519,
            Self::Rsa => GHL_RSA,
        }
    }
}

/// Keys of which any may have signed: while GHL changes from one to the next, both are in force.
#[derive(Clone)]
pub struct PublicKeys(Vec<ParsedPublicKey>);

/// Why a text holds no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("it holds no `{BEGIN}`; a private key or a certificate is none")]
    None,
    #[error("a key has no `{END}`")]
    Unended,
    #[error("key {0} is not base64")]
    Encoding(usize),
    #[error("key {0} is not of this kind, or damaged")]
    Kind(usize),
}

impl PublicKeys {
    /// Reads one or more keys in PEM, one after the other; what stands around them is no matter.
    ///
    /// # Errors
    /// [`KeyError`], with the number of the key at fault, from 1.
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, KeyError> {
        let blocks = pem.split(BEGIN).skip(1).enumerate().map(|(index, rest)| {
            let (encoded, _) = rest.split_once(END).ok_or(KeyError::Unended)?;
            let encoded: String = encoded.split_ascii_whitespace().collect();
            let der = STANDARD.decode(encoded).map_err(|_| KeyError::Encoding(index + 1))?;
            ParsedPublicKey::new(algorithm.verification(), der).map_err(|_| KeyError::Kind(index + 1))
        });
        let keys: Vec<_> = blocks.collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(KeyError::None) } else { Ok(Self(keys)) }
    }

    /// The keys that GHL publishes.
    #[must_use]
    pub fn published(algorithm: Algorithm) -> Self {
        // A test reads them; without any, every webhook would be refused, and none be let in.
        Self::from_pem(algorithm, algorithm.published()).unwrap_or(Self(Vec::new()))
    }

    /// Whether one of the keys made this signature, in base64, over these bytes.
    #[must_use]
    pub fn verify(&self, body: &[u8], signature: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature.trim()) else { return false };
        self.0.iter().any(|key| key.verify_sig(body, &signature).is_ok())
    }
}

impl fmt::Debug for PublicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKeys({})", self.0.len())
    }
}

/// The keys of both of GHL's signatures.
#[derive(Debug, Clone)]
pub struct WebhookKeys {
    pub ed25519: PublicKeys,
    pub rsa: PublicKeys,
    /// Whether the RSA signature, which GHL has deprecated, is still taken.
    pub takes_rsa: bool,
}

/// The signatures that came with a webhook.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signatures<'a> {
    /// `X-GHL-Signature`, Ed25519.
    pub ghl: Option<&'a str>,
    /// `X-WH-Signature`, RSA; GHL's older one.
    pub wh: Option<&'a str>,
}

impl<'a> Signatures<'a> {
    /// From the values of the two headers; GHL writes `N/A` where it has none.
    #[must_use]
    pub fn new(ghl: Option<&'a str>, wh: Option<&'a str>) -> Self {
        let given = |value: Option<&'a str>| value.map(str::trim).filter(|value| !value.is_empty() && *value != "N/A");
        Self { ghl: given(ghl), wh: given(wh) }
    }
}

impl WebhookKeys {
    /// Whether a body with these signatures is worth reading: what none of them can prove is refused without it.
    #[must_use]
    pub fn could_verify(&self, signatures: Signatures<'_>) -> bool {
        signatures.ghl.is_some() || (signatures.wh.is_some() && self.takes_rsa)
    }

    /// Whether GHL signed the body. Where the newer signature is there, the older one can't make up for it.
    #[must_use]
    pub fn verify(&self, body: &[u8], signatures: Signatures<'_>) -> bool {
        match signatures {
            Signatures { ghl: Some(signature), .. } => self.ed25519.verify(body, signature),
            Signatures { ghl: None, wh: Some(signature) } => self.takes_rsa && self.rsa.verify(body, signature),
            Signatures { ghl: None, wh: None } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
    use proptest::prelude::*;

    use super::*;

    fn pem(der: &[u8]) -> String {
        format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(der))
    }

    fn ed25519() -> (Ed25519KeyPair, String) {
        let pair = Ed25519KeyPair::generate().unwrap();
        let pem = pem(pair.public_key().as_der().unwrap().as_ref());
        (pair, pem)
    }

    fn rsa() -> (RsaKeyPair, String) {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let pem = pem(pair.public_key().as_der().unwrap().as_ref());
        (pair, pem)
    }

    fn signed_with_rsa(pair: &RsaKeyPair, body: &[u8]) -> String {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), body, &mut signature).unwrap();
        STANDARD.encode(signature)
    }

    fn signed(pair: &Ed25519KeyPair, body: &[u8]) -> String {
        STANDARD.encode(pair.sign(body))
    }

    #[test]
    fn ghls_published_keys_can_be_read() {
        for algorithm in [Algorithm::Ed25519, Algorithm::Rsa] {
            assert_eq!(PublicKeys::published(algorithm).0.len(), 1, "{algorithm:?}");
        }
    }

    #[test]
    fn the_newer_signature_counts_alone_and_the_older_one_only_without_it() {
        let ((ed25519, ed25519_pem), (rsa, rsa_pem)) = (ed25519(), rsa());
        let keys = WebhookKeys {
            ed25519: PublicKeys::from_pem(Algorithm::Ed25519, &ed25519_pem).unwrap(),
            rsa: PublicKeys::from_pem(Algorithm::Rsa, &rsa_pem).unwrap(),
            takes_rsa: true,
        };
        let without_rsa = WebhookKeys { takes_rsa: false, ..keys.clone() };
        let body = br#"{"b":1,  "a":2}"#;
        let (newer, older) = (signed(&ed25519, body), signed_with_rsa(&rsa, body));
        let (newer, older, wrong) = (Some(newer.as_str()), Some(older.as_str()), Some("AAAA"));
        for (ghl, wh, good) in [
            (newer, None, true),
            (newer, wrong, true),
            (newer, Some("N/A"), true),
            (None, older, true),
            (Some("N/A"), older, true),
            (Some(" "), older, true),
            (wrong, older, false),
            (older, None, false),
            (None, newer, false),
            (None, None, false),
            (Some("N/A"), Some("N/A"), false),
        ] {
            let signatures = Signatures::new(ghl, wh);
            assert_eq!(keys.verify(body, signatures), good, "{ghl:?} {wh:?}");
            assert_eq!(without_rsa.verify(body, signatures), good && signatures.ghl.is_some(), "{ghl:?} {wh:?}");
            assert!(keys.could_verify(signatures) || !good, "{ghl:?} {wh:?}");
            assert_eq!(without_rsa.could_verify(signatures), signatures.ghl.is_some(), "{ghl:?} {wh:?}");
        }
        // The same JSON, other bytes.
        assert!(!keys.verify(br#"{"b":1,"a":2}"#, Signatures::new(newer, None)));
        assert!(!keys.verify(br#"{"b":1,"a":2}"#, Signatures::new(None, older)));
    }

    #[test]
    fn of_several_keys_in_one_text_any_may_have_signed() {
        let ((old, old_pem), (new, new_pem), (stranger, _)) = (ed25519(), ed25519(), ed25519());
        let text = format!("# the old one\n{old_pem}\n# from July on\r\n{new_pem}");
        let keys = PublicKeys::from_pem(Algorithm::Ed25519, &text).unwrap();
        for pair in [&old, &new] {
            assert!(keys.verify(b"body", &signed(pair, b"body")));
        }
        assert!(!keys.verify(b"body", &signed(&stranger, b"body")));
    }

    #[test]
    fn a_text_without_good_keys_says_which_is_wrong_and_how() {
        let ((_, good), (_, rsa)) = (ed25519(), rsa());
        let fault = |text: &str| PublicKeys::from_pem(Algorithm::Ed25519, text).unwrap_err();
        assert_eq!(fault(""), KeyError::None);
        assert_eq!(fault("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"), KeyError::None);
        assert_eq!(fault(BEGIN), KeyError::Unended);
        assert_eq!(fault(&format!("{good}{BEGIN}\n!!\n{END}")), KeyError::Encoding(2));
        assert_eq!(fault(&format!("{good}{rsa}")), KeyError::Kind(2));
        assert_eq!(fault(&format!("{BEGIN}\nAAAA\n{END}")), KeyError::Kind(1));
    }

    proptest! {
        #[test]
        fn no_signature_and_no_key_is_too_much(
            header in ".{0,100}",
            bytes in prop::collection::vec(any::<u8>(), 0..100),
            flipped in any::<prop::sample::Index>(),
        ) {
            let (pair, pem) = ed25519();
            let keys = PublicKeys::from_pem(Algorithm::Ed25519, &pem).unwrap();
            prop_assert!(!keys.verify(&bytes, &header));
            prop_assert!(!keys.verify(&bytes, &STANDARD.encode(&bytes)));
            let _ = PublicKeys::from_pem(Algorithm::Rsa, &format!("{BEGIN}{header}{END}"));
            // One bit makes it another's.
            let mut signature = pair.sign(&bytes).as_ref().to_vec();
            prop_assert!(keys.verify(&bytes, &STANDARD.encode(&signature)));
            let place = flipped.index(signature.len() * 8);
            signature[place / 8] ^= 1 << (place % 8);
            prop_assert!(!keys.verify(&bytes, &STANDARD.encode(&signature)));
        }
    }
}
