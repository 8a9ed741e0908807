//! The authorities that vouch for callers' certificates.
//!
//! A bundle is read once; from then on it says what a certificate that one of its authorities has
//! vouched for tells of its owner. Whether an authority did vouch is the TLS handshake's to find out.

use std::{collections::BTreeSet, sync::Arc};

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN, digest};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use x509_parser::{
    certificate::X509Certificate, oid_registry::OID_X509_EXT_NAME_CONSTRAINTS,
    prelude::FromDer as _,
};

use crate::identity::certificate::{ClientCertificate, CommonName};

/// The certificate authorities of callers.
#[derive(Clone, Debug)]
pub struct Authorities {
    bundle: Bundle,
    roots: Arc<RootCertStore>,
    common_name: CommonName,
}

/// Tells one bundle of authorities from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bundle([u8; SHA256_OUTPUT_LEN]);

/// A bundle of authorities cannot be used. Certificates are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAuthorities {
    /// There is none.
    #[error("it holds no certificate")]
    Empty,
    /// One cannot be read.
    #[error("certificate {0} cannot be read")]
    Unreadable(usize),
    /// One is not an authority's.
    #[error("certificate {0} is not a certificate authority's")]
    NoAuthority(usize),
}

impl Authorities {
    /// Takes a bundle of authorities.
    ///
    /// # Errors
    ///
    /// When there is none, or one of them is unreadable or not an authority's: whoever has the key of
    /// a trust anchor can name itself anything, so a caller's own certificate must not be one.
    pub fn new(certificates: &[CertificateDer<'_>]) -> Result<Self, BadAuthorities> {
        let mut roots = RootCertStore::empty();
        for (number, certificate) in (1..).zip(certificates) {
            let unreadable = BadAuthorities::Unreadable(number);
            let read = x509(certificate).ok_or(unreadable)?;
            if !read.is_ca() {
                return Err(BadAuthorities::NoAuthority(number));
            }
            roots
                .add(certificate.clone().into_owned())
                .map_err(|_| unreadable)?;
        }
        if roots.is_empty() {
            return Err(BadAuthorities::Empty);
        }
        Ok(Self {
            bundle: bundle(certificates),
            roots: Arc::new(roots),
            common_name: common_name(certificates),
        })
    }

    /// Which bundle this is.
    #[must_use]
    pub fn bundle(&self) -> Bundle {
        self.bundle
    }

    /// The trust anchors for the handshake.
    #[must_use]
    pub fn roots(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.roots)
    }

    /// Reads the chain that a caller presented, leaf first, and that a handshake has verified against
    /// [`Authorities::roots`]; nothing where the chain is empty.
    #[must_use]
    pub fn certificate(&self, chain: &[CertificateDer<'_>]) -> Option<ClientCertificate> {
        let (leaf, between) = chain.split_first()?;
        let common_name = self.common_name.and(common_name(between));
        Some(ClientCertificate::read(leaf, common_name, self.bundle))
    }
}

/// Whatever the order, the same authorities are the same bundle.
fn bundle(certificates: &[CertificateDer<'_>]) -> Bundle {
    let hash = |der: &CertificateDer<'_>| digest(&SHA256, der).as_ref().to_vec();
    let hashes: BTreeSet<_> = certificates.iter().map(hash).collect();
    let mut context = Context::new(&SHA256);
    for hash in &hashes {
        context.update(hash);
    }
    let hash = context.finish();
    Bundle(hash.as_ref().first_chunk().copied().unwrap_or_default())
}

/// Whether certificates that these vouch for may name their owner by the subject's common name.
///
/// Name constraints say nothing of common names, so an authority that is held to some could put into
/// one what it may not put anywhere else.
fn common_name(authorities: &[CertificateDer<'_>]) -> CommonName {
    let free = |certificate: &CertificateDer<'_>| {
        let read = x509(certificate);
        read.is_some_and(|read| {
            let mut extensions = read.extensions().iter();
            extensions.all(|extension| extension.oid != OID_X509_EXT_NAME_CONSTRAINTS)
        })
    };
    if authorities.iter().all(free) {
        CommonName::Names
    } else {
        CommonName::NamesNobody
    }
}

fn x509<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    rest.is_empty().then_some(certificate)
}
