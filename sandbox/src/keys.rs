//! The key that access tokens are signed with.

use std::sync::OnceLock;

use aws_lc_rs::{
    encoding::AsDer as _,
    rsa::{KeyPair, KeySize},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::{Value, json};

/// Signs claims with RS256; `None` only where the process has no working cryptography.
pub(crate) fn sign(claims: &Value) -> Option<String> {
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(KEY_ID.to_owned());
    jsonwebtoken::encode(&header, claims, key()?).ok()
}

/// The JSON Web Key Set with the public half.
pub(crate) fn jwks() -> Value {
    let jwk = key().and_then(|key| Jwk::from_encoding_key(key, Algorithm::RS256).ok());
    let mut keys = Vec::new();
    if let Some(Ok(mut jwk)) = jwk.map(serde_json::to_value) {
        if let Some(fields) = jwk.as_object_mut() {
            fields.insert("kid".to_owned(), KEY_ID.into());
            fields.insert("use".to_owned(), "sig".into());
            fields.remove("alg");
        }
        keys.push(jwk);
    }
    json!({ "keys": keys })
}

/// One key for the life of the process.
fn key() -> Option<&'static EncodingKey> {
    static KEY: OnceLock<Option<EncodingKey>> = OnceLock::new();
    KEY.get_or_init(generate).as_ref()
}

fn generate() -> Option<EncodingKey> {
    let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
    let pkcs8 = pair.as_der().ok()?;
    Some(EncodingKey::from_rsa_der(pkcs8.as_ref().get(PKCS8_HEAD..)?))
}

const KEY_ID: &str = "sandbox";

/// A PKCS #8 document of a 2048-bit RSA key is this many bytes and then the PKCS #1 key.
const PKCS8_HEAD: usize = 26;

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{DecodingKey, Validation, decode};

    #[test]
    fn signs_what_its_own_key_set_verifies() {
        let token = sign(&json!({"aud": "somebody", "exp": 4_000_000_000_u64})).unwrap();
        let jwk: Jwk = serde_json::from_value(jwks()["keys"][0].clone()).unwrap();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&["somebody"]);

        let key = DecodingKey::from_jwk(&jwk).unwrap();
        decode::<Value>(&token, &key, &validation).unwrap();
    }
}
