//! A JSON Web Key Set (RFC 7517): the keys in it that can verify callers' tokens.
//!
//! A key of a kind that is not known, or that is meant for something else, is passed over, so that one
//! odd key does not take the others along.

use std::fmt;

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

use crate::identity::algorithm::SigningAlgorithm;

/// The usable keys of an issuer; one at least.
#[derive(Clone)]
pub struct KeySet(Vec<Key>);

/// What came is not a set with a usable key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKeySet {
    /// It is not the JSON of a key set.
    #[error("not a JSON Web Key Set")]
    NotJwks,
    /// It is larger than any key set.
    #[error("over {} bytes", KeySet::LARGEST_BYTES)]
    TooLarge,
    /// No key in it can verify a token.
    #[error("no key that can verify a token")]
    NoUsableKey,
}

#[derive(Clone)]
struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    verifying: DecodingKey,
}

#[derive(Deserialize)]
struct Raw {
    keys: Vec<Value>,
}

impl KeySet {
    /// The largest that is read: most are a few KiB, those with certificates in them some more.
    pub const LARGEST_BYTES: usize = 256 * 1024;

    /// Reads a key set from JSON.
    ///
    /// # Errors
    ///
    /// When it is not one, is too large, or holds no usable key.
    pub fn parse(json: &[u8]) -> Result<Self, BadKeySet> {
        if json.len() > Self::LARGEST_BYTES {
            return Err(BadKeySet::TooLarge);
        }
        let raw: Raw = serde_json::from_slice(json).map_err(|_| BadKeySet::NotJwks)?;
        let keys: Vec<_> = raw.keys.into_iter().filter_map(key).collect();
        if keys.is_empty() {
            return Err(BadKeySet::NoUsableKey);
        }
        Ok(Self(keys))
    }

    /// How many usable keys there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The key with an ID; without an ID, the only key for the algorithm.
    pub(in crate::identity) fn find(
        &self,
        id: Option<&str>,
        algorithm: SigningAlgorithm,
    ) -> Option<&DecodingKey> {
        let algorithm = Algorithm::from(algorithm);
        let mut fitting = self.0.iter().filter(|key| {
            let named = id.is_none() || key.id.as_deref() == id;
            named && key.algorithms.contains(&algorithm)
        });
        let first = fitting.next()?;
        let only = fitting.next().is_none();
        (id.is_some() || only).then_some(&first.verifying)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|key| &key.id))
            .finish()
    }
}

fn key(value: Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let verifies = match &jwk.common.public_key_use {
        None | Some(PublicKeyUse::Signature) => true,
        // Section 4.1 of the JWT-SVID standard.
        Some(PublicKeyUse::Other(other)) => other == "jwt-svid",
        Some(PublicKeyUse::Encryption) => false,
    };
    let may_verify = jwk
        .common
        .key_operations
        .as_ref()
        .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    let mut algorithms = fitting(&jwk.algorithm);
    if let Some(only) = jwk.common.key_algorithm {
        algorithms.retain(|algorithm| KeyAlgorithm::from(*algorithm) == only);
    }
    if !verifies || !may_verify || algorithms.is_empty() {
        return None;
    }
    Some(Key {
        verifying: DecodingKey::from_jwk(&jwk).ok()?,
        id: jwk.common.key_id,
        algorithms,
    })
}

/// The algorithms that go with a key's type and curve.
fn fitting(parameters: &AlgorithmParameters) -> Vec<Algorithm> {
    match parameters {
        AlgorithmParameters::RSA(_) => vec![
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => vec![Algorithm::ES256],
            EllipticCurve::P384 => vec![Algorithm::ES384],
            _ => Vec::new(),
        },
        AlgorithmParameters::OctetKeyPair(key) => match key.curve {
            EllipticCurve::Ed25519 => vec![Algorithm::EdDSA],
            _ => Vec::new(),
        },
        // A shared secret is no key to tell callers by.
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A set of keys by their ID, type and curve; their numbers are of no account here.
    fn set(keys: &[(&str, &str, &str)]) -> Result<KeySet, BadKeySet> {
        let keys = keys.iter().map(|(id, kty, crv)| {
            json!({"kid": id, "kty": kty, "crv": crv, "x": "AQ", "y": "Ag", "n": "Aw", "e": "AQAB", "k": "BA"})
        });
        let keys: Vec<_> = keys.collect();
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    fn algorithms(kty: &str, crv: &str) -> Vec<&'static str> {
        let Ok(set) = set(&[("a", kty, crv)]) else {
            return Vec::new();
        };
        let mut names = SigningAlgorithm::NAMES.to_vec();
        names.retain(|name| set.find(Some("a"), name.parse().unwrap()).is_some());
        names
    }

    #[test]
    fn knows_the_algorithms_of_each_type_of_key() {
        let rsa = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];

        assert_eq!(algorithms("RSA", ""), rsa);
        assert_eq!(algorithms("EC", "P-256"), ["ES256"]);
        assert_eq!(algorithms("EC", "P-384"), ["ES384"]);
        assert_eq!(algorithms("EC", "P-521"), [""; 0]);
        assert_eq!(algorithms("OKP", "Ed25519"), ["EdDSA"]);
        assert_eq!(algorithms("OKP", "P-256"), [""; 0]);
        assert_eq!(algorithms("oct", ""), [""; 0]);
    }

    #[test]
    fn finds_the_only_key_for_an_algorithm_where_no_id_is_given() {
        let set = set(&[("a", "RSA", ""), ("b", "RSA", ""), ("c", "EC", "P-256")]).unwrap();
        let finds = |id, name: &str| set.find(id, name.parse().unwrap()).is_some();

        assert!(finds(None, "ES256"));
        assert!(!finds(None, "RS256"), "one of two");
        assert!(!finds(None, "EdDSA"), "none");
        assert!(finds(Some("b"), "RS256"));
        assert!(!finds(Some("d"), "RS256"));
        assert!(!finds(Some("c"), "RS256"));
    }

    #[test]
    fn counts_keys_and_shows_nothing_of_them_but_their_ids() {
        let keys = set(&[("a", "EC", "P-256"), ("b", "EC", "P-256")]).unwrap();

        assert_eq!(keys.count(), 2);
        assert_eq!(format!("{keys:?}"), r#"[Some("a"), Some("b")]"#);
    }

    #[test]
    fn tells_what_is_no_set_from_a_set_without_a_usable_key() {
        for json in ["", "[]", "{}", r#"{"keys":{}}"#] {
            assert_eq!(
                KeySet::parse(json.as_bytes()).unwrap_err(),
                BadKeySet::NotJwks
            );
        }
        for json in [r#"{"keys":[]}"#, r#"{"keys":[7]}"#] {
            assert_eq!(
                KeySet::parse(json.as_bytes()).unwrap_err(),
                BadKeySet::NoUsableKey
            );
        }
    }
}
