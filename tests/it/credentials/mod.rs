//! How the gateway proves to Entra ID which application it is, and for whom its tokens are.

mod accounts;
mod certificates;
mod endpoints;
mod federated;
mod provider;

use std::path::{Path, PathBuf};

use partner_gateway::{
    config::Config,
    token::{self, assertion::Algorithm, credential::Settings as Credential},
};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use sandbox::TokenRequest;
use tempfile::TempDir;

use crate::harness::tempdir;

/// A directory with the certificate of an application and its key.
pub(crate) struct Certified {
    dir: TempDir,
}

/// A certificate with an RSA key.
pub(crate) struct Pair {
    pub(crate) der: Vec<u8>,
    pub(crate) certificate: String,
    pub(crate) key: KeyPair,
}

impl Certified {
    /// The files of a pair.
    pub(crate) fn with(pair: &Pair) -> Self {
        let files = Self { dir: tempdir() };
        files.write_certificate(pair);
        files.write_key(&pair.key.serialize_pem());
        files
    }

    pub(crate) fn write_certificate(&self, pair: &Pair) {
        std::fs::write(self.path("tls.crt"), &pair.certificate).unwrap();
    }

    pub(crate) fn write_key(&self, pem: &str) {
        std::fs::write(self.path("tls.key"), pem).unwrap();
    }

    /// The credential that these files are.
    pub(crate) fn credential(&self, algorithm: Algorithm) -> Credential {
        Credential::Certificate {
            certificate_file: self.path("tls.crt"),
            private_key_file: self.path("tls.key"),
            algorithm,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        Path::join(self.dir.path(), name)
    }
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// One that differs from the usual.
    pub(crate) fn with(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        let mut params = CertificateParams::new(["application.test".to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            der: certificate.der().to_vec(),
            certificate: certificate.pem(),
            key,
        }
    }
}

/// The token settings of the one account.
pub(crate) fn token(config: &mut Config) -> &mut token::Settings {
    &mut config.accounts.first_mut().unwrap().token
}

/// A field of a token request.
pub(crate) fn field<'a>(asked: &'a TokenRequest, name: &str) -> Option<&'a str> {
    let mut found = asked.form.iter().filter(|(is, _)| is == name);
    let first = found.next().map(|(_, value)| value.as_str());
    assert!(found.next().is_none(), "{name} twice");
    first
}
