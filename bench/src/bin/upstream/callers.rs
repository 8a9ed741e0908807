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

/// Signs callers' tokens.
struct Signer {
    id: &'static str,
    algorithm: Algorithm,
    key: EncodingKey,
}

/// Writes `jwks.json`, a token of each algorithm for so many callers, and so many to be shown once.
pub(crate) fn write(dir: &Path, callers: usize, once: usize) -> Result<(), Box<dyn Error>> {
    let (es256, rs256) = (Signer::es256()?, Signer::rs256()?);
    let keys = [es256.public()?, rs256.public()?];
    for (file, signer, count) in [
        ("callers.es256", &es256, callers),
        ("callers.rs256", &rs256, callers),
        ("callers.once", &es256, once),
    ] {
        let tokens = (0..count).map(|number| signer.token(number, callers));
        let tokens = tokens.collect::<Result<Vec<_>, _>>()?;
        fs::write(dir.join(file), tokens.join("\n"))?;
    }
    fs::write(dir.join("jwks.json"), json!({ "keys": keys }).to_string())?;
    Ok(())
}

impl Signer {
    fn es256() -> Result<Self, Box<dyn Error>> {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)?;
        Ok(Self {
            id: "es256",
            algorithm: Algorithm::ES256,
            key: EncodingKey::from_ec_der(pkcs8.as_ref()),
        })
    }

    fn rs256() -> Result<Self, Box<dyn Error>> {
        let pkcs8 = KeyPair::generate(KeySize::Rsa2048)?.as_der()?;
        let pkcs1 = pkcs8.as_ref().get(PKCS8_HEAD..).unwrap_or_default();
        Ok(Self {
            id: "rs256",
            algorithm: Algorithm::RS256,
            key: EncodingKey::from_rsa_der(pkcs1),
        })
    }

    /// The token of this number; callers are `caller-0`, `caller-1` and so on.
    fn token(&self, number: usize, callers: usize) -> Result<String, Box<dyn Error>> {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.id.to_owned());
        let now = get_current_timestamp();
        let claims = json!({
            "iss": ISSUER,
            "aud": "partner-gateway",
            "sub": format!("caller-{}", number % callers.max(1)),
            "jti": format!("{}-{number}", self.id),
            "iat": now,
            "nbf": now,
            "exp": now + LIFE_SECONDS,
        });
        Ok(jsonwebtoken::encode(&header, &claims, &self.key)?)
    }

    fn public(&self) -> Result<Value, Box<dyn Error>> {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm)?;
        jwk.common.key_id = Some(self.id.to_owned());
        Ok(serde_json::to_value(jwk)?)
    }
}

const ISSUER: &str = "https://issuer.invalid";

/// Longer than any measurement, and under the day that the gateway allows.
const LIFE_SECONDS: u64 = 12 * 60 * 60;

/// A PKCS #8 document of a 2048-bit RSA key is this many bytes and then the PKCS #1 key.
const PKCS8_HEAD: usize = 26;
