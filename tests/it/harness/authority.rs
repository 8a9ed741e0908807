//! A certificate authority of the test's own, and what it issues.

use std::path::Path;

use partner_gateway::{
    front::settings::TlsFiles,
    identity::{authorities::Authorities, certificate::ClientCertificate},
};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Issues certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
    /// What its callers present after their own certificates: all but the trust anchor.
    between: Vec<CertificateDer<'static>>,
}

/// A certificate with its chain and its key.
pub(crate) struct Owned {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Authority {
    /// The trust anchor of the gateway under test.
    pub(crate) fn new() -> Self {
        Self::named("callers")
    }

    /// A trust anchor of some name.
    pub(crate) fn named(name: &str) -> Self {
        let (params, key) = (authority(name), key());
        let certificate = params.self_signed(&key).expect("certificate");
        Self {
            issuer: Issuer::new(params, key),
            certificate,
            between: Vec::new(),
        }
    }

    /// An authority that this one vouches for.
    pub(crate) fn below(&self, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let (mut params, key) = (authority("team"), key());
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).expect("certificate");
        let mut between = vec![certificate.der().clone()];
        between.extend_from_slice(&self.between);
        Self {
            issuer: Issuer::new(params, key),
            certificate,
            between,
        }
    }

    /// Issues a certificate for a caller, with a change to what is usual.
    pub(crate) fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> Owned {
        let (mut params, key) = (caller(), key());
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).expect("certificate");
        let mut chain = vec![certificate.der().clone()];
        chain.extend_from_slice(&self.between);
        Owned {
            chain,
            key: key.into(),
        }
    }

    /// Issues a certificate, as it comes out of the handshake.
    pub(crate) fn vouch(&self, change: impl FnOnce(&mut CertificateParams)) -> ClientCertificate {
        let authorities = Authorities::new(&[self.certificate().clone()]).expect("authorities");
        let certificate = authorities.certificate(&self.issue(change).chain);
        certificate.expect("certificate")
    }

    /// Its own certificate.
    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        self.certificate.der()
    }

    /// Writes the files of a listener that asks for this authority's certificates, and has one of them.
    pub(crate) fn files(&self, dir: &Path) -> TlsFiles {
        self.files_with(dir, |_| {})
    }

    /// The same with a change to the listener's certificate.
    pub(crate) fn files_with(
        &self,
        dir: &Path,
        change: impl FnOnce(&mut CertificateParams),
    ) -> TlsFiles {
        let files = TlsFiles {
            certificate: dir.join("tls.crt"),
            private_key: dir.join("tls.key"),
            client_ca: Some(dir.join("ca.crt")),
        };
        let key = key();
        let mut params = caller();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names = vec![dns(GATEWAY)];
        change(&mut params);
        let own = params.signed_by(&key, &self.issuer).expect("certificate");
        std::fs::write(&files.certificate, own.pem()).expect("file");
        std::fs::write(&files.private_key, key.serialize_pem()).expect("file");
        std::fs::write(dir.join("ca.crt"), self.certificate.pem()).expect("file");
        files
    }
}

/// A certificate that vouches for itself.
pub(crate) fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> Owned {
    let (mut params, key) = (caller(), key());
    change(&mut params);
    let certificate = params.self_signed(&key).expect("certificate");
    Owned {
        chain: vec![certificate.der().clone()],
        key: key.into(),
    }
}

pub(crate) fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().expect("ASCII"))
}

pub(crate) fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().expect("ASCII"))
}

pub(crate) fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

/// Usages of a sound caller, and no name yet.
fn caller() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn key() -> KeyPair {
    KeyPair::generate().expect("key")
}

/// The listener's name.
pub(crate) const GATEWAY: &str = "gateway.test";
