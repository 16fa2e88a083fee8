//! The key with which the sandbox signs, as GHL does with its own: Ed25519 over the bytes of the body.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// What stands before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410).
const SPKI_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A key made of a seed: it guards nothing, and whoever listens can know it before the sandbox is up.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// The key of a sandbox's seed.
    ///
    /// # Panics
    /// Never: any 32 bytes make a key.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let bytes: [u8; 32] = StdRng::seed_from_u64(seed).random();
        Self(Ed25519KeyPair::from_seed_unchecked(&bytes).expect("any 32 bytes make a key"))
    }

    /// The public half in PEM, for `GHL_WEBHOOK_ED25519_KEY_FILE`.
    #[must_use]
    pub fn public_pem(&self) -> String {
        let der = [&SPKI_HEAD, self.0.public_key().as_ref()].concat();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
    }

    /// The value of `X-GHL-Signature`.
    #[must_use]
    pub fn sign(&self, body: &[u8]) -> String {
        STANDARD.encode(self.0.sign(body))
    }
}
