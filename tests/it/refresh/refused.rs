//! Refresh tokens that are refused, for good or for now.

use std::time::Duration;

use sandbox::{Fault, Target};

use super::{acting_for_a_user, call, has_no_token, keep, kept, read, sandbox};

#[tokio::test(start_paused = true)]
async fn presents_a_refused_token_once_and_another_one_when_it_comes() {
    let sandbox = sandbox();
    let (dir, store) = kept(&sandbox.consent(true));
    sandbox.revoke_consent();
    let world = acting_for_a_user(sandbox, store).await;

    for _ in 0..10 {
        has_no_token(&call(&world).await);
        tokio::time::advance(Duration::from_mins(2)).await;
    }
    has_no_token(&call(&world).await);
    let presented = world.sandbox.refresh_tokens_presented().len();
    keep(
        &dir.path().join("refresh-token"),
        &world.sandbox.consent(true),
    );
    let served = call(&world).await;

    assert_eq!(presented, 1, "the same token was presented again");
    assert_eq!(served.status, 200);
    assert_eq!(world.sandbox.refresh_tokens_presented().len(), 2);
    assert!(world.sandbox.is_current_refresh_token(&read(&dir)));
}

#[tokio::test(start_paused = true)]
async fn presents_the_first_token_as_soon_as_it_is_there() {
    let sandbox = sandbox();
    let (dir, store) = kept("");
    let world = acting_for_a_user(sandbox, store).await;

    has_no_token(&call(&world).await);
    has_no_token(&call(&world).await);
    keep(
        &dir.path().join("refresh-token"),
        &world.sandbox.consent(true),
    );
    let served = call(&world).await;

    assert_eq!(served.status, 200);
    assert_eq!(world.sandbox.token_requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn presents_a_refused_token_again_after_an_hour() {
    let sandbox = sandbox();
    let (_dir, store) = kept(&sandbox.consent(true));
    sandbox.revoke_consent();
    let world = acting_for_a_user(sandbox, store).await;
    has_no_token(&call(&world).await);

    tokio::time::advance(Duration::from_mins(59)).await;
    has_no_token(&call(&world).await);
    let within = world.sandbox.refresh_tokens_presented().len();
    tokio::time::advance(Duration::from_mins(2)).await;
    has_no_token(&call(&world).await);

    assert_eq!(within, 1);
    assert_eq!(world.sandbox.refresh_tokens_presented().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn presents_a_token_again_that_a_policy_was_in_the_way_of() {
    for body in [
        r#"{"error":"invalid_grant","error_codes":[53003]}"#,
        r#"{"error":"invalid_grant","error_codes":[65001],"suberror":"consent_required"}"#,
        r#"{"error":"invalid_grant","error_codes":[50013]}"#,
        r#"{"error":"invalid_grant","claims":"{}"}"#,
        r#"{"error":"interaction_required","error_codes":[50076]}"#,
    ] {
        let sandbox = sandbox();
        let (_dir, store) = kept(&sandbox.consent(true));
        sandbox.push_fault(
            Target::Token,
            Fault::Body {
                status: 400,
                content_type: Some("application/json".to_owned()),
                body: body.to_owned(),
            },
        );
        let world = acting_for_a_user(sandbox, store).await;

        has_no_token(&call(&world).await);
        let once = world.sandbox.token_requests().len();
        tokio::time::advance(Duration::from_secs(75)).await;
        let mended = call(&world).await;

        assert_eq!(once, 1, "{body}");
        assert_eq!(mended.status, 200, "{body}");
    }
}
