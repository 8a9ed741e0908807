//! The refresh token in a key-value bucket of a real NATS server.

use std::{collections::BTreeSet, error::Error as _, fs, time::Duration};

use async_nats::jetstream::stream::{self, StorageType};
use partner_gateway::token::refresh_store::{Stored, error::StoreError};
use sandbox::Rotation;
use secrecy::ExposeSecret as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    sandbox,
    shop::{Shop, TOKEN, new, successor, token},
};
use crate::harness::{canary, nats::cluster, process::within, severed::Severed};

#[tokio::test]
async fn keeps_a_token_that_nobody_can_read_in_the_server() {
    let shop = Shop::new().await;
    let store = shop.store();

    let before = store.look().await.unwrap_err();
    store.rehearse().await.unwrap();
    let rehearsed = store.look().await.unwrap_err();
    store.keep_new_consent(&token()).await.unwrap();

    for error in [before, rehearsed] {
        assert!(matches!(error, StoreError::Empty { .. }), "{error}");
    }
    let kept = shop.store().look().await.unwrap();
    assert_eq!(kept.token.expose_secret(), TOKEN);
    assert!(kept.renewed.is_some());
    canary::assert_untold("NATS", &shop.value().await);
    canary::assert_not_shown(&(&store, &kept));
    let config = shop.stream().await.cached_info().config.clone();
    let shape = (config.max_messages_per_subject, config.storage);
    assert_eq!(shape, (1, StorageType::File));
}

#[tokio::test]
async fn goes_from_one_gateway_to_the_other_a_hundred_times_though_they_die() {
    let shop = Shop::new().await;
    let sandbox = sandbox();
    sandbox.set_rotation(Rotation::Strict);
    let first = sandbox.consent(true).into();
    shop.store().keep_new_consent(&first).await.unwrap();
    let (mut one, mut other) = (shop.grant(&sandbox), shop.grant(&sandbox));

    for round in 0..50 {
        let (first, second) = tokio::join!(one.mint(), other.mint());

        first.unwrap();
        second.unwrap();
        match round % 6 {
            2 => one = shop.grant(&sandbox),
            5 => other = shop.grant(&sandbox),
            _ => {}
        }
    }

    let presented = sandbox.refresh_tokens_presented();
    assert_eq!(presented.len(), 100);
    assert_eq!(presented.iter().collect::<BTreeSet<_>>().len(), 100);
    assert!(sandbox.is_current_refresh_token(&shop.kept().await));
}

#[tokio::test]
async fn takes_the_place_of_a_holder_that_died_once_its_claim_has_run_out() {
    let shop = Shop::with_a_token().await;
    drop(shop.claim().await);
    let began = Instant::now();

    let claim = shop.claim().await;

    let waited = began.elapsed().as_secs();
    assert!((40..45).contains(&waited), "{waited}");
    assert_eq!(claim.token().expose_secret(), TOKEN);
    assert_eq!(claim.keep(&successor()).await.unwrap(), Stored::Ours);
}

#[tokio::test]
async fn gives_a_claim_back_at_once() {
    let shop = Shop::with_a_token().await;
    shop.claim().await.release().await;
    let began = Instant::now();

    let claim = shop.claim().await;

    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(claim.token().expose_secret(), TOKEN);
    assert!(claim.leaves_time());
}

#[tokio::test]
async fn leaves_another_token_where_it_is_and_keeps_one_beside_it_twice() {
    let shop = Shop::with_a_token().await;
    let claim = shop.claim().await;

    let kept = claim.keep(&successor()).await.unwrap();
    let again = claim.keep(&successor()).await.unwrap();
    shop.store()
        .keep_new_consent(&"theirs".into())
        .await
        .unwrap();
    let late = claim.keep(&successor()).await.unwrap();

    // The answer to the first could have been lost.
    assert_eq!(
        (kept, again, late),
        (Stored::Ours, Stored::Ours, Stored::Another)
    );
    assert_eq!(shop.kept().await, "theirs");
}

#[tokio::test]
async fn takes_a_claim_of_its_own_whose_answer_was_lost() {
    let shop = Shop::with_a_token().await;
    let way = Severed::before(shop.server.address(), b"HPUB $KV.partner.").await;
    let gateway = shop.store_by(&cluster(&format!("nats://{}", way.address()), None));
    let until = CancellationToken::new();

    let lost = gateway.claim(&until).await.unwrap_err();
    let mut claim = None;
    within(async || {
        claim = gateway.claim(&until).await.ok();
        claim.is_some()
    })
    .await;

    assert!(way.has_broken());
    assert!(matches!(lost, StoreError::Bucket { .. }), "{lost}");
    let kept = claim.unwrap().keep(&successor()).await.unwrap();
    assert_eq!(kept, Stored::Ours);
}

#[tokio::test]
async fn waits_for_a_server_that_is_away_at_the_start_and_when_a_token_is_to_be_kept() {
    let mut shop = Shop::with_a_token().await;
    shop.server.kill();
    let store = shop.store();

    let away = store.look().await.unwrap_err();
    shop.server.restart().await;
    within(async || store.look().await.is_ok()).await;
    let claim = store.claim(&CancellationToken::new()).await.unwrap();
    shop.server.kill();
    let unkept = claim.keep(&successor()).await.unwrap_err();
    shop.server.restart().await;
    within(async || matches!(claim.keep(&successor()).await, Ok(Stored::Ours))).await;

    for error in [away, unkept] {
        assert!(told(&error).contains("NATS is away"), "{}", told(&error));
    }
    assert_eq!(shop.kept().await, "1.successor");
}

#[tokio::test]
async fn tells_of_a_bucket_that_is_gone_and_makes_no_other() {
    let shop = Shop::with_a_token().await;
    let store = shop.store();
    let claim = store.claim(&CancellationToken::new()).await.unwrap();
    let operator = shop.server.operator().await;
    operator.delete_key_value("partner").await.unwrap();

    let unkept = claim.keep(&successor()).await.unwrap_err();
    let looked = store.look().await.unwrap_err();

    for error in [&unkept, &looked] {
        assert!(matches!(error, StoreError::Gone { .. }), "{error}");
    }
    insta::assert_snapshot!(unkept, @"key token of NATS bucket partner is gone, with the refresh token that was in it; restore the bucket, or have a user consent again with `partner-gateway login`, which makes it");
    assert!(operator.get_key_value("partner").await.is_err());
    shop.store().rehearse().await.unwrap();
    assert_eq!(claim.keep(&successor()).await.unwrap(), Stored::Ours);
}

#[tokio::test]
async fn opens_nothing_with_another_key_and_writes_nothing_over_it() {
    let shop = Shop::with_a_token().await;
    let value = shop.value().await;
    shop.write_keys(&"b".repeat(64));

    let looked = shop.store().look().await.unwrap_err();
    let rehearsed = shop.store().rehearse().await.unwrap_err();
    let kept = shop
        .store()
        .keep_new_consent(&successor())
        .await
        .unwrap_err();
    shop.write_keys("no key");
    let none = shop.store().look().await.unwrap_err();
    fs::remove_file(shop.dir.path().join("keys")).unwrap();
    let gone = shop.store().look().await.unwrap_err();

    let dir = shop.dir.path().to_str().unwrap();
    let mut all = [looked, rehearsed, kept, none, gone]
        .map(|it| told(&it).replace(dir, "DIR"))
        .to_vec();
    all.dedup();
    insta::assert_snapshot!(all.join("\n"), @r#"
    what is kept in key token of NATS bucket partner was sealed with a key that is not in "DIR/keys"; put that key there, behind the new one where keys change, or remove what is kept, and run `partner-gateway login`
    reading keys from "DIR/keys": no keys of 32 bytes in it; accepted: 64 hexadecimal digits or the base64 of 32 bytes, one key a line
    reading the key that seals the refresh token: reading the secret file "DIR/keys"
    "#);
    assert_eq!(shop.value().await, value);
}

#[tokio::test]
async fn follows_a_change_of_keys() {
    let shop = Shop::with_a_token().await;
    let store = shop.store();

    shop.write_keys(&format!("{}\n{}\n", "b".repeat(64), "a".repeat(64)));
    let claim = store.claim(&CancellationToken::new()).await.unwrap();
    claim.keep(&successor()).await.unwrap();
    shop.write_keys(&"b".repeat(64));

    assert_eq!(shop.kept().await, "1.successor");
}

#[tokio::test]
async fn believes_nothing_that_was_changed_or_moved() {
    let shop = Shop::with_a_token().await;
    let bucket = shop
        .server
        .operator()
        .await
        .get_key_value("partner")
        .await
        .unwrap();
    let value = shop.value().await;
    let mut changed = value.clone();
    let last = changed.len() - 5;
    changed[last] ^= 1;

    let mut all = Vec::new();
    bucket.put("other", value.clone().into()).await.unwrap();
    let moved = new(&shop.settings("other"), &shop.server.cluster());
    all.push(moved.look().await.unwrap_err());
    bucket.put("token", changed.into()).await.unwrap();
    all.push(shop.store().look().await.unwrap_err());
    bucket.put("token", TOKEN.into()).await.unwrap();
    all.push(shop.store().look().await.unwrap_err());
    bucket.put("token", value.into()).await.unwrap();

    let dir = shop.dir.path().to_str().unwrap();
    let all: Vec<_> = all.iter().map(|it| told(it).replace(dir, "DIR")).collect();
    insta::assert_snapshot!(all.join("\n"), @r#"
    what is kept in key other of NATS bucket partner was changed since it was sealed with the key in "DIR/keys", or was sealed for another place; see who wrote it, remove it, and run `partner-gateway login`
    what is kept in key token of NATS bucket partner was changed since it was sealed with the key in "DIR/keys", or was sealed for another place; see who wrote it, remove it, and run `partner-gateway login`
    what is kept in key token of NATS bucket partner is not in the form of this version; remove it, and run `partner-gateway login`
    "#);
    shop.store().look().await.unwrap();
    bucket.delete("token").await.unwrap();
    let deleted = shop.store().look().await.unwrap_err();
    assert!(matches!(deleted, StoreError::Empty { .. }), "{deleted}");
    shop.store().keep_new_consent(&successor()).await.unwrap();
}

#[tokio::test]
async fn refuses_a_bucket_that_could_lose_a_token() {
    let shop = Shop::new().await;
    let config = stream::Config {
        name: "KV_partner".to_owned(),
        subjects: vec!["$KV.partner.>".to_owned()],
        storage: StorageType::Memory,
        max_age: Duration::from_hours(1),
        ..stream::Config::default()
    };
    let operator = shop.server.operator().await;
    operator.create_stream(config).await.unwrap();

    let refused = shop.store().rehearse().await.unwrap_err();

    insta::assert_snapshot!(told(&refused), @"using key token of NATS bucket partner: the bucket partner has another shape than is needed: a history without end, storage other than file, a time to live other than none");
}

/// An error with what caused it.
fn told(error: &StoreError) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
