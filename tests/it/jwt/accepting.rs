//! Tokens that are taken.

use std::time::Duration;

use serde_json::json;

use super::{call, refuses, takes};
use crate::harness::{
    BILLING,
    issuer::{
        BEGAN, ISSUER, Issuer, claims, claims_with, ec, ed, next_rsa, rsa, world, world_with,
    },
};

#[tokio::test(start_paused = true)]
async fn knows_a_caller_by_a_signed_token() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;

    let answer = call(&world, &rsa().token(&claims())).await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.record["principal"], "billing");
    assert_eq!(answer.record["issuer"], ISSUER);
    assert_eq!(answer.record["auth"], "jwt");
    assert_eq!(answer.record["decision"], "allowed");
    assert_eq!(world.sandbox.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn takes_each_algorithm_that_the_issuer_is_allowed() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    let pss = rsa().sign(&json!({"alg": "PS256", "kid": "rsa"}), &claims());

    for token in [
        rsa().token(&claims()),
        pss,
        ec().token(&claims()),
        ed().token(&claims()),
    ] {
        takes(&world, &token, "sound").await;
    }
}

#[tokio::test(start_paused = true)]
async fn takes_no_algorithm_that_the_issuer_is_not_allowed() {
    let issuer = Issuer::new();
    let world = world_with(&issuer, |settings| settings.algorithms.truncate(1)).await;
    let pss = rsa().sign(&json!({"alg": "PS256", "kid": "rsa"}), &claims());

    refuses(&world, &pss, "PS256").await;
    refuses(&world, &ec().token(&claims()), "ES256").await;

    takes(&world, &rsa().token(&claims()), "sound").await;
}

#[tokio::test(start_paused = true)]
async fn takes_one_audience_of_several_and_the_usual_types() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    let audiences = claims_with(json!({"aud": ["somebody", "partner-gateway"]}));

    takes(&world, &rsa().token(&audiences), "sound").await;
    for typ in ["JWT", "jwt", "at+jwt", "application/at+jwt"] {
        let token = rsa().sign(
            &json!({"alg": "RS256", "kid": "rsa", "typ": typ}),
            &claims(),
        );
        takes(&world, &token, typ).await;
    }
}

#[tokio::test(start_paused = true)]
async fn knows_a_caller_by_the_claim_that_is_configured() {
    let issuer = Issuer::new();
    let world = world_with(&issuer, |settings| {
        "azp".clone_into(&mut settings.principal_claim);
    })
    .await;
    let named = claims_with(json!({"sub": "4711", "azp": "billing"}));

    let answer = call(&world, &rsa().token(&named)).await;

    assert_eq!(answer.record["principal"], "billing");
    refuses(&world, &rsa().token(&claims()), "no azp").await;
    for odd in [
        json!(""),
        json!(7),
        json!(["billing"]),
        json!("bil\nling"),
        json!("x".repeat(257)),
    ] {
        let odd = claims_with(json!({ "azp": odd }));
        refuses(&world, &rsa().token(&odd), "an odd azp").await;
    }
}

#[tokio::test(start_paused = true)]
async fn finds_the_only_key_for_a_token_without_a_key_id() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    let anonymous = ec().sign(&json!({"alg": "ES256"}), &claims());

    takes(&world, &anonymous, "sound").await;
}

#[tokio::test(start_paused = true)]
async fn takes_a_token_that_does_not_tell_when_its_life_began() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;

    for absent in ["iat", "nbf"] {
        let token = rsa().token(&claims_with(json!({ absent: null, "exp": BEGAN + 86_400 })));
        takes(&world, &token, absent).await;
    }
    let neither = json!({"iat": null, "nbf": null, "exp": BEGAN + 86_400});
    takes(&world, &rsa().token(&claims_with(neither)), "neither").await;
}

#[tokio::test(start_paused = true)]
async fn leaves_a_minute_for_clocks_that_differ() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    let at = |name: &str, time: u64| rsa().token(&claims_with(json!({ name: time })));

    for (name, taken, refused) in [
        ("exp", BEGAN - 59, BEGAN - 60),
        ("nbf", BEGAN + 60, BEGAN + 61),
        ("iat", BEGAN + 60, BEGAN + 61),
    ] {
        takes(&world, &at(name, taken), name).await;
        refuses(&world, &at(name, refused), name).await;
    }
}

#[tokio::test(start_paused = true)]
async fn believes_a_verified_token_for_a_minute_though_its_key_is_gone() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    let verified = rsa().token(&claims());
    takes(&world, &verified, "sound").await;
    issuer.publish(&[ec()]);

    tokio::time::advance(Duration::from_secs(30)).await;
    let unknown = next_rsa().token(&claims());
    refuses(&world, &unknown, "which makes the gateway ask for keys").await;
    assert_eq!(issuer.key_fetches(), 2);
    let fresh = rsa().token(&claims_with(json!({"jti": "2"})));
    refuses(&world, &fresh, "signed by a key that is gone").await;

    tokio::time::advance(Duration::from_secs(29)).await;
    takes(&world, &verified, "after 59 s").await;
    tokio::time::advance(Duration::from_secs(1)).await;
    refuses(&world, &verified, "after a minute").await;
}

#[tokio::test(start_paused = true)]
async fn believes_no_verified_token_beyond_its_end_and_the_leeway() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    let ends_late = rsa().token(&claims_with(json!({"exp": BEGAN + 30})));
    let ended = rsa().token(&claims_with(json!({"exp": BEGAN - 59})));
    takes(&world, &ends_late, "sound").await;
    takes(&world, &ended, "in the last second of its leeway").await;

    tokio::time::advance(Duration::from_secs(1)).await;
    refuses(&world, &ended, "past its leeway").await;
    tokio::time::advance(Duration::from_secs(88)).await;
    takes(&world, &ends_late, "in the last second of its leeway").await;
    tokio::time::advance(Duration::from_secs(1)).await;
    refuses(&world, &ends_late, "past its leeway").await;
}

#[tokio::test(start_paused = true)]
async fn takes_tokens_of_a_file_beside_those_of_an_issuer() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;

    let answer = world.reject().send().await;

    assert_eq!(answer.record["auth"], "token_file");
    refuses(&world, &format!("{BILLING}x"), "nobody's").await;
    assert_eq!(issuer.requests().len(), 0);
}
