//! The client assertion: a JWT that the application signs to prove itself in one request
//! (<https://learn.microsoft.com/entra/identity-platform/certificate-credentials>, RFC 7523).
//!
//! Each request has one of its own: a strict server takes each `jti` once. Its audience comes from the
//! configuration alone, never from a document that was fetched, or another server could have one made
//! for it and show it to Entra ID.

use std::time::{Duration, SystemTime};

use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::SecretString;
use serde::Serialize;
use uuid::Uuid;

use crate::token::certificate::Certificate;

/// How an assertion is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// What Entra ID documents.
    #[default]
    Ps256,
    /// For servers that do not know PSS. Entra ID is none, so no key of the configuration leads here.
    Rs256,
}

/// Who asserts, and to whom.
#[derive(Clone, Debug)]
pub(in crate::token) struct Parties {
    pub(in crate::token) client_id: String,
    pub(in crate::token) audience: String,
}

#[derive(Serialize)]
struct Header {
    alg: &'static str,
    typ: &'static str,
    #[serde(rename = "x5t#S256")]
    thumbprint: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    iss: &'a str,
    sub: &'a str,
    jti: String,
    nbf: u64,
    iat: u64,
    exp: u64,
}

/// Makes an assertion for one request; nothing where the cryptography fails.
pub(in crate::token) fn assertion(
    certificate: &Certificate,
    algorithm: Algorithm,
    parties: &Parties,
    now: SystemTime,
) -> Option<SecretString> {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let header = Header {
        alg: algorithm.name(),
        typ: "JWT",
        thumbprint: BASE64_URL_SAFE_NO_PAD.encode(certificate.thumbprint()),
    };
    let claims = Claims {
        aud: &parties.audience,
        iss: &parties.client_id,
        sub: &parties.client_id,
        jti: Uuid::new_v4().to_string(),
        nbf: now.saturating_sub(SLOW_CLOCK).as_secs(),
        iat: now.as_secs(),
        exp: (now + LIFE).as_secs(),
    };
    let signed = format!("{}.{}", part(&header)?, part(&claims)?);
    let signature = certificate.sign(signed.as_bytes(), algorithm.padding())?;
    let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
    Some(format!("{signed}.{signature}").into())
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }

    fn padding(self) -> &'static dyn RsaEncoding {
        match self {
            Self::Ps256 => &RSA_PSS_SHA256,
            Self::Rs256 => &RSA_PKCS1_SHA256,
        }
    }
}

fn part(of: &impl Serialize) -> Option<String> {
    let json = serde_json::to_vec(of).ok()?;
    Some(BASE64_URL_SAFE_NO_PAD.encode(json))
}

/// Entra ID does not say how far its clock and ours may be apart.
const SLOW_CLOCK: Duration = Duration::from_secs(30);

/// The shorter end of the five to ten minutes that Entra ID documents.
const LIFE: Duration = Duration::from_mins(5);
