//! Signs webhooks as GHL does, with keys of the test's own.

use std::fs;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::folder::Folder;

/// Who signs, with the files that report the program whose signatures to believe.
pub(crate) struct GhlSigner {
    ed25519: Ed25519KeyPair,
    rsa: RsaKeyPair,
    folder: Folder,
}

impl GhlSigner {
    pub(crate) fn new() -> Self {
        let signer = Self {
            ed25519: Ed25519KeyPair::generate().unwrap(),
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            folder: Folder::new("signer"),
        };
        fs::write(signer.file("ed25519"), pem(signer.ed25519.public_key().as_der().unwrap().as_ref())).unwrap();
        fs::write(signer.file("rsa"), pem(signer.rsa.public_key().as_der().unwrap().as_ref())).unwrap();
        signer
    }

    /// The settings that make its signatures good.
    pub(crate) fn settings(&self) -> [(&'static str, String); 2] {
        [("GHL_WEBHOOK_ED25519_KEY_FILE", self.file("ed25519")), ("GHL_WEBHOOK_RSA_KEY_FILE", self.file("rsa"))]
    }

    /// Believes `other` as well, for what is started from now on.
    pub(crate) fn trust(&self, other: &Self) {
        let [own, others] = [self, other].map(|signer| fs::read_to_string(signer.file("ed25519")).unwrap());
        fs::write(self.file("ed25519"), format!("{own}\n{others}")).unwrap();
    }

    /// The value of `X-GHL-Signature`.
    pub(crate) fn ghl(&self, body: &[u8]) -> String {
        STANDARD.encode(self.ed25519.sign(body))
    }

    /// The value of `X-WH-Signature`.
    pub(crate) fn wh(&self, body: &[u8]) -> String {
        let mut signature = vec![0; self.rsa.public_modulus_len()];
        self.rsa.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), body, &mut signature).unwrap();
        STANDARD.encode(signature)
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(format!("{name}.pem")).display().to_string()
    }
}

fn pem(der: &[u8]) -> String {
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
}
