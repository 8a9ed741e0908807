//! The keys that tokens are signed with.

use std::sync::OnceLock;

use aws_lc_rs::{
    encoding::AsDer as _,
    rsa::{KeyPair, KeySize},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, jwk::Jwk};
use serde_json::{Value, json};

/// Whoever signs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Signer {
    /// Entra ID, for access and ID tokens.
    Entra,
    /// The pretend Kubernetes cluster, for the tokens of its service accounts.
    Cluster,
}

/// Signs claims with RS256; `None` only where the process has no working cryptography.
pub(crate) fn sign(signer: Signer, claims: &Value) -> Option<String> {
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(signer.key_id().to_owned());
    jsonwebtoken::encode(&header, claims, signer.key()?).ok()
}

/// The public half of a key.
pub(crate) fn public(signer: Signer) -> Option<DecodingKey> {
    let jwk = Jwk::from_encoding_key(signer.key()?, Algorithm::RS256).ok()?;
    DecodingKey::from_jwk(&jwk).ok()
}

/// The JSON Web Key Set of Entra ID.
pub(crate) fn jwks() -> Value {
    let key = Signer::Entra.key();
    let jwk = key.and_then(|key| Jwk::from_encoding_key(key, Algorithm::RS256).ok());
    let mut keys = Vec::new();
    if let Some(Ok(mut jwk)) = jwk.map(serde_json::to_value) {
        if let Some(fields) = jwk.as_object_mut() {
            fields.insert("kid".to_owned(), Signer::Entra.key_id().into());
            fields.insert("use".to_owned(), "sig".into());
            fields.remove("alg");
        }
        keys.push(jwk);
    }
    json!({ "keys": keys })
}

impl Signer {
    fn key_id(self) -> &'static str {
        match self {
            Self::Entra => "sandbox",
            Self::Cluster => "cluster",
        }
    }

    /// One key for the life of the process.
    fn key(self) -> Option<&'static EncodingKey> {
        static ENTRA: OnceLock<Option<EncodingKey>> = OnceLock::new();
        static CLUSTER: OnceLock<Option<EncodingKey>> = OnceLock::new();
        let key = match self {
            Self::Entra => &ENTRA,
            Self::Cluster => &CLUSTER,
        };
        key.get_or_init(generate).as_ref()
    }
}

fn generate() -> Option<EncodingKey> {
    let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
    let pkcs8 = pair.as_der().ok()?;
    Some(EncodingKey::from_rsa_der(pkcs8.as_ref().get(PKCS8_HEAD..)?))
}

/// A PKCS #8 document of a 2048-bit RSA key is this many bytes and then the PKCS #1 key.
const PKCS8_HEAD: usize = 26;

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{Validation, decode};

    #[test]
    fn signs_what_its_own_key_set_verifies() {
        let claims = json!({"aud": "somebody", "exp": 4_000_000_000_u64});
        let token = sign(Signer::Entra, &claims).unwrap();
        let jwk: Jwk = serde_json::from_value(jwks()["keys"][0].clone()).unwrap();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&["somebody"]);

        let key = DecodingKey::from_jwk(&jwk).unwrap();
        decode::<Value>(&token, &key, &validation).unwrap();
    }
}
