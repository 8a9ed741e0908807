//! Keys that were had some time ago.

use std::time::Duration;

use serde_json::{Value, json};

use super::{begin, refuses, settle, takes};
use crate::{
    harness::{
        World,
        issuer::{BEGAN, Issuer, claims_with, ec, rsa, settings, world},
    },
    metrics::page,
};

/// A token that was not verified before, good for most of a day.
fn fresh(id: impl Into<Value>) -> String {
    let id: Value = id.into();
    rsa().token(&claims_with(json!({"jti": id, "exp": BEGAN + 80_000})))
}

/// Takes a token once its issuer, which hangs, has had five seconds.
async fn takes_after_five_seconds(world: &World, token: &str) {
    let mut calls = begin(world, token);
    settle().await;
    tokio::time::advance(Duration::from_millis(4999)).await;
    settle().await;
    assert!(calls.try_join_next().is_none());
    tokio::time::advance(Duration::from_millis(1)).await;

    // Partner Center refuses what was rejected before; the caller is known.
    assert_ne!(calls.join_next().await.unwrap().unwrap(), 401);
}

#[tokio::test(start_paused = true)]
async fn believes_no_key_of_ten_minutes_ago_without_asking() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    takes(&world, &fresh(1), "sound").await;
    issuer.publish(&[ec()]);

    tokio::time::advance(Duration::from_mins(10)).await;

    refuses(&world, &fresh(2), "withdrawn in a time without calls").await;
    assert_eq!(issuer.key_fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn waits_for_a_fetch_that_began_when_keys_were_younger() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    takes(&world, &fresh(1), "sound").await;
    issuer.publish(&[ec()]);
    tokio::time::advance(Duration::from_secs(10 * 60 - 1)).await;
    world.network.hang("issuer.test");
    takes(&world, &fresh(2), "while keys are fetched anew").await;
    settle().await;

    tokio::time::advance(Duration::from_secs(1)).await;

    let mut calls = begin(&world, &fresh(3));
    settle().await;
    assert!(calls.try_join_next().is_none());
    world.network.resume("issuer.test");

    assert_eq!(calls.join_next().await.unwrap().unwrap(), 401);
}

#[tokio::test(start_paused = true)]
async fn goes_on_with_old_keys_where_asking_is_in_vain() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    takes(&world, &fresh(1), "sound").await;
    world.network.hang("issuer.test");
    tokio::time::advance(Duration::from_hours(1)).await;

    takes_after_five_seconds(&world, &fresh(2)).await;
    tokio::time::advance(Duration::from_secs(24)).await;
    takes(&world, &fresh(3), "at once, within 30 s").await;
    tokio::time::advance(Duration::from_secs(1)).await;
    takes_after_five_seconds(&world, &fresh(4)).await;

    assert_eq!(issuer.key_fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn asks_again_30_s_after_it_asked_in_vain() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    takes(&world, &fresh(1), "sound").await;
    issuer.answer("/jwks", 500, &json!({}));
    tokio::time::advance(Duration::from_mins(5)).await;
    takes(&world, &fresh(2), "while keys are fetched anew").await;
    settle().await;
    assert_eq!(issuer.key_fetches(), 2);
    issuer.publish(&[ec()]);

    tokio::time::advance(Duration::from_secs(29)).await;
    takes(&world, &fresh(3), "within 30 s").await;
    settle().await;
    assert_eq!(issuer.key_fetches(), 2);
    tokio::time::advance(Duration::from_secs(1)).await;
    takes(&world, &fresh(4), "while keys are fetched anew").await;
    settle().await;

    assert_eq!(issuer.key_fetches(), 3);
    refuses(&world, &fresh(5), "withdrawn").await;
    let page = page(&world).await;
    for (result, count) in [("obtained", "2"), ("failed", "1")] {
        let sample = format!(
            r#"issuer_key_fetches_total{{issuer="{}",result="{result}"}}"#,
            settings().name
        );
        assert_eq!(page.number(&sample), count, "{result}");
    }
}
