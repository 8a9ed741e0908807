//! Asking issuers for keys: when, for how long, and what an operator is told of it.

use std::{sync::Arc, time::Duration};

use partner_gateway::{
    app::{Surroundings, online},
    clock::SystemClock,
    http_client::HttpClient,
    identity::{self, key_source::KeySourceSettings, published::Published},
};
use serde_json::json;

use super::{refuses, settle, takes};
use crate::harness::{
    World,
    issuer::{ISSUER, Issuer, claims, claims_with, ec, next_rsa, rsa, settings, world},
};

#[tokio::test(start_paused = true)]
async fn gets_keys_before_the_first_call_needs_them() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;

    world.gateway.warm_up().await;
    world.gateway.warm_up().await;
    settle().await;

    assert_eq!(issuer.key_fetches(), 1);
    takes(&world, &rsa().token(&claims()), "sound").await;
    assert_eq!(issuer.key_fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn asks_anew_for_keys_that_are_in_use_after_five_minutes_and_not_before() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    let token = |id: &str| rsa().token(&claims_with(json!({ "jti": id })));
    takes(&world, &token("1"), "sound").await;

    tokio::time::advance(Duration::from_secs(299)).await;
    takes(&world, &token("2"), "the keys are fresh").await;
    settle().await;
    assert_eq!(issuer.key_fetches(), 1);
    tokio::time::advance(Duration::from_secs(1)).await;
    takes(&world, &token("3"), "while keys are fetched anew").await;
    takes(&world, &token("4"), "while keys are fetched anew").await;
    settle().await;

    assert_eq!(issuer.key_fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn remembers_each_key_that_is_not_there_by_itself() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    let unknown = |id: &str| ec().sign(&json!({"alg": "ES256", "kid": id}), &claims());
    refuses(&world, &unknown("one"), "not there").await;
    tokio::time::advance(Duration::from_secs(30)).await;
    refuses(&world, &unknown("two"), "not there").await;
    assert_eq!(issuer.key_fetches(), 2);
    issuer.publish(&[next_rsa()]);

    tokio::time::advance(Duration::from_secs(29)).await;
    for id in ["one", "two"] {
        refuses(&world, &unknown(id), "remembered").await;
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    refuses(&world, &unknown("two"), "still remembered").await;
    assert_eq!(issuer.key_fetches(), 2);

    takes(&world, &next_rsa().token(&claims()), "another key").await;
    assert_eq!(issuer.key_fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn gives_an_issuer_five_seconds_for_discovery_and_keys_together() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    let moved = json!({"issuer": ISSUER, "jwks_uri": "https://keys.test/jwks"});
    issuer.answer("/.well-known/openid-configuration", 200, &moved);
    world.network.hang("issuer.test");
    world.network.hang("keys.test");
    let waiting = async || {
        settle().await;
        world.network.waiting()
    };
    world.gateway.warm_up().await;
    assert_eq!(waiting().await, 1, "for the discovery document");

    tokio::time::advance(Duration::from_secs(3)).await;
    world.network.resume("issuer.test");
    assert_eq!(waiting().await, 1, "for the keys");
    tokio::time::advance(Duration::from_millis(1999)).await;
    assert_eq!(waiting().await, 1, "for the keys still");
    tokio::time::advance(Duration::from_millis(1)).await;

    assert_eq!(waiting().await, 0);
}

#[tokio::test(start_paused = true)]
async fn tells_an_operator_of_the_keys_of_each_issuer_by_its_name() {
    let world = World::new().await;
    let (three, two, none) = (Issuer::new(), Issuer::new(), Issuer::new());
    two.publish(&[rsa(), ec()]);
    none.publish(&[]);
    let mut issuers = Vec::new();
    for (name, issuer) in [("b", none), ("c", three), ("a", two)] {
        let url = format!("https://{name}.test");
        world.network.host(&format!("{name}.test"), issuer);
        let mut settings = settings();
        name.clone_into(&mut settings.name);
        settings.keys = KeySourceSettings::Url(Published {
            url: format!("{url}/jwks").parse().unwrap(),
            ca_file: None,
            bearer_token: None,
        });
        settings.issuer = url;
        issuers.push(settings);
    }
    let network = world.network.clone();
    let surroundings = Surroundings {
        clock: Arc::new(SystemClock),
        connect: Arc::new(move |_| Ok(HttpClient::over(network.clone()))),
    };
    let asked = identity::Settings {
        issuers,
        ..identity::Settings::default()
    };

    let tried = online::try_issuers(asked, &surroundings).await.unwrap();

    let told: Vec<_> = tried
        .iter()
        .map(|(name, keys)| (name.as_str(), keys.as_ref().ok().copied()))
        .collect();
    assert_eq!(told, [("a", Some(2)), ("b", None), ("c", Some(3))]);
}
