//! Where keys come from, and how often they are asked for.

use std::time::Duration;

use http::header;
use partner_gateway::{
    identity::{issuer::IssuerSettings, key_source::KeySourceSettings, published::Published},
    secret::SecretSource,
};
use serde_json::json;
use tokio::task::JoinSet;

use super::{refuses, takes};
use crate::harness::issuer::{
    ISSUER, Issuer, claims, claims_with, ec, next_rsa, rsa, world, world_with,
};

/// Settings whose keys come from a URL.
fn from_url(settings: &mut IssuerSettings) {
    settings.keys = KeySourceSettings::Url(Published {
        url: format!("{ISSUER}/jwks").parse().unwrap(),
        ca_file: None,
        bearer_token: Some(SecretSource::Value("cluster-token".to_owned().into())),
    });
}

fn authorizations(issuer: &Issuer) -> Vec<(String, Option<String>)> {
    let told = |request: http::Request<()>| {
        let header = request.headers().get(header::AUTHORIZATION);
        let value = header.map(|value| value.to_str().unwrap().to_owned());
        (request.uri().to_string(), value)
    };
    issuer.requests().into_iter().map(told).collect()
}

#[tokio::test(start_paused = true)]
async fn fetches_keys_from_a_url_with_the_token_for_it() {
    let issuer = Issuer::new();
    let world = world_with(&issuer, from_url).await;

    takes(&world, &rsa().token(&claims()), "sound").await;

    let bearer = Some("Bearer cluster-token".to_owned());
    assert_eq!(
        authorizations(&issuer),
        [(format!("{ISSUER}/jwks"), bearer)]
    );
}

#[tokio::test(start_paused = true)]
async fn shows_the_token_for_discovery_to_no_other_host() {
    let (issuer, elsewhere) = (Issuer::new(), Issuer::new());
    let world = world_with(&issuer, |settings| {
        from_url(settings);
        let KeySourceSettings::Url(published) = settings.keys.clone() else {
            unreachable!()
        };
        settings.keys = KeySourceSettings::Discovery(Published {
            url: format!("{ISSUER}/.well-known/openid-configuration")
                .parse()
                .unwrap(),
            ..published
        });
    })
    .await;
    world.network.host("keys.test", elsewhere.clone());
    let moved = json!({"issuer": ISSUER, "jwks_uri": "https://keys.test/jwks"});
    issuer.answer("/.well-known/openid-configuration", 200, &moved);

    takes(&world, &rsa().token(&claims()), "sound").await;

    let bearer = Some("Bearer cluster-token".to_owned());
    let document = format!("{ISSUER}/.well-known/openid-configuration");
    assert_eq!(authorizations(&issuer), [(document, bearer)]);
    assert_eq!(
        authorizations(&elsewhere),
        [("https://keys.test/jwks".to_owned(), None)]
    );
}

#[tokio::test(start_paused = true)]
async fn believes_no_odd_discovery_document() {
    for (status, document) in [
        (
            200,
            json!({"issuer": "https://other.test", "jwks_uri": format!("{ISSUER}/jwks")}),
        ),
        (
            200,
            json!({"issuer": format!("{ISSUER}/"), "jwks_uri": format!("{ISSUER}/jwks")}),
        ),
        (200, json!({"issuer": ISSUER})),
        (
            200,
            json!({"issuer": ISSUER, "jwks_uri": "http://issuer.test/jwks"}),
        ),
        (200, json!({"issuer": ISSUER, "jwks_uri": "/jwks"})),
        (200, json!([])),
        (
            302,
            json!({"issuer": ISSUER, "jwks_uri": format!("{ISSUER}/jwks")}),
        ),
        (
            500,
            json!({"issuer": ISSUER, "jwks_uri": format!("{ISSUER}/jwks")}),
        ),
    ] {
        let issuer = Issuer::new();
        issuer.answer("/.well-known/openid-configuration", status, &document);
        let world = world(&issuer).await;

        refuses(&world, &rsa().token(&claims()), &document.to_string()).await;

        assert_eq!(issuer.key_fetches(), 0, "{document}");
    }
}

#[tokio::test(start_paused = true)]
async fn takes_only_keys_that_can_verify() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    let changed = |name: &str, value: serde_json::Value| {
        let mut jwk = rsa().jwk();
        jwk[name] = value;
        jwk
    };
    let unusable = [
        changed("use", "enc".into()),
        changed("use", "x509-svid".into()),
        changed("key_ops", json!(["sign"])),
        changed("alg", "PS256".into()),
        changed("alg", "RSA-OAEP".into()),
        changed("kty", "EC".into()),
        changed("kty", "new".into()),
        changed("kid", json!(7)),
        changed("n", json!("!")),
        json!({"kty": "oct", "kid": "rsa", "k": "c2VjcmV0"}),
        json!("rsa"),
    ];
    for jwk in unusable {
        issuer.answer("/jwks", 200, &json!({"keys": [jwk, ec().jwk()]}));
        tokio::time::advance(Duration::from_mins(1)).await;

        refuses(&world, &rsa().token(&claims()), &jwk.to_string()).await;
        let fresh = ec().token(&claims_with(json!({"jti": jwk.to_string()})));
        takes(&world, &fresh, "the other key").await;
    }
    issuer.answer(
        "/jwks",
        200,
        &json!({"keys": [changed("use", "jwt-svid".into())]}),
    );
    tokio::time::advance(Duration::from_mins(1)).await;
    takes(&world, &rsa().token(&claims()), "a key of a SPIFFE bundle").await;
}

#[tokio::test(start_paused = true)]
async fn takes_a_key_set_of_256_kib() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    let mut largest = json!({"keys": [rsa().jwk()]}).to_string();
    largest.extend(std::iter::repeat_n(' ', 262_144 - largest.len()));
    issuer.answer_bytes("/jwks", 200, largest.into());

    takes(&world, &rsa().token(&claims()), "sound").await;
}

#[tokio::test(start_paused = true)]
async fn looks_for_no_key_by_a_name_of_over_256_bytes() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    let named = |length: usize| {
        let name = "k".repeat(length);
        let mut jwk = rsa().jwk();
        jwk["kid"] = name.clone().into();
        (
            jwk,
            rsa().sign(&json!({"alg": "RS256", "kid": name}), &claims()),
        )
    };
    let ((longest, sound), (over, long)) = (named(256), named(257));
    issuer.answer("/jwks", 200, &json!({"keys": [longest, over]}));

    refuses(&world, &long, "a kid of 257 bytes").await;
    assert_eq!(issuer.requests().len(), 0);
    takes(&world, &sound, "a kid of 256 bytes").await;
}

#[tokio::test(start_paused = true)]
async fn picks_up_a_new_key_and_forgets_one_that_was_withdrawn() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    takes(&world, &rsa().token(&claims()), "the first key").await;
    issuer.publish(&[next_rsa()]);

    refuses(&world, &next_rsa().token(&claims()), "within 30 s").await;
    assert_eq!(issuer.key_fetches(), 1);
    tokio::time::advance(Duration::from_secs(30)).await;
    takes(&world, &next_rsa().token(&claims()), "after 30 s").await;

    assert_eq!(issuer.key_fetches(), 2);
    let old = rsa().token(&claims_with(json!({"jti": "2"})));
    refuses(&world, &old, "signed by a key that was withdrawn").await;
}

#[tokio::test(start_paused = true)]
async fn forgets_a_withdrawn_key_though_nobody_brings_a_new_one() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    let token = |id: &str| rsa().token(&claims_with(json!({ "jti": id })));
    takes(&world, &token("1"), "sound").await;
    issuer.publish(&[ec()]);

    tokio::time::advance(Duration::from_mins(5)).await;
    takes(&world, &token("2"), "while keys are fetched anew").await;
    while issuer.key_fetches() < 2 {
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;

    refuses(&world, &token("3"), "withdrawn").await;
}

#[tokio::test(start_paused = true)]
async fn keeps_its_keys_through_an_outage() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    takes(&world, &rsa().token(&claims()), "before").await;
    let outages: [&dyn Fn(); 6] = [
        &|| world.cut_network(true),
        &|| {
            world.cut_network(false);
            issuer.answer("/jwks", 500, &json!({"keys": [ec().jwk()]}));
        },
        &|| issuer.answer("/jwks", 200, &json!({"keys": []})),
        &|| issuer.answer("/jwks", 200, &json!({"error": "x"})),
        &|| issuer.answer_bytes("/jwks", 200, "{\"keys\":[".into()),
        &|| issuer.answer_bytes("/jwks", 200, vec![b' '; 256 * 1024 + 1].into()),
    ];

    for (number, outage) in outages.into_iter().enumerate() {
        outage();
        tokio::time::advance(Duration::from_mins(10)).await;

        refuses(&world, &next_rsa().token(&claims()), "a new key").await;
        world.cut_network(false);
        let exp = crate::harness::issuer::BEGAN + 86_400;
        let fresh = rsa().token(&claims_with(json!({"jti": number, "exp": exp})));
        takes(&world, &fresh, "the old key").await;
        world.cut_network(number == 0);
    }
}

#[tokio::test(start_paused = true)]
async fn starts_without_its_issuer_and_asks_it_at_most_every_30_s() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    world.cut_network(true);
    let token = rsa().token(&claims());

    refuses(&world, &token, "the issuer is away").await;
    world.cut_network(false);
    refuses(&world, &token, "it was asked a moment ago").await;
    assert_eq!(issuer.requests().len(), 0);
    tokio::time::advance(Duration::from_secs(30)).await;

    takes(&world, &token, "the issuer is back").await;
}

#[tokio::test(start_paused = true)]
async fn asks_for_keys_once_for_any_number_of_callers() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    let mut calls = JoinSet::new();
    let tokens: Vec<_> = (0..64)
        .map(|number| rsa().token(&claims_with(json!({ "jti": number }))))
        .collect();

    let stack = world.gateway.stack();
    for token in tokens {
        let arrival = world
            .reject()
            .without("authorization")
            .token(&token)
            .arrival();
        calls.spawn(tower::ServiceExt::oneshot(stack.clone(), arrival));
    }
    let answers = calls.join_all().await;

    assert!(
        answers
            .iter()
            .all(|answer| answer.as_ref().unwrap().status() != 401)
    );
    assert_eq!(issuer.key_fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn asks_for_random_keys_at_most_every_30_s_and_still_knows_its_callers() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    let known = rsa().token(&claims());
    takes(&world, &known, "before").await;
    let random = |number: usize| {
        let header = json!({"alg": "ES256", "kid": format!("random-{number}")});
        ec().sign(&header, &claims())
    };

    for number in 0..10_000 {
        let call = world.reject().without("authorization");
        let arrival = call.token(&random(number)).arrival();
        let answer = tower::ServiceExt::oneshot(world.gateway.stack(), arrival).await;
        assert_eq!(answer.unwrap().status(), 401);
        if number % 1000 == 999 {
            let fresh = rsa().token(&claims_with(json!({ "jti": number })));
            takes(&world, &fresh, "in the flood").await;
            tokio::time::advance(Duration::from_secs(10)).await;
        }
    }

    // 100 s went by: one fetch at first, and one for each 30 s.
    assert_eq!(issuer.key_fetches(), 4);
    assert_eq!(world.sandbox.seen().len(), 11);
}

#[tokio::test(start_paused = true)]
async fn remembers_a_key_that_is_not_there_for_a_minute() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    let unknown = next_rsa().token(&claims());
    refuses(&world, &unknown, "unknown").await;
    assert_eq!(issuer.key_fetches(), 1);

    tokio::time::advance(Duration::from_secs(59)).await;
    refuses(&world, &unknown, "remembered").await;
    assert_eq!(issuer.key_fetches(), 1);
    tokio::time::advance(Duration::from_secs(1)).await;
    refuses(&world, &unknown, "asked for again").await;

    assert_eq!(issuer.key_fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn gives_an_issuer_five_seconds() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    world.network.hang("issuer.test");
    let call = world.reject().without("authorization");
    let arrival = call.token(&rsa().token(&claims())).arrival();
    let mut calls = JoinSet::new();
    calls.spawn(tower::ServiceExt::oneshot(world.gateway.stack(), arrival));
    let settle = async || {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    };

    settle().await;
    tokio::time::advance(Duration::from_millis(4999)).await;
    settle().await;
    assert_eq!(world.network.waiting(), 1);
    tokio::time::advance(Duration::from_millis(1)).await;

    let answer = calls.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(answer.status(), 401);
}
