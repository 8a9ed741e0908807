//! May they: policy, deny by default.

use std::collections::BTreeSet;

use partner_gateway::{authorization::Customers, command::Operation};

use crate::harness::{BILLING, TRANSFER, World, billing_rule};

const OTHER: &str = "11111111-2222-4333-8444-555555555555";

#[tokio::test(start_paused = true)]
async fn denies_a_caller_whom_no_rule_names() {
    let world = World::new().await;

    let answer = world
        .reject()
        .without("authorization")
        .token("stranger-token")
        .send()
        .await;

    answer.is_problem(403, "policy_denied", "no");
    assert_eq!(answer.record["decision"], "denied");
    assert_eq!(answer.record["principal"], "stranger");
    assert!(world.sandbox.seen().is_empty());
    assert!(world.journal().of_kind("intent").is_empty());
}

#[tokio::test(start_paused = true)]
async fn denies_another_customer() {
    let world = World::new().await;

    let target = format!("/transfers/{OTHER}/{TRANSFER}/reject");
    let answer = world.reject().at(&target).send().await;

    answer.is_problem(403, "policy_denied", "no");
    assert!(world.sandbox.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn denies_another_operation() {
    let world = World::with(|config| {
        let rule = config.authorization.rules.first_mut().unwrap();
        rule.operations = BTreeSet::from([Operation::TransfersRead, Operation::AuditRead]);
    })
    .await;

    world
        .reject()
        .send()
        .await
        .is_problem(403, "policy_denied", "no");
}

#[tokio::test(start_paused = true)]
async fn does_not_tell_an_unknown_account_from_a_forbidden_one() {
    let world = World::with(|config| {
        let mut second = config.accounts.first().unwrap().clone();
        second.name = "fabrikam".to_owned();
        config.accounts.push(second);
    })
    .await;

    for token in [BILLING, "stranger-token"] {
        let naming = |account: &str| {
            let call = world.reject().without("authorization").token(token);
            call.header("Partner-Account", account).send()
        };
        let forbidden = naming("fabrikam").await;
        for answer in [&forbidden, &naming("nobody").await, &naming("a b").await] {
            answer.is_problem(403, "account_forbidden", "no");
            assert_eq!(answer.json()["detail"], forbidden.json()["detail"]);
        }
    }
    assert!(world.sandbox.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn uses_the_account_that_the_caller_names() {
    let world = World::with(|config| {
        let mut second = config.accounts.first().unwrap().clone();
        second.name = "fabrikam".to_owned();
        config.accounts.push(second);
        let rule = config.authorization.rules.first_mut().unwrap();
        rule.accounts.insert("fabrikam".to_owned());
    })
    .await;

    let named = world
        .reject()
        .header("Partner-Account", "fabrikam")
        .send()
        .await;
    let default = world.reject().send().await;

    assert_eq!(named.record["account"], "fabrikam");
    assert_eq!(default.record["account"], "contoso");
    assert_eq!(
        world.sandbox.token_requests().len(),
        2,
        "one token for each account"
    );
}

#[tokio::test(start_paused = true)]
async fn records_the_rule_that_decided_and_the_policy_in_force() {
    let world = World::with(|config| {
        let mut any = billing_rule();
        any.name = "any customer".to_owned();
        any.customers = Customers::Any;
        any.principals = vec!["bill*".to_owned()];
        config.authorization.rules.insert(0, any);
    })
    .await;

    let answer = world.reject().send().await;

    assert_eq!(answer.record["rule"], "any customer");
    assert_eq!(answer.record["policy"].as_str().map(str::len), Some(16));
    assert_eq!(
        world.journal().of_kind("started")[0]["policy"],
        answer.record["policy"]
    );
}
