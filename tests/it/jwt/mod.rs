//! Callers known by tokens that an issuer signed.

mod accepting;
mod ageing;
mod asking;
mod files;
mod forging;
mod keys;
mod kinds;
mod moving;

use tokio::task::JoinSet;

use crate::harness::{World, call::Answer};

/// Makes the usual call with a token.
async fn call(world: &World, token: &str) -> Answer {
    let call = world.reject().without("authorization");
    call.token(token).send().await
}

/// Checks that a token makes its bearer the caller `billing`.
async fn takes(world: &World, token: &str, what: &str) {
    let answer = call(world, token).await;

    assert_eq!(answer.record["decision"], "allowed", "{what}");
    assert_eq!(answer.record["principal"], "billing", "{what}");
    assert_eq!(answer.record["auth"], "jwt", "{what}");
}

/// Checks that a token is refused, without a reason, before anything is sent, and recorded as nobody's.
async fn refuses(world: &World, token: &str, what: &str) {
    let sent = world.sandbox.seen().len() + world.sandbox.token_requests().len();

    let answer = call(world, token).await;

    assert_eq!(answer.status, 401, "{what}");
    answer.is_problem(401, "unauthenticated", "no");
    assert_eq!(
        answer.header("www-authenticate"),
        Some(r#"Bearer error="invalid_token""#),
        "{what}"
    );
    assert_eq!(
        answer.json()["detail"],
        "The credential is not valid.",
        "{what}"
    );
    assert_eq!(answer.record["decision"], "unauthenticated", "{what}");
    for key in ["principal", "issuer", "auth", "account"] {
        assert_eq!(answer.record.get(key), None, "{what}");
    }
    let now = world.sandbox.seen().len() + world.sandbox.token_requests().len();
    assert_eq!(now, sent, "{what}");
}

/// Lets a fetch that is under way come to its end.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// A call with a token, which goes on while the test does.
fn begin(world: &World, token: &str) -> JoinSet<u16> {
    let call = world.reject().without("authorization").token(token);
    let answer = tower::ServiceExt::oneshot(world.gateway.stack(), call.arrival());
    let mut calls = JoinSet::new();
    calls.spawn(async move { answer.await.unwrap().status().as_u16() });
    calls
}
