//! Who calls: token file and anonymous callers.

use partner_gateway::identity;

use crate::harness::{BILLING, World, journal};

#[tokio::test(start_paused = true)]
async fn refuses_a_caller_without_a_credential() {
    let world = World::new().await;

    let answer = world.reject().without("authorization").send().await;

    answer.is_problem(401, "unauthenticated", "no");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    assert_eq!(answer.record["decision"], "unauthenticated");
    assert_eq!(answer.record.get("principal"), None);
    assert!(world.sandbox.seen().is_empty());
    assert!(world.sandbox.token_requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn refuses_a_token_that_is_nobodys() {
    let world = World::new().await;

    for token in [
        "x",
        &journal::sha256(BILLING),
        &format!("{BILLING}x"),
        "billing",
    ] {
        let answer = world
            .reject()
            .without("authorization")
            .token(token)
            .send()
            .await;

        answer.is_problem(401, "unauthenticated", "no");
        assert_eq!(
            answer.header("www-authenticate"),
            Some(r#"Bearer error="invalid_token""#)
        );
    }
    assert!(world.sandbox.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn refuses_anything_but_one_bearer_token() {
    let world = World::new().await;
    let twice = world.reject().token(BILLING).send().await;
    let basic = world
        .reject()
        .without("authorization")
        .header("authorization", "Basic eDp5")
        .send();
    let basic = basic.await;

    for answer in [twice, basic] {
        answer.is_problem(401, "unauthenticated", "no");
        assert_eq!(
            answer.header("www-authenticate"),
            Some(r#"Bearer error="invalid_request""#)
        );
    }
    assert!(world.sandbox.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn tells_a_stranger_nothing_about_arguments() {
    let world = World::new().await;

    for target in ["/transfers/x/y/reject", "/transfers/x/y/reject?z"] {
        let answer = world
            .reject()
            .without("authorization")
            .at(target)
            .body("{")
            .send()
            .await;

        answer.is_problem(401, "unauthenticated", "no");
    }
}

#[tokio::test(start_paused = true)]
async fn lets_an_anonymous_caller_in_where_that_is_configured() {
    let world = World::with(|config| {
        config.identity = identity::Settings {
            anonymous: true,
            ..identity::Settings::default()
        };
        let rule = config.authorization.rules.first_mut().unwrap();
        rule.principals = vec!["anonymous".to_owned()];
    })
    .await;

    let anonymous = world.reject().without("authorization").send().await;
    let pretender = world.reject().send().await;

    assert_eq!(anonymous.status, 200);
    assert_eq!(anonymous.record["principal"], "anonymous");
    assert_eq!(anonymous.record["auth"], "none");
    pretender.is_problem(401, "unauthenticated", "no");
}

#[tokio::test(start_paused = true)]
async fn records_who_called_and_never_what_was_presented() {
    let world = World::new().await;

    let answer = world.reject().send().await;

    assert_eq!(answer.record["principal"], "billing");
    assert_eq!(answer.record["auth"], "token_file");
    assert_eq!(answer.record["peer"], "192.0.2.7:40000");
    let journal: String = world
        .journal()
        .records()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(!journal.contains(BILLING));
    assert!(!journal.contains("Bearer"));
}
