//! Callers, policy and TLS replaced while the gateway runs.

mod certificates;

use std::{collections::BTreeSet, fs, num::NonZeroU32, path::Path, time::Duration};

use partner_gateway::{
    app::reload::ReplaceError,
    authorization::Rate,
    config::Config,
    identity::{
        issuer::IssuerSettings, key_source::KeySourceSettings, published::Published,
        token_file::TokenFile,
    },
    secret::SecretSource,
    token::{Flow, refresh_store::Settings as Store},
};
use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{
    World, billing_rule, config,
    issuer::{Issuer, claims, claims_with, rsa, settings, world, world_with},
    journal::sha256,
    mutual::everybody,
    tempdir, while_time_flows,
};

/// The usual configuration with a change.
fn changed(world: &World, change: impl FnOnce(&mut Config)) -> Config {
    let mut config = config(&world.dir);
    change(&mut config);
    config
}

fn with_issuer(world: &World, change: impl FnOnce(&mut IssuerSettings)) -> Config {
    changed(world, |config| {
        let mut settings = settings();
        change(&mut settings);
        config.identity.issuers.push(settings);
    })
}

#[tokio::test(start_paused = true)]
async fn goes_by_the_new_rules_from_the_next_call_on() {
    let world = World::new().await;
    let replaceable = world.gateway.replaceable();
    let before = world.reject().send().await;

    replaceable
        .replace(changed(&world, |config| {
            config.authorization.rules[0].name = "another".to_owned();
        }))
        .unwrap();
    let renamed = world.reject().send().await;
    replaceable
        .replace(changed(&world, |config| config.authorization.rules.clear()))
        .unwrap();
    let denied = world.reject().send().await;

    assert_eq!(before.record["rule"], "billing may reject");
    assert_eq!(renamed.record["rule"], "another");
    denied.is_problem(403, "policy_denied", "no");
    let hashes: BTreeSet<_> = [&before, &renamed, &denied]
        .map(|answer| answer.record["policy"].as_str().unwrap())
        .into();
    assert_eq!(hashes.len(), 3);
    assert_eq!(denied.record["policy"], *replaceable.policy_hash());
}

#[tokio::test(start_paused = true)]
async fn judges_a_call_by_the_rules_that_it_began_with() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    world.network.hang("issuer.test");
    let call = world.reject().without("authorization");
    let arrival = call.token(&rsa().token(&claims())).arrival();
    let mut calls = JoinSet::new();
    calls.spawn(tower::ServiceExt::oneshot(world.gateway.stack(), arrival));
    while world.network.waiting() == 0 {
        tokio::task::yield_now().await;
    }

    let nobody = changed(&world, |config| {
        config.identity.token_file = None;
        config.authorization.rules.clear();
    });
    world.gateway.replaceable().replace(nobody).unwrap();
    world.network.resume("issuer.test");

    let answer = calls.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    world
        .reject()
        .send()
        .await
        .is_problem(401, "unauthenticated", "no");
}

#[tokio::test(start_paused = true)]
async fn forgets_a_caller_at_once() {
    let world = World::new().await;
    assert_eq!(world.reject().send().await.status, 200);

    let fresh = format!("billing:{}\n", sha256("fresh"));
    let tokens = changed(&world, |config| {
        config.identity.token_file = Some(TokenFile::parse(&fresh).unwrap());
    });
    world.gateway.replaceable().replace(tokens).unwrap();

    world
        .reject()
        .send()
        .await
        .is_problem(401, "unauthenticated", "no");
    let call = world.reject().without("authorization").token("fresh");
    assert_eq!(call.send().await.record["principal"], "billing");
}

#[tokio::test(start_paused = true)]
async fn forgets_an_issuer_at_once_and_keeps_the_keys_of_one_that_stays() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    let replaceable = world.gateway.replaceable();
    let token = rsa().token(&claims());
    let call = || world.reject().without("authorization").token(&token);
    assert_eq!(call().send().await.status, 200);
    world.cut_network(true);

    replaceable.replace(with_issuer(&world, |_| {})).unwrap();
    // Partner Center cannot be reached either, but the caller is known.
    let unreachable = while_time_flows(&world, call().send()).await;
    assert_eq!(unreachable.record["principal"], "billing");
    assert_eq!(issuer.key_fetches(), 1);

    replaceable
        .replace(with_issuer(&world, |settings| {
            settings.audiences = vec!["another".to_owned()];
        }))
        .unwrap();
    call().send().await.is_problem(401, "unauthenticated", "no");
    let other = rsa().token(&claims_with(json!({"aud": "another"})));
    let other = world.reject().without("authorization").token(&other);
    let unreachable = while_time_flows(&world, other.send()).await;
    assert_eq!(unreachable.record["principal"], "billing");

    replaceable.replace(changed(&world, |_| {})).unwrap();
    call().send().await.is_problem(401, "unauthenticated", "no");
    assert_eq!(issuer.key_fetches(), 1);
}

/// A source whose trust anchor stands in a file.
fn anchored<'a>(settings: &'a mut IssuerSettings, file: &Path) -> &'a mut Published {
    let KeySourceSettings::Discovery(published) = &mut settings.keys else {
        panic!("no discovery")
    };
    published.ca_file = Some(file.to_owned());
    published
}

#[tokio::test(start_paused = true)]
async fn forgets_keys_that_were_had_by_a_trust_that_changed() {
    let dir = tempdir();
    let (one, other) = (dir.path().join("one"), dir.path().join("other"));
    let token = || Some(SecretSource::File(dir.path().join("token")));
    fs::write(dir.path().join("token"), "cluster-token").unwrap();
    let changes: [&dyn Fn(&mut IssuerSettings); 4] = [
        &|settings| {
            fs::write(&one, "changed").unwrap();
            anchored(settings, &one);
        },
        &|settings| {
            anchored(settings, &other);
        },
        &|settings| anchored(settings, &one).ca_file = None,
        &|settings| anchored(settings, &one).bearer_token = token(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        for file in [&one, &other] {
            fs::write(file, "anchor").unwrap();
        }
        let issuer = Issuer::new();
        let world = world_with(&issuer, |settings| {
            anchored(settings, &one);
        })
        .await;
        let token = rsa().token(&claims());
        let call = || world.reject().without("authorization").token(&token);
        assert_eq!(call().send().await.record["principal"], "billing");
        let replaceable = world.gateway.replaceable();
        let same = with_issuer(&world, |settings| {
            anchored(settings, &one);
        });
        replaceable.replace(same).unwrap();
        assert_eq!(call().send().await.record["principal"], "billing");

        replaceable.replace(with_issuer(&world, change)).unwrap();

        call().send().await.is_problem(401, "unauthenticated", "no");
        assert_eq!(issuer.key_fetches(), 1, "{number}");
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(call().send().await.record["principal"], "billing");
        assert_eq!(issuer.key_fetches(), 2, "{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn is_no_way_to_ask_an_issuer_more_often() {
    let issuer = Issuer::new();
    let world = world(&issuer).await;
    world
        .gateway
        .replaceable()
        .replace(with_issuer(&world, |_| {}))
        .unwrap();
    let token = rsa().token(&claims());
    let call = world.reject().without("authorization").token(&token);
    assert_eq!(call.send().await.status, 200);

    for _ in 0..10 {
        world
            .gateway
            .replaceable()
            .replace(with_issuer(&world, |_| {}))
            .unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
    }

    assert_eq!(issuer.key_fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn gives_no_caller_a_call_more_than_its_rate() {
    let rate = |config: &mut Config| {
        let one = NonZeroU32::MIN;
        config.authorization.rules[0].rate = Some(Rate {
            per_second: one,
            burst: one,
        });
    };
    let world = World::with(rate).await;
    assert_eq!(world.reject().send().await.status, 200);

    let more = changed(&world, |config| {
        rate(config);
        let mut other = billing_rule();
        other.name = "another".to_owned();
        other.principals = vec!["dunning".to_owned()];
        config.authorization.rules.push(other);
    });
    world.gateway.replaceable().replace(more).unwrap();

    world
        .reject()
        .send()
        .await
        .is_problem(429, "rate_limited", "no");
}

#[tokio::test(start_paused = true)]
async fn lets_nobody_in_unnamed_where_others_reach_the_listener() {
    let world = World::with(|config| {
        config.server.listen = "0.0.0.0:0".parse().unwrap();
    })
    .await;
    let open = changed(&world, |config| {
        config.identity.anonymous = true;
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        config.authorization.rules.clear();
    });

    let refused = world.gateway.replaceable().replace(open);

    assert!(matches!(refused, Err(ReplaceError::Reachable { .. })));
    let unnamed = world.reject().without("authorization").send().await;
    unnamed.is_problem(401, "unauthenticated", "no");
    assert_eq!(world.reject().send().await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn grants_nothing_on_an_account_that_means_another_by_now() {
    let world = World::new().await;
    let other_tenant = |config: &mut Config| {
        "aaaaaaaa-d5be-4814-ab58-4451c36fe157".clone_into(&mut config.accounts[0].tenant);
    };
    let other_default = |config: &mut Config| {
        let mut account = config.accounts[0].clone();
        "fabrikam".clone_into(&mut account.name);
        config.accounts.push(account);
        "fabrikam".clone_into(&mut config.default_account);
    };
    let for_a_user = |config: &mut Config| {
        config.accounts[0].token.flow = Flow::AppUser(Store::File("token".into()));
    };
    let generous = |config: &mut Config| {
        config.authorization.rules[0].principals = vec!["*".to_owned()];
    };
    let changes: [&dyn Fn(&mut Config); 3] = [&other_tenant, &other_default, &for_a_user];

    for change in changes {
        let refused = world
            .gateway
            .replaceable()
            .replace(changed(&world, |config| {
                change(config);
                generous(config);
            }));

        assert!(matches!(refused, Err(ReplaceError::OtherAccounts { .. })));
        let call = world
            .reject()
            .without("authorization")
            .token("stranger-token");
        call.send().await.is_problem(403, "policy_denied", "no");
        // The rest waits for a restart, and does no harm.
        world
            .gateway
            .replaceable()
            .replace(changed(&world, change))
            .unwrap();
    }
    world
        .gateway
        .replaceable()
        .replace(changed(&world, generous))
        .unwrap();
    let call = world
        .reject()
        .without("authorization")
        .token("stranger-token");
    assert_eq!(call.send().await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn asks_for_no_certificates_where_there_is_no_tls() {
    let world = World::new().await;

    let refused = world
        .gateway
        .replaceable()
        .replace(changed(&world, |config| {
            everybody(config);
            config.identity.token_file = None;
        }));

    assert!(matches!(refused, Err(ReplaceError::Plain)));
    assert_eq!(world.reject().send().await.status, 200);
}
