//! `redis.ca_file`, `redis.cert_file`, `redis.key_file`: looked at when the settings are read, since a wrong file would only be noticed as a
//! connection that does not come about.

use job_engine::Tls;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};
use secrecy::{ExposeSecret, SecretString};

use super::parse::pem_file;
use super::source::Sources;

const CA: (&str, &str) = ("redis.ca_file", "REDIS_CA_FILE");
const CERTIFICATE: (&str, &str) = ("redis.cert_file", "REDIS_CERT_FILE");
const KEY: (&str, &str) = ("redis.key_file", "REDIS_KEY_FILE");

pub(super) fn read(from: &mut Sources, url: Option<&SecretString>) -> Tls {
    let mut file = |(key, variable)| from.setting(key, variable).optional(pem_file);
    let (ca, certificate, key) = (file(CA), file(CERTIFICATE), file(KEY));
    if let Some(url) = url
        && !url.expose_secret().starts_with("rediss:")
    {
        for ((setting, _), _) in
            [(CA, &ca), (CERTIFICATE, &certificate), (KEY, &key)].iter().filter(|(_, file)| file.is_some())
        {
            from.refuse(
                setting,
                "has a meaning with TLS alone, and REDIS_URL does not begin with rediss://".to_owned(),
            );
        }
    }
    if let Some(Err(problem)) = ca.as_deref().map(authorities) {
        from.refuse(CA.0, problem);
    }
    let client = match (certificate, key) {
        (Some(certificate), Some(key)) => {
            if let Err((setting, problem)) = client(&certificate, &key) {
                from.refuse(setting, problem);
            }
            Some((certificate, key))
        }
        (Some(_), None) => {
            from.refuse(CERTIFICATE.0, format!("needs the key of the certificate too, in {}", KEY.1));
            None
        }
        (None, Some(_)) => {
            from.refuse(KEY.0, format!("needs the certificate of the key too, in {}", CERTIFICATE.1));
            None
        }
        (None, None) => None,
    };
    Tls { ca, client }
}

/// Whether the file holds certificates that can be trusted as authorities.
fn authorities(pem: &[u8]) -> Result<(), String> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(pem)? {
        store.add(certificate).map_err(|_| "holds a certificate that can't be read".to_owned())?;
    }
    Ok(())
}

/// Whether the key is the certificate's.
fn client(certificate: &[u8], key: &[u8]) -> Result<(), (&'static str, String)> {
    let chain = certificates(certificate).map_err(|problem| (CERTIFICATE.0, problem))?;
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| (KEY.0, "expected a private key in PEM, without a password".to_owned()))?;
    match CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()) {
        Ok(_) => Ok(()),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err((KEY.0, format!("is the key of another certificate than that in {}", CERTIFICATE.1)))
        }
        Err(error) => Err((CERTIFICATE.0, format!("can't be used with the key in {}: {error}", KEY.1))),
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    all.ok().filter(|all| !all.is_empty()).ok_or_else(|| "expected a file of certificates in PEM".to_owned())
}
