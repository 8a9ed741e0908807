//! Tokens: fetched once, renewed early, never sent after their end, never shown.

mod machine;
mod odd;
mod online;
mod refused;
pub(crate) mod standing;

use std::time::Duration;

use partner_gateway::{secret::SecretSource, token::credential::Settings as Credential};
use sandbox::{Fault, Settings, Target};
use serde_json::json;

use crate::harness::{World, served::until};

#[tokio::test(start_paused = true)]
async fn asks_entra_as_documented() {
    let world = World::new().await;

    world.reject().send().await;

    let asked = world.sandbox.token_requests();
    let [asked] = &asked[..] else {
        panic!("one token request")
    };
    let tenant = Settings::default().tenant;
    assert_eq!(asked.path, format!("/{tenant}/oauth2/v2.0/token"));
    let field = |name: &str| {
        let found = asked
            .form
            .iter()
            .find(|(is, _)| is == name)
            .map(|(_, value)| value.as_str());
        found.map(ToOwned::to_owned)
    };
    assert_eq!(field("grant_type").as_deref(), Some("client_credentials"));
    assert_eq!(
        field("scope").as_deref(),
        Some("https://api.partnercenter.microsoft.com/.default")
    );
    assert_eq!(field("client_id"), Some(Settings::default().client_id));
    assert!(asked.form.iter().any(|(name, _)| name == "client_secret"));
    let header = |name: &str| asked.headers.iter().any(|(is, _)| is == name);
    assert!(
        !header("authorization"),
        "the secret belongs into the body alone"
    );
    assert!(header("client-request-id"));
}

#[tokio::test(start_paused = true)]
async fn keeps_a_token_and_renews_it_early() {
    let world = World::new().await;
    world.reject().send().await;
    let fetched = || world.sandbox.token_requests().len();

    tokio::time::advance(Duration::from_mins(44)).await;
    world.reject().send().await;
    assert_eq!(
        fetched(),
        1,
        "a token of an hour is not yet due after 44 minutes"
    );

    tokio::time::advance(Duration::from_mins(7)).await;
    let answer = world.reject().send().await;
    assert_ne!(answer.status, 503);
    until(|| fetched() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn serves_through_an_outage_and_never_sends_an_expired_token() {
    let world = World::new().await;
    world.reject().send().await;
    for _ in 0..1000 {
        let outage = Fault::Status {
            status: 503,
            body: None,
            content_type: None,
            retry_after: None,
            headers: vec![],
        };
        world.sandbox.push_fault(Target::Token, outage);
    }

    for _ in 0..59 {
        tokio::time::advance(Duration::from_mins(1)).await;
        let answer = world.reject().send().await;
        assert_eq!(
            answer.status, 400,
            "the transfer has ended, and Partner Center says so"
        );
    }
    tokio::time::advance(Duration::from_mins(1)).await;
    let seen = world.sandbox.seen().len();
    let expired = world.reject().send().await;

    expired.is_problem(503, "token_unavailable", "no");
    assert_eq!(
        world.sandbox.seen().len(),
        seen,
        "an expired token was sent"
    );
    assert!(
        world.journal().of_kind("intent").len() > seen,
        "the intent stands before the token"
    );
}

#[tokio::test(start_paused = true)]
async fn waits_two_seconds_at_most_for_a_new_token_while_the_old_one_serves() {
    let world = World::new().await;
    world.reject().send().await;
    world.network.hang("login.test");
    tokio::time::advance(Duration::from_mins(56)).await;

    let mut calling = Box::pin(world.reject().send());
    while world.network.waiting() == 0 {
        assert!(futures_util::poll!(&mut calling).is_pending());
        tokio::task::yield_now().await;
    }
    tokio::time::advance(Duration::from_millis(1999)).await;
    assert!(futures_util::poll!(&mut calling).is_pending());
    tokio::time::advance(Duration::from_millis(1)).await;
    let first = calling.await;
    tokio::time::advance(Duration::from_secs(20)).await;
    until(|| world.network.waiting() == 0).await;
    let failed = tokio::time::Instant::now();
    let second = world.reject().send().await;

    assert_eq!(
        [first.status, second.status],
        [400, 400],
        "the transfer has ended"
    );
    assert_eq!(
        failed.elapsed(),
        Duration::ZERO,
        "nobody waits for what has just failed"
    );
    assert_eq!(world.sandbox.seen().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn takes_a_life_in_quotes() {
    let world = World::new().await;
    world.sandbox.push_fault(
        Target::Token,
        Fault::ExpiresIn {
            value: json!("3599"),
        },
    );

    assert_eq!(world.reject().send().await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn refuses_a_token_for_somebody_else() {
    for audience in [
        "https://graph.windows.net",
        "https://api.partnercenter.microsoft.com.evil",
    ] {
        let world = World::new().await;
        let value = audience.to_owned();
        world
            .sandbox
            .push_fault(Target::Token, Fault::Audience { value });

        world
            .reject()
            .send()
            .await
            .is_problem(503, "token_unavailable", "no");
        assert!(world.sandbox.seen().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn honours_retry_after_and_asks_no_sooner() {
    let world = World::new().await;
    let throttled = Fault::Status {
        status: 429,
        body: None,
        content_type: None,
        retry_after: Some("57".to_owned()),
        headers: vec![],
    };
    world.sandbox.push_fault(Target::Token, throttled);

    let first = world.reject().send().await;
    tokio::time::advance(Duration::from_secs(56)).await;
    let second = world.reject().send().await;
    tokio::time::advance(Duration::from_secs(2)).await;
    let third = world.reject().send().await;

    assert_eq!(first.header("retry-after"), Some("57"));
    assert_eq!(second.header("retry-after"), Some("1"));
    assert_eq!(third.status, 200);
    assert_eq!(world.sandbox.token_requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn remembers_for_a_minute_that_the_secret_is_wrong() {
    let world = World::new().await;
    world.sandbox.set_client_secret("the-secret-of-tomorrow");

    for _ in 0..20 {
        world
            .reject()
            .send()
            .await
            .is_problem(503, "token_unavailable", "no");
    }

    assert_eq!(world.sandbox.token_requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn forgets_that_the_secret_was_wrong_when_its_file_changes() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "the-secret-of-yesterday\n").unwrap();
    let world = World::with(|config| {
        let account = config.accounts.first_mut().unwrap();
        let secret = SecretSource::File(file.path().to_owned());
        account.token.credential = Credential::ClientSecret(secret);
    })
    .await;
    for _ in 0..3 {
        let refused = world.reject().send().await;
        refused.is_problem(503, "token_unavailable", "no");
    }
    let asked = world.sandbox.token_requests().len();

    std::fs::write(file.path(), "sandbox-client-secret\n").unwrap();
    let answer = world.reject().send().await;

    assert_eq!((asked, answer.status), (1, 200));
    assert_eq!(world.sandbox.token_requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn waits_as_long_as_was_asked_although_the_secret_has_changed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "the-secret-of-yesterday\n").unwrap();
    let world = World::with(|config| {
        let account = config.accounts.first_mut().unwrap();
        let secret = SecretSource::File(file.path().to_owned());
        account.token.credential = Credential::ClientSecret(secret);
    })
    .await;
    let refused = Fault::Status {
        status: 401,
        body: Some(json!({"error": "invalid_client"}).to_string()),
        content_type: None,
        retry_after: Some("120".to_owned()),
        headers: vec![],
    };
    world.sandbox.push_fault(Target::Token, refused);
    world.reject().send().await;

    std::fs::write(file.path(), "sandbox-client-secret\n").unwrap();
    tokio::time::advance(Duration::from_secs(119)).await;
    let early = world.reject().send().await;
    let asked = world.sandbox.token_requests().len();
    tokio::time::advance(Duration::from_secs(1)).await;
    let late = world.reject().send().await;

    early.is_problem(503, "token_unavailable", "no");
    assert_eq!((asked, late.status), (1, 200));
}

#[tokio::test(start_paused = true)]
async fn reads_a_rotated_secret_without_a_restart() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "sandbox-client-secret\n").unwrap();
    let world = World::with(|config| {
        let account = config.accounts.first_mut().unwrap();
        let secret = SecretSource::File(file.path().to_owned());
        account.token.credential = Credential::ClientSecret(secret);
    })
    .await;
    assert_eq!(world.reject().send().await.status, 200);

    world.sandbox.set_client_secret("the-secret-of-tomorrow");
    std::fs::write(file.path(), "the-secret-of-tomorrow").unwrap();
    world.sandbox.revoke_tokens();
    let answer = world.reject().send().await;

    assert_eq!(
        answer.status, 400,
        "the transfer has ended, and Partner Center says so"
    );
}

#[tokio::test(start_paused = true)]
async fn fetches_for_the_others_when_the_first_caller_leaves() {
    let world = World::new().await;
    world
        .sandbox
        .push_fault(Target::Token, Fault::Delay { ms: 500 });
    let mut first = Box::pin(world.reject().send());

    assert!(futures_util::poll!(&mut first).is_pending());
    until(|| world.sandbox.token_requests().len() == 1).await;
    drop(first);
    let second = world.reject().send();
    let (second, ()) = tokio::join!(second, tokio::time::advance(Duration::from_secs(1)));

    assert!(matches!(second.status, 200 | 400));
    assert_eq!(world.sandbox.token_requests().len(), 1);
}
