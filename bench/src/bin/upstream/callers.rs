//! Callers' tokens of both common algorithms, and the keys that they are verified with.

use std::{error::Error, fs, path::Path};

use aws_lc_rs::{
    encoding::AsDer as _,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, get_current_timestamp, jwk::Jwk};
use serde_json::{Value, json};

/// Writes `jwks.json`, and so many tokens of each algorithm.
pub(crate) fn write(dir: &Path, callers: usize) -> Result<(), Box<dyn Error>> {
    let signers = [
        ("es256", Algorithm::ES256, es256()?),
        ("rs256", Algorithm::RS256, rs256()?),
    ];
    let mut keys = Vec::new();
    for (id, algorithm, key) in &signers {
        keys.push(public(id, *algorithm, key)?);
        let tokens = (0..callers).map(|number| token(id, *algorithm, key, number));
        let tokens = tokens.collect::<Result<Vec<_>, _>>()?;
        fs::write(dir.join(format!("callers.{id}")), tokens.join("\n"))?;
    }
    fs::write(dir.join("jwks.json"), json!({ "keys": keys }).to_string())?;
    Ok(())
}

/// A caller's token; callers are `caller-0`, `caller-1` and so on.
fn token(
    id: &str,
    algorithm: Algorithm,
    key: &EncodingKey,
    number: usize,
) -> Result<String, jsonwebtoken::errors::Error> {
    let mut header = Header::new(algorithm);
    header.kid = Some(id.to_owned());
    let now = get_current_timestamp();
    let claims = json!({
        "iss": ISSUER,
        "aud": "partner-gateway",
        "sub": format!("caller-{number}"),
        "jti": format!("{id}-{number}"),
        "iat": now,
        "nbf": now,
        "exp": now + LIFE_SECONDS,
    });
    jsonwebtoken::encode(&header, &claims, key)
}

fn public(id: &str, algorithm: Algorithm, key: &EncodingKey) -> Result<Value, Box<dyn Error>> {
    let mut jwk = Jwk::from_encoding_key(key, algorithm)?;
    jwk.common.key_id = Some(id.to_owned());
    Ok(serde_json::to_value(jwk)?)
}

fn es256() -> Result<EncodingKey, Box<dyn Error>> {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)?;
    Ok(EncodingKey::from_ec_der(pkcs8.as_ref()))
}

fn rs256() -> Result<EncodingKey, Box<dyn Error>> {
    let pkcs8 = KeyPair::generate(KeySize::Rsa2048)?.as_der()?;
    let pkcs1 = pkcs8.as_ref().get(PKCS8_HEAD..).unwrap_or_default();
    Ok(EncodingKey::from_rsa_der(pkcs1))
}

const ISSUER: &str = "https://issuer.invalid";

/// Longer than any measurement, and under the day that the gateway allows.
const LIFE_SECONDS: u64 = 12 * 60 * 60;

/// A PKCS #8 document of a 2048-bit RSA key is this many bytes and then the PKCS #1 key.
const PKCS8_HEAD: usize = 26;
