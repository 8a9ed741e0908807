//! Tokens that somebody else made up, by every way that has worked elsewhere.

use serde_json::{Value, json};

use super::{call, refuses, takes};
use crate::harness::{
    World,
    issuer::{BEGAN, ISSUER, Issuer, base64, claims, claims_with, ec, next_rsa, rsa, world},
};

/// A token that an HMAC with the given key signs.
fn hmac(header: &Value, key: &[u8]) -> String {
    let message = format!(
        "{}.{}",
        base64(header.to_string()),
        base64(claims().to_string())
    );
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key);
    let signature = aws_lc_rs::hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", base64(signature))
}

fn headed(more: Value) -> String {
    let mut header = json!({"alg": "RS256", "kid": "rsa"});
    if let (Value::Object(all), Value::Object(more)) = (&mut header, more) {
        all.extend(more);
    }
    rsa().sign(&header, &claims())
}

/// Sound in every other way, so that only what is changed can be the reason.
fn claiming(changed: Value) -> String {
    rsa().token(&claims_with(changed))
}

async fn refuses_all(world: &World, cases: impl IntoIterator<Item = (&'static str, String)>) {
    for (what, token) in cases {
        refuses(world, &token, what).await;
    }
    takes(world, &rsa().token(&claims()), "sound").await;
}

#[tokio::test(start_paused = true)]
async fn refuses_a_token_that_nobody_signed() {
    let world = world(&Issuer::new()).await;
    let unsigned = |alg: &str| {
        let header = json!({"alg": alg, "kid": "rsa"});
        format!(
            "{}.{}.",
            base64(header.to_string()),
            base64(claims().to_string())
        )
    };
    let sound = rsa().token(&claims());
    let (message, signature) = sound.rsplit_once('.').unwrap();

    refuses_all(
        &world,
        [
            ("alg none", unsigned("none")),
            ("alg None", unsigned("None")),
            ("alg nOnE", unsigned("nOnE")),
            ("an empty signature", unsigned("RS256")),
            ("no alg", rsa().sign(&json!({"kid": "rsa"}), &claims())),
            ("two parts", message.to_owned()),
            (
                "a signature cut short",
                sound.split_at(sound.len() - 4).0.to_owned(),
            ),
            ("four parts", format!("{sound}.x")),
            ("a part before", format!("x.{sound}")),
            ("padding", format!("{sound}==")),
            (
                "another's signature",
                format!("{message}.{}", base64("x".repeat(256))),
            ),
            ("another's payload", {
                let header = sound.split('.').next().unwrap();
                let other = claims_with(json!({"sub": "dunning"}));
                format!("{header}.{}.{signature}", base64(other.to_string()))
            }),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn refuses_a_shared_secret_in_the_place_of_a_key() {
    let world = world(&Issuer::new()).await;
    let jwk = rsa().jwk();
    let modulus = jwk["n"].as_str().unwrap();
    let hs256 = json!({"alg": "HS256", "kid": "rsa"});

    refuses_all(
        &world,
        [
            (
                "the public key as a secret",
                hmac(&hs256, modulus.as_bytes()),
            ),
            (
                "the published JWK as a secret",
                hmac(&hs256, jwk.to_string().as_bytes()),
            ),
            ("an empty secret", hmac(&hs256, b"")),
            ("no kid", hmac(&json!({"alg": "HS256"}), modulus.as_bytes())),
            (
                "HS256 over an RSA signature",
                headed(json!({"alg": "HS256"})),
            ),
            ("ES256 over an RSA key", headed(json!({"alg": "ES256"}))),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn refuses_a_key_that_the_token_brings_along() {
    let world = world(&Issuer::new()).await;
    let stranger = |header: Value| {
        let mut all = json!({"alg": "RS256", "kid": "rsa"});
        if let (Value::Object(all), Value::Object(more)) = (&mut all, header) {
            all.extend(more);
        }
        next_rsa().sign(&all, &claims())
    };

    refuses_all(
        &world,
        [
            ("another key under the same kid", stranger(json!({}))),
            ("jwk", stranger(json!({"jwk": next_rsa().jwk()}))),
            ("jku", stranger(json!({"jku": format!("{ISSUER}/mine")}))),
            ("x5u", stranger(json!({"x5u": format!("{ISSUER}/mine")}))),
            ("x5c", stranger(json!({"x5c": ["MIIB"]}))),
            (
                "jwk and our own signature",
                headed(json!({"jwk": rsa().jwk()})),
            ),
            (
                "jku and our own signature",
                headed(json!({"jku": format!("{ISSUER}/jwks")})),
            ),
            (
                "x5u and our own signature",
                headed(json!({"x5u": format!("{ISSUER}/jwks")})),
            ),
            (
                "x5c and our own signature",
                headed(json!({"x5c": ["MIIB"]})),
            ),
            (
                "a path as a kid",
                stranger(json!({"kid": "../../../../dev/null"})),
            ),
            (
                "a URL as a kid",
                stranger(json!({"kid": format!("{ISSUER}/mine")})),
            ),
            ("a kid that is a number", stranger(json!({"kid": 7}))),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn refuses_a_header_that_asks_for_more_than_a_signature() {
    let world = world(&Issuer::new()).await;

    refuses_all(
        &world,
        [
            ("an unknown crit", headed(json!({"crit": ["x"], "x": true}))),
            ("an empty crit", headed(json!({"crit": []}))),
            ("b64 false", headed(json!({"b64": false, "crit": ["b64"]}))),
            ("b64 false, uncritical", headed(json!({"b64": false}))),
            ("b64 true", headed(json!({"b64": true}))),
            ("zip", headed(json!({"zip": "DEF"}))),
            ("enc", headed(json!({"enc": "A256GCM"}))),
            ("cty", headed(json!({"cty": "JWT"}))),
            (
                "a type of other tokens",
                headed(json!({"typ": "logout+jwt"})),
            ),
            ("DPoP", headed(json!({"typ": "dpop+jwt"}))),
            ("JOSE outside SPIFFE", headed(json!({"typ": "JOSE"}))),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn refuses_a_token_in_another_form() {
    let world = world(&Issuer::new()).await;
    let header = base64(json!({"alg": "RS256", "kid": "rsa"}).to_string());
    let payload = base64(claims().to_string());
    let sound = rsa().token(&claims());
    let signature = sound.rsplit_once('.').unwrap().1;
    let twice = |json: &str| {
        let message = format!("{header}.{}", base64(json));
        rsa().sign_message(&message)
    };
    let array = json!([BEGAN + 3600, BEGAN, "billing", ISSUER, "partner-gateway"]);

    refuses_all(
        &world,
        [
            (
                "the JSON form",
                json!({"protected": header, "payload": payload, "signature": signature})
                    .to_string()
                    .replace(' ', ""),
            ),
            (
                "an unprotected alg",
                json!({"header": {"alg": "none"}, "payload": payload, "signature": ""}).to_string(),
            ),
            ("a payload that is a list", rsa().token(&array)),
            ("a payload that is a string", rsa().token(&json!("billing"))),
            ("a payload that is nothing", rsa().token(&Value::Null)),
            (
                "a claim twice",
                twice(
                    &claims()
                        .to_string()
                        .replacen('{', r#"{"sub":"dunning","#, 1),
                ),
            ),
            (
                "a header twice",
                rsa().sign_message(&format!(
                    "{}.{payload}",
                    base64(r#"{"alg":"RS256","alg":"RS256","kid":"rsa"}"#)
                )),
            ),
            (
                "no JSON",
                rsa().sign_message(&format!("{header}.{}", base64("billing"))),
            ),
            ("no base64", format!("{header}.!.{signature}")),
            ("dots", ".".repeat(16_000)),
            ("a header of dots", format!("{}{sound}", ".".repeat(10_000))),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn refuses_a_token_that_is_too_long_to_look_at() {
    let world = world(&Issuer::new()).await;
    let long = claiming(json!({"padding": "x".repeat(13_000)}));
    assert!(long.len() > 16 * 1024);

    let answer = call(&world, &long).await;

    answer.is_problem(401, "unauthenticated", "no");
    assert_eq!(
        answer.header("www-authenticate"),
        Some(r#"Bearer error="invalid_request""#)
    );
}

#[tokio::test(start_paused = true)]
async fn refuses_claims_that_are_absent_or_foreign() {
    let world = world(&Issuer::new()).await;
    let cases: Vec<(&'static str, Value)> = vec![
        ("no exp", json!({"exp": null})),
        ("no iss", json!({"iss": null})),
        ("no aud", json!({"aud": null})),
        ("no sub", json!({"sub": null})),
        ("an empty sub", json!({"sub": ""})),
        ("a sub that is a number", json!({"sub": 7})),
        ("a sub with a line end", json!({"sub": "billing\n"})),
        ("a long sub", json!({"sub": "x".repeat(257)})),
        ("another issuer", json!({"iss": "https://other.test"})),
        (
            "the issuer with a slash",
            json!({"iss": format!("{ISSUER}/")}),
        ),
        (
            "the issuer in capitals",
            json!({"iss": ISSUER.to_uppercase()}),
        ),
        (
            "the issuer in a list",
            json!({"iss": ["https://other.test", ISSUER]}),
        ),
        ("the issuer as a map", json!({"iss": {"0": ISSUER}})),
        ("another audience", json!({"aud": "somebody"})),
        (
            "an audience that begins alike",
            json!({"aud": "partner-gateway-2"}),
        ),
        ("other audiences", json!({"aud": ["somebody", "nobody"]})),
        ("no audiences", json!({"aud": []})),
        ("an audience that is a number", json!({"aud": 7})),
        (
            "an audience among numbers",
            json!({"aud": ["partner-gateway", 7]}),
        ),
        ("an ID token with a nonce", json!({"nonce": "x"})),
        ("an ID token with an at_hash", json!({"at_hash": "x"})),
        ("an ID token with a c_hash", json!({"c_hash": "x"})),
        (
            "a token for a key that was not shown",
            json!({"cnf": {"jkt": "x"}}),
        ),
    ];

    refuses_all(
        &world,
        cases
            .into_iter()
            .map(|(what, changed)| (what, claiming(changed))),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn refuses_times_that_have_passed_are_yet_to_come_or_odd() {
    let world = world(&Issuer::new()).await;
    let cases: Vec<(&'static str, Value)> = vec![
        ("exp as text", json!({"exp": (BEGAN + 3600).to_string()})),
        ("exp as a fraction", json!({"exp": 1_772_326_800.5})),
        ("exp huge", json!({"exp": 1e300})),
        (
            "exp beyond the year 9999",
            json!({"exp": 253_402_300_800_u64, "iat": 253_402_300_000_u64}),
        ),
        ("exp negative", json!({"exp": -1})),
        ("exp zero", json!({"exp": 0})),
        ("exp past", json!({"exp": BEGAN - 3600})),
        ("nbf as text", json!({"nbf": "1"})),
        ("nbf as a fraction", json!({"nbf": 0.5})),
        ("nbf huge", json!({"nbf": 1e300})),
        ("nbf negative", json!({"nbf": -1})),
        ("nbf ahead", json!({"nbf": BEGAN + 600})),
        ("iat as text", json!({"iat": "1"})),
        ("iat ahead", json!({"iat": BEGAN + 600})),
        ("a life of over 24 h", json!({"exp": BEGAN + 86_401})),
        (
            "a life of over 24 h without iat",
            json!({"iat": null, "exp": BEGAN + 86_401}),
        ),
        (
            "the end of a long life without iat",
            json!({"iat": null, "nbf": BEGAN - 315_360_000}),
        ),
        (
            "more than 24 h to come without iat and nbf",
            json!({"iat": null, "nbf": null, "exp": BEGAN + 86_401}),
        ),
    ];

    refuses_all(
        &world,
        cases
            .into_iter()
            .map(|(what, changed)| (what, claiming(changed))),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn asks_nobody_but_issuers_that_are_configured() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;

    for iss in [
        "https://api.test",
        "https://login.test",
        "http://169.254.169.254",
        "x",
        "",
    ] {
        refuses(&world, &claiming(json!({ "iss": iss })), iss).await;
    }
    refuses(
        &world,
        &ec().sign(&json!({"alg": "none"}), &claims()),
        "alg none",
    )
    .await;

    assert_eq!(issuer.requests().len(), 0);
}
