//! The public half of the key that signs checkpoints: all that is needed to believe them.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use rustls_pki_types::{SubjectPublicKeyInfoDer, pem::PemObject as _};

use crate::audit::{chain::LineHash, signing};

/// An Ed25519 public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; RAW_BYTES]);

/// The text is not such a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAKey {
    /// There is no public key in it.
    #[error("it holds no Ed25519 public key in PEM (BEGIN PUBLIC KEY)")]
    Public,
    /// There is no private key in it.
    #[error("it holds no Ed25519 private key in PEM (BEGIN PRIVATE KEY)")]
    Private,
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo` in PEM.
    ///
    /// # Errors
    ///
    /// When there is none, or one of another kind.
    pub fn from_pem(pem: &[u8]) -> Result<Self, NotAKey> {
        let info = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| NotAKey::Public)?;
        let raw = info.strip_prefix(&ED25519_INFO).ok_or(NotAKey::Public)?;
        raw.try_into().map(Self).map_err(|_| NotAKey::Public)
    }

    /// Reads a private key in PEM (PKCS#8) and keeps its public half only.
    ///
    /// # Errors
    ///
    /// When there is none, or one of another kind.
    pub fn of_private(pem: &[u8]) -> Result<Self, NotAKey> {
        let pair = signing::pair(pem).ok_or(NotAKey::Private)?;
        Self::of(&pair).ok_or(NotAKey::Private)
    }

    /// The public half of a pair.
    pub(in crate::audit) fn of(pair: &Ed25519KeyPair) -> Option<Self> {
        pair.public_key().as_ref().try_into().ok().map(Self)
    }

    /// Writes it as [`Self::from_pem`] reads it, and as `openssl pkey -pubout` does.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let info = BASE64_STANDARD.encode([&ED25519_INFO[..], &self.0].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{info}\n-----END PUBLIC KEY-----\n")
    }

    /// The 32 bytes of the key itself, in base64.
    #[must_use]
    pub fn to_base64(&self) -> String {
        BASE64_STANDARD.encode(self.0)
    }

    /// How checkpoints name it: the first 16 hexadecimal digits of its SHA-256.
    #[must_use]
    pub fn id(&self) -> String {
        LineHash::of(&self.0).to_string().chars().take(16).collect()
    }

    /// Whether a signature over a text was made by the private half.
    #[must_use]
    pub fn has_signed(&self, text: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(text, signature)
            .is_ok()
    }
}

/// The key of a name, if it is among these.
pub(in crate::audit) fn named<'k>(id: &str, keys: &'k [PublicKey]) -> Option<&'k PublicKey> {
    keys.iter().find(|key| key.id() == id)
}

/// The names of keys, any of which will do.
pub(in crate::audit) fn names(keys: &[PublicKey]) -> String {
    let ids: Vec<_> = keys.iter().map(PublicKey::id).collect();
    ids.join(" or ")
}

const RAW_BYTES: usize = 32;

/// What comes before the raw key in its `SubjectPublicKeyInfo` (RFC 8410, section 10.1).
const ED25519_INFO: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 8410, section 10.1.
    const DOCUMENTED: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
";
    const ITS_PRIVATE_HALF: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";

    #[test]
    fn reads_both_halves_of_a_documented_key() {
        let public = PublicKey::from_pem(DOCUMENTED.as_bytes()).unwrap();

        assert_eq!(
            PublicKey::of_private(ITS_PRIVATE_HALF.as_bytes()),
            Ok(public)
        );
        assert_eq!(public.0[..4], [0x19, 0xbf, 0x44, 0x09]);
        assert_eq!(public.to_pem(), DOCUMENTED);
        assert!(DOCUMENTED.contains(&format!("AyEA{}", public.to_base64())));
    }

    #[test]
    fn takes_neither_half_for_the_other() {
        let public = PublicKey::from_pem(ITS_PRIVATE_HALF.as_bytes());
        let private = PublicKey::of_private(DOCUMENTED.as_bytes());

        assert_eq!(
            (public, private),
            (Err(NotAKey::Public), Err(NotAKey::Private))
        );
    }
}
