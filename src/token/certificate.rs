//! The certificate with which an application proves itself, and the RSA key that belongs to it.

use std::{
    fmt,
    ops::RangeInclusive,
    time::{Duration, SystemTime},
};

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{RsaEncoding, RsaKeyPair},
};
use rustls::{Error, crypto::aws_lc_rs::default_provider, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tracing::{error, warn};

use crate::validity;

/// A certificate and its key, which were seen to belong together.
pub struct Certificate {
    key: RsaKeyPair,
    thumbprint: [u8; 32],
    validity: Option<RangeInclusive<SystemTime>>,
}

/// What two files hold is not a certificate with its RSA key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// There is no certificate.
    #[error("there is no certificate in its file")]
    NoCertificate,
    /// There is no private key.
    #[error("there is no private key in its file")]
    NoKey,
    /// Nobody is there to type its password.
    #[error("the private key is encrypted")]
    Encrypted,
    /// It is of another kind, such as an elliptic curve's, or damaged.
    #[error("the private key is not an RSA key")]
    NotRsa,
    /// It is too weak.
    #[error("the RSA key has fewer than 2048 bits")]
    Short,
    /// They do not belong together, perhaps because only one has been replaced so far.
    #[error("certificate and key do not belong together")]
    Mismatch,
}

/// A certificate that is not good at a time, or not for long.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untimely {
    /// It is good at another time only.
    #[error("is good from {from} until {until} only")]
    Now {
        /// RFC 3339.
        from: String,
        /// RFC 3339.
        until: String,
    },
    /// Its end is near.
    #[error("expires at {until}, in {days} days")]
    Soon {
        /// RFC 3339.
        until: String,
        /// How many whole days are left.
        days: u64,
    },
}

impl Certificate {
    /// Reads a certificate and its key in PEM: PKCS#8 or PKCS#1. Of a chain, the first counts.
    ///
    /// # Errors
    ///
    /// When they are not what they should be; never with any part of the key in it.
    pub fn read(certificate: &[u8], key: &[u8]) -> Result<Self, Unfit> {
        let leaf = leaf(certificate).ok_or(Unfit::NoCertificate)?;
        let key = private_key(key)?;
        let pair = match &key {
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            _ => return Err(Unfit::NotRsa),
        };
        let pair = pair.map_err(|rejected| match rejected.description_() {
            "TooSmall" => Unfit::Short,
            _ => Unfit::NotRsa,
        })?;
        let together = CertifiedKey::from_der(vec![leaf.clone()], key, &default_provider());
        match together {
            Ok(_) => {}
            Err(Error::InconsistentKeys(_)) => return Err(Unfit::Mismatch),
            Err(_) => return Err(Unfit::NoCertificate),
        }
        let mut thumbprint = [0; 32];
        thumbprint.copy_from_slice(digest(&SHA256, &leaf).as_ref());
        Ok(Self {
            key: pair,
            thumbprint,
            validity: validity::of(&leaf),
        })
    }

    /// The SHA-256 of the certificate, by which Entra ID knows it.
    #[must_use]
    pub fn thumbprint(&self) -> &[u8; 32] {
        &self.thumbprint
    }

    /// From when until when the certificate is good, where that could be read.
    #[must_use]
    pub fn validity(&self) -> Option<&RangeInclusive<SystemTime>> {
        self.validity.as_ref()
    }

    /// Signs a message; nothing where the cryptography fails.
    pub(in crate::token) fn sign(
        &self,
        message: &[u8],
        padding: &'static dyn RsaEncoding,
    ) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(padding, &SystemRandom::new(), message, &mut signature)
            .ok()?;
        Some(signature)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

impl Unfit {
    /// What would be accepted.
    #[must_use]
    pub fn accepted(self) -> &'static str {
        match self {
            Self::NoCertificate => "a certificate in PEM",
            Self::NoKey => "a private key in PEM, PKCS#8 or PKCS#1",
            Self::Encrypted => {
                "the key without a password (`openssl pkey -in OLD -out NEW`), in a file closed to others"
            }
            Self::NotRsa => "the RSA key of a certificate with an RSA key, which Entra ID wants",
            Self::Short => "an RSA key of 2048 bits or more",
            Self::Mismatch => "the key that the certificate was made for",
        }
    }
}

impl Untimely {
    /// Tells it to whoever renews certificates.
    pub fn log(&self) {
        match self {
            Self::Now { .. } => {
                error!(error = %self, "the application's certificate is not good now");
            }
            Self::Soon { .. } => {
                warn!(error = %self, "the application's certificate expires soon");
            }
        }
    }
}

/// The dates of the certificate in a file's content.
pub(in crate::token) fn validity_of(pem: &[u8]) -> Option<RangeInclusive<SystemTime>> {
    validity::of(&leaf(pem)?)
}

/// Tells what is to be told of a certificate's dates at a time.
pub(in crate::token) fn untimely(
    validity: &RangeInclusive<SystemTime>,
    now: SystemTime,
) -> Option<Untimely> {
    let shown = |moment: &SystemTime| humantime::format_rfc3339_seconds(*moment).to_string();
    let until = shown(validity.end());
    if !validity.contains(&now) {
        let from = shown(validity.start());
        return Some(Untimely::Now { from, until });
    }
    let left = validity.end().duration_since(now).unwrap_or_default();
    let days = left.as_secs() / Duration::from_hours(24).as_secs();
    (left <= NEAR).then_some(Untimely::Soon { until, days })
}

fn leaf(pem: &[u8]) -> Option<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem).next()?.ok()
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Unfit> {
    // PKCS#8 says so in its label and OpenSSL's older form in a header; both in this word.
    if pem.windows(ENCRYPTED.len()).any(|word| word == ENCRYPTED) {
        return Err(Unfit::Encrypted);
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| Unfit::NoKey)
}

/// Renewing a certificate takes people, and they are told this long before.
const NEAR: Duration = Duration::from_hours(30 * 24);

const ENCRYPTED: &[u8] = b"ENCRYPTED";
