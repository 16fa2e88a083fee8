//! An authority of the test's own, which signs certificates by the openssl command.

use std::path::PathBuf;
use std::process::{Command, Stdio};

#[derive(Debug)]
pub(crate) struct Authority {
    folder: PathBuf,
}

/// When a certificate counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Counts {
    Now,
    /// Until years ago.
    NoMore,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("job-engine-ca-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        let authority = Self { folder };
        let settings = "[ca]\ndefault_ca=own\n[own]\ndir=.\ndatabase=index\nnew_certs_dir=.\nserial=serial\nprivate_key=ca.key\ncertificate=ca.pem\n\
                        default_md=sha256\npolicy=any\nunique_subject=no\ncopy_extensions=copy\n[any]\ncommonName=supplied\n";
        for (file, text) in [("settings", settings), ("index", ""), ("serial", "01\n")] {
            std::fs::write(authority.file(file), text).unwrap();
        }
        authority.openssl(
            &[
                &["req", "-x509", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "30"],
                NEW_KEY,
            ]
            .concat(),
        );
        authority
    }

    /// A certificate and its key, as files `name.pem` and `name.key`, for such a host as `IP:127.0.0.1` or `DNS:example.com`.
    pub(crate) fn sign(&self, name: &str, host: &str, counts: Counts) -> (PathBuf, PathBuf) {
        let [request, certificate, key] = ["csr", "pem", "key"].map(|end| format!("{name}.{end}"));
        let (subject, names) = (format!("/CN={name}"), format!("subjectAltName={host}"));
        let ask = ["req", "-keyout", &key, "-out", &request, "-subj", &subject, "-addext", &names];
        self.openssl(&[&ask, NEW_KEY].concat());
        let (from, to) = match counts {
            Counts::Now => ("20200101000000Z", "20490101000000Z"),
            Counts::NoMore => ("20200101000000Z", "20210101000000Z"),
        };
        let sign = ["ca", "-batch", "-notext", "-config", "settings", "-in", &request, "-out", &certificate];
        self.openssl(&[&sign[..], &["-startdate", from, "-enddate", to]].concat());
        (self.file(&certificate), self.file(&key))
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.file("ca.pem")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn openssl(&self, arguments: &[&str]) {
        let mut command = Command::new("openssl");
        let ended = command.args(arguments).current_dir(&self.folder).stdin(Stdio::null()).output();
        let ended = ended.expect("openssl is not on PATH: `make test` installs it");
        assert!(ended.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
    }
}

const NEW_KEY: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
