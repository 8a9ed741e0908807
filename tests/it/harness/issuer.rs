//! An issuer of callers' tokens, which signs whatever a test wants signed.
//!
//! It shares no code with what verifies: tokens are put together here, from RFC 7515 on.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    },
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use partner_gateway::identity::{
    algorithm::SigningAlgorithm, credibility::Demands, issuer::IssuerSettings,
    key_source::KeySourceSettings, published::Published,
};
use serde_json::{Value, json};

use super::World;

/// The `iss` of the usual issuer.
pub(crate) const ISSUER: &str = "https://issuer.test";

/// When the world's clock begins, in seconds since 1970.
pub(crate) const BEGAN: u64 = 492_312 * 3600;

/// An issuer at [`ISSUER`], reachable over the world's network.
#[derive(Clone, Default)]
pub(crate) struct Issuer(Arc<Inner>);

#[derive(Default)]
struct Inner {
    answers: Mutex<BTreeMap<String, (u16, Bytes)>>,
    requests: Mutex<Vec<Request<()>>>,
    key_fetches: AtomicUsize,
}

/// A key pair.
pub(crate) struct Key {
    pub(crate) id: &'static str,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Issuer {
    /// One that publishes the usual keys.
    pub(crate) fn new() -> Self {
        let issuer = Self::default();
        issuer.publish(&[rsa(), ec(), ed()]);
        let discovery = json!({"issuer": ISSUER, "jwks_uri": format!("{ISSUER}/jwks")});
        issuer.answer("/.well-known/openid-configuration", 200, &discovery);
        issuer
    }

    /// Publishes these keys and no others.
    pub(crate) fn publish(&self, keys: &[&Key]) {
        let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
        self.answer("/jwks", 200, &json!({ "keys": keys }));
    }

    /// Answers at a path from now on.
    pub(crate) fn answer(&self, path: &str, status: u16, body: &Value) {
        self.answer_bytes(path, status, body.to_string().into());
    }

    pub(crate) fn answer_bytes(&self, path: &str, status: u16, body: Bytes) {
        let mut answers = self.0.answers.lock().expect("answers");
        answers.insert(path.to_owned(), (status, body));
    }

    /// How often keys were asked for, successfully or not.
    pub(crate) fn key_fetches(&self) -> usize {
        self.0.key_fetches.load(Ordering::SeqCst)
    }

    /// The heads of all requests so far.
    pub(crate) fn requests(&self) -> Vec<Request<()>> {
        self.0.requests.lock().expect("requests").clone()
    }

    pub(crate) fn serve<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let mut head = Request::new(());
        *head.uri_mut() = request.uri().clone();
        *head.headers_mut() = request.headers().clone();
        self.0.requests.lock().expect("requests").push(head);
        let path = request.uri().path();
        if path == "/jwks" {
            self.0.key_fetches.fetch_add(1, Ordering::SeqCst);
        }
        let answers = self.0.answers.lock().expect("answers");
        let (status, body) = answers.get(path).cloned().unwrap_or_default();
        Response::builder()
            .status(if status == 0 { 404 } else { status })
            .body(Full::new(body))
            .expect("response")
    }
}

impl Key {
    /// The public half, as RFC 7517 writes it.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                let (n, e) = (public.modulus(), public.exponent());
                json!({"kty": "RSA", "n": base64(n.big_endian_without_leading_zero()), "e": base64(e.big_endian_without_leading_zero())})
            }
            Pair::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": base64(x), "y": base64(y)})
            }
            Pair::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": base64(pair.public_key().as_ref())})
            }
        };
        jwk["kid"] = self.id.into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// A token with any header and any payload, signed as the header's `alg` says.
    pub(crate) fn sign(&self, header: &Value, payload: &Value) -> String {
        let message = format!(
            "{}.{}",
            base64(header.to_string()),
            base64(payload.to_string())
        );
        let signature = self.signature(header["alg"].as_str().unwrap_or(""), message.as_bytes());
        format!("{message}.{}", base64(signature))
    }

    /// A token of any bytes, signed as this key would sign it.
    pub(crate) fn sign_message(&self, message: &str) -> String {
        format!(
            "{message}.{}",
            base64(self.signature("", message.as_bytes()))
        )
    }

    /// A token as this key would sign it.
    pub(crate) fn token(&self, claims: &Value) -> String {
        let alg = match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Ec(_) => "ES256",
            Pair::Ed(_) => "EdDSA",
        };
        self.sign(&json!({"alg": alg, "kid": self.id}), claims)
    }

    fn signature(&self, alg: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let padding: &dyn aws_lc_rs::signature::RsaEncoding = if alg == "PS256" {
                    &RSA_PSS_SHA256
                } else {
                    &RSA_PKCS1_SHA256
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature)
                    .expect("signature");
                signature
            }
            Pair::Ec(pair) => pair
                .sign(&random, message)
                .expect("signature")
                .as_ref()
                .to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }
}

/// What the usual issuer is configured with.
pub(crate) fn settings() -> IssuerSettings {
    IssuerSettings {
        name: "issuer".to_owned(),
        issuer: ISSUER.to_owned(),
        keys: KeySourceSettings::Discovery(Published {
            url: format!("{ISSUER}/.well-known/openid-configuration")
                .parse()
                .expect("address"),
            ca_file: None,
            bearer_token: None,
        }),
        audiences: vec!["partner-gateway".to_owned()],
        algorithms: ["RS256", "PS256", "ES256", "EdDSA"].map(algorithm).to_vec(),
        principal_claim: "sub".to_owned(),
        demands: Demands::default(),
    }
}

pub(crate) fn algorithm(name: &str) -> SigningAlgorithm {
    name.parse().expect("algorithm")
}

/// A world that takes the usual issuer's tokens.
pub(crate) async fn world(issuer: &Issuer) -> World {
    world_with(issuer, |_| {}).await
}

/// A world that takes the tokens of an issuer whose settings differ from the usual ones.
pub(crate) async fn world_with(issuer: &Issuer, change: impl FnOnce(&mut IssuerSettings)) -> World {
    let world = World::with(|config| {
        let mut settings = settings();
        change(&mut settings);
        config.identity.issuers.push(settings);
    })
    .await;
    world.network.host("issuer.test", issuer.clone());
    world
}

/// Claims of the caller `billing` that are sound for an hour.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "aud": "partner-gateway",
        "sub": "billing",
        "iat": BEGAN,
        "nbf": BEGAN,
        "exp": BEGAN + 3600,
    })
}

/// The usual claims with some changed; `null` takes one away.
pub(crate) fn claims_with(changed: Value) -> Value {
    let mut claims = claims();
    let all = claims.as_object_mut().expect("object");
    let Value::Object(changed) = changed else {
        panic!("{changed}")
    };
    for (name, value) in changed {
        match value {
            Value::Null => all.remove(&name),
            value => all.insert(name, value),
        };
    }
    claims
}

pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn rsa() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| rsa_key("rsa"))
}

/// An RSA key that the issuer does not publish at first.
pub(crate) fn next_rsa() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| rsa_key("next"))
}

pub(crate) fn ec() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| Key {
        id: "ec",
        pair: Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("key")),
    })
}

pub(crate) fn ed() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| Key {
        id: "ed",
        pair: Pair::Ed(Ed25519KeyPair::generate().expect("key")),
    })
}

fn rsa_key(id: &'static str) -> Key {
    Key {
        id,
        pair: Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("key")),
    }
}
